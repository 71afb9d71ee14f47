/* SPDX-License-Identifier: Apache-2.0
 * Flat fp32 vectors (formulas: ref_flat.c): optimisers, averages, norms, noise, conversion.
 *
 * All bound by memory. Bytes a number: adam 38 (reads p m v g and the average, writes p m v, the average and p in bf16),
 * lion 30, axpby 12, sum_squares 4, add_normal 8, cast 4 to 8. The vectors are aligned to their elements only, so neighbouring threads take neighbouring
 * numbers, EACH of them a block apart, which keeps as many bytes in flight as wide loads would. Expected: 85 % of the
 * copy bandwidth for vectors beyond the L2 cache; add_normal 50 %, for its logarithms and sines. Not measured on a GPU
 * yet. */
#include <cuda_fp16.h>

#include "base/rng.h"
#include "pack.cuh"

enum { EACH = 4, SUM_BLOCK = 4096, SUM_TILE = 1024 };

/* ---- optimisers ---- */

/* What is the same for all numbers of a step. */
struct optimizer_step {
    float factor; /* clipping: brings the gradient's norm down to the limit */
    float beta1, rest1, beta2, rest2; /* rest = 1 - beta */
    float rate, epsilon;
    float l2, shrink; /* weight decay: g += l2 p, p *= shrink */
    float keep, take; /* of the average */
};

/* Worked out by one thread of the block, in double, of which some GPUs do little. */
static __device__ struct optimizer_step step_of(const struct adam_args *a, const struct step_rates *rates,
                                                const double *grad_sumsq, int lion)
{
    struct optimizer_step *s = SMEM(struct optimizer_step);
    if (threadIdx.x == 0) {
        /* Adam: m / correct1 / (sqrt(v / correct2) + epsilon), its constants gathered */
        const double root2 = lion ? 1 : sqrt(rates->correct2), correct1 = lion ? 1 : rates->correct1;
        const int l2 = !lion && !a->decoupled;
        s->factor = a->clip > 0 ? (float)fmin(1.0, a->clip / (sqrt(*grad_sumsq) + 1e-6)) : 1.0f;
        s->beta1 = (float)a->beta1;
        s->rest1 = (float)(1 - a->beta1);
        s->beta2 = (float)a->beta2;
        s->rest2 = (float)(1 - a->beta2);
        s->rate = (float)(rates->learning_rate * root2 / correct1);
        s->epsilon = (float)(a->epsilon * root2);
        s->l2 = l2 ? (float)a->weight_decay : 0.0f;
        s->shrink = l2 ? 1.0f : (float)(1 - rates->learning_rate * a->weight_decay);
        s->keep = (float)rates->ema_decay;
        s->take = (float)(1 - rates->ema_decay);
    }
    __syncthreads();
    return *s;
}

/* What follows from a new parameter. */
static __device__ __forceinline__ void hand_on(const struct optimizer_step &s, int64_t i, float value, float *average,
                                               __nv_bfloat16 *rounded)
{
    if (average)
        average[i] = s.take * value + s.keep * average[i];
    if (rounded)
        store(rounded + i, value);
}

/* The vectors apart, so that the compiler may take it that they do not overlap. */
static __global__ void __launch_bounds__(THREADS)
    adam_kernel(int64_t n, struct adam_args a, const struct step_rates *rates, const float *__restrict__ g,
                const double *grad_sumsq, float *__restrict__ p, float *__restrict__ m, float *__restrict__ v,
                float *__restrict__ average, __nv_bfloat16 *__restrict__ rounded)
{
    const struct optimizer_step s = step_of(&a, rates, grad_sumsq, 0);
    const int64_t first = (int64_t)blockIdx.x * (THREADS * EACH) + threadIdx.x;
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        const int64_t i = first + k * THREADS;
        if (i < n) {
            const float old = p[i], gradient = s.factor * g[i] + s.l2 * old;
            const float mean = s.beta1 * m[i] + s.rest1 * gradient;
            const float square = s.beta2 * v[i] + s.rest2 * gradient * gradient;
            const float value = s.shrink * old - s.rate * mean / (sqrtf(square) + s.epsilon);
            p[i] = value;
            m[i] = mean;
            v[i] = square;
            hand_on(s, i, value, average, rounded);
        }
    }
}

void cuda_adam(struct device *d, int64_t n, const struct optimizer_state *s, const float *g, const double *grad_sumsq,
               const struct adam_args *a, const struct step_rates *rates)
{
    if (n == 0)
        return;
    KERNEL_LAUNCH(adam_kernel, blocks_of(n, THREADS * EACH), THREADS, sizeof(struct optimizer_step),
                  cuda_of(d)->stream, n, *a, rates, g, grad_sumsq, s->p, s->m, s->v, s->average,
                  (__nv_bfloat16 *)s->rounded);
    CUDA_LAUNCHED(d, "adam");
}

static __global__ void __launch_bounds__(THREADS)
    lion_kernel(int64_t n, struct adam_args a, const struct step_rates *rates, const float *__restrict__ g,
                const double *grad_sumsq, float *__restrict__ p, float *__restrict__ m, float *__restrict__ average,
                __nv_bfloat16 *__restrict__ rounded)
{
    const struct optimizer_step s = step_of(&a, rates, grad_sumsq, 1);
    const int64_t first = (int64_t)blockIdx.x * (THREADS * EACH) + threadIdx.x;
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        const int64_t i = first + k * THREADS;
        if (i < n) {
            const float gradient = s.factor * g[i], mean = m[i], direction = s.beta1 * mean + s.rest1 * gradient;
            const float sign = (float)((direction > 0) - (direction < 0)), value = s.shrink * p[i] - s.rate * sign;
            p[i] = value;
            m[i] = s.beta2 * mean + s.rest2 * gradient;
            hand_on(s, i, value, average, rounded);
        }
    }
}

void cuda_lion(struct device *d, int64_t n, const struct optimizer_state *s, const float *g, const double *grad_sumsq,
               const struct adam_args *a, const struct step_rates *rates)
{
    if (n == 0)
        return;
    KERNEL_LAUNCH(lion_kernel, blocks_of(n, THREADS * EACH), THREADS, sizeof(struct optimizer_step),
                  cuda_of(d)->stream, n, *a, rates, g, grad_sumsq, s->p, s->m, s->average,
                  (__nv_bfloat16 *)s->rounded);
    CUDA_LAUNCHED(d, "lion");
}

/* ---- sums ---- */

static __global__ void __launch_bounds__(THREADS) axpby_kernel(int64_t n, float a, const float *__restrict__ x, float b,
                                                               float *__restrict__ y)
{
    const int64_t first = (int64_t)blockIdx.x * (THREADS * EACH) + threadIdx.x;
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        const int64_t i = first + k * THREADS;
        if (i < n)
            y[i] = b == 0 ? a * x[i] : a * x[i] + b * y[i];
    }
}

void cuda_axpby(struct device *d, int64_t n, double a, const float *x, double b, float *y)
{
    if (n == 0)
        return;
    KERNEL_LAUNCH(axpby_kernel, blocks_of(n, THREADS * EACH), THREADS, 0, cuda_of(d)->stream, n, (float)a, x, (float)b,
                  y);
    CUDA_LAUNCHED(d, "axpby");
}

/* part [blocks]: the sum of squares of SUM_BLOCK numbers each. */
static __global__ void __launch_bounds__(THREADS)
    sum_squares_kernel(int64_t n, const float *__restrict__ x, double *part)
{
    const int64_t first = (int64_t)blockIdx.x * SUM_BLOCK + threadIdx.x;
    double sum = 0;
#pragma unroll
    for (int k = 0; k < SUM_BLOCK / THREADS; k++) {
        const int64_t i = first + k * THREADS;
        const double value = i < n ? (double)x[i] : 0.0;
        sum += value * value;
    }
    sum = block_sum(sum, SMEM(double));
    if (threadIdx.x == 0)
        part[blockIdx.x] = sum;
}

/* result = the parts, added ascending by one thread while the others fetch. */
static __global__ void __launch_bounds__(THREADS) add_parts_kernel(int64_t parts, const double *part, double *result)
{
    double *tile = SMEM(double), sum = 0;
    for (int64_t first = 0; first < parts; first += SUM_TILE) {
        const int count = (int)min(parts - first, (int64_t)SUM_TILE);
        __syncthreads();
        for (int i = (int)threadIdx.x; i < count; i += THREADS)
            tile[i] = part[first + i];
        __syncthreads();
        for (int i = 0; threadIdx.x == 0 && i < count; i++)
            sum += tile[i];
    }
    if (threadIdx.x == 0)
        *result = sum;
}

void cuda_sum_squares(struct device *d, int64_t n, const float *x, double *result)
{
    const unsigned blocks = blocks_of(n, SUM_BLOCK);
    cudaStream_t stream = cuda_of(d)->stream;
    double *part = (double *)cuda_scratch(d, blocks * sizeof(double));
    if (blocks > 0)
        KERNEL_LAUNCH(sum_squares_kernel, blocks, THREADS, THREADS / 32 * sizeof(double), stream, n, x, part);
    KERNEL_LAUNCH(add_parts_kernel, 1, THREADS, SUM_TILE * sizeof(double), stream, (int64_t)blocks, part, result);
    CUDA_LAUNCHED(d, "sum_squares");
}

/* ---- noise ---- */

/* A thread draws the four numbers of a counter; samples along y. packs: rows can be read 16 bytes at a time. */
static __global__ void __launch_bounds__(THREADS)
    add_normal_kernel(int n, int64_t per_sample, float sigma, int stream, const struct draw_key *at_step, int packs,
                      float *x)
{
    const struct draw_key draw = *at_step;
    const int64_t quad = (int64_t)blockIdx.x * THREADS + threadIdx.x, left = per_sample - 4 * quad;
    for (int64_t i = blockIdx.y; left > 0 && i < n; i += gridDim.y) {
        float *at = x + i * per_sample + 4 * quad, normal[4], v[4];
        const struct rng4 words = rng_draw(draw.seed, (enum rng_stream)stream, (uint64_t)(draw.first_sample + i),
                                           draw.step, (uint32_t)quad);
        rng_normal2(words.v[0], words.v[1], normal);
        rng_normal2(words.v[2], words.v[3], normal + 2);
        if (packs) {
            load_pack<4>(at, v);
            for (int k = 0; k < 4; k++)
                v[k] += sigma * normal[k];
            store_pack<4>(at, v);
        } else {
            for (int k = 0; k < 4 && k < left; k++)
                at[k] += sigma * normal[k];
        }
    }
}

void cuda_add_normal(struct device *d, int n, int64_t per_sample, double sigma, int stream,
                     const struct draw_key *draw, float *x)
{
    if (n == 0 || per_sample == 0)
        return;
    const dim3 grid(blocks_of(per_sample, 4 * THREADS), (unsigned)min(n, MOST_GRID_Y));
    KERNEL_LAUNCH(add_normal_kernel, grid, THREADS, 0, cuda_of(d)->stream, n, per_sample, (float)sigma, stream, draw,
                  packs_fit(per_sample, sizeof *x, x), x);
    CUDA_LAUNCHED(d, "add_normal");
}

/* ---- conversion ---- */

static __device__ __forceinline__ float load(const __half *p)
{
    return __half2float(*p);
}
static __device__ __forceinline__ void store(__half *p, float v)
{
    *p = __float2half_rn(v);
}

template <class From, class To>
static __global__ void __launch_bounds__(THREADS) cast_kernel(int64_t n, const From *__restrict__ x, To *__restrict__ y)
{
    const int64_t first = (int64_t)blockIdx.x * (THREADS * EACH) + threadIdx.x;
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        const int64_t i = first + k * THREADS;
        if (i < n)
            store(y + i, load(x + i));
    }
}

template <class From> static void cast_from(struct device *d, int64_t n, const void *x, enum dtype to, void *y)
{
    const unsigned blocks = blocks_of(n, THREADS * EACH);
    cudaStream_t stream = cuda_of(d)->stream;
    if (to == DTYPE_F32)
        KERNEL_LAUNCH((cast_kernel<From, float>), blocks, THREADS, 0, stream, n, (const From *)x, (float *)y);
    else if (to == DTYPE_BF16)
        KERNEL_LAUNCH((cast_kernel<From, __nv_bfloat16>), blocks, THREADS, 0, stream, n, (const From *)x,
                      (__nv_bfloat16 *)y);
    else
        KERNEL_LAUNCH((cast_kernel<From, __half>), blocks, THREADS, 0, stream, n, (const From *)x, (__half *)y);
}

void cuda_cast(struct device *d, int64_t n, enum dtype from, const void *x, enum dtype to, void *y)
{
    if (n == 0)
        return;
    if (from == DTYPE_F32)
        cast_from<float>(d, n, x, to, y);
    else if (from == DTYPE_BF16)
        cast_from<__nv_bfloat16>(d, n, x, to, y);
    else
        cast_from<__half>(d, n, x, to, y);
    CUDA_LAUNCHED(d, "cast");
}
