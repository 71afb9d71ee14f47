/* SPDX-License-Identifier: Apache-2.0
 * Convolutions of the cuda device: cuDNN does the arithmetic where it has a plan (conv_cudnn.c), our own kernels where
 * not (conv_direct.cu). Plans are made at first use, because a layer needs only some of the passes. What cuDNN may not
 * do in place takes a detour through scratch: a residual that is y itself, and the gradient of the weights.
 *
 * First and last layer have images of 1 or 3 channels on one side. Forward and towards the data they are handed to cuDNN
 * as they are: it copies the images to 8 channels and uses the tensor cores (its plans, in test_cudnn_plan, ask for that
 * workspace). The gradient of their weights is conv_narrow.cu's: fp32 sums, nothing to compile. Linear layers of a few
 * rows are linear.cu's in all three passes. */
#include "base/die.h"
#include "base/mem.h"
#include "conv_cudnn.h"
#include "conv_direct.h"
#include "conv_narrow.h"
#include "cuda_ops.h"
#include "linear.h"

struct conv {
    struct conv_shape s;
    int64_t x_count, y_count;
    const void *w; /* [c_out,kernel_h,kernel_w,c_in] in s.type: the caller's, or ... */
    void *rounded; /* ... owned, made when it is first needed */
    float *
        no_bias; /* [c_out] zeros: a residual alone goes the way of bias and residual, rounded once */
};

struct conv *cuda_conv_create(struct device *d, const struct conv_shape *s)
{
    struct conv *c = mem_zalloc(sizeof *c);
    struct conv_window k = conv_window_of(s);
    c->s = *s;
    c->x_count = (int64_t)s->n * s->h * s->w * s->c_in;
    c->y_count = (int64_t)s->n * k.out_h * k.out_w * s->c_out;
    REQUIRE((int64_t)s->n * s->h * s->w < INT32_MAX / 2 && c->y_count >= 0);
    if (linear_fits(s)) /* needs no more */
        return c;
    c->no_bias = d->ops->alloc(d, (size_t)s->c_out * sizeof(float));
    d->ops->zero(d, c->no_bias, (size_t)s->c_out * sizeof(float));
    if (s->kernel == 1 && s->kernel_w == 0 && s->stride == 1 &&
        s->h * s->w == 1) { /* another linear layer: images are pixels */
        c->s.w = s->n;
        c->s.n = 1;
    }
    if (s->backward) { /* dbias, whoever computes dw */
        cuda_scratch(d, conv_direct_scratch(s));
        if (conv_narrow_fits(s))
            cuda_scratch(d, conv_narrow_scratch(s));
    }
    return c;
}

void cuda_conv_destroy(struct device *d, struct conv *c)
{
    if (!c)
        return;
    d->ops->free(d, c->no_bias);
    d->ops->free(d, c->rounded);
    mem_free(c);
}

void cuda_conv_weights(struct device *d, struct conv *c, const float *w, const void *in_place)
{
    if (in_place && (uintptr_t)in_place % 16 == 0) {
        c->w = in_place;
        return;
    }
    if (!c->rounded)
        c->rounded = d->ops->alloc(d, (size_t)conv_weight_count(&c->s) * dtype_bytes(c->s.type));
    c->w = c->rounded;
    cuda_cast(d, conv_weight_count(&c->s), DTYPE_F32, w, c->s.type, c->rounded);
}

/* Runs a plan with its workspace behind the first `spare` bytes of scratch (the caller's). */
static void run(struct device *d, const struct cudnn_plan *p, const struct cudnn_tensors *t,
                size_t spare)
{
    char *scratch = cuda_scratch(d, round_up(spare) + cudnn_plan_workspace(p));
    cudnn_plan_run(d, p, t, scratch + round_up(spare));
}

/* The first `bytes` of scratch where `p` has room behind them. */
static void *spare_of(struct device *d, const struct cudnn_plan *p, size_t bytes)
{
    return cuda_scratch(d, round_up(bytes) + cudnn_plan_workspace(p));
}

void cuda_conv_forward(struct device *d, struct conv *c, const void *x, const float *bias,
                       const void *residual, void *y)
{
    const struct conv_shape *s = &c->s;
    size_t y_bytes = (size_t)c->y_count * dtype_bytes(s->type), spare = residual == y ? y_bytes : 0;
    struct cudnn_tensors t = {
        .x = x, .w = c->w, .y = y, .bias = bias ? bias : c->no_bias, .residual = residual};
    const struct cudnn_plan *p = NULL;
    if (c->y_count == 0)
        return;
    if (linear_fits(s)) {
        linear_forward(d, s, x, c->w, bias, residual, y);
        return;
    }
    if (bias || residual)
        p = cudnn_plan_for(d, s, residual ? PASS_BIAS_ADD : PASS_BIAS);
    if (p) {
        if (spare) {
            t.residual = spare_of(d, p, spare);
            d->ops->copy(d, (void *)(uintptr_t)t.residual, y, y_bytes);
        }
        run(d, p, &t, spare);
    } else if ((p = cudnn_plan_for(d, s, PASS_FORWARD))) {
        if (spare)
            t.y = spare_of(d, p, spare);
        run(d, p, &t, spare);
        if (bias || residual)
            conv_direct_epilogue(d, s, t.y, bias, residual, y);
    } else {
        conv_direct_forward(d, s, x, c->w, bias, residual, y);
    }
}

void cuda_conv_backward_data(struct device *d, struct conv *c, const void *dy, void *dx,
                             int accumulate)
{
    const struct conv_shape *s = &c->s;
    struct cudnn_tensors t = {.x = dx, .w = c->w, .y = dy};
    if (linear_fits(s)) {
        linear_backward_data(d, s, dy, c->w, dx, accumulate);
        return;
    }
    const struct cudnn_plan *p = cudnn_plan_for(d, s, accumulate ? PASS_DATA_ADD : PASS_DATA);
    if (p) {
        run(d, p, &t, 0);
    } else if (accumulate && (p = cudnn_plan_for(d, s, PASS_DATA))) {
        size_t spare = (size_t)c->x_count * dtype_bytes(s->type);
        t.x = spare_of(d, p, spare);
        run(d, p, &t, spare);
        cuda_add(d, c->x_count, s->type, t.x, dx);
    } else {
        conv_direct_backward_data(d, s, dy, c->w, dx, accumulate);
    }
}

/* bf16, through scratch: the gradient in fp32; the same with the old dw added by the library; rounded to bf16, which
 * costs its last 16 bits but is there for every shape. Whether the first two are depends on what the library can
 * compile for the card. Returns 0 if there is no plan at all. */
static int weights_through_scratch(struct device *d, struct conv *c, const void *x, const void *dy,
                                   float *dw)
{
    static const enum cudnn_pass routes[] = {PASS_WEIGHTS, PASS_WEIGHTS_FUSED,
                                             PASS_WEIGHTS_ROUNDED};
    const struct cudnn_plan *p = NULL;
    enum cudnn_pass pass = PASS_WEIGHTS;
    for (int i = 0; !p && i < 3; i++)
        p = cudnn_plan_for(d, &c->s, pass = routes[i]);
    if (!p)
        return 0;
    enum dtype type = pass == PASS_WEIGHTS_ROUNDED ? DTYPE_BF16 : DTYPE_F32;
    size_t bytes = (size_t)conv_weight_count(&c->s) * dtype_bytes(type);
    struct cudnn_tensors t = {.x = x, .w = spare_of(d, p, bytes), .y = dy, .old = dw};
    run(d, p, &t, bytes);
    if (pass == PASS_WEIGHTS_FUSED)
        d->ops->copy(d, dw, t.w, bytes);
    else
        conv_direct_add_weights(d, &c->s, type, t.w, dw);
    return 1;
}

void cuda_conv_backward_weights(struct device *d, struct conv *c, const void *x, const void *dy,
                                float *dw, float *dbias)
{
    const struct conv_shape *s = &c->s;
    const struct cudnn_plan *p = NULL;
    if (c->y_count == 0)
        return;
    if (linear_fits(s)) {
        linear_backward_weights(d, s, x, dy, dw, dbias);
        return;
    }
    if (conv_narrow_fits(s))
        conv_narrow_backward_weights(d, s, x, dy, dw);
    else if (s->type == DTYPE_F32 && (p = cudnn_plan_for(d, s, PASS_WEIGHTS_ADD)))
        run(d, p, &(struct cudnn_tensors){.x = x, .w = dw, .y = dy}, 0);
    else if (s->type == DTYPE_F32 || !weights_through_scratch(d, c, x, dy, dw))
        conv_direct_backward_weights(d, s, x, dy, dw);
    if (dbias)
        conv_direct_bias_gradient(d, s, dy, dbias);
}
