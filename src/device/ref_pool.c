/* SPDX-License-Identifier: Apache-2.0
 * What networks that judge images need beside convolutions: ReLU, pooling, the mean over all
 * pixels. */

#include "device/ref.h"

void ref_relu(struct device *d, int64_t n, const float *x, float *y)
{
    (void)d;
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] > 0 ? x[i] : 0;
}

/* One output: the window begins at row y0, column x0 of image x [h,w,c], which may lie outside. */
static double pool_window(const struct pool_shape *s, const float *x, int y0, int x0, int c)
{
    double sum = 0, most = -INFINITY;
    int inside = 0, counted = 0;
    for (int row = y0; row < y0 + s->kernel; row++)
        for (int column = x0; column < x0 + s->kernel; column++) {
            counted += row < s->h + s->pad && column < s->w + s->pad;
            if (row < 0 || row >= s->h || column < 0 || column >= s->w)
                continue;
            double value = x[((int64_t)row * s->w + column) * s->c + c];
            inside++;
            sum += value;
            most = fmax(most, value);
        }
    return s->kind == POOL_MAX ? most : sum / (s->kind == POOL_MEAN ? counted : inside);
}

void ref_pool(struct device *d, const struct pool_shape *s, const float *x, float *y)
{
    (void)d;
    int out_h = pool_out(s->h, s), out_w = pool_out(s->w, s);
    for (int n = 0; n < s->n; n++)
        for (int row = 0; row < out_h; row++)
            for (int column = 0; column < out_w; column++)
                for (int c = 0; c < s->c; c++)
                    *y++ = (float)pool_window(s, x + (int64_t)n * s->h * s->w * s->c,
                                              row * s->stride - s->pad, column * s->stride - s->pad,
                                              c);
}

void ref_pixel_mean(struct device *d, int n, int hw, int c, const float *x, float *y)
{
    (void)d;
    for (int image = 0; image < n; image++)
        for (int i = 0; i < c; i++) {
            double sum = 0;
            for (int p = 0; p < hw; p++)
                sum += x[((int64_t)image * hw + p) * c + i];
            *y++ = (float)(sum / hw);
        }
}
