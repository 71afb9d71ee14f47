/* SPDX-License-Identifier: Apache-2.0
 * Flat fp32 vectors: optimisers, averages, norms, noise.
 *
 *     Adam (Kingma and Ba, 2015), PyTorch's order of operations:
 *         m = b1 m + (1-b1) g,  v = b2 v + (1-b2) g^2,  p -= lr (m/(1-b1^t)) / (sqrt(v/(1-b2^t)) +
 * epsilon) weight decay: g += wd p before (L2), or p *= 1 - lr wd before (AdamW: Loshchilov and
 * Hutter, 2019) Lion (Chen and others, "Symbolic discovery of optimization algorithms", 2023),
 * decay always decoupled: p *= 1 - lr wd,  p -= lr sign(b1 m + (1-b1) g),  m = b2 m + (1-b2) g */
#include "base/rng.h"
#include "device/ref.h"

/* The factor that brings the gradient's norm down to the limit. */
static double clip_factor(const double *grad_sumsq, double clip)
{
    return clip > 0 ? fmin(1, clip / (sqrt(*grad_sumsq) + 1e-6)) : 1;
}

/* What follows from the new parameters. */
static void ref_followers(int64_t n, const struct optimizer_state *s, double decay)
{
    for (int64_t i = 0; s->average && i < n; i++)
        s->average[i] = (float)(decay * s->average[i] + (1 - decay) * s->p[i]);
    for (int64_t i = 0; s->rounded && i < n; i++)
        ref_store(DTYPE_BF16, s->rounded, i, s->p[i]);
}

void ref_adam(struct device *d, int64_t n, const struct optimizer_state *s, const float *g,
              const double *grad_sumsq, const struct adam_args *a, const struct step_rates *rates)
{
    (void)d;
    double factor = clip_factor(grad_sumsq, a->clip), rate = rates->learning_rate;
    for (int64_t i = 0; i < n; i++) {
        double gradient = factor * g[i], value = s->p[i];
        if (a->decoupled)
            value *= 1 - rate * a->weight_decay;
        else
            gradient += a->weight_decay * value;
        double mean = a->beta1 * s->m[i] + (1 - a->beta1) * gradient;
        double square = a->beta2 * s->v[i] + (1 - a->beta2) * gradient * gradient;
        s->p[i] = (float)(value - rate * (mean / rates->correct1) /
                                      (sqrt(square / rates->correct2) + a->epsilon));
        s->m[i] = (float)mean;
        s->v[i] = (float)square;
    }
    ref_followers(n, s, rates->ema_decay);
}

void ref_lion(struct device *d, int64_t n, const struct optimizer_state *s, const float *g,
              const double *grad_sumsq, const struct adam_args *a, const struct step_rates *rates)
{
    (void)d;
    double factor = clip_factor(grad_sumsq, a->clip), rate = rates->learning_rate;
    for (int64_t i = 0; i < n; i++) {
        double gradient = factor * g[i], direction = a->beta1 * s->m[i] + (1 - a->beta1) * gradient;
        double sign = (direction > 0) - (direction < 0);
        s->p[i] = (float)(s->p[i] * (1 - rate * a->weight_decay) - rate * sign);
        s->m[i] = (float)(a->beta2 * s->m[i] + (1 - a->beta2) * gradient);
    }
    ref_followers(n, s, rates->ema_decay);
}

void ref_sum_squares(struct device *d, int64_t n, const float *x, double *result)
{
    (void)d;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    *result = sum;
}

void ref_axpby(struct device *d, int64_t n, double a, const float *x, double b, float *y)
{
    (void)d;
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)(b == 0 ? a * x[i] : a * x[i] + b * y[i]);
}

void ref_add_normal(struct device *d, int n, int64_t per_sample, double sigma, int stream,
                    const struct draw_key *draw, float *x)
{
    (void)d;
    for (int i = 0; i < n; i++)
        for (int64_t e = 0; e < per_sample; e++) {
            struct rng4 words =
                rng_draw(draw->seed, (enum rng_stream)stream, (uint64_t)(draw->first_sample + i),
                         draw->step, (uint32_t)(e / 4));
            float pair[2];
            rng_normal2(words.v[e % 4 / 2 * 2], words.v[e % 4 / 2 * 2 + 1], pair);
            x[i * per_sample + e] += (float)(sigma * pair[e % 2]);
        }
}
