/* SPDX-License-Identifier: Apache-2.0
 * conv_direct: convolution by our own kernels, for shapes that cuDNN has no engine for, machines without it, and as
 * its check. Any window, stride and channel count. Shapes and meaning as in device.h; w is [c_out,k,k,c_in] in the
 * plan's type. All calls are asynchronous on the device's stream. */
#pragma once
#include "cuda.h"

#ifdef __cplusplus
extern "C" {
#endif
int64_t conv_weight_count(const struct conv_shape *s);
/* What the two gradients of the weights ask of cuda_scratch. */
size_t conv_direct_scratch(const struct conv_shape *s);

void conv_direct_forward(struct device *d, const struct conv_shape *s, const void *x, const void *w, const float *bias,
                         const void *residual, void *y);
void conv_direct_backward_data(struct device *d, const struct conv_shape *s, const void *dy, const void *w, void *dx,
                               int accumulate);
/* dw += */
void conv_direct_backward_weights(struct device *d, const struct conv_shape *s, const void *x, const void *dy,
                                  float *dw);

/* The parts that cuDNN leaves to us. dw += gradient [c_out,k,k,c_in] of `type`; dbias [c_out] += the sum of dy over the
 * pixels. */
void conv_direct_add_weights(struct device *d, const struct conv_shape *s, enum dtype type, const void *gradient,
                             float *dw);
void conv_direct_bias_gradient(struct device *d, const struct conv_shape *s, const void *dy, float *dbias);
/* y = v + bias (+ residual), all [n,out_h,out_w,c_out] of the plan's type; bias and residual may be NULL, any of the
 * tensors may be the same. */
void conv_direct_epilogue(struct device *d, const struct conv_shape *s, const void *v, const float *bias,
                          const void *residual, void *y);
#ifdef __cplusplus
}
#endif
