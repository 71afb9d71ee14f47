/* SPDX-License-Identifier: Apache-2.0
 * compare: a device against the reference, the reference against finite differences, and the table
 * of worst errors. */
#pragma once
#include "battery.h"

/* Largest errors allowed for a result ("pass.argument"; "cuda pass.argument": on that device), with
 * fp32 and with bf16 activations. The errors measured stand beside them in test_ops.c. */
struct tolerance {
    const char *result;
    double f32, bf16;
};
extern const struct tolerance tolerances[];
extern const int tolerance_count;

struct worst {
    char result[64];
    int type;
    double error, allowed;
    char label[80];
};
struct report {
    int count, cuda; /* cuda: the device is that one */
    struct worst worst[160];
};

static double allowed_error(const char *result, int type, int cuda)
{
    for (int own = cuda; own >= 0; own--)
        for (int i = 0; i < tolerance_count; i++) {
            const char *name = tolerances[i].result;
            if (own && strncmp(name, "cuda ", 5) != 0)
                continue;
            if (strcmp(own ? name + 5 : name, result) == 0)
                return type == F32 ? tolerances[i].f32 : tolerances[i].bf16;
        }
    printf("no tolerance for %s\n", result);
    CHECK(!"every result has a tolerance");
    return 0;
}

static void report_error(struct report *r, const char *result, int type, const char *label,
                         double error)
{
    int i = 0;
    while (i < r->count && (strcmp(r->worst[i].result, result) || r->worst[i].type != type))
        i++;
    struct worst *w = &r->worst[i];
    if (i == r->count) {
        r->count++;
        snprintf(w->result, sizeof w->result, "%s", result);
        w->type = type;
        w->error = -1;
        w->allowed = allowed_error(result, type, r->cuda);
    }
    if (!(error <= w->allowed))
        printf("%s %s: error %.3g, allowed %.3g\n", result, label, error, w->allowed);
    CHECK(error <= w->allowed);
    if (!(error <= w->error)) {
        w->error = error;
        snprintf(w->label, sizeof w->label, "%s", label);
    }
}

static void report_print(const struct report *r)
{
    printf("%-32s %5s %10s %10s  %s\n", "result", "type", "worst", "allowed", "where");
    for (int i = 0; i < r->count; i++)
        printf("%-32s %5s %10.2g %10.2g  %s\n", r->worst[i].result,
               r->worst[i].type == F32 ? "fp32" : "bf16", r->worst[i].error, r->worst[i].allowed,
               r->worst[i].label);
}

/* max |got - want| / (|want| + rms(want) + unit); infinite if anything is not finite */
static double relative_error(int64_t count, const double *got, const double *want, double unit)
{
    double sum = 0, worst = 0;
    for (int64_t i = 0; i < count; i++)
        sum += want[i] * want[i];
    double rms = sqrt(sum / (double)(count ? count : 1));
    for (int64_t i = 0; i < count; i++) {
        double off = fabs(got[i] - want[i]);
        if (!isfinite(got[i]) || !isfinite(want[i]))
            return INFINITY;
        if (off > 0)
            worst = fmax(worst, off / (fabs(want[i]) + rms + unit));
    }
    return worst;
}

/* The type that a case is about: that of its first argument. */
static int case_type(const struct op_case *c)
{
    return c->pass[0].arg[0].type == BF16 ? BF16 : F32;
}

/* Every result of every pass: near the reference's, and the same bits when computed again. */
static void compare_devices(struct device *d, struct device *ref, const struct op_case *c,
                            struct report *r)
{
    struct values inputs = {0};
    for (int k = 0; k < c->pass_count; k++) {
        const struct pass *p = &c->pass[k];
        struct values got = {0}, again = {0}, want = {0};
        pass_run(d, c, p, &inputs, &got);
        pass_run(d, c, p, &inputs, &again);
        pass_run(ref, c, p, &inputs, &want);
        for (int i = 0; i < got.count; i++) {
            char result[64];
            int64_t count = got.value[i].count;
            snprintf(result, sizeof result, "%s.%s", p->name, got.value[i].name);
            report_error(r, result, case_type(c), c->label,
                         relative_error(count, got.value[i].v, want.value[i].v, c->unit));
            int same =
                memcmp(got.value[i].v, again.value[i].v, (size_t)count * sizeof(double)) == 0;
            if (!same)
                printf("%s %s %s: other bits when computed again\n", d->name, result, c->label);
            CHECK(same);
        }
        values_free(&got);
        values_free(&again);
        values_free(&want);
        if (k == 0)
            forward_values(ref, c, &inputs);
    }
    values_free(&inputs);
}

/* ---- gradients ---- */

/* out += weight * forward(inputs with `name` moved by h along v), for the forward result `out_name`
 */
static void add_moved(struct device *ref, const struct op_case *c, const struct values *inputs,
                      const struct arg *moved, double h, const double *v, const char *out_name,
                      double weight, double *out, int64_t out_count)
{
    struct values here = *inputs, results = {0};
    double *x = mem_alloc((size_t)moved->count * sizeof *x);
    for (int i = 0; i < here.count; i++)
        if (strcmp(here.value[i].name, moved->name) == 0) {
            for (int64_t j = 0; j < moved->count; j++)
                x[j] = here.value[i].v[j] + h * v[j];
            here.value[i].v = x;
        }
    pass_run(ref, c, &c->pass[0], &here, &results);
    const double *result = values_find(&results, out_name);
    for (int64_t i = 0; i < out_count; i++)
        out[i] += weight * result[i];
    values_free(&results);
    mem_free(x);
}

/* |<dy, J v> - <dx, v>| over the size that sums of dy y and dy (J v) have; J v by differences of
 * fourth order. */
static double gradient_error(struct device *ref, const struct op_case *c, struct values *inputs,
                             const struct arg *x, const struct arg *y, const double *dy,
                             const double *dx)
{
    const double h = 0.01;
    size_t bytes = (size_t)y->count * sizeof(double);
    double *v = mem_alloc((size_t)x->count * sizeof *v), *jv = mem_zalloc(bytes),
           *y0 = mem_zalloc(bytes);
    double by_difference = 0, by_gradient = 0, size = 0;
    for (int64_t i = 0; i < x->count; i++)
        v[i] = random_normal(7, i);
    add_moved(ref, c, inputs, x, 0, v, y->name, 1, y0, y->count);
    for (int k = -2; k <= 2; k++)
        if (k)
            add_moved(ref, c, inputs, x, k * h, v, y->name,
                      (k > 0 ? 1 : -1) * (k % 2 ? 8 : -1) / (12 * h), jv, y->count);
    for (int64_t i = 0; i < y->count; i++) {
        by_difference += dy[i] * jv[i];
        size += dy[i] * dy[i] * (jv[i] * jv[i] + y0[i] * y0[i]);
    }
    for (int64_t i = 0; i < x->count; i++)
        by_gradient += dx[i] * v[i];
    mem_free(v);
    mem_free(jv);
    mem_free(y0);
    return fabs(by_difference - by_gradient) / sqrt(size);
}

static const struct arg *find_arg(const struct pass *p, const char *name)
{
    for (int i = 0; i < p->arg_count; i++)
        if (p->arg[i].count && strcmp(p->arg[i].name, name) == 0)
            return &p->arg[i];
    return NULL;
}

/* Every gradient of every backward pass of the reference against finite differences of its forward
 * pass. */
static void check_gradients(struct device *ref, const struct op_case *c, struct report *r)
{
    struct values inputs = {0};
    if (c->flat || c->pass_count < 2 || case_type(c) != F32)
        return;
    forward_values(ref, c, &inputs);
    for (int k = 1; k < c->pass_count; k++) {
        const struct pass *p = &c->pass[k];
        struct values results = {0};
        pass_run(ref, c, p, &inputs, &results);
        for (int i = 0; i < p->arg_count; i++) {
            const struct arg *a = &p->arg[i],
                             *x = a->name[0] == 'd' ? find_arg(&c->pass[0], a->name + 1) : NULL;
            if (a->role == IN || !a->count || !x)
                continue;
            double *dx = values_find(&results, a->name), *before = values_find(&inputs, a->name);
            for (int64_t j = 0; a->role == INOUT && j < a->count; j++)
                dx[j] -= before[j];
            for (int j = 0; j < p->arg_count; j++) {
                const char *name = p->arg[j].name;
                const struct arg *y =
                    name[0] == 'd' && p->arg[j].role == IN ? find_arg(&c->pass[0], name + 1) : NULL;
                char result[64];
                snprintf(result, sizeof result, "gradient %s.%s", p->name, a->name);
                if (y)
                    report_error(
                        r, result, F32, c->label,
                        gradient_error(ref, c, &inputs, x, y, values_find(&inputs, name), dx));
            }
        }
        values_free(&results);
    }
    values_free(&inputs);
}
