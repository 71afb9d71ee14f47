/* SPDX-License-Identifier: Apache-2.0
 * graph_private: what the parts of the graph share. graph_build.c fills tensors, operations and
 * parameters; graph_plan.c gives every buffer a place in the arena; graph_run.c walks the
 * operations; graph.c has the rest.
 *
 * Time runs over 2n steps for n operations: operation i goes forward at step i and backward at step
 * 2n-1-i. A buffer is needed from its first to its last step, and two buffers may share memory when
 * these spans do not meet. */
#pragma once
#include "nn/graph.h"

enum op_kind {
    OP_IMAGE, /* out = the call's image, in the graph's type */
    OP_LEVEL, /* out = sinusoids of the call's levels */
    OP_CONV,  /* out = conv(a) + bias + b; a linear layer is a 1x1 convolution of one pixel */
    OP_NORM,  /* out = group norm of (a + b), then SiLU if asked; saved = mean and 1/std */
    OP_SILU,
    OP_DROPOUT,   /* in place: out is a */
    OP_ATTENTION, /* saved = probabilities */
    OP_UPSAMPLE,
    OP_CONCAT, /* out = a | b; nothing to do if `joined` */
    OP_OUTPUT  /* saved = a in fp32, what the caller reads */
};

/* What the backward pass of an operation does about the gradient of an input. */
enum grad_rule {
    GRAD_NONE,  /* not needed */
    GRAD_WRITE, /* first to write it */
    GRAD_ADD,   /* another consumer has written already */
    GRAD_ALIAS  /* the gradient of `out` becomes that of the residual where it stands */
};

struct tensor {
    int h, w, c;
    enum dtype type;
    int needs_grad;
    int first, last; /* steps between which its value is needed */
    int value, grad; /* buffers, -1 = none */
};

struct op {
    enum op_kind kind;
    int a, b, out; /* tensors, -1 = none */
    enum grad_rule rule_a, rule_b;
    int weight, bias; /* parameters, -1 = none */
    int saved;        /* buffer, -1 = none */
    int kernel, stride;
    int silu, heads, layer; /* of a norm, an attention, a dropout */
    int joined;             /* of a concatenation and the norm after it, which does both */
    struct conv *conv;      /* owned */
    struct repeat *piece;   /* of the backward pass, begins here; owned */
};

struct buffer {
    size_t bytes, offset;
    int first, last;
};

/* What a pass reads and writes beside the arena. Repeated work knows these addresses: with others it is forgotten. */
struct outside {
    const float *image, *doutput, *values;
    const int32_t *level;
    const struct draw_key *draw;
    float *grads;
};

struct graph {
    struct device *device; /* borrowed; may be NULL in a graph that is never planned */
    enum dtype type;
    int batch, training;
    double dropout;
    int dropout_layers;
    struct tensor *tensors;
    struct op *ops;
    struct param *params;
    struct buffer *buffers;
    int tensor_count, op_count, param_count, buffer_count;
    int64_t param_total;
    size_t arena_bytes;
    char *arena;         /* device, owned */
    const float *values; /* device, the caller's parameters since graph_use_params */
    void *rounded;       /* device, owned: the same in bf16, or NULL */
    struct outside outside;           /* of the repeats */
    struct repeat *forward, *backward; /* owned; backward: where nobody waits for its pieces */
};

/* Frees all repeats. */
void graph_forget(struct graph *g);

/* The array with room for one more item, which is zero, and counted. */
void *graph_append(void *array, int *count, size_t item_bytes);

static inline int64_t tensor_pixels(const struct graph *g, const struct tensor *t)
{
    return (int64_t)g->batch * t->h * t->w;
}
static inline int64_t tensor_elements(const struct graph *g, const struct tensor *t)
{
    return tensor_pixels(g, t) * t->c;
}
enum { NORM_GROUPS = 32 };
