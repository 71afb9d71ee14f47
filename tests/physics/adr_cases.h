/* SPDX-License-Identifier: Apache-2.0
 * adr_cases: settings, images and comparisons that the physics tests share. A test is written
 * against struct device: without argument it runs on every device below, with one on that only. */
#pragma once
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "device/device.h"
#include "physics/physics.h"

static const double case_pi = 3.14159265358979323846;

struct adr_case {
    struct forward_settings forward;
    struct velocity_settings velocity;
    struct lbm_settings lbm;
};

/* The deck's defaults for a mode ('transport' or 'faithful'). */
static inline struct adr_case adr_case_make(const char *mode, int levels, double sigma_max,
                                            double pe)
{
    struct adr_case c = {
        .forward = {.process = "adr",
                    .levels = levels,
                    .sigma_min = 0.5,
                    .sigma_max = sigma_max,
                    .pe = pe},
        .velocity = {.kind = "turbulent", .slope = 2.0, .n_min = 1},
        .lbm = {.collision = "equilibrium", .walls = "auto"},
    };
    snprintf(c.forward.mode, sizeof c.forward.mode, "%s", mode);
    return c;
}

static inline void adr_case_set(char *field, const char *text)
{
    snprintf(field, DECK_TEXT, "%s", text);
}

static inline int adr_case_plan(const struct adr_case *c, uint64_t seed, int side, int channels,
                                struct adr_plan *plan)
{
    return physics_plan(&c->forward, &c->velocity, &c->lbm, seed, side, channels, NULL, 0, plan);
}

/* Runs `test` on the device named on the command line, else on each of the names (NULL ends). */
static inline void adr_case_devices(int argc, char **argv, const char *const *names,
                                    void (*test)(struct device *d))
{
    const char *one[] = {argc > 1 ? argv[1] : NULL, NULL};
    log_init(0, 1, 1);
    for (const char *const *name = argc > 1 ? one : names; *name; name++) {
        struct device *d;
        if (device_open(*name, 2, 0, 1, &d)) {
            printf("cannot open device %s\n", *name);
            exit(EXIT_FAILURE);
        }
        printf("device %s\n", d->name);
        test(d);
        device_close(d);
    }
}
static const char *const adr_case_small[] = {"ref", "cpu", NULL};
static const char *const adr_case_large[] = {"cpu", NULL}; /* minutes in the reference */

/* Runs n images u0 [n,L,L,C] on the host, keys key0, key0 + 1, ...; u and delta (NULL: not wanted)
 * [n, count, L,L,C] at the levels of the sorted list. */
static inline void adr_case_run(struct device *d, const struct adr_plan *plan, int n, uint64_t key0,
                                const float *u0, int count, const int *levels, float *u,
                                float *delta, struct adr_stats *stats)
{
    size_t values = (size_t)plan->side * (size_t)plan->side * (size_t)plan->channels;
    size_t in = (size_t)n * values * sizeof(float), out = in * (size_t)count;
    struct adr *a = d->ops->adr_create(d, plan, n);
    struct adr_capture *capture = mem_alloc((size_t)(n * count) * sizeof *capture);
    uint64_t *keys = mem_alloc((size_t)n * sizeof *keys);
    for (int i = 0; i < n; i++)
        keys[i] = key0 + (uint64_t)i;
    for (int c = 0; c < count; c++)
        for (int i = 0; i < n; i++)
            capture[c * n + i] = (struct adr_capture){levels[c], i, (int64_t)i * count + c};
    float *x = d->ops->alloc(d, in), *y = d->ops->alloc(d, out), *dy = d->ops->alloc(d, out);
    d->ops->upload(d, x, u0, in);
    d->ops->adr_run(d, a, n, keys, x, n * count, capture, y, delta ? dy : NULL, stats);
    d->ops->download(d, u, y, out);
    if (delta)
        d->ops->download(d, delta, dy, out);
    d->ops->free(d, x);
    d->ops->free(d, y);
    d->ops->free(d, dy);
    mem_free(keys);
    mem_free(capture);
    d->ops->adr_destroy(d, a);
}

/* u_k of one image at one level. */
static inline void adr_case_state(struct device *d, const struct adr_plan *plan, uint64_t key,
                                  const float *u0, int level, float *u)
{
    struct adr_stats stats = {0};
    adr_case_run(d, plan, 1, key, u0, 1, &level, u, NULL, &stats);
}

/* The field [2,L,L] that the device holds at a step of a level. */
static inline void adr_case_velocity(struct device *d, const struct adr_plan *plan, uint64_t key,
                                     int level, int step, float *v)
{
    size_t bytes = 2 * (size_t)plan->side * (size_t)plan->side * sizeof(float);
    struct adr *a = d->ops->adr_create(d, plan, 1);
    float *y = d->ops->alloc(d, bytes);
    d->ops->adr_velocity(d, a, 1, &key, level, step, y);
    d->ops->download(d, v, y, bytes);
    d->ops->free(d, y);
    d->ops->adr_destroy(d, a);
}

/* A picture with what pictures have, in [0,1], the same scene at every side: a shaded ground, discs
 * with sharp edges, stripes, black and white corners. Values: means of 4 x 4 points a pixel. */
static inline void adr_case_picture(int side, int channels, float *u)
{
    for (int j = 0; j < side; j++)
        for (int i = 0; i < side; i++)
            for (int c = 0; c < channels; c++) {
                double sum = 0;
                for (int s = 0; s < 16; s++) {
                    double x = (i + (s % 4 + 0.5) / 4) / side, y = (j + (s / 4 + 0.5) / 4) / side;
                    double value = 0.35 + 0.3 * x * y + 0.1 * sin(5 * x + 3 * y + c);
                    if (hypot(x - 0.35, y - 0.4) < 0.22)
                        value = 0.9 - 0.2 * c / channels;
                    if (hypot(x - 0.65, y - 0.7) < 0.15)
                        value = 0.1 + 0.1 * c;
                    if (x > 0.6 && y < 0.35)
                        value = 0.5 + 0.5 * cos(60 * x) * cos(14 * y);
                    if (x + y < 0.2)
                        value = 0;
                    if (x + y > 1.85)
                        value = 1;
                    sum += value;
                }
                u[(j * side + i) * channels + c] = (float)fmin(1, fmax(0, sum / 16));
            }
}

/* White noise in [0,1]. */
static inline void adr_case_noise(uint64_t seed, size_t count, float *u)
{
    for (size_t e = 0; e < count; e++)
        u[e] = rng_uniform(rng_draw(seed, RNG_TEST, e, 0, 0).v[0]);
}

static inline double adr_case_rms(size_t count, const float *a, const float *b)
{
    double sum = 0;
    for (size_t e = 0; e < count; e++) {
        double x = (double)a[e] - (b ? (double)b[e] : 0.0);
        sum += x * x;
    }
    return sqrt(sum / (double)count);
}

static inline double adr_case_worst(size_t count, const float *a, const float *b)
{
    double worst = 0;
    for (size_t e = 0; e < count; e++)
        worst = fmax(worst, fabs((double)a[e] - (b ? (double)b[e] : 0.0)));
    return worst;
}
