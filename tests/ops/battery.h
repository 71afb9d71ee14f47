/* SPDX-License-Identifier: Apache-2.0
 * battery: runs one operation of a device on one shape and tells how far it is from the reference.
 *
 * A case is a list of passes (forward, then backward ones) with named arguments. Values belong to
 * names: every pass that has an argument x gets the same x, results of the reference's forward pass
 * (y, stats, probs) go on to its backward passes, and dx is the gradient of x. So one description
 * serves the comparison of devices, the finite differences and the timing. Results are poisoned
 * with NaN before a call; the bytes around every array are checked after it. */
#pragma once
#include <string.h>

#include "base/half.h"
#include "base/mem.h"
#include "base/rng.h"
#include "check.h"
#include "device/device.h"

/* Element types: enum dtype and two more. */
enum { F32 = DTYPE_F32, BF16 = DTYPE_BF16, F16 = DTYPE_F16, I32, F64 };
enum role { IN, OUT, INOUT, SPENT }; /* spent: given, and nothing worth keeping afterwards */
enum fill { NORMAL, SQUARE, LEVELS };
enum { MAX_ARGS = 12, MAX_PASSES = 3, MAX_VALUES = 24, GUARD = 64 };

struct arg {
    const char *name;
    enum role role;
    int type;
    int64_t count; /* 0: the call gets NULL */
    enum fill fill;
    double mean, scale; /* of NORMAL */
    int unaligned;      /* sits inside a flat vector: 4-byte aligned only */
};

struct op_case;
struct pass {
    const char *name;
    void (*call)(struct device *d, const struct op_case *c, void *plan, void **p);
    int arg_count;
    struct arg arg[MAX_ARGS];
    double flops;
};
struct op_case {
    char label[80];
    const void *shape;
    void *(*plan)(struct device *d, const struct op_case *c); /* NULL: no plan needed */
    void (*unplan)(struct device *d, void *plan);
    int pass_count;
    struct pass pass[MAX_PASSES];
    int flat;    /* the function is constant or jumps: no finite differences */
    double unit; /* errors are relative to |wanted| + rms(wanted) + unit; 0 where results cannot all
                    vanish */
};

static struct arg arg_in(const char *name, int type, int64_t count)
{
    return (struct arg){.name = name, .role = IN, .type = type, .count = count, .scale = 1};
}
static struct arg arg_out(const char *name, int type, int64_t count)
{
    return (struct arg){.name = name, .role = OUT, .type = type, .count = count, .scale = 1};
}
static struct arg arg_add(const char *name, int type, int64_t count, int accumulate)
{
    return (struct arg){
        .name = name, .role = accumulate ? INOUT : OUT, .type = type, .count = count, .scale = 1};
}
static struct arg arg_param(const char *name, enum role role, int64_t count)
{
    return (struct arg){
        .name = name, .role = role, .type = F32, .count = count, .scale = 1, .unaligned = 1};
}

/* Appends a pass / an argument to it. */
static struct pass *case_pass(struct op_case *c, const char *name,
                              void (*call)(struct device *, const struct op_case *, void *,
                                           void **))
{
    struct pass *p = &c->pass[c->pass_count++];
    p->name = name;
    p->call = call;
    return p;
}
static struct arg *pass_arg(struct pass *p, struct arg a)
{
    p->arg[p->arg_count] = a;
    return &p->arg[p->arg_count++];
}

/* ---- numbers in element types ---- */

static size_t element_bytes(int type)
{
    return type == F64 ? 8 : type == F32 || type == I32 ? 4 : 2;
}

static void element_write(int type, void *array, int64_t i, double value)
{
    if (type == F64)
        ((double *)array)[i] = value;
    else if (type == I32)
        ((int32_t *)array)[i] = (int32_t)value;
    else if (type == F32)
        ((float *)array)[i] = (float)value;
    else
        ((uint16_t *)array)[i] =
            type == BF16 ? bf16_from_float((float)value) : half_from_float((float)value);
}

static double element_read(int type, const void *array, int64_t i)
{
    if (type == F64)
        return ((const double *)array)[i];
    if (type == I32)
        return ((const int32_t *)array)[i];
    if (type == F32)
        return ((const float *)array)[i];
    uint16_t bits = ((const uint16_t *)array)[i];
    return type == BF16 ? bf16_to_float(bits) : half_to_float(bits);
}

/* ---- arrays on a device with guards ---- */

struct buffer {
    struct device *d;
    char *base, *host; /* device memory, and a host copy of all of it, guards included */
    size_t bytes, first;
};

static void *buffer_create(struct device *d, const struct arg *a, const double *values,
                           struct buffer *b)
{
    b->d = d;
    b->bytes = (size_t)a->count * element_bytes(a->type);
    b->first = GUARD + (a->unaligned ? 4 : 0);
    size_t total = b->first + b->bytes + GUARD;
    b->host = mem_alloc(total);
    memset(b->host, 0xA5, total);
    memset(b->host + b->first, 0xFF, b->bytes); /* NaN in every element type */
    for (int64_t i = 0; a->role != OUT && i < a->count; i++)
        element_write(a->type, b->host + b->first, i, values[i]);
    b->base = d->ops->alloc(d, total);
    d->ops->upload(d, b->base, b->host, total);
    return a->count ? b->base + b->first : NULL;
}

/* Reads the array back into values (unless NULL), checks the guards, and that an input is as it
 * was. */
static void buffer_finish(struct buffer *b, const struct arg *a, const char *where, double *values)
{
    size_t total = b->first + b->bytes + GUARD, wrong = 0;
    char *now = mem_alloc(total);
    b->d->ops->download(b->d, now, b->base, total);
    for (size_t i = 0; i < total; i++)
        if (a->role == IN || i < b->first || i >= b->first + b->bytes)
            wrong += now[i] != b->host[i];
    if (wrong)
        printf("%s: %s: %zu bytes changed that are not a result\n", where, a->name, wrong);
    CHECK(wrong == 0);
    for (int64_t i = 0; values && i < a->count; i++)
        values[i] = element_read(a->type, now + b->first, i);
    b->d->ops->free(b->d, b->base);
    mem_free(b->host);
    mem_free(now);
}

/* ---- values by name ---- */

struct values {
    int count;
    struct value {
        const char *name;
        int64_t count;
        double *v;
    } value[MAX_VALUES];
};

static double *values_find(struct values *s, const char *name)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->value[i].name, name) == 0)
            return s->value[i].v;
    return NULL;
}

static double *values_add(struct values *s, const char *name, int64_t count)
{
    double *v = mem_alloc((size_t)count * sizeof *v);
    s->value[s->count++] = (struct value){name, count, v};
    return v;
}

static void values_free(struct values *s)
{
    for (int i = 0; i < s->count; i++)
        mem_free(s->value[i].v);
    s->count = 0;
}

static double random_normal(uint64_t which, int64_t i)
{
    struct rng4 r = rng_draw(2024, RNG_TEST, which, 0, (uint32_t)(i / 2));
    float pair[2];
    rng_normal2(r.v[0], r.v[1], pair);
    return pair[i % 2];
}

/* The values of an argument, drawn when its name is first met, as its type can hold them. */
static double *values_of(struct values *s, const struct arg *a)
{
    double *v = values_find(s, a->name);
    if (v)
        return v;
    uint64_t which = 0;
    for (const char *letter = a->name; *letter; letter++)
        which = which * 131 + (uint64_t)*letter;
    v = values_add(s, a->name, a->count);
    for (int64_t i = 0; i < a->count; i++) {
        char cell[8];
        double normal = random_normal(which & 0xffffffffffffu, i);
        double value = a->fill == NORMAL   ? a->mean + a->scale * normal
                       : a->fill == SQUARE ? normal * normal
                                           : floor(fabs(normal) * 100);
        element_write(a->type, cell, 0, value);
        v[i] = element_read(a->type, cell, 0);
    }
    return v;
}

/* ---- one pass on one device ---- */

/* Results (OUT and INOUT) by name into `results`. */
static void pass_run(struct device *d, const struct op_case *c, const struct pass *p,
                     struct values *inputs, struct values *results)
{
    struct buffer buffer[MAX_ARGS];
    void *pointer[MAX_ARGS] = {0}, *plan = c->plan ? c->plan(d, c) : NULL;
    char where[200];
    snprintf(where, sizeof where, "%s %s %s", d->name, p->name, c->label);
    for (int i = 0; i < p->arg_count; i++)
        pointer[i] =
            buffer_create(d, &p->arg[i],
                          p->arg[i].role == OUT ? NULL : values_of(inputs, &p->arg[i]), &buffer[i]);
    p->call(d, c, plan, pointer);
    d->ops->sync(d);
    for (int i = 0; i < p->arg_count; i++) {
        int result = p->arg[i].role == OUT || p->arg[i].role == INOUT;
        buffer_finish(&buffer[i], &p->arg[i], where,
                      result ? values_add(results, p->arg[i].name, p->arg[i].count) : NULL);
    }
    if (c->plan)
        c->unplan(d, plan);
}

/* What the reference makes of the forward pass becomes the input of the backward passes. */
static void forward_values(struct device *ref, const struct op_case *c, struct values *inputs)
{
    const struct pass *p = &c->pass[0];
    struct values results = {0};
    pass_run(ref, c, p, inputs, &results);
    for (int i = 0; c->pass_count > 1 && i < p->arg_count; i++)
        if (p->arg[i].role == OUT)
            memcpy(values_add(inputs, p->arg[i].name, p->arg[i].count),
                   values_find(&results, p->arg[i].name), (size_t)p->arg[i].count * sizeof(double));
    values_free(&results);
}
