/* SPDX-License-Identifier: Apache-2.0
 * simd_flat: inner loops over flat vectors. */
#pragma once
#include "device/simd/simd.h"
#include "device/tensor.h"

/* Adam and Lion after all that is the same for every element has been worked out. */
struct optimizer_step {
    float gradient_factor;            /* clipping */
    float beta1, rest1, beta2, rest2; /* rest = 1 - beta, rounded once */
    float l2;                         /* g += l2 p */
    float shrink;                     /* p *= shrink */
    float rate;                       /* Adam: lr sqrt(1 - beta2^t) / (1 - beta1^t); Lion: lr */
    float epsilon;                    /* Adam: epsilon sqrt(1 - beta2^t) */
};

struct simd_flat {
    void (*adam)(int64_t n, const struct optimizer_step *s, float *p, float *m, float *v, const float *g);
    void (*lion)(int64_t n, const struct optimizer_step *s, float *p, float *m, const float *g);
    void (*axpby)(int64_t n, float a, const float *x, float b, float *y); /* b = 0 does not read y */
    double (*sum_squares)(int64_t n, const float *x);
    /* elements first .. first + n - 1 of a sample (first a multiple of 4) += sigma N(0,1) */
    void (*add_normal)(int64_t n, float sigma, uint64_t seed, int stream, uint64_t sample, uint32_t step,
                       int64_t first, float *x);
    void (*cast)(int64_t n, enum dtype from, const void *x, enum dtype to, void *y);
};
SIMD_DECLARE(flat);
