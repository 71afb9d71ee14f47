/* SPDX-License-Identifier: Apache-2.0
 * What networks that judge images need (formulas: ref_pool.c): ReLU, pooling, the mean over all pixels; fp32, forward.
 *
 * Bound by memory: relu 8 bytes a number, pool 4 bytes a number read (its windows overlap in the L1 cache) and 4 a
 * number written, pixel_mean 4 bytes a number. Expected: 80 % of the copy bandwidth; pixel_mean 50 %, and less where
 * images x channels are fewer than the threads of the GPU. Not measured on a GPU yet. */
#include "pack.cuh"

template <int V> static __global__ void __launch_bounds__(THREADS) relu_kernel(int64_t n, const float *x, float *y)
{
    const int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * V;
    float v[V];
    if (i >= n)
        return;
    load_pack<V>(x + i, v);
#pragma unroll
    for (int k = 0; k < V; k++)
        v[k] = v[k] > 0 ? v[k] : 0;
    store_pack<V>(y + i, v);
}

void cuda_relu(struct device *d, int64_t n, const float *x, float *y)
{
    cudaStream_t stream = cuda_of(d)->stream;
    if (n == 0)
        return;
    if (packs_fit(n, sizeof *x, x, y))
        KERNEL_LAUNCH((relu_kernel<4>), blocks_of(n, 4 * THREADS), THREADS, 0, stream, n, x, y);
    else
        KERNEL_LAUNCH((relu_kernel<1>), blocks_of(n, THREADS), THREADS, 0, stream, n, x, y);
    CUDA_LAUNCHED(d, "relu");
}

/* A thread makes V channels of one output pixel. */
template <int V>
static __global__ void __launch_bounds__(THREADS) pool_kernel(struct pool_shape s, int out_h, int out_w,
                                                              const float *__restrict__ x, float *__restrict__ y)
{
    const int64_t pixel = row_of_thread(), image = pixel / out_w / out_h;
    if (image >= s.n)
        return;
    const int y0 = (int)(pixel / out_w % out_h) * s.stride - s.pad, x0 = (int)(pixel % out_w) * s.stride - s.pad;
    const int top = max(y0, 0), bottom = min(y0 + s.kernel, s.h), left = max(x0, 0), right = min(x0 + s.kernel, s.w);
    const int inside = (bottom - top) * (right - left);
    const int padded = (min(y0 + s.kernel, s.h + s.pad) - y0) * (min(x0 + s.kernel, s.w + s.pad) - x0);
    const float taps = (float)(s.kind == POOL_MEAN ? padded : inside);
    for (int c = (int)threadIdx.x * V; c < s.c; c += (int)blockDim.x * V) {
        float out[V], v[V];
#pragma unroll
        for (int i = 0; i < V; i++)
            out[i] = s.kind == POOL_MAX ? -INFINITY : 0.0f;
        for (int row = top; row < bottom; row++)
            for (int column = left; column < right; column++) {
                load_pack<V>(x + ((image * s.h + row) * s.w + column) * s.c + c, v);
#pragma unroll
                for (int i = 0; i < V; i++)
                    out[i] = s.kind == POOL_MAX ? fmaxf(out[i], v[i]) : out[i] + v[i];
            }
#pragma unroll
        for (int i = 0; i < V; i++)
            out[i] = s.kind == POOL_MAX ? out[i] : out[i] / taps;
        store_pack<V>(y + pixel * s.c + c, out);
    }
}

void cuda_pool(struct device *d, const struct pool_shape *s, const float *x, float *y)
{
    const int out_h = pool_out(s->h, s), out_w = pool_out(s->w, s), c = s->c;
    const int64_t pixels = (int64_t)s->n * out_h * out_w;
    cudaStream_t stream = cuda_of(d)->stream;
    if (pixels == 0 || c == 0)
        return;
    if (packs_fit(c, sizeof *x, x, y))
        KERNEL_LAUNCH((pool_kernel<4>), row_grid(pixels, c / 4), row_block(c / 4), 0, stream, *s, out_h, out_w, x, y);
    else
        KERNEL_LAUNCH((pool_kernel<1>), row_grid(pixels, c), row_block(c), 0, stream, *s, out_h, out_w, x, y);
    CUDA_LAUNCHED(d, "pool");
}

/* A thread makes one number, summing in double in the order of the pixels. */
static __global__ void __launch_bounds__(THREADS) pixel_mean_kernel(int64_t numbers, int hw, int c,
                                                                    const float *__restrict__ x, float *__restrict__ y)
{
    const int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= numbers)
        return;
    const float *in = x + at / c * hw * c + at % c;
    double sum = 0;
#pragma unroll 4
    for (int p = 0; p < hw; p++)
        sum += (double)in[(int64_t)p * c];
    y[at] = (float)(sum / hw);
}

void cuda_pixel_mean(struct device *d, int n, int hw, int c, const float *x, float *y)
{
    const int64_t numbers = (int64_t)n * c;
    if (numbers == 0)
        return;
    KERNEL_LAUNCH(pixel_mean_kernel, blocks_of(numbers, THREADS), THREADS, 0, cuda_of(d)->stream, numbers, hw, c, x, y);
    CUDA_LAUNCHED(d, "pixel_mean");
}
