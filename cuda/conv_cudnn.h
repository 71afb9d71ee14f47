/* SPDX-License-Identifier: Apache-2.0
 * conv_cudnn: execution plans of cuDNN for the passes of a convolution, made at first use, kept by shape until the
 * library is closed. No cudnn.h here: where the library is missing, tests/cuda/cudnn_on_host.c stands in. */
#pragma once
#include "cuda.h"

/* Where the next piece of memory may begin. */
static inline size_t round_up(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

enum cudnn_pass {
    PASS_FORWARD,     /* y = conv(x, w) */
    PASS_BIAS,        /* y = conv(x, w) + bias */
    PASS_BIAS_ADD,    /* y = conv(x, w) + bias + residual; y and residual must not be the same */
    PASS_DATA,        /* dx, overwritten */
    PASS_DATA_ADD,    /* dx += */
    PASS_WEIGHTS,     /* dw, overwritten, fp32: bf16 only, as the next but one and the last */
    PASS_WEIGHTS_ADD, /* dw += : fp32 only */
    PASS_WEIGHTS_FUSED,   /* dw = old + the gradient, fp32; dw and old must not be the same */
    PASS_WEIGHTS_ROUNDED, /* dw, overwritten, bf16 */
    PASSES
};
struct cudnn_plan;
struct cudnn_library;

/* NULL where it cannot be used; a warning says why; and with PECLET_CUDNN=0 in the environment. Plans run on the
 * stream of d. */
struct cudnn_library *cudnn_library_open(struct device *d);
void cudnn_library_close(struct cudnn_library *l); /* and all its plans */

/* NULL where the library has no engine, or none that runs (said once a shape). The first call for a shape and pass
 * takes up to seconds: kernels are compiled, and the first few plans timed against each other on memory of their own.
 * The environment variable PECLET_CUDNN_PLANS says how many are tried (4; where each must be compiled first, one more
 * than half of that); 1 takes the library's first suggestion. What was chosen is kept on disk (conv_cache.h) and taken
 * again by later runs of the same library on the same kind of GPU, so they start faster and compute the same bits. */
const struct cudnn_plan *cudnn_plan_for(struct device *d, const struct conv_shape *s, enum cudnn_pass pass);
size_t cudnn_plan_workspace(const struct cudnn_plan *p); /* bytes */

/* What a pass reads and writes (the others NULL): 16-byte aligned; bias, old and the dw of PASS_WEIGHTS_ADD to
 * their element. In the backward passes the result takes the place of x or w: dx, dw; y is dy. */
struct cudnn_tensors {
    const void *x, *w, *y, *bias, *residual, *old;
};
void cudnn_plan_run(struct device *d, const struct cudnn_plan *p, const struct cudnn_tensors *t, void *workspace);
