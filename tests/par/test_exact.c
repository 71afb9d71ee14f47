/* SPDX-License-Identifier: Apache-2.0
 * The closed form against a softmax written down directly in double, for inputs near one image, between two and far from
 * all; levels in any order; ranks without inputs and without images. */
#include "check.h"

#include <stdint.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/split.h"
#include "process/exact.h"

enum {
    IMAGES = 7,
    VALUES = 1500,
    LEVELS = 4,
    INPUTS = 3
}; /* VALUES: more than one block of the distance */
static const double sigma = 0.1;

static float number(uint64_t what, int64_t i)
{
    return rng_uniform(rng_draw(5, RNG_TEST, what, 0, (uint32_t)i).v[0]);
}

/* "Corrupted" image i at a level: shrinks as k grows. */
static float state(int level, int64_t i, int64_t p)
{
    return number((uint64_t)i, p) / (float)(1 + level);
}

struct share {
    struct range range;
    int runs;
};

static void corrupt(void *context, int low, int high, float *states)
{
    struct share *s = context;
    s->runs++;
    for (int level = low; level <= high; level++)
        for (int64_t i = 0; i < s->range.count; i++)
            for (int64_t p = 0; p < VALUES; p++)
                *states++ = state(level, s->range.first + i, p);
}

static void input(int rank, int s, int level, float *x)
{
    for (int64_t p = 0; p < VALUES; p++) {
        float noise = (number(100 + (uint64_t)(rank * INPUTS + s), p) - 0.5f) * 0.2f;
        float between =
            0.5f * (state(level, rank % IMAGES, p) + state(level, (rank + 1) % IMAGES, p));
        x[p] = s == 0 ? state(level, rank % IMAGES, p) + noise : s == 1 ? between : 3 + noise;
    }
}

/* clean: the mixture of clean images (target 'x0'), else that of level - 1, minus x. */
static void want(int level, int clean, const float *x, double *f)
{
    double exponent[IMAGES], top = -INFINITY, sum = 0;
    for (int i = 0; i < IMAGES; i++) {
        double d2 = 0;
        for (int64_t p = 0; p < VALUES; p++) {
            double d = (double)x[p] - (double)state(level, i, p);
            d2 += d * d;
        }
        exponent[i] = -d2 / (2 * sigma * sigma);
        top = fmax(top, exponent[i]);
    }
    for (int64_t p = 0; p < VALUES; p++)
        f[p] = clean ? 0 : -(double)x[p];
    for (int i = 0; i < IMAGES; i++)
        sum += exp(exponent[i] - top);
    for (int i = 0; i < IMAGES; i++)
        for (int64_t p = 0; p < VALUES; p++)
            f[p] += exp(exponent[i] - top) / sum * (double)state(clean ? 0 : level - 1, i, p);
}

/* Largest error over n inputs of this rank. */
static double error_at(struct device *d, struct network *net, int clean, int rank, int n, int level)
{
    float x[INPUTS * VALUES], f[INPUTS * VALUES];
    double right[VALUES], worst = 0;
    int32_t levels[INPUTS] = {level, level, level};
    float *dx = d->ops->alloc(d, sizeof x), *df = d->ops->alloc(d, sizeof f);
    for (int s = 0; s < n; s++)
        input(rank, s, level, x + s * VALUES);
    d->ops->upload(d, dx, x, (size_t)n * VALUES * sizeof *x);
    net->set_levels(net, n, levels);
    net->eval(net, n, dx, df);
    d->ops->download(d, f, df, (size_t)n * VALUES * sizeof *f);
    for (int s = 0; s < n; s++) {
        want(level, clean, x + s * VALUES, right);
        for (int64_t p = 0; p < VALUES; p++)
            worst = fmax(worst, fabs((double)f[s * VALUES + p] - right[p]));
    }
    d->ops->free(d, dx);
    d->ops->free(d, df);
    return worst;
}

int main(int argc, char **argv)
{
    struct comm *c = comm_world_create(&argc, &argv);
    if (!c)
        return 1;
    log_init(c->rank, c->size, 1);
    struct device *d = device_ref_create();
    struct share share = {split_even(IMAGES, c->size, c->rank), 0};
    if (c->size == 3) /* one rank has no images */
        share.range = split_even(IMAGES, 2, c->rank);
    if (c->size == 3 && c->rank == 2)
        share.range = (struct range){0, 0};
    float *images = mem_alloc((size_t)share.range.count * VALUES * sizeof *images);
    corrupt(&share, 0, 0, images);
    for (int clean = 0; clean < 2; clean++) {
        struct exact_source source = {&share, corrupt, clean ? images : NULL};
        struct network *net =
            exact_create(d, c, &source, LEVELS, share.range.count, VALUES, INPUTS, sigma);
        CHECK(net->collective);
        share.runs = 0;
        /* measured: 4.7e-7, fp32 rounding of F */
        for (int level = LEVELS; level >= 1; level--)
            CHECK_NEAR(error_at(d, net, clean, c->rank, INPUTS, level), 0, 2e-6);
        CHECK(share.runs == 1); /* all levels fit and are made once */
        CHECK_NEAR(error_at(d, net, clean, c->rank, c->rank == 0 ? 1 : 0, 2), 0, 2e-6);
        CHECK_NEAR(error_at(d, net, clean, c->rank, c->rank == 0 ? 0 : 2, LEVELS), 0, 2e-6);
        exact_destroy(net);
    }
    mem_free(images);
    int failed = comm_agree(c, check_done() != EXIT_SUCCESS);
    device_close(d);
    c->ops->destroy(c);
    if (mem_live_bytes())
        printf("%zu bytes were not freed\n", mem_live_bytes());
    return failed || mem_live_bytes() > 0;
}
