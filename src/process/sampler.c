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

/* A call of the sampler. Noise has one draw for all samples, or two for each that is mixed. */
struct walk {
    struct device *device;
    const struct target *target;
    struct network *net;
    const struct sampler_args *args;
    int n;
    int64_t per_sample;
    float *x, *scratch, *other; /* other: room for corrupt_mixed */
    int draws;
    struct draw_key *draw, *draw_host; /* [draws], of the level at hand; the first on the device */
    int32_t *level_host;               /* [n] */
    struct repeat *step;
};

/* x += sigma_S n, the numbers of the level's own draw. */
static void add_noise(const struct walk *w)
{
    struct device *d = w->device;
    const struct sampler_args *a = w->args;
    if (!a->mix)
        d->ops->add_normal(d, w->n, w->per_sample, a->noise, RNG_SAMPLE_NOISE, w->draw, w->x);
    for (int i = 0; i < w->n && a->mix; i++) {
        float *x = w->x + i * w->per_sample;
        double angle = acos(0.0) * a->mix[i].t;
        d->ops->add_normal(d, 1, w->per_sample, a->noise * cos(angle), RNG_SAMPLE_NOISE,
                           w->draw + 2 * i, x);
        d->ops->add_normal(d, 1, w->per_sample, a->noise * sin(angle), RNG_SAMPLE_NOISE,
                           w->draw + 2 * i + 1, x);
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
                          const float *x0, struct adr_capture *capture, float *b, float *x)
{
    struct device *d = p->device;
    int64_t per_sample = (int64_t)p->side * p->side * p->channels;
    corrupt(p, n, level, a->keys, x0, capture, x);
    corrupt(p, n, level, a->mix_keys, x0, capture, b);
    for (int i = 0; i < n; i++)
        d->ops->axpby(d, per_sample, a->mix[i].t, b + i * per_sample, 1 - a->mix[i].t,
                      x + i * per_sample);
}

static void walk_begin(struct walk *w)
{
    const struct sampler_args *a = w->args;
    w->draws = a->mix ? 2 * w->n : 1;
    w->draw = w->device->ops->alloc(w->device, (size_t)w->draws * sizeof *w->draw);
    size_t mixed = a->mix && w->target->clean ? (size_t)(w->n * w->per_sample) : 0;
    w->other = w->device->ops->alloc(w->device, mixed * sizeof *w->other);
    w->draw_host = mem_alloc((size_t)w->draws * sizeof *w->draw);
    w->level_host = mem_alloc((size_t)w->n * sizeof *w->level_host);
    for (int i = 0; i < w->draws; i++) {
        int64_t sample = !a->mix ? a->first_sample : i % 2 ? a->mix[i / 2].b : a->mix[i / 2].a;
        w->draw_host[i] = (struct draw_key){.seed = a->seed, .first_sample = sample};
    }
}

static void walk_end(struct walk *w)
{
    w->device->ops->repeat_free(w->device, w->step);
    w->device->ops->free(w->device, w->draw);
    w->device->ops->free(w->device, w->other);
    mem_free(w->draw_host);
    mem_free(w->level_host);
}

/* Sends what a step at this level has of its own, so that the work of all steps is the same. */
static void set_level(struct walk *w, int level)
{
    for (int i = 0; i < w->draws; i++)
        w->draw_host[i].step = (uint32_t)level;
    for (int i = 0; i < w->n; i++)
        w->level_host[i] = level;
    w->device->ops->upload(w->device, w->draw, w->draw_host, (size_t)w->draws * sizeof *w->draw);
    w->net->set_levels(w->net, w->n, w->level_host);
}

/* What the network makes of x with noise: the next mean, to x, or the guess of the clean image, to scratch. */
static void guess(const struct walk *w)
{
    struct device *d = w->device;
    int64_t values = w->n * w->per_sample;
    add_noise(w);
    w->net->eval(w->net, w->n, w->x, w->scratch);
    w->target->decode(d, values, w->x, w->scratch);
    if (!w->target->clean)
        d->ops->copy(d, w->x, w->scratch, (size_t)values * sizeof *w->x);
}

static int sample_chain(struct process *p, const struct target *target, struct network *net, int n,
                        float *x, float *scratch, const struct sampler_args *a)
{
    struct device *d = p->device;
    int64_t per_sample = (int64_t)p->side * p->side * p->channels;
    struct walk w = {.device = d,
                     .target = target,
                     .net = net,
                     .args = a,
                     .n = n,
                     .per_sample = per_sample,
                     .x = x,
                     .scratch = scratch};
    struct adr_capture *capture = mem_alloc((size_t)n * sizeof *capture);

    REQUIRE(a->steps >= 1 && (target->clean ? a->steps <= p->levels : a->steps == p->levels));
    walk_begin(&w);
    for (int step = 0; step < a->steps; step++) {
        int to = sampler_level(p->levels, a->steps, step + 1);
        set_level(&w, sampler_level(p->levels, a->steps, step));
        if (net->collective) {
            guess(&w);
        } else if (d->ops->repeat_begin(d, &w.step)) {
            guess(&w);
            d->ops->repeat_end(d, w.step);
        }
        if (target->clean && to == 0)
            d->ops->copy(d, x, scratch, (size_t)(n * per_sample) * sizeof *x);
        else if (target->clean && a->mix)
            corrupt_mixed(p, n, to, a, scratch, capture, w.other, x);
        else if (target->clean)
            corrupt(p, n, to, a->keys, scratch, capture, x);
        if (a->after_step)
            a->after_step(a->context, step + 1, x);
    }
    walk_end(&w);
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
