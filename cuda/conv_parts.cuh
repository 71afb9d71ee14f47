/* SPDX-License-Identifier: Apache-2.0
 * conv_parts: how partial sums of the gradients become one: always in the same order, and not one after the other, for
 * a thread that waits for 500 numbers in turn waits 0.1 ms. */
#pragma once
#include "pack.cuh"

enum { PARTS_AT_ONCE = 32 }; /* sums of a block */

static inline dim3 sum_parts_grid(int64_t count)
{
    return dim3(blocks_of(count, PARTS_AT_ONCE));
}

/* Sum number `at` of `count` over part [parts][count], for thread t < 32 of a block of THREADS, at = 32 blockIdx.x + t.
 * Every eighth part goes to one warp, then the warps' sums are added, both ascending. shared: THREADS floats. */
static __device__ __forceinline__ float sum_parts(int parts, int64_t count, int64_t at, const float *part,
                                                  float *shared)
{
    float sum = 0;
#pragma unroll 8
    for (int p = (int)threadIdx.x / 32; p < parts; p += THREADS / 32)
        sum += at < count ? part[p * count + at] : 0.0f;
    shared[threadIdx.x] = sum;
    __syncthreads();
    for (int i = 1; threadIdx.x < 32 && i < THREADS / 32; i++)
        sum += shared[i * 32 + threadIdx.x];
    return sum;
}
