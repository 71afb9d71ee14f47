/* SPDX-License-Identifier: Apache-2.0
 * graph_build: the builders. Each adds one operation, its parameters in the order the walk meets
 * them, and the tensor it produces; whatever they need to know about shapes is checked here, so
 * that planning and running need not. */
#include <stdio.h>

#include "base/die.h"
#include "nn/graph_private.h"

static int add_tensor(struct graph *g, int h, int w, int c, enum dtype type, int needs_grad)
{
    REQUIRE(h > 0 && w > 0 && c > 0);
    g->tensors = graph_append(g->tensors, &g->tensor_count, sizeof *g->tensors);
    g->tensors[g->tensor_count - 1] = (struct tensor){
        .h = h, .w = w, .c = c, .type = type, .needs_grad = needs_grad, .value = -1, .grad = -1};
    return g->tensor_count - 1;
}

static struct op *add_op(struct graph *g, enum op_kind kind, int a, int b, int out)
{
    REQUIRE(a < g->tensor_count && b < g->tensor_count && !g->arena);
    g->ops = graph_append(g->ops, &g->op_count, sizeof *g->ops);
    struct op *o = &g->ops[g->op_count - 1];
    *o = (struct op){
        .kind = kind, .a = a, .b = b, .out = out, .weight = -1, .bias = -1, .saved = -1};
    return o;
}

static int add_param(struct graph *g, const char *layer, const char *part, const int dims[4],
                     enum param_init init, int fan_in)
{
    g->params = graph_append(g->params, &g->param_count, sizeof *g->params);
    struct param *p = &g->params[g->param_count - 1];
    int length = snprintf(p->name, sizeof p->name, "%s.%s", layer, part);
    REQUIRE(length > 0 && length < (int)sizeof p->name);
    p->first = g->param_total;
    p->count = 1;
    for (int i = 0; i < 4; i++) {
        p->dims[i] = dims[i];
        p->count *= dims[i];
    }
    p->init = init;
    p->fan_in = fan_in;
    g->param_total += p->count;
    return g->param_count - 1;
}

int graph_input_image(struct graph *g, int h, int w, int c)
{
    int out = add_tensor(g, h, w, c, g->type, 0);
    add_op(g, OP_IMAGE, -1, -1, out);
    return out;
}

int graph_input_level(struct graph *g, int dim)
{
    REQUIRE(dim % 2 == 0);
    int out = add_tensor(g, 1, 1, dim, DTYPE_F32, 0);
    add_op(g, OP_LEVEL, -1, -1, out);
    return out;
}

int graph_conv(struct graph *g, int x, int c_out, int kernel, int stride, int residual,
               enum param_init weight_init, const char *name)
{
    struct tensor t = g->tensors[x];
    int h = conv_out(t.h, kernel, stride), w = conv_out(t.w, kernel, stride),
        fan_in = kernel * kernel * t.c;
    int out = add_tensor(g, h, w, c_out, t.type, 1);
    if (residual >= 0) {
        const struct tensor *r = &g->tensors[residual];
        REQUIRE(r->h == h && r->w == w && r->c == c_out && r->type == t.type && residual != x);
    }
    struct op *o = add_op(g, OP_CONV, x, residual, out);
    o->kernel = kernel;
    o->stride = stride;
    o->weight =
        add_param(g, name, "weight", (int[4]){c_out, kernel, kernel, t.c}, weight_init, fan_in);
    o->bias = add_param(g, name, "bias", (int[4]){c_out, 1, 1, 1}, weight_init, fan_in);
    return out;
}

int graph_linear(struct graph *g, int x, int c_out, const char *name)
{
    const struct tensor *t = &g->tensors[x];
    REQUIRE(t->h == 1 && t->w == 1 && t->type == DTYPE_F32);
    return graph_conv(g, x, c_out, 1, 1, -1, INIT_UNIFORM_FAN_IN, name);
}

int graph_silu(struct graph *g, int x)
{
    struct tensor t = g->tensors[x];
    REQUIRE(t.type == DTYPE_F32);
    int out = add_tensor(g, t.h, t.w, t.c, t.type, t.needs_grad);
    add_op(g, OP_SILU, x, -1, out);
    return out;
}

int graph_norm(struct graph *g, int x, int shift, int silu, const char *name)
{
    struct tensor t = g->tensors[x];
    REQUIRE(t.c % NORM_GROUPS == 0);
    if (shift >= 0) {
        const struct tensor *s = &g->tensors[shift];
        REQUIRE(s->h == 1 && s->w == 1 && s->c == t.c && s->type == DTYPE_F32);
    }
    int out = add_tensor(g, t.h, t.w, t.c, t.type, 1);
    struct op *o = add_op(g, OP_NORM, x, shift, out);
    o->silu = silu;
    o->weight = add_param(g, name, "weight", (int[4]){t.c, 1, 1, 1}, INIT_ONE, 0);
    o->bias = add_param(g, name, "bias", (int[4]){t.c, 1, 1, 1}, INIT_ZERO, 0);
    return out;
}

/* In place, so x must be fresh: a consumer before this one would have seen it without the mask. */
int graph_dropout(struct graph *g, int x)
{
    if (!g->training || g->dropout == 0)
        return x;
    REQUIRE(g->ops[g->op_count - 1].out == x && g->ops[g->op_count - 1].kind == OP_NORM);
    add_op(g, OP_DROPOUT, x, -1, x)->layer = g->dropout_layers++;
    return x;
}

int graph_attention(struct graph *g, int qkv, int heads)
{
    struct tensor t = g->tensors[qkv];
    REQUIRE(t.c % (3 * heads) == 0);
    int out = add_tensor(g, t.h, t.w, t.c / 3, t.type, t.needs_grad);
    add_op(g, OP_ATTENTION, qkv, -1, out)->heads = heads;
    return out;
}

int graph_upsample(struct graph *g, int x)
{
    struct tensor t = g->tensors[x];
    int out = add_tensor(g, 2 * t.h, 2 * t.w, t.c, t.type, t.needs_grad);
    add_op(g, OP_UPSAMPLE, x, -1, out);
    return out;
}

int graph_concat(struct graph *g, int a, int b)
{
    struct tensor ta = g->tensors[a], tb = g->tensors[b];
    REQUIRE(ta.h == tb.h && ta.w == tb.w && ta.type == tb.type && a != b);
    int out = add_tensor(g, ta.h, ta.w, ta.c + tb.c, ta.type, 1);
    REQUIRE(ta.needs_grad && tb.needs_grad);
    add_op(g, OP_CONCAT, a, b, out);
    return out;
}

void graph_output(struct graph *g, int x)
{
    REQUIRE(g->tensors[x].needs_grad);
    add_op(g, OP_OUTPUT, x, -1, x);
}

void graph_size(const struct graph *g, int x, int *h, int *w, int *c)
{
    const struct tensor *t = &g->tensors[x];
    *h = t->h;
    *w = t->w;
    *c = t->c;
}
