/* SPDX-License-Identifier: Apache-2.0
 * bench_adr: the forward process of any device: lattice updates a second (GLUPS, all channels
 * counted), once with one long hold (lattice steps alone), once as the default schedule asks (K =
 * 200 levels, drifting flow, everything included).
 *
 *     bench_adr DEVICE [images [side]]  images of each size, default 64; sides up to this, 256
 *
 * Five repeats each: median, and smallest to largest in brackets. On the cuda device
 * PECLET_ADR_KERNEL=pull measures the plain kernel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/timer.h"
#include "device/device.h"
#include "physics/physics.h"

enum { REPEATS = 5 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void make_plan(const char *collision, int levels, int side, int channels, double drift,
                      struct adr_plan *plan)
{
    struct forward_settings forward = {.process = "adr",
                                       .mode = "transport",
                                       .levels = levels,
                                       .sigma_min = levels > 1 ? 0.5 : 0.15 * side,
                                       .sigma_max = 0.16 * side,
                                       .pe = strcmp(collision, "equilibrium") ? 0.5 : 6};
    struct velocity_settings velocity = {
        .kind = "turbulent", .slope = 2, .n_min = 1, .drift = drift};
    struct lbm_settings lbm = {.walls = "auto"};
    snprintf(lbm.collision, sizeof lbm.collision, "%s", collision);
    if (physics_plan(&forward, &velocity, &lbm, 1, side, channels, NULL, 0, plan))
        exit(EXIT_FAILURE);
}

/* The last level of every image. */
static void bench(struct device *d, const char *what, const char *collision, int levels, int side,
                  int channels, double drift, int n)
{
    struct adr_plan plan;
    make_plan(collision, levels, side, channels, drift, &plan);
    size_t values = (size_t)n * (size_t)side * (size_t)side * (size_t)channels;
    float *u0 = mem_alloc(values * sizeof(float));
    uint64_t *keys = mem_alloc((size_t)n * sizeof *keys);
    struct adr_capture *capture = mem_alloc((size_t)n * sizeof *capture);
    struct adr_stats stats = {0};
    double value[REPEATS], updates = 0;
    for (size_t i = 0; i < values; i++)
        u0[i] = (float)(i % 101) / 101;
    for (int i = 0; i < n; i++) {
        keys[i] = (uint64_t)i;
        capture[i] = (struct adr_capture){levels, i, i};
    }
    for (int k = 1; k <= levels; k++)
        updates += (double)values * plan.levels[k].steps;
    float *x = d->ops->alloc(d, values * sizeof(float));
    float *u = d->ops->alloc(d, values * sizeof(float));
    d->ops->upload(d, x, u0, values * sizeof(float));
    struct adr *a = d->ops->adr_create(d, &plan, n);
    for (int r = -1; r < REPEATS; r++) { /* the first warms up */
        d->ops->sync(d);
        double start = timer_now_s();
        d->ops->adr_run(d, a, n, keys, x, n, capture, u, NULL, &stats);
        d->ops->sync(d);
        if (r >= 0)
            value[r] = 1e-9 * updates / (timer_now_s() - start);
    }
    qsort(value, REPEATS, sizeof *value, ascending);
    printf("%-12s %-12s %3d px x %d, %4d levels: %8.4g GLUPS (%.4g to %.4g)\n", what, collision,
           side, channels, levels, value[REPEATS / 2], value[0], value[REPEATS - 1]);
    fflush(stdout);
    d->ops->adr_destroy(d, a);
    d->ops->free(d, x);
    d->ops->free(d, u);
    mem_free(u0);
    mem_free(keys);
    mem_free(capture);
    physics_plan_free(&plan);
}

int main(int argc, char **argv)
{
    static const int sides[] = {28, 64, 128, 256};
    struct device *d;
    int n = argc > 2 ? atoi(argv[2]) : 64, largest = argc > 3 ? atoi(argv[3]) : 256;
    log_init(0, 1, 1);
    if (argc < 2 || n < 1 || device_open(argv[1], 0, 0, 1, &d)) {
        printf("usage: bench_adr DEVICE [images [side]]\n");
        return EXIT_FAILURE;
    }
    printf("%s: %s; %d images\n", d->name, d->description, n);
    for (int i = 0; i < 4 && sides[i] <= largest; i++) {
        int channels = sides[i] > 28 ? 3 : 1;
        bench(d, "one hold", "equilibrium", 1, sides[i], channels, -1, n);
        bench(d, "all", "equilibrium", 200, sides[i], channels, 0, n);
        bench(d, "one hold", "bgk", 1, sides[i], channels, -1, n);
    }
    device_close(d);
    return EXIT_SUCCESS;
}
