/* SPDX-License-Identifier: Apache-2.0
 * simd_random: Philox4x32-10 of base/rng.h, one block of four words a lane. */
#pragma once
#include "base/rng.h"
#include "device/simd/simd_math.h"

struct philox_lanes {
    vnu v[4];
};

/* Both halves of the product of each lane with m. */
SIMD_INLINE void v_multiply(vnu x, uint32_t m, vnu *high, vnu *low)
{
#if defined(__AVX512F__)
    __m512i factor = _mm512_set1_epi32((int)m), odd = _mm512_srli_epi64((__m512i)x, 32);
    __m512i e = _mm512_mul_epu32((__m512i)x, factor), o = _mm512_mul_epu32(odd, factor);
    *high = (vnu)_mm512_mask_mov_epi32(_mm512_srli_epi64(e, 32), 0xaaaa, o);
    *low = (vnu)_mm512_mask_mov_epi32(e, 0xaaaa, _mm512_slli_epi64(o, 32));
#elif defined(__AVX2__)
    __m256i factor = _mm256_set1_epi32((int)m), odd = _mm256_srli_epi64((__m256i)x, 32);
    __m256i e = _mm256_mul_epu32((__m256i)x, factor), o = _mm256_mul_epu32(odd, factor);
    *high = (vnu)_mm256_blend_epi32(_mm256_srli_epi64(e, 32), o, 0xaa);
    *low = (vnu)_mm256_blend_epi32(e, _mm256_slli_epi64(o, 32), 0xaa);
#else
    for (int l = 0; l < LANES; l++) {
        uint64_t product = (uint64_t)x[l] * m;
        (*high)[l] = (uint32_t)(product >> 32);
        (*low)[l] = (uint32_t)product;
    }
#endif
}

/* Words 0..3 of the LANES blocks from first_block on, in the order that v_interleave wants: lane 4k + i has block
 * i LANES/4 + k. */
SIMD_INLINE struct philox_lanes v_draw(uint64_t seed, enum rng_stream stream, uint64_t sample,
                                       uint32_t step, uint32_t first_block)
{
    vnu zero = {0}, block;
    for (int l = 0; l < LANES; l++)
        block[l] = (uint32_t)(l % 4 * (LANES / 4) + l / 4);
    struct philox_lanes c = {{block + first_block, zero + step, zero + (uint32_t)sample,
                              zero + ((uint32_t)(sample >> 32) | ((uint32_t)stream << 24))}};
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        vnu high0, low0, high1, low1;
        v_multiply(c.v[0], 0xD2511F53u, &high0, &low0);
        v_multiply(c.v[2], 0xCD9E8D57u, &high1, &low1);
        c = (struct philox_lanes){{high1 ^ c.v[1] ^ k0, low1, high0 ^ c.v[3] ^ k1, low0}};
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

/* From one number a word (w[0..3]) to numbers in order of elements: element e is word e % 4 of block e / 4. */
SIMD_INLINE void v_interleave(vn *w)
{
#if defined(__AVX512F__)
    __m512 a = _mm512_unpacklo_ps((__m512)w[0], (__m512)w[1]);
    __m512 b = _mm512_unpackhi_ps((__m512)w[0], (__m512)w[1]);
    __m512 c = _mm512_unpacklo_ps((__m512)w[2], (__m512)w[3]);
    __m512 d = _mm512_unpackhi_ps((__m512)w[2], (__m512)w[3]);
    w[0] = (vn)_mm512_unpacklo_pd((__m512d)a, (__m512d)c);
    w[1] = (vn)_mm512_unpackhi_pd((__m512d)a, (__m512d)c);
    w[2] = (vn)_mm512_unpacklo_pd((__m512d)b, (__m512d)d);
    w[3] = (vn)_mm512_unpackhi_pd((__m512d)b, (__m512d)d);
#else
    float in[4][LANES], out[4][LANES];
    memcpy(in, w, sizeof in);
    for (int i = 0; i < 4; i++)
        for (int l = 0; l < LANES; l++)
            out[i][l] = in[l % 4][l / 4 * 4 + i];
    memcpy(w, out, sizeof out);
#endif
}

SIMD_INLINE vn v_uniform(vnu word)
{
    return (__builtin_convertvector(word >> 9, vn) + 0.5f) * 1.1920928955078125e-7f;
}
