/* SPDX-License-Identifier: Apache-2.0
 * simd_math: rows of fp32 or bf16 as vectors of one register, and exp, log, sine and cosine on them (minimax
 * polynomials after Cephes, S. L. Moshier; errors of a few units in the last place). */
#pragma once
#include <string.h>

#include "base/half.h"
#include "device/simd/simd.h"
#include "device/tensor.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define SIMD_INLINE static inline __attribute__((always_inline))

enum { LANES = SIMD_LANES };
typedef uint16_t vnh __attribute__((vector_size(SIMD_LANES * 2)));

/* The statements with i = 0, LANES, ... below n and count = LANES, a constant; then once with what is left over. */
#define EACH_LANES(n, i, count, ...)                                                                                   \
    do {                                                                                                               \
        int64_t i = 0;                                                                                                 \
        for (; i + LANES <= (n); i += LANES) {                                                                         \
            enum { count = LANES };                                                                                    \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
        if (i < (n)) {                                                                                                 \
            const int count = (int)((n) - i);                                                                          \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    } while (0)

SIMD_INLINE vn v_all(float x)
{
    return x - (vn){0};
}

SIMD_INLINE vn v_select(vni mask, vn yes, vn no)
{
    return (vn)(((vni)yes & mask) | ((vni)no & ~mask));
}

SIMD_INLINE vn v_max(vn a, vn b)
{
#if defined(__AVX512F__)
    return (vn)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vn)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return v_select(a > b, a, b);
#endif
}

SIMD_INLINE vn v_min(vn a, vn b)
{
#if defined(__AVX512F__)
    return (vn)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vn)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return v_select(a < b, a, b);
#endif
}

SIMD_INLINE vnh v_to_bf16(vn x)
{
    vnu b = (vnu)x, rounded = b + 0x7fffu + ((b >> 16) & 1u);
#if defined(__AVX512F__)
    __mmask16 nan = _mm512_cmp_ps_mask((__m512)x, (__m512)x, _CMP_UNORD_Q);
    rounded = (vnu)_mm512_mask_or_epi32((__m512i)rounded, nan, (__m512i)b, _mm512_set1_epi32(0x400000));
    return (vnh)_mm512_cvtepi32_epi16((__m512i)(rounded >> 16));
#else
    vnu nan = (vnu)(x != x);
    return __builtin_convertvector(((rounded & ~nan) | ((b | 0x400000u) & nan)) >> 16, vnh);
#endif
}

/* Elements i .. i + count - 1 of a row of `type` (fp32 or bf16); the other lanes are 0. */
SIMD_INLINE vn v_load(enum dtype type, const void *row, int64_t i, int count)
{
    if (type == DTYPE_F32) {
        vn x = {0};
        memcpy(&x, (const float *)row + i, count == LANES ? sizeof x : (size_t)count * 4);
        return x;
    }
    vnh h = {0};
    memcpy(&h, (const uint16_t *)row + i, count == LANES ? sizeof h : (size_t)count * 2);
#if defined(__AVX512F__)
    return (vn)((vnu)_mm512_cvtepu16_epi32((__m256i)h) << 16);
#elif defined(__AVX2__)
    return (vn)((vnu)_mm256_cvtepu16_epi32((__m128i)h) << 16);
#else
    return (vn)(__builtin_convertvector(h, vnu) << 16);
#endif
}

SIMD_INLINE void v_store(enum dtype type, void *row, int64_t i, int count, vn x)
{
    if (type == DTYPE_F32) {
        memcpy((float *)row + i, &x, count == LANES ? sizeof x : (size_t)count * 4);
    } else {
        vnh h = v_to_bf16(x);
        memcpy((uint16_t *)row + i, &h, count == LANES ? sizeof h : (size_t)count * 2);
    }
}

SIMD_INLINE vn v_loadf(const float *row, int64_t i, int count)
{
    return v_load(DTYPE_F32, row, i, count);
}

SIMD_INLINE void v_storef(float *row, int64_t i, int count, vn x)
{
    v_store(DTYPE_F32, row, i, count, x);
}

/* Sum of the lanes, pairwise. */
SIMD_INLINE float v_sum(vn x)
{
    float a[LANES];
    memcpy(a, &x, sizeof a);
    for (int half = LANES / 2; half; half /= 2)
        for (int l = 0; l < half; l++)
            a[l] += a[l + half];
    return a[0];
}

/* x[j] <- e^x[j] for j < m <= 4, step by step side by side: the steps depend on each other, and one vector alone would
 * leave the processor waiting. e^x = 2^n e^r with |r| <= ln2/2. Without AVX-512 |x| is limited to 87. */
SIMD_INLINE void v_exps(int m, vn *x)
{
    static const float c[] = {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f,
                              1.6666665459e-1f, 5.0000001201e-1f};
    vn n[4], p[4];
#if defined(__AVX512F__)
    for (int j = 0; j < m; j++)
        n[j] = (vn)_mm512_roundscale_ps((__m512)(x[j] * 1.44269504f), 0);
#else
    vn shifted[4], magic = v_all(12582912.0f); /* 1.5 2^23: adding it rounds to a whole number */
    for (int j = 0; j < m; j++) {
        x[j] = v_max(v_min(x[j], v_all(87.0f)), v_all(-87.0f));
        shifted[j] = x[j] * 1.44269504f + magic;
        n[j] = shifted[j] - magic;
    }
#endif
    for (int j = 0; j < m; j++)
        x[j] = x[j] - n[j] * 0.693359375f;
    for (int j = 0; j < m; j++)
        x[j] = x[j] + n[j] * 2.12194440e-4f;
    for (int j = 0; j < m; j++)
        p[j] = v_all(1.9875691500e-4f);
    for (int k = 0; k < 5; k++)
        for (int j = 0; j < m; j++)
            p[j] = p[j] * x[j] + c[k];
    for (int j = 0; j < m; j++)
        p[j] = p[j] * (x[j] * x[j]) + x[j];
    for (int j = 0; j < m; j++)
#if defined(__AVX512F__)
        x[j] = (vn)_mm512_scalef_ps((__m512)(p[j] + 1.0f), (__m512)n[j]);
#else
        x[j] = (vn)((vni)(p[j] + 1.0f) + ((vni)shifted[j] << 23));
#endif
}

SIMD_INLINE void v_sigmoids(int m, vn *x)
{
    for (int j = 0; j < m; j++)
        x[j] = -x[j];
    v_exps(m, x);
    for (int j = 0; j < m; j++)
        x[j] = 1.0f / (1.0f + x[j]);
}

SIMD_INLINE vn v_exp(vn x)
{
    v_exps(1, &x);
    return x;
}

SIMD_INLINE vn v_sigmoid(vn x)
{
    v_sigmoids(1, &x);
    return x;
}

/* ln x of a normal positive number: x = 2^e m, m in [sqrt(1/2), sqrt(2)). */
SIMD_INLINE vn v_log(vn x)
{
    vni bits = (vni)x - 0x3f3504f3;
    vn e = __builtin_convertvector(bits >> 23, vn), m = (vn)((bits & 0x7fffff) + 0x3f3504f3) - 1.0f;
    vn p = v_all(7.0376836292e-2f);
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    vn square = m * m;
    vn small = p * m * square - e * 2.12194440e-4f - 0.5f * square;
    return m + small + e * 0.693359375f;
}

/* Sine and cosine of 0 <= x < 100. */
SIMD_INLINE void v_sincos(vn x, vn *sine, vn *cosine)
{
    vn magic = v_all(12582912.0f), shifted = x * 0.636619772f + magic, n = shifted - magic;
    vn r = x - n * 1.5703125f - n * 4.837512969970703e-4f - n * 7.549789948768648e-8f;
    vni quarter = (vni)shifted & 3;
    vn square = r * r;
    vn s = v_all(-1.9515295891e-4f), c = v_all(2.443315711809948e-5f);
    s = (s * square + 8.3321608736e-3f) * square - 1.6666654611e-1f;
    s = s * square * r + r;
    c = (c * square - 1.388731625493765e-3f) * square + 4.166664568298827e-2f;
    c = c * square * square - 0.5f * square + 1.0f;
    vni swap = -(quarter & 1);
    vn first = v_select(swap, c, s), second = v_select(swap, s, c);
    *sine = (vn)((vni)first ^ ((quarter & 2) << 30));
    *cosine = (vn)((vni)second ^ (((quarter + 1) & 2) << 30));
}
