/* SPDX-License-Identifier: Apache-2.0
 * The states of as many levels as fit are made in one run of the process and kept: the walk goes
 * down level by level, so a block is made once, and if all levels fit, only once for all samples. */
#include "process/exact.h"

#include <math.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"

enum { LANES = 16 };
static const double states_bytes_most = 1 << 30;

struct exact {
    struct device *device; /* borrowed */
    struct comm *comm;     /* borrowed */
    struct exact_source source;
    int64_t count, per_image;
    int batch, levels;
    double sigma;
    int level;            /* of the inputs of the next eval */
    int block, low, high; /* states of levels low..high are kept, at most block of them */
    float *states;        /* [block, count, per_image] */
    float *x;             /* [batch, per_image] inputs of the rank that is served */
    double *exponent;     /* [batch, count] */
    double *top;          /* [batch] largest exponent */
    double *sums;         /* [batch, 1 + per_image] sum of e, sum of e y */
};

/* In LANES partial sums that the compiler keeps in vectors, each short enough for fp32, then in double. */
static double distance2(int64_t n, const float *a, const float *b)
{
    enum { BLOCK = 64 * LANES };
    double sum = 0;
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t end = at + BLOCK < n ? at + BLOCK : n, i = at;
        float part[LANES] = {0};
        for (; i + LANES <= end; i += LANES)
            for (int l = 0; l < LANES; l++)
                part[l] += (a[i + l] - b[i + l]) * (a[i + l] - b[i + l]);
        for (; i < end; i++)
            part[0] += (a[i] - b[i]) * (a[i] - b[i]);
        for (int l = 0; l < LANES; l++)
            sum += (double)part[l];
    }
    return sum;
}

/* Makes sure that the states of level-1 and level are kept. */
static void need_levels(struct exact *e, int level)
{
    if (e->low <= level - 1 && level <= e->high)
        return;
    e->high = level;
    e->low = level - e->block + 1 > 0 ? level - e->block + 1 : 0;
    e->source.corrupt(e->source.context, e->low, e->high, e->states);
}

static const float *state_of(const struct exact *e, int level, int64_t i)
{
    return e->states + ((int64_t)(level - e->low) * e->count + i) * e->per_image;
}

/* The largest exponent of each input over this rank's images. */
static void find_exponents(struct exact *e, int n, int level)
{
#pragma omp parallel for schedule(static)
    for (int s = 0; s < n; s++) {
        double *exponent = e->exponent + s * e->count, top = -INFINITY;
        for (int64_t i = 0; i < e->count; i++) {
            exponent[i] = distance2(e->per_image, e->x + s * e->per_image, state_of(e, level, i)) /
                          (-2 * e->sigma * e->sigma);
            top = exponent[i] > top ? exponent[i] : top;
        }
        e->top[s] = top;
    }
}

static void sum_weighted(struct exact *e, int n, int level)
{
#pragma omp parallel for schedule(static)
    for (int s = 0; s < n; s++) {
        double *sum = e->sums + s * (1 + e->per_image);
        memset(sum, 0, (size_t)(1 + e->per_image) * sizeof *sum);
        for (int64_t i = 0; i < e->count; i++) {
            double w = exp(e->exponent[s * e->count + i] - e->top[s]);
            if (w == 0)
                continue;
            const float *y =
                e->source.clean ? e->source.clean + i * e->per_image : state_of(e, level - 1, i);
            sum[0] += w;
            for (int64_t p = 0; p < e->per_image; p++)
                sum[1 + p] += w * (double)y[p];
        }
    }
}

/* The inputs of one rank, by all ranks: sums of e and e A_{k-1} y, or e y, over all images. */
static void serve(struct exact *e, int rank, int n, int level)
{
    struct comm *c = e->comm;
    c->ops->bcast(c, e->x, (size_t)(n * e->per_image) * sizeof *e->x, rank);
    need_levels(e, level);
    find_exponents(e, n, level);
    c->ops->max_f64(c, e->top, n);
    sum_weighted(e, n, level);
    c->ops->sum_f64(c, e->sums, n * (1 + e->per_image));
}

static void exact_set_levels(struct network *net, int n, const int32_t *level)
{
    ((struct exact *)net->state)->level = n ? level[0] : 0;
}

static void exact_eval(struct network *net, int n, const float *x, float *out)
{
    struct exact *e = net->state;
    struct comm *c = e->comm;
    int mine[2] = {n, n ? e->level : 0}, *all = mem_alloc((size_t)c->size * sizeof mine);
    REQUIRE(n <= e->batch);
    c->ops->allgather(c, mine, sizeof mine, all);
    for (int rank = 0; rank < c->size; rank++) {
        int others = all[2 * rank];
        if (others == 0)
            continue;
        if (rank == c->rank)
            e->device->ops->download(e->device, e->x, x, (size_t)(n * e->per_image) * sizeof *e->x);
        serve(e, rank, others, all[2 * rank + 1]);
        if (rank != c->rank)
            continue;
        for (int s = 0; s < n; s++) {
            const double *sum = e->sums + s * (1 + e->per_image);
            float *input = e->x + s * e->per_image; /* becomes F */
            for (int64_t p = 0; p < e->per_image; p++)
                input[p] = (float)(sum[1 + p] / sum[0] - (e->source.clean ? 0 : (double)input[p]));
        }
        e->device->ops->upload(e->device, out, e->x, (size_t)(n * e->per_image) * sizeof *e->x);
    }
    mem_free(all);
}

struct network *exact_create(struct device *d, struct comm *comm, const struct exact_source *source,
                             int levels, int64_t count, int64_t per_image, int batch, double sigma)
{
    struct network *net = mem_alloc(sizeof *net);
    struct exact *e = mem_alloc(sizeof *e);
    double level_bytes = (double)(count * per_image) * sizeof(float);
    double fit = count ? states_bytes_most / level_bytes : levels + 1;
    REQUIRE(sigma > 0 && levels >= 1);
    *e = (struct exact){.device = d,
                        .comm = comm,
                        .source = *source,
                        .count = count,
                        .per_image = per_image,
                        .batch = batch,
                        .levels = levels,
                        .sigma = sigma,
                        .low = 1,
                        .high = 0};
    e->block = fit < 2 ? 2 : fit > levels + 1 ? levels + 1 : (int)fit;
    e->states = mem_alloc((size_t)e->block * (size_t)(count * per_image) * sizeof(float));
    e->x = mem_alloc((size_t)(batch * per_image) * sizeof *e->x);
    e->exponent = mem_alloc((size_t)batch * (size_t)count * sizeof *e->exponent);
    e->top = mem_alloc((size_t)batch * sizeof *e->top);
    e->sums = mem_alloc((size_t)batch * (size_t)(1 + per_image) * sizeof *e->sums);
    *net = (struct network){exact_set_levels, exact_eval, e, 1};
    return net;
}

void exact_destroy(struct network *net)
{
    if (!net)
        return;
    struct exact *e = net->state;
    mem_free(e->states);
    mem_free(e->x);
    mem_free(e->exponent);
    mem_free(e->top);
    mem_free(e->sums);
    mem_free(e);
    mem_free(net);
}
