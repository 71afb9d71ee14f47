/* SPDX-License-Identifier: Apache-2.0
 * Samplers: the walk from level K back to a clean image.
 *
 *     'chain'   u = prior + sigma_S n;   for each level k that the walk visits, and the next one, j:
 *                   target 'delta' (j = k-1):  mean = u + F(u, k)            Beyond Blur, Algorithm 2
 *                   target 'x0'    (any j<k):  mean = A_j F(u, k)            A with the sample's own velocity
 *               u = mean + sigma_S n;  no noise after the last step: the result is the last mean
 *
 * The second forgets everything of u but the guess ("naive" in Bansal et al., arXiv 2208.09392, which noise makes
 * harmless); where k-1 is visited it is the first with A_{k-1} x0 estimated through x0.
 */
#include <math.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "base/rng.h"
#include "process/process.h"

/* x += sigma_S n, the numbers of the level's own draw. */
static void add_noise(struct device *d, int n, int64_t per_sample, int level,
                      const struct sampler_args *a, float *x)
{
    uint32_t step = (uint32_t)level;
    if (!a->mix)
        d->ops->add_normal(d, n, per_sample, a->noise, a->seed, RNG_SAMPLE_NOISE, step,
                           a->first_sample, x);
    for (int i = 0; i < n && a->mix; i++) {
        const struct sampler_mix *m = &a->mix[i];
        double angle = acos(0.0) * m->t;
        d->ops->add_normal(d, 1, per_sample, a->noise * cos(angle), a->seed, RNG_SAMPLE_NOISE, step,
                           m->a, x + i * per_sample);
        d->ops->add_normal(d, 1, per_sample, a->noise * sin(angle), a->seed, RNG_SAMPLE_NOISE, step,
                           m->b, x + i * per_sample);
    }
}

/* x = A_level of the guesses x0. */
static void corrupt(struct process *p, int n, int level, const uint64_t *keys, const float *x0,
                    struct adr_capture *capture, float *x)
{
    for (int i = 0; i < n; i++)
        capture[i] = (struct adr_capture){level, i, i};
    p->ops->corrupt(p, n, keys, x0, n, capture, x, NULL, NULL);
}

/* The same where a sample lies between two, each with its flow, mixed as the priors are: (1-t) A^a x0 + t A^b x0. */
static void corrupt_mixed(struct process *p, int n, int level, const struct sampler_args *a,
                          const float *x0, struct adr_capture *capture, float *x)
{
    struct device *d = p->device;
    int64_t per_sample = (int64_t)p->side * p->side * p->channels;
    float *b = d->ops->alloc(d, (size_t)(n * per_sample) * sizeof *b);
    corrupt(p, n, level, a->keys, x0, capture, x);
    corrupt(p, n, level, a->mix_keys, x0, capture, b);
    for (int i = 0; i < n; i++)
        d->ops->axpby(d, per_sample, a->mix[i].t, b + i * per_sample, 1 - a->mix[i].t,
                      x + i * per_sample);
    d->ops->free(d, b);
}

static int sample_chain(struct process *p, const struct target *target, struct network *net, int n,
                        float *x, float *scratch, const struct sampler_args *a)
{
    struct device *d = p->device;
    int64_t per_sample = (int64_t)p->side * p->side * p->channels, values = n * per_sample;
    int32_t *level = mem_alloc((size_t)n * sizeof *level);
    struct adr_capture *capture = mem_alloc((size_t)n * sizeof *capture);

    REQUIRE(a->steps >= 1 && (target->clean ? a->steps <= p->levels : a->steps == p->levels));
    for (int step = 0; step < a->steps; step++) {
        int from = sampler_level(p->levels, a->steps, step);
        int to = sampler_level(p->levels, a->steps, step + 1);
        add_noise(d, n, per_sample, from, a, x);
        for (int i = 0; i < n; i++)
            level[i] = from;
        net->eval(net, n, x, level, scratch);
        target->decode(d, values, x, scratch);
        if (!target->clean || to == 0)
            d->ops->copy(d, x, scratch, (size_t)values * sizeof *x);
        else if (a->mix)
            corrupt_mixed(p, n, to, a, scratch, capture, x);
        else
            corrupt(p, n, to, a->keys, scratch, capture, x);
        if (a->after_step)
            a->after_step(a->context, step + 1, x);
    }
    mem_free(level);
    mem_free(capture);
    return 0;
}

static const struct {
    const char *name;
    sampler_fn fn;
} samplers[] = {{"chain", sample_chain}};

sampler_fn sampler_find(const char *name)
{
    for (size_t i = 0; i < sizeof samplers / sizeof *samplers; i++)
        if (!strcmp(samplers[i].name, name))
            return samplers[i].fn;
    return NULL;
}
