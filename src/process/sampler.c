/* SPDX-License-Identifier: Apache-2.0
 * Samplers: the walk from level K back to a clean image.
 *
 *     'chain'   u = prior + sigma_S n;   for k = K..1:  mean = previous(u, F(u, k)),  u = mean +
 * sigma_S n no noise after the last step: the result is the last mean   (Beyond Blur, Algorithm 2)
 */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "process/process.h"

static int sample_chain(struct process *p, const struct target *target, struct network *net, int n,
                        float *x, float *scratch, const struct sampler_args *a)
{
    struct device *d = p->device;
    int64_t per_sample = (int64_t)p->side * p->side * p->channels;
    int32_t *level = mem_alloc((size_t)n * sizeof *level);

    for (int k = p->levels; k >= 1; k--) {
        d->ops->add_normal(d, n, per_sample, a->noise, a->seed, RNG_SAMPLE_NOISE, (uint32_t)k,
                           a->first_sample, x);
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
