/* SPDX-License-Identifier: Apache-2.0
 * Repeated work as CUDA graphs: training steps as train.c issues them (noise, dropout, two micro-batches, gradients
 * reported in pieces, warm-up of the rate) and walks of the sampler give the same bits as launch by launch, and take
 * the few launches that they should. A number of the step that is frozen in a graph shows as a difference. And repeats
 * within repeats by themselves. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "check.h"
#include "cuda.h"
#include "nn/graph.h"
#include "nn/optimizer.h"
#include "process/process.h"

enum { SIDE = 4, PIXELS = SIDE * SIDE, BATCH = 2, PARTS = 2, STEPS = 6, LEVELS = 5, WIDE = 520 };

/* Two layers of more than the 1 MiB that is reported at once, so that the backward pass has pieces. */
static struct graph *network(struct device *d, enum dtype type, int training)
{
    struct graph *g = graph_create(d, type, BATCH, training, 0.3);
    int x =
        graph_conv(g, graph_input_image(g, SIDE, SIDE, 1), 32, 3, 1, -1, INIT_UNIFORM_FAN_IN, "in");
    int e = graph_linear(g, graph_input_level(g, 32), WIDE, "level.0");
    e = graph_linear(g, graph_silu(g, e), WIDE, "level.1");
    e = graph_linear(g, graph_silu(g, graph_linear(g, graph_silu(g, e), WIDE, "level.2")), 32,
                     "level.3");
    int y = graph_dropout(g, graph_norm(g, x, e, 1, "norm.0"));
    x = graph_conv(g, y, 32, 3, 1, x, INIT_UNIFORM_FAN_IN, "middle");
    y = graph_dropout(g, graph_norm(g, x, -1, 1, "norm.1"));
    graph_output(g, graph_conv(g, y, 1, 3, 1, -1, INIT_UNIFORM_FAN_IN, "out"));
    CHECK(graph_plan(g) == 0);
    return g;
}

struct result {
    float loss[STEPS][PARTS][BATCH], *params, *average; /* host */
    float images[2][BATCH * PIXELS], of_average[BATCH * PIXELS];
    int64_t count;
    int pieces, issued, walk_issued; /* of the last step */
};

static void count_piece(void *context, int64_t first, int64_t count)
{
    (void)first, (void)count;
    ++*(int *)context;
}

/* A network in training; beside the optimizer's all arrays are of one micro-batch. */
struct learner {
    struct device *d;
    struct graph *g;
    struct optimizer *o;
    float *image, *u, *want, *doutput, *loss, *grads;
    int32_t *level;
    struct draw_key *draw;
    struct repeat *pass, *forward, *update;
};
static const size_t image_bytes = BATCH * PIXELS * sizeof(float);

static void learner_create(struct device *d, enum dtype type, struct learner *l, struct result *r)
{
    const struct optimizer_settings s = {.kind = OPTIMIZER_ADAM,
                                         .learning_rate = 1e-2,
                                         .beta1 = 0.9,
                                         .beta2 = 0.999,
                                         .epsilon = 1e-8,
                                         .clip = 1,
                                         .warmup = 4,
                                         .ema = 0.99};
    *l = (struct learner){.d = d, .g = network(d, type, 1)};
    r->count = graph_param_total(l->g);
    const size_t bytes = (size_t)r->count * sizeof(float);
    r->params = mem_alloc(bytes);
    r->average = mem_alloc(bytes);
    graph_init_params(l->g, 3, r->params);
    l->o = optimizer_create(d, &s, r->count, r->params);
    l->o->rounded = graph_rounded(l->g);
    float **images[] = {&l->image, &l->u, &l->want, &l->doutput};
    for (int i = 0; i < 4; i++)
        *images[i] = d->ops->alloc(d, image_bytes);
    l->loss = d->ops->alloc(d, BATCH * sizeof(float));
    l->grads = d->ops->alloc(d, bytes);
    l->level = d->ops->alloc(d, BATCH * sizeof(int32_t));
    l->draw = d->ops->alloc(d, sizeof *l->draw);
    d->ops->zero(d, l->grads, bytes);
    graph_use_params(l->g, l->o->params);
}

static void learner_free(struct learner *l)
{
    void *owned[] = {l->image, l->u, l->want, l->doutput, l->loss, l->grads, l->level, l->draw};
    struct repeat *repeats[] = {l->pass, l->forward, l->update};
    for (int i = 0; i < 3; i++)
        l->d->ops->repeat_free(l->d, repeats[i]);
    for (int i = 0; i < 8; i++)
        l->d->ops->free(l->d, owned[i]);
    optimizer_destroy(l->o);
    graph_destroy(l->g);
}

static void load(struct learner *l, int step, int part)
{
    struct device *d = l->d;
    struct draw_key draw = {8, part * BATCH, (uint32_t)step};
    float host[BATCH * PIXELS];
    int32_t levels[BATCH];
    for (int i = 0; i < BATCH * PIXELS; i++)
        host[i] = (float)((i * 7 + step * 5 + part * 3) % 11) / 11;
    for (int i = 0; i < BATCH; i++)
        levels[i] = 1 + (step * 3 + part + i) % LEVELS;
    d->ops->upload(d, l->u, host, image_bytes);
    d->ops->upload(d, l->level, levels, sizeof levels);
    d->ops->upload(d, l->draw, &draw, sizeof draw);
}

/* Gradients are reported where `pieces` is not NULL: the backward pass is then no part of the repeat. */
static void pass(struct learner *l, int *pieces)
{
    struct device *d = l->d;
    struct graph_call call = {l->image, l->level, l->draw};
    struct repeat **r = pieces ? &l->forward : &l->pass;
    if (d->ops->repeat_begin(d, r)) {
        d->ops->copy(d, l->image, l->u, image_bytes);
        d->ops->copy(d, l->want, l->u, image_bytes);
        d->ops->add_normal(d, BATCH, PIXELS, 0.1, RNG_TRAIN_NOISE, l->draw, l->image);
        const float *y = graph_forward(l->g, &call);
        d->ops->squared_error(d, BATCH, PIXELS, y, l->want, 0.25, l->loss, l->doutput);
        if (!pieces)
            graph_backward(l->g, &call, l->doutput, l->grads, NULL, NULL);
        d->ops->repeat_end(d, *r);
    }
    if (pieces)
        graph_backward(l->g, &call, l->doutput, l->grads, count_piece, pieces);
}

static void update(struct learner *l, int step)
{
    struct device *d = l->d;
    optimizer_begin(l->o, step);
    if (d->ops->repeat_begin(d, &l->update)) {
        optimizer_step(l->o, l->grads);
        graph_params_moved(l->g);
        d->ops->zero(d, l->grads, (size_t)l->o->count * sizeof(float));
        d->ops->repeat_end(d, l->update);
    }
}

static void train(struct device *d, struct result *r)
{
    struct learner l;
    learner_create(d, DTYPE_F32, &l, r);
    const size_t bytes = (size_t)r->count * sizeof(float);
    float *loss = d->ops->alloc(d, sizeof r->loss);
    for (int step = 0; step < STEPS; step++) {
        long long before = coh_issued();
        r->pieces = 0;
        for (int part = 0; part < PARTS; part++) {
            load(&l, step, part);
            pass(&l, part == PARTS - 1 ? &r->pieces : NULL);
            d->ops->copy(d, loss + (step * PARTS + part) * BATCH, l.loss, BATCH * sizeof(float));
        }
        update(&l, step + 1);
        r->issued = (int)(coh_issued() - before);
        if (step == 3) /* the workspace moves: what was recorded with the old one is no good */
            cuda_scratch(d, cuda_of(d)->scratch_bytes + 1);
    }
    graph_use_params(l.g, l.o->average); /* other parameters than those that were recorded */
    d->ops->download(d, r->of_average,
                     graph_forward(l.g, &(struct graph_call){l.image, l.level, l.draw}),
                     image_bytes);
    d->ops->download(d, r->loss, loss, sizeof r->loss);
    d->ops->download(d, r->params, l.o->params, bytes);
    d->ops->download(d, r->average, l.o->average, bytes);
    d->ops->free(d, loss);
    learner_free(&l);
}

/* The bf16 weights that the optimizer leaves are those that the network reads: the same output as after converting the
 * parameters anew, and not that of the step before. */
static void rounded(void)
{
    struct device *d;
    struct learner l;
    struct result r;
    float output[3][BATCH * PIXELS];
    setenv("PECLET_CUDA_GRAPHS", "1", 1);
    CHECK(device_open("cuda", 0, 0, 1, &d) == 0);
    learner_create(d, DTYPE_BF16, &l, &r);
    CHECK(l.o->rounded);
    for (int step = 0; step < 3; step++) {
        load(&l, step, 0);
        pass(&l, NULL);
        if (step < 2)
            update(&l, step + 1);
    }
    for (int i = 0; i < 3; i++) {
        struct graph_call call = {l.image, l.level, l.draw};
        if (i == 1)
            graph_use_params(l.g, l.o->params);
        if (i == 2)
            graph_use_params(l.g, l.o->average);
        d->ops->download(d, output[i], graph_forward(l.g, &call), image_bytes);
    }
    CHECK(memcmp(output[0], output[1], image_bytes) == 0);
    CHECK(memcmp(output[0], output[2], image_bytes) != 0);
    mem_free(r.params);
    mem_free(r.average);
    learner_free(&l);
    device_close(d);
}

struct eye { /* the network as the sampler sees it */
    struct device *d;
    struct graph *g;
    float *image;
    int32_t *level;
};

static void set_levels(struct network *net, int n, const int32_t *level)
{
    struct eye *e = net->state;
    e->d->ops->upload(e->d, e->level, level, (size_t)n * sizeof *level);
}

static void eval(struct network *net, int n, const float *x, float *out)
{
    struct eye *e = net->state;
    struct graph_call call = {.image = e->image, .level = e->level};
    e->d->ops->copy(e->d, e->image, x, (size_t)n * PIXELS * sizeof *x);
    e->d->ops->copy(e->d, out, graph_forward(e->g, &call), (size_t)n * PIXELS * sizeof *out);
}

/* The last step of a walk: what it has issued. */
static void note_issued(void *context, int done, const float *mean)
{
    struct walk_note {
        long long before;
        int last;
    } *note = context;
    (void)done, (void)mean;
    note->last = (int)(coh_issued() - note->before);
    note->before = coh_issued();
}

/* Two walks of the same samples but of other numbers, the second mixed from the noises of two. */
static void sample(struct device *d, struct result *r)
{
    const size_t param_bytes = (size_t)r->count * sizeof(float);
    struct eye e = {d, network(d, DTYPE_F32, 0), d->ops->alloc(d, image_bytes),
                    d->ops->alloc(d, BATCH * sizeof(int32_t))};
    struct network net = {set_levels, eval, &e, 0};
    struct process p = {.device = d, .levels = LEVELS, .side = SIDE, .channels = 1};
    const struct sampler_mix mix[BATCH] = {{3, 5, 0.25}, {11, 4, 0.5}};
    struct {
        long long before;
        int last;
    } note = {0, 0};
    float *params = d->ops->alloc(d, param_bytes), *x = d->ops->alloc(d, image_bytes),
          *scratch = d->ops->alloc(d, image_bytes);
    d->ops->upload(d, params, r->average, param_bytes);
    graph_use_params(e.g, params);
    for (int mixed = 0; mixed < 2; mixed++) {
        struct sampler_args a = {.noise = 0.1,
                                 .seed = 4,
                                 .first_sample = 7,
                                 .steps = LEVELS,
                                 .mix = mixed ? mix : NULL,
                                 .after_step = note_issued,
                                 .context = &note};
        d->ops->zero(d, x, image_bytes);
        CHECK(sampler_find("chain")(&p, target_find("delta"), &net, BATCH, x, scratch, &a) == 0);
        d->ops->download(d, r->images[mixed], x, image_bytes);
        r->walk_issued = note.last;
    }
    void *owned[] = {e.image, e.level, params, x, scratch};
    for (int i = 0; i < 5; i++)
        d->ops->free(d, owned[i]);
    graph_destroy(e.g);
}

/* x = 2 (x + y) + y, with the doubling in repeats of its own; square: of what is doubled, by way of the workspace. */
static void add_double_add(struct device *d, float *x, const float *y, double *square,
                           struct repeat *r[3])
{
    if (d->ops->repeat_begin(d, &r[0])) {
        d->ops->axpby(d, 1, 1, y, 1, x);
        if (d->ops->repeat_begin(d, &r[1])) {
            if (d->ops->repeat_begin(d, &r[2])) {
                d->ops->axpby(d, 1, 0, y, 2, x);
                d->ops->repeat_end(d, r[2]);
            }
            d->ops->sum_squares(d, 1, x, square);
            d->ops->repeat_end(d, r[1]);
        }
        d->ops->axpby(d, 1, 1, y, 1, x);
        d->ops->repeat_end(d, r[0]);
    }
}

static void test_nesting(void)
{
    static const int issued[] = {
        5, 1, 1, 1, 1, 1}; /* as it is; recorded; replayed; with other numbers; recorded again */
    struct device *d;
    struct repeat *r[3] = {NULL};
    float x_host = 1, y_host = 3, want = 1, got;
    double got_square;
    setenv("PECLET_CUDA_GRAPHS", "1", 1);
    CHECK(device_open("cuda", 0, 0, 1, &d) == 0);
    float *x = d->ops->alloc(d, sizeof *x), *y = d->ops->alloc(d, sizeof *y);
    double *square = d->ops->alloc(d, sizeof *square);
    d->ops->upload(d, x, &x_host, sizeof *x);
    for (int i = 0; i < 6; i++) {
        y_host += i == 3;
        d->ops->upload(d, y, &y_host, sizeof *y);
        if (i == 4)
            cuda_scratch(d, cuda_of(d)->scratch_bytes + 1);
        long long before = coh_issued();
        add_double_add(d, x, y, square, r);
        CHECK(coh_issued() - before == issued[i]);
        CHECK(r[0] && !r[1] && !r[2]); /* parts of the outer one are not kept by themselves */
        CHECK(cuda_of(d)->repeats == 0 && !cuda_of(d)->recording);
        want = 2 * (want + y_host);
        d->ops->download(d, &got_square, square, sizeof got_square);
        CHECK(got_square == (double)want * (double)want);
        want += y_host;
        d->ops->download(d, &got, x, sizeof got);
        CHECK(got == want);
    }
    for (int i = 0; i < 3; i++) { /* alone it is a repeat like any other */
        if (d->ops->repeat_begin(d, &r[2])) {
            d->ops->axpby(d, 1, 0, y, 2, x);
            d->ops->repeat_end(d, r[2]);
        }
        d->ops->download(d, &got, x, sizeof got);
        CHECK(r[2] && got == (want *= 2));
    }
    add_double_add(d, x, y, square, r); /* recorded alone, and not used within another */
    d->ops->download(d, &got, x, sizeof got);
    CHECK(got == 2 * (want + y_host) + y_host);
    for (int i = 0; i < 3; i++)
        d->ops->repeat_free(d, r[i]);
    d->ops->free(d, x);
    d->ops->free(d, y);
    d->ops->free(d, square);
    device_close(d);
}

/* A norm of much shared memory, recorded together with one of little that the same kernel does. */
static void norms(void)
{
    enum { C = 64, PIXELS_MOST = 1024 };
    static const int pixels[] = {PIXELS_MOST, 4};
    struct device *d;
    struct repeat *r = NULL;
    setenv("PECLET_CUDA_GRAPHS", "1", 1);
    CHECK(device_open("cuda", 0, 0, 1, &d) == 0);
    float *x = d->ops->alloc(d, PIXELS_MOST * C * sizeof *x),
          *y = d->ops->alloc(d, PIXELS_MOST * C * sizeof *y),
          *affine = d->ops->alloc(d, 2 * C * sizeof *affine),
          *stats = d->ops->alloc(d, 2 * C * sizeof *stats);
    d->ops->zero(d, x, PIXELS_MOST * C * sizeof *x);
    d->ops->zero(d, affine, 2 * C * sizeof *affine);
    for (int i = 0; i < 3; i++) { /* as it is, recorded, from the record */
        if (d->ops->repeat_begin(d, &r)) {
            for (int k = 0; k < 2; k++) {
                struct norm_shape s = {1, pixels[k], C, 32, DTYPE_F32, 1, 1e-5};
                d->ops->norm_forward(d, &s, x, NULL, affine, affine + C, y, stats);
            }
            d->ops->repeat_end(d, r);
        }
        d->ops->sync(d);
    }
    d->ops->repeat_free(d, r);
    void *owned[] = {x, y, affine, stats};
    for (int i = 0; i < 4; i++)
        d->ops->free(d, owned[i]);
    device_close(d);
}

static void run(const char *graphs, struct result *r)
{
    struct device *d;
    setenv("PECLET_CUDA_GRAPHS", graphs, 1);
    CHECK(device_open("cuda", 0, 0, 1, &d) == 0);
    CHECK(cuda_of(d)->graphs == atoi(graphs));
    train(d, r);
    sample(d, r);
    CHECK(d->bytes == 0);
    device_close(d);
}

int main(void)
{
    static struct result plain, graphs;
    test_nesting();
    norms();
    rounded();
    run("0", &plain);
    run("1", &graphs);
    for (int step = 0; step < STEPS; step++) {
        printf("step %d: loss %.6f\n", step, (double)graphs.loss[step][0][0]);
        CHECK(memcmp(plain.loss[step], graphs.loss[step], sizeof plain.loss[step]) == 0);
    }
    const size_t bytes = (size_t)plain.count * sizeof(float);
    CHECK(plain.count == graphs.count && memcmp(plain.params, graphs.params, bytes) == 0);
    CHECK(memcmp(plain.average, graphs.average, bytes) == 0);
    CHECK(memcmp(plain.images, graphs.images, sizeof plain.images) == 0);
    CHECK(memcmp(plain.of_average, graphs.of_average, sizeof plain.of_average) == 0);
    CHECK(plain.pieces == 3 && graphs.pieces == 3);
    printf("issued in the last step: %d launch by launch, %d with graphs; of a walk: %d and %d\n",
           plain.issued, graphs.issued, plain.walk_issued, graphs.walk_issued);
    /* a micro-batch: 3 uploads, its work, the loss to its place; 3 pieces of the last backward pass; rates and update */
    CHECK(graphs.issued == PARTS * 5 + 3 + 2);
    CHECK(graphs.walk_issued == 3); /* draws, levels, and the step */
    mem_free(plain.params);
    mem_free(plain.average);
    mem_free(graphs.params);
    mem_free(graphs.average);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
