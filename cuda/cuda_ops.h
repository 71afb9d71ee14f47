/* SPDX-License-Identifier: Apache-2.0
 * The operations of the cuda device, named and meant as in device.h; one .cu or .c file a group. */
#pragma once
#include "cuda.h"

#ifdef __cplusplus
extern "C" {
#endif
/* repeat_cuda.c */
int cuda_repeat_begin(struct device *d, struct repeat **r);
void cuda_repeat_end(struct device *d, struct repeat *r);
void cuda_repeat_free(struct device *d, struct repeat *r);
/* adr_cuda.c */
struct adr *cuda_adr_create(struct device *d, const struct adr_plan *plan, int max_images);
void cuda_adr_destroy(struct device *d, struct adr *a);
void cuda_adr_run(struct device *d, struct adr *a, int n, const uint64_t *keys, const float *u0,
                  int captures, const struct adr_capture *capture, float *u, float *delta,
                  struct adr_stats *stats);
void cuda_adr_velocity(struct device *d, struct adr *a, int n, const uint64_t *keys, int level,
                       int step, float *v);

/* conv_cuda.c: through cuDNN, or conv_direct.cu where cuDNN is absent or has no engine */
struct conv *cuda_conv_create(struct device *d, const struct conv_shape *s);
void cuda_conv_destroy(struct device *d, struct conv *c);
void cuda_conv_weights(struct device *d, struct conv *c, const float *w, const void *in_place);
void cuda_conv_forward(struct device *d, struct conv *c, const void *x, const float *bias,
                      const void *residual, void *y);
void cuda_conv_backward_data(struct device *d, struct conv *c, const void *dy, void *dx,
                            int accumulate);
void cuda_conv_backward_weights(struct device *d, struct conv *c, const void *x, const void *dy,
                               float *dw, float *dbias);

/* norm.cu */
void cuda_norm_forward(struct device *d, const struct norm_shape *s, const void *x,
                      const float *shift, const float *gamma, const float *beta, void *y,
                      float *stats);
void cuda_norm_backward(struct device *d, const struct norm_shape *s, const void *x,
                       const float *shift, const float *gamma, const float *beta,
                       const float *stats, const void *dy, void *dx, int accumulate, float *dgamma,
                       float *dbeta, float *dshift);

/* attention.cu */
void cuda_attention_forward(struct device *d, const struct attention_shape *s, const void *qkv,
                           void *probs, void *out);
void cuda_attention_backward(struct device *d, const struct attention_shape *s, const void *qkv,
                            const void *probs, const void *dout, void *dqkv);

/* layers.cu */
void cuda_silu_forward(struct device *d, int64_t n, const float *x, float *y);
void cuda_silu_backward(struct device *d, int64_t n, const float *x, const float *dy, float *dx,
                       int accumulate);
void cuda_embed(struct device *d, int n, int dim, const int32_t *level, float *y);
void cuda_upsample_forward(struct device *d, int n, int h, int w, int c, enum dtype type,
                          const void *x, void *y);
void cuda_upsample_backward(struct device *d, int n, int h, int w, int c, enum dtype type,
                           const void *dy, void *dx, int accumulate);
void cuda_concat_forward(struct device *d, int64_t rows, int ca, int cb, enum dtype type,
                        const void *a, const void *b, void *y);
void cuda_concat_backward(struct device *d, int64_t rows, int ca, int cb, enum dtype type,
                         const void *dy, void *da, int accumulate_a, void *db, int accumulate_b);
void cuda_concat_norm_forward(struct device *d, const struct norm_shape *s, int ca, const void *a, const void *b, void *x,
                              const float *gamma, const float *beta, void *y, float *stats);
void cuda_concat_norm_backward(struct device *d, const struct norm_shape *s, int ca, const void *x, const float *gamma,
                               const float *beta, const float *stats, const void *dy, void *dx, int accumulate, void *da,
                               void *db, float *dgamma, float *dbeta);
void cuda_add(struct device *d, int64_t n, enum dtype type, const void *x, void *y);
void cuda_dropout(struct device *d, int n, int64_t per_sample, enum dtype type, double p,
                  int layer, const struct draw_key *draw, void *x);
void cuda_squared_error(struct device *d, int n, int64_t per_sample, const float *pred,
                       const float *target, double scale, float *loss, float *dpred);
void cuda_cast(struct device *d, int64_t n, enum dtype from, const void *x, enum dtype to, void *y);

/* flat.cu */
void cuda_adam(struct device *d, int64_t n, const struct optimizer_state *s, const float *g, const double *grad_sumsq,
              const struct adam_args *a, const struct step_rates *rates);
void cuda_lion(struct device *d, int64_t n, const struct optimizer_state *s, const float *g, const double *grad_sumsq,
              const struct adam_args *a, const struct step_rates *rates);
void cuda_sum_squares(struct device *d, int64_t n, const float *x, double *result);
void cuda_axpby(struct device *d, int64_t n, double a, const float *x, double b, float *y);
void cuda_add_normal(struct device *d, int n, int64_t per_sample, double sigma, int stream,
                     const struct draw_key *draw, float *x);

/* pool.cu */
void cuda_relu(struct device *d, int64_t n, const float *x, float *y);
void cuda_pool(struct device *d, const struct pool_shape *s, const float *x, float *y);
void cuda_pixel_mean(struct device *d, int n, int hw, int c, const float *x, float *y);
#ifdef __cplusplus
}
#endif
