/* SPDX-License-Identifier: Apache-2.0
 * cpu_adr_field: the velocity that a group of images holds at one time: sums of waves, the solver's
 * curl, one scale (definitions: device/turbulence.h), limits, statistics. vx and vy carry HALF the
 * velocity, which is what the kernels want. */
#include <math.h>
#include <string.h>

#include "base/timer.h"
#include "device/cpu_adr_parts.h"
#include "device/fft_cpu.h"
#include "device/turbulence.h"

void cpu_field_keys(const struct adr *a, struct cpu_group *g, int live, const uint64_t *keys)
{
    g->live = live;
    g->same_key = 1;
    g->drawn = g->made = 0;
    for (int l = 0; l < a->simd->lanes; l++) {
        g->keys[l] = keys[l < live ? l : 0];
        g->same_key &= g->keys[l] == g->keys[0];
    }
}

static struct adr_extent extent_of(struct cpu_group *g)
{
    return (struct adr_extent){g->sums[0], g->sums[1],  g->sums[2],
                               g->sums[3], g->peaks[0], g->peaks[1]};
}

/* Variances of the two components over the cells, per lane, from the sums. */
static void variances(const struct cpu_group *g, int lane, double cells, double *var_x,
                      double *var_y)
{
    double mean_x = g->sums[2][lane] / cells, mean_y = g->sums[3][lane] / cells;
    *var_x = g->sums[0][lane] / cells - mean_x * mean_x;
    *var_y = g->sums[1][lane] / cells - mean_y * mean_y;
}

static void count_field(const struct adr_level *level, struct adr_stats *stats, int fields,
                        double ratio, double speed2, double factor)
{
    stats->fields += fields;
    stats->fields_over += ratio > 1 ? fields : 0;
    stats->worst_ratio = fmax(stats->worst_ratio, ratio);
    stats->worst_speed2 = fmax(stats->worst_speed2, speed2 / 2 / level->alpha);
    if (stats->worst_cap == 0 || factor < stats->worst_cap)
        stats->worst_cap = factor;
}

/* Largest ratio and speed of each lane, given for `scale` times the velocity in peaks; returns in
 * factor what cap_ratio makes of it. */
static int limit_lanes(const struct adr *a, struct cpu_group *g, const struct adr_level *level,
                       const float *scale, float *factor)
{
    int limited = 0;
    for (int l = 0; l < a->simd->lanes; l++) {
        double ratio = (double)scale[l] * (double)g->peaks[0][l] / level->cs2, cut = 1;
        double speed2 = (double)scale[l] * (double)scale[l] * (double)g->peaks[1][l];
        if (a->plan->cap_ratio > 0 && ratio > a->plan->cap_ratio) {
            cut = a->plan->cap_ratio / ratio;
            ratio = a->plan->cap_ratio;
            limited = 1;
        }
        factor[l] = (float)cut;
        if (l < g->live)
            count_field(level, &g->stats, 1, ratio, cut * cut * speed2, cut);
    }
    return limited;
}

static void sum_waves(const struct adr *a, struct cpu_group *g, double theta)
{
    const struct cpu_spectrum *s = &a->spectrum;
    int side = a->plan->side, count = s->waves.count, psi = s->parts == 1;
    if (g->made)
        return;
    if (!g->drawn) {
        size_t bytes = (size_t)s->parts * (size_t)(count * count * a->simd->lanes) * sizeof(float);
        memset(g->part[0], 0, bytes);
        memset(g->part[1], 0, bytes);
        a->simd->phases(a->plan->seed, g->keys, s->draws, s->draw, s->target, g->part[0],
                        g->part[1]);
        g->drawn = 1;
    }
    a->simd->angles(count * count, theta, s->turns, g->cosine, g->sine);
    for (int part = 0; part < s->parts; part++) {
        size_t from = (size_t)part * (size_t)(count * count * a->simd->lanes);
        struct adr_view coefficient = {g->coefficient, count, 1}, middle = {g->middle, side, 1};
        struct adr_view across = {g->middle, 1, side}, out = {g->raw[part], 1, side};
        if (psi)
            out = (struct adr_view){g->psi + (side + 3) * a->simd->lanes, 1, side + 2};
        a->simd->rotate(count * count, g->part[0] + from, g->part[1] + from, g->cosine, g->sine,
                        g->coefficient);
        if (s->fft) {
            fft_cpu_sum(s->fft, g->coefficient, g->fft, out.at, out.column);
        } else {
            a->simd->transform(&s->waves.waves, count, coefficient, middle);
            a->simd->transform(&s->waves.waves, side, across, out);
        }
    }
    if (psi)
        a->simd->odd_ring(side, g->psi);
    g->made = a->plan->theta_rate == 0;
}

/* After a change of the velocity point by point its size must be measured again. */
static void cap_field(const struct adr *a, struct cpu_group *g, const struct adr_level *level)
{
    int cells = a->plan->side * a->plan->side;
    float twice[ADR_LANES_MOST];
    struct adr_extent e = extent_of(g);
    for (int l = 0; l < a->simd->lanes; l++)
        twice[l] = 2;
    a->simd->extent(cells, g->vx, g->vy, &e);
    if (limit_lanes(a, g, level, twice, g->factor[0]))
        a->simd->scale(cells, g->factor[0], g->factor[0], 0, g->vx, g->vy, g->vx, g->vy);
}

static void field_from_psi(const struct adr *a, struct cpu_group *g, const struct adr_level *level)
{
    int side = a->plan->side, lanes = a->simd->lanes;
    float scale[ADR_LANES_MOST], cs2 = (float)level->cs2;
    struct adr_extent e = extent_of(g);
    a->simd->curl_extent(side, cs2, g->psi, &e);
    for (int l = 0; l < lanes; l++) {
        double variance = g->sums[0][l] / (2.0 * side * side); /* the means are zero: psi is odd */
        scale[l] = variance > 0 ? (float)(level->speed / sqrt(variance)) : 0;
    }
    if (a->plan->cap_speed > 0) {
        a->simd->curl(side, cs2, g->psi, scale, g->vx, g->vy);
        for (int l = 0; l < lanes; l++)
            g->factor[0][l] = 1;
        a->simd->scale(side * side, g->factor[0], g->factor[0], (float)(a->plan->cap_speed / 2),
                       g->vx, g->vy, g->vx, g->vy);
        cap_field(a, g, level);
        return;
    }
    limit_lanes(a, g, level, scale, g->factor[0]);
    for (int l = 0; l < lanes; l++)
        g->factor[0][l] *= scale[l];
    a->simd->curl(side, cs2, g->psi, g->factor[0], g->vx, g->vy);
}

static void field_from_waves(const struct adr *a, struct cpu_group *g,
                             const struct adr_level *level)
{
    int cells = a->plan->side * a->plan->side;
    struct adr_extent e = extent_of(g);
    a->simd->extent(cells, g->raw[0], g->raw[1], &e);
    for (int l = 0; l < a->simd->lanes; l++) {
        double var_x, var_y;
        variances(g, l, cells, &var_x, &var_y);
        if (a->plan->velocity == VELOCITY_SOLENOIDAL)
            var_x = var_y = (var_x + var_y) / 2;
        g->factor[0][l] = var_x > 0 ? (float)(0.5 * level->speed / sqrt(var_x)) : 0;
        g->factor[1][l] = var_y > 0 ? (float)(0.5 * level->speed / sqrt(var_y)) : 0;
    }
    a->simd->scale(cells, g->factor[0], g->factor[1], (float)(a->plan->cap_speed / 2), g->raw[0],
                   g->raw[1], g->vx, g->vy);
    cap_field(a, g, level);
}

/* Kinds that are the same for every image. */
static void field_given(const struct adr *a, struct cpu_group *g, int level, int step)
{
    const struct adr_plan *plan = a->plan;
    const struct adr_level *l = &plan->levels[level];
    int cells = plan->side * plan->side;
    const double *v = a->given;
    double ratio = 0, speed2 = 0, cut = 1, cap = plan->cap_speed;
    if (plan->velocity == VELOCITY_FILE) {
        turbulence_given(plan, level, step, a->file_rms, g->given);
        v = g->given;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < cells; i++) {
            double x = l->speed * v[i], y = l->speed * v[cells + i], speed = hypot(x, y);
            double factor = cap > 0 && speed > 0 ? cut * cap * tanh(speed / cap) / speed : cut;
            x *= factor;
            y *= factor;
            ratio = fmax(ratio, (fabs(x) + fabs(y)) / l->cs2);
            speed2 = fmax(speed2, x * x + y * y);
            g->shared_x[i] = (float)(0.5 * x);
            g->shared_y[i] = (float)(0.5 * y);
        }
        if (pass || plan->cap_ratio <= 0 || ratio <= plan->cap_ratio)
            break;
        cut = plan->cap_ratio / ratio;
        ratio = speed2 = 0;
    }
    if (plan->velocity != VELOCITY_NONE)
        count_field(l, &g->stats, g->live, ratio, speed2, cut);
}

/* The nine-population kernels read a velocity a lane, the other one a single one where it may. */
static void share(const struct adr *a, struct cpu_group *g, int given)
{
    int cells = a->plan->side * a->plan->side, lanes = a->simd->lanes;
    g->shared = a->plan->collision == LBM_EQUILIBRIUM && (given || g->same_key);
    for (int i = 0; i < cells && g->shared && !given; i++) {
        g->shared_x[i] = g->vx[i * lanes];
        g->shared_y[i] = g->vy[i * lanes];
    }
    for (int i = 0; i < cells && !g->shared && given; i++)
        for (int l = 0; l < lanes; l++) {
            g->vx[i * lanes + l] = g->shared_x[i];
            g->vy[i * lanes + l] = g->shared_y[i];
        }
}

void cpu_field_make(const struct adr *a, struct cpu_group *g, int level, int step)
{
    double start = timer_now_s();
    const struct adr_level *l = &a->plan->levels[level];
    int first, steps;
    double theta = turbulence_theta(a->plan, level, step, &first, &steps);
    if (a->spectrum.parts == 0) {
        field_given(a, g, level, step);
    } else {
        sum_waves(a, g, theta);
        if (a->spectrum.parts == 1)
            field_from_psi(a, g, l);
        else
            field_from_waves(a, g, l);
    }
    share(a, g, a->spectrum.parts == 0);
    g->stats.velocity_s += timer_now_s() - start;
}
