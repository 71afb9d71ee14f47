/* SPDX-License-Identifier: Apache-2.0
 * The trial behind 'peclet plan': the deck's network and forward process at work on random images. Nothing is read or
 * written. A piece of work is repeated for a good half second; a batch that would take long is tried with fewer images,
 * one that is over at once with more. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/timer.h"
#include "nn/optimizer.h"
#include "tasks/model.h"
#include "tasks/plan.h"
#include "tasks/precompute.h"
#include "tasks/room.h"

static const double enough_s = 0.5, first_flop = 1e11;
static const double warm_s = 3; /* a first step that takes so long counts, though it is the first */

double plan_program_bytes(void)
{
    long pages = 0;
#if defined(__GLIBC__)
    malloc_trim(0); /* what earlier trials have left */
#endif
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%*s %ld", &pages) != 1)
            pages = 0;
        fclose(f);
    }
    double resident = (double)pages * (double)sysconf(_SC_PAGESIZE);
    return resident > 0 ? resident - (double)mem_live_bytes() : 0;
}

double plan_own_bytes(const struct device *d)
{
    double on_host = strcmp(d->name, "cuda") ? (double)d->bytes : 0;
    return (double)mem_live_bytes() - on_host;
}

static void random_images(uint64_t number, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i += 4) {
        struct rng4 r = rng_draw(1, RNG_TEST, number, 0, (uint32_t)(i / 4));
        for (int64_t j = i; j < n && j < i + 4; j++)
            out[j] = rng_uniform(r.v[j - i]);
    }
}

/* Seconds an image, slowest rank; `pairs` levels of each as a slab of a store has them, or, spread, each image to one
 * level and in the order of levels. */
static double try_corruption(struct job *job, const struct adr_plan *plan, int images, int pairs,
                             int spread, double *process_bytes)
{
    struct device *d = job->device;
    struct corruption c;
    int64_t slots = (int64_t)images * pairs;
    double before = plan_own_bytes(d), seconds = 0;
    int runs = 0, warm = 0;
    corruption_create(d, plan, images, slots, &c);
    size_t bytes = (size_t)(slots * c.per_image) * sizeof(float);
    *process_bytes = plan_own_bytes(d) - before -
                     (double)images * (double)c.per_image * sizeof(float) -
                     (double)slots * sizeof *c.captures;
    float *u = d->ops->alloc(d, bytes), *delta = d->ops->alloc(d, bytes);
    enum dtype type = strcmp(job->settings.store.precision, "fp16") ? DTYPE_F32 : DTYPE_F16;
    size_t packed_bytes = (size_t)(slots * c.per_image) * dtype_bytes(type);
    void *packed = d->ops->alloc(d, packed_bytes), *host = d->ops->host_alloc(d, packed_bytes);
    random_images(0, images * c.per_image, c.host);
    for (int i = 0; i < images; i++) {
        c.keys[i] = velocity_key(plan, i);
        for (int j = 0; j < pairs; j++) {
            int level = spread ? 1 + (int)((int64_t)i * plan->level_count / images)
                        : pairs == plan->level_count
                            ? j + 1
                            : corruption_level(1, (uint64_t)i, j, pairs, plan->level_count);
            c.captures[i * pairs + j] = (struct adr_capture){level, i, (int64_t)i * pairs + j};
        }
    }
    double began = timer_now_s();
    while (seconds < enough_s / 2 && runs < 50) {
        corruption_run(&c, images, slots, u, delta);
        for (int half = 0; half < 2 && !spread; half++) { /* on its way to the file */
            d->ops->cast(d, slots * c.per_image, DTYPE_F32, half ? delta : u, type, packed);
            d->ops->download(d, host, packed, packed_bytes);
        }
        d->ops->sync(d);
        seconds = timer_now_s() - began;
        job->comm->ops->max_f64(job->comm, &seconds, 1);
        runs++;
        /* the first run touches the memory and does not count, unless it was long */
        if (runs == 1 && !warm && seconds < 2 * enough_s) {
            warm = 1;
            runs = 0;
            seconds = 0;
            began = timer_now_s();
        }
    }
    d->ops->free(d, u);
    d->ops->free(d, delta);
    d->ops->free(d, packed);
    d->ops->host_free(d, host);
    corruption_free(&c);
    return seconds / runs / images;
}

/* Lattice steps to a level over those to the last one, in the mean over levels. */
static double mean_part(const struct adr_plan *plan)
{
    double steps = 0, sum = 0;
    for (int k = 1; k <= plan->level_count; k++) {
        steps += plan->levels[k].steps;
        sum += steps;
    }
    return steps > 0 ? sum / steps / plan->level_count
                     : 1; /* heat: a level costs what all others do */
}

/* As many images as make enough work: at first by arithmetic, then by the clock. Non-zero: try again with *images. */
static int more_images(int most, double seconds, int *images)
{
    if (seconds >= enough_s / 2 || *images >= most)
        return 0;
    double wanted = *images * enough_s / seconds;
    *images = wanted < 2 * *images ? 2 * *images : wanted < most ? (int)wanted : most;
    if (*images > most)
        *images = most;
    return 1;
}

static int first_images(int most, double flop_an_image)
{
    double fit = first_flop / flop_an_image;
    return fit < 1 ? 1 : fit < most ? (int)fit : most;
}

struct work {
    struct job *job;
    struct model *model;
    struct optimizer *optimizer; /* NULL: forward only */
    float *grads, *doutput, *want, *loss;
    int64_t steps;
    double pass_s, reduce_s, optimizer_s; /* of the steps that count */
};

static void reduce_range(void *context, int64_t first, int64_t count)
{
    struct work *w = context;
    w->job->comm->ops->sum_start(w->job->comm, w->grads + first, count);
}

static void step(struct work *w)
{
    struct model *m = w->model;
    struct device *d = m->device;
    int64_t per = (int64_t)m->side * m->side * m->channels;
    struct draw_key draw = {.step = (uint32_t)w->steps};
    struct graph_call call = {m->image, m->level, m->draw};
    double at[4] = {timer_now_s()};
    d->ops->upload(d, m->draw, &draw, sizeof draw);
    const float *output = graph_forward(m->graph, &call);
    if (w->optimizer) {
        d->ops->squared_error(d, m->batch, per, output, w->want, 1.0 / m->batch, w->loss,
                              w->doutput);
        graph_backward(m->graph, &call, w->doutput, w->grads,
                       w->job->comm->size > 1 ? reduce_range : NULL, w);
    }
    d->ops->sync(d);
    at[1] = at[2] = at[3] = timer_now_s();
    if (w->optimizer) {
        w->job->comm->ops->sum_wait(w->job->comm);
        at[2] = timer_now_s();
        optimizer_begin(w->optimizer, w->steps + 1);
        optimizer_step(w->optimizer, w->grads);
        graph_params_moved(m->graph);
        d->ops->zero(d, w->grads, (size_t)m->param_count * sizeof(float));
        d->ops->sync(d);
        at[3] = timer_now_s();
    }
    w->steps++;
    w->pass_s += at[1] - at[0];
    w->reduce_s += at[2] - at[1];
    w->optimizer_s += at[3] - at[2];
}

static void work_create(struct work *w, int training)
{
    struct model *m = w->model;
    struct device *d = m->device;
    int64_t values = (int64_t)m->batch * m->side * m->side * m->channels;
    const struct optimizer_settings o = {.kind = OPTIMIZER_ADAM,
                                         .learning_rate = 1e-5,
                                         .beta1 = 0.9,
                                         .beta2 = 0.999,
                                         .epsilon = 1e-8,
                                         .clip = 1,
                                         .ema = 0.999};
    float *host =
        mem_alloc((size_t)(values > m->param_count ? values : m->param_count) * sizeof *host);
    int32_t *level = mem_alloc((size_t)m->batch * sizeof *level);
    random_images(1, values, host);
    d->ops->upload(d, m->image, host, (size_t)values * sizeof *host);
    for (int i = 0; i < m->batch; i++)
        level[i] = 1;
    d->ops->upload(d, m->level, level, (size_t)m->batch * sizeof *level);
    w->grads = d->ops->alloc(d, training ? (size_t)m->param_count * sizeof(float) : 0);
    w->doutput = d->ops->alloc(d, training ? (size_t)values * sizeof(float) : 0);
    w->want = d->ops->alloc(d, training ? (size_t)values * sizeof(float) : 0);
    w->loss = d->ops->alloc(d, training ? (size_t)m->batch * sizeof(float) : 0);
    if (training) {
        d->ops->upload(d, w->want, host, (size_t)values * sizeof *host);
        d->ops->zero(d, w->grads, (size_t)m->param_count * sizeof(float));
    }
    graph_init_params(m->graph, 1, host);
    if (training) {
        w->optimizer = optimizer_create(d, &o, m->param_count, host);
        w->optimizer->rounded = graph_rounded(m->graph);
    } else {
        d->ops->upload(d, m->params, host, (size_t)m->param_count * sizeof *host);
    }
    graph_use_params(m->graph, training ? w->optimizer->params : m->params);
    mem_free(host);
    mem_free(level);
}

static void work_free(struct work *w)
{
    struct device *d = w->model->device;
    float *buffers[] = {w->grads, w->doutput, w->want, w->loss};
    for (int i = 0; i < 4; i++)
        d->ops->free(d, buffers[i]);
    if (w->optimizer)
        optimizer_destroy(w->optimizer);
}

/* A network of `batch` images at work; what it takes on the host beyond itself goes to *bytes, the program's own memory
 * at that time to *program, and what stays behind of scratch is added to t->scratch_bytes. Returns seconds a pass, slowest rank. */
static double try_network(struct job *job, const struct adr_plan *plan, int batch, int training,
                          double *bytes, double *program, struct plan_trial *t)
{
    struct model model;
    struct work w = {.job = job, .model = &model};
    struct comm *comm = job->comm;
    double before = plan_own_bytes(job->device), total = 0;
    int warm = 0;
    if (model_create(job, plan->side, plan->channels, batch, training, &model))
        return -1;
    work_create(&w, training);
    while (total < enough_s && w.steps < 50) {
        comm->ops->barrier(comm);
        step(&w);
        total = w.pass_s;
        comm->ops->max_f64(comm, &total, 1);
        if (w.steps == 1 && total < warm_s) { /* the first touches the memory and generates code */
            total = w.pass_s = w.reduce_s = w.optimizer_s = 0;
            warm = 1;
        }
    }
    double s[3] = {w.pass_s, w.reduce_s, w.optimizer_s}, with = plan_own_bytes(job->device);
    double counted = (double)(w.steps - warm);
    comm->ops->max_f64(comm, s, 3);
    t->params = model.param_count;
    *program = fmax(plan_program_bytes() - t->left_bytes,
                    t->program_bytes[PLAN_PRECOMPUTE]); /* not all that is counted was touched */
    work_free(&w);
    model_free(&model);
    double scratch = plan_own_bytes(job->device) - before;
    *bytes = with - before - scratch;
    t->scratch_bytes += scratch;
    if (training) {
        t->reduce_wait_s = s[1] / counted;
        t->optimizer_s = s[2] / counted;
    }
    return s[0] / counted;
}

/* A network that has no room here is not tried: its copies of weights are then estimated, its time is not known. */
static int no_room(struct job *job, const struct adr_plan *plan, struct plan_trial *t)
{
    struct graph *g = graph_create(job->device, job->precision, 1, 1, 0);
    unet_build(g, &job->settings.unet, plan->side, plan->channels);
    double arena = (double)graph_layout(g), there = room_of(job);
    t->params = graph_param_total(g);
    graph_destroy(g);
    double copies = (double)t->params * (double)dtype_bytes(job->precision);
    double wanted =
        arena + 6 * 4 * (double)t->params + 2 * copies; /* vectors and where they come from */
    if (!comm_agree(job->comm, wanted > 0.8 * there))
        return 0;
    if (job->comm->rank == 0)
        log_warn(
            "trying the network takes %.0f MB a rank, and only %.0f MB are free here: its time "
            "stays unknown",
            wanted * 1e-6, there * 1e-6);
    t->forward_bytes = copies;
    t->training_bytes = 2 * copies;
    t->program_bytes[PLAN_TRAIN] = t->program_bytes[PLAN_SAMPLE] =
        t->program_bytes[PLAN_PRECOMPUTE];
    t->step_s = t->forward_s = NAN;
    t->step_images = t->forward_images = 1;
    return 1;
}

static double flop_forward(const struct job *job, const struct adr_plan *plan)
{
    struct graph *g = graph_create(NULL, job->precision, 1, 0, 0);
    unet_build(g, &job->settings.unet, plan->side, plan->channels);
    double flop = 2 * graph_forward_macs(g);
    graph_destroy(g);
    return flop;
}

int plan_try(struct job *job, const struct adr_plan *plan, int batch, struct plan_trial *t)
{
    const struct settings *s = &job->settings;
    int threads = job->device->threads > 1 ? job->device->threads : 1;
    *t = (struct plan_trial){.step_s = NAN, .forward_s = NAN};
    plan_try_import(job, t); /* first: the most that was resident so far counts */

    if (strcmp(s->store.kind, "none")) {
        struct trajectories_shape shape = precompute_shape(&s->store, INT32_MAX, plan);
        int64_t slab = precompute_slab_images(&shape, 1);
        int images = 16 * threads;
        do
            t->slab_s =
                try_corruption(job, plan, images, (int)shape.pairs_per_image, 0, &t->process_bytes);
        while (more_images((int)slab, t->slab_s * images, &images));
    }
    int images = batch < 16 * threads ? batch : 16 * threads;
    if (t->slab_s > 0)
        t->image_s = t->slab_s * mean_part(plan);
    else
        do
            t->image_s = try_corruption(job, plan, images, 1, 1, &t->process_bytes);
        while (more_images(batch, t->image_s * images, &images));

    t->program_bytes[PLAN_PRECOMPUTE] = plan_program_bytes() - t->left_bytes;
    if (plan_try_features(job, plan, t))
        return 1;
    if (strcmp(s->network.kind, "unet"))
        return 0;
    double flop = flop_forward(job, plan);
    if (no_room(job, plan, t))
        return 0;
    int forward_most = (int)s->sample.batch;
    t->forward_images = first_images(forward_most, flop);
    do
        t->forward_s = try_network(job, plan, t->forward_images, 0, &t->forward_bytes,
                                   &t->program_bytes[PLAN_SAMPLE], t);
    while (t->forward_s >= 0 && more_images(forward_most, t->forward_s, &t->forward_images));
    if (t->forward_s < 0)
        return 1;
    t->step_images = first_images(batch, 3 * flop);
    do
        t->step_s = try_network(job, plan, t->step_images, 1, &t->training_bytes,
                                &t->program_bytes[PLAN_TRAIN], t);
    while (more_images(batch, t->step_s, &t->step_images));
    return 0;
}
