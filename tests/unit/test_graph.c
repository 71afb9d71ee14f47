/* SPDX-License-Identifier: Apache-2.0
 * The graph's own promises, on the reference device with a small U-Net (two levels, attention,
 * dropout where said): gradients by finite differences of the whole network, accumulation, reported
 * ranges, inference and training plans that agree, repeatability, and a memory plan under which
 * nothing is read that the pass did not write. */
#include "check.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "nn/graph_private.h"
#include "nn/unet.h"

enum { SIDE = 8, CHANNELS = 2, BATCH = 4, PIXELS = SIDE * SIDE * CHANNELS };

static const struct unet_settings small = {.channels = 32,
                                           .multipliers = {1, 2},
                                           .multiplier_count = 2,
                                           .blocks = 1,
                                           .attention_levels = {1},
                                           .attention_level_count = 1,
                                           .middle_attention = 1,
                                           .heads = 2};

static void fill(float *x, int64_t n, float scale, uint64_t sample)
{
    for (int64_t e = 0; e < n; e++)
        x[e] = scale *
               (2.0f * rng_uniform(rng_draw(3, RNG_TEST, sample, 0, (uint32_t)(e / 4)).v[e % 4]) -
                1.0f);
}

/* A network with its inputs. The reference device's memory is the host's, so tests read and write
 * it in place. */
struct bench {
    struct device *d;
    struct graph *g;
    int batch;
    int64_t total;
    float *params, *grads, *image, *target, *loss, *doutput;
    int32_t *level;
    struct draw_key *draw;
};

static struct bench bench_create(struct device *d, const struct unet_settings *s, enum dtype type,
                                 int batch, int first, int training)
{
    struct bench b = {
        .d = d, .g = unet_create(d, s, SIDE, CHANNELS, type, batch, training), .batch = batch};
    float *whole = mem_alloc(sizeof(float) * BATCH * PIXELS);
    size_t image_bytes = sizeof(float) * (size_t)batch * PIXELS;
    b.total = graph_param_total(b.g);
    b.params = d->ops->alloc(d, sizeof(float) * (size_t)b.total);
    b.grads = d->ops->alloc(d, sizeof(float) * (size_t)b.total);
    b.image = d->ops->alloc(d, image_bytes);
    b.target = d->ops->alloc(d, image_bytes);
    b.doutput = d->ops->alloc(d, image_bytes);
    b.loss = d->ops->alloc(d, sizeof(float) * (size_t)batch);
    b.level = d->ops->alloc(d, sizeof(int32_t) * (size_t)batch);
    b.draw = d->ops->alloc(d, sizeof *b.draw);
    *b.draw = (struct draw_key){.seed = 9, .step = 2, .first_sample = first};
    fill(whole, BATCH * PIXELS, 1.0f, 1);
    memcpy(b.image, whole + first * PIXELS, image_bytes);
    fill(whole, BATCH * PIXELS, 1.0f, 2);
    memcpy(b.target, whole + first * PIXELS, image_bytes);
    for (int i = 0; i < batch; i++)
        b.level[i] = 13 * (first + i) + 1;
    graph_init_params(b.g, 5, b.params);
    float *jitter = mem_alloc(sizeof(float) * (size_t)b.total);
    fill(jitter, b.total, 0.05f,
         4); /* else the layers that start at zero have trivial gradients behind them */
    for (int64_t e = 0; e < b.total; e++)
        b.params[e] += jitter[e];
    memset(b.grads, 0, sizeof(float) * (size_t)b.total);
    mem_free(jitter);
    mem_free(whole);
    graph_use_params(b.g, b.params);
    return b;
}

static void bench_destroy(struct bench *b)
{
    void *owned[] = {b->params,  b->grads, b->image, b->target,
                     b->doutput, b->loss,  b->level, b->draw};
    graph_destroy(b->g);
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        b->d->ops->free(b->d, owned[i]);
}

static struct graph_call call_of(const struct bench *b)
{
    return (struct graph_call){b->image, b->level, b->draw};
}

/* Sum of squared errors; y [batch, PIXELS] too unless NULL. */
static double forward(struct bench *b, float *y)
{
    struct graph_call call = call_of(b);
    const float *out = graph_forward(b->g, &call);
    if (y)
        memcpy(y, out, sizeof(float) * (size_t)b->batch * PIXELS);
    double loss = 0;
    for (int64_t e = 0; e < (int64_t)b->batch * PIXELS; e++)
        loss += pow((double)out[e] - (double)b->target[e], 2);
    b->d->ops->squared_error(b->d, b->batch, PIXELS, out, b->target, 1.0, b->loss, b->doutput);
    return loss;
}

static void backward(struct bench *b, void (*done)(void *, int64_t, int64_t), void *context)
{
    struct graph_call call = call_of(b);
    graph_backward(b->g, &call, b->doutput, b->grads, done, context);
}

static double rms_difference(const float *x, const float *y, int64_t n)
{
    double d = 0, s = 0;
    for (int64_t e = 0; e < n; e++) {
        d += pow((double)x[e] - (double)y[e], 2);
        s += pow((double)y[e], 2);
    }
    return sqrt(d / s);
}

static double norm_of(const float *x, int64_t n)
{
    double s = 0;
    for (int64_t e = 0; e < n; e++)
        s += pow((double)x[e], 2);
    return sqrt(s);
}

/* (L(p + h r) - L(p - h r)) / 2h against grad . r, for r = the gradient of an array, at unit
 * length, plus a random unit vector. The dropout mask depends on the step alone, so it stays.
 * Measured 6.0e-5 at worst; smaller h shows rounding, larger h curvature. */
static double slope_error(struct bench *b, const float *start, int64_t first, int64_t count,
                          double whole_norm)
{
    float *r = mem_alloc(sizeof(float) * (size_t)count);
    const float *g = b->grads + first;
    double h = 3e-3, own = norm_of(g, count), slope = 0, loss[2];
    fill(r, count, 1.0f, (uint64_t)(100 + first));
    double length = norm_of(r, count);
    for (int64_t e = 0; e < count; e++) {
        r[e] = (float)((double)r[e] / length + (own > 0 ? (double)g[e] / own : 0));
        slope += (double)r[e] * (double)g[e];
    }
    for (int side = 0; side < 2; side++) {
        for (int64_t e = 0; e < count; e++)
            b->params[first + e] = start[first + e] + (float)(side ? -h : h) * r[e];
        graph_use_params(b->g, b->params);
        loss[side] = forward(b, NULL);
    }
    memcpy(b->params + first, start + first, sizeof(float) * (size_t)count);
    mem_free(r);
    return fabs((loss[0] - loss[1]) / (2 * h) - slope) / fmax(own, 0.01 * whole_norm);
}

static void test_finite_differences(struct device *d)
{
    struct unet_settings s = small;
    s.dropout = 0.2;
    struct bench b = bench_create(d, &s, DTYPE_F32, BATCH, 0, 1);
    size_t bytes = sizeof(float) * (size_t)b.total;
    float *start = mem_alloc(bytes);
    memcpy(start, b.params, bytes);
    forward(&b, NULL);
    backward(&b, NULL, NULL);
    double norm = norm_of(b.grads, b.total), worst = 0,
           whole = slope_error(&b, start, 0, b.total, norm);
    for (int i = 0; i < graph_param_count(b.g); i += 3) {
        const struct param *p = graph_param(b.g, i);
        double error = slope_error(&b, start, p->first, p->count, norm);
        if (!(error <= worst))
            worst = error;
    }
    printf("finite differences: all %.1e, worst array %.1e\n", whole, worst);
    CHECK(whole < 3e-4);
    CHECK(worst < 3e-4);
    mem_free(start);
    bench_destroy(&b);
}

static void test_accumulation(struct device *d)
{
    struct unet_settings s = small;
    s.dropout = 0.2; /* the masks follow the sample's place in the global batch */
    struct bench whole = bench_create(d, &s, DTYPE_F32, BATCH, 0, 1);
    struct bench half[2] = {bench_create(d, &s, DTYPE_F32, BATCH / 2, 0, 1),
                            bench_create(d, &s, DTYPE_F32, BATCH / 2, BATCH / 2, 1)};
    float *sum = mem_zalloc(sizeof(float) * (size_t)whole.total);
    forward(&whole, NULL);
    backward(&whole, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        graph_use_params(half[i].g, whole.params); /* graphs may share their parameters */
        struct graph_call call = call_of(&half[i]);
        forward(&half[i], NULL);
        graph_backward(half[i].g, &call, half[i].doutput, sum, NULL, NULL);
    }
    double error = rms_difference(sum, whole.grads, whole.total);
    printf("two half batches against one: %.1e\n", error); /* 3.0e-8 measured */
    CHECK(error < 3e-7);
    mem_free(sum);
    bench_destroy(&whole);
    bench_destroy(&half[0]);
    bench_destroy(&half[1]);
}

struct reported {
    int64_t next;
    int ranges, short_ranges;
};

static void note_range(void *context, int64_t first, int64_t count)
{
    struct reported *r = context;
    CHECK(count > 0 && first + count == r->next);
    r->next = first;
    r->ranges++;
    r->short_ranges += count < 256 * 1024;
}

static void test_ranges(struct device *d)
{
    struct bench b = bench_create(d, &small, DTYPE_F32, 1, 0, 1);
    struct reported r = {.next = b.total};
    forward(&b, NULL);
    backward(&b, note_range, &r);
    CHECK(r.next == 0 && r.ranges > 1 && r.short_ranges <= 1);
    bench_destroy(&b);
}

static void test_plans_agree(struct device *d, enum dtype type)
{
    struct bench training = bench_create(d, &small, type, BATCH, 0, 1),
                 inference = bench_create(d, &small, type, BATCH, 0, 0);
    static float y[2][BATCH * PIXELS];
    forward(&training, y[0]);
    forward(&inference, y[1]);
    CHECK(memcmp(y[0], y[1], sizeof y[0]) == 0);
    printf("arena: training %zu bytes, inference %zu\n", graph_arena_bytes(training.g),
           graph_arena_bytes(inference.g));
    CHECK(graph_arena_bytes(inference.g) < graph_arena_bytes(training.g) / 4);
    bench_destroy(&training);
    bench_destroy(&inference);
}

/* All bits set is NaN in both types: had any pass read what it did not write, the result would show
 * it. */
static void poison(struct bench *b)
{
    memset(b->g->arena, 0xff, b->g->arena_bytes);
}

static void test_poison_and_repeat(struct device *d, enum dtype type)
{
    struct unet_settings s = small;
    s.dropout = 0.2;
    struct bench b = bench_create(d, &s, type, BATCH, 0, 1);
    static float y[2][BATCH * PIXELS];
    size_t bytes = sizeof(float) * (size_t)b.total;
    float *first = mem_alloc(bytes);
    for (int run = 0; run < 2; run++) {
        memset(b.grads, 0, bytes);
        poison(&b);
        forward(&b, y[run]);
        backward(&b, NULL, NULL);
        if (run == 0)
            memcpy(first, b.grads, bytes);
    }
    int finite = 1;
    for (int64_t e = 0; e < b.total; e++)
        finite &= isfinite(first[e]) != 0;
    CHECK(finite);
    CHECK(memcmp(y[0], y[1], sizeof y[0]) == 0);
    CHECK(memcmp(first, b.grads, bytes) == 0);
    mem_free(first);
    bench_destroy(&b);
}

/* No two buffers needed at the same step share a byte. */
static void test_layout(void)
{
    const struct unet_settings wide = {.channels = 64,
                                       .multipliers = {1, 2, 2},
                                       .multiplier_count = 3,
                                       .blocks = 2,
                                       .attention_levels = {2},
                                       .attention_level_count = 1,
                                       .middle_attention = 1,
                                       .heads = 1};
    for (int training = 0; training < 2; training++) {
        struct graph *g = graph_create(NULL, DTYPE_BF16, 3, training, 0.1);
        unet_build(g, &wide, 28, 1);
        graph_layout(g);
        size_t sum = 0, most = 0;
        for (int step = 0; step < 2 * g->op_count; step++) {
            size_t now = 0;
            for (int i = 0; i < g->buffer_count; i++)
                if (g->buffers[i].first <= step && step <= g->buffers[i].last)
                    now += g->buffers[i].bytes;
            most = now > most ? now : most;
        }
        for (int i = 0; i < g->buffer_count; i++) {
            const struct buffer *x = &g->buffers[i];
            sum += x->bytes;
            CHECK(x->offset % 64 == 0 && x->offset + x->bytes <= g->arena_bytes &&
                  x->first <= x->last);
            for (int j = 0; j < i; j++) {
                const struct buffer *y = &g->buffers[j];
                int meet = x->first <= y->last && y->first <= x->last;
                if (meet)
                    CHECK(x->offset + x->bytes <= y->offset || y->offset + y->bytes <= x->offset);
            }
        }
        printf(
            "layout, training %d: %zu bytes, %.3f of what is live at once, %.3f of all buffers\n",
            training, g->arena_bytes, (double)g->arena_bytes / (double)most,
            (double)g->arena_bytes / (double)sum);
        CHECK(g->arena_bytes < most + most / 10);
        graph_destroy(g);
    }
}

static void test_init(void)
{
    struct graph *g = graph_create(NULL, DTYPE_F32, 1, 0, 0);
    unet_build(g, &small, SIDE, CHANNELS);
    float *p = mem_alloc(sizeof(float) * (size_t)graph_param_total(g));
    graph_init_params(g, 1, p);
    int64_t next = 0;
    for (int i = 0; i < graph_param_count(g); i++) {
        const struct param *a = graph_param(g, i);
        double sum = 0, sumsq = 0, most = 0, bound = a->fan_in ? 1 / sqrt(a->fan_in) : 0;
        CHECK(a->first == next);
        next += a->count;
        for (int64_t e = a->first; e < next; e++) {
            sum += (double)p[e];
            sumsq += pow((double)p[e], 2);
            most = fmax(most, fabs((double)p[e]));
        }
        double n = (double)a->count;
        if (a->init == INIT_UNIFORM_FAN_IN) { /* the variance of U(-b, b) is b^2/3; allow five
                                                 standard errors */
            CHECK(most <= bound);
            CHECK(fabs(sum / n) < 5 * bound / sqrt(3 * n));
            CHECK(fabs(sumsq / n - bound * bound / 3) < 5 * bound * bound * sqrt(4.0 / 45 / n));
        } else {
            CHECK(most == (a->init == INIT_ONE ? 1.0 : 0.0) && sum == most * n);
        }
    }
    CHECK(next == graph_param_total(g));
    CHECK(strcmp(graph_param(g, 0)->name, "time_embed.0.weight") == 0);
    mem_free(p);
    graph_destroy(g);
}

static void test_check(void)
{
    struct unet_settings s = small;
    CHECK(unet_check(&s, 8) == 0);
    CHECK(unet_check(&s, 9) != 0);
    CHECK(unet_check(&s, 1) != 0);
    s.multiplier_count = 1;
    s.attention_level_count = 0;
    CHECK(unet_check(&s, 7) == 0); /* an odd side at the last level */
    s = small;
    s.channels = 48;
    CHECK(unet_check(&s, 8) != 0);
    s = small;
    s.heads = 3;
    CHECK(unet_check(&s, 8) != 0);
    s = small;
    s.attention_levels[0] = 2;
    CHECK(unet_check(&s, 8) != 0);
    s.attention_levels[0] = -1;
    CHECK(unet_check(&s, 8) == 0);
}

int main(void)
{
    struct device *d = device_ref_create();
    test_finite_differences(d);
    test_accumulation(d);
    test_ranges(d);
    test_plans_agree(d, DTYPE_F32);
    test_plans_agree(d, DTYPE_BF16);
    test_poison_and_repeat(d, DTYPE_F32);
    test_poison_and_repeat(d, DTYPE_BF16);
    test_layout();
    test_init();
    test_check();
    device_close(d);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
