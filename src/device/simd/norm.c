/* SPDX-License-Identifier: Apache-2.0
 * norm: the passes of group norm. Channels lie across the lanes, a lane walks down the pixels of a
 * block with its coefficients and sums in registers; a block is small enough to stay in the first
 * cache while its channels take turns. Sums are of a block first, then over blocks, which keeps
 * rounding small. */
#include "device/simd/simd_norm.h"

#include "device/simd/simd_math.h"

/* Pixels of a block: about 16 KB. */
static int block_of(enum dtype type, int c)
{
    int pixels = (int)(16384 / ((size_t)c * dtype_bytes(type)));
    return pixels < 8 ? 8 : pixels > 128 ? 128 : pixels;
}

static const void *pixel(enum dtype type, const void *x, int64_t p, int c)
{
    return (const char *)x + (size_t)p * (size_t)c * dtype_bytes(type);
}

/* Mean and m2 of one block in a lane's channel, merged into those of `seen` pixels before it
 * (Chan, Golub, LeVeque 1979). */
SIMD_INLINE void merge_block(enum dtype type, int pixels, int c, int k, int count, const void *x,
                             int seen, float *mean, float *m2)
{
    vn sum[4] = {{0}}, square[4] = {{0}};
    int p = 0;
    for (; p + 4 <= pixels; p += 4)
        for (int j = 0; j < 4; j++)
            sum[j] += v_load(type, x, (int64_t)(p + j) * c + k, count);
    for (; p < pixels; p++)
        sum[0] += v_load(type, x, (int64_t)p * c + k, count);
    vn average = ((sum[0] + sum[1]) + (sum[2] + sum[3])) * (1.0f / (float)pixels);
    for (p = 0; p + 4 <= pixels; p += 4)
        for (int j = 0; j < 4; j++) {
            vn deviation = v_load(type, x, (int64_t)(p + j) * c + k, count) - average;
            square[j] += deviation * deviation;
        }
    for (; p < pixels; p++) {
        vn deviation = v_load(type, x, (int64_t)p * c + k, count) - average;
        square[0] += deviation * deviation;
    }
    vn before = v_loadf(mean, k, count), delta = average - before;
    float share = (float)pixels / (float)(seen + pixels);
    v_storef(mean, k, count, before + delta * share);
    v_storef(m2, k, count,
             v_loadf(m2, k, count) + ((square[0] + square[1]) + (square[2] + square[3])) +
                 delta * delta * ((float)seen * share));
}

SIMD_INLINE void moments_typed(enum dtype type, int pixels, int c, const void *x, float *mean,
                               float *m2)
{
    int block = block_of(type, c);
    memset(mean, 0, (size_t)c * sizeof *mean);
    memset(m2, 0, (size_t)c * sizeof *m2);
    for (int p = 0; p < pixels; p += block) {
        int n = pixels - p < block ? pixels - p : block, k = 0;
        for (; k + LANES <= c; k += LANES)
            merge_block(type, n, c, k, LANES, pixel(type, x, p, c), p, mean, m2);
        if (k < c)
            merge_block(type, n, c, k, c - k, pixel(type, x, p, c), p, mean, m2);
    }
}

static void moments(enum dtype type, int pixels, int c, const void *x, float *mean, float *m2)
{
    if (type == DTYPE_F32)
        moments_typed(DTYPE_F32, pixels, c, x, mean, m2);
    else
        moments_typed(DTYPE_BF16, pixels, c, x, mean, m2);
}

SIMD_INLINE void apply_pixels(enum dtype type, int silu, int m, int c, int count, const void *x,
                              vn scale, vn offset, int64_t at, void *y)
{
    vn a[4], s[4];
    for (int j = 0; j < m; j++)
        a[j] = s[j] = v_load(type, x, at + (int64_t)j * c, count) * scale + offset;
    if (silu)
        v_sigmoids(m, s);
    for (int j = 0; j < m; j++)
        v_store(type, y, at + (int64_t)j * c, count, silu ? a[j] * s[j] : a[j]);
}

SIMD_INLINE void apply_block(enum dtype type, int silu, int pixels, int c, int k, int count,
                             const void *x, const float *scale, const float *offset, void *y)
{
    vn a = v_loadf(scale, k, count), b = v_loadf(offset, k, count);
    int p = 0;
    for (; p + 4 <= pixels; p += 4)
        apply_pixels(type, silu, 4, c, count, x, a, b, (int64_t)p * c + k, y);
    for (; p < pixels; p++)
        apply_pixels(type, silu, 1, c, count, x, a, b, (int64_t)p * c + k, y);
}

SIMD_INLINE void apply_typed(enum dtype type, int silu, int pixels, int c, const void *x,
                             const float *scale, const float *offset, void *y)
{
    int block = block_of(type, c);
    for (int p = 0; p < pixels; p += block) {
        int n = pixels - p < block ? pixels - p : block, k = 0;
        const void *from = pixel(type, x, p, c);
        void *to = (char *)y + (size_t)p * (size_t)c * dtype_bytes(type);
        for (; k + LANES <= c; k += LANES)
            apply_block(type, silu, n, c, k, LANES, from, scale, offset, to);
        if (k < c)
            apply_block(type, silu, n, c, k, c - k, from, scale, offset, to);
    }
}

static void apply(enum dtype type, int silu, int pixels, int c, const void *x, const float *scale,
                  const float *offset, void *y)
{
    if (type == DTYPE_F32 && silu)
        apply_typed(DTYPE_F32, 1, pixels, c, x, scale, offset, y);
    else if (type == DTYPE_F32)
        apply_typed(DTYPE_F32, 0, pixels, c, x, scale, offset, y);
    else if (silu)
        apply_typed(DTYPE_BF16, 1, pixels, c, x, scale, offset, y);
    else
        apply_typed(DTYPE_BF16, 0, pixels, c, x, scale, offset, y);
}

/* One lane's coefficients. */
struct lane {
    vn scale, offset, gamma, beta;
};

SIMD_INLINE struct lane load_lane(const struct norm_coefficients *k, int first, int count)
{
    return (struct lane){v_loadf(k->scale, first, count), v_loadf(k->offset, first, count),
                         v_loadf(k->gamma, first, count), v_loadf(k->beta, first, count)};
}

/* xhat and da of m pixels; through SiLU: silu'(a) = s (1 + a (1 - s)), s = sigmoid(a). */
SIMD_INLINE void load_pixels(enum dtype type, int silu, int m, int c, int count, const void *x,
                             const void *dy, const struct lane *l, int64_t at, vn *xhat, vn *da)
{
    vn a[4], s[4];
    for (int j = 0; j < m; j++) {
        xhat[j] = v_load(type, x, at + (int64_t)j * c, count) * l->scale + l->offset;
        da[j] = v_load(type, dy, at + (int64_t)j * c, count);
        a[j] = s[j] = l->gamma * xhat[j] + l->beta;
    }
    if (silu)
        v_sigmoids(m, s);
    for (int j = 0; j < m && silu; j++)
        da[j] *= s[j] * (1.0f + a[j] * (1.0f - s[j]));
}

SIMD_INLINE void sums_block(enum dtype type, int silu, int pixels, int c, int k, int count,
                            const void *x, const void *dy, const struct norm_coefficients *coef,
                            float *sums)
{
    struct lane l = load_lane(coef, k, count);
    vn sum_da = {0}, sum_slope = {0}, sum_xhat = {0}, xhat[4], da[4];
    int p = 0;
    for (; p + 4 <= pixels; p += 4) {
        load_pixels(type, silu, 4, c, count, x, dy, &l, (int64_t)p * c + k, xhat, da);
        for (int j = 0; j < 4; j++) {
            sum_da += da[j];
            sum_slope += da[j] * xhat[j];
            sum_xhat += xhat[j];
        }
    }
    for (; p < pixels; p++) {
        load_pixels(type, silu, 1, c, count, x, dy, &l, (int64_t)p * c + k, xhat, da);
        sum_da += da[0];
        sum_slope += da[0] * xhat[0];
        sum_xhat += xhat[0];
    }
    v_storef(sums, k, count, v_loadf(sums, k, count) + sum_da);
    v_storef(sums + c, k, count, v_loadf(sums + c, k, count) + sum_slope);
    v_storef(sums + 2 * c, k, count, v_loadf(sums + 2 * c, k, count) + sum_xhat);
}

SIMD_INLINE void sums_typed(enum dtype type, int silu, int pixels, int c, const void *x,
                            const void *dy, const struct norm_coefficients *coef, float *sums)
{
    int block = block_of(type, c);
    memset(sums, 0, 3 * (size_t)c * sizeof *sums);
    for (int p = 0; p < pixels; p += block) {
        int n = pixels - p < block ? pixels - p : block, k = 0;
        const void *xp = pixel(type, x, p, c), *dyp = pixel(type, dy, p, c);
        for (; k + LANES <= c; k += LANES)
            sums_block(type, silu, n, c, k, LANES, xp, dyp, coef, sums);
        if (k < c)
            sums_block(type, silu, n, c, k, c - k, xp, dyp, coef, sums);
    }
}

static void sums_of(enum dtype type, int silu, int pixels, int c, const void *x, const void *dy,
                    const struct norm_coefficients *coef, float *sums)
{
    if (type == DTYPE_F32 && silu)
        sums_typed(DTYPE_F32, 1, pixels, c, x, dy, coef, sums);
    else if (type == DTYPE_F32)
        sums_typed(DTYPE_F32, 0, pixels, c, x, dy, coef, sums);
    else if (silu)
        sums_typed(DTYPE_BF16, 1, pixels, c, x, dy, coef, sums);
    else
        sums_typed(DTYPE_BF16, 0, pixels, c, x, dy, coef, sums);
}

/* The three vectors of the last step. */
struct plane {
    const float *slope, *level, *tilt;
};

SIMD_INLINE void store_pixels(enum dtype type, int accumulate, int m, int c, int count,
                              const vn *plane, int64_t at, const vn *xhat, const vn *da, void *dx)
{
    for (int j = 0; j < m; j++) {
        vn value = plane[0] * da[j] - plane[1] - plane[2] * xhat[j];
        if (accumulate)
            value += v_load(type, dx, at + (int64_t)j * c, count);
        v_store(type, dx, at + (int64_t)j * c, count, value);
    }
}

SIMD_INLINE void gradient_block(enum dtype type, int silu, int accumulate, int pixels, int c, int k,
                                int count, const void *x, const void *dy,
                                const struct norm_coefficients *coef, const struct plane *plane,
                                void *dx)
{
    struct lane l = load_lane(coef, k, count);
    vn v[3] = {v_loadf(plane->slope, k, count), v_loadf(plane->level, k, count),
               v_loadf(plane->tilt, k, count)};
    vn xhat[4], da[4];
    int p = 0;
    for (; p + 4 <= pixels; p += 4) {
        int64_t at = (int64_t)p * c + k;
        load_pixels(type, silu, 4, c, count, x, dy, &l, at, xhat, da);
        store_pixels(type, accumulate, 4, c, count, v, at, xhat, da, dx);
    }
    for (; p < pixels; p++) {
        int64_t at = (int64_t)p * c + k;
        load_pixels(type, silu, 1, c, count, x, dy, &l, at, xhat, da);
        store_pixels(type, accumulate, 1, c, count, v, at, xhat, da, dx);
    }
}

SIMD_INLINE void gradient_typed(enum dtype type, int silu, int accumulate, int pixels, int c,
                                const void *x, const void *dy, const struct norm_coefficients *coef,
                                const struct plane *plane, void *dx)
{
    int block = block_of(type, c);
    for (int p = 0; p < pixels; p += block) {
        int n = pixels - p < block ? pixels - p : block, k = 0;
        const void *xp = pixel(type, x, p, c), *dyp = pixel(type, dy, p, c);
        void *dxp = (char *)dx + (size_t)p * (size_t)c * dtype_bytes(type);
        for (; k + LANES <= c; k += LANES)
            gradient_block(type, silu, accumulate, n, c, k, LANES, xp, dyp, coef, plane, dxp);
        if (k < c)
            gradient_block(type, silu, accumulate, n, c, k, c - k, xp, dyp, coef, plane, dxp);
    }
}

static void gradient(enum dtype type, int silu, int accumulate, int pixels, int c, const void *x,
                     const void *dy, const struct norm_coefficients *k, const float *slope,
                     const float *level, const float *tilt, void *dx)
{
    struct plane plane = {slope, level, tilt};
    if (type == DTYPE_F32 && silu)
        gradient_typed(DTYPE_F32, 1, accumulate, pixels, c, x, dy, k, &plane, dx);
    else if (type == DTYPE_F32)
        gradient_typed(DTYPE_F32, 0, accumulate, pixels, c, x, dy, k, &plane, dx);
    else if (silu)
        gradient_typed(DTYPE_BF16, 1, accumulate, pixels, c, x, dy, k, &plane, dx);
    else
        gradient_typed(DTYPE_BF16, 0, accumulate, pixels, c, x, dy, k, &plane, dx);
}

const struct simd_norm SIMD_NAME(simd_norm) = {
    .moments = moments,
    .apply = apply,
    .sums = sums_of,
    .gradient = gradient,
};
