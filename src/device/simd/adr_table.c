/* SPDX-License-Identifier: Apache-2.0
 * adr_table: images to lanes and back, and the table of simd_adr.h. */
#include "device/simd/adr_math.h"
#include "device/simd/adr_parts.h"
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

/* Bits 15 and 6 of the control word: results that would be denormal become 0, operands that are
 * count as 0. */
static unsigned flush_denormals(void)
{
#if defined(__SSE__)
    unsigned state = _mm_getcsr();
    _mm_setcsr(state | 0x8040u);
    return state;
#else
    return 0;
#endif
}

static void restore(unsigned state)
{
#if defined(__SSE__)
    _mm_setcsr(state);
#else
    (void)state;
#endif
}

/* Blocks of cells small enough that all images' parts of one stay in the first cache. */
enum { BLOCK = 32 };

static void pack(int cells, int count, const float *const *image, int stride, float scale,
                 float offset, float *state)
{
    for (int first = 0; first < cells; first += BLOCK) {
        int end = first + BLOCK < cells ? first + BLOCK : cells;
        for (int l = 0; l < LANES; l++) {
            const float *from = image[l < count ? l : 0];
            for (int i = first; i < end; i++)
                state[i * LANES + l] = scale * from[i * stride] + offset;
        }
    }
}

static void unpack(int cells, int count, const int *lane, const float *state, float scale,
                   float offset, float *const *image, int stride)
{
    for (int first = 0; first < cells; first += BLOCK) {
        int end = first + BLOCK < cells ? first + BLOCK : cells;
        for (int k = 0; k < count; k++)
            for (int i = first; i < end; i++)
                image[k][i * stride] = scale * state[i * LANES + lane[k]] + offset;
    }
}

static void unpack_change(int cells, int count, const int *lane, const float *state, float scale,
                          float offset, float *const *image, float *const *change, int stride)
{
    for (int first = 0; first < cells; first += BLOCK) {
        int end = first + BLOCK < cells ? first + BLOCK : cells;
        for (int k = 0; k < count; k++) {
            float *restrict u = image[k], *restrict d = change[k];
            const float *from = state + lane[k];
            for (int i = first; i < end; i++) {
                float now = from[i * LANES];
                u[i * stride] = scale * now + offset;
                d[i * stride] = scale * (d[i * stride] - now);
            }
        }
    }
}

const struct simd_adr SIMD_NAME(simd_adr) = {
    .lanes = LANES,
    .flush_denormals = flush_denormals,
    .restore = restore,
    .equilibrium = SIMD_NAME(adr_equilibrium),
    .populations = SIMD_NAME(adr_populations),
    .populations_start = SIMD_NAME(adr_populations_start),
    .populations_sum = SIMD_NAME(adr_populations_sum),
    .phases = SIMD_NAME(adr_phases),
    .angles = SIMD_NAME(adr_angles),
    .rotate = SIMD_NAME(adr_rotate),
    .transform = SIMD_NAME(adr_transform),
    .odd_ring = SIMD_NAME(adr_odd_ring),
    .curl_extent = SIMD_NAME(adr_curl_extent),
    .curl = SIMD_NAME(adr_curl),
    .extent = SIMD_NAME(adr_extent),
    .scale = SIMD_NAME(adr_scale),
    .pack = pack,
    .unpack = unpack,
    .unpack_change = unpack_change,
};
