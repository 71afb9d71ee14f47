/* SPDX-License-Identifier: Apache-2.0
 * concat_norm: the operations concat_norm_* of device.h as one after the other, for the tables of devices that gain
 * nothing from more, and for shapes that others do not fuse. */
#pragma once
#include "device/device.h"

#ifdef __cplusplus
extern "C" {
#endif
void concat_norm_forward_by_parts(struct device *d, const struct norm_shape *s, int ca, const void *a, const void *b,
                                  void *x, const float *gamma, const float *beta, void *y, float *stats);
void concat_norm_backward_by_parts(struct device *d, const struct norm_shape *s, int ca, const void *x,
                                   const float *gamma, const float *beta, const float *stats, const void *dy, void *dx,
                                   int accumulate, void *da, void *db, float *dgamma, float *dbeta);
#ifdef __cplusplus
}
#endif
