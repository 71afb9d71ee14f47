/* SPDX-License-Identifier: Apache-2.0
 * The calls of the CUDA runtime that the cuda room uses, made of host memory and of queues, for C and C++: with
 * -Itests/cuda in front, cuda/ compiles with the host's compilers and runs where no GPU is (cuda_on_host.h).
 *
 * Strict where a GPU would be lax:
 *     what is put on a stream runs only when something waits for the stream (COH_EAGER=1: at once), so a missing wait
 *     shows; copies from pageable memory are read at the call, from page-locked memory when they run, as on a GPU;
 *     fresh device memory is NaN; its pieces are pieces of the heap, which the address sanitizer watches;
 *     copies check which side of their pointers is the device's; launches check grid, block, shared memory, clusters;
 *     while a stream is captured its work is kept and nothing may wait, allocate or touch the host's memory; a graph
 *     whose kernels' limits of shared memory have been lowered since does not run;
 *     what is left at exit (memory, streams, events, graphs) is reported and the program fails.
 * COH_GPUS (1), COH_MEMORY (bytes; 4 GiB), COH_CAPABILITY (90) and COH_DRIVER (13000) change what is found. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define CUDART_VERSION 13000
#define CUDART_CB

typedef enum cudaError {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInitializationError = 3,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInvalidMemcpyDirection = 21,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorNotReady = 600,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorInvalidClusterSize = 912
} cudaError_t;

typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
typedef struct CUgraph_st *cudaGraph_t;
typedef struct CUgraphExec_st *cudaGraphExec_t;

enum cudaMemcpyKind {
    cudaMemcpyHostToHost,
    cudaMemcpyHostToDevice,
    cudaMemcpyDeviceToHost,
    cudaMemcpyDeviceToDevice,
    cudaMemcpyDefault
};
enum cudaFuncAttribute {
    cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
    cudaFuncAttributePreferredSharedMemoryCarveout = 9,
    cudaFuncAttributeNonPortableClusterSizeAllowed = 13
};
enum cudaDeviceAttr {
    cudaDevAttrMaxThreadsPerBlock = 1,
    cudaDevAttrMaxSharedMemoryPerBlock = 8,
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrL2CacheSize = 38,
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76,
    cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
    cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
    cudaDevAttrClusterLaunch = 120
};
enum cudaStreamCaptureMode {
    cudaStreamCaptureModeGlobal,
    cudaStreamCaptureModeThreadLocal,
    cudaStreamCaptureModeRelaxed
};
enum { cudaStreamDefault = 0, cudaStreamNonBlocking = 1 };
enum { cudaEventDefault = 0, cudaEventBlockingSync = 1, cudaEventDisableTiming = 2 };
enum { cudaHostAllocDefault = 0, cudaHostAllocPortable = 1, cudaHostAllocWriteCombined = 4 };

typedef struct cudaUUID_t {
    char bytes[16];
} cudaUUID_t;
struct cudaDeviceProp {
    char name[256];
    cudaUUID_t uuid;
    size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerBlockOptin, sharedMemPerMultiprocessor;
    int major, minor, multiProcessorCount, warpSize, maxThreadsPerBlock, maxThreadsPerMultiProcessor, l2CacheSize;
    int pciDomainID, pciBusID, pciDeviceID;
};
#ifndef __cplusplus
typedef struct cudaDeviceProp cudaDeviceProp;
#endif

/* Vector types, aligned as on the GPU: a load through a pointer that is not is found by the undefined-behaviour
 * sanitizer. */
#ifdef __cplusplus
#define COH_ALIGN(n) alignas(n)
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
#else
#define COH_ALIGN(n) _Alignas(n)
typedef struct dim3 {
    unsigned x, y, z;
} dim3;
#endif
#define COH_VECTOR2(name, type)                                                                                        \
    typedef struct name {                                                                                              \
        COH_ALIGN(2 * sizeof(type)) type x;                                                                            \
        type y;                                                                                                        \
    } name;                                                                                                            \
    static inline name make_##name(type x, type y)                                                                     \
    {                                                                                                                  \
        name v = {x, y};                                                                                               \
        return v;                                                                                                      \
    }
#define COH_VECTOR4(name, type)                                                                                        \
    typedef struct name {                                                                                              \
        COH_ALIGN((4 * sizeof(type) > 16 ? 16 : 4 * sizeof(type))) type x;                                             \
        type y, z, w;                                                                                                  \
    } name;                                                                                                            \
    static inline name make_##name(type x, type y, type z, type w)                                                     \
    {                                                                                                                  \
        name v = {x, y, z, w};                                                                                         \
        return v;                                                                                                      \
    }
COH_VECTOR2(char2, signed char)
COH_VECTOR2(uchar2, unsigned char)
COH_VECTOR2(short2, short)
COH_VECTOR2(ushort2, unsigned short)
COH_VECTOR2(int2, int)
COH_VECTOR2(uint2, unsigned)
COH_VECTOR2(float2, float)
COH_VECTOR2(longlong2, long long)
COH_VECTOR2(ulonglong2, unsigned long long)
COH_VECTOR2(double2, double)
COH_VECTOR4(char4, signed char)
COH_VECTOR4(uchar4, unsigned char)
COH_VECTOR4(short4, short)
COH_VECTOR4(ushort4, unsigned short)
COH_VECTOR4(int4, int)
COH_VECTOR4(uint4, unsigned)
COH_VECTOR4(float4, float)
COH_VECTOR4(double4, double)
typedef struct float3 {
    float x, y, z;
} float3;
static inline float3 make_float3(float x, float y, float z)
{
    float3 v = {x, y, z};
    return v;
}

#ifdef __cplusplus
extern "C" {
#endif
cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaSetDevice(int gpu);
cudaError_t cudaGetDevice(int *gpu);
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int gpu);
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int gpu);
cudaError_t cudaDeviceGetPCIBusId(char *text, int bytes, int gpu);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaRuntimeGetVersion(int *version);
cudaError_t cudaDeviceSynchronize(void);
cudaError_t cudaGetLastError(void);
cudaError_t cudaPeekAtLastError(void);
const char *cudaGetErrorName(cudaError_t error);
const char *cudaGetErrorString(cudaError_t error);

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes);
cudaError_t cudaMalloc(void **p, size_t bytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned flags);
cudaError_t cudaMallocHost(void **p, size_t bytes);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                              size_t height, enum cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemset(void *p, int value, size_t bytes);
cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamCreate(cudaStream_t *stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority);
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreate(cudaEvent_t *event);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end);

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
long long coh_issued(void); /* not CUDA: kernels, copies, graphs, ... that the host has put on streams so far */
long long coh_blocks(void); /* not CUDA: blocks of the kernels launched so far */

cudaError_t cudaFuncSetAttribute(const void *kernel, enum cudaFuncAttribute attribute, int value);
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *kernel, int threads,
                                                          size_t smem_bytes);
#ifdef __cplusplus
}
/* The C++ forms take pointers of any type and kernels as they are. */
template <class T> static inline cudaError_t cudaMalloc(T **p, size_t bytes)
{
    return cudaMalloc((void **)(void *)p, bytes);
}
template <class... P> static inline cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute a, int v)
{
    return cudaFuncSetAttribute((const void *)kernel, a, v);
}
template <class... P>
static inline cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void (*kernel)(P...), int threads,
                                                                        size_t smem_bytes)
{
    return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, (const void *)kernel, threads, smem_bytes);
}
#endif
