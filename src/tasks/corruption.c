/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/corruption.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"

void corruption_create(struct device *d, const struct adr_plan *plan, int images, int64_t captures,
                       struct corruption *c)
{
    int64_t per_image = (int64_t)plan->side * plan->side * plan->channels;
    size_t bytes = (size_t)(images * per_image) * sizeof(float);
    *c = (struct corruption){
        .per_image = per_image, .capture_capacity = captures, .capacity = images};
    c->process = process_adr_create(d, plan, images);
    c->host = mem_alloc(bytes);
    c->keys = mem_alloc((size_t)images * sizeof *c->keys);
    c->captures = mem_alloc((size_t)captures * sizeof *c->captures);
    c->x0 = d->ops->alloc(d, bytes);
}

void corruption_free(struct corruption *c)
{
    if (!c->process)
        return;
    struct device *d = c->process->device;
    d->ops->free(d, c->x0);
    mem_free(c->host);
    mem_free(c->keys);
    mem_free(c->captures);
    process_destroy(c->process);
    c->process = NULL;
}

static int by_level(const void *a, const void *b)
{
    const struct adr_capture *x = a, *y = b;
    if (x->level != y->level)
        return x->level < y->level ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

void corruption_run(struct corruption *c, int images, int64_t captures, float *u, float *delta)
{
    struct device *d = c->process->device;
    qsort(c->captures, (size_t)captures, sizeof *c->captures, by_level);
    d->ops->upload(d, c->x0, c->host, (size_t)(images * c->per_image) * sizeof(float));
    c->process->ops->corrupt(c->process, images, c->keys, c->x0, (int)captures, c->captures, u,
                             delta, NULL);
}

void corruption_stats(struct corruption *c, struct adr_stats *stats)
{
    c->process->ops->corrupt(c->process, 0, c->keys, c->x0, 0, c->captures, NULL, NULL, stats);
}

int corruption_level(uint64_t seed, uint64_t image, int64_t j, int64_t m, int levels)
{
    uint32_t word = rng_draw(seed, RNG_LEVEL, image, 0, (uint32_t)(j / 4)).v[j % 4];
    int level = 1 + (int)(((double)j + (double)rng_uniform(word)) * levels / (double)m);
    return level > levels ? levels : level;
}
