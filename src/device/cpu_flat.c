/* SPDX-License-Identifier: Apache-2.0
 * Flat fp32 vectors, dealt out to the threads in blocks (formulas: ref_flat.c). */
#include <math.h>

#include "device/cpu.h"

enum { BLOCK = 16384, SUM_PARTS = 1024 };

static int64_t blocks_of(int64_t n)
{
    return (n + BLOCK - 1) / BLOCK;
}

static int64_t block_length(int64_t n, int64_t block)
{
    return n - block * BLOCK < BLOCK ? n - block * BLOCK : BLOCK;
}

/* The factor that brings the gradient's norm down to the limit. */
static double clip_factor(const double *grad_sumsq, double clip)
{
    return clip > 0 ? fmin(1, clip / (sqrt(*grad_sumsq) + 1e-6)) : 1;
}

static struct optimizer_step step_of(const struct adam_args *a, const struct step_rates *rates,
                                     const double *grad_sumsq)
{
    return (struct optimizer_step){
        .gradient_factor = (float)clip_factor(grad_sumsq, a->clip),
        .beta1 = (float)a->beta1,
        .rest1 = (float)(1 - a->beta1),
        .beta2 = (float)a->beta2,
        .rest2 = (float)(1 - a->beta2),
        .shrink = (float)(1 - rates->learning_rate * a->weight_decay),
        .rate = (float)rates->learning_rate,
    };
}

/* Each block goes all the way while it is in the cache. */
enum kind { ADAM, LION };
static void all_blocks(struct device *d, enum kind kind, int64_t n,
                       const struct optimizer_step *step, const struct optimizer_state *s,
                       const float *g, double decay)
{
    const struct simd_flat *simd = cpu_of(d)->flat;
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int64_t b = 0; b < blocks_of(n); b++) {
        int64_t first = b * BLOCK, count = block_length(n, b);
        float *p = s->p + first;
        if (kind == ADAM)
            simd->adam(count, step, p, s->m + first, s->v + first, g + first);
        else
            simd->lion(count, step, p, s->m + first, g + first);
        if (s->average)
            simd->axpby(count, (float)(1 - decay), p, (float)decay, s->average + first);
        if (s->rounded)
            simd->cast(count, DTYPE_F32, p, DTYPE_BF16, (uint16_t *)s->rounded + first);
    }
}

void cpu_adam(struct device *d, int64_t n, const struct optimizer_state *s, const float *g,
              const double *grad_sumsq, const struct adam_args *a, const struct step_rates *rates)
{
    struct optimizer_step step = step_of(a, rates, grad_sumsq);
    double root2 = sqrt(rates->correct2);
    step.rate = (float)(rates->learning_rate * root2 / rates->correct1);
    step.epsilon = (float)(a->epsilon * root2);
    if (!a->decoupled) {
        step.l2 = (float)a->weight_decay;
        step.shrink = 1;
    }
    all_blocks(d, ADAM, n, &step, s, g, rates->ema_decay);
}

void cpu_lion(struct device *d, int64_t n, const struct optimizer_state *s, const float *g,
              const double *grad_sumsq, const struct adam_args *a, const struct step_rates *rates)
{
    struct optimizer_step step = step_of(a, rates, grad_sumsq);
    all_blocks(d, LION, n, &step, s, g, rates->ema_decay);
}

void cpu_axpby(struct device *d, int64_t n, double a, const float *x, double b, float *y)
{
    const struct simd_flat *simd = cpu_of(d)->flat;
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int64_t block = 0; block < blocks_of(n); block++)
        simd->axpby(block_length(n, block), (float)a, x + block * BLOCK, (float)b,
                    y + block * BLOCK);
}

/* Parts by n alone, summed in order: the same value for any number of threads. */
void cpu_sum_squares(struct device *d, int64_t n, const float *x, double *result)
{
    const struct simd_flat *simd = cpu_of(d)->flat;
    double part[SUM_PARTS] = {0}, total = 0;
    int64_t length = (n + SUM_PARTS - 1) / SUM_PARTS;
    if (length < 1024)
        length = 1024;
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int i = 0; i < SUM_PARTS; i++) {
        int64_t first = i * length, rest = n - first;
        if (rest > 0)
            part[i] = simd->sum_squares(rest < length ? rest : length, x + first);
    }
    for (int i = 0; i < SUM_PARTS; i++)
        total += part[i];
    *result = total;
}

void cpu_add_normal(struct device *d, int n, int64_t per_sample, double sigma, int stream,
                    const struct draw_key *draw, float *x)
{
    const struct simd_flat *simd = cpu_of(d)->flat;
    int64_t blocks = blocks_of(per_sample);
#pragma omp parallel for collapse(2) num_threads(d->threads) schedule(static)
    for (int i = 0; i < n; i++)
        for (int64_t b = 0; b < blocks; b++)
            simd->add_normal(block_length(per_sample, b), (float)sigma, draw->seed, stream,
                             (uint64_t)(draw->first_sample + i), draw->step, b * BLOCK,
                             x + i * per_sample + b * BLOCK);
}

void cpu_cast(struct device *d, int64_t n, enum dtype from, const void *x, enum dtype to, void *y)
{
    const struct simd_flat *simd = cpu_of(d)->flat;
    int64_t from_bytes = (int64_t)dtype_bytes(from), to_bytes = (int64_t)dtype_bytes(to);
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int64_t b = 0; b < blocks_of(n); b++)
        simd->cast(block_length(n, b), from, (const char *)x + b * BLOCK * from_bytes, to,
                   (char *)y + b * BLOCK * to_bytes);
}
