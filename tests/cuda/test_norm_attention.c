/* SPDX-License-Identifier: Apache-2.0
 * Group norm and attention on the GPU, beyond the battery of tests/ops: every way that norm.cu has through memory
 * (one block, clusters, streaming) on shapes that fill its last slab, part and batch only partly; means far from zero
 * and images with an edge; attention in more than one slice. */
#pragma GCC diagnostic ignored "-Wunused-function" /* only a part of the battery is used */
#include "ops/compare.h"

#include "ops/cases.h"

#include "cuda.h"

const struct tolerance tolerances[] = {
    /* fp32, bf16: the largest measured */
    {"norm_forward.y", 1.5e-6, 6e-3},        /* 3.0e-7, 4.1e-3 */
    {"norm_forward.stats", 3e-7, 5e-7},      /* 8.4e-8, 1.7e-7 */
    {"norm_backward.dx", 4e-6, 6e-3},        /* 1.0e-6, 3.4e-3 */
    {"norm_backward.dgamma", 3e-6, 3e-6},    /* 7.6e-7, 6.6e-7 */
    {"norm_backward.dbeta", 3e-6, 3e-6},     /* 5.5e-7, 3.7e-7 */
    {"norm_backward.dshift", 5e-6, 5e-6},    /* 6.6e-7, 1.2e-6 */
    {"attention_forward.probs", 4e-6, 8e-3}, /* 1.1e-6, 3.7e-3 */
    {"attention_forward.out", 8e-6, 8e-3},   /* 2.7e-6, 3.4e-3 */
    {"attention_backward.dqkv", 7e-6, 8e-3}, /* 2.2e-6, 5.2e-3 */
};
const int tolerance_count = (int)(sizeof tolerances / sizeof *tolerances);

static void norm_shapes(struct device *d, struct device *ref, struct report *report)
{
    static const int shapes[][4] = {
        /* n, hw, c, groups */
        {2, 5, 64, 32},  {3, 1024, 64, 32}, {1, 300, 128, 1}, {1, 37, 1027, 1},
        {2, 9, 2056, 1}, {40, 3, 40, 5},    {1, 1600, 24, 3}, {1, 5000, 8, 4},
        {1, 3000, 3, 1}, {2, 13, 36, 12},   {2, 130, 96, 3},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int variant = 0; variant < 4; variant++) {
            const int *z = shapes[i];
            struct norm_shape s = {
                z[0], z[1], z[2], z[3], variant % 2 ? DTYPE_BF16 : DTYPE_F32, variant / 2, 1e-5};
            struct norm_case k = {s, variant / 2, variant % 2, 0};
            struct op_case c = {0};
            norm_make(&c, &k);
            compare_devices(d, ref, &c, report);
        }
}

/* The GPU as it is; as one with a twentieth of its shared memory (more blocks a slab); with none (streaming). */
static void norm_ways(struct device *d, struct device *ref, struct report *report)
{
    const size_t shared = cuda_of(d)->shared_bytes;
    norm_shapes(d, ref, report);
    cuda_of(d)->shared_bytes = shared / 5;
    norm_shapes(d, ref, report);
    cuda_of(d)->shared_bytes = 0;
    norm_shapes(d, ref, report);
    cuda_of(d)->shared_bytes = shared;
}

static void *upload(struct device *d, const float *host, size_t count)
{
    void *p = d->ops->alloc(d, count * sizeof(float));
    if (host)
        d->ops->upload(d, p, host, count * sizeof(float));
    return p;
}

/* mean, rstd of norm_forward without shift; gamma = 1, beta = 0 */
static void stats_of(struct device *d, const struct norm_shape *s, const float *x,
                     const float *gamma_beta, float *stats)
{
    size_t numbers = (size_t)s->n * (size_t)s->hw * (size_t)s->c,
           groups = (size_t)s->n * (size_t)s->groups;
    void *xd = upload(d, x, numbers), *yd = upload(d, NULL, numbers),
         *sd = upload(d, NULL, 2 * groups);
    float *affine = upload(d, gamma_beta, 2 * (size_t)s->c);
    d->ops->norm_forward(d, s, xd, NULL, affine, affine + s->c, yd, sd);
    d->ops->download(d, stats, sd, 2 * groups * sizeof(float));
    d->ops->free(d, xd);
    d->ops->free(d, yd);
    d->ops->free(d, sd);
    d->ops->free(d, affine);
}

/* Images of the value `inside` +- 1 whose outermost pixels are about `edge`: the sums are about a value that the pixels
 * chosen for it must not spoil. */
static void edges(struct device *d, struct device *ref)
{
    enum { SIDE = 32, C = 32, GROUPS = 8 };
    static const double inside[] = {0, 1000, 1000}, edge[] = {1000, 1000, 0};
    struct norm_shape s = {1, SIDE * SIDE, C, GROUPS, DTYPE_F32, 0, 1e-5};
    float *x = mem_alloc(sizeof(float) * SIDE * SIDE * C), gamma_beta[2 * C], got[2 * GROUPS],
          want[2 * GROUPS];
    double worst = 0;
    for (int c = 0; c < C; c++) {
        gamma_beta[c] = 1;
        gamma_beta[C + c] = 0;
    }
    for (int i = 0; i < 3; i++) {
        for (int p = 0; p < SIDE * SIDE * C; p++) {
            int row = p / C / SIDE, column = p / C % SIDE;
            int outer = row == 0 || column == 0 || row == SIDE - 1 || column == SIDE - 1;
            x[p] = (float)((outer ? edge[i] : inside[i]) + random_normal(3, p));
        }
        stats_of(d, &s, x, gamma_beta, got);
        stats_of(ref, &s, x, gamma_beta, want);
        for (int g = 0; g < GROUPS; g++) {
            CHECK_NEAR(got[2 * g], want[2 * g], 2e-7 * fabs(want[2 * g]) + 1e-6);
            worst = fmax(worst, fabs(got[2 * g + 1] / want[2 * g + 1] - 1.0));
        }
    }
    printf("edges: rstd %.2g\n", worst);
    CHECK(worst < 5e-7); /* measured 1.2e-7 */
    mem_free(x);
}

static void attention_shapes(struct device *d, struct device *ref, struct report *report)
{
    static const struct attention_shape shapes[] = {
        {3, 65, 140, 2, DTYPE_F32}, {1, 12, 640, 1, DTYPE_F32}, {2, 130, 36, 3, DTYPE_F32},
        {5, 7, 9, 9, DTYPE_F32},    {1, 300, 33, 3, DTYPE_F32}, {1, 72, 176, 2, DTYPE_F32},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            struct attention_shape s = shapes[i];
            struct op_case c = {0};
            s.type = bf16 ? DTYPE_BF16 : DTYPE_F32;
            attention_make(&c, &s);
            compare_devices(d, ref, &c, report);
        }
}

/* 1024 tokens of 5 heads are a slice by themselves. */
static void attention_slices(struct device *d, struct device *ref)
{
    enum { N = 2, T = 1024, HEADS = 5, C = 5 };
    static float qkv[N * T * 3 * C], dout[N * T * C], out[2][N * T * C], dqkv[2][N * T * 3 * C];
    struct attention_shape s = {N, T, C, HEADS, DTYPE_F32};
    for (int i = 0; i < N * T * 3 * C; i++)
        qkv[i] = (float)random_normal(5, i);
    for (int i = 0; i < N * T * C; i++)
        dout[i] = (float)random_normal(6, i);
    for (int i = 0; i < 2; i++) {
        struct device *on = i ? ref : d;
        void *q = upload(on, qkv, N * T * 3 * C),
             *probs = upload(on, NULL, (size_t)N * HEADS * T * T);
        void *o = upload(on, NULL, N * T * C), *g = upload(on, dout, N * T * C),
             *dq = upload(on, NULL, N * T * 3 * C);
        on->ops->attention_forward(on, &s, q, probs, o);
        on->ops->attention_backward(on, &s, q, probs, g, dq);
        on->ops->download(on, out[i], o, sizeof out[i]);
        on->ops->download(on, dqkv[i], dq, sizeof dqkv[i]);
        on->ops->free(on, q);
        on->ops->free(on, probs);
        on->ops->free(on, o);
        on->ops->free(on, g);
        on->ops->free(on, dq);
    }
    double off_out = 0, off_dqkv = 0;
    for (int i = 0; i < N * T * C; i++)
        off_out = fmax(off_out, fabs((double)out[0][i] - out[1][i]));
    for (int i = 0; i < N * T * 3 * C; i++)
        off_dqkv = fmax(off_dqkv, fabs((double)dqkv[0][i] - dqkv[1][i]));
    printf("slices: out %.2g dqkv %.2g\n", off_out, off_dqkv);
    CHECK(off_out < 2.4e-6);  /* measured 6.6e-7 */
    CHECK(off_dqkv < 1.1e-5); /* measured 3.1e-6 */
}

int main(void)
{
    struct device *ref = device_ref_create(), *d;
    struct report report = {0};
    if (device_open("cuda", 0, 0, 1, &d))
        return EXIT_FAILURE;
    norm_ways(d, ref, &report);
    edges(d, ref);
    attention_shapes(d, ref, &report);
    if (cuda_of(d)->capability >= 90) /* nothing in it depends on that: once is enough */
        attention_slices(d, ref);
    report_print(&report);
    CHECK(d->bytes == 0 && ref->bytes == 0);
    device_close(d);
    device_close(ref);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
