/* SPDX-License-Identifier: Apache-2.0
 * cuda: the device of device.h on one NVIDIA GPU (compute capability 8.0 or later). device_cuda.c opens it and holds
 * the table of operations; each operation is a function cuda_NAME of ref.h's prototype (cuda_ops.h), written in the
 * .cu file of its kind and launched on the one stream of the device, in issue order, without waiting.
 *
 * The same .cu files are compiled by g++ over tests/cuda (fake runtime, every GPU thread a fibre), and run there
 * against `ref`: no kernel is here that was never executed. kernel.cuh is what they include. */
#pragma once
#include <cuda_runtime.h>

#include "device/device.h"

struct cudnn_library; /* conv_cudnn.c */

struct cuda_state { /* device->state; `cuda` alone is a namespace of the toolkit */
    cudaStream_t stream;      /* all operations */
    cudaStream_t comm_stream; /* high priority: reductions over ranks (mpi/comm_nccl.c) */
    int gpu, capability;      /* ordinal; 80, 90, ... */
    int local_rank;           /* among the ranks of this node */
    int sm_count;
    size_t shared_bytes;      /* that one block may ask for (opt-in) */
    void *scratch;            /* cuda_scratch */
    size_t scratch_bytes;
    int graphs;               /* repeats are kept as CUDA graphs; PECLET_CUDA_GRAPHS=0 in the environment: issued anew */
    int repeats;              /* how many, one within another, have begun and not ended */
    struct repeat *recording; /* the outermost of them, if it is recorded, else NULL */
    struct cudnn_library *cudnn; /* NULL: every convolution goes through conv_direct.cu */
};

#ifdef __cplusplus
extern "C" {
#endif
/* Workspace of one operation, 256-byte aligned, contents undefined; the next operation may get the same. Grows (and
 * then waits) when more is asked for than ever before: after one step of warm-up it does neither. */
void *cuda_scratch(struct device *d, size_t bytes);
/* Ends the job with the name of what failed: CUDA_TRY(cudaMalloc(...)); after a launch CUDA_LAUNCHED("norm_forward"),
 * which in builds with CUDA_SYNC_LAUNCHES also waits, so that the kernel at fault is named. */
void cuda_try(cudaError_t error, const char *what, const char *file, int line);
void cuda_launched(struct device *d, const char *kernel, const char *file, int line);
#ifdef __cplusplus
}
#endif
#define CUDA_TRY(call) cuda_try((call), #call, __FILE__, __LINE__)
#define CUDA_LAUNCHED(d, kernel) cuda_launched((d), (kernel), __FILE__, __LINE__)

static inline struct cuda_state *cuda_of(struct device *d)
{
    return (struct cuda_state *)d->state;
}
