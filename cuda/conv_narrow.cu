// SPDX-License-Identifier: Apache-2.0
// Gradient of the weights of a 3 x 3 convolution (stride 1, padding 1) between a narrow image of N <= 4 channels and a
// wide one. With S the narrow side, W the wide one, both layers are the same sums
//
//   sum[t][n][c] = sum over pixels p of  S(p + offset t)[n]  W(p)[c],    t = 3 ty + tx, offset (ty - 1, tx - 1)
//
//   first layer:  S = x,  W = dy,  dw[o = c][tap = t]    [i = n] = sum[t][n][c]
//   last layer:   S = dy, W = x,   dw[o = n][tap = 8 - t][i = c] = sum[t][n][c]
//
// A block takes whole rows of images, one part of the batch (the number of parts depends on the shape alone). The
// narrow rows lie in shared memory as fp32 within a frame of zeros, so nothing inside asks for edges. A thread has 4
// wide channels and goes through runs of 4 pixels of a row: 4 packs from memory, 3 x 6 narrow pixels from shared
// memory, 9 N x 16 multiply-adds into 36 N registers. Sums of the thread rows, then of the parts, are added in an order
// that is always the same.
//
// Bytes: the wide side once (2 or 4 a number), the narrow one about once, the parts 36 N c each, a twentieth of that.
// Multiply-adds: 9 N a wide number. With N = 3 and bf16 an H100 at 3 TB/s and 33 T multiply-adds/s needs 0.7 ns to read
// 1000 wide numbers and 0.8 ns to multiply them: both limits are near. Expected: half of either. Not measured on a GPU
// yet. nvcc 13.0, sm_90, N = 1 to 4: 80, 127, 168, 210 registers, no spills, so 3 blocks a multiprocessor with N = 3.
#include "conv_narrow.h"
#include "conv_parts.cuh"

namespace {
enum { WIDE = 4, RUN = 4, TAPS = 9, MOST_NARROW = 4 }; // channels of a thread, pixels of a run
enum { BLOCK = 128, MOST_ROWS = 8 };                   // threads; rows between two barriers
enum { PARTS = 264, SHARED_BYTES = 48 << 10 };         // two parts for each multiprocessor of an H100

struct narrow {
    int h, w, c, rows; // of an image; wide channels; n * h
    int part_rows;     // rows of a part
    int staged;        // rows staged at once
    int pitch;         // floats from row to row of the narrow side in shared memory
};

// The last run's numbers past the right edge are zeros; rows begin at multiples of 8 bytes.
__host__ __device__ inline int pitch_of(int w, int narrow)
{
    return ((w + RUN - 1) / RUN * RUN + 2) * narrow;
}

// The narrow side around rows row, ..., row + count - 1 of the batch: [count][3][pitch], for each the row above, itself
// and the row below; zeros outside the image.
template <class T, int N> __device__ void stage_rows(const narrow &k, const T *s, int row, int count, float *staged)
{
    for (int e = static_cast<int>(threadIdx.x); e < count * 3 * k.pitch; e += BLOCK) {
        const int ty = e / k.pitch % 3, r = row + e / (3 * k.pitch);
        const int at = e % k.pitch - N, y = r % k.h + ty - 1; // the first pixel lies left of the image
        const bool inside = y >= 0 && y < k.h && at >= 0 && at < k.w * N;
        staged[e] = inside ? load(s + static_cast<int64_t>(r + ty - 1) * k.w * N + at) : 0.0f;
    }
}

// part [blockIdx.y][TAPS][N][c]: the sums over rows blockIdx.y * part_rows and following; blockIdx.x: where a wide
// pixel has more than BLOCK packs.
template <class T, int N>
__global__ void __launch_bounds__(BLOCK) narrow_kernel(narrow k, const T *s, const T *wide, float *part)
{
    const int columns = k.c / WIDE, span = min(columns, static_cast<int>(BLOCK)), strips = BLOCK / span;
    const int strip = static_cast<int>(threadIdx.x) / span, lane = static_cast<int>(threadIdx.x) % span;
    const int column = static_cast<int>(blockIdx.x) * span + lane, runs = (k.w + RUN - 1) / RUN;
    const bool works = strip < strips && column < columns;
    const int begin = static_cast<int>(blockIdx.y) * k.part_rows, end = min(begin + k.part_rows, k.rows);
    float *shared = SMEM(float), sum[TAPS][N][WIDE] = {};

    for (int row = begin; row < end; row += k.staged) {
        const int count = min(k.staged, end - row);
        __syncthreads();
        stage_rows<T, N>(k, s, row, count, shared);
        __syncthreads();
        for (int i = strip; works && i < count * runs; i += strips) {
            const int first = i % runs * RUN; // pixel
            const T *from = wide + (static_cast<int64_t>(row + i / runs) * k.w + first) * k.c + column * WIDE;
            float v[RUN][WIDE] = {};
#pragma unroll
            for (int b = 0; b < RUN; b++)
                if (first + b < k.w)
                    load_pack<WIDE>(from + b * k.c, v[b]);
#pragma unroll
            for (int ty = 0; ty < 3; ty++) {
                const float *beside = shared + (i / runs * 3 + ty) * k.pitch + first * N;
                float u[(RUN + 2) * N];
#pragma unroll
                for (int e = 0; e < (RUN + 2) * N; e += 2)
                    load_pack<2>(beside + e, u + e);
#pragma unroll
                for (int b = 0; b < RUN; b++)
#pragma unroll
                    for (int tx = 0; tx < 3; tx++)
#pragma unroll
                        for (int n = 0; n < N; n++)
#pragma unroll
                            for (int j = 0; j < WIDE; j++)
                                sum[ty * 3 + tx][n][j] += u[(b + tx) * N + n] * v[b][j];
            }
        }
    }
    part += static_cast<int64_t>(blockIdx.y) * TAPS * N * k.c;
#pragma unroll
    for (int t = 0; t < TAPS; t++) { // over the strips: [strips][N][span] packs, a tap at a time
        __syncthreads();
#pragma unroll
        for (int n = 0; n < N; n++)
            if (works)
                store_pack<WIDE>(shared + ((strip * N + n) * span + lane) * WIDE, sum[t][n]);
        __syncthreads();
        for (int e = static_cast<int>(threadIdx.x); e < N * span * WIDE; e += BLOCK) {
            const int c = static_cast<int>(blockIdx.x) * span * WIDE + e % (span * WIDE);
            float total = 0;
            for (int i = 0; c < k.c && i < strips; i++)
                total += shared[i * N * span * WIDE + e];
            if (c < k.c)
                part[(t * N + e / (span * WIDE)) * k.c + c] = total;
        }
    }
}

// dw += the parts.
template <int N>
__global__ void __launch_bounds__(THREADS)
narrow_sum_kernel(int parts, int c, int narrow_in, const float *part, float *dw)
{
    const int count = TAPS * N * c, at = static_cast<int>(blockIdx.x * PARTS_AT_ONCE + threadIdx.x % 32);
    const int tap = at / (N * c), n = at / c % N, channel = at % c;
    const float sum = sum_parts(parts, count, at, part, SMEM(float));
    if (threadIdx.x < 32 && at < count)
        dw[narrow_in ? (channel * TAPS + tap) * N + n : (n * TAPS + TAPS - 1 - tap) * c + channel] += sum;
}

int narrow_in(const conv_shape *s)
{
    return s->c_in < s->c_out;
}

int parts_of(const conv_shape *s)
{
    return s->n * s->h < PARTS ? s->n * s->h : static_cast<int>(PARTS);
}

// Rows that fit into shared memory at once; 0: not one.
int staged_rows(const conv_shape *s, int narrow)
{
    const int fit = SHARED_BYTES / (3 * pitch_of(s->w, narrow) * static_cast<int>(sizeof(float)));
    return fit < MOST_ROWS ? fit : static_cast<int>(MOST_ROWS);
}

template <class T, int N>
void backward_weights(device *d, const conv_shape *s, const void *x, const void *dy, float *dw)
{
    const int in = narrow_in(s), wide = in ? s->c_out : s->c_in, rows = s->n * s->h;
    const int part_rows = (rows + parts_of(s) - 1) / parts_of(s), parts = (rows + part_rows - 1) / part_rows;
    const int fit = staged_rows(s, N), staged = fit < part_rows ? fit : part_rows;
    const narrow k = {s->h, s->w, wide, rows, part_rows, staged, pitch_of(s->w, N)};
    const int of_rows = staged * 3 * k.pitch, of_sums = BLOCK * WIDE * N;
    const size_t shared = static_cast<size_t>(of_rows > of_sums ? of_rows : of_sums) * sizeof(float);
    float *part = static_cast<float *>(cuda_scratch(d, conv_narrow_scratch(s)));
    KERNEL_LAUNCH((narrow_kernel<T, N>), dim3(blocks_of(wide / WIDE, BLOCK), static_cast<unsigned>(parts)), dim3(BLOCK),
                  shared, cuda_of(d)->stream, k, static_cast<const T *>(in ? x : dy),
                  static_cast<const T *>(in ? dy : x), part);
    CUDA_LAUNCHED(d, "conv_narrow_weights");
    KERNEL_LAUNCH(narrow_sum_kernel<N>, sum_parts_grid(TAPS * N * wide), dim3(THREADS), THREADS * sizeof(float),
                  cuda_of(d)->stream, parts, wide, in, part, dw);
    CUDA_LAUNCHED(d, "conv_narrow_sum");
}

template <class T> void by_channels(device *d, const conv_shape *s, const void *x, const void *dy, float *dw)
{
    switch (s->c_in < s->c_out ? s->c_in : s->c_out) {
    case 1: backward_weights<T, 1>(d, s, x, dy, dw); break;
    case 2: backward_weights<T, 2>(d, s, x, dy, dw); break;
    case 3: backward_weights<T, 3>(d, s, x, dy, dw); break;
    default: backward_weights<T, 4>(d, s, x, dy, dw); break;
    }
}
} // namespace

extern "C" int conv_narrow_fits(const conv_shape *s)
{
    const int in = narrow_in(s), narrow = in ? s->c_in : s->c_out, wide = in ? s->c_out : s->c_in;
    return s->kernel == 3 && s->kernel_w == 0 && s->stride == 1 && narrow <= MOST_NARROW && wide % WIDE == 0 &&
           staged_rows(s, narrow) > 0;
}

extern "C" size_t conv_narrow_scratch(const conv_shape *s)
{
    return static_cast<size_t>(parts_of(s)) * TAPS * s->c_in * s->c_out * sizeof(float);
}

extern "C" void conv_narrow_backward_weights(device *d, const conv_shape *s, const void *x, const void *dy, float *dw)
{
    if (s->type == DTYPE_F32)
        by_channels<float>(d, s, x, dy, dw);
    else
        by_channels<__nv_bfloat16>(d, s, x, dy, dw);
}
