/* SPDX-License-Identifier: Apache-2.0
 * pack: neighbouring numbers moved by one instruction, and grids of threads over rows of them; what flat.cu, layers.cu
 * and pool.cu share. */
#pragma once
#include "kernel.cuh"

enum { THREADS = 256, MOST_GRID_Y = 65535 };

template <class T, int V> struct alignas(V * sizeof(T)) pack {
    T v[V];
};

template <int V, class T> static __device__ __forceinline__ void load_pack(const T *p, float v[V])
{
    const pack<T, V> all = *reinterpret_cast<const pack<T, V> *>(p);
#pragma unroll
    for (int i = 0; i < V; i++)
        v[i] = load(&all.v[i]);
}

template <int V, class T> static __device__ __forceinline__ void store_pack(T *p, const float v[V])
{
    pack<T, V> all;
#pragma unroll
    for (int i = 0; i < V; i++)
        store(&all.v[i], v[i]);
    *reinterpret_cast<pack<T, V> *>(p) = all;
}

/* Can 16 bytes at a time be moved, in rows of `width` numbers of `bytes` each that begin at these addresses? */
static inline int packs_fit(int64_t width, size_t bytes, const void *p, const void *q = NULL, const void *r = NULL)
{
    return width * (int64_t)bytes % 16 == 0 && (((uintptr_t)p | (uintptr_t)q | (uintptr_t)r) & 15) == 0;
}

static inline unsigned blocks_of(int64_t n, int64_t each)
{
    return (unsigned)((n + each - 1) / each);
}

/* Threads over [rows, columns]: x runs over the columns, on by blockDim.x where there are more, y over the rows. */
static inline dim3 row_block(int columns)
{
    unsigned x = 1;
    while (x < (unsigned)columns && x < THREADS)
        x *= 2;
    return dim3(x, THREADS / x);
}
static inline dim3 row_grid(int64_t rows, int columns)
{
    return dim3(blocks_of(rows, row_block(columns).y));
}
static __device__ __forceinline__ int64_t row_of_thread()
{
    return (int64_t)blockIdx.x * blockDim.y + threadIdx.y;
}

/* Sum over the block's THREADS threads in a fixed order, known to thread 0; shared: THREADS / 32 numbers. */
static __device__ __forceinline__ double block_sum(double v, double *shared)
{
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes /= 2)
        v += __shfl_xor_sync(~0u, v, lanes);
    if (threadIdx.x % 32 == 0)
        shared[threadIdx.x / 32] = v;
    __syncthreads();
    v = 0;
    for (int i = 0; threadIdx.x == 0 && i < THREADS / 32; i++)
        v += shared[i];
    return v;
}
