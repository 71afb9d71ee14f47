/* SPDX-License-Identifier: Apache-2.0
 * What every .cu file includes. nvcc compiles them for the GPU; g++ over tests/cuda compiles the same source with every
 * GPU thread a fibre (cuda_on_host.h), which is why launches, shared memory and clusters go through the names below.
 *
 * Activations are fp32 or bf16: kernels are templates over the stored type T with load and store to float. */
#pragma once
#ifdef __CUDACC__
#include <cooperative_groups.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
/* Dynamic shared memory of the block, 32-byte aligned (tensor cores' fragments). */
#define SMEM(type)                                                                                                     \
    ([]() -> type * {                                                                                                  \
        extern __shared__ __align__(32) unsigned char kernel_smem_[];                                                  \
        return reinterpret_cast<type *>(kernel_smem_);                                                                 \
    }())
#define KERNEL_LAUNCH(kernel, grid, block, smem_bytes, stream, ...)                                                    \
    kernel<<<(grid), (block), (smem_bytes), (stream)>>>(__VA_ARGS__)
template <class... P, class... A>
static inline cudaError_t kernel_launch_cluster(void (*kernel)(P...), unsigned cluster, dim3 grid, dim3 block,
                                                size_t smem_bytes, cudaStream_t stream, A... a)
{
    cudaLaunchAttribute attribute[1];
    cudaLaunchConfig_t config = {};
    attribute[0].id = cudaLaunchAttributeClusterDimension;
    attribute[0].val.clusterDim.x = cluster;
    attribute[0].val.clusterDim.y = attribute[0].val.clusterDim.z = 1;
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = smem_bytes;
    config.stream = stream;
    config.attrs = attribute;
    config.numAttrs = 1;
    return cudaLaunchKernelEx(&config, kernel, P(a)...);
}
/* How many such clusters the GPU holds at once; 0: none, or it cannot say. */
template <class... P>
static inline int kernel_clusters_most(void (*kernel)(P...), unsigned cluster, dim3 block, size_t smem_bytes)
{
    cudaLaunchAttribute attribute[1];
    cudaLaunchConfig_t config = {};
    int count = 0;
    attribute[0].id = cudaLaunchAttributeClusterDimension;
    attribute[0].val.clusterDim.x = cluster;
    attribute[0].val.clusterDim.y = attribute[0].val.clusterDim.z = 1;
    config.gridDim = dim3(cluster);
    config.blockDim = block;
    config.dynamicSmemBytes = smem_bytes;
    config.attrs = attribute;
    config.numAttrs = 1;
    if (cudaOccupancyMaxActiveClusters(&count, kernel, &config) != cudaSuccess) {
        (void)cudaGetLastError(); /* not an error of the run */
        return 0;
    }
    return count;
}
#define KERNEL_LAUNCH_CLUSTER(kernel, cluster, grid, block, smem_bytes, stream, ...)                                   \
    kernel_launch_cluster(kernel, (cluster), (grid), (block), (smem_bytes), (stream), __VA_ARGS__)
/* Clusters need compute capability 9.0; kernels for them are compiled empty below it and never launched there as one. */
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
static __device__ __forceinline__ unsigned cluster_rank() { return cooperative_groups::this_cluster().block_rank(); }
static __device__ __forceinline__ void cluster_sync() { cooperative_groups::this_cluster().sync(); }
template <class T> static __device__ __forceinline__ T *cluster_map(T *p, unsigned rank)
{
    return cooperative_groups::this_cluster().map_shared_rank(p, rank);
}
#else
static __device__ __forceinline__ unsigned cluster_rank() { return 0; }
static __device__ __forceinline__ void cluster_sync() {}
template <class T> static __device__ __forceinline__ T *cluster_map(T *p, unsigned) { return p; }
#endif
#else
#include "cuda_on_host.h"
#endif

#include "cuda_ops.h"

static __device__ __forceinline__ float load(const float *p) { return *p; }
static __device__ __forceinline__ float load(const __nv_bfloat16 *p) { return __bfloat162float(*p); }
static __device__ __forceinline__ void store(float *p, float v) { *p = v; }
static __device__ __forceinline__ void store(__nv_bfloat16 *p, float v) { *p = __float2bfloat16_rn(v); }
