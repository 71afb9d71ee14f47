/* SPDX-License-Identifier: Apache-2.0
 * conv_onednn: the only door to oneDNN. Convolutions planned for NHWC activations, their weights kept in the layouts
 * that the library likes, and single precision matrix products. Version 2.6 (Debian 12) and 3.x.
 *
 * Nothing is allocated after onednn_conv_create. `scratch` is the caller's, 64-byte aligned, onednn_conv_scratch bytes;
 * one scratch serves all convolutions, one call at a time. */
#pragma once
#include "device/device.h"

struct onednn;
struct onednn_conv;

/* So that what follows these bytes in a scratch is aligned. */
static inline size_t onednn_round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

struct onednn *onednn_open(void);
void onednn_close(struct onednn *o);
/* text: version and instruction set. Returns what the library does with bf16 on this processor: 0 nothing, 1 it works,
 * 2 the hardware multiplies it. */
int onednn_describe(size_t bytes, char *text);

/* threads: as omp_set_num_threads was told before. */
struct onednn_conv *onednn_conv_create(struct onednn *o, const struct conv_shape *s);
void onednn_conv_destroy(struct onednn_conv *c);
size_t onednn_conv_scratch(const struct onednn_conv *c);
const char *onednn_conv_kernels(const struct onednn_conv *c); /* names of the library's kernels, for the curious */

void onednn_conv_weights(struct onednn_conv *c, const float *w, void *scratch); /* w [c_out,k,k,c_in] */
void onednn_conv_forward(struct onednn_conv *c, const void *x, const float *bias, int add, void *y,
                         void *scratch); /* add: y += instead of y = */
void onednn_conv_backward_data(struct onednn_conv *c, const void *dy, void *dx, void *scratch); /* overwrites dx */
void onednn_conv_backward_weights(struct onednn_conv *c, const void *x, const void *dy, float *dw, float *dbias,
                                  void *scratch); /* both accumulate; dbias may be NULL */

/* Row-major c [m,n] = alpha op(a) op(b) + beta c; transpose_a: a is [k,m]. Inside a parallel region it uses one thread. */
void onednn_sgemm(int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
                  const float *b, int ldb, float beta, float *c, int ldc);
