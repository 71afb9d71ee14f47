/* SPDX-License-Identifier: Apache-2.0
 * The calls of NCCL that mpi/comm_nccl.c uses, over MPI and the runtime of this folder (nccl_stub.cc), to run its
 * ordering and its reactions to faults where no GPU is. Stricter than NCCL:
 *     every call of a non-blocking communicator says "in progress" first, and does its work only while it is polled
 *     by the thread that made the communicator; what is used before that is refused;
 *     the sum itself is work on the stream: it sees what is in memory when the stream comes to it.
 * NCCL_STUB=error:RANK:N makes sum number N (from 1) of a rank fail as NCCL does: an asynchronous error, and a stream
 * that never goes on. hang:RANK:N the same without the error. init:RANK:0: that rank never gets a communicator. */
#pragma once
#include <stddef.h>

#include "cuda_runtime.h"

#define NCCL_UNIQUE_ID_BYTES 128
#define NCCL_CONFIG_INITIALIZER {.blocking = -1}

typedef struct ncclComm *ncclComm_t;
typedef struct {
    char internal[NCCL_UNIQUE_ID_BYTES];
} ncclUniqueId;
typedef struct {
    int blocking;
} ncclConfig_t;
typedef enum {
    ncclSuccess = 0,
    ncclInvalidArgument = 4,
    ncclInvalidUsage = 5,
    ncclRemoteError = 6,
    ncclInProgress = 7
} ncclResult_t;
typedef enum { ncclSum = 0 } ncclRedOp_t;
typedef enum { ncclFloat32 = 7, ncclBfloat16 = 9 } ncclDataType_t;

#ifdef __cplusplus
extern "C" {
#endif
ncclResult_t ncclGetVersion(int *version);
ncclResult_t ncclGetUniqueId(ncclUniqueId *id);
ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t *config);
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error);
ncclResult_t ncclCommFinalize(ncclComm_t comm);
ncclResult_t ncclCommDestroy(ncclComm_t comm);
ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream);
const char *ncclGetErrorString(ncclResult_t result);
const char *ncclGetLastError(ncclComm_t comm);

/* For the test: sums so far, and a function as work of a stream. */
int nccl_stub_sums(void);
void nccl_stub_enqueue(cudaStream_t stream, void (*work)(void *), void *argument);
#ifdef __cplusplus
}
#endif
