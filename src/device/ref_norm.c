/* SPDX-License-Identifier: Apache-2.0
 * Group norm (Wu and He, "Group normalization", ECCV 2018) of z = x + shift, an affine map a
 * channel, SiLU if asked:
 *
 *     xhat = (z - mean) rstd,   a = gamma xhat + beta,   y = silu(a) or a
 *
 * mean and variance (biased, of the deviations from the mean) over the pixels and channels of a
 * group of an image; rstd = 1/sqrt(variance + eps). With da = dL/da and <.> the mean over the
 * group:
 *
 *     dz = rstd (gamma da - <gamma da> - xhat <gamma da xhat>),   dx = dz,   dshift = sum over
 * pixels of dz
 *
 * Channels c/groups apart belong to different groups; x [n,hw,c]. */
#include "device/ref.h"

/* One call's arrays; the loops below ask for single elements. */
struct norm {
    const struct norm_shape *s;
    const void *x, *dy;
    const float *shift, *gamma, *beta, *stats;
};

static int64_t at(const struct norm_shape *s, int n, int p, int c)
{
    return ((int64_t)n * s->hw + p) * s->c + c;
}

static double input(const struct norm *k, int n, int p, int c)
{
    double x = ref_load(k->s->type, k->x, at(k->s, n, p, c));
    return k->shift ? x + k->shift[(int64_t)n * k->s->c + c] : x;
}

static double normalised(const struct norm *k, int n, int p, int c)
{
    const float *stat = k->stats + 2 * ((int64_t)n * k->s->groups + c / (k->s->c / k->s->groups));
    return (input(k, n, p, c) - stat[0]) * stat[1];
}

/* da: the gradient behind SiLU and before the affine map. */
static double affine_gradient(const struct norm *k, int n, int p, int c)
{
    double dy = ref_load(k->s->type, k->dy, at(k->s, n, p, c));
    if (!k->s->silu)
        return dy;
    return dy * ref_silu_slope(k->gamma[c] * normalised(k, n, p, c) + k->beta[c]);
}

static void group_stats(const struct norm *k, int n, int group, float *stat)
{
    int width = k->s->c / k->s->groups, first = group * width;
    double count = (double)k->s->hw * width, mean = 0, variance = 0;
    for (int p = 0; p < k->s->hw; p++)
        for (int c = first; c < first + width; c++)
            mean += input(k, n, p, c) / count;
    for (int p = 0; p < k->s->hw; p++)
        for (int c = first; c < first + width; c++) {
            double deviation = input(k, n, p, c) - mean;
            variance += deviation * deviation / count;
        }
    stat[0] = (float)mean;
    stat[1] = (float)(1 / sqrt(variance + k->s->eps));
}

void ref_norm_forward(struct device *d, const struct norm_shape *s, const void *x,
                      const float *shift, const float *gamma, const float *beta, void *y,
                      float *stats)
{
    (void)d;
    struct norm k = {.s = s, .x = x, .shift = shift, .gamma = gamma, .beta = beta, .stats = stats};
    for (int n = 0; n < s->n; n++)
        for (int group = 0; group < s->groups; group++)
            group_stats(&k, n, group, stats + 2 * ((int64_t)n * s->groups + group));
    for (int n = 0; n < s->n; n++)
        for (int p = 0; p < s->hw; p++)
            for (int c = 0; c < s->c; c++) {
                double a = gamma[c] * normalised(&k, n, p, c) + beta[c];
                ref_store(s->type, y, at(s, n, p, c), s->silu ? a * ref_sigmoid(a) : a);
            }
}

static void group_backward(const struct norm *k, int n, int group, void *dx, int accumulate,
                           float *dshift)
{
    int width = k->s->c / k->s->groups, first = group * width;
    double count = (double)k->s->hw * width, mean = 0, slope = 0,
           rstd = k->stats[2 * ((int64_t)n * k->s->groups + group) + 1];
    for (int p = 0; p < k->s->hw; p++)
        for (int c = first; c < first + width; c++) {
            double dxhat = k->gamma[c] * affine_gradient(k, n, p, c);
            mean += dxhat / count;
            slope += dxhat * normalised(k, n, p, c) / count;
        }
    for (int c = first; c < first + width; c++) {
        double sum = 0;
        for (int p = 0; p < k->s->hw; p++) {
            double dxhat = k->gamma[c] * affine_gradient(k, n, p, c);
            double dz = rstd * (dxhat - mean - normalised(k, n, p, c) * slope);
            ref_put(k->s->type, dx, at(k->s, n, p, c), dz, accumulate);
            sum += dz;
        }
        if (dshift)
            dshift[(int64_t)n * k->s->c + c] = (float)sum;
    }
}

void ref_norm_backward(struct device *d, const struct norm_shape *s, const void *x,
                       const float *shift, const float *gamma, const float *beta,
                       const float *stats, const void *dy, void *dx, int accumulate, float *dgamma,
                       float *dbeta, float *dshift)
{
    (void)d;
    struct norm k = {s, x, dy, shift, gamma, beta, stats};
    for (int c = 0; c < s->c; c++) {
        double sum_gamma = 0, sum_beta = 0;
        for (int n = 0; n < s->n; n++)
            for (int p = 0; p < s->hw; p++) {
                double da = affine_gradient(&k, n, p, c);
                sum_gamma += da * normalised(&k, n, p, c);
                sum_beta += da;
            }
        ref_put(DTYPE_F32, dgamma, c, sum_gamma, 1);
        ref_put(DTYPE_F32, dbeta, c, sum_beta, 1);
    }
    for (int n = 0; n < s->n; n++)
        for (int group = 0; group < s->groups; group++)
            group_backward(&k, n, group, dx, accumulate, dshift);
}
