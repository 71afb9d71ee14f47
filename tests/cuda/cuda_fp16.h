/* SPDX-License-Identifier: Apache-2.0
 * Half precision as cuda_fp16.h names it, on the host. */
#pragma once
#include "base/half.h"
#include "cuda_runtime.h"

struct alignas(2) __half {
    unsigned short __x;
};
struct alignas(4) __half2 {
    __half x, y;
};

static inline float __half2float(__half h) { return half_to_float(h.__x); }
static inline __half __float2half_rn(float f) { return {half_from_float(f)}; }
static inline __half __float2half(float f) { return {half_from_float(f)}; }
static inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
static inline unsigned short __half_as_ushort(__half h) { return h.__x; }
