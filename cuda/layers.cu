/* SPDX-License-Identifier: Apache-2.0
 * The small layers (formulas: ref_layers.c): activation, level embedding, resampling, joining, sums, dropout, loss.
 *
 * All bound by memory but embed, which is tiny. Numbers read and written for each number of x: silu 2 (backward 3),
 * upsample 5, concat and add 2 and 3, dropout 2, squared_error 2 or 3. A thread moves 16 bytes where the channel count
 * allows, else one number. Expected: 85 % of the copy bandwidth with 16 bytes, dropout 60 % (ten rounds of Philox for
 * four numbers), squared_error less with fewer samples than multiprocessors, for it gives a sample to one block. Not
 * measured on a GPU yet. */
#include "base/rng.h"
#include "pack.cuh"

/* ---- activation ---- */

static __device__ __forceinline__ float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

template <int V> static __global__ void __launch_bounds__(THREADS) silu_kernel(int64_t n, const float *x, float *y)
{
    const int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * V;
    float v[V];
    if (i >= n)
        return;
    load_pack<V>(x + i, v);
#pragma unroll
    for (int k = 0; k < V; k++)
        v[k] *= sigmoid(v[k]);
    store_pack<V>(y + i, v);
}

void cuda_silu_forward(struct device *d, int64_t n, const float *x, float *y)
{
    cudaStream_t stream = cuda_of(d)->stream;
    if (n == 0)
        return;
    if (packs_fit(n, sizeof *x, x, y))
        KERNEL_LAUNCH((silu_kernel<4>), blocks_of(n, 4 * THREADS), THREADS, 0, stream, n, x, y);
    else
        KERNEL_LAUNCH((silu_kernel<1>), blocks_of(n, THREADS), THREADS, 0, stream, n, x, y);
    CUDA_LAUNCHED(d, "silu_forward");
}

template <int V>
static __global__ void __launch_bounds__(THREADS)
    silu_slope_kernel(int64_t n, const float *x, const float *dy, float *dx, int accumulate)
{
    const int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * V;
    float v[V], g[V], old[V] = {};
    if (i >= n)
        return;
    load_pack<V>(x + i, v);
    load_pack<V>(dy + i, g);
    if (accumulate)
        load_pack<V>(dx + i, old);
#pragma unroll
    for (int k = 0; k < V; k++) {
        const float s = sigmoid(v[k]);
        old[k] += g[k] * s * (1 + v[k] * (1 - s));
    }
    store_pack<V>(dx + i, old);
}

void cuda_silu_backward(struct device *d, int64_t n, const float *x, const float *dy, float *dx, int accumulate)
{
    cudaStream_t stream = cuda_of(d)->stream;
    if (n == 0)
        return;
    if (packs_fit(n, sizeof *x, x, dy, dx))
        KERNEL_LAUNCH((silu_slope_kernel<4>), blocks_of(n, 4 * THREADS), THREADS, 0, stream, n, x, dy, dx, accumulate);
    else
        KERNEL_LAUNCH((silu_slope_kernel<1>), blocks_of(n, THREADS), THREADS, 0, stream, n, x, dy, dx, accumulate);
    CUDA_LAUNCHED(d, "silu_backward");
}

/* ---- level embedding ---- */

/* In double: an angle of up to a thousand turns keeps its fraction. */
static __global__ void __launch_bounds__(THREADS) embed_kernel(int n, int half, const int32_t *level, float *y)
{
    const int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x, i = at / half;
    const int j = (int)(at % half);
    if (i >= n)
        return;
    const double angle = level[i] * pow(10000.0, -(double)j / half);
    y[i * 2 * half + j] = (float)cos(angle);
    y[i * 2 * half + half + j] = (float)sin(angle);
}

void cuda_embed(struct device *d, int n, int dim, const int32_t *level, float *y)
{
    if (n == 0 || dim == 0)
        return;
    KERNEL_LAUNCH(embed_kernel, blocks_of((int64_t)n * (dim / 2), THREADS), THREADS, 0, cuda_of(d)->stream, n, dim / 2,
                  level, y);
    CUDA_LAUNCHED(d, "embed");
}

/* ---- resampling: rows are pixels of the small image, the pixel right of one and those below hold its copies ---- */

static __device__ __forceinline__ int64_t first_copy(int64_t pixel, int w)
{
    return 2 * pixel + pixel / w * 2 * w;
}

template <class T, int V>
static __global__ void __launch_bounds__(THREADS) upsample_kernel(int64_t pixels, int w, int c, const T *__restrict__ x,
                                                                  T *__restrict__ y)
{
    const int64_t pixel = row_of_thread();
    if (pixel >= pixels)
        return;
    T *out = y + first_copy(pixel, w) * c;
    for (int k = (int)threadIdx.x * V; k < c; k += (int)blockDim.x * V) {
        const pack<T, V> v = *reinterpret_cast<const pack<T, V> *>(x + pixel * c + k);
        *reinterpret_cast<pack<T, V> *>(out + k) = v;
        *reinterpret_cast<pack<T, V> *>(out + c + k) = v;
        *reinterpret_cast<pack<T, V> *>(out + (int64_t)2 * w * c + k) = v;
        *reinterpret_cast<pack<T, V> *>(out + (int64_t)2 * w * c + c + k) = v;
    }
}

template <class T, int V>
static __global__ void __launch_bounds__(THREADS)
    sum_copies_kernel(int64_t pixels, int w, int c, const T *__restrict__ dy, T *__restrict__ dx, int accumulate)
{
    const int64_t pixel = row_of_thread();
    if (pixel >= pixels)
        return;
    const T *in = dy + first_copy(pixel, w) * c;
    for (int k = (int)threadIdx.x * V; k < c; k += (int)blockDim.x * V) {
        float sum[V] = {}, copy[4][V];
        if (accumulate)
            load_pack<V>(dx + pixel * c + k, sum);
#pragma unroll
        for (int quarter = 0; quarter < 4; quarter++)
            load_pack<V>(in + (int64_t)(quarter / 2) * 2 * w * c + quarter % 2 * c + k, copy[quarter]);
#pragma unroll
        for (int i = 0; i < V; i++)
            sum[i] += (copy[0][i] + copy[1][i]) + (copy[2][i] + copy[3][i]);
        store_pack<V>(dx + pixel * c + k, sum);
    }
}

template <class T>
static void upsample(struct device *d, int64_t pixels, int w, int c, const T *x, T *y)
{
    constexpr int V = 16 / sizeof(T);
    cudaStream_t stream = cuda_of(d)->stream;
    if (packs_fit(c, sizeof *x, x, y))
        KERNEL_LAUNCH((upsample_kernel<T, V>), row_grid(pixels, c / V), row_block(c / V), 0, stream, pixels, w, c, x,
                      y);
    else
        KERNEL_LAUNCH((upsample_kernel<T, 1>), row_grid(pixels, c), row_block(c), 0, stream, pixels, w, c, x, y);
    CUDA_LAUNCHED(d, "upsample_forward");
}

template <class T>
static void sum_copies(struct device *d, int64_t pixels, int w, int c, const T *dy, T *dx, int accumulate)
{
    constexpr int V = 16 / sizeof(T);
    cudaStream_t stream = cuda_of(d)->stream;
    if (packs_fit(c, sizeof *dy, dy, dx))
        KERNEL_LAUNCH((sum_copies_kernel<T, V>), row_grid(pixels, c / V), row_block(c / V), 0, stream, pixels, w, c, dy,
                      dx, accumulate);
    else
        KERNEL_LAUNCH((sum_copies_kernel<T, 1>), row_grid(pixels, c), row_block(c), 0, stream, pixels, w, c, dy, dx,
                      accumulate);
    CUDA_LAUNCHED(d, "upsample_backward");
}

void cuda_upsample_forward(struct device *d, int n, int h, int w, int c, enum dtype type, const void *x, void *y)
{
    const int64_t pixels = (int64_t)n * h * w;
    if (pixels == 0 || c == 0)
        return;
    if (type == DTYPE_F32)
        upsample(d, pixels, w, c, (const float *)x, (float *)y);
    else
        upsample(d, pixels, w, c, (const __nv_bfloat16 *)x, (__nv_bfloat16 *)y);
}

void cuda_upsample_backward(struct device *d, int n, int h, int w, int c, enum dtype type, const void *dy, void *dx,
                            int accumulate)
{
    const int64_t pixels = (int64_t)n * h * w;
    if (pixels == 0 || c == 0)
        return;
    if (type == DTYPE_F32)
        sum_copies(d, pixels, w, c, (const float *)dy, (float *)dx, accumulate);
    else
        sum_copies(d, pixels, w, c, (const __nv_bfloat16 *)dy, (__nv_bfloat16 *)dx, accumulate);
}

/* ---- joining ---- */

template <class T, int V>
static __global__ void __launch_bounds__(THREADS) join_kernel(int64_t rows, int ca, int cb, const T *__restrict__ a,
                                                              const T *__restrict__ b, T *__restrict__ y)
{
    const int64_t row = row_of_thread();
    if (row >= rows)
        return;
    for (int k = (int)threadIdx.x * V; k < ca + cb; k += (int)blockDim.x * V) {
        const T *from = k < ca ? a + row * ca + k : b + row * cb + (k - ca);
        *reinterpret_cast<pack<T, V> *>(y + row * (ca + cb) + k) = *reinterpret_cast<const pack<T, V> *>(from);
    }
}

template <class T, int V>
static __global__ void __launch_bounds__(THREADS) part_kernel(int64_t rows, int ca, int cb, const T *__restrict__ dy,
                                                              T *__restrict__ da, int accumulate_a, T *__restrict__ db,
                                                              int accumulate_b)
{
    const int64_t row = row_of_thread();
    if (row >= rows)
        return;
    for (int k = (int)threadIdx.x * V; k < ca + cb; k += (int)blockDim.x * V) {
        T *to = k < ca ? da + row * ca + k : db + row * cb + (k - ca);
        float v[V], old[V] = {};
        load_pack<V>(dy + row * (ca + cb) + k, v);
        if (k < ca ? accumulate_a : accumulate_b)
            load_pack<V>(to, old);
#pragma unroll
        for (int i = 0; i < V; i++)
            v[i] += old[i];
        store_pack<V>(to, v);
    }
}

/* Packs need both parts' widths to be multiples of them. */
template <class T> static int both_fit(int ca, int cb, const T *a, const T *b, const T *y)
{
    return packs_fit(ca, sizeof(T), a, b, y) && packs_fit(cb, sizeof(T), NULL);
}

template <class T> static void join(struct device *d, int64_t rows, int ca, int cb, const T *a, const T *b, T *y)
{
    constexpr int V = 16 / sizeof(T);
    const int c = ca + cb;
    cudaStream_t stream = cuda_of(d)->stream;
    if (both_fit<T>(ca, cb, a, b, y))
        KERNEL_LAUNCH((join_kernel<T, V>), row_grid(rows, c / V), row_block(c / V), 0, stream, rows, ca, cb, a, b, y);
    else
        KERNEL_LAUNCH((join_kernel<T, 1>), row_grid(rows, c), row_block(c), 0, stream, rows, ca, cb, a, b, y);
    CUDA_LAUNCHED(d, "concat_forward");
}

template <class T>
static void part(struct device *d, int64_t rows, int ca, int cb, const T *dy, T *da, int accumulate_a, T *db,
                 int accumulate_b)
{
    constexpr int V = 16 / sizeof(T);
    const int c = ca + cb;
    cudaStream_t stream = cuda_of(d)->stream;
    if (both_fit<T>(ca, cb, da, db, dy))
        KERNEL_LAUNCH((part_kernel<T, V>), row_grid(rows, c / V), row_block(c / V), 0, stream, rows, ca, cb, dy, da,
                      accumulate_a, db, accumulate_b);
    else
        KERNEL_LAUNCH((part_kernel<T, 1>), row_grid(rows, c), row_block(c), 0, stream, rows, ca, cb, dy, da,
                      accumulate_a, db, accumulate_b);
    CUDA_LAUNCHED(d, "concat_backward");
}

void cuda_concat_forward(struct device *d, int64_t rows, int ca, int cb, enum dtype type, const void *a, const void *b,
                         void *y)
{
    if (rows == 0 || ca + cb == 0)
        return;
    if (type == DTYPE_F32)
        join(d, rows, ca, cb, (const float *)a, (const float *)b, (float *)y);
    else
        join(d, rows, ca, cb, (const __nv_bfloat16 *)a, (const __nv_bfloat16 *)b, (__nv_bfloat16 *)y);
}

void cuda_concat_backward(struct device *d, int64_t rows, int ca, int cb, enum dtype type, const void *dy, void *da,
                          int accumulate_a, void *db, int accumulate_b)
{
    if (rows == 0 || ca + cb == 0)
        return;
    if (type == DTYPE_F32)
        part(d, rows, ca, cb, (const float *)dy, (float *)da, accumulate_a, (float *)db, accumulate_b);
    else
        part(d, rows, ca, cb, (const __nv_bfloat16 *)dy, (__nv_bfloat16 *)da, accumulate_a, (__nv_bfloat16 *)db,
             accumulate_b);
}

template <class T, int V>
static __global__ void __launch_bounds__(THREADS) add_kernel(int64_t n, const T *__restrict__ x, T *__restrict__ y)
{
    const int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * V;
    float v[V], sum[V];
    if (i >= n)
        return;
    load_pack<V>(x + i, v);
    load_pack<V>(y + i, sum);
#pragma unroll
    for (int k = 0; k < V; k++)
        sum[k] += v[k];
    store_pack<V>(y + i, sum);
}

template <class T> static void add(struct device *d, int64_t n, const T *x, T *y)
{
    constexpr int V = 16 / sizeof(T);
    cudaStream_t stream = cuda_of(d)->stream;
    if (packs_fit(n, sizeof *x, x, y))
        KERNEL_LAUNCH((add_kernel<T, V>), blocks_of(n, V * THREADS), THREADS, 0, stream, n, x, y);
    else
        KERNEL_LAUNCH((add_kernel<T, 1>), blocks_of(n, THREADS), THREADS, 0, stream, n, x, y);
    CUDA_LAUNCHED(d, "add");
}

void cuda_add(struct device *d, int64_t n, enum dtype type, const void *x, void *y)
{
    if (n == 0)
        return;
    if (type == DTYPE_F32)
        add(d, n, (const float *)x, (float *)y);
    else
        add(d, n, (const __nv_bfloat16 *)x, (__nv_bfloat16 *)y);
}

/* ---- dropout: a thread decides on the four numbers of a counter; samples along y ---- */

template <class T>
static __global__ void __launch_bounds__(THREADS)
    dropout_kernel(int n, int64_t per_sample, float p, float scale, int layer, const struct draw_key *at_step,
                   int packs, T *x)
{
    const struct draw_key draw = *at_step;
    const uint64_t first = (uint64_t)draw.first_sample + ((uint64_t)layer << 32);
    const int64_t quad = (int64_t)blockIdx.x * THREADS + threadIdx.x, left = per_sample - 4 * quad;
    for (int64_t i = blockIdx.y; left > 0 && i < n; i += gridDim.y) {
        const struct rng4 words = rng_draw(draw.seed, RNG_DROPOUT, first + (uint64_t)i, draw.step, (uint32_t)quad);
        T *at = x + i * per_sample + 4 * quad;
        float v[4], factor[4];
#pragma unroll
        for (int k = 0; k < 4; k++)
            factor[k] = rng_uniform(words.v[k]) >= p ? scale : 0.0f;
        if (packs) {
            load_pack<4>(at, v);
#pragma unroll
            for (int k = 0; k < 4; k++)
                v[k] *= factor[k];
            store_pack<4>(at, v);
        } else {
#pragma unroll
            for (int k = 0; k < 4; k++)
                if (k < left)
                    store(at + k, load(at + k) * factor[k]);
        }
    }
}

void cuda_dropout(struct device *d, int n, int64_t per_sample, enum dtype type, double p, int layer,
                  const struct draw_key *draw, void *x)
{
    if (n == 0 || per_sample == 0)
        return;
    const float scale = (float)(1 / (1 - p));
    const dim3 grid(blocks_of(per_sample, 4 * THREADS), (unsigned)min(n, MOST_GRID_Y));
    const int packs = per_sample % 4 == 0 && (uintptr_t)x % 16 == 0;
    cudaStream_t stream = cuda_of(d)->stream;
    if (type == DTYPE_F32)
        KERNEL_LAUNCH((dropout_kernel<float>), grid, THREADS, 0, stream, n, per_sample, (float)p, scale, layer, draw, packs,
                      (float *)x);
    else
        KERNEL_LAUNCH((dropout_kernel<__nv_bfloat16>), grid, THREADS, 0, stream, n, per_sample, (float)p, scale, layer, draw,
                      packs, (__nv_bfloat16 *)x);
    CUDA_LAUNCHED(d, "dropout");
}

/* ---- loss: a sample a block, summed in double in a fixed order ---- */

template <int V>
static __global__ void __launch_bounds__(THREADS)
    squared_error_kernel(int64_t per_sample, const float *__restrict__ pred, const float *__restrict__ target,
                         float scale, float *__restrict__ loss, float *__restrict__ dpred)
{
    const int64_t begin = blockIdx.x * per_sample;
    double sum = 0;
    for (int64_t e = (int64_t)threadIdx.x * V; e < per_sample; e += THREADS * V) {
        float p[V], t[V];
        load_pack<V>(pred + begin + e, p);
        load_pack<V>(target + begin + e, t);
#pragma unroll
        for (int k = 0; k < V; k++) {
            const double difference = (double)p[k] - (double)t[k];
            sum += difference * difference;
            p[k] = scale * (p[k] - t[k]);
        }
        if (dpred)
            store_pack<V>(dpred + begin + e, p);
    }
    sum = block_sum(sum, SMEM(double));
    if (threadIdx.x == 0)
        loss[blockIdx.x] = (float)sum;
}

void cuda_squared_error(struct device *d, int n, int64_t per_sample, const float *pred, const float *target,
                        double scale, float *loss, float *dpred)
{
    const size_t smem = THREADS / 32 * sizeof(double);
    const float twice = (float)(2 * scale);
    cudaStream_t stream = cuda_of(d)->stream;
    if (n == 0)
        return;
    if (packs_fit(per_sample, sizeof *pred, pred, target, dpred))
        KERNEL_LAUNCH((squared_error_kernel<4>), (unsigned)n, THREADS, smem, stream, per_sample, pred, target, twice,
                      loss, dpred);
    else
        KERNEL_LAUNCH((squared_error_kernel<1>), (unsigned)n, THREADS, smem, stream, per_sample, pred, target, twice,
                      loss, dpred);
    CUDA_LAUNCHED(d, "squared_error");
}
