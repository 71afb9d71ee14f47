/* SPDX-License-Identifier: Apache-2.0
 * flat: inner loops over flat vectors: optimisers, sums, noise, conversion. */
#include "device/simd/simd_flat.h"

#include <math.h>

#include "device/simd/simd_random.h"
#if defined(__F16C__)
#include <immintrin.h>
#endif

SIMD_INLINE vn v_sqrt(vn x)
{
#if defined(__AVX512F__)
    return (vn)_mm512_sqrt_ps((__m512)x);
#else
    for (int l = 0; l < LANES; l++)
        x[l] = sqrtf(x[l]);
    return x;
#endif
}

static void adam(int64_t n, const struct optimizer_step *s, float *p, float *m, float *v,
                 const float *g)
{
    EACH_LANES(n, i, count, {
        vn value = v_loadf(p, i, count);
        vn gradient = v_loadf(g, i, count) * s->gradient_factor + s->l2 * value;
        vn mean = s->beta1 * v_loadf(m, i, count) + s->rest1 * gradient;
        vn square = s->beta2 * v_loadf(v, i, count) + s->rest2 * gradient * gradient;
        v_storef(p, i, count, s->shrink * value - s->rate * mean / (v_sqrt(square) + s->epsilon));
        v_storef(m, i, count, mean);
        v_storef(v, i, count, square);
    });
}

static void lion(int64_t n, const struct optimizer_step *s, float *p, float *m, const float *g)
{
    EACH_LANES(n, i, count, {
        vn gradient = v_loadf(g, i, count) * s->gradient_factor, mean = v_loadf(m, i, count);
        vn direction = s->beta1 * mean + s->rest1 * gradient, rate = v_all(s->rate);
        vn step = v_select(direction > 0, rate, v_select(direction < 0, -rate, v_all(0)));
        v_storef(p, i, count, s->shrink * v_loadf(p, i, count) - step);
        v_storef(m, i, count, s->beta2 * mean + s->rest2 * gradient);
    });
}

static void axpby(int64_t n, float a, const float *x, float b, float *y)
{
    if (b == 0)
        EACH_LANES(n, i, count, { v_storef(y, i, count, a * v_loadf(x, i, count)); });
    else
        EACH_LANES(n, i, count,
                   { v_storef(y, i, count, a * v_loadf(x, i, count) + b * v_loadf(y, i, count)); });
}

typedef double vnd __attribute__((vector_size(SIMD_LANES * 8)));

static double sum_squares(int64_t n, const float *x)
{
    vnd sum = {0};
    EACH_LANES(n, i, count, {
        vnd wide = __builtin_convertvector(v_loadf(x, i, count), vnd);
        sum += wide * wide;
    });
    double total = 0;
    for (int l = 0; l < LANES; l++)
        total += sum[l];
    return total;
}

/* Box and Muller as rng_normal2. */
SIMD_INLINE void normal_pair(vnu a, vnu b, vn *first, vn *second)
{
    vn sine, cosine, r = v_sqrt(-2.0f * v_log(v_uniform(a)));
    v_sincos(6.283185307179586f * v_uniform(b), &sine, &cosine);
    *first = r * cosine;
    *second = r * sine;
}

static void add_normal(int64_t n, float sigma, uint64_t seed, int stream, uint64_t sample,
                       uint32_t step, int64_t first, float *x)
{
    for (int64_t e = 0; e < n; e += 4 * LANES) {
        struct philox_lanes words =
            v_draw(seed, (enum rng_stream)stream, sample, step, (uint32_t)((first + e) / 4));
        vn normal[4];
        normal_pair(words.v[0], words.v[1], &normal[0], &normal[1]);
        normal_pair(words.v[2], words.v[3], &normal[2], &normal[3]);
        v_interleave(normal);
        for (int w = 0; w < 4 && e + w * LANES < n; w++) {
            int64_t at = e + w * LANES;
            int count = n - at < LANES ? (int)(n - at) : LANES;
            v_storef(x, at, count, v_loadf(x, at, count) + sigma * normal[w]);
        }
    }
}

SIMD_INLINE vn load_any(enum dtype type, const void *x, int64_t i, int count)
{
    if (type != DTYPE_F16)
        return v_load(type, x, i, count);
    vn value = {0};
    const uint16_t *half = (const uint16_t *)x + i;
#if defined(__AVX512F__)
    if (count == LANES)
        return (vn)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)half));
#elif defined(__F16C__)
    if (count == LANES)
        return (vn)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)half));
#endif
    for (int l = 0; l < count; l++)
        value[l] = half_to_float(half[l]);
    return value;
}

SIMD_INLINE void store_any(enum dtype type, void *y, int64_t i, int count, vn value)
{
    if (type != DTYPE_F16) {
        v_store(type, y, i, count, value);
        return;
    }
    uint16_t *half = (uint16_t *)y + i;
#if defined(__AVX512F__)
    if (count == LANES) {
        _mm256_storeu_si256((__m256i *)(void *)half, _mm512_cvtps_ph((__m512)value, 0));
        return;
    }
#elif defined(__F16C__)
    if (count == LANES) {
        _mm_storeu_si128((__m128i *)(void *)half, _mm256_cvtps_ph((__m256)value, 0));
        return;
    }
#endif
    for (int l = 0; l < count; l++)
        half[l] = half_from_float(value[l]);
}

SIMD_INLINE void cast_typed(int64_t n, enum dtype from, const void *x, enum dtype to, void *y)
{
    EACH_LANES(n, i, count, { store_any(to, y, i, count, load_any(from, x, i, count)); });
}

SIMD_INLINE void cast_from(int64_t n, enum dtype from, const void *x, enum dtype to, void *y)
{
    if (to == DTYPE_F32)
        cast_typed(n, from, x, DTYPE_F32, y);
    else if (to == DTYPE_BF16)
        cast_typed(n, from, x, DTYPE_BF16, y);
    else
        cast_typed(n, from, x, DTYPE_F16, y);
}

static void cast(int64_t n, enum dtype from, const void *x, enum dtype to, void *y)
{
    if (from == DTYPE_F32)
        cast_from(n, DTYPE_F32, x, to, y);
    else if (from == DTYPE_BF16)
        cast_from(n, DTYPE_BF16, x, to, y);
    else
        cast_from(n, DTYPE_F16, x, to, y);
}

const struct simd_flat SIMD_NAME(simd_flat) = {
    .adam = adam,
    .lion = lion,
    .axpby = axpby,
    .sum_squares = sum_squares,
    .add_normal = add_normal,
    .cast = cast,
};
