/* SPDX-License-Identifier: Apache-2.0
 * Convolutions of the cuda device beyond the battery of tests/ops: the gradients of the first and last layer's weights
 * and of wide biases at shapes that fill their last run, row, part and pack only partly; and cuDNN's plans over a
 * stand-in (cudnn.h): every way to the gradient of the weights, plans that cannot be executed, plans kept on disk. */
#pragma GCC diagnostic ignored "-Wunused-function" /* only a part of the battery is used */
#include "ops/compare.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "conv_cudnn.h"
#include "conv_narrow.h"
#include "cudnn.h"
#include "ops/cases.h"

const struct tolerance tolerances[] = {
    /* fp32, bf16: the largest measured */
    {"conv_forward.y", 9e-6, 8e-3}, /* 3.6e-6, 5.5e-3: added in bf16 where a fusion is missing */
    {"conv_backward_data.dx", 3e-6, 8e-3},       /* 8.9e-7, 4.7e-3: the same */
    {"conv_backward_weights.dw", 2e-6, 6e-7},    /* 5.6e-7, 1.7e-7 */
    {"conv_backward_weights.dbias", 2e-6, 3e-7}, /* 7.1e-7, 6.2e-8 */
};
const int tolerance_count = (int)(sizeof tolerances / sizeof *tolerances);

static struct device *open_device(int local_rank)
{
    struct device *d;
    CHECK(device_open("cuda", 0, local_rank, local_rank + 1, &d) == 0);
    return d;
}

static void narrow(struct device *d, struct device *ref, struct report *report)
{
    static const int shapes[][5] = {
        /* n, h, w, c_in, c_out */
        {2, 5, 7, 3, 36}, {1, 300, 1, 3, 8}, {3, 4, 8, 128, 3}, {2, 3, 9, 1, 20}, {1, 6, 5, 520, 1},
        {2, 4, 6, 2, 16}, {1, 5, 13, 12, 4}, {1, 3, 4, 4, 4},   {5, 61, 2, 4, 2},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            const int *z = shapes[i];
            struct conv_case k = {.bias = 1};
            struct op_case c = {0};
            k.s = (struct conv_shape){.n = z[0],
                                      .h = z[1],
                                      .w = z[2],
                                      .c_in = z[3],
                                      .c_out = z[4],
                                      .kernel = 3,
                                      .stride = 1,
                                      .backward = 1,
                                      .type = bf16 ? DTYPE_BF16 : DTYPE_F32};
            CHECK(conv_narrow_fits(&k.s));
            conv_make(&c, &k);
            compare_devices(d, ref, &c, report);
        }
    struct conv_shape s = {
        .n = 1, .h = 1, .w = 1300, .c_in = 3, .c_out = 8, .kernel = 3, .stride = 1};
    CHECK(conv_narrow_fits(&s));
    s.w = 1400; /* three rows of it do not fit into shared memory */
    CHECK(!conv_narrow_fits(&s));
    s.w = 8;
    s.stride = 2;
    CHECK(!conv_narrow_fits(&s));
}

/* More packs than threads; rows that leave strips over; packs of one. */
static void biases(struct device *d, struct device *ref, struct report *report)
{
    static const int shapes[][2] = {{3, 2056}, {300, 24}, {131, 1030}, {67, 33}, {5, 300}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            struct conv_case k = {.bias = 1};
            struct op_case c = {0};
            k.s = (struct conv_shape){.n = 1,
                                      .h = shapes[i][0],
                                      .w = 1,
                                      .c_in = 1,
                                      .c_out = shapes[i][1],
                                      .kernel = 1,
                                      .stride = 1,
                                      .backward = 1,
                                      .type = bf16 ? DTYPE_BF16 : DTYPE_F32};
            conv_make(&c, &k);
            compare_devices(d, ref, &c, report);
        }
}

/* Weights in the caller's memory, aligned and not: the same output as with a copy, and what is written there later is
 * seen where it is read in place. */
static void weights_in_place(struct device *d)
{
    enum { NUMBERS = 2 * 4 * 4 * 8, WEIGHTS = 8 * 9 * 8 };
    const struct conv_shape s = {
        .n = 2, .h = 4, .w = 4, .c_in = 8, .c_out = 8, .kernel = 3, .stride = 1};
    float host[WEIGHTS], y[3][NUMBERS], after[NUMBERS];
    float *room = d->ops->alloc(d, (WEIGHTS + 1) * sizeof *room), *w = room;
    float *x = d->ops->alloc(d, NUMBERS * sizeof *x),
          *out = d->ops->alloc(d, NUMBERS * sizeof *out);
    for (int i = 0; i < WEIGHTS; i++)
        host[i] = (float)(i % 7 - 3) / 4;
    d->ops->upload(d, x, host, NUMBERS * sizeof *x);
    for (int way = 0; way < 3; way++) { /* a copy; in place; in place, one number on */
        struct conv *conv = d->ops->conv_create(d, &s);
        w = room + way / 2;
        d->ops->upload(d, w, host, WEIGHTS * sizeof *w);
        d->ops->conv_weights(d, conv, w, way ? w : NULL);
        d->ops->conv_forward(d, conv, x, NULL, NULL, out);
        d->ops->download(d, y[way], out, sizeof y[way]);
        CHECK(memcmp(y[0], y[way], sizeof y[way]) == 0);
        d->ops->zero(d, w, WEIGHTS * sizeof *w);
        d->ops->conv_forward(d, conv, x, NULL, NULL, out);
        d->ops->download(d, after, out, sizeof after);
        CHECK((after[5] == 0) == (way == 1));
        d->ops->conv_destroy(d, conv);
    }
    d->ops->free(d, room);
    d->ops->free(d, x);
    d->ops->free(d, out);
}

/* ---- plans ---- */

static const struct conv_shape plain = {
    .n = 2, .h = 4, .w = 4, .c_in = 8, .c_out = 8, .kernel = 3, .stride = 1, .backward = 1};

/* dw += of one convolution, on top of 1; the size of a difference is that of the rounding it went through */
static void gradient(struct device *d, enum dtype type, float *dw, size_t count)
{
    enum { NUMBERS = 2 * 4 * 4 * 8 };
    struct conv_shape s = plain;
    float host[NUMBERS];
    void *wide, *x, *dy;
    s.type = type;
    struct conv *c = d->ops->conv_create(d, &s);
    wide = d->ops->alloc(d, sizeof host);
    x = d->ops->alloc(d, sizeof host);
    dy = d->ops->alloc(d, sizeof host);
    float *on_device = d->ops->alloc(d, count * sizeof *dw);
    for (int i = 0; i < 2; i++) {
        for (int e = 0; e < NUMBERS; e++)
            host[e] = (float)random_normal(i ? 12 : 11, e);
        d->ops->upload(d, wide, host, sizeof host);
        d->ops->cast(d, NUMBERS, DTYPE_F32, wide, type, i ? dy : x);
    }
    for (size_t e = 0; e < count; e++)
        dw[e] = 1;
    d->ops->upload(d, on_device, dw, count * sizeof *dw);
    d->ops->conv_backward_weights(d, c, x, dy, on_device, NULL);
    d->ops->download(d, dw, on_device, count * sizeof *dw);
    void *owned[] = {wide, x, dy, on_device};
    for (int i = 0; i < 4; i++)
        d->ops->free(d, owned[i]);
    d->ops->conv_destroy(d, c);
}

enum { WEIGHTS = 8 * 9 * 8 };

static void plans(const char *passes, const char *broken)
{
    setenv("COH_CUDNN", passes, 1);
    setenv("COH_CUDNN_BROKEN", broken, 1);
}

/* All passes by plans, and those without fusions: bias, residual apart and in place, accumulation. */
static void passes(struct device *ref, struct report *report)
{
    static const char *const bits[] = {"511", "201"};
    for (int i = 0; i < 2; i++) {
        plans(bits[i], "1");
        struct device *d = open_device(0);
        for (int variant = 0; variant < 6; variant++) {
            struct conv_case k = {.s = plain, .bias = variant < 4, .accumulate = variant / 2 == 1};
            struct op_case c = {0};
            k.s.type = variant % 2 ? DTYPE_BF16 : DTYPE_F32;
            k.residual = (enum residual)(variant / 2);
            conv_make(&c, &k);
            compare_devices(d, ref, &c, report);
        }
        device_close(d);
    }
}

static void routes(struct device *ref)
{
    /* all passes; without the plain one; the rounded one alone; none; all, of which the first cannot be executed, the
     * first two, all three */
    static const char *const passes[] = {"511", "479", "256", "0", "511", "511", "511"},
                             *const broken[] = {"0", "0", "0", "0", "1", "3", "7"};
    static float got[WEIGHTS], want[WEIGHTS];
    gradient(ref, DTYPE_BF16, want, WEIGHTS);
    for (int i = 0; i < 7; i++) {
        double worst = 0;
        plans(passes[i], broken[i]);
        struct device *d = open_device(0);
        gradient(d, DTYPE_BF16, got, WEIGHTS);
        for (int e = 0; e < WEIGHTS; e++)
            worst = fmax(worst, fabs((double)got[e] - want[e]) / (1 + fabs((double)want[e] - 1)));
        printf("passes %s, broken %s: dw %.2g\n", passes[i], broken[i], worst);
        CHECK(worst < (i == 2 ? 1.0 / 256 : 1e-6)); /* half a unit of bf16's last place; */
        CHECK(i != 2 || worst > 1e-4);              /* the rounded way it was */
        gradient(d, DTYPE_F32, got, WEIGHTS);
        device_close(d);
    }
}

static int searches_of(int local_rank)
{
    float dw[WEIGHTS];
    int before = coh_cudnn_searches();
    struct device *d = open_device(local_rank);
    gradient(d, DTYPE_BF16, dw, WEIGHTS);
    device_close(d);
    return coh_cudnn_searches() - before;
}

static void kept_plans(void)
{
    char folder[] = "/tmp/peclet-test-XXXXXX", path[512], *text;
    CHECK(mkdtemp(folder) != NULL);
    setenv("PECLET_CACHE", folder, 1);
    plans("511", "0");
    CHECK(searches_of(1) == 1); /* another rank of the node does not write */
    CHECK(searches_of(0) == 1);
    CHECK(searches_of(0) == 0 && searches_of(1) == 0);

    /* the one file, by the name that its key has */
    snprintf(
        path, sizeof path, "%s/%s", folder,
        "cuDNN_90000__CUDA_on_host__best_of_4__weights_of_a_convolution_of_2_images_4x4__8_-__8_"
        "channels__kernel_3x3__padding_1_1__stride_1__bf16");
    CHECK(text_read(path, &text, NULL) == 0);
    text[strlen(text) - 1] ^= 1; /* damaged */
    CHECK(text_write(path, text) == 0);
    CHECK(searches_of(0) == 1 && searches_of(0) == 0); /* and replaced */
    text[strlen(text) / 2] = 0;                        /* cut short */
    CHECK(text_write(path, text) == 0);
    CHECK(searches_of(0) == 1 && searches_of(0) == 0);
    mem_free(text);

    plans("511", "1"); /* what is kept can no longer be executed: replaced by the next */
    CHECK(searches_of(0) == 1 && searches_of(0) == 0);

    setenv("PECLET_CUDNN_PLANS", "2", 1); /* another choice */
    plans("511", "0");
    CHECK(searches_of(1) == 1);
    unsetenv("PECLET_CUDNN_PLANS");
    CHECK(remove(path) == 0 && rmdir(folder) == 0);

    setenv("PECLET_CACHE", "/proc/peclet", 1); /* nowhere to write: said, no more */
    CHECK(searches_of(0) == 1);
    setenv("PECLET_CACHE", "", 1);
}

static void switched_off(void)
{
    float dw[WEIGHTS];
    plans("511", "0");
    setenv("PECLET_CUDNN", "0", 1);
    struct device *d = open_device(0);
    CHECK(cuda_of(d)->cudnn == NULL);
    gradient(d, DTYPE_BF16, dw, WEIGHTS);
    device_close(d);
    unsetenv("PECLET_CUDNN");
}

int main(void)
{
    struct device *ref = device_ref_create(), *d = open_device(0);
    struct report report = {0};
    narrow(d, ref, &report);
    biases(d, ref, &report);
    weights_in_place(d);
    CHECK(d->bytes == 0);
    device_close(d);
    passes(ref, &report);
    report_print(&report);
    routes(ref);
    kept_plans();
    switched_off();
    CHECK(ref->bytes == 0);
    device_close(ref);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
