/* SPDX-License-Identifier: Apache-2.0
 * graph_run: the two walks over the operations. Nothing is decided here: places, rules for
 * gradients and convolution plans were fixed by graph_plan.
 *
 * A pass is the same operations at the same places each time, so the device may repeat it as one piece (repeat_begin).
 * What changes from step to step lies in device memory: image, levels, and the key of dropout's draws. The backward
 * pass is cut where a range of gradients is reported, for what the caller does with it goes in between. */
#include <string.h>

#include "base/die.h"
#include "base/timer.h"
#include "nn/graph_private.h"

/* Finished gradients are reported in ranges of at least this many floats (1 MiB), so that a
 * reduction over ranks spends its time on bytes and not on latency. */
enum { DONE_FLOATS = 256 * 1024 };

static void *place(const struct graph *g, int buffer)
{
    return buffer < 0 ? NULL : g->arena + g->buffers[buffer].offset;
}

static void *value(const struct graph *g, int tensor)
{
    return tensor < 0 ? NULL : place(g, g->tensors[tensor].value);
}

static void *gradient(const struct graph *g, int tensor)
{
    return tensor < 0 ? NULL : place(g, g->tensors[tensor].grad);
}

static int64_t param_first(const struct graph *g, int param)
{
    return g->params[param].first;
}

void graph_forget(struct graph *g)
{
    struct device *d = g->device;
    struct repeat **whole[] = {&g->forward, &g->backward};
    for (int i = 0; i < 2; i++) {
        d->ops->repeat_free(d, *whole[i]);
        *whole[i] = NULL;
    }
    for (int i = 0; i < g->op_count; i++) {
        d->ops->repeat_free(d, g->ops[i].piece);
        g->ops[i].piece = NULL;
    }
}

static void work_with(struct graph *g, const struct outside *now)
{
    if (memcmp(now, &g->outside, sizeof *now))
        graph_forget(g);
    g->outside = *now;
    timer_alive();
}

/* Where a device may read the weights of o in the type that it computes with (linear layers: fp32). */
static const void *in_place(const struct graph *g, const struct op *o)
{
    int64_t first = param_first(g, o->weight);
    if (!g->device->weights_in_place)
        return NULL;
    if (g->tensors[o->a].type == DTYPE_F32)
        return g->values + first;
    return g->rounded ? (const uint16_t *)g->rounded + first : NULL;
}

void graph_params_moved(struct graph *g)
{
    for (int i = 0; i < g->op_count; i++) {
        const struct op *o = &g->ops[i];
        if (o->conv)
            g->device->ops->conv_weights(g->device, o->conv, g->values + param_first(g, o->weight),
                                         in_place(g, o));
    }
}

void graph_use_params(struct graph *g, const float *params)
{
    struct outside now = g->outside;
    g->values = now.values = params;
    work_with(g, &now);
    if (g->rounded)
        g->device->ops->cast(g->device, g->param_total, DTYPE_F32, params, DTYPE_BF16, g->rounded);
    graph_params_moved(g);
}

void *graph_rounded(const struct graph *g)
{
    return g->rounded;
}

static void convert(struct graph *g, int64_t n, enum dtype from, const void *x, enum dtype to,
                    void *y)
{
    if (from == to)
        g->device->ops->copy(g->device, y, x, (size_t)n * dtype_bytes(to));
    else
        g->device->ops->cast(g->device, n, from, x, to, y);
}

static struct norm_shape norm_shape_of(const struct graph *g, const struct op *o)
{
    const struct tensor *t = &g->tensors[o->out];
    return (struct norm_shape){.n = g->batch,
                               .hw = t->h * t->w,
                               .c = t->c,
                               .groups = NORM_GROUPS,
                               .type = t->type,
                               .silu = o->silu,
                               .eps = 1e-5};
}

static struct attention_shape attention_shape_of(const struct graph *g, const struct op *o)
{
    const struct tensor *t = &g->tensors[o->out];
    return (struct attention_shape){
        .n = g->batch, .t = t->h * t->w, .c = t->c, .heads = o->heads, .type = t->type};
}

static void drop(struct graph *g, const struct op *o, void *x)
{
    const struct tensor *t = &g->tensors[o->a];
    g->device->ops->dropout(g->device, g->batch, (int64_t)t->h * t->w * t->c, t->type, g->dropout,
                            o->layer, g->outside.draw, x);
}

static void forward_op(struct graph *g, const struct op *o, const struct graph_call *call)
{
    struct device *d = g->device;
    const struct tensor *a = o->a < 0 ? NULL : &g->tensors[o->a], *out = &g->tensors[o->out];
    const void *x = value(g, o->a), *x2 = value(g, o->b);
    void *y = value(g, o->out);
    switch (o->kind) {
    case OP_IMAGE:
        convert(g, tensor_elements(g, out), DTYPE_F32, call->image, out->type, y);
        break;
    case OP_LEVEL:
        d->ops->embed(d, g->batch, out->c, call->level, y);
        break;
    case OP_CONV:
        d->ops->conv_forward(d, o->conv, x, g->values + param_first(g, o->bias), x2, y);
        break;
    case OP_NORM: {
        struct norm_shape s = norm_shape_of(g, o);
        const float *gamma = g->values + param_first(g, o->weight);
        const float *beta = g->values + param_first(g, o->bias);
        const struct op *concat = o - 1;
        if (o->joined)
            d->ops->concat_norm_forward(d, &s, g->tensors[concat->a].c, value(g, concat->a),
                                        value(g, concat->b), value(g, o->a), gamma, beta, y,
                                        place(g, o->saved));
        else
            d->ops->norm_forward(d, &s, x, x2, gamma, beta, y, place(g, o->saved));
        break;
    }
    case OP_SILU:
        d->ops->silu_forward(d, tensor_elements(g, out), x, y);
        break;
    case OP_DROPOUT:
        drop(g, o, y);
        break;
    case OP_ATTENTION: {
        struct attention_shape s = attention_shape_of(g, o);
        d->ops->attention_forward(d, &s, x, place(g, o->saved), y);
        break;
    }
    case OP_UPSAMPLE:
        d->ops->upsample_forward(d, g->batch, a->h, a->w, a->c, a->type, x, y);
        break;
    case OP_CONCAT:
        if (o->joined)
            break;
        d->ops->concat_forward(d, tensor_pixels(g, out), a->c, g->tensors[o->b].c, a->type, x, x2,
                               y);
        break;
    case OP_OUTPUT:
        convert(g, tensor_elements(g, a), a->type, x, DTYPE_F32, place(g, o->saved));
        break;
    }
}

const float *graph_forward(struct graph *g, const struct graph_call *call)
{
    struct device *d = g->device;
    struct outside now = g->outside;
    REQUIRE(g->arena && g->values && (call->draw || g->dropout_layers == 0));
    now.image = call->image;
    now.level = call->level;
    now.draw = call->draw;
    work_with(g, &now);
    if (d->ops->repeat_begin(d, &g->forward)) {
        for (int i = 0; i < g->op_count; i++) {
            timer_alive();
            forward_op(g, &g->ops[i], call);
        }
        d->ops->repeat_end(d, g->forward);
    }
    return place(g, g->ops[g->op_count - 1].saved);
}

static void backward_conv(struct graph *g, const struct op *o, float *grads)
{
    struct device *d = g->device;
    const void *dy = gradient(g, o->out);
    d->ops->conv_backward_weights(d, o->conv, value(g, o->a), dy, grads + param_first(g, o->weight),
                                  grads + param_first(g, o->bias));
    if (o->rule_a != GRAD_NONE)
        d->ops->conv_backward_data(d, o->conv, dy, gradient(g, o->a), o->rule_a == GRAD_ADD);
    if (o->rule_b == GRAD_ADD) {
        const struct tensor *t = &g->tensors[o->out];
        d->ops->add(d, tensor_elements(g, t), t->type, dy, gradient(g, o->b));
    }
}

static void backward_op(struct graph *g, const struct op *o, const float *doutput, float *grads)
{
    struct device *d = g->device;
    const struct tensor *a = o->a < 0 ? NULL : &g->tensors[o->a], *out = &g->tensors[o->out];
    const void *dy = gradient(g, o->out);
    void *da = gradient(g, o->a), *db = gradient(g, o->b);
    int add_a = o->rule_a == GRAD_ADD, add_b = o->rule_b == GRAD_ADD;
    switch (o->kind) {
    case OP_IMAGE:
    case OP_LEVEL:
        break;
    case OP_CONV:
        backward_conv(g, o, grads);
        break;
    case OP_NORM: {
        struct norm_shape s = norm_shape_of(g, o);
        int64_t gamma = param_first(g, o->weight), beta = param_first(g, o->bias);
        const struct op *concat = o - 1;
        if (o->joined)
            d->ops->concat_norm_backward(d, &s, g->tensors[concat->a].c, value(g, o->a),
                                         g->values + gamma, g->values + beta, place(g, o->saved),
                                         dy, da, add_a, gradient(g, concat->a),
                                         gradient(g, concat->b), grads + gamma, grads + beta);
        else
            d->ops->norm_backward(d, &s, value(g, o->a), value(g, o->b), g->values + gamma,
                                  g->values + beta, place(g, o->saved), dy, da, add_a,
                                  grads + gamma, grads + beta, db);
        break;
    }
    case OP_SILU:
        if (o->rule_a != GRAD_NONE)
            d->ops->silu_backward(d, tensor_elements(g, out), value(g, o->a), dy, da, add_a);
        break;
    case OP_DROPOUT:
        drop(g, o, da);
        break;
    case OP_ATTENTION: {
        struct attention_shape s = attention_shape_of(g, o);
        d->ops->attention_backward(d, &s, value(g, o->a), place(g, o->saved), dy, da);
        break;
    }
    case OP_UPSAMPLE:
        d->ops->upsample_backward(d, g->batch, a->h, a->w, a->c, a->type, dy, da, add_a);
        break;
    case OP_CONCAT:
        if (o->joined)
            break;
        d->ops->concat_backward(d, tensor_pixels(g, out), a->c, g->tensors[o->b].c, a->type, dy, da,
                                add_a, db, add_b);
        break;
    case OP_OUTPUT:
        convert(g, tensor_elements(g, a), DTYPE_F32, doutput, a->type, da);
        break;
    }
}

/* The last operation, going down, of the piece of the backward pass that begins at i: with it the gradients from its
 * weights up to `reported` are finished, and they are enough to be reported; or it is operation 0. */
static int piece_end(const struct graph *g, int i, int64_t reported)
{
    for (; i > 0; i--)
        if (g->ops[i].weight >= 0 && param_first(g, g->ops[i].weight) > 0 &&
            reported - param_first(g, g->ops[i].weight) >= DONE_FLOATS)
            break;
    return i;
}

/* Parameters were numbered in the order of the operations, so the reverse walk finishes them from
 * the last down. */
void graph_backward(struct graph *g, const struct graph_call *call, const float *doutput,
                    float *grads, void (*done)(void *context, int64_t first, int64_t count),
                    void *context)
{
    struct device *d = g->device;
    struct outside now = {call->image, doutput, g->values, call->level, call->draw, grads};
    REQUIRE(g->arena && g->training);
    work_with(g, &now);
    int64_t reported = g->param_total; /* everything from here on */
    for (int i = g->op_count - 1; i >= 0;) {
        int end = done ? piece_end(g, i, reported) : 0;
        struct repeat **r = done ? &g->ops[i].piece : &g->backward;
        if (d->ops->repeat_begin(d, r)) {
            for (int k = i; k >= end; k--) {
                timer_alive();
                backward_op(g, &g->ops[k], doutput, grads);
            }
            d->ops->repeat_end(d, *r);
        }
        int64_t finished = end > 0 ? param_first(g, g->ops[end].weight) : 0;
        if (done && reported > finished)
            done(context, finished, reported - finished);
        reported = finished;
        i = end - 1;
    }
}
