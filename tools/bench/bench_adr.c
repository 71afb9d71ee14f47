/* SPDX-License-Identifier: Apache-2.0
 * bench_adr: the forward process of any device: lattice updates a second (GLUPS, all channels
 * counted); first the plain kernel of nine populations against the copy rate of the same run, then
 * for each size one long hold (lattice steps alone) and what the default schedule asks for (K = 200
 * levels, drifting flow, everything included).
 *
 *     bench_adr DEVICE [images [side]]
 *
 * Images of each size: by default as many as keep a GPU's multiprocessors busy eight times over (64
 * on a processor); the plain kernel takes 256 of 128 px. Sides up to `side`, 256; below 128 the
 * plain kernel takes that side. On a GPU the default schedule also with the random fields by matrix
 * products and by cuFFT at every side, which shows where they cross (cuda/adr_fft.c). Five repeats
 * each: median, and smallest to largest in brackets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/timer.h"
#include "device/device.h"
#include "physics/physics.h"

enum { REPEATS = 5, PULL_SIDE = 128, PULL_IMAGES = 256, COPY_BYTES = 1 << 30 };

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

struct rate {
    double median, least, most;
};

static struct rate rate_of(double value[REPEATS])
{
    qsort(value, REPEATS, sizeof *value, ascending);
    return (struct rate){value[REPEATS / 2], value[0], value[REPEATS - 1]};
}

/* Lattice updates a second on the way to the last level of every image. */
static struct rate measure(struct device *d, const struct adr_plan *plan, int n)
{
    int levels = plan->level_count;
    size_t values = (size_t)n * (size_t)plan->side * (size_t)plan->side * (size_t)plan->channels;
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
        updates += (double)values * plan->levels[k].steps;
    float *x = d->ops->alloc(d, values * sizeof(float));
    float *u = d->ops->alloc(d, values * sizeof(float));
    d->ops->upload(d, x, u0, values * sizeof(float));
    struct adr *a = d->ops->adr_create(d, plan, n);
    for (int r = -1; r < REPEATS; r++) { /* the first warms up */
        d->ops->sync(d);
        double start = timer_now_s();
        d->ops->adr_run(d, a, n, keys, x, n, capture, u, NULL, &stats);
        d->ops->sync(d);
        if (r >= 0)
            value[r] = updates / (timer_now_s() - start);
    }
    d->ops->adr_destroy(d, a);
    d->ops->free(d, x);
    d->ops->free(d, u);
    mem_free(u0);
    mem_free(keys);
    mem_free(capture);
    return rate_of(value);
}

static void bench(struct device *d, const char *what, const char *collision, int levels, int side,
                  double drift, int n)
{
    struct adr_plan plan;
    int channels = side > 28 ? 3 : 1;
    make_plan(collision, levels, side, channels, drift, &plan);
    struct rate rate = measure(d, &plan, n);
    printf("%-12s %-12s %3d px x %d, %4d levels, %4d images: %8.4g GLUPS (%.4g to %.4g)\n", what,
           collision, side, channels, levels, n, 1e-9 * rate.median, 1e-9 * rate.least,
           1e-9 * rate.most);
    fflush(stdout);
    physics_plan_free(&plan);
}

/* Bytes a second of a copy, read and written. */
static double copy_rate(struct device *d, size_t bytes)
{
    double value[REPEATS];
    void *x = d->ops->alloc(d, bytes), *y = d->ops->alloc(d, bytes);
    d->ops->zero(d, x, bytes);
    for (int r = -1; r < REPEATS; r++) {
        int calls = 16;
        d->ops->sync(d);
        double start = timer_now_s();
        for (int i = 0; i < calls; i++)
            d->ops->copy(d, y, x, bytes);
        d->ops->sync(d);
        if (r >= 0)
            value[r] = 2.0 * (double)bytes * calls / (timer_now_s() - start);
    }
    d->ops->free(d, x);
    d->ops->free(d, y);
    return rate_of(value).median;
}

/* Nine populations in fp32 read and written once a step, and the velocity, 8 bytes, once for all
 * channels. Devices other than cuda take their own kernel. */
static void bench_pull(struct device *d, int side, int n)
{
    struct adr_plan plan;
    const int channels = 3;
    const double bytes = 2 * 9 * 4 + 8.0 / channels;
    double copy = copy_rate(d, side < PULL_SIDE ? COPY_BYTES / 64 : COPY_BYTES);
    make_plan("bgk", 1, side, channels, -1, &plan);
    setenv("PECLET_ADR_KERNEL", "pull", 1);
    struct rate rate = measure(d, &plan, n);
    unsetenv("PECLET_ADR_KERNEL");
    printf("copy, read and written: %.4g TB/s\n", 1e-12 * copy);
    printf("pull bgk fp32 %d px x %d, %d images: %.4g GLUPS (%.4g to %.4g), at %.1f bytes an "
           "update %.1f %% of copy\n",
           side, channels, n, 1e-9 * rate.median, 1e-9 * rate.least, 1e-9 * rate.most, bytes,
           100 * bytes * rate.median / copy);
    fflush(stdout);
    physics_plan_free(&plan);
}

/* A channel of an image of 28, 64, 128, 256 px takes 1, 4, 16, 64 warps (cuda/adr_chip.cu), of
 * which a multiprocessor holds 8 to 16. */
static int images_for(const struct device *d, int side)
{
    int n = d->multiprocessors;
    if (n == 0)
        return 64;
    return side <= 32 ? 31 * n : side <= 64 ? 8 * n : side <= 128 ? 8 * n / 3 : n / 2;
}

/* The default schedule with its random fields made in either way. */
static void bench_forms(struct device *d, int side, int n)
{
    static const char *const forms[] = {"products", "fft"};
    if (d->multiprocessors == 0 || strstr(d->description, "without cuFFT"))
        return;
    for (int i = 0; i < 2; i++) {
        setenv("PECLET_ADR_FIELDS", forms[i], 1);
        bench(d, forms[i], "equilibrium", 200, side, 0, n);
    }
    unsetenv("PECLET_ADR_FIELDS");
}

int main(int argc, char **argv)
{
    static const int sides[] = {28, 64, 128, 256};
    struct device *d;
    int n = argc > 2 ? atoi(argv[2]) : 0, largest = argc > 3 ? atoi(argv[3]) : 256;
    log_init(0, 1, 1);
    if (argc < 2 || n < 0 || largest < 28 || device_open(argv[1], 0, 0, 1, &d)) {
        printf("usage: bench_adr DEVICE [images [side]]\n");
        return EXIT_FAILURE;
    }
    printf("%s: %s\n", d->name, d->description);
    bench_pull(d, largest < PULL_SIDE ? largest : PULL_SIDE, n ? n : PULL_IMAGES);
    for (int i = 0; i < 4 && sides[i] <= largest; i++) {
        int images = n ? n : images_for(d, sides[i]);
        bench(d, "one hold", "equilibrium", 1, sides[i], -1, images);
        bench(d, "one hold", "bgk", 1, sides[i], -1, images);
        bench(d, "all", "equilibrium", 200, sides[i], 0, images);
        bench_forms(d, sides[i], images);
    }
    device_close(d);
    return EXIT_SUCCESS;
}
