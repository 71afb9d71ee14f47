/* SPDX-License-Identifier: Apache-2.0
 * graph_plan: when each value and each gradient is needed, which of them may stand in the same
 * place, and where in one arena they go. Residual additions copy nothing: forward, the sum takes
 * the place of a residual that nobody needs any more (or a place of its own, for devices that
 * would copy the residual then); backward, the gradient of the sum becomes
 * that of the residual where it stands. */
#include <stdlib.h>

#include "base/die.h"
#include "base/mem.h"
#include "nn/graph_private.h"

enum { ARENA_ALIGN = 64 };

static int backward_step(const struct graph *g, int op)
{
    return 2 * g->op_count - 1 - op;
}

static int later(int a, int b)
{
    return a > b ? a : b;
}

static int add_buffer(struct graph *g, size_t bytes, int first, int last)
{
    g->buffers = graph_append(g->buffers, &g->buffer_count, sizeof *g->buffers);
    size_t whole = (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    g->buffers[g->buffer_count - 1] = (struct buffer){.bytes = whole, .first = first, .last = last};
    return g->buffer_count - 1;
}

static size_t tensor_bytes(const struct graph *g, const struct tensor *t)
{
    return (size_t)tensor_elements(g, t) * dtype_bytes(t->type);
}

static void value_used(struct graph *g, int tensor, int step)
{
    if (tensor >= 0)
        g->tensors[tensor].last = later(g->tensors[tensor].last, step);
}

/* A norm that comes right after the concatenation that it reads can do both (device.h: concat_norm), if nothing later
 * reads the parts: then it is the first to know their gradients, and knows all of them. */
static void join_concats(struct graph *g)
{
    for (int i = 0; i + 1 < g->op_count; i++) {
        struct op *o = &g->ops[i], *norm = o + 1;
        if (o->kind != OP_CONCAT || norm->kind != OP_NORM || norm->a != o->out || norm->b >= 0)
            continue;
        int read_later = 0;
        for (const struct op *l = norm; l < g->ops + g->op_count; l++)
            read_later |= l->a == o->a || l->b == o->a || l->a == o->b || l->b == o->b;
        o->joined = norm->joined = !read_later;
    }
}

/* First and last use of every value: forward by its consumers, backward by those whose derivative
 * needs it. */
static void find_spans(struct graph *g)
{
    for (int i = 0; i < g->op_count; i++) {
        const struct op *o = &g->ops[i];
        if (o->out != o->a) {
            g->tensors[o->out].first = i;
            value_used(g, o->out, i);
        }
        value_used(g, o->a, i);
        value_used(g, o->b, i);
        if (o->kind == OP_CONCAT && o->joined) {
            value_used(g, o->a, i + 1);
            value_used(g, o->b, i + 1);
        }
        if (!g->training)
            continue;
        if (o->kind == OP_CONV || o->kind == OP_NORM || o->kind == OP_SILU ||
            o->kind == OP_ATTENTION)
            value_used(g, o->a, backward_step(g, i));
        if (o->kind == OP_NORM)
            value_used(g, o->b, backward_step(g, i));
    }
}

static void plan_values(struct graph *g)
{
    const int apart = g->device && g->device->residual_apart;
    for (int i = 0; i < g->op_count; i++) {
        struct op *o = &g->ops[i];
        if (o->out == o->a)
            continue;
        struct tensor *t = &g->tensors[o->out];
        if (o->kind == OP_CONV && o->b >= 0 && g->tensors[o->b].last == i && !apart) {
            t->value = g->tensors[o->b].value;
            struct buffer *place = &g->buffers[t->value];
            place->last = later(place->last, t->last);
        } else {
            t->value = add_buffer(g, tensor_bytes(g, t), t->first, t->last);
        }
    }
}

/* Statistics, probabilities and the returned result. */
static void plan_saved(struct graph *g)
{
    for (int i = 0; i < g->op_count; i++) {
        struct op *o = &g->ops[i];
        const struct tensor *t = &g->tensors[o->out];
        int last = g->training ? backward_step(g, i) : i;
        size_t n = (size_t)g->batch, pixels = (size_t)t->h * (size_t)t->w;
        if (o->kind == OP_NORM)
            o->saved = add_buffer(g, n * NORM_GROUPS * 2 * sizeof(float), i, last);
        if (o->kind == OP_ATTENTION)
            o->saved = add_buffer(g, n * (size_t)o->heads * pixels * pixels * dtype_bytes(t->type),
                                  i, last);
        if (o->kind == OP_OUTPUT) /* valid until the next call */
            o->saved = add_buffer(g, (size_t)tensor_elements(g, t) * sizeof(float), i,
                                  2 * g->op_count - 1);
    }
}

static enum grad_rule plan_gradient(struct graph *g, int tensor, int step)
{
    if (tensor < 0 || !g->tensors[tensor].needs_grad)
        return GRAD_NONE;
    struct tensor *t = &g->tensors[tensor];
    if (t->grad < 0) {
        t->grad = add_buffer(g, tensor_bytes(g, t), step, step);
        return GRAD_WRITE;
    }
    g->buffers[t->grad].last = step;
    return GRAD_ADD;
}

static void plan_gradients(struct graph *g)
{
    for (int i = g->op_count - 1; i >= 0; i--) {
        struct op *o = &g->ops[i];
        int step = backward_step(g, i), of_out = g->tensors[o->out].grad;
        if (o->kind == OP_IMAGE || o->kind == OP_LEVEL || (o->kind == OP_CONCAT && o->joined))
            continue;
        REQUIRE(o->kind == OP_OUTPUT || of_out >= 0); /* else nobody uses the result */
        if (of_out >= 0)
            g->buffers[of_out].last = step;
        if (o->kind == OP_DROPOUT)
            continue;
        if (o->kind == OP_CONV && o->b >= 0 && g->tensors[o->b].needs_grad &&
            g->tensors[o->b].grad < 0) {
            g->tensors[o->b].grad = of_out;
            o->rule_b = GRAD_ALIAS;
        } else {
            o->rule_b = plan_gradient(g, o->b, step);
        }
        o->rule_a = plan_gradient(g, o->a, step);
        if (o->kind == OP_NORM && o->joined) {
            struct op *concat = o - 1;
            concat->rule_a = plan_gradient(g, concat->a, step);
            concat->rule_b = plan_gradient(g, concat->b, step);
            REQUIRE(concat->rule_a == GRAD_WRITE && concat->rule_b == GRAD_WRITE);
        }
        /* These kernels only overwrite. */
        REQUIRE(o->kind != OP_NORM || o->rule_b != GRAD_ADD);
        REQUIRE((o->kind != OP_ATTENTION && o->kind != OP_OUTPUT) || o->rule_a == GRAD_WRITE);
    }
}

static int larger_first(const void *a, const void *b)
{
    const struct buffer *x = *(struct buffer *const *)a, *y = *(struct buffer *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return (x > y) - (x < y);
}

static int lower_first(const void *a, const void *b)
{
    const struct buffer *x = *(struct buffer *const *)a, *y = *(struct buffer *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Greedy first fit, largest buffers first: each takes the lowest gap between those placed before it
 * whose spans of time meet its own. */
static void place_buffers(struct graph *g)
{
    size_t n = (size_t)g->buffer_count;
    struct buffer **order = mem_alloc(n * sizeof *order), **met = mem_alloc(n * sizeof *met);
    for (size_t i = 0; i < n; i++)
        order[i] = &g->buffers[i];
    qsort(order, n, sizeof *order, larger_first);
    g->arena_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        struct buffer *b = order[i];
        size_t met_count = 0, offset = 0;
        for (size_t j = 0; j < i; j++)
            if (order[j]->first <= b->last && b->first <= order[j]->last)
                met[met_count++] = order[j];
        qsort(met, met_count, sizeof *met, lower_first);
        for (size_t j = 0; j < met_count && met[j]->offset < offset + b->bytes; j++)
            if (met[j]->offset + met[j]->bytes > offset)
                offset = met[j]->offset + met[j]->bytes;
        b->offset = offset;
        if (offset + b->bytes > g->arena_bytes)
            g->arena_bytes = offset + b->bytes;
    }
    mem_free(order);
    mem_free(met);
}

size_t graph_layout(struct graph *g)
{
    REQUIRE(g->buffer_count == 0 && g->op_count > 0 && g->ops[g->op_count - 1].kind == OP_OUTPUT);
    join_concats(g);
    find_spans(g);
    plan_values(g);
    plan_saved(g);
    if (g->training)
        plan_gradients(g);
    place_buffers(g);
    return g->arena_bytes;
}

int graph_plan(struct graph *g)
{
    struct device *d = g->device;
    graph_layout(g);
    g->arena = d->ops->alloc(d, g->arena_bytes);
    if (d->weights_in_place && g->type == DTYPE_BF16)
        g->rounded = d->ops->alloc(d, (size_t)g->param_total * dtype_bytes(DTYPE_BF16));
    for (int i = 0; i < g->op_count; i++) {
        struct op *o = &g->ops[i];
        if (o->kind != OP_CONV)
            continue;
        const struct tensor *x = &g->tensors[o->a], *y = &g->tensors[o->out];
        struct conv_shape s = {.n = g->batch,
                               .h = x->h,
                               .w = x->w,
                               .c_in = x->c,
                               .c_out = y->c,
                               .kernel = o->kernel,
                               .stride = o->stride,
                               .type = x->type,
                               .backward = g->training};
        o->conv = d->ops->conv_create(d, &s);
    }
    return 0;
}
