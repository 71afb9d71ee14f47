/* SPDX-License-Identifier: Apache-2.0
 * attention.cu's products of matrices, batched over images and heads:
 *
 *     c [rows,columns] = alpha * sum over k < depth of A(row, k) B(k, column)
 *
 * read where they lie: A is stored [rows][depth] (A_BY_ROW) or [depth][rows], B [columns][depth] (B_BY_COLUMN) or
 * [depth][columns]. A block makes 64 x 64 numbers of c, with the next tiles of A and B on their way to registers while
 * it works on those in shared memory; what lies outside a matrix is zero in its tile.
 *
 * fp32 goes through the ordinary units; bf16 through the tensor cores, with fp32 sums. There an fp32 A (dS) is taken as
 * the sum of two bf16 matrices and multiplied twice: rounded to one of them, as PyTorch's autocast does it, it leaves
 * errors of 0.021 in dq and dk where the rounding of the result leaves 0.005 (tests/cuda/test_norm_attention.c).
 *
 * nvcc 13.0, sm_80 and sm_90, no spills. fp32: 61 to 67 registers, 8.5 KiB of shared memory. bf16: 127 to 154 registers
 * for 128 threads, 18 KiB (fp32 A: 27), three or four blocks a multiprocessor; for 64 x 64 x 64 multiplications a warp
 * has 16 LDSM and 32 HMMA.16816.F32.BF16 (24 and 64). */
#pragma once
#include "pack.cuh"

#include <mma.h>
#include <type_traits>
namespace wmma = nvcuda::wmma;
typedef __nv_bfloat16 bf16;

enum { TILE = 64 };

/* A matrix of each head of each image: row r of image i, head h begins at p + i * image + h * head + r * pitch. */
struct matrix {
    void *p;
    int64_t image, head;
    int pitch, packs; /* packs: every row begins at a multiple of 16 bytes */
};

template <class T> static __device__ __forceinline__ T *matrix_of(const struct matrix &m, int heads, unsigned batch)
{
    const unsigned image = batch / (unsigned)heads, head = batch % (unsigned)heads;
    return static_cast<T *>(m.p) + image * m.image + head * m.head;
}

/* Four neighbouring numbers but those past `left`. */
template <class T> static __device__ __forceinline__ void store4(T *p, int left, int packs, const float v[4])
{
    if (packs && left >= 4) {
        store_pack<4>(p, v);
    } else {
        for (int i = 0; i < 4; i++)
            if (i < left)
                store(p + i, v[i]);
    }
}

/* ---- fp32 ---- */

enum { DEPTH = 16, PITCH = TILE + 4 };
enum { TILE_BYTES = 2 * DEPTH * PITCH * sizeof(float) };

/* An operand's tile: TILE of its `count` rows (of A; columns of B) from `first`, DEPTH of the `depth` terms of the sum
 * from k0. Numbers of a row are neighbours in memory (BY_ROW), or those of the same k are. Each thread fetches four
 * neighbours, then puts them where tile[k][row] wants them. */
template <int BY_ROW>
static __device__ __forceinline__ void fetch(const float *p, const struct matrix &m, int first, int count, int k0,
                                             int depth, float v[4])
{
    const int row = first + (BY_ROW ? (int)threadIdx.x / 4 : 4 * ((int)threadIdx.x % 16));
    const int k = k0 + (BY_ROW ? 4 * ((int)threadIdx.x % 4) : (int)threadIdx.x / 16);
    const int left = BY_ROW ? (row < count ? depth - k : 0) : (k < depth ? count - row : 0);
    p += BY_ROW ? (int64_t)row * m.pitch + k : (int64_t)k * m.pitch + row;
    if (m.packs && left >= 4) {
        load_pack<4>(p, v);
    } else {
        for (int i = 0; i < 4; i++)
            v[i] = i < left ? p[i] : 0.0f;
    }
}

template <int BY_ROW> static __device__ __forceinline__ void put(float *tile, const float v[4])
{
    const int row = BY_ROW ? (int)threadIdx.x / 4 : 4 * ((int)threadIdx.x % 16);
    const int k = BY_ROW ? 4 * ((int)threadIdx.x % 4) : (int)threadIdx.x / 16;
    for (int i = 0; i < 4; i++)
        tile[BY_ROW ? (k + i) * PITCH + row : k * PITCH + row + i] = v[i];
}

/* A thread makes 4 x 4 of the block's numbers. */
template <int A_BY_ROW, int B_BY_COLUMN>
static __global__ void __launch_bounds__(THREADS)
product_kernel(int heads, int rows, int columns, int depth, float alpha, struct matrix a, struct matrix b,
               struct matrix c)
{
    float *a_tile = SMEM(float), *b_tile = a_tile + DEPTH * PITCH;
    const float *ap = matrix_of<float>(a, heads, blockIdx.z);
    const float *bp = matrix_of<float>(b, heads, blockIdx.z);
    float *cp = matrix_of<float>(c, heads, blockIdx.z);
    const int row0 = (int)blockIdx.y * TILE, column0 = (int)blockIdx.x * TILE;
    const int row = 4 * ((int)threadIdx.x / 16), column = 4 * ((int)threadIdx.x % 16);
    float next_a[4], next_b[4], sum[4][4] = {};

    fetch<A_BY_ROW>(ap, a, row0, rows, 0, depth, next_a);
    fetch<B_BY_COLUMN>(bp, b, column0, columns, 0, depth, next_b);
    for (int k0 = 0; k0 < depth; k0 += DEPTH) {
        put<A_BY_ROW>(a_tile, next_a);
        put<B_BY_COLUMN>(b_tile, next_b);
        __syncthreads();
        if (k0 + DEPTH < depth) { /* on their way while this tile is worked on */
            fetch<A_BY_ROW>(ap, a, row0, rows, k0 + DEPTH, depth, next_a);
            fetch<B_BY_COLUMN>(bp, b, column0, columns, k0 + DEPTH, depth, next_b);
        }
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            float x[4], y[4];
            load_pack<4>(a_tile + k * PITCH + row, x);
            load_pack<4>(b_tile + k * PITCH + column, y);
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    sum[i][j] += x[i] * y[j];
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++)
            sum[i][j] *= alpha;
        const int r = row0 + row + i, left = columns - column0 - column;
        if (r < rows)
            store4(cp + (int64_t)r * c.pitch + column0 + column, left, c.packs, sum[i]);
    }
}

/* ---- bf16 ---- */

/* Four warps. A tile is 64 x 64 of an operand as it lies in memory; c's tile, 64 x 64 sums, takes the place of A's and
 * B's. Eight more numbers a row let the rows that a warp touches at once begin in different banks. */
enum { TENSOR_THREADS = 128, TENSOR_PITCH = TILE + 8, TENSOR_TILE = TILE * TENSOR_PITCH };
enum { PARTS = TILE * TILE / 8 / TENSOR_THREADS }; /* of a tile, eight neighbours each, that a thread moves */

template <class TA> static inline size_t tensor_bytes() /* of shared memory: A, the rest of an fp32 A, B */
{
    return (sizeof(TA) == sizeof(float) ? 3 : 2) * TENSOR_TILE * sizeof(bf16);
}

/* As fetch: a thread takes eight neighbours in every sixteenth row of the tile, then puts them there. */
template <int BY_ROW, class T>
static __device__ __forceinline__ void tensor_fetch(const T *p, const struct matrix &m, int first, int count, int k0,
                                                    int depth, pack<T, 8> v[PARTS])
{
    enum { N = 16 / sizeof(T) };
    const int rows = BY_ROW ? count : depth, columns = BY_ROW ? depth : count; /* in memory */
    const int column = (BY_ROW ? k0 : first) + 8 * ((int)threadIdx.x % 8);
    int row = (BY_ROW ? first : k0) + (int)threadIdx.x / 8;
#pragma unroll
    for (int i = 0; i < PARTS; i++, row += TENSOR_THREADS / 8) {
        const T *from = p + (int64_t)row * m.pitch + column;
        const int left = row < rows ? columns - column : 0;
        if (m.packs && left >= 8) {
            for (int j = 0; j < 8; j += N)
                *reinterpret_cast<pack<T, N> *>(v[i].v + j) = *reinterpret_cast<const pack<T, N> *>(from + j);
        } else {
            for (int j = 0; j < 8; j++)
                v[i].v[j] = j < left ? from[j] : T();
        }
    }
}

static __device__ __forceinline__ bf16 *tensor_part(bf16 *tile, int i)
{
    return tile + ((int)threadIdx.x / 8 + i * (TENSOR_THREADS / 8)) * TENSOR_PITCH + 8 * ((int)threadIdx.x % 8);
}

static __device__ __forceinline__ void tensor_put(bf16 *tile, const pack<bf16, 8> v[PARTS])
{
#pragma unroll
    for (int i = 0; i < PARTS; i++)
        *reinterpret_cast<pack<bf16, 8> *>(tensor_part(tile, i)) = v[i];
}

/* fp32 numbers rounded to bf16, and what that leaves in the tile that follows. */
static __device__ __forceinline__ void tensor_put(bf16 *tile, const pack<float, 8> v[PARTS])
{
#pragma unroll
    for (int i = 0; i < PARTS; i++) {
        float rest[8];
        store_pack<8>(tensor_part(tile, i), v[i].v);
        for (int j = 0; j < 8; j++)
            rest[j] = v[i].v[j] - __bfloat162float(__float2bfloat16_rn(v[i].v[j]));
        store_pack<8>(tensor_part(tile + TENSOR_TILE, i), rest);
    }
}

/* wmma::load_matrix_sync from a tile. nvcc 13.0 loses, for bf16 only, that a tile is in shared memory and makes four
 * generic loads and four transpositions (MOVM) of what is one LDSM; so the instruction is written out. */
#ifdef __CUDACC__
#define TENSOR_LOAD(use, use_name, layout, layout_name)                                                                \
    static __device__ __forceinline__ void tensor_load(wmma::fragment<use, 16, 16, 16, bf16, layout> &f,               \
                                                       const bf16 *p)                                                  \
    {                                                                                                                  \
        int *r = reinterpret_cast<int *>(&f);                                                                          \
        asm volatile("wmma.load." use_name ".sync.aligned." layout_name ".m16n16k16.shared.bf16 {%0, %1, %2, %3}, "    \
                     "[%4], %5;"                                                                                       \
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])                                                  \
                     : "r"((unsigned)__cvta_generic_to_shared(p)), "n"((int)TENSOR_PITCH)                              \
                     : "memory");                                                                                      \
    }
TENSOR_LOAD(wmma::matrix_a, "a", wmma::row_major, "row")
TENSOR_LOAD(wmma::matrix_a, "a", wmma::col_major, "col")
TENSOR_LOAD(wmma::matrix_b, "b", wmma::row_major, "row")
TENSOR_LOAD(wmma::matrix_b, "b", wmma::col_major, "col")
#else
template <class Fragment> static inline void tensor_load(Fragment &f, const bf16 *p)
{
    wmma::load_matrix_sync(f, p, TENSOR_PITCH);
}
#endif

/* Number (row, k) of a tile stored [rows][k] (BY_ROW) or [k][rows]. */
template <int BY_ROW> static __device__ __forceinline__ const bf16 *tensor_at(const bf16 *tile, int row, int k)
{
    return tile + (BY_ROW ? row * TENSOR_PITCH + k : k * TENSOR_PITCH + row);
}

/* A warp makes 32 x 32 of the block's numbers, four sums of 16 x 16. */
template <class TA, class TC, int A_BY_ROW, int B_BY_COLUMN>
static __global__ void __launch_bounds__(TENSOR_THREADS)
tensor_product_kernel(int heads, int rows, int columns, int depth, float alpha, struct matrix a, struct matrix b,
                      struct matrix c)
{
    typedef std::conditional_t<A_BY_ROW, wmma::row_major, wmma::col_major> layout_a;
    typedef std::conditional_t<B_BY_COLUMN, wmma::col_major, wmma::row_major> layout_b;
    enum { FP32_A = sizeof(TA) == sizeof(float) };
    bf16 *a_tile = SMEM(bf16), *b_tile = a_tile + (FP32_A ? 2 : 1) * TENSOR_TILE;
    float *c_tile = SMEM(float);
    const TA *ap = matrix_of<TA>(a, heads, blockIdx.z);
    const bf16 *bp = matrix_of<bf16>(b, heads, blockIdx.z);
    TC *cp = matrix_of<TC>(c, heads, blockIdx.z);
    const int row0 = (int)blockIdx.y * TILE, column0 = (int)blockIdx.x * TILE;
    const int warp = (int)threadIdx.x / 32, row = warp / 2 * 32, column = warp % 2 * 32;
    pack<TA, 8> next_a[PARTS];
    pack<bf16, 8> next_b[PARTS];
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum[2][2];
    for (int i = 0; i < 4; i++)
        wmma::fill_fragment(sum[i / 2][i % 2], 0.0f);

    tensor_fetch<A_BY_ROW>(ap, a, row0, rows, 0, depth, next_a);
    tensor_fetch<B_BY_COLUMN>(bp, b, column0, columns, 0, depth, next_b);
    for (int k0 = 0; k0 < depth; k0 += TILE) {
        tensor_put(a_tile, next_a);
        tensor_put(b_tile, next_b);
        __syncthreads();
        if (k0 + TILE < depth) {
            tensor_fetch<A_BY_ROW>(ap, a, row0, rows, k0 + TILE, depth, next_a);
            tensor_fetch<B_BY_COLUMN>(bp, b, column0, columns, k0 + TILE, depth, next_b);
        }
#pragma unroll
        for (int k = 0; k < TILE; k += 16) {
            wmma::fragment<wmma::matrix_a, 16, 16, 16, bf16, layout_a> x[2];
            wmma::fragment<wmma::matrix_b, 16, 16, 16, bf16, layout_b> y[2];
            if (k0 + k >= depth)
                break;
            for (int i = 0; i < 2; i++) {
                tensor_load(x[i], tensor_at<A_BY_ROW>(a_tile, row + 16 * i, k));
                tensor_load(y[i], tensor_at<B_BY_COLUMN>(b_tile, column + 16 * i, k));
            }
            for (int i = 0; i < 4; i++)
                wmma::mma_sync(sum[i / 2][i % 2], x[i / 2], y[i % 2], sum[i / 2][i % 2]);
            for (int i = 0; FP32_A && i < 2; i++)
                tensor_load(x[i], tensor_at<A_BY_ROW>(a_tile + TENSOR_TILE, row + 16 * i, k));
            for (int i = 0; FP32_A && i < 4; i++)
                wmma::mma_sync(sum[i / 2][i % 2], x[i / 2], y[i % 2], sum[i / 2][i % 2]);
        }
        __syncthreads();
    }

    for (int i = 0; i < 4; i++)
        wmma::store_matrix_sync(c_tile + (row + i / 2 * 16) * TENSOR_PITCH + column + i % 2 * 16, sum[i / 2][i % 2],
                                TENSOR_PITCH, wmma::mem_row_major);
    __syncthreads();
    for (int i = (int)threadIdx.x; i < TILE * TILE / 4; i += TENSOR_THREADS) {
        const int r = i / (TILE / 4), j = i % (TILE / 4) * 4;
        float v[4];
        load_pack<4>(c_tile + r * TENSOR_PITCH + j, v);
        for (int k = 0; k < 4; k++)
            v[k] *= alpha;
        if (row0 + r < rows)
            store4(cp + (int64_t)(row0 + r) * c.pitch + column0 + j, columns - column0 - j, c.packs, v);
    }
}
