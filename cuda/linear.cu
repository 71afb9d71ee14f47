// SPDX-License-Identifier: Apache-2.0
// Linear layers of a few rows (linear.h). The products are small, 16 rows of 512 numbers times 512 x 256 weights, so
// what counts is how long the longest chain of waits is: in each pass a block makes one tile of results and its warps
// share the sum, fetch all that they need of it at once, and meet at a single barrier, behind which their partial sums
// are added in ascending order. No second kernel, no atomics, no scratch.
//
//   pass              sum over   tile of a block           who has what of the sum
//   forward           c_in       8 columns, 4 to 32 rows   a lane 4 neighbouring terms, their weights in registers
//   backward data     c_out      32 columns, 8 rows        8 lanes every 32nd term (or pack of 4 terms)
//   backward weights  rows       8 (c_out) x 128 (c_in)    a pair of warps every 4th row
//
// Counted for 512 -> 256 on an H100, not measured on a GPU yet. From DRAM come the weights, 0.5 MB, once (0.2 us at 3
// TB/s); dw there and back. Tiles fetch the same numbers again out of L2, at some 5.5 TB/s:
//
//   rows              blocks of threads                   MB out of L2
//                     16           64           256       16    64    256
//   forward           128 of 128   256 of 128   256       3.1   8.4   21
//   backward data     32 of 256    128 of 256   512       1.3   5.2   21
//   backward weights  128 of 256   128 of 256   128       1.1   4.5   18
//
// In one wave, data of 256 rows in two. The arithmetic is 4 to 67 MFLOP, 0.1 to 2 us at half of the fp32 rate.
// Expected: the start of a kernel and two or three waits for memory, 3 us up to 64 rows, 6 us with 256. Registers on
// sm_90 (80): 85 (85), 96 (100), 58 (62), no spills.
#include "linear.h"
#include "pack.cuh"

namespace {
enum { V = 4, LANES = 32 }; // V: numbers fetched at once, 16 bytes
enum { MOST_ROWS = 256, MOST_CHANNELS = 2048 };
enum { COLUMNS = 8, ROWS = 4, MOST_TILE_ROWS = 32 }; // forward: columns of a block, rows at a time, at most
enum { DATA_ROWS = 8, DATA_COLUMNS = 32, DATA_LANES = DATA_COLUMNS / V, DATA_STRIPS = THREADS / DATA_LANES };
enum { WEIGHT_STRIPS = 4, WEIGHT_GROUPS = 2, WEIGHT_COLUMNS = LANES * V }; // warps over the rows, over c_out
static_assert(ROWS * COLUMNS == LANES && WEIGHT_STRIPS * WEIGHT_GROUPS * LANES == THREADS, "a lane, a result");

struct linear { // by value to the kernels
    int n, c_in, c_out;
};

// Result e of partial sums [parts][count].
__device__ float add_up(const float *sums, int parts, int count, int e)
{
    float total = 0;
    for (int p = 0; p < parts; p++)
        total += sums[p * count + e];
    return total;
}

// Each lane gives a neighbour one half of its numbers for the other half of the neighbour's.
template <int HALF> __device__ __forceinline__ void trade(float *v)
{
    const bool upper = threadIdx.x & HALF;
#pragma unroll
    for (int j = 0; j < HALF; j++) {
        const float low = v[j], high = v[j + HALF];
        v[j] = (upper ? high : low) + __shfl_xor_sync(~0u, upper ? low : high, HALF);
    }
}

// 32 sums over the lanes of a warp, by 31 shuffles: lane l gets that of v[l].
__device__ __forceinline__ float lane_sums(float v[LANES])
{
    trade<16>(v);
    trade<8>(v);
    trade<4>(v);
    trade<2>(v);
    trade<1>(v);
    return v[0];
}

// Rows blockIdx.y * tile_rows and following, columns blockIdx.x * COLUMNS and following. The block has as many lanes as
// a row of x has packs; shared: [rows / ROWS][warps][ROWS][COLUMNS] partial sums.
__global__ void __launch_bounds__(MOST_CHANNELS / V)
forward_kernel(linear k, int tile_rows, const float *x, const float *w, const float *bias, const float *residual,
               float *y)
{
    const int first = static_cast<int>(blockIdx.y) * tile_rows, rows = min(tile_rows, k.n - first);
    const int o0 = static_cast<int>(blockIdx.x) * COLUMNS, i = static_cast<int>(threadIdx.x) * V;
    const int warp = static_cast<int>(threadIdx.x) / LANES, warps = static_cast<int>(blockDim.x) / LANES;
    float *sums = SMEM(float), wt[COLUMNS][V] = {};
#pragma unroll
    for (int c = 0; c < COLUMNS; c++)
        if (i < k.c_in && o0 + c < k.c_out)
            load_pack<V>(w + (o0 + c) * k.c_in + i, wt[c]);
    for (int row = 0; row < rows; row += ROWS) {
        float xt[ROWS][V] = {}, sum[ROWS * COLUMNS] = {};
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            if (i < k.c_in && row + r < rows)
                load_pack<V>(x + (first + row + r) * k.c_in + i, xt[r]);
#pragma unroll
        for (int r = 0; r < ROWS; r++)
#pragma unroll
            for (int c = 0; c < COLUMNS; c++)
#pragma unroll
                for (int j = 0; j < V; j++)
                    sum[r * COLUMNS + c] += xt[r][j] * wt[c][j];
        sums[(row / ROWS * warps + warp) * LANES + threadIdx.x % LANES] = lane_sums(sum);
    }
    __syncthreads();
    for (int e = static_cast<int>(threadIdx.x); e < rows * COLUMNS; e += static_cast<int>(blockDim.x)) {
        const int o = o0 + e % COLUMNS, at = (first + e / COLUMNS) * k.c_out + o;
        if (o < k.c_out)
            y[at] = add_up(sums + e / LANES * warps * LANES, warps, LANES, e % LANES) + (bias ? bias[o] : 0) +
                    (residual ? residual[at] : 0);
    }
}

// Rows blockIdx.y * DATA_ROWS and following, columns of dx blockIdx.x * DATA_COLUMNS and following. A strip of 8 lanes
// takes every DATA_STRIPS-th pack of W terms; shared: [DATA_STRIPS][DATA_ROWS][DATA_COLUMNS] partial sums.
template <int W>
__global__ void __launch_bounds__(THREADS)
backward_data_kernel(linear k, const float *dy, const float *w, float *dx, int accumulate)
{
    const int first = static_cast<int>(blockIdx.y) * DATA_ROWS, i0 = static_cast<int>(blockIdx.x) * DATA_COLUMNS;
    const int lane = static_cast<int>(threadIdx.x) % DATA_LANES, strip = static_cast<int>(threadIdx.x) / DATA_LANES;
    const int i = min(i0 + lane * V, k.c_in - V); // past the edge: what the neighbour does, for nobody
    float *sums = SMEM(float), sum[DATA_ROWS][V] = {};
    for (int o = strip * W; o < k.c_out; o += DATA_STRIPS * W) {
        float wt[W][V], g[DATA_ROWS][W];
#pragma unroll
        for (int j = 0; j < W; j++)
            load_pack<V>(w + (o + j) * k.c_in + i, wt[j]);
#pragma unroll
        for (int r = 0; r < DATA_ROWS; r++)
            load_pack<W>(dy + min(first + r, k.n - 1) * k.c_out + o, g[r]);
#pragma unroll
        for (int r = 0; r < DATA_ROWS; r++)
#pragma unroll
            for (int j = 0; j < W; j++)
#pragma unroll
                for (int c = 0; c < V; c++)
                    sum[r][c] += g[r][j] * wt[j][c];
    }
#pragma unroll
    for (int r = 0; r < DATA_ROWS; r++)
        store_pack<V>(sums + (strip * DATA_ROWS + r) * DATA_COLUMNS + lane * V, sum[r]);
    __syncthreads();
    for (int e = static_cast<int>(threadIdx.x); e < DATA_ROWS * DATA_COLUMNS; e += THREADS) {
        const int row = first + e / DATA_COLUMNS, column = i0 + e % DATA_COLUMNS, at = row * k.c_in + column;
        if (row < k.n && column < k.c_in)
            dx[at] = add_up(sums, DATA_STRIPS, DATA_ROWS * DATA_COLUMNS, e) + (accumulate ? dx[at] : 0);
    }
}

// Rows of dw blockIdx.x * WEIGHT_GROUPS * W and following, columns blockIdx.y * WEIGHT_COLUMNS and following; a lane
// has W x V results over every WEIGHT_STRIPS-th row of x and dy. shared: partial sums [WEIGHT_STRIPS][WEIGHT_GROUPS W]
// [WEIGHT_COLUMNS], then [WEIGHT_STRIPS][WEIGHT_GROUPS W] of the bias.
template <int W>
__global__ void __launch_bounds__(THREADS)
backward_weights_kernel(linear k, const float *x, const float *dy, float *dw, float *dbias)
{
    enum { HEIGHT = WEIGHT_GROUPS * W, TILE = HEIGHT * WEIGHT_COLUMNS };
    const int o0 = static_cast<int>(blockIdx.x) * HEIGHT, i0 = static_cast<int>(blockIdx.y) * WEIGHT_COLUMNS;
    const int lane = static_cast<int>(threadIdx.x) % LANES, warp = static_cast<int>(threadIdx.x) / LANES;
    const int strip = warp / WEIGHT_GROUPS, height = warp % WEIGHT_GROUPS * W; // of this warp's results in the tile
    const int i = min(i0 + lane * V, k.c_in - V), o = min(o0 + height, k.c_out - W);
    float *sums = SMEM(float), *bias_sums = sums + WEIGHT_STRIPS * TILE, sum[W][V] = {}, bias_sum[W] = {};
#pragma unroll 4
    for (int row = strip; row < k.n; row += WEIGHT_STRIPS) {
        float xt[V], g[W];
        load_pack<V>(x + row * k.c_in + i, xt);
        load_pack<W>(dy + row * k.c_out + o, g);
#pragma unroll
        for (int j = 0; j < W; j++) {
            bias_sum[j] += g[j]; // the same in every lane
#pragma unroll
            for (int c = 0; c < V; c++)
                sum[j][c] += g[j] * xt[c];
        }
    }
#pragma unroll
    for (int j = 0; j < W; j++) {
        store_pack<V>(sums + (strip * HEIGHT + height + j) * WEIGHT_COLUMNS + lane * V, sum[j]);
        if (lane == 0)
            bias_sums[strip * HEIGHT + height + j] = bias_sum[j];
    }
    __syncthreads();
    for (int e = static_cast<int>(threadIdx.x); e < TILE; e += THREADS) {
        const int row = o0 + e / WEIGHT_COLUMNS, column = i0 + e % WEIGHT_COLUMNS;
        if (row < k.c_out && column < k.c_in)
            dw[row * k.c_in + column] += add_up(sums, WEIGHT_STRIPS, TILE, e);
    }
    const int e = static_cast<int>(threadIdx.x);
    if (dbias && blockIdx.y == 0 && e < HEIGHT && o0 + e < k.c_out)
        dbias[o0 + e] += add_up(bias_sums, WEIGHT_STRIPS, HEIGHT, e);
}

linear linear_of(const conv_shape *s)
{
    return {s->n, s->c_in, s->c_out};
}

// Rows of a block of the forward pass: few, while there is room for more blocks, for each fetches its weights anew.
int tile_rows_of(device *d, const conv_shape *s)
{
    const unsigned columns = blocks_of(s->c_out, COLUMNS), room = 2 * static_cast<unsigned>(cuda_of(d)->sm_count);
    int rows = ROWS;
    while (rows < MOST_TILE_ROWS && columns * blocks_of(s->n, rows) > room)
        rows *= 2;
    return rows;
}

template <int W>
void backward_data(device *d, const conv_shape *s, const float *dy, const float *w, float *dx, int accumulate)
{
    const size_t shared = DATA_STRIPS * DATA_ROWS * DATA_COLUMNS * sizeof(float);
    const dim3 grid(blocks_of(s->c_in, DATA_COLUMNS), blocks_of(s->n, DATA_ROWS));
    KERNEL_LAUNCH(backward_data_kernel<W>, grid, dim3(THREADS), shared, cuda_of(d)->stream, linear_of(s), dy, w, dx,
                  accumulate);
    CUDA_LAUNCHED(d, "linear_backward_data");
}

template <int W>
void backward_weights(device *d, const conv_shape *s, const float *x, const float *dy, float *dw, float *dbias)
{
    const int height = WEIGHT_GROUPS * W;
    const size_t shared = WEIGHT_STRIPS * height * (WEIGHT_COLUMNS + 1) * sizeof(float);
    const dim3 grid(blocks_of(s->c_out, height), blocks_of(s->c_in, WEIGHT_COLUMNS));
    KERNEL_LAUNCH(backward_weights_kernel<W>, grid, dim3(THREADS), shared, cuda_of(d)->stream, linear_of(s), x, dy, dw,
                  dbias);
    CUDA_LAUNCHED(d, "linear_backward_weights");
}
} // namespace

extern "C" int linear_fits(const conv_shape *s)
{
    return s->type == DTYPE_F32 && s->kernel == 1 && s->kernel_w == 0 && s->stride == 1 && s->h == 1 && s->w == 1 &&
           s->n > 0 && s->n <= MOST_ROWS && s->c_in % V == 0 && s->c_in <= MOST_CHANNELS &&
           s->c_out <= MOST_CHANNELS;
}

extern "C" void linear_forward(device *d, const conv_shape *s, const float *x, const float *w, const float *bias,
                               const float *residual, float *y)
{
    const int tile_rows = tile_rows_of(d, s);
    const unsigned threads = blocks_of(s->c_in, V * LANES) * LANES;
    const dim3 grid(blocks_of(s->c_out, COLUMNS), blocks_of(s->n, tile_rows));
    KERNEL_LAUNCH(forward_kernel, grid, dim3(threads), blocks_of(tile_rows, ROWS) * threads * sizeof(float),
                  cuda_of(d)->stream, linear_of(s), tile_rows, x, w, bias, residual, y);
    CUDA_LAUNCHED(d, "linear_forward");
}

extern "C" void linear_backward_data(device *d, const conv_shape *s, const float *dy, const float *w, float *dx,
                                     int accumulate)
{
    s->c_out % V ? backward_data<1>(d, s, dy, w, dx, accumulate) : backward_data<V>(d, s, dy, w, dx, accumulate);
}

extern "C" void linear_backward_weights(device *d, const conv_shape *s, const float *x, const float *dy, float *dw,
                                        float *dbias)
{
    s->c_out % V ? backward_weights<1>(d, s, x, dy, dw, dbias) : backward_weights<V>(d, s, x, dy, dw, dbias);
}
