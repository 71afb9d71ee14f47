/* SPDX-License-Identifier: Apache-2.0
 * adr_math: multiply-add that is fused wherever the instruction set can, never by the compiler's
 * choice: the same cell must come out bit-equal from every copy of a kernel (shared or own
 * velocity, first or last row). */
#pragma once
#include "device/simd/simd_math.h"
#if defined(__FMA__)
#include <immintrin.h>
#endif

/* a b + c, and a b - c. */
SIMD_INLINE vn madd(vn a, vn b, vn c)
{
#if defined(__AVX512F__)
    return (vn)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
    return (vn)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

SIMD_INLINE vn msub(vn a, vn b, vn c)
{
    return madd(a, b, -c);
}

SIMD_INLINE vn larger(vn a, vn b)
{
#if defined(__AVX512F__)
    return (vn)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__FMA__)
    return (vn)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return v_max(a, b);
#endif
}
