/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/lpips.h"

#include <math.h>

static double length_of(const float *x, int channels)
{
    double sum = 0;
    for (int c = 0; c < channels; c++)
        sum += (double)x[c] * (double)x[c];
    return sqrt(sum) + 1e-10;
}

double lpips_tap(int64_t pixels, int channels, const float *a, const float *b, const float *weights)
{
    double total = 0;
    for (int64_t p = 0; p < pixels; p++, a += channels, b += channels) {
        double scale_a = 1 / length_of(a, channels), scale_b = 1 / length_of(b, channels);
        for (int c = 0; c < channels; c++) {
            double off = (double)a[c] * scale_a - (double)b[c] * scale_b;
            total += (double)weights[c] * off * off;
        }
    }
    return total / (double)pixels;
}
