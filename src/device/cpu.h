/* SPDX-License-Identifier: Apache-2.0
 * cpu: what the files of the fast processor device share. Work is dealt out in pieces that depend on the shapes alone,
 * every sum has a fixed order, so results do not change from run to run; threads change nothing but the convolutions'
 * weight gradients (oneDNN splits those by threads). */
#pragma once
#include "device/conv_onednn.h"
#include "device/cpu_adr.h"
#include "device/device.h"
#include "device/simd/simd_flat.h"
#include "device/simd/simd_nn.h"
#include "device/simd/simd_norm.h"

struct cpu {
    struct onednn *onednn;
    const struct simd_norm *norm;
    const struct simd_nn *nn;
    const struct simd_flat *flat;
    int bf16;      /* of oneDNN here: 0 none, 1 it works, 2 the hardware multiplies it */
    void *scratch; /* one arena for whatever operation runs */
    size_t scratch_bytes;
};
static inline struct cpu *cpu_of(struct device *d)
{
    return d->state;
}

/* At least `bytes` of the arena, contents undefined. Grows only when an operation without a plan (norm, attention)
 * meets its largest shape for the first time. device_cpu.c */
void *cpu_scratch(struct device *d, size_t bytes);

/* cpu_conv.c */
struct conv *cpu_conv_create(struct device *d, const struct conv_shape *s);
void cpu_conv_destroy(struct device *d, struct conv *c);
void cpu_conv_weights(struct device *d, struct conv *c, const float *w, const void *in_place);
void cpu_conv_forward(struct device *d, struct conv *c, const void *x, const float *bias, const void *residual,
                      void *y);
void cpu_conv_backward_data(struct device *d, struct conv *c, const void *dy, void *dx, int accumulate);
void cpu_conv_backward_weights(struct device *d, struct conv *c, const void *x, const void *dy, float *dw,
                               float *dbias);

/* cpu_norm.c */
void cpu_norm_forward(struct device *d, const struct norm_shape *s, const void *x, const float *shift,
                      const float *gamma, const float *beta, void *y, float *stats);
void cpu_norm_backward(struct device *d, const struct norm_shape *s, const void *x, const float *shift,
                       const float *gamma, const float *beta, const float *stats, const void *dy, void *dx,
                       int accumulate, float *dgamma, float *dbeta, float *dshift);

/* cpu_attention.c */
void cpu_attention_forward(struct device *d, const struct attention_shape *s, const void *qkv, void *probs, void *out);
void cpu_attention_backward(struct device *d, const struct attention_shape *s, const void *qkv, const void *probs,
                            const void *dout, void *dqkv);

/* cpu_layers.c */
void cpu_copy(struct device *d, void *dst, const void *src, size_t bytes);
void cpu_zero(struct device *d, void *dst, size_t bytes);
void cpu_silu_forward(struct device *d, int64_t n, const float *x, float *y);
void cpu_silu_backward(struct device *d, int64_t n, const float *x, const float *dy, float *dx, int accumulate);
void cpu_embed(struct device *d, int n, int dim, const int32_t *level, float *y);
void cpu_upsample_forward(struct device *d, int n, int h, int w, int c, enum dtype type, const void *x, void *y);
void cpu_upsample_backward(struct device *d, int n, int h, int w, int c, enum dtype type, const void *dy, void *dx,
                           int accumulate);
void cpu_concat_forward(struct device *d, int64_t rows, int ca, int cb, enum dtype type, const void *a, const void *b,
                        void *y);
void cpu_concat_backward(struct device *d, int64_t rows, int ca, int cb, enum dtype type, const void *dy, void *da,
                         int accumulate_a, void *db, int accumulate_b);
void cpu_add(struct device *d, int64_t n, enum dtype type, const void *x, void *y);
void cpu_dropout(struct device *d, int n, int64_t per_sample, enum dtype type, double p, int layer,
                 const struct draw_key *draw, void *x);
void cpu_squared_error(struct device *d, int n, int64_t per_sample, const float *pred, const float *target,
                       double scale, float *loss, float *dpred);

/* cpu_flat.c */
void cpu_adam(struct device *d, int64_t n, const struct optimizer_state *s, const float *g, const double *grad_sumsq,
              const struct adam_args *a, const struct step_rates *rates);
void cpu_lion(struct device *d, int64_t n, const struct optimizer_state *s, const float *g, const double *grad_sumsq,
              const struct adam_args *a, const struct step_rates *rates);
void cpu_sum_squares(struct device *d, int64_t n, const float *x, double *result);
void cpu_axpby(struct device *d, int64_t n, double a, const float *x, double b, float *y);
void cpu_add_normal(struct device *d, int n, int64_t per_sample, double sigma, int stream,
                    const struct draw_key *draw, float *x);
void cpu_cast(struct device *d, int64_t n, enum dtype from, const void *x, enum dtype to, void *y);

/* cpu_pool.c */
void cpu_relu(struct device *d, int64_t n, const float *x, float *y);
void cpu_pool(struct device *d, const struct pool_shape *s, const float *x, float *y);
void cpu_pixel_mean(struct device *d, int n, int hw, int c, const float *x, float *y);
