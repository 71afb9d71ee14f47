/* SPDX-License-Identifier: Apache-2.0
 * Repeated work as CUDA graphs: training steps as train.c issues them (noise, dropout, two micro-batches, gradients
 * reported in pieces, warm-up of the rate) and a walk of the sampler give the same bits as launch by launch, and take
 * the few launches that they should. A number of the step that is frozen in a graph shows as a difference. */
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
static struct graph *network(struct device *d, int training)
{
    struct graph *g = graph_create(d, DTYPE_F32, BATCH, training, 0.3);
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
    float images[BATCH * PIXELS], of_average[BATCH * PIXELS];
    int64_t count;
    int pieces, issued; /* of the last step */
};

static void count_piece(void *context, int64_t first, int64_t count)
{
    (void)first, (void)count;
    ++*(int *)context;
}

static void train(struct device *d, struct result *r)
{
    const struct optimizer_settings s = {.kind = OPTIMIZER_ADAM,
                                         .learning_rate = 1e-2,
                                         .beta1 = 0.9,
                                         .beta2 = 0.999,
                                         .epsilon = 1e-8,
                                         .clip = 1,
                                         .warmup = 4,
                                         .ema = 0.99};
    struct graph *g = network(d, 1);
    r->count = graph_param_total(g);
    const size_t bytes = (size_t)r->count * sizeof(float), images = BATCH * PIXELS * sizeof(float);
    r->params = mem_alloc(bytes);
    r->average = mem_alloc(bytes);
    graph_init_params(g, 3, r->params);
    struct optimizer *o = optimizer_create(d, &s, r->count, r->params);
    float *image = d->ops->alloc(d, images), *want = d->ops->alloc(d, images),
          *doutput = d->ops->alloc(d, images);
    float *loss = d->ops->alloc(d, sizeof r->loss), *grads = d->ops->alloc(d, bytes),
          host[BATCH * PIXELS];
    int32_t *level = d->ops->alloc(d, BATCH * sizeof *level), levels[BATCH];
    graph_use_params(g, o->params);
    for (int step = 0; step < STEPS; step++) {
        long long before = coh_issued();
        r->pieces = 0;
        d->ops->zero(d, grads, bytes);
        for (int part = 0; part < PARTS; part++) {
            int64_t first = part * BATCH;
            struct graph_call call = {image, level, 8, (uint32_t)step, first};
            for (int i = 0; i < BATCH * PIXELS; i++)
                host[i] = (float)((i * 7 + step * 5 + part * 3) % 11) / 11;
            for (int i = 0; i < BATCH; i++)
                levels[i] = 1 + (step * 3 + part + i) % LEVELS;
            d->ops->upload(d, image, host, images);
            d->ops->upload(d, level, levels, sizeof levels);
            d->ops->copy(d, want, image, images);
            d->ops->add_normal(d, BATCH, PIXELS, 0.1, 8, RNG_TRAIN_NOISE, (uint32_t)step, first,
                               image);
            const float *y = graph_forward(g, &call);
            d->ops->squared_error(d, BATCH, PIXELS, y, want, 0.25,
                                  loss + (step * PARTS + part) * BATCH, doutput);
            graph_backward(g, &call, doutput, grads, part == PARTS - 1 ? count_piece : NULL,
                           &r->pieces);
        }
        optimizer_step(o, grads, step + 1);
        graph_use_params(g, o->params);
        r->issued = (int)(coh_issued() - before);
        if (step == 3) /* the workspace moves: what was recorded with the old one is no good */
            cuda_scratch(d, cuda_of(d)->scratch_bytes + 1);
    }
    graph_use_params(g, o->average); /* other parameters than those that were recorded */
    d->ops->download(d, r->of_average,
                     graph_forward(g, &(struct graph_call){image, level, 8, 0, 0}), images);
    d->ops->download(d, r->loss, loss, sizeof r->loss);
    d->ops->download(d, r->params, o->params, bytes);
    d->ops->download(d, r->average, o->average, bytes);
    void *owned[] = {image, want, doutput, loss, grads, level};
    for (int i = 0; i < 6; i++)
        d->ops->free(d, owned[i]);
    optimizer_destroy(o);
    graph_destroy(g);
}

struct eye { /* the network as the sampler sees it */
    struct device *d;
    struct graph *g;
    float *image;
    int32_t *level;
};

static void eval(struct network *net, int n, const float *x, const int32_t *level, float *out)
{
    struct eye *e = net->state;
    struct graph_call call = {.image = e->image, .level = e->level};
    e->d->ops->upload(e->d, e->level, level, (size_t)n * sizeof *level);
    e->d->ops->copy(e->d, e->image, x, (size_t)n * PIXELS * sizeof *x);
    e->d->ops->copy(e->d, out, graph_forward(e->g, &call), (size_t)n * PIXELS * sizeof *out);
}

static void sample(struct device *d, struct result *r)
{
    const size_t bytes = sizeof r->images, param_bytes = (size_t)r->count * sizeof(float);
    struct eye e = {d, network(d, 0), d->ops->alloc(d, bytes),
                    d->ops->alloc(d, BATCH * sizeof(int32_t))};
    struct network net = {.eval = eval, .state = &e};
    struct process p = {.device = d, .levels = LEVELS, .side = SIDE, .channels = 1};
    struct sampler_args a = {.noise = 0.1, .seed = 4, .first_sample = 7, .steps = LEVELS};
    float *params = d->ops->alloc(d, param_bytes), *x = d->ops->alloc(d, bytes),
          *scratch = d->ops->alloc(d, bytes);
    d->ops->upload(d, params, r->average, param_bytes);
    graph_use_params(e.g, params);
    d->ops->zero(d, x, bytes);
    CHECK(sampler_find("chain")(&p, target_find("delta"), &net, BATCH, x, scratch, &a) == 0);
    d->ops->download(d, r->images, x, bytes);
    void *owned[] = {e.image, e.level, params, x, scratch};
    for (int i = 0; i < 5; i++)
        d->ops->free(d, owned[i]);
    graph_destroy(e.g);
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
    printf("issued in the last step: %d launch by launch, %d with graphs\n", plain.issued,
           graphs.issued);
    /* a micro-batch: 3 uploads, copy, noise, forward, loss, backward; then zero, 2 more pieces of the last backward
     * pass, 4 kernels of the optimizer, weights */
    CHECK(graphs.issued == PARTS * 8 + 1 + 2 + 4 + 1);
    mem_free(plain.params);
    mem_free(plain.average);
    mem_free(graphs.params);
    mem_free(graphs.average);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
