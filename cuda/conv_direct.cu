// SPDX-License-Identifier: Apache-2.0
// Convolution as a product of matrices whose entries are fetched where they lie (implicit GEMM). The three passes
// differ in what a row, a column and the summed index mean; a pixel is (image, row, column) of its image:
//
//   pass               row            column           sum over              left              right
//   forward            output pixel   c_out            (tap, c_in)           x at pixel + tap  w
//   backward data      input pixel    c_in             (tap, c_out)          dy at pixel - tap w
//   backward weights   c_out          (tap, c_in)      output pixel          dy                x at pixel + tap
//
// A block of 256 threads makes a tile of 64 x 64 results, 16 terms of the sum at a time through shared memory, a
// thread 4 x 4 of them in fp32 registers. The sum for the weights runs over very many pixels: it is cut into parts
// (their number depends on the shape alone), each part's tile goes to scratch, and add_parts adds them in an order that
// is always the same, so the same bits come out again.
//
// Cost, to be measured on a GPU: 8 shared floats read for 16 multiply-adds, no tensor cores. A third of the fp32 rate
// at best (20 TFLOP/s on an H100), a thirtieth of what cuDNN does in bf16. Bytes: x once per 64 output channels and
// tap (from L2 mostly), y once. bias gradient, epilogue: one pass over memory, bandwidth bound.
#include "conv_direct.h"
#include "conv_parts.cuh"

namespace {
enum { TILE = 64, DEPTH = 16, EACH = 4, PITCH = TILE + 4 }; // PITCH: rows of a tile stay 16-byte aligned
enum { PART_PIXELS = 512, MOST_PARTS = 512 };               // of the sum for the weights
enum { BIAS_PIXELS = 128, BIAS_PARTS = 264, BIAS_ROWS = 4 }; // of the sum for the bias; rows on their way at once
const size_t TILE_BYTES = 2 * DEPTH * PITCH * sizeof(float);

struct shape { // by value to the kernels
    int n, h, w, c_in, c_out, stride;
    conv_window k;
};

// Adds the products of one left and one right tile [DEPTH][PITCH] to this thread's results.
__device__ void tile_multiply(const float *left, const float *right, float sum[EACH][EACH])
{
    int row = threadIdx.x / 16 * EACH, column = threadIdx.x % 16 * EACH;
    for (int k = 0; k < DEPTH; k++) {
        float4 a4 = *reinterpret_cast<const float4 *>(left + k * PITCH + row);
        float4 b4 = *reinterpret_cast<const float4 *>(right + k * PITCH + column);
        float a[EACH] = {a4.x, a4.y, a4.z, a4.w}, b[EACH] = {b4.x, b4.y, b4.z, b4.w};
        for (int i = 0; i < EACH; i++)
            for (int j = 0; j < EACH; j++)
                sum[i][j] += a[i] * b[j];
    }
}

struct pixel {
    int n, y, x; // image, row, column; n < 0: none
};

__device__ pixel pixel_of(int index, int n, int h, int w)
{
    if (index >= n * h * w)
        return {-1, 0, 0};
    return {index / (h * w), index / w % h, index % w};
}

// x at kernel tap (ky, kx) of output pixel p; 0 in the padding.
template <class T> __device__ float input_at(const shape &s, const T *x, pixel p, int ky, int kx, int channel)
{
    int iy = p.y * s.stride + ky - s.k.pad_h, ix = p.x * s.stride + kx - s.k.pad_w;
    if (p.n < 0 || iy < 0 || iy >= s.h || ix < 0 || ix >= s.w)
        return 0;
    return load(x + ((static_cast<int64_t>(p.n) * s.h + iy) * s.w + ix) * s.c_in + channel);
}

// dy at the output pixel that reads input pixel p by tap (ky, kx); 0 where there is none.
template <class T> __device__ float gradient_at(const shape &s, const T *dy, pixel p, int ky, int kx, int channel)
{
    int oy = p.y + s.k.pad_h - ky, ox = p.x + s.k.pad_w - kx;
    if (p.n < 0 || oy < 0 || ox < 0 || oy % s.stride || ox % s.stride)
        return 0;
    oy /= s.stride, ox /= s.stride;
    if (oy >= s.k.out_h || ox >= s.k.out_w)
        return 0;
    return load(dy + ((static_cast<int64_t>(p.n) * s.k.out_h + oy) * s.k.out_w + ox) * s.c_out + channel);
}

template <class T>
__global__ void __launch_bounds__(THREADS) forward_kernel(shape s, const T *x, const T *w, const float *bias,
                                                          const T *residual, T *y)
{
    float *left = SMEM(float), *right = left + DEPTH * PITCH, sum[EACH][EACH] = {};
    int depth = s.k.kernel_h * s.k.kernel_w * s.c_in, pixels = s.n * s.k.out_h * s.k.out_w;
    int row0 = static_cast<int>(blockIdx.x) * TILE, column0 = static_cast<int>(blockIdx.y) * TILE;
    int k = threadIdx.x % DEPTH, first = threadIdx.x / DEPTH; // fetches term k of rows first, first + 16, ...
    pixel p[EACH];
    for (int j = 0; j < EACH; j++)
        p[j] = pixel_of(row0 + first + 16 * j, s.n, s.k.out_h, s.k.out_w);
    for (int k0 = 0; k0 < depth; k0 += DEPTH) {
        int term = k0 + k, tap = term / s.c_in, channel = term % s.c_in;
        for (int j = 0; j < EACH; j++) {
            int at = first + 16 * j, o = column0 + at;
            left[k * PITCH + at] =
                term < depth ? input_at(s, x, p[j], tap / s.k.kernel_w, tap % s.k.kernel_w, channel) : 0;
            right[k * PITCH + at] =
                term < depth && o < s.c_out ? load(w + static_cast<int64_t>(o) * depth + term) : 0;
        }
        __syncthreads();
        tile_multiply(left, right, sum);
        __syncthreads();
    }
    for (int i = 0; i < EACH; i++)
        for (int j = 0; j < EACH; j++) {
            int row = row0 + threadIdx.x / 16 * EACH + i, o = column0 + threadIdx.x % 16 * EACH + j;
            if (row >= pixels || o >= s.c_out)
                continue;
            int64_t at = static_cast<int64_t>(row) * s.c_out + o;
            store(y + at, sum[i][j] + (bias ? bias[o] : 0) + (residual ? load(residual + at) : 0));
        }
}

template <class T>
__global__ void __launch_bounds__(THREADS) backward_data_kernel(shape s, const T *dy, const T *w, T *dx, int accumulate)
{
    float *left = SMEM(float), *right = left + DEPTH * PITCH, sum[EACH][EACH] = {};
    int taps = s.k.kernel_h * s.k.kernel_w, depth = taps * s.c_out, pixels = s.n * s.h * s.w;
    int row0 = static_cast<int>(blockIdx.x) * TILE, column0 = static_cast<int>(blockIdx.y) * TILE;
    int k = threadIdx.x % DEPTH, first = threadIdx.x / DEPTH;
    pixel p[EACH];
    for (int j = 0; j < EACH; j++)
        p[j] = pixel_of(row0 + first + 16 * j, s.n, s.h, s.w);
    for (int k0 = 0; k0 < depth; k0 += DEPTH) {
        int term = k0 + k, tap = term / s.c_out, o = term % s.c_out;
        for (int j = 0; j < EACH; j++) {
            int at = first + 16 * j, channel = column0 + at;
            left[k * PITCH + at] =
                term < depth ? gradient_at(s, dy, p[j], tap / s.k.kernel_w, tap % s.k.kernel_w, o) : 0;
            right[k * PITCH + at] = term < depth && channel < s.c_in
                                        ? load(w + (static_cast<int64_t>(o) * taps + tap) * s.c_in + channel)
                                        : 0;
        }
        __syncthreads();
        tile_multiply(left, right, sum);
        __syncthreads();
    }
    for (int i = 0; i < EACH; i++)
        for (int j = 0; j < EACH; j++) {
            int row = row0 + threadIdx.x / 16 * EACH + i, channel = column0 + threadIdx.x % 16 * EACH + j;
            if (row >= pixels || channel >= s.c_in)
                continue;
            int64_t at = static_cast<int64_t>(row) * s.c_in + channel;
            store(dx + at, sum[i][j] + (accumulate ? load(dx + at) : 0));
        }
}

// part [blockIdx.z][c_out][taps c_in] = the sum over pixels blockIdx.z * part_pixels and following.
template <class T>
__global__ void __launch_bounds__(THREADS) backward_weights_kernel(shape s, const T *x, const T *dy, int part_pixels,
                                                                   float *part)
{
    float *left = SMEM(float), *right = left + DEPTH * PITCH, sum[EACH][EACH] = {};
    int columns = s.k.kernel_h * s.k.kernel_w * s.c_in, pixels = s.n * s.k.out_h * s.k.out_w;
    int row0 = static_cast<int>(blockIdx.x) * TILE, column0 = static_cast<int>(blockIdx.y) * TILE;
    int begin = static_cast<int>(blockIdx.z) * part_pixels;
    int end = pixels - begin < part_pixels ? pixels : begin + part_pixels;
    int at = threadIdx.x % TILE, o = row0 + at, column = column0 + at; // this thread fetches one row and one column
    int tap = column / s.c_in, channel = column % s.c_in, ky = tap / s.k.kernel_w, kx = tap % s.k.kernel_w;
    for (int p0 = begin; p0 < end; p0 += DEPTH) {
        for (int k = threadIdx.x / TILE; k < DEPTH; k += THREADS / TILE) {
            int index = p0 + k;
            pixel p = pixel_of(index < end ? index : pixels, s.n, s.k.out_h, s.k.out_w);
            left[k * PITCH + at] =
                p.n >= 0 && o < s.c_out ? load(dy + static_cast<int64_t>(index) * s.c_out + o) : 0;
            right[k * PITCH + at] = column < columns ? input_at(s, x, p, ky, kx, channel) : 0;
        }
        __syncthreads();
        tile_multiply(left, right, sum);
        __syncthreads();
    }
    part += static_cast<int64_t>(blockIdx.z) * s.c_out * columns;
    for (int i = 0; i < EACH; i++)
        for (int j = 0; j < EACH; j++) {
            int row = row0 + threadIdx.x / 16 * EACH + i, c = column0 + threadIdx.x % 16 * EACH + j;
            if (row < s.c_out && c < columns)
                part[static_cast<int64_t>(row) * columns + c] = sum[i][j];
        }
}

// part [blockIdx.y][channels] = column sums of v [rows][channels] over rows blockIdx.y * part_rows and following. A
// thread has V neighbouring channels and every strips-th row; the strips are added ascending. blockIdx.x: where a row
// has more than THREADS packs.
template <class T, int V>
__global__ void __launch_bounds__(THREADS) column_sum_kernel(int64_t rows, int channels, const T *v, int part_rows,
                                                             float *part)
{
    const int columns = channels / V, span = min(columns, static_cast<int>(THREADS)), strips = THREADS / span;
    const int strip = static_cast<int>(threadIdx.x) / span, lane = static_cast<int>(threadIdx.x) % span;
    const int column = static_cast<int>(blockIdx.x) * span + lane;
    const int64_t begin = static_cast<int64_t>(blockIdx.y) * part_rows, end = min(begin + part_rows, rows);
    float *sums = SMEM(float), sum[V] = {};
    for (int64_t row = begin + strip; strip < strips && column < columns && row < end; row += BIAS_ROWS * strips) {
        float of_row[BIAS_ROWS][V] = {};
#pragma unroll
        for (int b = 0; b < BIAS_ROWS; b++)
            if (row + b * strips < end)
                load_pack<V>(v + (row + b * strips) * channels + column * V, of_row[b]);
#pragma unroll
        for (int b = 0; b < BIAS_ROWS; b++)
#pragma unroll
            for (int i = 0; i < V; i++)
                sum[i] += of_row[b][i];
    }
    for (int i = 0; i < V; i++)
        sums[threadIdx.x * V + i] = sum[i];
    __syncthreads();
    for (int e = static_cast<int>(threadIdx.x); e < span * V; e += THREADS) {
        const int c = static_cast<int>(blockIdx.x) * span * V + e;
        float total = 0;
        for (int i = 0; c < channels && i < strips; i++)
            total += sums[i * span * V + e];
        if (c < channels)
            part[static_cast<int64_t>(blockIdx.y) * channels + c] = total;
    }
}

// out [count] += the parts [parts][count].
__global__ void __launch_bounds__(THREADS) add_parts_kernel(int parts, int64_t count, const float *part, float *out)
{
    const int64_t at = static_cast<int64_t>(blockIdx.x) * PARTS_AT_ONCE + threadIdx.x % 32;
    const float sum = sum_parts(parts, count, at, part, SMEM(float));
    if (threadIdx.x < 32 && at < count)
        out[at] += sum;
}

template <class T>
__global__ void __launch_bounds__(THREADS) add_weights_kernel(int64_t count, const T *gradient, float *dw)
{
    int64_t i = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    if (i < count)
        dw[i] += load(gradient + i);
}

template <class T>
__global__ void __launch_bounds__(THREADS) epilogue_kernel(int64_t count, int channels, const T *v, const float *bias,
                                                           const T *residual, T *y)
{
    int64_t i = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    if (i < count)
        store(y + i, load(v + i) + (bias ? bias[i % channels] : 0) + (residual ? load(residual + i) : 0));
}

shape shape_of(const conv_shape *s)
{
    return {s->n, s->h, s->w, s->c_in, s->c_out, s->stride, conv_window_of(s)};
}

int64_t output_pixels(const conv_shape *s)
{
    conv_window k = conv_window_of(s);
    return static_cast<int64_t>(s->n) * k.out_h * k.out_w;
}

// Parts of the sum over the pixels: enough to fill a large GPU together with the tiles, never shorter than 512 pixels.
int part_count(const conv_shape *s, int64_t tiles)
{
    int64_t longest = (output_pixels(s) + PART_PIXELS - 1) / PART_PIXELS, wanted = (MOST_PARTS + tiles - 1) / tiles;
    return static_cast<int>(longest < wanted ? longest : wanted);
}

int weight_parts(const conv_shape *s)
{
    return part_count(s, static_cast<int64_t>(blocks_of(s->c_out, TILE)) *
                             blocks_of(conv_weight_count(s) / s->c_out, TILE));
}

int bias_parts(const conv_shape *s)
{
    int64_t longest = (output_pixels(s) + BIAS_PIXELS - 1) / BIAS_PIXELS;
    return longest < BIAS_PARTS ? static_cast<int>(longest) : static_cast<int>(BIAS_PARTS);
}

template <class T>
void forward(device *d, const conv_shape *s, const void *x, const void *w, const float *bias, const void *residual,
             void *y)
{
    dim3 grid(blocks_of(output_pixels(s), TILE), blocks_of(s->c_out, TILE));
    KERNEL_LAUNCH((forward_kernel<T>), grid, dim3(THREADS), TILE_BYTES, cuda_of(d)->stream, shape_of(s),
                  static_cast<const T *>(x), static_cast<const T *>(w), bias, static_cast<const T *>(residual),
                  static_cast<T *>(y));
    CUDA_LAUNCHED(d, "conv_forward");
}

template <class T>
void backward_data(device *d, const conv_shape *s, const void *dy, const void *w, void *dx, int accumulate)
{
    dim3 grid(blocks_of(static_cast<int64_t>(s->n) * s->h * s->w, TILE), blocks_of(s->c_in, TILE));
    KERNEL_LAUNCH((backward_data_kernel<T>), grid, dim3(THREADS), TILE_BYTES, cuda_of(d)->stream, shape_of(s),
                  static_cast<const T *>(dy), static_cast<const T *>(w), static_cast<T *>(dx), accumulate);
    CUDA_LAUNCHED(d, "conv_backward_data");
}

void add_parts(device *d, int parts, int64_t count, const float *part, float *out)
{
    KERNEL_LAUNCH(add_parts_kernel, sum_parts_grid(count), dim3(THREADS), THREADS * sizeof(float), cuda_of(d)->stream,
                  parts, count, part, out);
    CUDA_LAUNCHED(d, "conv_add_parts");
}

template <class T> void backward_weights(device *d, const conv_shape *s, const void *x, const void *dy, float *dw)
{
    int parts = weight_parts(s), part_pixels = static_cast<int>((output_pixels(s) + parts - 1) / parts);
    float *part = static_cast<float *>(cuda_scratch(d, conv_direct_scratch(s)));
    dim3 grid(blocks_of(s->c_out, TILE), blocks_of(conv_weight_count(s) / s->c_out, TILE),
              static_cast<unsigned>(parts));
    KERNEL_LAUNCH((backward_weights_kernel<T>), grid, dim3(THREADS), TILE_BYTES, cuda_of(d)->stream, shape_of(s),
                  static_cast<const T *>(x), static_cast<const T *>(dy), part_pixels, part);
    CUDA_LAUNCHED(d, "conv_backward_weights");
    add_parts(d, parts, conv_weight_count(s), part, dw);
}

template <class T, int V> void bias_gradient(device *d, const conv_shape *s, const void *dy, float *dbias)
{
    int parts = bias_parts(s), part_rows = static_cast<int>((output_pixels(s) + parts - 1) / parts);
    float *part = static_cast<float *>(cuda_scratch(d, conv_direct_scratch(s)));
    dim3 grid(blocks_of(s->c_out / V, THREADS), static_cast<unsigned>(parts));
    KERNEL_LAUNCH((column_sum_kernel<T, V>), grid, dim3(THREADS), THREADS * V * sizeof(float), cuda_of(d)->stream,
                  output_pixels(s), s->c_out, static_cast<const T *>(dy), part_rows, part);
    CUDA_LAUNCHED(d, "conv_bias_gradient");
    add_parts(d, parts, s->c_out, part, dbias);
}

template <class T> void add_weights(device *d, const conv_shape *s, const void *gradient, float *dw)
{
    int64_t count = conv_weight_count(s);
    KERNEL_LAUNCH((add_weights_kernel<T>), dim3(blocks_of(count, THREADS)), dim3(THREADS), 0, cuda_of(d)->stream, count,
                  static_cast<const T *>(gradient), dw);
    CUDA_LAUNCHED(d, "conv_add_weights");
}

template <class T>
void epilogue(device *d, const conv_shape *s, const void *v, const float *bias, const void *residual, void *y)
{
    int64_t count = output_pixels(s) * s->c_out;
    KERNEL_LAUNCH((epilogue_kernel<T>), dim3(blocks_of(count, THREADS)), dim3(THREADS), 0, cuda_of(d)->stream, count,
                  s->c_out, static_cast<const T *>(v), bias, static_cast<const T *>(residual), static_cast<T *>(y));
    CUDA_LAUNCHED(d, "conv_epilogue");
}
} // namespace

extern "C" int64_t conv_weight_count(const conv_shape *s)
{
    conv_window k = conv_window_of(s);
    return static_cast<int64_t>(s->c_out) * k.kernel_h * k.kernel_w * s->c_in;
}

extern "C" size_t conv_direct_scratch(const conv_shape *s)
{
    int64_t weights = weight_parts(s) * conv_weight_count(s), bias = static_cast<int64_t>(bias_parts(s)) * s->c_out;
    return static_cast<size_t>(weights > bias ? weights : bias) * sizeof(float);
}

#define BY_TYPE(call_f32, call_bf16) (s->type == DTYPE_F32 ? (call_f32) : (call_bf16))

extern "C" void conv_direct_forward(device *d, const conv_shape *s, const void *x, const void *w, const float *bias,
                                    const void *residual, void *y)
{
    BY_TYPE(forward<float>(d, s, x, w, bias, residual, y), forward<__nv_bfloat16>(d, s, x, w, bias, residual, y));
}

extern "C" void conv_direct_backward_data(device *d, const conv_shape *s, const void *dy, const void *w, void *dx,
                                          int accumulate)
{
    BY_TYPE(backward_data<float>(d, s, dy, w, dx, accumulate),
            backward_data<__nv_bfloat16>(d, s, dy, w, dx, accumulate));
}

extern "C" void conv_direct_backward_weights(device *d, const conv_shape *s, const void *x, const void *dy, float *dw)
{
    BY_TYPE(backward_weights<float>(d, s, x, dy, dw), backward_weights<__nv_bfloat16>(d, s, x, dy, dw));
}

extern "C" void conv_direct_add_weights(device *d, const conv_shape *s, enum dtype type, const void *gradient,
                                        float *dw)
{
    if (type == DTYPE_F32)
        add_weights<float>(d, s, gradient, dw);
    else
        add_weights<__nv_bfloat16>(d, s, gradient, dw);
}

// 16 bytes at a time where the channels are as many (activations are aligned to 64).
extern "C" void conv_direct_bias_gradient(device *d, const conv_shape *s, const void *dy, float *dbias)
{
    if (s->type == DTYPE_F32)
        s->c_out % 4 ? bias_gradient<float, 1>(d, s, dy, dbias) : bias_gradient<float, 4>(d, s, dy, dbias);
    else
        s->c_out % 8 ? bias_gradient<__nv_bfloat16, 1>(d, s, dy, dbias)
                     : bias_gradient<__nv_bfloat16, 8>(d, s, dy, dbias);
}

extern "C" void conv_direct_epilogue(device *d, const conv_shape *s, const void *v, const float *bias,
                                     const void *residual, void *y)
{
    BY_TYPE(epilogue<float>(d, s, v, bias, residual, y), epilogue<__nv_bfloat16>(d, s, v, bias, residual, y));
}
