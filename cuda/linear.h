/* SPDX-License-Identifier: Apache-2.0
 * linear: the three passes of a fp32 linear layer of a few rows, y = x w^T + bias: the time embedding's, one in every
 * residual block. A row is an image: a convolution of one pixel. x [n,c_in], y [n,c_out], w [c_out,c_in], all of them
 * and their gradients on 16-byte boundaries but bias, residual, dw and dbias, which are on their element's.
 * Asynchronous on the device's stream, no scratch. A row of y or dx does not depend on how many others there are. */
#pragma once
#include "cuda.h"

#ifdef __cplusplus
extern "C" {
#endif
/* fp32; 1 x 1 kernel, stride 1; at most 256 images of one pixel; at most 2048 channels, c_in a multiple of 4. */
int linear_fits(const struct conv_shape *s);
/* y = x w^T + bias + residual; bias and residual may be NULL, residual may be y itself. */
void linear_forward(struct device *d, const struct conv_shape *s, const float *x, const float *w, const float *bias,
                    const float *residual, float *y);
/* dx = dy w, added to it if `accumulate` */
void linear_backward_data(struct device *d, const struct conv_shape *s, const float *dy, const float *w, float *dx,
                          int accumulate);
/* dw += dy^T x, dbias += the sum of dy over the rows; dbias may be NULL. */
void linear_backward_weights(struct device *d, const struct conv_shape *s, const float *x, const float *dy, float *dw,
                             float *dbias);
#ifdef __cplusplus
}
#endif
