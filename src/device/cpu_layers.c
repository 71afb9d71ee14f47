/* SPDX-License-Identifier: Apache-2.0
 * The small layers: copies, activation, level embedding, resampling, joining, dropout, loss. Each
 * deals out rows or blocks to the threads; the arithmetic is in simd/nn.c. */
#include <math.h>
#include <string.h>

#include "device/cpu.h"

enum { BLOCK = 16384, COPY_BLOCK = 1 << 16 };

static int64_t blocks_of(int64_t n, int64_t block)
{
    return (n + block - 1) / block;
}

static int64_t block_length(int64_t n, int64_t first, int64_t block)
{
    return n - first < block ? n - first : block;
}

/* Byte offset of element i. */
static int64_t bytes_of(enum dtype type, int64_t i)
{
    return i * (int64_t)dtype_bytes(type);
}

void cpu_copy(struct device *d, void *dst, const void *src, size_t bytes)
{
    int64_t n = (int64_t)bytes, blocks = blocks_of(n, COPY_BLOCK);
#pragma omp parallel for num_threads(d->threads) schedule(static) if (blocks > 1)
    for (int64_t b = 0; b < blocks; b++)
        memcpy((char *)dst + b * COPY_BLOCK, (const char *)src + b * COPY_BLOCK,
               (size_t)block_length(n, b * COPY_BLOCK, COPY_BLOCK));
}

void cpu_zero(struct device *d, void *dst, size_t bytes)
{
    int64_t n = (int64_t)bytes, blocks = blocks_of(n, COPY_BLOCK);
#pragma omp parallel for num_threads(d->threads) schedule(static) if (blocks > 1)
    for (int64_t b = 0; b < blocks; b++)
        memset((char *)dst + b * COPY_BLOCK, 0,
               (size_t)block_length(n, b * COPY_BLOCK, COPY_BLOCK));
}

void cpu_silu_forward(struct device *d, int64_t n, const float *x, float *y)
{
    const struct simd_nn *simd = cpu_of(d)->nn;
    int64_t blocks = blocks_of(n, BLOCK);
#pragma omp parallel for num_threads(d->threads) schedule(static) if (blocks > 1)
    for (int64_t b = 0; b < blocks; b++)
        simd->silu(block_length(n, b * BLOCK, BLOCK), x + b * BLOCK, y + b * BLOCK);
}

void cpu_silu_backward(struct device *d, int64_t n, const float *x, const float *dy, float *dx,
                       int accumulate)
{
    const struct simd_nn *simd = cpu_of(d)->nn;
    int64_t blocks = blocks_of(n, BLOCK);
#pragma omp parallel for num_threads(d->threads) schedule(static) if (blocks > 1)
    for (int64_t b = 0; b < blocks; b++)
        simd->silu_slope(block_length(n, b * BLOCK, BLOCK), x + b * BLOCK, dy + b * BLOCK,
                         dx + b * BLOCK, accumulate);
}

void cpu_embed(struct device *d, int n, int dim, const int32_t *level, float *y)
{
    int half = dim / 2;
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int j = 0; j < half; j++) {
        double frequency = pow(10000, -(double)j / half);
        for (int i = 0; i < n; i++) {
            y[(int64_t)i * dim + j] = (float)cos(level[i] * frequency);
            y[(int64_t)i * dim + half + j] = (float)sin(level[i] * frequency);
        }
    }
}

void cpu_upsample_forward(struct device *d, int n, int h, int w, int c, enum dtype type,
                          const void *x, void *y)
{
    const struct simd_nn *simd = cpu_of(d)->nn;
    int64_t row_bytes = bytes_of(type, (int64_t)w * c);
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int64_t row = 0; row < (int64_t)n * h; row++) {
        const char *from = (const char *)x + row * row_bytes;
        char *to = (char *)y + row * 4 * row_bytes;
        simd->put_rows(type, w, c, from, c, to, 2 * c, 0);
        simd->put_rows(type, w, c, from, c, to + bytes_of(type, c), 2 * c, 0);
        memcpy(to + 2 * row_bytes, to, (size_t)(2 * row_bytes));
    }
}

void cpu_upsample_backward(struct device *d, int n, int h, int w, int c, enum dtype type,
                           const void *dy, void *dx, int accumulate)
{
    const struct simd_nn *simd = cpu_of(d)->nn;
    int64_t row_bytes = bytes_of(type, (int64_t)w * c);
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int64_t row = 0; row < (int64_t)n * h; row++) {
        const char *from = (const char *)dy + row * 4 * row_bytes;
        simd->sum_quads(type, w, c, from, from + 2 * row_bytes, (char *)dx + row * row_bytes,
                        accumulate);
    }
}

/* Columns of a matrix of rows of `from` elements to columns of one of rows of `to`. */
static void put_columns(struct device *d, enum dtype type, int64_t rows, int width, const void *src,
                        int src_stride, void *dst, int dst_stride, int accumulate)
{
    const struct simd_nn *simd = cpu_of(d)->nn;
    enum { ROWS = 256 };
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int64_t b = 0; b < blocks_of(rows, ROWS); b++)
        simd->put_rows(type, block_length(rows, b * ROWS, ROWS), width,
                       (const char *)src + bytes_of(type, b * ROWS * src_stride), src_stride,
                       (char *)dst + bytes_of(type, b * ROWS * dst_stride), dst_stride, accumulate);
}

void cpu_concat_forward(struct device *d, int64_t rows, int ca, int cb, enum dtype type,
                        const void *a, const void *b, void *y)
{
    put_columns(d, type, rows, ca, a, ca, y, ca + cb, 0);
    put_columns(d, type, rows, cb, b, cb, (char *)y + bytes_of(type, ca), ca + cb, 0);
}

void cpu_concat_backward(struct device *d, int64_t rows, int ca, int cb, enum dtype type,
                         const void *dy, void *da, int accumulate_a, void *db, int accumulate_b)
{
    put_columns(d, type, rows, ca, dy, ca + cb, da, ca, accumulate_a);
    put_columns(d, type, rows, cb, (const char *)dy + bytes_of(type, ca), ca + cb, db, cb,
                accumulate_b);
}

void cpu_add(struct device *d, int64_t n, enum dtype type, const void *x, void *y)
{
    const struct simd_nn *simd = cpu_of(d)->nn;
    int64_t block_bytes = bytes_of(type, BLOCK);
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int64_t b = 0; b < blocks_of(n, BLOCK); b++)
        simd->add(type, block_length(n, b * BLOCK, BLOCK), (const char *)x + b * block_bytes,
                  (char *)y + b * block_bytes);
}

void cpu_dropout(struct device *d, int n, int64_t per_sample, enum dtype type, double p, int layer,
                 const struct draw_key *draw, void *x)
{
    const struct simd_nn *simd = cpu_of(d)->nn;
    int64_t blocks = blocks_of(per_sample, BLOCK);
#pragma omp parallel for collapse(2) num_threads(d->threads) schedule(static)
    for (int i = 0; i < n; i++)
        for (int64_t b = 0; b < blocks; b++)
            simd->dropout(type, block_length(per_sample, b * BLOCK, BLOCK), (float)p,
                          (float)(1 / (1 - p)), draw->seed,
                          (uint64_t)(draw->first_sample + i) + ((uint64_t)layer << 32), draw->step,
                          b * BLOCK, (char *)x + bytes_of(type, i * per_sample + b * BLOCK));
}

void cpu_squared_error(struct device *d, int n, int64_t per_sample, const float *pred,
                       const float *target, double scale, float *loss, float *dpred)
{
    const struct simd_nn *simd = cpu_of(d)->nn;
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int i = 0; i < n; i++) {
        int64_t first = i * per_sample;
        loss[i] = (float)simd->squared_error(per_sample, pred + first, target + first, (float)scale,
                                             dpred ? dpred + first : NULL);
    }
}
