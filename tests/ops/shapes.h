/* SPDX-License-Identifier: Apache-2.0
 * shapes: the sizes at which the battery runs: odd, one, and those of real networks. */
#pragma once
#include "cases.h"

/* What to do with each case. */
struct visitor {
    void (*visit)(const struct visitor *v, const struct op_case *c);
    struct device *d, *ref;
    void *state;
};

static void visit_conv(const struct visitor *v)
{
    static const int shapes[][7] = {
        /* n, h, w, c_in, c_out, kernel, stride */
        {1, 1, 1, 1, 1, 1, 1},     {1, 1, 1, 1, 1, 3, 1},     {3, 1, 1, 33, 65, 1, 1},
        {64, 1, 1, 32, 128, 1, 1}, {2, 7, 7, 1, 32, 3, 1},    {2, 7, 7, 33, 3, 3, 1},
        {3, 5, 9, 32, 33, 3, 1},   {2, 7, 7, 64, 64, 3, 1},   {2, 14, 14, 96, 64, 1, 1},
        {1, 14, 14, 64, 96, 3, 1}, {2, 28, 28, 3, 32, 3, 1},  {2, 28, 28, 32, 1, 3, 1},
        {2, 28, 28, 32, 32, 3, 2}, {2, 7, 7, 33, 31, 3, 2},   {1, 2, 2, 96, 32, 3, 2},
        {1, 1, 1, 32, 32, 3, 2},   {2, 8, 6, 32, 64, 1, 2},   {1, 9, 9, 4, 8, 5, 1},
        {17, 4, 4, 32, 32, 3, 1},  {1, 28, 28, 32, 32, 3, 1}, {5, 1, 1, 36, 12, 1, 1},
        {17, 1, 1, 36, 44, 1, 1},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int variant = 0; variant < 6; variant++) {
            const int *z = shapes[i];
            struct conv_shape s = {z[0], z[1], z[2], z[3],
                                   z[4], z[5], z[6], variant % 2 ? DTYPE_BF16 : DTYPE_F32,
                                   1,    0,    0,    0};
            struct conv_case k = {s, variant / 2 != 1, variant / 2 == 1,
                                  (enum residual)(variant / 2)};
            struct op_case c = {0};
            conv_make(&c, &k);
            v->visit(v, &c);
        }
}

static void visit_norm(const struct visitor *v)
{
    static const int shapes[][4] = {
        /* n, hw, c, groups */
        {1, 1, 32, 32},   {2, 1, 96, 32},    {1, 49, 33, 33},  {3, 49, 32, 32},
        {2, 784, 32, 32}, {2, 196, 64, 32},  {3, 49, 96, 32},  {1, 45, 33, 3},
        {1, 784, 1, 1},   {2, 256, 128, 32}, {1, 64, 512, 32}, {5, 16, 224, 32},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int variant = 0; variant < 8; variant++) {
            const int *z = shapes[i];
            enum dtype type = variant % 2 ? DTYPE_BF16 : DTYPE_F32;
            struct norm_shape s = {z[0], z[1], z[2], z[3], type, variant / 4, 1e-5};
            struct norm_case k = {s, variant / 2 % 2, variant / 2 % 2, 0};
            struct op_case c = {0}, far = {0};
            norm_make(&c, &k);
            v->visit(v, &c);
            if (variant == 6 && !c.flat) {
                k.mean = 300;
                norm_make(&far, &k);
                v->visit(v, &far);
            }
        }
}

static void visit_concat_norm(const struct visitor *v)
{
    static const int shapes[][5] = {
        /* n, hw, ca, cb, groups */
        {2, 16, 32, 32, 32}, {1, 49, 64, 32, 32}, {3, 9, 24, 8, 4},
        {1, 25, 12, 20, 4},  {1, 7, 5, 28, 3},    {1, 64, 384, 256, 32},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int variant = 0; variant < 4; variant++) {
            const int *z = shapes[i];
            struct concat_norm_case k = {{z[0], z[1], z[2] + z[3], z[4],
                                          variant % 2 ? DTYPE_BF16 : DTYPE_F32, (int)i % 2, 1e-5},
                                         z[2],
                                         variant / 2};
            struct op_case c = {0};
            concat_norm_make(&c, &k);
            v->visit(v, &c);
        }
}

static void visit_attention(const struct visitor *v)
{
    static const struct attention_shape shapes[] = {
        {1, 1, 32, 1, DTYPE_F32},  {2, 4, 96, 2, DTYPE_F32},    {2, 49, 64, 1, DTYPE_F32},
        {2, 49, 64, 4, DTYPE_F32}, {1, 64, 33, 1, DTYPE_F32},   {1, 196, 32, 1, DTYPE_F32},
        {3, 17, 99, 3, DTYPE_F32}, {1, 256, 128, 2, DTYPE_F32},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            struct attention_shape s = shapes[i];
            struct op_case c = {0};
            s.type = bf16 ? DTYPE_BF16 : DTYPE_F32;
            attention_make(&c, &s);
            v->visit(v, &c);
        }
}

static void visit_layers(const struct visitor *v)
{
    static void (*const make[])(struct op_case *, const struct layer_case *) = {
        upsample_make, concat_make, add_make,           dropout_make,
        silu_make,     embed_make,  squared_error_make, add_normal_make};
    static const int first_fp32 = 4; /* from here on the operation knows fp32 only */
    static const int shapes[][5] = {{1, 1, 1, 1, 1},     {1, 1, 1, 3, 1},   {3, 1, 1, 32, 32},
                                    {2, 7, 7, 33, 3},    {2, 5, 9, 96, 64}, {2, 14, 14, 64, 64},
                                    {1, 28, 28, 32, 64}, {64, 1, 1, 32, 1}, {5, 28, 28, 1, 2}};
    for (int op = 0; op < (int)(sizeof make / sizeof *make); op++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int variant = 0; variant < (op < first_fp32 ? 4 : 2); variant++) {
                const int *z = shapes[i];
                struct layer_case k = {variant / 2 ? DTYPE_BF16 : DTYPE_F32,
                                       z[0],
                                       z[1],
                                       z[2],
                                       z[3],
                                       z[4],
                                       variant % 2};
                struct op_case c = {0};
                if (make[op] == embed_make)
                    k.c = (k.c + 1) / 2 * 2;
                make[op](&c, &k);
                v->visit(v, &c);
            }
}

static void visit_flat(const struct visitor *v)
{
    static const int64_t counts[] = {0, 1, 3, 16, 17, 4095, 4097, 100003};
    static const struct flat_case settings[] = {
        /* n, learning rate, step, beta1, beta2, epsilon, weight decay, decoupled, clip; average, rounded */
        {0, 1e-3, 1, {0.9, 0.999, 1e-8, 0, 0, 0}, 0, 0},
        {0, 1e-2, 2, {0.9, 0.99, 1e-6, 0.1, 0, 0.5}, 1, 0},
        {0, 1e-2, 1000, {0.95, 0.999, 1e-8, 0.1, 1, 1e3}, 1, 1},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        for (size_t j = 0; j < sizeof settings / sizeof *settings; j++)
            for (int lion = 0; lion < 2; lion++) {
                struct flat_case k = settings[j];
                struct op_case c = {0};
                k.n = counts[i];
                optimizer_make(&c, &k, lion);
                v->visit(v, &c);
            }
        for (int op = 0; op < FLAT_OPS; op++) {
            struct flat_case k = {.n = counts[i]};
            struct op_case c = {0};
            flat_make(&c, &k, (enum flat_op)op);
            v->visit(v, &c);
        }
    }
}

static void visit_all(const struct visitor *v)
{
    visit_conv(v);
    visit_norm(v);
    visit_concat_norm(v);
    visit_attention(v);
    visit_layers(v);
    visit_flat(v);
}
