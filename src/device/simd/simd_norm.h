/* SPDX-License-Identifier: Apache-2.0
 * simd_norm: passes of group norm over a run of pixels x [pixels,c] of one image. All vectors [c] fp32. */
#pragma once
#include "device/simd/simd.h"
#include "device/tensor.h"

/* What the backward passes need of an image: xhat = x scale + offset, a = gamma xhat + beta. */
struct norm_coefficients {
    const float *scale, *offset, *gamma, *beta;
};

struct simd_norm {
    /* mean [c] and m2 [c] = sum of squared deviations from it. */
    void (*moments)(enum dtype type, int pixels, int c, const void *x, float *mean, float *m2);
    /* y = a or silu(a), a = scale x + offset. */
    void (*apply)(enum dtype type, int silu, int pixels, int c, const void *x, const float *scale, const float *offset,
                  void *y);
    /* With da the gradient of a: sums [3][c] = sum of da, of da xhat, of xhat. */
    void (*sums)(enum dtype type, int silu, int pixels, int c, const void *x, const void *dy,
                 const struct norm_coefficients *k, float *sums);
    /* dx = (or += ) slope da - level - xhat tilt; slope, level, tilt [c]. */
    void (*gradient)(enum dtype type, int silu, int accumulate, int pixels, int c, const void *x, const void *dy,
                     const struct norm_coefficients *k, const float *slope, const float *level, const float *tilt,
                     void *dx);
};
SIMD_DECLARE(norm);
