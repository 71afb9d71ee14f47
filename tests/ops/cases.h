/* SPDX-License-Identifier: Apache-2.0
 * cases: every operation of a network as a case of the battery. */
#pragma once
#include "battery.h"

/* ---- convolution ---- */

enum residual { RESIDUAL_NONE, RESIDUAL_APART, RESIDUAL_IN_PLACE };
struct conv_case {
    struct conv_shape s;
    int bias, accumulate;
    enum residual residual;
};

static void *conv_plan(struct device *d, const struct op_case *c)
{
    return d->ops->conv_create(d, &((const struct conv_case *)c->shape)->s);
}
static void conv_unplan(struct device *d, void *plan)
{
    d->ops->conv_destroy(d, plan);
}
static void call_conv_forward(struct device *d, const struct op_case *c, void *plan, void **p)
{
    const struct conv_case *k = c->shape;
    d->ops->conv_weights(d, plan, p[1], NULL);
    d->ops->conv_forward(d, plan, p[0], p[2], k->residual == RESIDUAL_IN_PLACE ? p[4] : p[3], p[4]);
}
static void call_conv_data(struct device *d, const struct op_case *c, void *plan, void **p)
{
    d->ops->conv_weights(d, plan, p[1], NULL);
    d->ops->conv_backward_data(d, plan, p[0], p[2],
                               ((const struct conv_case *)c->shape)->accumulate);
}
static void call_conv_weights(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)c;
    d->ops->conv_backward_weights(d, plan, p[0], p[1], p[2], p[3]);
}

static void conv_make(struct op_case *c, const struct conv_case *k)
{
    const struct conv_shape *s = &k->s;
    struct conv_window window = conv_window_of(s);
    int64_t out = (int64_t)window.out_h * window.out_w * s->n;
    int64_t x = (int64_t)s->n * s->h * s->w * s->c_in, y = out * s->c_out,
            taps = (int64_t)window.kernel_h * window.kernel_w * s->c_in;
    double flops = 2.0 * (double)taps * (double)y;
    int64_t bias = k->bias ? s->c_out : 0;
    snprintf(c->label, sizeof c->label, "n%d %dx%d %d->%d k%dx%d s%d%s%s%s", s->n, s->h, s->w,
             s->c_in, s->c_out, window.kernel_h, window.kernel_w, s->stride, k->bias ? " bias" : "",
             k->residual ? k->residual == RESIDUAL_APART ? " res" : " res=y" : "",
             k->accumulate ? " +=" : "");
    c->shape = k;
    c->plan = conv_plan;
    c->unplan = conv_unplan;
    struct pass *p = case_pass(c, "conv_forward", call_conv_forward);
    p->flops = flops;
    pass_arg(p, arg_in("x", (int)s->type, x));
    pass_arg(p, arg_param("w", IN, taps * s->c_out))->scale = 1 / sqrt((double)taps);
    pass_arg(p, arg_param("bias", IN, bias));
    pass_arg(p, arg_in("residual", (int)s->type, k->residual == RESIDUAL_APART ? y : 0));
    pass_arg(p, arg_add("y", (int)s->type, y, k->residual == RESIDUAL_IN_PLACE));
    p = case_pass(c, "conv_backward_data", call_conv_data);
    p->flops = flops;
    pass_arg(p, arg_in("dy", (int)s->type, y));
    pass_arg(p, arg_param("w", IN, taps * s->c_out))->scale = 1 / sqrt((double)taps);
    pass_arg(p, arg_add("dx", (int)s->type, x, k->accumulate));
    p = case_pass(c, "conv_backward_weights", call_conv_weights);
    p->flops = flops;
    pass_arg(p, arg_in("x", (int)s->type, x));
    pass_arg(p, arg_in("dy", (int)s->type, y));
    pass_arg(p, arg_param("dw", INOUT, taps * s->c_out));
    pass_arg(p, arg_param("dbias", INOUT, bias));
}

/* ---- group norm ---- */

struct norm_case {
    struct norm_shape s;
    int shift, accumulate;
    double mean; /* of x */
};

static void call_norm_forward(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    d->ops->norm_forward(d, &((const struct norm_case *)c->shape)->s, p[0], p[1], p[2], p[3], p[4],
                         p[5]);
}
static void call_norm_backward(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    const struct norm_case *k = c->shape;
    d->ops->norm_backward(d, &k->s, p[0], p[1], p[2], p[3], p[4], p[5], p[6], k->accumulate, p[7],
                          p[8], p[9]);
}

static void norm_make(struct op_case *c, const struct norm_case *k)
{
    const struct norm_shape *s = &k->s;
    int type = (int)s->type;
    int64_t x = (int64_t)s->n * s->hw * s->c, nc = k->shift ? (int64_t)s->n * s->c : 0;
    snprintf(c->label, sizeof c->label, "n%d hw%d c%d/%d mean %g%s%s%s", s->n, s->hw, s->c,
             s->groups, k->mean, s->silu ? " silu" : "", k->shift ? " shift" : "",
             k->accumulate ? " +=" : "");
    c->shape = k;
    c->flat = s->hw * (s->c / s->groups) ==
              1; /* a group of one number is all mean: y does not depend on it */
    c->unit = s->c == s->groups ? 1 : 0; /* then dshift is exactly 0 */
    struct pass *p = case_pass(c,
                               c->flat        ? "norm_forward_one"
                               : k->mean != 0 ? "norm_forward_far"
                                              : "norm_forward",
                               call_norm_forward);
    pass_arg(p, arg_in("x", type, x))->mean = k->mean;
    pass_arg(p, arg_in("shift", F32, nc));
    pass_arg(p, arg_param("gamma", IN, s->c))->mean = 1;
    pass_arg(p, arg_param("beta", IN, s->c));
    pass_arg(p, arg_out("y", type, x));
    pass_arg(p, arg_out("stats", F32, (int64_t)s->n * s->groups * 2));
    p = case_pass(c,
                  c->flat        ? "norm_backward_one"
                  : k->mean != 0 ? "norm_backward_far"
                                 : "norm_backward",
                  call_norm_backward);
    pass_arg(p, arg_in("x", type, x))->mean = k->mean;
    pass_arg(p, arg_in("shift", F32, nc));
    pass_arg(p, arg_param("gamma", IN, s->c))->mean = 1;
    pass_arg(p, arg_param("beta", IN, s->c));
    pass_arg(p, arg_in("stats", F32, (int64_t)s->n * s->groups * 2));
    pass_arg(p, arg_in("dy", type, x));
    pass_arg(p, arg_add("dx", type, x, k->accumulate));
    pass_arg(p, arg_param("dgamma", INOUT, s->c));
    pass_arg(p, arg_param("dbeta", INOUT, s->c));
    pass_arg(p, arg_out("dshift", F32, nc));
}

struct concat_norm_case {
    struct norm_shape s;
    int ca, accumulate;
};

static void call_concat_norm_forward(struct device *d, const struct op_case *c, void *plan,
                                     void **p)
{
    const struct concat_norm_case *k = c->shape;
    (void)plan;
    d->ops->concat_norm_forward(d, &k->s, k->ca, p[0], p[1], p[4], p[2], p[3], p[5], p[6]);
}
static void call_concat_norm_backward(struct device *d, const struct op_case *c, void *plan,
                                      void **p)
{
    const struct concat_norm_case *k = c->shape;
    (void)plan;
    d->ops->concat_norm_backward(d, &k->s, k->ca, p[0], p[1], p[2], p[3], p[4], p[5], k->accumulate,
                                 p[6], p[7], p[8], p[9]);
}

/* With what others have found of the gradient added, the results are not those of this pass alone and have other names. */
static void concat_norm_make(struct op_case *c, const struct concat_norm_case *k)
{
    const struct norm_shape *s = &k->s;
    int type = (int)s->type;
    int64_t pixels = (int64_t)s->n * s->hw, a = pixels * k->ca, b = pixels * (s->c - k->ca);
    snprintf(c->label, sizeof c->label, "n%d hw%d c%d|%d/%d%s%s", s->n, s->hw, k->ca, s->c - k->ca,
             s->groups, s->silu ? " silu" : "", k->accumulate ? " +=" : "");
    c->shape = k;
    struct pass *p = case_pass(c, "concat_norm_forward", call_concat_norm_forward);
    pass_arg(p, arg_in("a", type, a));
    pass_arg(p, arg_in("b", type, b));
    pass_arg(p, arg_param("gamma", IN, s->c))->mean = 1;
    pass_arg(p, arg_param("beta", IN, s->c));
    pass_arg(p, arg_out("x", type, a + b));
    pass_arg(p, arg_out("y", type, a + b));
    pass_arg(p, arg_out("stats", F32, (int64_t)s->n * s->groups * 2));
    p = case_pass(c, "concat_norm_backward", call_concat_norm_backward);
    pass_arg(p, arg_in("x", type, a + b));
    pass_arg(p, arg_param("gamma", IN, s->c))->mean = 1;
    pass_arg(p, arg_param("beta", IN, s->c));
    pass_arg(p, arg_in("stats", F32, (int64_t)s->n * s->groups * 2));
    pass_arg(p, arg_in("dy", type, a + b));
    pass_arg(p, arg_in("found", type, a + b))->role = SPENT;
    pass_arg(p, arg_out(k->accumulate ? "to_a" : "da", type, a));
    pass_arg(p, arg_out(k->accumulate ? "to_b" : "db", type, b));
    pass_arg(p, arg_param("dgamma", INOUT, s->c));
    pass_arg(p, arg_param("dbeta", INOUT, s->c));
}

/* ---- attention ---- */

static void call_attention_forward(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    d->ops->attention_forward(d, c->shape, p[0], p[1], p[2]);
}
static void call_attention_backward(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    d->ops->attention_backward(d, c->shape, p[0], p[1], p[2], p[3]);
}

static void attention_make(struct op_case *c, const struct attention_shape *s)
{
    int type = (int)s->type;
    int64_t rows = (int64_t)s->n * s->t, probs = (int64_t)s->n * s->heads * s->t * s->t;
    snprintf(c->label, sizeof c->label, "n%d t%d c%d heads %d", s->n, s->t, s->c, s->heads);
    c->shape = s;
    c->unit = s->t == 1 ? 1 : 0; /* a softmax over one number is constant */
    struct pass *p = case_pass(c, "attention_forward", call_attention_forward);
    p->flops = 4.0 * (double)rows * s->t * s->c;
    pass_arg(p, arg_in("qkv", type, rows * 3 * s->c));
    pass_arg(p, arg_out("probs", type, probs));
    pass_arg(p, arg_out("out", type, rows * s->c));
    p = case_pass(c, "attention_backward", call_attention_backward);
    p->flops = 8.0 * (double)rows * s->t * s->c;
    pass_arg(p, arg_in("qkv", type, rows * 3 * s->c));
    pass_arg(p, arg_in("probs", type, probs));
    pass_arg(p, arg_in("dout", type, rows * s->c));
    pass_arg(p, arg_out("dqkv", type, rows * 3 * s->c));
}

/* ---- the small layers: shape {type, n, h, w, c, c2, accumulate} ---- */

struct layer_case {
    enum dtype type;
    int n, h, w, c, c2, accumulate;
};

static int64_t layer_numbers(const struct layer_case *k, int c)
{
    return (int64_t)k->n * k->h * k->w * c;
}
static void layer_label(struct op_case *c, const struct layer_case *k)
{
    snprintf(c->label, sizeof c->label, "n%d %dx%d %d|%d%s", k->n, k->h, k->w, k->c, k->c2,
             k->accumulate ? " +=" : "");
    c->shape = k;
}

static void call_silu_forward(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    d->ops->silu_forward(d, c->pass[0].arg[0].count, p[0], p[1]);
}
static void call_silu_backward(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    d->ops->silu_backward(d, c->pass[0].arg[0].count, p[0], p[1], p[2],
                          ((const struct layer_case *)c->shape)->accumulate);
}
static void silu_make(struct op_case *c, const struct layer_case *k)
{
    int64_t n = layer_numbers(k, k->c);
    layer_label(c, k);
    struct pass *p = case_pass(c, "silu_forward", call_silu_forward);
    pass_arg(p, arg_in("x", F32, n))->scale = 4;
    pass_arg(p, arg_out("y", F32, n));
    p = case_pass(c, "silu_backward", call_silu_backward);
    pass_arg(p, arg_in("x", F32, n))->scale = 4;
    pass_arg(p, arg_in("dy", F32, n));
    pass_arg(p, arg_add("dx", F32, n, k->accumulate));
}

static void call_embed(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    const struct layer_case *k = c->shape;
    d->ops->embed(d, k->n, k->c, p[0], p[1]);
}
static void embed_make(struct op_case *c, const struct layer_case *k)
{
    layer_label(c, k);
    struct pass *p = case_pass(c, "embed", call_embed);
    pass_arg(p, arg_in("level", I32, k->n))->fill = LEVELS;
    pass_arg(p, arg_out("y", F32, (int64_t)k->n * k->c));
}

static void call_upsample_forward(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    const struct layer_case *k = c->shape;
    d->ops->upsample_forward(d, k->n, k->h, k->w, k->c, k->type, p[0], p[1]);
}
static void call_upsample_backward(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    const struct layer_case *k = c->shape;
    d->ops->upsample_backward(d, k->n, k->h, k->w, k->c, k->type, p[0], p[1], k->accumulate);
}
static void upsample_make(struct op_case *c, const struct layer_case *k)
{
    int64_t n = layer_numbers(k, k->c);
    layer_label(c, k);
    struct pass *p = case_pass(c, "upsample_forward", call_upsample_forward);
    pass_arg(p, arg_in("x", (int)k->type, n));
    pass_arg(p, arg_out("y", (int)k->type, 4 * n));
    p = case_pass(c, "upsample_backward", call_upsample_backward);
    pass_arg(p, arg_in("dy", (int)k->type, 4 * n));
    pass_arg(p, arg_add("dx", (int)k->type, n, k->accumulate));
}

static void call_concat_forward(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    const struct layer_case *k = c->shape;
    d->ops->concat_forward(d, layer_numbers(k, 1), k->c, k->c2, k->type, p[0], p[1], p[2]);
}
static void call_concat_backward(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    const struct layer_case *k = c->shape;
    d->ops->concat_backward(d, layer_numbers(k, 1), k->c, k->c2, k->type, p[0], p[1], k->accumulate,
                            p[2], !k->accumulate);
}
static void concat_make(struct op_case *c, const struct layer_case *k)
{
    int type = (int)k->type;
    layer_label(c, k);
    struct pass *p = case_pass(c, "concat_forward", call_concat_forward);
    pass_arg(p, arg_in("a", type, layer_numbers(k, k->c)));
    pass_arg(p, arg_in("b", type, layer_numbers(k, k->c2)));
    pass_arg(p, arg_out("y", type, layer_numbers(k, k->c + k->c2)));
    p = case_pass(c, "concat_backward", call_concat_backward);
    pass_arg(p, arg_in("dy", type, layer_numbers(k, k->c + k->c2)));
    pass_arg(p, arg_add("da", type, layer_numbers(k, k->c), k->accumulate));
    pass_arg(p, arg_add("db", type, layer_numbers(k, k->c2), !k->accumulate));
}

static void call_add(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    d->ops->add(d, c->pass[0].arg[0].count, ((const struct layer_case *)c->shape)->type, p[0],
                p[1]);
}
static void add_make(struct op_case *c, const struct layer_case *k)
{
    layer_label(c, k);
    struct pass *p = case_pass(c, "add", call_add);
    pass_arg(p, arg_in("x", (int)k->type, layer_numbers(k, k->c)));
    pass_arg(p, arg_add("y", (int)k->type, layer_numbers(k, k->c), 1));
}

/* What an operation reads of its step, on the device, as its plan. */
static void *on_device(struct device *d, const void *host, size_t bytes)
{
    void *p = d->ops->alloc(d, bytes);
    d->ops->upload(d, p, host, bytes);
    return p;
}
static void off_device(struct device *d, void *plan)
{
    d->ops->free(d, plan);
}
static void *draw_plan(struct device *d, const struct op_case *c)
{
    struct draw_key draw = {42, 5000, 17};
    (void)c;
    return on_device(d, &draw, sizeof draw);
}
/* accumulate chooses the rate: 0.1 or 0.5 */
static void call_dropout(struct device *d, const struct op_case *c, void *plan, void **p)
{
    const struct layer_case *k = c->shape;
    d->ops->dropout(d, k->n, (int64_t)k->h * k->w * k->c, k->type, k->accumulate ? 0.5 : 0.1, 3,
                    plan, p[0]);
}
static void dropout_make(struct op_case *c, const struct layer_case *k)
{
    layer_label(c, k);
    c->plan = draw_plan;
    c->unplan = off_device;
    struct pass *p = case_pass(c, "dropout", call_dropout);
    pass_arg(p, arg_add("x", (int)k->type, layer_numbers(k, k->c), 1));
}

static void call_squared_error(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    const struct layer_case *k = c->shape;
    d->ops->squared_error(d, k->n, (int64_t)k->h * k->w * k->c, p[0], p[1], 0.125, p[2], p[3]);
}
static void squared_error_make(struct op_case *c, const struct layer_case *k)
{
    int64_t n = layer_numbers(k, k->c);
    layer_label(c, k);
    struct pass *p = case_pass(c, "squared_error", call_squared_error);
    pass_arg(p, arg_in("pred", F32, n));
    pass_arg(p, arg_in("target", F32, n));
    pass_arg(p, arg_out("loss", F32, k->n));
    pass_arg(p, arg_out("dpred", F32, k->accumulate ? n : 0));
}

static void call_add_normal(struct device *d, const struct op_case *c, void *plan, void **p)
{
    const struct layer_case *k = c->shape;
    d->ops->add_normal(d, k->n, (int64_t)k->h * k->w * k->c, 0.7, RNG_TEST, plan, p[0]);
}
static void add_normal_make(struct op_case *c, const struct layer_case *k)
{
    layer_label(c, k);
    c->plan = draw_plan;
    c->unplan = off_device;
    struct pass *p = case_pass(c, "add_normal", call_add_normal);
    pass_arg(p, arg_add("x", F32, layer_numbers(k, k->c), 1));
}

/* ---- flat vectors ---- */

struct flat_case {
    int64_t n;
    double learning_rate;
    int64_t step;
    struct adam_args a;
    int average, rounded; /* is it there? */
};

static void *rates_plan(struct device *d, const struct op_case *c)
{
    const struct flat_case *k = c->shape;
    struct step_rates rates = {k->learning_rate, 1 - pow(k->a.beta1, (double)k->step),
                               1 - pow(k->a.beta2, (double)k->step), 0.999};
    return on_device(d, &rates, sizeof rates);
}
static void call_adam(struct device *d, const struct op_case *c, void *plan, void **p)
{
    const struct flat_case *k = c->shape;
    struct optimizer_state s = {p[0], p[1], p[2], p[5], p[6]};
    d->ops->adam(d, k->n, &s, p[3], p[4], &k->a, plan);
}
static void call_lion(struct device *d, const struct op_case *c, void *plan, void **p)
{
    const struct flat_case *k = c->shape;
    struct optimizer_state s = {p[0], p[1], p[2], p[5], p[6]};
    d->ops->lion(d, k->n, &s, p[3], p[4], &k->a, plan);
}
static void optimizer_make(struct op_case *c, const struct flat_case *k, int lion)
{
    snprintf(c->label, sizeof c->label, "n%lld step %lld clip %g wd %g%s%s%s", (long long)k->n,
             (long long)k->step, k->a.clip, k->a.weight_decay, k->a.decoupled ? " decoupled" : "",
             k->average ? " average" : "", k->rounded ? " rounded" : "");
    c->shape = k;
    c->plan = rates_plan;
    c->unplan = off_device;
    struct pass *p = case_pass(c, lion ? "lion" : "adam", lion ? call_lion : call_adam);
    pass_arg(p, arg_param("p", INOUT, k->n));
    pass_arg(p, arg_param("m", INOUT, k->n));
    pass_arg(p, arg_param("v", lion ? IN : INOUT, k->n))->fill = SQUARE;
    pass_arg(p, arg_param("g", IN, k->n));
    pass_arg(p, arg_in("grad_sumsq", F64, k->a.clip > 0))->fill = SQUARE;
    pass_arg(p, arg_param("average", INOUT, k->average ? k->n : 0));
    pass_arg(p, arg_param("rounded", OUT, k->rounded ? k->n : 0))->type = BF16;
}

static void call_sum_squares(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    d->ops->sum_squares(d, ((const struct flat_case *)c->shape)->n, p[0], p[1]);
}
static void call_axpby(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    d->ops->axpby(d, ((const struct flat_case *)c->shape)->n, 0.3, p[0], 0.7, p[1]);
}
static void call_ax(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    d->ops->axpby(d, ((const struct flat_case *)c->shape)->n, 0.3, p[0], 0, p[1]);
}
enum flat_op { FLAT_SUM_SQUARES, FLAT_AXPBY, FLAT_AX, FLAT_OPS };
static void flat_make(struct op_case *c, const struct flat_case *k, enum flat_op op)
{
    static const char *const name[] = {"sum_squares", "axpby", "ax"};
    static void (*const call[])(struct device *, const struct op_case *, void *,
                                void **) = {call_sum_squares, call_axpby, call_ax};
    snprintf(c->label, sizeof c->label, "n%lld", (long long)k->n);
    c->shape = k;
    struct pass *p = case_pass(c, name[op], call[op]);
    pass_arg(p, arg_param("x", IN, k->n));
    if (op == FLAT_SUM_SQUARES)
        pass_arg(p, arg_out("result", F64, 1));
    else
        pass_arg(p, arg_param("y", op == FLAT_AX ? OUT : INOUT, k->n));
}
