/* SPDX-License-Identifier: Apache-2.0
 * adr: the forward process as cases of the battery: every solver, wall and kind of velocity, odd
 * sides, numbers of images that do not fill a vector, captures at some levels of some images. What
 * it should compute is the physics tests' matter. */
#pragma once
#include "physics/adr_cases.h"
#include "shapes.h"

enum { ADR_MAX_IMAGES = 40, ADR_MAX_CAPTURES = 4 * ADR_MAX_IMAGES };

struct adr_shape {
    struct adr_plan plan;
    int n, captures;
    uint64_t keys[ADR_MAX_IMAGES];
    struct adr_capture capture[ADR_MAX_CAPTURES];
};

static void *adr_plan_on(struct device *d, const struct op_case *c)
{
    const struct adr_shape *k = c->shape;
    return d->ops->adr_create(d, &k->plan, k->n);
}
static void adr_unplan(struct device *d, void *plan)
{
    d->ops->adr_destroy(d, plan);
}
static void call_adr_run(struct device *d, const struct op_case *c, void *plan, void **p)
{
    const struct adr_shape *k = c->shape;
    struct adr_stats stats = {.worst_cap = 1};
    d->ops->adr_run(d, plan, k->n, k->keys, p[0], k->captures, k->capture, p[1], p[2], &stats);
}
static void call_adr_velocity(struct device *d, const struct op_case *c, void *plan, void **p)
{
    const struct adr_shape *k = c->shape;
    int level = (k->plan.level_count + 1) / 2;
    d->ops->adr_velocity(d, plan, k->n, k->keys, level, k->plan.levels[level].steps - 1, p[0]);
}

/* Captures: even images at levels 0, 2 and the last but one, odd ones at 1 and 3; slots run against
 * the order. */
static void adr_captures(struct adr_shape *k)
{
    const int levels = k->plan.level_count;
    k->captures = 0;
    for (int level = 0; level <= levels; level++)
        for (int i = 0; i < k->n; i++)
            if (i % 2 ? level == 1 || level == 3 : level == 0 || level == 2 || level == levels - 1)
                k->capture[k->captures++] = (struct adr_capture){level, i, 0};
    for (int i = 0; i < k->captures; i++)
        k->capture[i].slot = k->captures - 1 - i;
}

static void adr_make(struct op_case *c, struct adr_shape *k, const char *what, int with_delta)
{
    const struct adr_plan *plan = &k->plan;
    int64_t image = (int64_t)plan->side * plan->side * plan->channels;
    snprintf(c->label, sizeof c->label, "%s n%d %dx%dx%d", what, k->n, plan->side, plan->side,
             plan->channels);
    for (int i = 0; i < k->n; i++)
        k->keys[i] = 1000 + (uint64_t)(plan->realisations ? i % plan->realisations : 3 * i);
    adr_captures(k);
    c->shape = k;
    c->plan = adr_plan_on;
    c->unplan = adr_unplan;
    struct pass *p =
        case_pass(c, plan->kind == FORWARD_HEAT ? "heat_run" : "adr_run", call_adr_run);
    struct arg *u0 = pass_arg(p, arg_in("u0", F32, k->n * image));
    u0->mean = 0.5;
    u0->scale = 0.15;
    pass_arg(p, arg_out("u", F32, k->captures * image));
    pass_arg(p, arg_out("delta", F32, with_delta ? k->captures * image : 0));
    if (plan->velocity != VELOCITY_NONE)
        pass_arg(case_pass(c, "adr_velocity", call_adr_velocity),
                 arg_out("v", F32, 2 * image / plan->channels * k->n));
}

struct adr_setting {
    const char *what, *mode, *process, *collision, *walls, *kind;
    double pe, cap;
    int refresh, realisations, side, channels, n;
};
static const struct adr_setting adr_settings[] = {
    {"transport", "transport", "adr", "equilibrium", "auto", "turbulent", 8, 0, 0, 0, 12, 1, 17},
    {"transport one", "transport", "adr", "equilibrium", "auto", "turbulent", 8, 0, 0, 0, 7, 1, 1},
    {"transport rgb", "transport", "adr", "equilibrium", "auto", "turbulent", 8, 0, 0, 0, 9, 3, 3},
    {"transport 28", "transport", "adr", "equilibrium", "auto", "turbulent", 20, 0.9, 0, 0, 28, 1,
     5},
    {"refresh", "transport", "adr", "equilibrium", "auto", "turbulent", 8, 0, 2, 0, 12, 1, 4},
    {"realisations", "transport", "adr", "equilibrium", "auto", "turbulent", 8, 0, 0, 3, 8, 2, 33},
    {"no flow", "transport", "adr", "equilibrium", "auto", "turbulent", 0, 0, 0, 0, 11, 3, 6},
    {"periodic", "transport", "adr", "equilibrium", "periodic", "solenoidal", 8, 0, 0, 0, 12, 1, 5},
    {"bounce", "transport", "adr", "equilibrium", "bounce_back", "turbulent", 8, 0, 0, 0, 10, 1, 5},
    {"rotation", "transport", "adr", "equilibrium", "auto", "rotation", 8, 0, 0, 0, 9, 1, 2},
    {"shear", "transport", "adr", "equilibrium", "auto", "shear", 8, 0, 0, 0, 9, 1, 2},
    {"uniform", "transport", "adr", "equilibrium", "periodic", "uniform", 8, 0, 0, 0, 9, 1, 2},
    {"faithful", "faithful", "adr", "equilibrium", "auto", "turbulent", 8, 0, 0, 0, 11, 3, 5},
    {"faithful bgk", "faithful", "adr", "bgk", "auto", "turbulent", 0.5, 0, 3, 0, 12, 1, 17},
    {"bgk", "transport", "adr", "bgk", "auto", "turbulent", 0.5, 0, 0, 0, 9, 2, 3},
    {"bgk periodic", "transport", "adr", "bgk", "periodic", "solenoidal", 0.5, 0, 0, 0, 9, 1, 3},
    {"trt", "transport", "adr", "trt", "bounce_back", "turbulent", 0.5, 0, 0, 0, 9, 1, 3},
    {"regularized", "transport", "adr", "regularized", "auto", "turbulent", 0.5, 0, 0, 0, 9, 1, 3},
    {"heat", "transport", "heat", "equilibrium", "auto", "turbulent", 0, 0, 0, 0, 13, 3, 5},
};

static int adr_setting_plan(const struct adr_setting *s, struct adr_plan *plan)
{
    struct adr_case k = adr_case_make(s->mode, 6, 3.0, s->pe);
    adr_case_set(k.forward.process, s->process);
    adr_case_set(k.lbm.collision, s->collision);
    adr_case_set(k.lbm.walls, s->walls);
    adr_case_set(k.velocity.kind, s->kind);
    k.velocity.cap = s->cap;
    k.velocity.refresh = s->refresh;
    k.velocity.realisations = s->realisations;
    return adr_case_plan(&k, 11, s->side, s->channels, plan);
}

/* All images through all levels: what the two devices say they saw, and image 1 alone comes out as
 * it does among others, bit for bit. Fields that images share may be made once or once an image. */
static void adr_whole(struct device *d, struct device *ref, const struct adr_shape *k)
{
    size_t values = (size_t)k->plan.side * (size_t)k->plan.side * (size_t)k->plan.channels;
    size_t bytes = values * sizeof(float);
    float *u0 = mem_alloc((size_t)k->n * bytes), *among = mem_alloc((size_t)k->n * bytes),
          *alone = mem_alloc(bytes);
    int level = k->plan.level_count,
        shared = k->plan.realisations || k->plan.velocity >= VELOCITY_UNIFORM;
    struct adr_stats got = {.worst_cap = 1}, want = {.worst_cap = 1}, unused = {.worst_cap = 1};
    for (size_t i = 0; i < (size_t)k->n * values; i++)
        u0[i] = (float)(0.5 + 0.15 * random_normal(4, (int64_t)i));
    adr_case_run(ref, &k->plan, k->n, 70, u0, 1, &level, among, NULL, &want);
    adr_case_run(d, &k->plan, k->n, 70, u0, 1, &level, among, NULL, &got);
    CHECK(got.images == want.images);
    CHECK(shared || (got.fields == want.fields && got.fields_over == want.fields_over));
    CHECK_NEAR(got.worst_ratio, want.worst_ratio, 1e-5 * want.worst_ratio);
    CHECK_NEAR(got.worst_speed2, want.worst_speed2, 1e-5 * want.worst_speed2);
    CHECK_NEAR(got.worst_cap, want.worst_cap, 1e-5);
    if (k->n > 1) {
        adr_case_run(d, &k->plan, 1, 71, u0 + values, 1, &level, alone, NULL, &unused);
        CHECK(memcmp(among + values, alone, bytes) == 0);
    }
    mem_free(u0);
    mem_free(among);
    mem_free(alone);
}

static void visit_adr(const struct visitor *v)
{
    for (size_t i = 0; i < sizeof adr_settings / sizeof *adr_settings; i++) {
        const struct adr_setting *s = &adr_settings[i];
        struct adr_shape k = {.n = s->n};
        struct op_case c = {0};
        if (adr_setting_plan(s, &k.plan))
            exit(EXIT_FAILURE);
        adr_make(&c, &k, s->what, i % 4 != 3);
        v->visit(v, &c);
        adr_whole(v->d, v->ref, &k);
        physics_plan_free(&k.plan);
    }
}
