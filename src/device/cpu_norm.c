/* SPDX-License-Identifier: Apache-2.0
 * Group norm with SiLU (formulas: ref_norm.c). An image is cut into chunks of pixels, by its shape
 * alone. Forward: mean and squared deviations of each channel of each chunk; merged into channels
 * and groups in double; then one pass that applies y = silu(a x + b). Shift moves a channel's mean
 * and nothing else. Backward the same way: sums of each chunk, merged, then one pass. With at least
 * as many images as threads an image stays in its thread's cache for all of this; otherwise the
 * threads share the chunks of an image. */
#include <math.h>
#include <string.h>

#include "device/cpu.h"

enum { CHUNK_PIXELS = 1024 };

static int chunks_of(const struct norm_shape *s)
{
    return (s->hw + CHUNK_PIXELS - 1) / CHUNK_PIXELS;
}

static int chunk_pixels(const struct norm_shape *s, int chunk)
{
    int rest = s->hw - chunk * CHUNK_PIXELS;
    return rest < CHUNK_PIXELS ? rest : CHUNK_PIXELS;
}

/* First byte of a chunk of an image. */
static int64_t chunk_at(const struct norm_shape *s, int image, int chunk)
{
    return ((int64_t)image * s->hw + (int64_t)chunk * CHUNK_PIXELS) * s->c *
           (int64_t)dtype_bytes(s->type);
}

/* One call; scratch areas are per image. */
struct norm_call {
    const struct norm_shape *s;
    const struct simd_norm *simd;
    const void *x, *dy;
    const float *shift, *gamma, *beta;
    void *y; /* or dx */
    int accumulate;
    float *stats, *dshift;
    float *scratch; /* [n][floats_per_image] */
    int64_t floats_per_image;
};

static float *image_scratch(const struct norm_call *k, int image)
{
    return k->scratch + (int64_t)image * k->floats_per_image;
}

static float shift_of(const struct norm_call *k, int image, int c)
{
    return k->shift ? k->shift[(int64_t)image * k->s->c + c] : 0.0f;
}

/* Forward scratch of an image: scale [c], offset [c], then mean [c], m2 [c] of each chunk. */
static void chunk_moments(const struct norm_call *k, int image, int chunk)
{
    int c = k->s->c;
    float *part = image_scratch(k, image) + 2 * c + (int64_t)chunk * 2 * c;
    k->simd->moments(k->s->type, chunk_pixels(k->s, chunk), c,
                     (const char *)k->x + chunk_at(k->s, image, chunk), part, part + c);
}

/* Mean and squared deviations of one channel over the chunks. */
static void merge_channel(const struct norm_call *k, const float *parts, int c, double *mean,
                          double *m2)
{
    double sum = 0, squares = 0;
    for (int chunk = 0; chunk < chunks_of(k->s); chunk++)
        sum += (double)parts[(int64_t)chunk * 2 * k->s->c + c] * chunk_pixels(k->s, chunk);
    *mean = sum / k->s->hw;
    for (int chunk = 0; chunk < chunks_of(k->s); chunk++) {
        const float *part = parts + (int64_t)chunk * 2 * k->s->c;
        double delta = part[c] - *mean;
        squares += part[k->s->c + c] + delta * delta * chunk_pixels(k->s, chunk);
    }
    *m2 = squares;
}

static void merge_group(const struct norm_call *k, int image, int group)
{
    const struct norm_shape *s = k->s;
    int width = s->c / s->groups, first = group * width;
    float *scale = image_scratch(k, image), *offset = scale + s->c;
    const float *parts = scale + 2 * s->c;
    double mean = 0, m2 = 0, channel_mean, channel_m2;
    for (int c = first; c < first + width; c++) {
        merge_channel(k, parts, c, &channel_mean, &channel_m2);
        mean += (channel_mean + shift_of(k, image, c)) / width;
    }
    for (int c = first; c < first + width; c++) {
        merge_channel(k, parts, c, &channel_mean, &channel_m2);
        double delta = channel_mean + shift_of(k, image, c) - mean;
        m2 += channel_m2 + delta * delta * s->hw;
    }
    double rstd = 1 / sqrt(m2 / ((double)s->hw * width) + s->eps);
    float *stat = k->stats + 2 * ((int64_t)image * s->groups + group);
    stat[0] = (float)mean;
    stat[1] = (float)rstd;
    for (int c = first; c < first + width; c++) {
        scale[c] = (float)(k->gamma[c] * rstd);
        offset[c] = (float)(k->beta[c] + k->gamma[c] * (shift_of(k, image, c) - mean) * rstd);
    }
}

static void image_stats(const struct norm_call *k, int image)
{
    for (int group = 0; group < k->s->groups; group++)
        merge_group(k, image, group);
}

static void chunk_apply(const struct norm_call *k, int image, int chunk)
{
    const float *scale = image_scratch(k, image);
    int64_t at = chunk_at(k->s, image, chunk);
    k->simd->apply(k->s->type, k->s->silu, chunk_pixels(k->s, chunk), k->s->c,
                   (const char *)k->x + at, scale, scale + k->s->c, (char *)k->y + at);
}

struct norm_steps {
    void (*before)(const struct norm_call *, int image, int chunk);
    void (*between)(const struct norm_call *, int image);
    void (*after)(const struct norm_call *, int image, int chunk);
};

static void run_by_image(const struct norm_call *k, const struct norm_steps *steps, int threads)
{
    int chunks = chunks_of(k->s);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int image = 0; image < k->s->n; image++) {
        for (int chunk = 0; chunk < chunks; chunk++)
            steps->before(k, image, chunk);
        steps->between(k, image);
        for (int chunk = 0; chunk < chunks; chunk++)
            steps->after(k, image, chunk);
    }
}

static void run_by_chunk(const struct norm_call *k, const struct norm_steps *steps, int threads)
{
    int chunks = chunks_of(k->s);
#pragma omp parallel num_threads(threads)
    for (int image = 0; image < k->s->n; image++) {
#pragma omp for schedule(static)
        for (int chunk = 0; chunk < chunks; chunk++)
            steps->before(k, image, chunk);
#pragma omp single
        steps->between(k, image);
#pragma omp for schedule(static)
        for (int chunk = 0; chunk < chunks; chunk++)
            steps->after(k, image, chunk);
    }
}

static void run(const struct norm_call *k, const struct norm_steps *steps, int threads)
{
    if (k->s->n >= threads || chunks_of(k->s) == 1)
        run_by_image(k, steps, threads);
    else
        run_by_chunk(k, steps, threads);
}

void cpu_norm_forward(struct device *d, const struct norm_shape *s, const void *x,
                      const float *shift, const float *gamma, const float *beta, void *y,
                      float *stats)
{
    struct norm_call k = {.s = s,
                          .simd = cpu_of(d)->norm,
                          .x = x,
                          .shift = shift,
                          .gamma = gamma,
                          .beta = beta,
                          .y = y,
                          .stats = stats};
    k.floats_per_image = 2 * (int64_t)s->c * (1 + chunks_of(s));
    k.scratch = cpu_scratch(d, (size_t)(k.floats_per_image * s->n) * sizeof(float));
    run(&k, &(struct norm_steps){chunk_moments, image_stats, chunk_apply}, d->threads);
}

/* Backward scratch of an image, vectors [c]: scale and offset of xhat = x scale + offset; slope,
 * level, tilt of the last pass; the image's sums of da and da xhat; then the three sums of each
 * chunk. */
enum { SCALE, OFFSET, SLOPE, LEVEL, TILT, SUM_DA, SUM_DA_XHAT, VECTORS };

static void image_coefficients(const struct norm_call *k, int image)
{
    const struct norm_shape *s = k->s;
    float *v = image_scratch(k, image);
    for (int c = 0; c < s->c; c++) {
        const float *stat = k->stats + 2 * ((int64_t)image * s->groups + c / (s->c / s->groups));
        v[SCALE * s->c + c] = stat[1];
        v[OFFSET * s->c + c] = (shift_of(k, image, c) - stat[0]) * stat[1];
    }
}

static struct norm_coefficients coefficients(const struct norm_call *k, int image)
{
    const float *v = image_scratch(k, image);
    return (struct norm_coefficients){v + SCALE * k->s->c, v + OFFSET * k->s->c, k->gamma, k->beta};
}

static void chunk_sums(const struct norm_call *k, int image, int chunk)
{
    struct norm_coefficients coef = coefficients(k, image);
    int64_t at = chunk_at(k->s, image, chunk);
    float *sums = image_scratch(k, image) + (VECTORS + 3 * (int64_t)chunk) * k->s->c;
    k->simd->sums(k->s->type, k->s->silu, chunk_pixels(k->s, chunk), k->s->c,
                  (const char *)k->x + at, (const char *)k->dy + at, &coef, sums);
}

static double chunk_total(const struct norm_call *k, int image, int which, int c)
{
    const float *sums = image_scratch(k, image) + VECTORS * (int64_t)k->s->c;
    double total = 0;
    for (int chunk = 0; chunk < chunks_of(k->s); chunk++)
        total += sums[(3 * (int64_t)chunk + which) * k->s->c + c];
    return total;
}

static void group_slopes(const struct norm_call *k, int image, int group)
{
    const struct norm_shape *s = k->s;
    int width = s->c / s->groups, first = group * width;
    float *v = image_scratch(k, image);
    double count = (double)s->hw * width, mean = 0, slope = 0;
    double rstd = k->stats[2 * ((int64_t)image * s->groups + group) + 1];
    for (int c = first; c < first + width; c++) {
        double da = chunk_total(k, image, 0, c), da_xhat = chunk_total(k, image, 1, c);
        v[SUM_DA * s->c + c] = (float)da;
        v[SUM_DA_XHAT * s->c + c] = (float)da_xhat;
        mean += k->gamma[c] * da / count;
        slope += k->gamma[c] * da_xhat / count;
    }
    for (int c = first; c < first + width; c++) {
        v[SLOPE * s->c + c] = (float)(rstd * k->gamma[c]);
        v[LEVEL * s->c + c] = (float)(rstd * mean);
        v[TILT * s->c + c] = (float)(rstd * slope);
        if (k->dshift)
            k->dshift[(int64_t)image * s->c + c] =
                (float)(rstd * (k->gamma[c] * chunk_total(k, image, 0, c) - s->hw * mean -
                                slope * chunk_total(k, image, 2, c)));
    }
}

static void image_slopes(const struct norm_call *k, int image)
{
    for (int group = 0; group < k->s->groups; group++)
        group_slopes(k, image, group);
}

static void chunk_gradient(const struct norm_call *k, int image, int chunk)
{
    struct norm_coefficients coef = coefficients(k, image);
    const float *v = image_scratch(k, image);
    int c = k->s->c;
    int64_t at = chunk_at(k->s, image, chunk);
    k->simd->gradient(k->s->type, k->s->silu, k->accumulate, chunk_pixels(k->s, chunk), c,
                      (const char *)k->x + at, (const char *)k->dy + at, &coef, v + SLOPE * c,
                      v + LEVEL * c, v + TILT * c, (char *)k->y + at);
}

void cpu_norm_backward(struct device *d, const struct norm_shape *s, const void *x,
                       const float *shift, const float *gamma, const float *beta,
                       const float *stats, const void *dy, void *dx, int accumulate, float *dgamma,
                       float *dbeta, float *dshift)
{
    struct norm_call k = {.s = s,
                          .simd = cpu_of(d)->norm,
                          .x = x,
                          .dy = dy,
                          .shift = shift,
                          .gamma = gamma,
                          .beta = beta,
                          .y = dx,
                          .accumulate = accumulate,
                          .dshift = dshift};
    k.stats = (float *)(uintptr_t)stats; /* only read here */
    k.floats_per_image = (VECTORS + 3 * (int64_t)chunks_of(s)) * s->c;
    k.scratch = cpu_scratch(d, (size_t)(k.floats_per_image * s->n) * sizeof(float));
    for (int image = 0; image < s->n; image++)
        image_coefficients(&k, image);
    run(&k, &(struct norm_steps){chunk_sums, image_slopes, chunk_gradient}, d->threads);
    for (int c = 0; c < s->c; c++) {
        double da = 0, da_xhat = 0;
        for (int image = 0; image < s->n; image++) {
            da += image_scratch(&k, image)[SUM_DA * s->c + c];
            da_xhat += image_scratch(&k, image)[SUM_DA_XHAT * s->c + c];
        }
        dbeta[c] += (float)da;
        dgamma[c] += (float)da_xhat;
    }
}
