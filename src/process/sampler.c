/* SPDX-License-Identifier: Apache-2.0
 * Samplers: the walk from level K back to a clean image.
 *
 *     'chain'   u = prior + sigma_S n;   for k = K..1:  mean = previous(u, F(u, k)),  u = mean + sigma_S n
 *               no noise after the last step: the result is the last mean   (Beyond Blur, Algorithm 2)
 */
#include <math.h>
#include <string.h>

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

static int sample_chain(struct process *p, const struct target *target, struct network *net, int n,
                        float *x, float *scratch, const struct sampler_args *a)
{
    struct device *d = p->device;
    int64_t per_sample = (int64_t)p->side * p->side * p->channels;
    int32_t *level = mem_alloc((size_t)n * sizeof *level);

    for (int k = p->levels; k >= 1; k--) {
        add_noise(d, n, per_sample, k, a, x);
        for (int i = 0; i < n; i++)
            level[i] = k;
        net->eval(net, n, x, level, scratch);
        target->previous(d, n * per_sample, x, scratch);
        d->ops->copy(d, x, scratch, (size_t)(n * per_sample) * sizeof *x);
        if (a->after_level)
            a->after_level(a->context, k, x);
    }
    mem_free(level);
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
