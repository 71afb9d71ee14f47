/* SPDX-License-Identifier: Apache-2.0
 * Convolution with zero padding, as its definition and the two transposes of it:
 *
 *     y[n,p,o] = bias[o] + sum_{k,i} w[o,k,i] x[n, stride p + k - pad, i]        p, k: pairs (row,
 * column)
 *
 * Weights are OHWI, rounded to the type of the activations when they are taken over. */
#include "base/mem.h"
#include "device/ref.h"

struct conv {
    struct conv_shape s;
    struct conv_window k;
    float *w; /* [c_out, kernel_h, kernel_w, c_in], rounded to s.type */
};

static int64_t weight_count(const struct conv *c)
{
    return (int64_t)c->s.c_out * c->k.kernel_h * c->k.kernel_w * c->s.c_in;
}

struct conv *ref_conv_create(struct device *d, const struct conv_shape *s)
{
    (void)d;
    struct conv *c = mem_alloc(sizeof *c);
    c->s = *s;
    c->k = conv_window_of(s);
    c->w = mem_alloc((size_t)weight_count(c) * sizeof(float));
    return c;
}

void ref_conv_destroy(struct device *d, struct conv *c)
{
    (void)d;
    mem_free(c->w);
    mem_free(c);
}

void ref_conv_weights(struct device *d, struct conv *c, const float *w, const void *in_place)
{
    (void)d, (void)in_place;
    for (int64_t i = 0; i < weight_count(c); i++)
        c->w[i] = c->s.type == DTYPE_BF16 ? bf16_to_float(bf16_from_float(w[i])) : w[i];
}

/* Where kernel tap (ky,kx) of output pixel (oy,ox) reads: the first channel's place in x, or -1 in
 * the padding. */
static int64_t input_at(const struct conv *c, int n, int oy, int ox, int ky, int kx)
{
    const struct conv_shape *s = &c->s;
    int iy = oy * s->stride + ky - c->k.pad_h, ix = ox * s->stride + kx - c->k.pad_w;
    if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w)
        return -1;
    return (((int64_t)n * s->h + iy) * s->w + ix) * s->c_in;
}

/* The first channel's place in y of output pixel (oy,ox). */
static int64_t output_at(const struct conv *c, int n, int oy, int ox)
{
    return (((int64_t)n * c->k.out_h + oy) * c->k.out_w + ox) * c->s.c_out;
}

static int64_t weight_at(const struct conv *c, int o, int ky, int kx)
{
    return (((int64_t)o * c->k.kernel_h + ky) * c->k.kernel_w + kx) * c->s.c_in;
}

static double output_value(const struct conv *c, const void *x, int n, int oy, int ox, int o)
{
    const struct conv_shape *s = &c->s;
    double sum = 0;
    for (int ky = 0; ky < c->k.kernel_h; ky++)
        for (int kx = 0; kx < c->k.kernel_w; kx++) {
            int64_t in = input_at(c, n, oy, ox, ky, kx);
            if (in < 0)
                continue;
            const float *w = c->w + weight_at(c, o, ky, kx);
            for (int i = 0; i < s->c_in; i++)
                sum += w[i] * ref_load(s->type, x, in + i);
        }
    return sum;
}

void ref_conv_forward(struct device *d, struct conv *c, const void *x, const float *bias,
                      const void *residual, void *y)
{
    (void)d;
    for (int n = 0; n < c->s.n; n++)
        for (int oy = 0; oy < c->k.out_h; oy++)
            for (int ox = 0; ox < c->k.out_w; ox++)
                for (int o = 0; o < c->s.c_out; o++) {
                    int64_t at = output_at(c, n, oy, ox) + o;
                    double value = output_value(c, x, n, oy, ox, o);
                    if (bias)
                        value += bias[o];
                    if (residual)
                        value += ref_load(c->s.type, residual, at);
                    ref_store(c->s.type, y, at, value);
                }
}

/* The output row (or column) that reads input `in` by tap k, or -1. */
static int output_of(int in, int k, int pad, int stride, int out_size)
{
    int moved = in + pad - k;
    if (moved < 0 || moved % stride || moved / stride >= out_size)
        return -1;
    return moved / stride;
}

static double input_gradient(const struct conv *c, const void *dy, int n, int iy, int ix, int i)
{
    const struct conv_shape *s = &c->s;
    double sum = 0;
    for (int ky = 0; ky < c->k.kernel_h; ky++)
        for (int kx = 0; kx < c->k.kernel_w; kx++) {
            int oy = output_of(iy, ky, c->k.pad_h, s->stride, c->k.out_h);
            int ox = output_of(ix, kx, c->k.pad_w, s->stride, c->k.out_w);
            if (oy < 0 || ox < 0)
                continue;
            int64_t out = output_at(c, n, oy, ox);
            for (int o = 0; o < s->c_out; o++)
                sum += c->w[weight_at(c, o, ky, kx) + i] * ref_load(s->type, dy, out + o);
        }
    return sum;
}

void ref_conv_backward_data(struct device *d, struct conv *c, const void *dy, void *dx,
                            int accumulate)
{
    (void)d;
    int64_t at = 0;
    for (int n = 0; n < c->s.n; n++)
        for (int iy = 0; iy < c->s.h; iy++)
            for (int ix = 0; ix < c->s.w; ix++)
                for (int i = 0; i < c->s.c_in; i++)
                    ref_put(c->s.type, dx, at++, input_gradient(c, dy, n, iy, ix, i), accumulate);
}

static double weight_gradient(const struct conv *c, const void *x, const void *dy, int o, int ky,
                              int kx, int i)
{
    double sum = 0;
    for (int n = 0; n < c->s.n; n++)
        for (int oy = 0; oy < c->k.out_h; oy++)
            for (int ox = 0; ox < c->k.out_w; ox++) {
                int64_t in = input_at(c, n, oy, ox, ky, kx);
                if (in >= 0)
                    sum += ref_load(c->s.type, dy, output_at(c, n, oy, ox) + o) *
                           ref_load(c->s.type, x, in + i);
            }
    return sum;
}

void ref_conv_backward_weights(struct device *d, struct conv *c, const void *x, const void *dy,
                               float *dw, float *dbias)
{
    (void)d;
    const struct conv_shape *s = &c->s;
    int64_t at = 0, pixels = (int64_t)s->n * c->k.out_h * c->k.out_w;
    for (int o = 0; o < s->c_out; o++)
        for (int ky = 0; ky < c->k.kernel_h; ky++)
            for (int kx = 0; kx < c->k.kernel_w; kx++)
                for (int i = 0; i < s->c_in; i++)
                    ref_put(DTYPE_F32, dw, at++, weight_gradient(c, x, dy, o, ky, kx, i), 1);
    for (int o = 0; dbias && o < s->c_out; o++) {
        double sum = 0;
        for (int64_t p = 0; p < pixels; p++)
            sum += ref_load(s->type, dy, p * s->c_out + o);
        ref_put(DTYPE_F32, dbias, o, sum, 1);
    }
}
