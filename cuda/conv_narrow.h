/* SPDX-License-Identifier: Apache-2.0
 * conv_narrow: the gradient of the weights where one side has at most 4 channels: a network's first and last layer. */
#pragma once
#include "cuda.h"

#ifdef __cplusplus
extern "C" {
#endif
/* Square kernel of 3, stride 1, padding 1; min(c_in, c_out) <= 4, the other side a multiple of 4; rows of an image that
 * fit into shared memory (1000 pixels with 4 channels). */
int conv_narrow_fits(const struct conv_shape *s);
size_t conv_narrow_scratch(const struct conv_shape *s); /* of cuda_scratch */
/* dw += */
void conv_narrow_backward_weights(struct device *d, const struct conv_shape *s, const void *x, const void *dy,
                                  float *dw);
#ifdef __cplusplus
}
#endif
