/* SPDX-License-Identifier: Apache-2.0
 * ReLU, pooling and the mean over all pixels, fp32, channels innermost: rows of an image's windows
 * are combined channel by channel, which the compiler vectorises. Bound by memory. */
#include <omp.h>
#include <string.h>

#include "device/cpu.h"

void cpu_relu(struct device *d, int64_t n, const float *x, float *y)
{
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] > 0 ? x[i] : 0;
}

static int limit(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* One output pixel y [c] of image x [h,w,c]: the window of which begins at row y0, column x0. */
static void pool_pixel(const struct pool_shape *s, const float *x, int y0, int x0, float *y)
{
    int top = limit(y0, 0, s->h), bottom = limit(y0 + s->kernel, 0, s->h);
    int left = limit(x0, 0, s->w), right = limit(x0 + s->kernel, 0, s->w), c = s->c;
    int taps = s->kind == POOL_MEAN_INSIDE ? (bottom - top) * (right - left)
                                           : (limit(y0 + s->kernel, y0, s->h + s->pad) - y0) *
                                                 (limit(x0 + s->kernel, x0, s->w + s->pad) - x0);
    memcpy(y, x + ((int64_t)top * s->w + left) * c, (size_t)c * sizeof *y);
    for (int row = top; row < bottom; row++)
        for (int column = left; column < right; column++) {
            const float *in = x + ((int64_t)row * s->w + column) * c;
            if (row == top && column == left)
                continue;
            if (s->kind == POOL_MAX)
                for (int i = 0; i < c; i++)
                    y[i] = in[i] > y[i] ? in[i] : y[i];
            else
                for (int i = 0; i < c; i++)
                    y[i] += in[i];
        }
    for (int i = 0; s->kind != POOL_MAX && i < c; i++)
        y[i] /= (float)taps;
}

void cpu_pool(struct device *d, const struct pool_shape *s, const float *x, float *y)
{
    int out_h = pool_out(s->h, s), out_w = pool_out(s->w, s);
    int64_t image = (int64_t)s->h * s->w * s->c;
#pragma omp parallel for num_threads(d->threads) collapse(2) schedule(static)
    for (int n = 0; n < s->n; n++)
        for (int row = 0; row < out_h; row++)
            for (int column = 0; column < out_w; column++)
                pool_pixel(s, x + n * image, row * s->stride - s->pad, column * s->stride - s->pad,
                           y + (((int64_t)n * out_h + row) * out_w + column) * s->c);
}

void cpu_pixel_mean(struct device *d, int n, int hw, int c, const float *x, float *y)
{
    enum { LANES = 64 };
    int groups = (c + LANES - 1) / LANES;
#pragma omp parallel for num_threads(d->threads) collapse(2) schedule(static)
    for (int image = 0; image < n; image++)
        for (int g = 0; g < groups; g++) {
            double sum[LANES] = {0};
            int first = g * LANES, lanes = c - first < LANES ? c - first : LANES;
            for (int p = 0; p < hw; p++) {
                const float *in = x + ((int64_t)image * hw + p) * c + first;
                for (int i = 0; i < lanes; i++)
                    sum[i] += (double)in[i];
            }
            for (int i = 0; i < lanes; i++)
                y[(int64_t)image * c + first + i] = (float)(sum[i] / hw);
        }
}
