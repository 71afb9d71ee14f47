/* SPDX-License-Identifier: Apache-2.0
 * The calls of cuDNN that cuda/conv_cudnn.c makes, as a stand-in (cudnn_on_host.c) for tests without a GPU.
 *
 *     COH_CUDNN=BITS         plans exist for the passes whose bit is set (enum cudnn_pass); without it, no library
 *     COH_CUDNN_BROKEN=BITS  of the plans found for a shape, those whose bit is set cannot be executed
 *
 * A plan is carried out by the kernels of conv_direct.cu, what the real library may not be given is refused, and the
 * workspace is filled with NaN first, so that nothing else can lie in it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "cuda_runtime.h"

typedef enum {
    CUDNN_STATUS_SUCCESS = 0,
    CUDNN_STATUS_NOT_INITIALIZED = 1001,
    CUDNN_STATUS_BAD_PARAM = 2000,
    CUDNN_STATUS_EXECUTION_FAILED = 5000
} cudnnStatus_t;
typedef enum { CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR = 1 } cudnnBackendDescriptorType_t;
typedef enum { CUDNN_ATTR_DEVICEPROP_DEVICE_ID = 1 } cudnnBackendAttributeName_t;
typedef enum { CUDNN_TYPE_INT32 = 1 } cudnnBackendAttributeType_t;
typedef struct cudnn_stand_in *cudnnHandle_t;
typedef void *cudnnBackendDescriptor_t;

size_t cudnnGetVersion(void);
const char *cudnnGetErrorString(cudnnStatus_t status);
void cudnnGetLastErrorString(char *text, size_t bytes);
cudnnStatus_t cudnnCreate(cudnnHandle_t *handle);
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle);
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream);
cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *d);
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void *values);
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t d);
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d);
cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack);

int coh_cudnn_searches(void); /* not cuDNN: how often plans were looked for */
