/* SPDX-License-Identifier: Apache-2.0
 * simd_nn: inner loops of the small layers. Types are fp32 or bf16; strides and widths count elements. */
#pragma once
#include "device/simd/simd.h"
#include "device/tensor.h"

struct simd_nn {
    void (*silu)(int64_t n, const float *x, float *y);
    void (*silu_slope)(int64_t n, const float *x, const float *dy, float *dx, int accumulate);
    void (*add)(enum dtype type, int64_t n, const void *x, void *y); /* y += x */
    /* dst [rows,width] = (or +=) src [rows,width], each with its own row stride */
    void (*put_rows)(enum dtype type, int64_t rows, int width, const void *src, int src_stride, void *dst,
                     int dst_stride, int accumulate);
    /* dx [pixels,c] = (or +=) sums of two neighbours of each of two rows of dy [2*pixels,c] */
    void (*sum_quads)(enum dtype type, int pixels, int c, const void *top, const void *bottom, void *dx,
                      int accumulate);
    /* y [rows,width] <-> fp32 */
    void (*rows_to_float)(enum dtype type, int rows, int width, const void *x, int stride, float *y);
    void (*rows_from_float)(enum dtype type, int rows, int width, const float *x, void *y, int stride);
    /* probs [rows,width] of type = softmax of the rows of s */
    void (*softmax)(enum dtype type, int rows, int width, float *s, void *probs);
    /* dp <- factor p (dp - sum of p dp over the row) */
    void (*softmax_slope)(int rows, int width, float factor, const float *p, float *dp);
    /* elements first .. first + n - 1 of a sample (first a multiple of 4): keep where uniform >= p, times factor */
    void (*dropout)(enum dtype type, int64_t n, float p, float factor, uint64_t seed, uint64_t sample, uint32_t step,
                    int64_t first, void *x);
    /* returns the sum of (pred - target)^2; dpred = 2 scale (pred - target), unless NULL */
    double (*squared_error)(int64_t n, const float *pred, const float *target, float scale, float *dpred);
};
SIMD_DECLARE(nn);
