/* SPDX-License-Identifier: Apache-2.0
 * optimizer: see optimizer.h. Adam: Kingma and Ba 2015; AdamW: Loshchilov and Hutter 2019; Lion:
 * Chen et al. 2023. The warm-up of the average is that of the inverse-heat-dissipation code. */
#include "nn/optimizer.h"

#include <math.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"

enum optimizer_kind optimizer_kind_from(const char *name)
{
    static const char *const names[] = {"adam", "adamw", "lion"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum optimizer_kind)i;
    DIE("unknown optimizer '%s'", name);
}

enum optimizer_decay optimizer_decay_from(const char *name)
{
    static const char *const names[] = {"none", "cosine", "linear"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum optimizer_decay)i;
    DIE("unknown decay '%s'", name);
}

static float *zeros(struct device *d, size_t bytes)
{
    float *p = d->ops->alloc(d, bytes);
    d->ops->zero(d, p, bytes);
    return p;
}

struct optimizer *optimizer_create(struct device *d, const struct optimizer_settings *s,
                                   int64_t count, const float *params)
{
    size_t bytes = (size_t)count * sizeof(float);
    struct optimizer *o = mem_zalloc(sizeof *o);
    o->device = d;
    o->settings = *s;
    o->count = count;
    o->params = d->ops->alloc(d, bytes);
    o->average = d->ops->alloc(d, bytes);
    d->ops->upload(d, o->params, params, bytes);
    d->ops->copy(d, o->average, o->params, bytes);
    o->m = zeros(d, bytes);
    o->v = s->kind == OPTIMIZER_LION ? NULL : zeros(d, bytes);
    o->grad_sumsq = d->ops->alloc(d, sizeof *o->grad_sumsq);
    o->rates = d->ops->alloc(d, sizeof *o->rates);
    return o;
}

void optimizer_destroy(struct optimizer *o)
{
    if (!o)
        return;
    void *const owned[] = {o->params, o->average, o->m, o->v, o->grad_sumsq, o->rates};
    for (int i = 0; i < 6; i++)
        o->device->ops->free(o->device, owned[i]);
    mem_free(o);
}

double optimizer_learning_rate(const struct optimizer_settings *s, int64_t step)
{
    if (step < s->warmup)
        return s->learning_rate * (double)step / (double)s->warmup;
    if (s->decay == DECAY_NONE || s->steps <= s->warmup)
        return s->learning_rate;
    double done = fmin(1.0, (double)(step - s->warmup) / (double)(s->steps - s->warmup));
    double left = s->decay == DECAY_LINEAR ? 1.0 - done : 0.5 * (1.0 + cos(acos(-1.0) * done));
    return s->learning_rate * left;
}

double optimizer_ema_decay(const struct optimizer_settings *s, int64_t step)
{
    return fmin(s->ema, (1.0 + (double)step) / (10.0 + (double)step));
}

void optimizer_begin(struct optimizer *o, int64_t step)
{
    const struct optimizer_settings *s = &o->settings;
    struct step_rates rates = {
        .learning_rate = optimizer_learning_rate(s, step),
        .correct1 = 1 - pow(s->beta1, (double)step),
        .correct2 = 1 - pow(s->beta2, (double)step),
        .ema_decay = optimizer_ema_decay(s, step),
    };
    o->device->ops->upload(o->device, o->rates, &rates, sizeof rates);
}

void optimizer_step(struct optimizer *o, const float *grads)
{
    const struct optimizer_settings *s = &o->settings;
    struct device *d = o->device;
    struct adam_args a = {
        .beta1 = s->beta1,
        .beta2 = s->beta2,
        .epsilon = s->epsilon,
        .weight_decay = s->weight_decay,
        .decoupled = s->kind == OPTIMIZER_ADAMW,
        .clip = s->clip,
    };
    struct optimizer_state state = {o->params, o->m, o->v, o->average, o->rounded};
    d->ops->sum_squares(d, o->count, grads, o->grad_sumsq);
    if (s->kind == OPTIMIZER_LION)
        d->ops->lion(d, o->count, &state, grads, o->grad_sumsq, &a, o->rates);
    else
        d->ops->adam(d, o->count, &state, grads, o->grad_sumsq, &a, o->rates);
}

double optimizer_grad_norm(struct optimizer *o)
{
    double sumsq;
    o->device->ops->download(o->device, &sumsq, o->grad_sumsq, sizeof sumsq);
    return sqrt(sumsq);
}
