/* SPDX-License-Identifier: Apache-2.0
 * Both kinds are separable: every output row (or column) is a weighted mean of neighbouring input
 * rows. Output i looks at place (i + 1/2) in/out, in units of input pixels, whose centres are at
 * halves. */
#include "metrics/resize.h"

#include <math.h>
#include <stddef.h>

#include "base/mem.h"

/* The weighted means along one axis. */
struct axis {
    int in, out, taps; /* pixels; inputs that an output needs at most */
    int *first;        /* [out] */
    float *weights;    /* [out, taps], 0 where there is none */
};

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
static void make_weights(struct axis *a, enum resize_kind kind, int i, double stretch, double reach)
{
    double centre = (i + 0.5) * a->in / a->out, sum = 0;
    int first = (int)fmax(0, floor(centre - reach + 0.5));
    int last = (int)fmin(a->in, floor(centre + reach + 0.5));
    a->first[i] = first;
    for (int pass = 0; pass < 2; pass++)
        for (int k = first; k < last; k++) {
            double x = (k + 0.5 - centre) / stretch;
            double w = kind == RESIZE_POINT ? triangle(x) : cubic(x);
            if (pass == 0)
                sum += w;
            else
                a->weights[i * a->taps + k - first] = (float)(w / sum);
        }
}

static struct axis axis_create(enum resize_kind kind, int in, int out)
{
    double scale = (double)in / out, stretch = kind == RESIZE_BICUBIC ? fmax(scale, 1) : 1;
    double reach = kind == RESIZE_POINT ? 1 : 2 * stretch;
    struct axis a = {.in = in, .out = out, .taps = (int)ceil(reach) * 2 + 1};
    a.first = mem_alloc((size_t)out * sizeof *a.first);
    a.weights = mem_zalloc((size_t)out * (size_t)a.taps * sizeof *a.weights);
    for (int i = 0; i < out; i++)
        make_weights(&a, kind, i, stretch, reach);
    return a;
}

static void axis_free(struct axis *a)
{
    mem_free(a->first);
    mem_free(a->weights);
}

/* y [out, n]: means over the axis of x [in, n]. */
static void apply(const struct axis *a, int n, const float *x, float *y)
{
    for (int i = 0; i < a->out; i++)
        for (int j = 0; j < n; j++) {
            float sum = 0;
            for (int k = 0; k < a->taps && a->first[i] + k < a->in; k++)
                sum += a->weights[i * a->taps + k] *
                       x[(size_t)(a->first[i] + k) * (size_t)n + (size_t)j];
            y[(size_t)i * (size_t)n + (size_t)j] = sum;
        }
}

void resize(enum resize_kind kind, int height, int width, int channels, const float *x, int side,
            float *y)
{
    struct axis columns = axis_create(kind, width, side), rows = axis_create(kind, height, side);
    size_t line = (size_t)side * (size_t)channels;
    float *narrow = mem_alloc((size_t)height * line * sizeof *narrow);
    for (int row = 0; row < height; row++)
        apply(&columns, channels, x + (size_t)row * (size_t)width * (size_t)channels,
              narrow + (size_t)row * line);
    apply(&rows, (int)line, narrow, y);
    mem_free(narrow);
    axis_free(&columns);
    axis_free(&rows);
}
