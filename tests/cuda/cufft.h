/* SPDX-License-Identifier: Apache-2.0
 * The calls of cuFFT that cuda/adr_fft.c uses, on host memory (cufft_on_host.cc): complex-to-real transforms of two
 * dimensions, unnormalised, any strides, any side. Strict where the library would be lax: a batch without a valid signal,
 * an input that is not the spectrum of something real, or a plan without its work area ends the program; what the
 * library may overwrite (the input, the work area) is NaN afterwards. */
#pragma once
#include "cuda_runtime.h"

typedef enum cufftResult_t {
    CUFFT_SUCCESS = 0,
    CUFFT_INVALID_PLAN = 1,
    CUFFT_INVALID_TYPE = 3,
    CUFFT_INVALID_VALUE = 4,
    CUFFT_INVALID_SIZE = 8,
    CUFFT_NO_WORKSPACE = 13
} cufftResult;
typedef enum cufftType_t { CUFFT_R2C = 0x2a, CUFFT_C2R = 0x2c, CUFFT_C2C = 0x29 } cufftType;
typedef int cufftHandle;
typedef float cufftReal;
typedef float2 cufftComplex;

#ifdef __cplusplus
extern "C" {
#endif
cufftResult cufftCreate(cufftHandle *plan);
cufftResult cufftDestroy(cufftHandle plan);
cufftResult cufftSetAutoAllocation(cufftHandle plan, int allocate);
cufftResult cufftMakePlanMany64(cufftHandle plan, int rank, long long *n, long long *inembed, long long istride,
                                long long idist, long long *onembed, long long ostride, long long odist, cufftType type,
                                long long batch, size_t *work_bytes);
cufftResult cufftSetWorkArea(cufftHandle plan, void *work);
cufftResult cufftSetStream(cufftHandle plan, cudaStream_t stream);
cufftResult cufftExecC2R(cufftHandle plan, cufftComplex *in, cufftReal *out);
#ifdef __cplusplus
}
#endif
