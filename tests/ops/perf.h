/* SPDX-License-Identifier: Apache-2.0
 * perf: speed of each operation at the sizes of small U-Nets. Best of five repeats of at least 50
 * ms. */
#pragma once
#include "base/timer.h"
#include "shapes.h"

static void perf_pass(struct device *d, const struct op_case *c, const struct pass *p,
                      struct values *inputs)
{
    struct buffer buffer[MAX_ARGS];
    void *pointer[MAX_ARGS], *plan = c->plan ? c->plan(d, c) : NULL;
    double bytes = 0, best = INFINITY;
    for (int i = 0; i < p->arg_count; i++) {
        const struct arg *a = &p->arg[i];
        pointer[i] = buffer_create(d, a, values_of(inputs, a), &buffer[i]);
        bytes += (double)buffer[i].bytes * (a->role == INOUT ? 2 : 1);
    }
    double first = timer_now_s();
    for (int calls = 1; timer_now_s() - first < 0.2;) {
        double start = timer_now_s();
        for (int i = 0; i < calls; i++)
            p->call(d, c, plan, pointer);
        d->ops->sync(d);
        double spent = timer_now_s() - start;
        best = fmin(best, spent / calls);
        if (spent < 5e-4)
            calls *= 2;
    }
    printf("%-24s %-44s %-5s %9.3f ms", p->name, c->label, case_type(c) == BF16 ? "bf16" : "fp32",
           best * 1e3);
    if (p->flops > 0)
        printf(" %8.1f GFLOP/s", p->flops / best * 1e-9);
    printf(" %8.1f GB/s\n", bytes / best * 1e-9);
    for (int i = 0; i < p->arg_count; i++)
        buffer_finish(&buffer[i], &p->arg[i], p->name, NULL);
    if (c->plan)
        c->unplan(d, plan);
}

static void perf_case(struct device *d, const struct op_case *c)
{
    struct values inputs = {0};
    for (int i = 0; i < c->pass_count; i++)
        perf_pass(d, c, &c->pass[i], &inputs);
    values_free(&inputs);
}

static void perf_network(struct device *d, enum dtype type)
{
    static const int sizes[][3] = {
        {64, 28, 32}, {64, 14, 64}, {64, 7, 64}, {8, 32, 128}}; /* n, side, c */
    for (int i = 0; i < 4; i++) {
        int n = sizes[i][0], side = sizes[i][1], ch = sizes[i][2];
        struct conv_case conv[3] = {
            {{n, side, side, ch, ch, 3, 1, type, 1, 0, 0, 0}, 1, 0, RESIDUAL_NONE},
            {{n, side, side, 2 * ch, ch, 1, 1, type, 1, 0, 0, 0}, 1, 0, RESIDUAL_NONE},
            {{n, side, side, ch, ch, 3, 2, type, 1, 0, 0, 0}, 1, 0, RESIDUAL_NONE}};
        struct norm_case norm = {{n, side * side, ch, 32, type, 1, 1e-5}, 1, 0, 0};
        struct attention_shape attention = {n, side * side, ch, 1, type};
        struct layer_case layer = {type, n, side, side, ch, ch, 0},
                          half = {type, n, side / 2, side / 2, ch, ch, 0};
        struct op_case c[8] = {0};
        for (int k = 0; k < 3; k++)
            conv_make(&c[k], &conv[k]);
        norm_make(&c[3], &norm);
        upsample_make(&c[4], &half);
        concat_make(&c[5], &layer);
        dropout_make(&c[6], &layer);
        attention_make(&c[7], &attention);
        for (int k = 0; k < (side <= 14 ? 8 : 7); k++)
            perf_case(d, &c[k]);
    }
}

static void perf_all(struct device *d)
{
    struct layer_case image = {DTYPE_F32, 64, 28, 28, 1, 0, 1};
    struct flat_case flat = {4000000, 1e-3, 10, {0.9, 0.999, 1e-8, 0.01, 1, 1.0}, 1, 1};
    struct op_case c[4 + FLAT_OPS] = {0};
    printf("%s: %s\n", d->name, d->description);
    perf_network(d, DTYPE_F32);
    perf_network(d, DTYPE_BF16);
    squared_error_make(&c[0], &image);
    add_normal_make(&c[1], &image);
    optimizer_make(&c[2], &flat, 0);
    optimizer_make(&c[3], &flat, 1);
    for (int op = 0; op < FLAT_OPS; op++)
        flat_make(&c[4 + op], &flat, (enum flat_op)op);
    for (int k = 0; k < 4 + FLAT_OPS; k++)
        perf_case(d, &c[k]);
}
