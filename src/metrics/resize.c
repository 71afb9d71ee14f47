/* SPDX-License-Identifier: Apache-2.0
 * Both kinds are separable: every output row (or column) is a weighted mean of neighbouring input
 * rows. Output i looks at place (i + 1/2) in/out, in units of input pixels, whose centres are at
 * halves. */
#include "metrics/resize.h"

#include <math.h>
#include <stddef.h>

#include "base/mem.h"

static double triangle(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/* Weights of output i. Pillow drops what lies outside the image and makes the sum one; torch's
 * bilinear repeats the edge, which for a triangle of two taps is the same. */
static void make_weights(struct resize *r, enum resize_kind kind, int i, double stretch,
                         double reach)
{
    double centre = (i + 0.5) * r->in / r->out, sum = 0;
    int first = (int)fmax(0, floor(centre - reach + 0.5));
    int last = (int)fmin(r->in, floor(centre + reach + 0.5));
    r->first[i] = first;
    for (int pass = 0; pass < 2; pass++)
        for (int k = first; k < last; k++) {
            double x = (k + 0.5 - centre) / stretch;
            double w = kind == RESIZE_POINT ? triangle(x) : cubic(x);
            if (pass == 0)
                sum += w;
            else
                r->weights[i * r->taps + k - first] = (float)(w / sum);
        }
}

struct resize resize_create(enum resize_kind kind, int in, int out, int channels)
{
    double scale = (double)in / out, stretch = kind == RESIZE_BICUBIC ? fmax(scale, 1) : 1;
    double reach = kind == RESIZE_POINT ? 1 : 2 * stretch;
    struct resize r = {.in = in, .out = out, .taps = (int)ceil(reach) * 2 + 1};
    r.first = mem_alloc((size_t)out * sizeof *r.first);
    r.weights = mem_zalloc((size_t)out * (size_t)r.taps * sizeof *r.weights);
    r.rows = mem_alloc((size_t)in * (size_t)out * (size_t)channels * sizeof *r.rows);
    for (int i = 0; i < out; i++)
        make_weights(&r, kind, i, stretch, reach);
    return r;
}

void resize_free(struct resize *r)
{
    mem_free(r->first);
    mem_free(r->weights);
    mem_free(r->rows);
}

void resize_run(const struct resize *r, int channels, const float *x, float *y)
{
    for (int row = 0; row < r->in; row++)
        for (int i = 0; i < r->out; i++)
            for (int c = 0; c < channels; c++) {
                float sum = 0;
                for (int k = 0; k < r->taps && r->first[i] + k < r->in; k++)
                    sum += r->weights[i * r->taps + k] *
                           x[(row * r->in + r->first[i] + k) * channels + c];
                r->rows[(row * r->out + i) * channels + c] = sum;
            }
    int width = r->out * channels;
    for (int i = 0; i < r->out; i++)
        for (int j = 0; j < width; j++) {
            float sum = 0;
            for (int k = 0; k < r->taps && r->first[i] + k < r->in; k++)
                sum += r->weights[i * r->taps + k] * r->rows[(r->first[i] + k) * width + j];
            y[i * width + j] = sum;
        }
}
