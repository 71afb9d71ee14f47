/* SPDX-License-Identifier: Apache-2.0
 * judges: what networks that judge images add: windows of any shape and padding, ReLU, pooling, the
 * mean over pixels. The oracle pools an image that is padded for real. */
#pragma once
#include "oracles.h"
#include "shapes.h"

static void visit_windows(const struct visitor *v)
{
    static const int shapes[][9] = {
        /* n, h, w, c_in, c_out, kernel_h, kernel_w, pad_h, pad_w */
        {2, 9, 8, 3, 5, 1, 7, 0, 3},     {2, 9, 8, 33, 32, 7, 1, 3, 0},
        {1, 7, 7, 32, 32, 1, 3, 0, 1},   {1, 7, 7, 32, 33, 3, 1, 1, 0},
        {2, 11, 9, 3, 64, 3, 3, 0, 0},   {1, 23, 21, 3, 64, 11, 11, 2, 2},
        {3, 9, 7, 48, 64, 5, 5, 2, 2},   {2, 1, 1, 32, 8, 1, 1, 0, 0},
        {1, 5, 6, 7, 3, 2, 4, 1, 0},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int variant = 0; variant < 4; variant++) {
            const int *z = shapes[i];
            struct conv_shape s = {.n = z[0],
                                   .h = z[1],
                                   .w = z[2],
                                   .c_in = z[3],
                                   .c_out = z[4],
                                   .kernel = z[5],
                                   .kernel_w = z[6],
                                   .pad_h = z[7],
                                   .pad_w = z[8],
                                   .stride = 1 + variant / 2,
                                   .type = variant % 2 ? DTYPE_BF16 : DTYPE_F32,
                                   .backward = 1};
            struct conv_case k = {s, 1, variant / 2, RESIDUAL_NONE};
            struct op_case c = {0};
            conv_make(&c, &k);
            v->visit(v, &c);
        }
}

static void call_pool(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    d->ops->pool(d, c->shape, p[0], p[1]);
}
static void pool_make(struct op_case *c, const struct pool_shape *s)
{
    static const char *const kind[] = {"max", "mean", "mean inside"};
    snprintf(c->label, sizeof c->label, "n%d %dx%d %d %s k%d s%d p%d%s", s->n, s->h, s->w, s->c,
             kind[s->kind], s->kernel, s->stride, s->pad, s->ceil ? " ceil" : "");
    c->shape = s;
    struct pass *p = case_pass(c, "pool", call_pool);
    pass_arg(p, arg_in("x", F32, (int64_t)s->n * s->h * s->w * s->c));
    pass_arg(p, arg_out("y", F32, (int64_t)s->n * pool_out(s->h, s) * pool_out(s->w, s) * s->c));
}

static void call_relu(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    d->ops->relu(d, c->pass[0].arg[0].count, p[0], p[1]);
}
static void call_relu_in_place(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    d->ops->relu(d, c->pass[0].arg[0].count, p[0], p[0]);
}
static void call_pixel_mean(struct device *d, const struct op_case *c, void *plan, void **p)
{
    (void)plan;
    const int *z = c->shape;
    d->ops->pixel_mean(d, z[0], z[1], z[2], p[0], p[1]);
}

static const struct pool_shape pool_shapes[] = {
    /* n, h, w, c, kind, kernel, stride, pad, ceil */
    {2, 13, 13, 64, POOL_MAX, 3, 2, 0, 1},      {2, 14, 15, 33, POOL_MAX, 3, 2, 0, 0},
    {1, 6, 3, 1, POOL_MAX, 3, 2, 0, 1},         {1, 8, 8, 16, POOL_MAX, 2, 2, 0, 0},
    {3, 7, 5, 20, POOL_MAX, 3, 1, 1, 0},        {1, 7, 8, 48, POOL_MEAN_INSIDE, 3, 1, 1, 0},
    {2, 7, 8, 5, POOL_MEAN, 3, 1, 1, 0},        {2, 4, 4, 3, POOL_MEAN, 3, 2, 1, 1},
    {1, 5, 5, 3, POOL_MEAN_INSIDE, 4, 3, 2, 1}, {1, 1, 1, 4, POOL_MEAN, 3, 1, 1, 0},
    {1, 1, 1, 4, POOL_MEAN_INSIDE, 3, 1, 1, 0}, {1, 9, 9, 130, POOL_MAX, 5, 4, 2, 1},
    {1, 6, 6, 2, POOL_MAX, 2, 2, 1, 1},
};
enum { POOL_SHAPES = sizeof pool_shapes / sizeof *pool_shapes };

static void visit_judges(const struct visitor *v)
{
    static const int means[][3] = {{1, 1, 1}, {3, 49, 512}, {2, 9, 33}, {2, 64, 65}};
    visit_windows(v);
    for (int i = 0; i < POOL_SHAPES; i++) {
        struct op_case c = {0};
        pool_make(&c, &pool_shapes[i]);
        v->visit(v, &c);
    }
    for (int i = 0; i < 4; i++) {
        const int *z = means[i];
        struct op_case c = {.shape = z}, apart = {0}, in_place = {0};
        int64_t numbers = (int64_t)z[0] * z[1] * z[2];
        snprintf(c.label, sizeof c.label, "n%d %d %d", z[0], z[1], z[2]);
        struct pass *p = case_pass(&c, "pixel_mean", call_pixel_mean);
        pass_arg(p, arg_in("x", F32, numbers));
        pass_arg(p, arg_out("y", F32, (int64_t)z[0] * z[2]));
        v->visit(v, &c);
        p = case_pass(&apart, "relu", call_relu);
        pass_arg(p, arg_in("x", F32, numbers));
        pass_arg(p, arg_out("y", F32, numbers));
        v->visit(v, &apart);
        p = case_pass(&in_place, "relu", call_relu_in_place);
        pass_arg(p, arg_add("x", F32, numbers, 1));
        v->visit(v, &in_place);
    }
}

/* One output number from a copy of a channel inside a frame of `reach` pixels: 0 where PyTorch pads,
 * NaN where nothing counts. */
static double framed_pool(const struct pool_shape *s, const double *x, int row, int column)
{
    int n = 0;
    double sum = 0, most = -INFINITY;
    for (int i = row * s->stride - s->pad; i < row * s->stride - s->pad + s->kernel; i++)
        for (int j = column * s->stride - s->pad; j < column * s->stride - s->pad + s->kernel;
             j++) {
            int inside = i >= 0 && j >= 0 && i < s->h && j < s->w;
            int padding = !inside && i < s->h + s->pad && j < s->w + s->pad;
            double value = inside                            ? x[(i * s->w + j) * s->c]
                           : padding && s->kind == POOL_MEAN ? 0
                                                             : NAN;
            if (isnan(value))
                continue;
            n++;
            sum += value;
            most = fmax(most, value);
        }
    return s->kind == POOL_MAX ? most : sum / n;
}

static void oracle_pool(struct device *d)
{
    for (int k = 0; k < POOL_SHAPES; k++) {
        const struct pool_shape *s = &pool_shapes[k];
        int oh = pool_out(s->h, s), ow = pool_out(s->w, s), numbers = s->n * oh * ow * s->c;
        struct op_case c = {0};
        struct values in, out;
        pool_make(&c, s);
        oracle_run(d, &c, &in, &out);
        double *want = mem_alloc((size_t)numbers * sizeof *want);
        for (int i = 0; i < numbers; i++)
            want[i] = framed_pool(
                s, values_find(&in, "x") + i / s->c / ow / oh * s->h * s->w * s->c + i % s->c,
                i / s->c / ow % oh, i / s->c % ow);
        oracle_check(c.label, values_find(&out, "y"), want, numbers, 1e-6);
        mem_free(want);
        values_free(&in);
        values_free(&out);
    }
}
