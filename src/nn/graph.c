/* SPDX-License-Identifier: Apache-2.0
 * graph: birth, death, and what can be asked of a graph. */
#include <math.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/graph_private.h"

struct graph *graph_create(struct device *d, enum dtype type, int batch, int training,
                           double dropout)
{
    REQUIRE(type != DTYPE_F16 && batch > 0);
    struct graph *g = mem_zalloc(sizeof *g);
    g->device = d;
    g->type = type;
    g->batch = batch;
    g->training = training;
    g->dropout = dropout;
    return g;
}

void graph_destroy(struct graph *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->op_count; i++)
        if (g->ops[i].conv)
            g->device->ops->conv_destroy(g->device, g->ops[i].conv);
    if (g->arena) {
        graph_forget(g);
        g->device->ops->free(g->device, g->arena);
        g->device->ops->free(g->device, g->rounded);
    }
    mem_free(g->tensors);
    mem_free(g->ops);
    mem_free(g->params);
    mem_free(g->buffers);
    mem_free(g);
}

void *graph_append(void *array, int *count, size_t item_bytes)
{
    size_t used = (size_t)*count * item_bytes;
    if ((*count & (*count - 1)) == 0) { /* full at every power of two: double it */
        char *grown = mem_zalloc((*count ? 2 * (size_t)*count : 1) * item_bytes);
        if (used)
            memcpy(grown, array, used);
        mem_free(array);
        array = grown;
    }
    memset((char *)array + used, 0, item_bytes);
    ++*count;
    return array;
}

int graph_param_count(const struct graph *g)
{
    return g->param_count;
}

const struct param *graph_param(const struct graph *g, int i)
{
    REQUIRE(i >= 0 && i < g->param_count);
    return &g->params[i];
}

int64_t graph_param_total(const struct graph *g)
{
    return g->param_total;
}

size_t graph_arena_bytes(const struct graph *g)
{
    return g->arena_bytes;
}

double graph_forward_macs(const struct graph *g)
{
    double macs = 0;
    for (int i = 0; i < g->op_count; i++) {
        const struct op *o = &g->ops[i];
        const struct tensor *out = &g->tensors[o->out];
        double pixels = (double)out->h * out->w;
        if (o->kind == OP_CONV)
            macs += pixels * out->c * o->kernel * o->kernel * g->tensors[o->a].c;
        if (o->kind == OP_ATTENTION)
            macs += 2 * pixels * pixels * out->c;
    }
    return macs;
}

static void init_uniform(const struct param *p, uint64_t seed, int number, float *out)
{
    float bound = 1.0f / sqrtf((float)p->fan_in);
    for (int64_t e = 0; e < p->count; e += 4) {
        struct rng4 r = rng_draw(seed, RNG_INIT, (uint64_t)number, 0, (uint32_t)(e / 4));
        for (int64_t j = e; j < p->count && j < e + 4; j++)
            out[j] = bound * (2.0f * rng_uniform(r.v[j - e]) - 1.0f);
    }
}

void graph_init_params(const struct graph *g, uint64_t seed, float *params)
{
    for (int i = 0; i < g->param_count; i++) {
        const struct param *p = &g->params[i];
        float *out = params + p->first;
        if (p->init == INIT_UNIFORM_FAN_IN)
            init_uniform(p, seed, i, out);
        else
            for (int64_t e = 0; e < p->count; e++)
                out[e] = p->init == INIT_ONE ? 1.0f : 0.0f;
    }
}
