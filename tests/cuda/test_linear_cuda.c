/* SPDX-License-Identifier: Apache-2.0
 * Linear layers of the cuda device (linear.cu) through its convolutions: against the reference at shapes that fill
 * their last tile, pack and strip only partly; and that they make no plans and take no scratch. */
#pragma GCC diagnostic ignored "-Wunused-function" /* only a part of the battery is used */
#include "ops/compare.h"

#include <stdlib.h>

#include "cuda.h"
#include "cudnn.h"
#include "linear.h"
#include "ops/cases.h"

const struct tolerance tolerances[] = {
    /* the largest measured */
    {"conv_forward.y", 1e-6, 0},              /* 1.9e-7 */
    {"conv_backward_data.dx", 2e-6, 0},       /* 5.1e-7 */
    {"conv_backward_weights.dw", 2e-6, 0},    /* 4.3e-7 */
    {"conv_backward_weights.dbias", 1e-6, 0}, /* 2.9e-7 */
};
const int tolerance_count = (int)(sizeof tolerances / sizeof *tolerances);

static struct conv_shape linear(int n, int c_in, int c_out)
{
    return (struct conv_shape){.n = n,
                               .h = 1,
                               .w = 1,
                               .c_in = c_in,
                               .c_out = c_out,
                               .kernel = 1,
                               .stride = 1,
                               .backward = 1};
}

static void against_ref(struct device *d, struct device *ref, struct report *report)
{
    static const int shapes[][3] = {
        /* n, c_in, c_out */
        {1, 4, 1},     {1, 512, 200}, {3, 36, 3},   {3, 128, 32}, {17, 4, 200},
        {17, 132, 8},  {17, 512, 32}, {64, 36, 32}, {64, 512, 3}, {64, 128, 44},
        {200, 128, 1}, {200, 36, 56}, {256, 4, 32}, {2, 2048, 5},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int variant = 0; variant < 4; variant++) { /* with bias, accumulation; residuals */
            const int *z = shapes[i];
            struct conv_case k = {linear(z[0], z[1], z[2]), variant != 1, variant % 2,
                                  (enum residual)(variant % 3)};
            struct op_case c = {0};
            CHECK(linear_fits(&k.s));
            conv_make(&c, &k);
            compare_devices(d, ref, &c, report);
        }
}

/* y [n,c_out] and dx [n,c_in] of random x and dy, of which fewer rows are the first of more. Memory is as long as what
 * lies in it, without the battery's guards, so that reading beyond is seen too. */
static void rows(struct device *d, int n, float *y, float *dx)
{
    enum { C_IN = 36, C_OUT = 44, MOST = 200 * C_OUT };
    struct conv_shape s = linear(n, C_IN, C_OUT);
    const size_t count[] = {C_OUT * C_IN, (size_t)n * C_IN, (size_t)n * C_OUT};
    void *memory[6];
    float host[MOST];
    for (int i = 0; i < 3; i++) { /* w, x, dy */
        for (size_t e = 0; e < count[i]; e++)
            host[e] = (float)random_normal((uint64_t)i, (int64_t)e);
        memory[i] = d->ops->alloc(d, count[i] * sizeof(float));
        d->ops->upload(d, memory[i], host, count[i] * sizeof(float));
    }
    memory[3] = d->ops->alloc(d, count[2] * sizeof(float));
    memory[4] = d->ops->alloc(d, count[1] * sizeof(float));
    memory[5] = d->ops->alloc(d, count[0] * sizeof(float));
    d->ops->zero(d, memory[5], count[0] * sizeof(float));
    struct conv *c = d->ops->conv_create(d, &s);
    d->ops->conv_weights(d, c, memory[0], NULL);
    d->ops->conv_forward(d, c, memory[1], NULL, NULL, memory[3]);
    d->ops->conv_backward_data(d, c, memory[2], memory[4], 0);
    d->ops->conv_backward_weights(d, c, memory[1], memory[2], memory[5], NULL);
    d->ops->download(d, y, memory[3], count[2] * sizeof(float));
    d->ops->download(d, dx, memory[4], count[1] * sizeof(float));
    d->ops->conv_destroy(d, c);
    for (int i = 0; i < 6; i++)
        d->ops->free(d, memory[i]);
}

static void rows_by_themselves(struct device *d)
{
    static float y[200 * 44], dx[200 * 36], few_y[3 * 44], few_dx[3 * 36];
    rows(d, 200, y, dx);
    rows(d, 3, few_y, few_dx);
    CHECK(memcmp(y, few_y, sizeof few_y) == 0 && memcmp(dx, few_dx, sizeof few_dx) == 0);
}

/* Searches for plans by all three passes of a layer, and the scratch that is taken meanwhile. */
static int searches_of(struct device *d, const struct conv_shape *s, size_t *scratch)
{
    const int before = coh_cudnn_searches();
    const size_t bytes = cuda_of(d)->scratch_bytes;
    struct conv_case k = {.s = *s, .bias = 1};
    struct op_case c = {0};
    struct values inputs = {0};
    conv_make(&c, &k);
    for (int i = 0; i < c.pass_count; i++) {
        struct values results = {0};
        pass_run(d, &c, &c.pass[i], &inputs, &results);
        values_free(&results);
    }
    values_free(&inputs);
    *scratch = cuda_of(d)->scratch_bytes - bytes;
    return coh_cudnn_searches() - before;
}

static void no_plans(struct device *d)
{
    size_t scratch;
    struct conv_shape s = linear(17, 36, 32), *bf16 = &(struct conv_shape){0}, many = s, odd = s;
    CHECK(searches_of(d, &s, &scratch) == 0 && scratch == 0);
    *bf16 = s; /* what does not fit goes the way of convolutions */
    bf16->type = DTYPE_BF16;
    many.n = 257;
    odd.c_in = 35;
    CHECK(!linear_fits(bf16) && !linear_fits(&many) && !linear_fits(&odd));
    CHECK(searches_of(d, &odd, &scratch) == 3 && scratch > 0);
    CHECK(searches_of(d, bf16, &scratch) == 3);
    CHECK(searches_of(d, &many, &scratch) == 3);
}

int main(void)
{
    struct device *ref = device_ref_create(), *d;
    struct report report = {0};
    setenv("COH_CUDNN", "511", 1);
    CHECK(device_open("cuda", 0, 0, 1, &d) == 0);
    no_plans(d);
    against_ref(d, ref, &report);
    rows_by_themselves(d);
    report_print(&report);
    CHECK(d->bytes == 0 && ref->bytes == 0);
    device_close(d);
    device_close(ref);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
