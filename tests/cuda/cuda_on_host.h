/* SPDX-License-Identifier: Apache-2.0
 * cuda_on_host: runs CUDA kernels on the processor, thread by thread, to test their logic where no GPU is. kernel.cuh
 * includes it where the compiler is not nvcc; then every GPU thread is a fibre of one host thread.
 *
 * What it covers: grids, blocks, warps of 32, __syncthreads, __syncwarp, shuffles and votes with masks, atomics on one
 * thread at a time, dynamic shared memory, thread-block clusters with cluster_sync, cluster_rank and the shared memory
 * of a neighbour block (cluster_map), bf16 and half as storage, aligned vector loads, tensor cores by wmma (mma.h).
 * Between two barriers the threads of a cluster run one after another in an order shuffled anew each time (seed:
 * COH_SEED), so a missing barrier shows as a result that changes with the seed. A barrier that not all living threads
 * of its group reach is reported with a thread that waits. Dynamic shared memory is NaN before a block starts and
 * guarded behind its end; stacks end at a guard page.
 * What it does not cover: speed, subtleties of the memory model, asynchronous copies to shared memory,
 * textures, static __shared__ variables (use SMEM(type)), and the roundings of the GPU's fast functions: __expf and
 * the like are the host's exact ones here. */
#pragma once
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <functional>
#include <type_traits>

#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "cuda_runtime.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __restrict__ __restrict
#define __align__(n) alignas(n)
#define __grid_constant__

/* The engine (cuda_on_host.cc). */
namespace coh {
template <class T> struct identity {
    typedef T type;
};
template <class T> using same = typename identity<T>::type; /* a parameter that takes T from another one */
enum state { READY, WARP, BLOCK, CLUSTER, DONE };
struct fibre;
struct block;
struct thread {
    dim3 idx;
    unsigned lane, warp, mask; /* mask: of the warp operation it waits for */
    state at;
    uint64_t slot, offered; /* what it gives to a warp operation, and what the others see of it once all are there */
    bool there;             /* it took part; false: it had left the kernel before */
    block *b;
    fibre *f;
    const void *matrix_operation = NULL; /* the one that it waits for (mma.h) */
};
struct block {
    dim3 idx;
    unsigned rank; /* in its cluster */
    unsigned char *smem;
    thread *t;
};
struct run {
    dim3 grid, dim;
    unsigned threads, cluster; /* of a block; blocks of a cluster */
    size_t smem_bytes;
    block *b; /* the blocks of the cluster at work */
};
extern run *R;
extern thread *me;
[[noreturn]] void die(const char *what, const thread *t);
void wait_for(state at, unsigned mask);
cudaError_t launch(cudaStream_t stream, dim3 grid, dim3 dim, size_t smem_bytes, unsigned cluster, const void *kernel,
                   std::function<void()> body);
int clusters_most(const void *kernel, unsigned cluster, dim3 dim, size_t smem_bytes);

template <class... P, class... A>
static inline cudaError_t go(void (*kernel)(P...), unsigned cluster, dim3 grid, dim3 dim, size_t smem_bytes,
                             cudaStream_t stream, A... a)
{
    return launch(stream, grid, dim, smem_bytes, cluster, (const void *)kernel, [=] { kernel(P(a)...); });
}
/* What lane `from` of the own warp offers; a lane that has left or is not in the mask has nothing to offer. */
template <class T> static inline T exchange(T v, unsigned mask, int from)
{
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable<T>::value, "shuffles move at most 8 bytes");
    T out = v;
    memcpy(&me->slot, &v, sizeof v);
    wait_for(WARP, mask);
    unsigned i = me->warp * 32 + (unsigned)from;
    if (i >= R->threads || !(mask >> from & 1) || !me->b->t[i].there)
        memset((void *)&out, 0xff, sizeof out);
    else
        memcpy((void *)&out, &me->b->t[i].offered, sizeof out);
    return out;
}
} // namespace coh

#define threadIdx (coh::me->idx)
#define blockIdx (coh::me->b->idx)
#define blockDim (coh::R->dim)
#define gridDim (coh::R->grid)
#define warpSize 32
#define SMEM(type) (reinterpret_cast<type *>(coh::me->b->smem))
#define KERNEL_LAUNCH(kernel, grid, block, smem_bytes, stream, ...)                                                    \
    ((void)coh::go(kernel, 1, (grid), (block), (smem_bytes), (stream), __VA_ARGS__))
#define KERNEL_LAUNCH_CLUSTER(kernel, cluster, grid, block, smem_bytes, stream, ...)                                   \
    coh::go(kernel, (cluster), (grid), (block), (smem_bytes), (stream), __VA_ARGS__)

template <class... P>
static inline int kernel_clusters_most(void (*kernel)(P...), unsigned cluster, dim3 block, size_t smem_bytes)
{
    return coh::clusters_most((const void *)kernel, cluster, block, smem_bytes);
}

/* ---- barriers, clusters ---- */

static inline void __syncthreads() { coh::wait_for(coh::BLOCK, ~0u); }
static inline void __syncwarp(unsigned mask = ~0u) { coh::wait_for(coh::WARP, mask); }
static inline void __threadfence() {}
static inline void __threadfence_block() {}
static inline unsigned cluster_rank() { return coh::me->b->rank; }
static inline void cluster_sync() { coh::wait_for(coh::CLUSTER, ~0u); }
template <class T> static inline T *cluster_map(T *p, unsigned rank)
{
    if (rank >= coh::R->cluster)
        coh::die("cluster_map to a block that the cluster does not have", coh::me);
    return (T *)(coh::R->b[rank].smem + ((unsigned char *)p - coh::me->b->smem));
}

/* ---- warps ---- */

template <class T> static inline T __shfl_sync(unsigned mask, T v, int from, int width = 32)
{
    return coh::exchange(v, mask, (int)coh::me->lane / width * width + (from & (width - 1)));
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T v, int lanes, int width = 32)
{
    int lane = (int)coh::me->lane, from = lane ^ lanes;
    return coh::exchange(v, mask, from / width > lane / width ? lane : from);
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32)
{
    int lane = (int)coh::me->lane, to = lane % width + (int)delta;
    return coh::exchange(v, mask, to < width ? lane + (int)delta : lane);
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32)
{
    int lane = (int)coh::me->lane, to = lane % width - (int)delta;
    return coh::exchange(v, mask, to >= 0 ? lane - (int)delta : lane);
}
static inline unsigned __ballot_sync(unsigned mask, int yes)
{
    unsigned out = 0, first = coh::me->warp * 32;
    coh::me->slot = yes != 0;
    coh::wait_for(coh::WARP, mask);
    for (unsigned i = 0; i < 32 && first + i < coh::R->threads; i++) {
        const coh::thread &t = coh::me->b->t[first + i];
        if ((mask >> i & 1) && t.there && t.offered)
            out |= 1u << i;
    }
    return out;
}
static inline int __any_sync(unsigned mask, int yes) { return __ballot_sync(mask, yes) != 0; }
static inline int __all_sync(unsigned mask, int yes) { return __ballot_sync(mask, !yes) == 0; }

/* ---- atomics: a fibre is never interrupted ---- */

template <class T> static inline T atomicAdd(T *p, coh::same<T> v) { T o = *p; *p = o + v; return o; }
template <class T> static inline T atomicMax(T *p, coh::same<T> v) { T o = *p; *p = std::max(o, v); return o; }
template <class T> static inline T atomicMin(T *p, coh::same<T> v) { T o = *p; *p = std::min(o, v); return o; }
template <class T> static inline T atomicOr(T *p, coh::same<T> v) { T o = *p; *p = o | v; return o; }
template <class T> static inline T atomicExch(T *p, coh::same<T> v) { T o = *p; *p = v; return o; }
template <class T> static inline T atomicCAS(T *p, coh::same<T> was, coh::same<T> v)
{
    T o = *p;
    if (o == was)
        *p = v;
    return o;
}

/* ---- loads, stores with hints ---- */

template <class T> static inline T __ldg(const T *p) { return *p; }
template <class T> static inline T __ldcg(const T *p) { return *p; }
template <class T> static inline T __ldcs(const T *p) { return *p; }
template <class T> static inline void __stcg(T *p, T v) { *p = v; }
template <class T> static inline void __stcs(T *p, T v) { *p = v; }

/* ---- bits and numbers ---- */

template <class To, class From> static inline To coh_bits(From v)
{
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To out;
    memcpy(&out, &v, sizeof out);
    return out;
}
static inline unsigned __float_as_uint(float v) { return coh_bits<unsigned>(v); }
static inline int __float_as_int(float v) { return coh_bits<int>(v); }
static inline float __uint_as_float(unsigned v) { return coh_bits<float>(v); }
static inline float __int_as_float(int v) { return coh_bits<float>(v); }
static inline int __popc(unsigned v) { return __builtin_popcount(v); }
static inline int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
static inline int __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
static inline int __ffs(int v) { return __builtin_ffs(v); }
static inline unsigned __brev(unsigned v)
{
    unsigned out = 0;
    for (int i = 0; i < 32; i++)
        out |= (v >> i & 1) << (31 - i);
    return out;
}
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
template <class A, class B> static inline std::common_type_t<A, B> min(A a, B b)
{
    return std::min<std::common_type_t<A, B>>(a, b);
}
template <class A, class B> static inline std::common_type_t<A, B> max(A a, B b)
{
    return std::max<std::common_type_t<A, B>>(a, b);
}
static inline float rsqrtf(float v) { return 1 / sqrtf(v); }
static inline double rsqrt(double v) { return 1 / sqrt(v); }
#define __expf(v) expf(v) /* macros: glibc has functions of these names */
#define __logf(v) logf(v)
#define __sinf(v) sinf(v)
#define __cosf(v) cosf(v)
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __frcp_rn(float v) { return 1 / v; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __saturatef(float v) { return v > 0 ? v < 1 ? v : 1 : 0; }
static inline void sincospif(float v, float *s, float *c)
{
    *s = (float)sin(M_PI * (double)v);
    *c = (float)cos(M_PI * (double)v);
}
