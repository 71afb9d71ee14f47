/* SPDX-License-Identifier: Apache-2.0
 * nn: the inner loops of the small layers. */
#include "device/simd/simd_nn.h"

#include "device/simd/simd_random.h"

static const void *at(enum dtype type, const void *x, int64_t i)
{
    return (const char *)x + i * (int64_t)dtype_bytes(type);
}

static void *at_out(enum dtype type, void *x, int64_t i)
{
    return (char *)x + i * (int64_t)dtype_bytes(type);
}

static void silu(int64_t n, const float *x, float *y)
{
    EACH_LANES(n, i, count, {
        vn a = v_loadf(x, i, count);
        v_storef(y, i, count, a * v_sigmoid(a));
    });
}

static void silu_slope(int64_t n, const float *x, const float *dy, float *dx, int accumulate)
{
    EACH_LANES(n, i, count, {
        vn a = v_loadf(x, i, count), s = v_sigmoid(a);
        vn slope = v_loadf(dy, i, count) * (s * (1.0f + a * (1.0f - s)));
        v_storef(dx, i, count, accumulate ? slope + v_loadf(dx, i, count) : slope);
    });
}

SIMD_INLINE void add_typed(enum dtype type, int64_t n, const void *x, void *y)
{
    EACH_LANES(n, i, count, {
        v_store(type, y, i, count, v_load(type, x, i, count) + v_load(type, y, i, count));
    });
}

static void add(enum dtype type, int64_t n, const void *x, void *y)
{
    if (type == DTYPE_F32)
        add_typed(DTYPE_F32, n, x, y);
    else
        add_typed(DTYPE_BF16, n, x, y);
}

SIMD_INLINE void copy_row(size_t bytes, const char *src, char *dst)
{
    size_t b = 0;
    for (; b + 64 <= bytes; b += 64)
        memcpy(dst + b, src + b, 64);
    if (b + 32 <= bytes) {
        memcpy(dst + b, src + b, 32);
        b += 32;
    }
    if (b < bytes)
        memcpy(dst + b, src + b, bytes - b);
}

static void put_rows(enum dtype type, int64_t rows, int width, const void *src, int src_stride,
                     void *dst, int dst_stride, int accumulate)
{
    for (int64_t row = 0; row < rows; row++) {
        const void *from = at(type, src, row * src_stride);
        void *to = at_out(type, dst, row * dst_stride);
        if (accumulate)
            add(type, width, from, to);
        else
            copy_row((size_t)width * dtype_bytes(type), from, to);
    }
}

SIMD_INLINE void sum_quads_typed(enum dtype type, int pixels, int c, const void *top,
                                 const void *bottom, void *dx, int accumulate)
{
    for (int64_t p = 0; p < pixels; p++)
        EACH_LANES(c, i, count, {
            int64_t left = 2 * p * c + i, right = left + c;
            vn sum = (v_load(type, top, left, count) + v_load(type, top, right, count)) +
                     (v_load(type, bottom, left, count) + v_load(type, bottom, right, count));
            if (accumulate)
                sum += v_load(type, dx, p * c + i, count);
            v_store(type, dx, p * c + i, count, sum);
        });
}

static void sum_quads(enum dtype type, int pixels, int c, const void *top, const void *bottom,
                      void *dx, int accumulate)
{
    if (type == DTYPE_F32)
        sum_quads_typed(DTYPE_F32, pixels, c, top, bottom, dx, accumulate);
    else
        sum_quads_typed(DTYPE_BF16, pixels, c, top, bottom, dx, accumulate);
}

SIMD_INLINE void convert_row(enum dtype from, enum dtype to, int width, const void *x, void *y)
{
    EACH_LANES(width, i, count, { v_store(to, y, i, count, v_load(from, x, i, count)); });
}

static void rows_to_float(enum dtype type, int rows, int width, const void *x, int stride, float *y)
{
    for (int64_t row = 0; row < rows; row++)
        if (type == DTYPE_F32)
            copy_row((size_t)width * 4, at(type, x, row * stride), (char *)(y + row * width));
        else
            convert_row(DTYPE_BF16, DTYPE_F32, width, at(type, x, row * stride), y + row * width);
}

static void rows_from_float(enum dtype type, int rows, int width, const float *x, void *y,
                            int stride)
{
    for (int64_t row = 0; row < rows; row++)
        if (type == DTYPE_F32)
            copy_row((size_t)width * 4, (const char *)(x + row * width),
                     at_out(type, y, row * stride));
        else
            convert_row(DTYPE_F32, DTYPE_BF16, width, x + row * width,
                        at_out(type, y, row * stride));
}

SIMD_INLINE void softmax_row(enum dtype type, int width, float *s, void *probs)
{
    float top = s[0];
    for (int i = 1; i < width; i++)
        top = s[i] > top ? s[i] : top;
    vn sum = {0};
    EACH_LANES(width, i, count, {
        vn e = v_exp(v_loadf(s, i, count) - top);
        v_storef(s, i, count, e);
        sum += v_loadf(s, i, count); /* the lanes beyond the row are 0 */
    });
    float factor = 1.0f / v_sum(sum);
    EACH_LANES(width, i, count, { v_store(type, probs, i, count, v_loadf(s, i, count) * factor); });
}

static void softmax(enum dtype type, int rows, int width, float *s, void *probs)
{
    for (int64_t row = 0; row < rows; row++)
        if (type == DTYPE_F32)
            softmax_row(DTYPE_F32, width, s + row * width, at_out(type, probs, row * width));
        else
            softmax_row(DTYPE_BF16, width, s + row * width, at_out(type, probs, row * width));
}

static void softmax_slope(int rows, int width, float factor, const float *p, float *dp)
{
    for (int64_t row = 0; row < rows; row++, p += width, dp += width) {
        vn sum = {0};
        EACH_LANES(width, i, count, { sum += v_loadf(p, i, count) * v_loadf(dp, i, count); });
        float mean = v_sum(sum);
        EACH_LANES(width, i, count, {
            v_storef(dp, i, count, factor * v_loadf(p, i, count) * (v_loadf(dp, i, count) - mean));
        });
    }
}

SIMD_INLINE void dropout_typed(enum dtype type, int64_t n, float p, float factor, uint64_t seed,
                               uint64_t sample, uint32_t step, int64_t first, void *x)
{
    for (int64_t e = 0; e < n; e += 4 * LANES) {
        struct philox_lanes words =
            v_draw(seed, RNG_DROPOUT, sample, step, (uint32_t)((first + e) / 4));
        vn uniform[4];
        for (int w = 0; w < 4; w++)
            uniform[w] = v_uniform(words.v[w]);
        v_interleave(uniform);
        for (int w = 0; w < 4 && e + w * LANES < n; w++) {
            int64_t at = e + w * LANES;
            if (n - at >= LANES)
                v_store(type, x, at, LANES,
                        v_select(uniform[w] >= p, v_load(type, x, at, LANES) * factor, v_all(0)));
            else
                v_store(type, x, at, (int)(n - at),
                        v_select(uniform[w] >= p, v_load(type, x, at, (int)(n - at)) * factor,
                                 v_all(0)));
        }
    }
}

static void dropout(enum dtype type, int64_t n, float p, float factor, uint64_t seed,
                    uint64_t sample, uint32_t step, int64_t first, void *x)
{
    if (type == DTYPE_F32)
        dropout_typed(DTYPE_F32, n, p, factor, seed, sample, step, first, x);
    else
        dropout_typed(DTYPE_BF16, n, p, factor, seed, sample, step, first, x);
}

static double squared_error(int64_t n, const float *pred, const float *target, float scale,
                            float *dpred)
{
    double total = 0;
    for (int64_t first = 0; first < n; first += 256) { /* fp32 within, double between */
        int64_t rest = n - first < 256 ? n - first : 256;
        const float *a = pred + first, *b = target + first;
        vn sum = {0};
        EACH_LANES(rest, i, count, {
            vn difference = v_loadf(a, i, count) - v_loadf(b, i, count);
            sum += difference * difference;
            if (dpred)
                v_storef(dpred + first, i, count, 2.0f * scale * difference);
        });
        total += v_sum(sum);
    }
    return total;
}

const struct simd_nn SIMD_NAME(simd_nn) = {
    .silu = silu,
    .silu_slope = silu_slope,
    .add = add,
    .put_rows = put_rows,
    .sum_quads = sum_quads,
    .rows_to_float = rows_to_float,
    .rows_from_float = rows_from_float,
    .softmax = softmax,
    .softmax_slope = softmax_slope,
    .dropout = dropout,
    .squared_error = squared_error,
};
