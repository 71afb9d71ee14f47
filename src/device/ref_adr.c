/* SPDX-License-Identifier: Apache-2.0
 * ref_adr: see ref_adr.h. One image after the other, level after level; channels share the velocity
 * and nothing else. Inside, an image is [C,L,L] in solver values low + (high - low) u. */
#include "device/ref_adr.h"

#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "device/ref_adr_parts.h"
#include "device/turbulence.h"

enum { POPULATIONS = 9 };

struct adr {
    const struct adr_plan *plan; /* borrowed */
    struct ref_velocity velocity;
    uint64_t key;
    int level;
    double *v;          /* [2,L,L] */
    double *value;      /* [C,L,L] solver value; heat: spectrum of the image */
    double *u, *before; /* [L,L,C] image at this level (what ref_adr_next returns) and one before */
    double *f, *next;   /* [C,9,L,L] */
    double *basis, *work;    /* heat: [L,L], [2,L,L] */
    struct adr_stats unread; /* of runs that nobody asked about yet */
};

static size_t image_values(const struct adr_plan *plan)
{
    return (size_t)plan->side * (size_t)plan->side * (size_t)plan->channels;
}

struct adr *ref_adr_create(struct device *d, const struct adr_plan *plan, int max_images)
{
    (void)d;
    (void)max_images;
    size_t cells = (size_t)plan->side * (size_t)plan->side, values = image_values(plan);
    struct adr *a = mem_zalloc(sizeof *a);
    a->plan = plan;
    ref_velocity_init(&a->velocity, plan);
    a->v = mem_alloc(2 * cells * sizeof(double));
    a->value = mem_alloc(values * sizeof(double));
    a->u = mem_alloc(values * sizeof(double));
    a->before = mem_alloc(values * sizeof(double));
    if (plan->kind == FORWARD_HEAT) {
        a->basis = mem_alloc(cells * sizeof(double));
        a->work = mem_alloc(2 * cells * sizeof(double));
        ref_heat_basis(plan->side, a->basis);
    } else {
        a->f = mem_alloc(POPULATIONS * values * sizeof(double));
        a->next = mem_alloc(POPULATIONS * values * sizeof(double));
    }
    return a;
}

void ref_adr_destroy(struct device *d, struct adr *a)
{
    (void)d;
    ref_velocity_free(&a->velocity);
    double *parts[] = {a->v, a->value, a->u, a->before, a->f, a->next, a->basis, a->work};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        mem_free(parts[i]);
    mem_free(a);
}

void ref_adr_field(struct adr *a, uint64_t key, int level, int step, double *v,
                   struct adr_stats *stats)
{
    struct adr_stats unused = {0};
    ref_velocity_field(&a->velocity, key, level, step, v, stats ? stats : &unused);
}

void ref_adr_start(struct adr *a, uint64_t key, const double *u0)
{
    const struct adr_plan *plan = a->plan;
    int cells = plan->side * plan->side, channels = plan->channels;
    a->key = key;
    a->level = 0;
    memcpy(a->u, u0, image_values(plan) * sizeof(double));
    for (int c = 0; c < channels; c++) {
        double *value = a->value + c * cells;
        for (int at = 0; at < cells; at++)
            value[at] = u0[at * channels + c];
        if (plan->kind == FORWARD_HEAT) {
            memcpy(a->work + cells, value, (size_t)cells * sizeof(double));
            ref_heat_spectrum(plan->side, a->basis, a->work + cells, a->work, value);
        } else {
            for (int at = 0; at < cells; at++)
                value[at] = plan->value_low + (plan->value_high - plan->value_low) * value[at];
        }
    }
}

static void heat_level(struct adr *a)
{
    const struct adr_plan *plan = a->plan;
    int cells = plan->side * plan->side, channels = plan->channels;
    for (int c = 0; c < channels; c++) {
        double *image = a->work + cells;
        ref_heat_blur(plan->side, a->basis, a->value + c * cells, plan->levels[a->level].sigma,
                      a->work, image);
        for (int at = 0; at < cells; at++)
            a->u[at * channels + c] = image[at];
    }
}

static void lbm_level(struct adr *a, struct adr_stats *stats)
{
    const struct adr_plan *plan = a->plan;
    const struct adr_level *level = &plan->levels[a->level];
    int cells = plan->side * plan->side, channels = plan->channels;
    int block = POPULATIONS * cells, hold_first, hold_steps;
    for (int step = 0; step < level->steps; step++) {
        turbulence_theta(plan, a->level, step, &hold_first, &hold_steps);
        if (step == hold_first)
            ref_velocity_field(&a->velocity, a->key, a->level, step, a->v, stats);
        for (int c = 0; c < channels; c++) {
            double *f = a->f + c * block, *next = a->next + c * block;
            if (a->level == 1 && step == 0)
                ref_lbm_start(plan, level, a->v, a->value + c * cells, f);
            ref_lbm_step(plan, level, a->v, f, next);
        }
        double *swap = a->f;
        a->f = a->next;
        a->next = swap;
    }
    for (int c = 0; c < channels; c++)
        for (int at = 0; at < cells; at++) {
            double value = 0;
            for (int i = 0; i < POPULATIONS; i++)
                value += a->f[c * block + i * cells + at];
            a->u[at * channels + c] =
                (value - plan->value_low) / (plan->value_high - plan->value_low);
        }
}

const double *ref_adr_next(struct adr *a, struct adr_stats *stats)
{
    struct adr_stats unused = {0};
    REQUIRE(a->level < a->plan->level_count);
    a->level++;
    memcpy(a->before, a->u, image_values(a->plan) * sizeof(double));
    if (a->plan->kind == FORWARD_HEAT)
        heat_level(a);
    else
        lbm_level(a, stats ? stats : &unused);
    return a->u;
}

static void run_image(struct adr *a, int image, uint64_t key, const float *u0, int captures,
                      const struct adr_capture *capture, float *u, float *delta,
                      struct adr_stats *stats)
{
    size_t values = image_values(a->plan);
    for (size_t i = 0; i < values; i++)
        a->before[i] = u0[i];
    ref_adr_start(a, key, a->before);
    for (int c = 0; c < captures; c++) { /* sorted by level */
        if (capture[c].image != image)
            continue;
        while (a->level < capture[c].level) {
            ref_adr_next(a, stats);
        }
        float *u_slot = u + (size_t)capture[c].slot * values;
        float *delta_slot = delta ? delta + (size_t)capture[c].slot * values : NULL;
        for (size_t i = 0; i < values; i++) {
            u_slot[i] = (float)a->u[i];
            if (delta_slot)
                delta_slot[i] = (float)(a->before[i] - a->u[i]);
        }
    }
}

void ref_adr_run(struct device *d, struct adr *a, int n, const uint64_t *keys, const float *u0,
                 int captures, const struct adr_capture *capture, float *u, float *delta,
                 struct adr_stats *stats)
{
    (void)d;
    for (int i = 0; i < n; i++)
        run_image(a, i, keys[i], u0 + (size_t)i * image_values(a->plan), captures, capture, u,
                  delta, &a->unread);
    a->unread.images += n;
    adr_stats_hand_over(&a->unread, stats);
}

void ref_adr_velocity(struct device *d, struct adr *a, int n, const uint64_t *keys, int level,
                      int step, float *v)
{
    (void)d;
    size_t count = 2 * (size_t)a->plan->side * (size_t)a->plan->side;
    for (int i = 0; i < n; i++) {
        ref_adr_field(a, keys[i], level, step, a->v, NULL);
        for (size_t e = 0; e < count; e++)
            v[(size_t)i * count + e] = (float)a->v[e];
    }
}
