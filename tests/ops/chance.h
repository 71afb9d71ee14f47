/* SPDX-License-Identifier: Apache-2.0
 * chance: what random numbers, conversions and sums of a device owe beside being near the
 * reference. */
#pragma once
#include "battery.h"

enum { DRAWS = 1 << 20 };

static float *device_floats(struct device *d, int64_t n, float value, float *host)
{
    for (int64_t i = 0; i < n; i++)
        host[i] = value;
    float *x = d->ops->alloc(d, (size_t)n * 4);
    d->ops->upload(d, x, host, (size_t)n * 4);
    return x;
}

/* Moments of sigma N(0,1) on a constant and products of neighbours; bounds are five standard
 * deviations of each. The same numbers come out when the samples are drawn in two calls. */
static void chance_normal(struct device *d)
{
    float *a = mem_alloc(DRAWS * 4), *b = mem_alloc(DRAWS * 4);
    float *x = device_floats(d, DRAWS, 3, a);
    const int per_sample = DRAWS / 64;
    double moment[5] = {0}, product[9] = {0};
    struct draw_key key[2] = {{1, 100, 5}, {1, 123, 5}}, *draw = on_device(d, key, sizeof key);
    d->ops->add_normal(d, 64, per_sample, 2, RNG_TEST, draw, x);
    d->ops->download(d, a, x, DRAWS * 4);
    for (int64_t i = 0; i < DRAWS; i++) {
        double z = (a[i] - 3) / 2;
        for (int k = 1; k < 5; k++)
            moment[k] += pow(z, k) / DRAWS;
        for (int lag = 1; lag < 9 && i >= lag; lag++)
            product[lag] += z * (a[i - lag] - 3) / 2 / DRAWS;
    }
    for (int lag = 1; lag < 9; lag++)
        CHECK_NEAR(product[lag], 0, 5 * sqrt(1.0 / DRAWS));
    CHECK_NEAR(moment[1], 0, 5 * sqrt(1.0 / DRAWS));
    CHECK_NEAR(moment[2], 1, 5 * sqrt(2.0 / DRAWS));
    CHECK_NEAR(moment[3], 0, 5 * sqrt(15.0 / DRAWS));
    CHECK_NEAR(moment[4], 3, 5 * sqrt(96.0 / DRAWS));
    d->ops->free(d, x);
    x = device_floats(d, DRAWS, 3, b);
    d->ops->add_normal(d, 23, per_sample, 2, RNG_TEST, draw, x);
    d->ops->add_normal(d, 41, per_sample, 2, RNG_TEST, draw + 1, x + 23 * per_sample);
    d->ops->download(d, b, x, DRAWS * 4);
    CHECK(memcmp(a, b, DRAWS * 4) == 0);
    d->ops->free(d, draw);
    d->ops->free(d, x);
    mem_free(a);
    mem_free(b);
}

/* The rate of dropout, its scale, and the same mask for a gradient. Layers and steps have masks of
 * their own. */
static void chance_dropout(struct device *d)
{
    const double p = 0.3;
    const int per_sample = DRAWS / 32;
    float *a = mem_alloc(DRAWS * 4), *b = mem_alloc(DRAWS * 4);
    float *x = device_floats(d, DRAWS, 7, a), *dx = device_floats(d, DRAWS, -1, b);
    struct draw_key draw = {1, 100, 5}, *at = on_device(d, &draw, sizeof draw);
    int64_t kept = 0, wrong = 0, other = 0;
    d->ops->dropout(d, 32, per_sample, DTYPE_F32, p, 2, at, x);
    d->ops->dropout(d, 32, per_sample, DTYPE_F32, p, 2, at, dx);
    d->ops->download(d, a, x, DRAWS * 4);
    d->ops->download(d, b, dx, DRAWS * 4);
    for (int64_t i = 0; i < DRAWS; i++) {
        kept += a[i] != 0;
        wrong += (a[i] != 0) != (b[i] != 0) || (a[i] != 0 && fabs(a[i] - 10) > 1e-5);
    }
    CHECK_NEAR((double)kept / DRAWS, 1 - p, 5 * sqrt(p * (1 - p) / DRAWS));
    CHECK(wrong == 0);
    d->ops->dropout(d, 32, per_sample, DTYPE_F32, p, 3, at,
                    dx); /* the next layer on top: independent */
    d->ops->download(d, b, dx, DRAWS * 4);
    for (int64_t i = 0; i < DRAWS; i++)
        other += b[i] != 0;
    CHECK_NEAR((double)other / DRAWS, (1 - p) * (1 - p), 5 * sqrt(0.49 * 0.51 / DRAWS));
    d->ops->free(d, at);
    d->ops->free(d, x);
    d->ops->free(d, dx);
    mem_free(a);
    mem_free(b);
}

/* fp32 and bf16 numbers below 1.2e-38, which a device may take for 0; told by their bits, for so
 * may this program. */
static int is_subnormal(enum dtype type, const void *array, int64_t i)
{
    if (type == DTYPE_F32)
        return (((const uint32_t *)array)[i] & 0x7f800000u) == 0;
    return type == DTYPE_BF16 && (((const uint16_t *)array)[i] & 0x7f80u) == 0;
}

/* Are the conversions those of base/half.h, bit for bit? NaN may carry any payload. */
static int64_t cast_differences(struct device *d, enum dtype from, enum dtype to, int64_t n,
                                const void *host)
{
    size_t in_bytes = (size_t)n * dtype_bytes(from), out_bytes = (size_t)n * dtype_bytes(to);
    char *x = d->ops->alloc(d, in_bytes), *y = d->ops->alloc(d, out_bytes),
         *got = mem_alloc(out_bytes);
    int64_t wrong = 0;
    d->ops->upload(d, x, host, in_bytes);
    d->ops->cast(d, n, from, x, to, y);
    d->ops->download(d, got, y, out_bytes);
    for (int64_t i = 0; i < n; i++) {
        char want[8];
        double value = element_read((int)from, host, i);
        element_write((int)to, want, 0, value);
        if (isnan(value))
            wrong += !isnan(element_read((int)to, got, i));
        else if (is_subnormal(from, host, i))
            wrong +=
                to == DTYPE_F16 ? element_read((int)to, got, i) != 0 : !is_subnormal(to, got, i);
        else
            wrong += memcmp(want, got + (size_t)i * dtype_bytes(to), dtype_bytes(to)) != 0;
    }
    d->ops->free(d, x);
    d->ops->free(d, y);
    mem_free(got);
    return wrong;
}

/* All 65536 patterns of the 16-bit types; for fp32 all exponents and signs with mantissas near the
 * rounding ties. */
static void chance_cast(struct device *d)
{
    static const enum dtype types[] = {DTYPE_F32, DTYPE_BF16, DTYPE_F16};
    enum { ALL = 65536, WIDE = 512 * 64 };
    uint16_t *narrow = mem_alloc(ALL * 2);
    uint32_t *wide = mem_alloc(WIDE * 4);
    for (uint32_t i = 0; i < ALL; i++)
        narrow[i] = (uint16_t)i;
    for (uint32_t i = 0; i < WIDE; i++) {
        struct rng4 r = rng_draw(3, RNG_TEST, 0, 0, i);
        uint32_t tie = i % 4 < 2 ? 0x8000u : 0x1000u, near = r.v[1] % 3 - 1;
        wide[i] = i / 64 << 23 | (((r.v[0] & (0u - 2 * tie)) + tie + near) & 0x7fffffu);
    }
    for (int from = 0; from < 3; from++)
        for (int to = 0; to < 3; to++) {
            int64_t wrong = from == 0 ? cast_differences(d, types[from], types[to], WIDE - 3, wide)
                                      : cast_differences(d, types[from], types[to], ALL, narrow);
            if (wrong)
                printf("%s: cast %d -> %d: %lld differ\n", d->name, from, to, (long long)wrong);
            CHECK(wrong == 0);
        }
    mem_free(narrow);
    mem_free(wide);
}

/* The sum of squares of a vector, for comparison between thread counts. */
static double chance_sum(struct device *d, int64_t n)
{
    float *host = mem_alloc((size_t)n * 4), *x = d->ops->alloc(d, (size_t)n * 4);
    double *sum = d->ops->alloc(d, sizeof *sum), result;
    for (int64_t i = 0; i < n; i++)
        host[i] = (float)random_normal(1, i);
    d->ops->upload(d, x, host, (size_t)n * 4);
    d->ops->sum_squares(d, n, x, sum);
    d->ops->download(d, &result, sum, sizeof result);
    d->ops->free(d, x);
    d->ops->free(d, sum);
    mem_free(host);
    return result;
}

static void chance_threads(const char *name)
{
    double first = 0;
    for (int threads = 1; threads <= 4; threads++) {
        struct device *d;
        if (device_open(name, threads, 0, 1, &d))
            exit(EXIT_FAILURE);
        double sum = chance_sum(d, 1000003);
        if (threads == 1)
            first = sum;
        CHECK(memcmp(&sum, &first, sizeof sum) == 0);
        device_close(d);
    }
}
