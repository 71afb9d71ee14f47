/* SPDX-License-Identifier: Apache-2.0
 * ref: the reference device. Every operation of device.h as the plainest loops that say what it
 * means, sums in double, results rounded once to the type they are stored in, one thread. The other
 * devices are compared with it. */
#pragma once
#include <math.h>

#include "base/half.h"
#include "device/device.h"

/* Memory of the host, and work that is not kept but issued anew; also cpu's. */
void *ref_alloc(struct device *d, size_t bytes);
void ref_free(struct device *d, void *p);
double ref_room(struct device *d);
void ref_sync(struct device *d);
void *ref_host_alloc(struct device *d, size_t bytes);
void ref_host_free(struct device *d, void *p);
int ref_repeat_begin(struct device *d, struct repeat **r);
void ref_repeat_end(struct device *d, struct repeat *r);

/* Element i of an array of `type`. */
static inline double ref_load(enum dtype type, const void *array, int64_t i)
{
    switch (type) {
    case DTYPE_BF16:
        return bf16_to_float(((const uint16_t *)array)[i]);
    case DTYPE_F16:
        return half_to_float(((const uint16_t *)array)[i]);
    default:
        return ((const float *)array)[i];
    }
}

static inline void ref_store(enum dtype type, void *array, int64_t i, double value)
{
    switch (type) {
    case DTYPE_BF16:
        ((uint16_t *)array)[i] = bf16_from_float((float)value);
        break;
    case DTYPE_F16:
        ((uint16_t *)array)[i] = half_from_float((float)value);
        break;
    default:
        ((float *)array)[i] = (float)value;
    }
}

/* array[i] = value, or += value. */
static inline void ref_put(enum dtype type, void *array, int64_t i, double value, int accumulate)
{
    ref_store(type, array, i, accumulate ? ref_load(type, array, i) + value : value);
}

static inline double ref_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* d silu(x) / dx, silu(x) = x sigmoid(x) */
static inline double ref_silu_slope(double x)
{
    double s = ref_sigmoid(x);
    return s * (1 + x * (1 - s));
}

/* ref_conv.c */
struct conv *ref_conv_create(struct device *d, const struct conv_shape *s);
void ref_conv_destroy(struct device *d, struct conv *c);
void ref_conv_weights(struct device *d, struct conv *c, const float *w, const void *in_place);
void ref_conv_forward(struct device *d, struct conv *c, const void *x, const float *bias,
                      const void *residual, void *y);
void ref_conv_backward_data(struct device *d, struct conv *c, const void *dy, void *dx,
                            int accumulate);
void ref_conv_backward_weights(struct device *d, struct conv *c, const void *x, const void *dy,
                               float *dw, float *dbias);

/* ref_norm.c */
void ref_norm_forward(struct device *d, const struct norm_shape *s, const void *x,
                      const float *shift, const float *gamma, const float *beta, void *y,
                      float *stats);
void ref_norm_backward(struct device *d, const struct norm_shape *s, const void *x,
                       const float *shift, const float *gamma, const float *beta,
                       const float *stats, const void *dy, void *dx, int accumulate, float *dgamma,
                       float *dbeta, float *dshift);

/* ref_attention.c */
void ref_attention_forward(struct device *d, const struct attention_shape *s, const void *qkv,
                           void *probs, void *out);
void ref_attention_backward(struct device *d, const struct attention_shape *s, const void *qkv,
                            const void *probs, const void *dout, void *dqkv);

/* ref_layers.c */
void ref_silu_forward(struct device *d, int64_t n, const float *x, float *y);
void ref_silu_backward(struct device *d, int64_t n, const float *x, const float *dy, float *dx,
                       int accumulate);
void ref_embed(struct device *d, int n, int dim, const int32_t *level, float *y);
void ref_upsample_forward(struct device *d, int n, int h, int w, int c, enum dtype type,
                          const void *x, void *y);
void ref_upsample_backward(struct device *d, int n, int h, int w, int c, enum dtype type,
                           const void *dy, void *dx, int accumulate);
void ref_concat_forward(struct device *d, int64_t rows, int ca, int cb, enum dtype type,
                        const void *a, const void *b, void *y);
void ref_concat_backward(struct device *d, int64_t rows, int ca, int cb, enum dtype type,
                         const void *dy, void *da, int accumulate_a, void *db, int accumulate_b);
void ref_add(struct device *d, int64_t n, enum dtype type, const void *x, void *y);
void ref_dropout(struct device *d, int n, int64_t per_sample, enum dtype type, double p,
                 int layer, const struct draw_key *draw, void *x);
void ref_squared_error(struct device *d, int n, int64_t per_sample, const float *pred,
                       const float *target, double scale, float *loss, float *dpred);
void ref_cast(struct device *d, int64_t n, enum dtype from, const void *x, enum dtype to, void *y);

/* ref_flat.c */
void ref_adam(struct device *d, int64_t n, const struct optimizer_state *s, const float *g, const double *grad_sumsq,
              const struct adam_args *a, const struct step_rates *rates);
void ref_lion(struct device *d, int64_t n, const struct optimizer_state *s, const float *g, const double *grad_sumsq,
              const struct adam_args *a, const struct step_rates *rates);
void ref_sum_squares(struct device *d, int64_t n, const float *x, double *result);
void ref_axpby(struct device *d, int64_t n, double a, const float *x, double b, float *y);
void ref_add_normal(struct device *d, int n, int64_t per_sample, double sigma, int stream,
                    const struct draw_key *draw, float *x);

/* ref_pool.c */
void ref_relu(struct device *d, int64_t n, const float *x, float *y);
void ref_pool(struct device *d, const struct pool_shape *s, const float *x, float *y);
void ref_pixel_mean(struct device *d, int n, int hw, int c, const float *x, float *y);
