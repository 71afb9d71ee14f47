/* SPDX-License-Identifier: Apache-2.0
 * cpu_adr: see cpu_adr.h. Groups of simd->lanes images go over the threads; a group runs through
 * all its levels before the thread takes the next. Images of one key are put together where keys
 * repeat, so that a whole group may share one velocity; a lane computes the same bits in any
 * company. */
#include "device/cpu_adr.h"

#include <omp.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "base/timer.h"
#include "device/cpu_adr_parts.h"
#include "device/fft_cpu.h"
#include "device/turbulence.h"

SIMD_DEFINE_BEST(adr)

/* Nine populations of a few rows must stay in the second cache: wide images go in groups of eight.
 */
static const struct simd_adr *kernels_for(const struct adr_plan *plan)
{
    int level = simd_level();
    int populations = plan->kind == FORWARD_LBM && plan->collision != LBM_EQUILIBRIUM;
    return simd_adr_at(populations && plan->side > 80 && level > 1 ? 1 : level);
}

static float *cells_alloc(const struct adr *a, int wanted, size_t cells)
{
    return wanted ? mem_alloc(cells * (size_t)a->simd->lanes * sizeof(float)) : NULL;
}

static void group_init(const struct adr *a, struct cpu_group *g)
{
    const struct adr_plan *plan = a->plan;
    size_t side = (size_t)plan->side, cells = side * side, ring = (side + 2) * (side + 2);
    size_t channels = (size_t)plan->channels, count = (size_t)a->spectrum.waves.count;
    int heat = plan->kind == FORWARD_HEAT, parts = heat ? 0 : a->spectrum.parts;
    int populations = !heat && plan->collision != LBM_EQUILIBRIUM;
    if (heat)
        count = side;
    *g = (struct cpu_group){0};
    for (int i = 0; i < 2; i++) {
        g->part[i] = cells_alloc(a, parts, (size_t)parts * count * count);
        g->raw[i] = cells_alloc(a, parts == 2, cells);
        g->factor[i] = cells_alloc(a, 1, 1);
    }
    g->coefficient = cells_alloc(a, parts || heat, count * count);
    g->middle = cells_alloc(a, parts || heat, count * side);
    g->fft = mem_alloc(fft_cpu_work(heat ? a->cosine_fft : a->spectrum.fft) * sizeof(float));
    g->cosine = mem_alloc(count * count * sizeof(float));
    g->sine = mem_alloc(count * count * sizeof(float));
    g->psi = cells_alloc(a, parts == 1, ring);
    g->vx = cells_alloc(a, !heat, cells);
    g->vy = cells_alloc(a, !heat, cells);
    g->shared_x = mem_alloc(cells * sizeof(float));
    g->shared_y = mem_alloc(cells * sizeof(float));
    g->given = mem_alloc(2 * cells * sizeof(double));
    g->phi = cells_alloc(a, 1, channels * cells);
    g->before = cells_alloc(a, heat, channels * cells);
    g->f = cells_alloc(a, populations, channels * ring * 9);
    g->rows = cells_alloc(a, !heat, adr_sweep_scratch(plan->side));
}

static void group_free(struct cpu_group *g)
{
    for (int i = 0; i < 2; i++) {
        mem_free(g->part[i]);
        mem_free(g->raw[i]);
        mem_free(g->factor[i]);
    }
    void *arrays[] = {g->coefficient, g->middle, g->fft, g->cosine,   g->sine,
                      g->psi,         g->vx,     g->vy,  g->shared_x, g->shared_y,
                      g->given,       g->phi,    g->f,   g->before,   g->rows};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        mem_free(arrays[i]);
}

static void given_init(struct adr *a)
{
    const struct adr_plan *plan = a->plan;
    size_t cells = (size_t)plan->side * (size_t)plan->side;
    a->given = mem_zalloc(2 * cells * sizeof(double));
    a->file_rms = turbulence_file_rms(plan);
    if (plan->velocity == VELOCITY_UNIFORM || plan->velocity == VELOCITY_ROTATION ||
        plan->velocity == VELOCITY_SHEAR)
        turbulence_given(plan, 1, 0, a->file_rms, a->given);
}

struct adr *cpu_adr_create(struct device *d, const struct adr_plan *plan, int max_images)
{
    struct adr *a = mem_zalloc(sizeof *a);
    a->plan = plan;
    a->simd = kernels_for(plan);
    a->threads = d->threads > 0 ? d->threads : 1;
    a->max_images = max_images;
    REQUIRE(a->simd->lanes <= ADR_LANES_MOST && plan->side >= 2);
    if (plan->kind == FORWARD_HEAT) {
        cpu_waves_cosine(plan->side, &a->cosine);
        cpu_waves_analysis(&a->cosine, &a->analysis);
        if (fft_cpu_faster(&a->cosine))
            a->cosine_fft = fft_cpu_create(FFT_COSINE, &a->cosine, a->simd->lanes);
    } else {
        cpu_spectrum_init(plan, a->simd->lanes, &a->spectrum);
        if (plan->value_low > 0 || plan->collision != LBM_EQUILIBRIUM)
            a->base = (float)((plan->value_low + plan->value_high) / 2);
        if (a->spectrum.parts == 0)
            given_init(a);
    }
    a->group = mem_alloc((size_t)a->threads * sizeof *a->group);
    for (int t = 0; t < a->threads; t++)
        group_init(a, &a->group[t]);
    size_t images = (size_t)max_images;
    a->order = mem_alloc(images * sizeof(int));
    a->place = mem_alloc(images * sizeof(int));
    a->first = mem_alloc((images + 2) * sizeof(int));
    a->list_capacity = max_images * (plan->level_count + 1);
    a->list = mem_alloc((size_t)a->list_capacity * sizeof(int));
    return a;
}

void cpu_adr_destroy(struct device *d, struct adr *a)
{
    (void)d;
    for (int t = 0; t < a->threads; t++)
        group_free(&a->group[t]);
    cpu_spectrum_free(&a->spectrum);
    cpu_waves_free(&a->cosine);
    cpu_waves_free(&a->analysis);
    fft_cpu_destroy(a->cosine_fft);
    mem_free(a->given);
    mem_free(a->group);
    mem_free(a->order);
    mem_free(a->place);
    mem_free(a->first);
    mem_free(a->list);
    mem_free(a);
}

/* Images into order of key where keys repeat, those of one key by number (Shell's sort), and below
 * captures into lists by group, which stay sorted by level. */
static void order_images(struct adr *a, int n, const uint64_t *keys)
{
    for (int i = 0; i < n; i++)
        a->order[i] = i;
    if (a->plan->realisations > 0)
        for (int gap = n / 2; gap > 0; gap /= 2)
            for (int i = gap; i < n; i++) {
                int image = a->order[i], j = i;
                for (; j >= gap; j -= gap) {
                    int other = a->order[j - gap];
                    if (keys[other] < keys[image] || (keys[other] == keys[image] && other < image))
                        break;
                    a->order[j] = other;
                }
                a->order[j] = image;
            }
    for (int i = 0; i < n; i++)
        a->place[a->order[i]] = i;
}

static void list_captures(struct adr *a, int groups, int captures,
                          const struct adr_capture *capture)
{
    int lanes = a->simd->lanes;
    if (captures > a->list_capacity) { /* only where a level of an image is wanted more than once */
        mem_free(a->list);
        a->list = mem_alloc((size_t)captures * sizeof(int));
        a->list_capacity = captures;
    }
    memset(a->first, 0, (size_t)(groups + 2) * sizeof(int));
    for (int i = 0; i < captures; i++)
        a->first[a->place[capture[i].image] / lanes + 2]++;
    for (int g = 0; g < groups; g++)
        a->first[g + 2] += a->first[g + 1];
    for (int i = 0; i < captures; i++)
        a->list[a->first[a->place[capture[i].image] / lanes + 1]++] = i;
}

/* One call's arguments. */
struct job {
    const struct adr_capture *capture;
    const uint64_t *keys;
    const float *u0;
    float *u, *delta;
};

static size_t image_values(const struct adr_plan *plan)
{
    return (size_t)plan->side * (size_t)plan->side * (size_t)plan->channels;
}

static float *channel_of(const struct adr *a, float *cells, int channel)
{
    return cells + (size_t)channel * (size_t)(a->plan->side * a->plan->side * a->simd->lanes);
}

static struct adr_sweep sweep_of(const struct adr *a, const struct cpu_group *g, int level,
                                 int channel)
{
    const struct adr_plan *plan = a->plan;
    size_t ring = (size_t)(plan->side + 2) * (size_t)(plan->side + 2);
    return (struct adr_sweep){
        .side = plan->side,
        .order = plan->order,
        .shared = g->shared,
        .walls = plan->walls,
        .collision = plan->collision,
        .cs2 = (float)plan->levels[level].cs2,
        .tau = (float)plan->levels[level].tau,
        .base = a->base,
        .phi = channel_of(a, g->phi, channel),
        .f = g->f ? g->f + (size_t)channel * ring * 9 * (size_t)a->simd->lanes : NULL,
        .vx = g->shared ? g->shared_x : g->vx,
        .vy = g->shared ? g->shared_y : g->vy,
        .rows = g->rows,
    };
}

static void run_level(const struct adr *a, struct cpu_group *g, int level, int wanted)
{
    const struct adr_plan *plan = a->plan;
    int first, steps, populations = plan->collision != LBM_EQUILIBRIUM;
    for (int step = 0; step < plan->levels[level].steps; step += steps) {
        timer_alive();
        turbulence_theta(plan, level, step, &first, &steps);
        cpu_field_make(a, g, level, step);
        double start = timer_now_s();
        for (int c = 0; c < plan->channels; c++) {
            struct adr_sweep s = sweep_of(a, g, level, c);
            s.steps = steps;
            if (populations && level == 1 && step == 0)
                a->simd->populations_start(&s);
            (populations ? a->simd->populations : a->simd->equilibrium)(&s);
            if (populations && wanted && step + steps == plan->levels[level].steps)
                a->simd->populations_sum(&s);
        }
        g->stats.lbm_s += timer_now_s() - start;
    }
}

/* States of the captured lanes into out, or where `change` is given into out with the change since.
 */
static void write_captures(const struct adr *a, const struct job *job, int count, const int *list,
                           float *cells, double scale, double offset, float *out, float *change)
{
    const struct adr_plan *plan = a->plan;
    int lane[ADR_LANES_MOST], pixels = plan->side * plan->side, stride = plan->channels;
    float *to[ADR_LANES_MOST], *to_change[ADR_LANES_MOST];
    for (int done = 0, part; done < count; done += part) {
        part = count - done < ADR_LANES_MOST ? count - done : ADR_LANES_MOST;
        for (int c = 0; c < plan->channels; c++) {
            float *from = channel_of(a, cells, c);
            for (int i = 0; i < part; i++) {
                const struct adr_capture *capture = &job->capture[list[done + i]];
                size_t at = (size_t)capture->slot * image_values(plan) + (size_t)c;
                lane[i] = a->place[capture->image] % a->simd->lanes;
                to[i] = out + at;
                to_change[i] = change ? change + at : NULL;
            }
            if (change)
                a->simd->unpack_change(pixels, part, lane, from, (float)scale, (float)offset, to,
                                       to_change, stride);
            else
                a->simd->unpack(pixels, part, lane, from, (float)scale, (float)offset, to, stride);
        }
    }
}

/* Level 0 is the image itself. */
static void write_clean(const struct adr *a, const struct job *job, int count, const int *list)
{
    size_t values = image_values(a->plan);
    for (int i = 0; i < count; i++) {
        const struct adr_capture *c = &job->capture[list[i]];
        memcpy(job->u + (size_t)c->slot * values, job->u0 + (size_t)c->image * values,
               values * sizeof(float));
        if (job->delta)
            memset(job->delta + (size_t)c->slot * values, 0, values * sizeof(float));
    }
}

static void heat_captures(const struct adr *a, struct cpu_group *g, const struct job *job,
                          int level, int count, const int *list)
{
    for (int difference = 0; difference < (job->delta ? 2 : 1); difference++) {
        for (int c = 0; c < a->plan->channels; c++)
            cpu_heat_image(a, g, channel_of(a, g->phi, c), level, difference,
                           channel_of(a, g->before, c));
        write_captures(a, job, count, list, g->before, 1, 0, difference ? job->delta : job->u,
                       NULL);
    }
}

/* One level of the lattice Boltzmann process with its captures. */
static void lbm_level(const struct adr *a, struct cpu_group *g, const struct job *job, int level,
                      int count, const int *list)
{
    const struct adr_plan *plan = a->plan;
    double range = plan->value_high - plan->value_low;
    if (count && job->delta) {
        for (int c = 0; c < plan->channels && g->f && level > 1; c++) {
            struct adr_sweep s = sweep_of(a, g, level, c);
            a->simd->populations_sum(&s);
        }
        write_captures(a, job, count, list, g->phi, 1, 0, job->delta, NULL);
    }
    run_level(a, g, level, count);
    if (!count)
        return;
    write_captures(a, job, count, list, g->phi, 1 / range,
                   ((double)a->base - plan->value_low) / range, job->u, job->delta);
}

static void load_images(const struct adr *a, struct cpu_group *g, const struct job *job, int place)
{
    const struct adr_plan *plan = a->plan;
    int heat = plan->kind == FORWARD_HEAT;
    double scale = heat ? 1 : plan->value_high - plan->value_low;
    double offset = heat ? 0 : plan->value_low - (double)a->base;
    const float *image[ADR_LANES_MOST];
    for (int c = 0; c < plan->channels; c++) {
        for (int l = 0; l < g->live; l++)
            image[l] = job->u0 + (size_t)a->order[place + l] * image_values(plan) + c;
        a->simd->pack(plan->side * plan->side, g->live, image, plan->channels, (float)scale,
                      (float)offset, channel_of(a, g->phi, c));
        if (heat)
            cpu_heat_spectrum(a, g, channel_of(a, g->phi, c));
    }
}

/* Images order[place .. place + live - 1]; `list` of `count` captures, sorted by level. */
static void run_group(const struct adr *a, struct cpu_group *g, const struct job *job, int place,
                      int live, int count, const int *list)
{
    uint64_t keys[ADR_LANES_MOST];
    for (int l = 0; l < live; l++)
        keys[l] = job->keys[a->order[place + l]];
    cpu_field_keys(a, g, live, keys);
    load_images(a, g, job, place);
    for (int level = 0, done = 0, here; done < count; level++, done += here) {
        for (here = 0; done + here < count && job->capture[list[done + here]].level == level;)
            here++;
        if (level == 0)
            write_clean(a, job, here, list + done);
        else if (a->plan->kind == FORWARD_LBM)
            lbm_level(a, g, job, level, here, list + done);
        else if (here)
            heat_captures(a, g, job, level, here, list + done);
    }
    g->stats.images += live;
}

void cpu_adr_run(struct device *d, struct adr *a, int n, const uint64_t *keys, const float *u0,
                 int captures, const struct adr_capture *capture, float *u, float *delta,
                 struct adr_stats *stats)
{
    (void)d;
    REQUIRE(n <= a->max_images);
    struct job job = {capture, keys, u0, u, delta};
    int lanes = a->simd->lanes, groups = (n + lanes - 1) / lanes;
    order_images(a, n, keys);
    list_captures(a, groups, captures, capture);
#pragma omp parallel num_threads(a->threads)
    {
        struct cpu_group *g = &a->group[omp_get_thread_num()];
        unsigned state = a->simd->flush_denormals();
        g->stats = (struct adr_stats){0};
#pragma omp for schedule(dynamic)
        for (int i = 0; i < groups; i++) {
            int place = i * lanes, live = n - place < lanes ? n - place : lanes;
            run_group(a, g, &job, place, live, a->first[i + 1] - a->first[i],
                      a->list + a->first[i]);
        }
        a->simd->restore(state);
#pragma omp critical(cpu_adr_stats)
        adr_stats_add(&a->unread, &g->stats);
    }
    adr_stats_hand_over(&a->unread, stats);
}

void cpu_adr_velocity(struct device *d, struct adr *a, int n, const uint64_t *keys, int level,
                      int step, float *v)
{
    (void)d;
    REQUIRE(a->plan->kind == FORWARD_LBM);
    int lanes = a->simd->lanes, cells = a->plan->side * a->plan->side;
    struct cpu_group *g = &a->group[0];
    unsigned state = a->simd->flush_denormals();
    for (int first = 0; first < n; first += lanes) {
        int live = n - first < lanes ? n - first : lanes;
        cpu_field_keys(a, g, live, keys + first);
        cpu_field_make(a, g, level, step);
        for (int l = 0; l < live; l++) {
            float *out = v + (size_t)(first + l) * 2 * (size_t)cells;
            for (int i = 0; i < cells; i++) {
                out[i] = 2 * (g->shared ? g->shared_x[i] : g->vx[i * lanes + l]);
                out[cells + i] = 2 * (g->shared ? g->shared_y[i] : g->vy[i * lanes + l]);
            }
        }
    }
    a->simd->restore(state);
}
