/* SPDX-License-Identifier: Apache-2.0
 * bench_collisions: how exactly and how fast each collision of the lattice Boltzmann solver blurs. One step of the chain,
 * u_{k-1} - u_k, against the exact blur (process 'heat') without flow: rms error over the rms of the true step, worst image;
 * and million lattice updates a second and thread with a frozen flow. K = 200 levels, sigma 0.5 to 20 px, mirror walls.
 *
 *     bench_collisions [threads]          default 1; prints two tables in markdown
 *
 * 28 px: the first 96 training images of Fashion-MNIST (Debian: dataset-fashion-mnist). 128 px: 16 drawn pictures with shaded
 * ground, sharp discs and stripes. Speed: five repeats, median, smallest to largest in brackets. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "device/device.h"
#include "physics/physics.h"

enum { K = 200, LEVELS = 8, COLLISIONS = 4, REPEATS = 5 };
static const int levels[LEVELS] = {2, 3, 5, 10, 20, 50, 100, 200};
static const char *const collisions[COLLISIONS] = {"equilibrium", "bgk", "trt", "regularized"};
static const char fashion[] = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz";

static void make_plan(const char *process, const char *collision, int side, double pe,
                      struct adr_plan *plan)
{
    struct forward_settings forward = {
        .mode = "transport", .levels = K, .sigma_min = 0.5, .sigma_max = 20, .pe = pe};
    struct velocity_settings velocity = {.kind = "turbulent", .slope = 2, .n_min = 1, .drift = -1};
    struct lbm_settings lbm = {.walls = "auto"};
    snprintf(forward.process, sizeof forward.process, "%s", process);
    snprintf(lbm.collision, sizeof lbm.collision, "%s", collision);
    if (physics_plan(&forward, &velocity, &lbm, 1, side, 1, NULL, 0, plan))
        exit(EXIT_FAILURE);
}

/* delta [n, LEVELS, L,L], or NULL to run to the last level alone; returns the seconds of lattice steps. */
static double run(struct device *d, const struct adr_plan *plan, int n, const float *u0,
                  float *delta)
{
    size_t values = (size_t)plan->side * (size_t)plan->side,
           in = (size_t)n * values * sizeof(float);
    int count = delta ? LEVELS : 1;
    struct adr *adr = d->ops->adr_create(d, plan, n);
    float *x = d->ops->alloc(d, in), *u = d->ops->alloc(d, in * (size_t)count),
          *dy = d->ops->alloc(d, in * (size_t)count);
    uint64_t *keys = mem_alloc((size_t)n * sizeof *keys);
    struct adr_capture *capture = mem_alloc((size_t)(n * count) * sizeof *capture);
    struct adr_stats stats = {0};
    for (int i = 0; i < n; i++)
        keys[i] = (uint64_t)i;
    for (int l = 0; l < count; l++)
        for (int i = 0; i < n; i++)
            capture[l * n + i] =
                (struct adr_capture){delta ? levels[l] : K, i, (int64_t)i * count + l};
    d->ops->upload(d, x, u0, in);
    d->ops->adr_run(d, adr, n, keys, x, n * count, capture, u, dy, &stats);
    if (delta)
        d->ops->download(d, delta, dy, in * (size_t)count);
    d->ops->free(d, x);
    d->ops->free(d, u);
    d->ops->free(d, dy);
    mem_free(keys);
    mem_free(capture);
    d->ops->adr_destroy(d, adr);
    return stats.lbm_s;
}

static double rms(size_t count, const float *a, const float *b)
{
    double sum = 0;
    for (size_t e = 0; e < count; e++) {
        double x = (double)a[e] - (b ? (double)b[e] : 0.0);
        sum += x * x;
    }
    return sqrt(sum / (double)count);
}

/* error [LEVELS]: worst image. */
static void measure_errors(struct device *d, const char *collision, int side, int n,
                           const float *u0, const float *want, double *error)
{
    struct adr_plan plan;
    size_t values = (size_t)side * (size_t)side;
    float *got = mem_alloc((size_t)n * LEVELS * values * sizeof *got);
    make_plan("adr", collision, side, 0, &plan);
    run(d, &plan, n, u0, got);
    for (int l = 0; l < LEVELS; l++) {
        error[l] = 0;
        for (int i = 0; i < n; i++) {
            size_t at = ((size_t)i * LEVELS + (size_t)l) * values;
            error[l] =
                fmax(error[l], rms(values, got + at, want + at) / rms(values, want + at, NULL));
        }
    }
    mem_free(got);
    physics_plan_free(&plan);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Pe 0.5: the fastest flow in the range of the collisions with cs2 = 1/3. */
static void measure_speed(struct device *d, const char *collision, int side, int n, const float *u0,
                          double *mlups)
{
    struct adr_plan plan;
    double steps = 0;
    make_plan("adr", collision, side, 0.5, &plan);
    for (int k = 1; k <= K; k++)
        steps += plan.levels[k].steps;
    for (int r = 0; r < REPEATS; r++)
        mlups[r] = 1e-6 * steps * n * side * side / run(d, &plan, n, u0, NULL);
    qsort(mlups, REPEATS, sizeof *mlups, ascending);
    physics_plan_free(&plan);
}

static void compare(struct device *d, const char *title, int side, int n, const float *u0)
{
    double error[COLLISIONS][LEVELS], mlups[REPEATS];
    struct adr_plan heat;
    float *want = mem_alloc((size_t)n * LEVELS * (size_t)side * (size_t)side * sizeof *want);
    make_plan("heat", "equilibrium", side, 0, &heat);
    run(d, &heat, n, u0, want);
    printf("\n%s\n\n| level |", title);
    for (int c = 0; c < COLLISIONS; c++) {
        measure_errors(d, collisions[c], side, n, u0, want, error[c]);
        printf(" %s |", collisions[c]);
    }
    printf("\n| --- | ---: | ---: | ---: | ---: |\n");
    for (int l = 0; l < LEVELS; l++) {
        printf("| %d, sigma %.3g px |", levels[l], heat.levels[levels[l]].sigma);
        for (int c = 0; c < COLLISIONS; c++)
            printf(" %.2g |", error[c][l]);
        printf("\n");
    }
    printf("| MLUPS a thread |");
    for (int c = 0; c < COLLISIONS; c++) {
        measure_speed(d, collisions[c], side, n, u0, mlups);
        printf(" %.0f (%.0f to %.0f) |", mlups[REPEATS / 2], mlups[0], mlups[REPEATS - 1]);
    }
    printf("\n");
    fflush(stdout);
    mem_free(want);
    physics_plan_free(&heat);
}

/* u [n,28,28] from the plain IDX layout: 16 bytes of header, then the images. */
static int read_fashion(int n, float *u)
{
    unsigned bytes = (unsigned)(16 + n * 28 * 28);
    uint8_t *data = mem_alloc(bytes);
    gzFile file = gzopen(fashion, "rb");
    int got = file ? gzread(file, data, bytes) : 0;
    if (file)
        gzclose(file);
    for (int e = 0; e < n * 28 * 28 && got == (int)bytes; e++)
        u[e] = (float)data[16 + e] / 255.0f;
    mem_free(data);
    return got != (int)bytes;
}

/* Picture i of the 128 px set: edges as sharp as the grid, smooth shades, stripes that get finer. */
static void draw_picture(int side, int i, float *u)
{
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            double a = (x + 0.5) / side, b = (y + 0.5) / side,
                   value = 0.3 + 0.4 * a * b + 0.1 * sin(5 * a + (3 + i) * b);
            if (hypot(a - 0.3 - 0.02 * i, b - 0.4) < 0.1 + 0.01 * i)
                value = 0.9;
            if (hypot(a - 0.7, b - 0.7 + 0.02 * i) < 0.15)
                value = 0.1;
            if (a > 0.6 && b < 0.35)
                value = 0.5 + 0.5 * cos((20 + 6 * i) * a) * cos(14 * b);
            u[y * side + x] = (float)value;
        }
}

int main(int argc, char **argv)
{
    enum { SMALL = 28, SMALL_IMAGES = 96, LARGE = 128, LARGE_IMAGES = 16 };
    struct device *d;
    log_init(0, 1, 1);
    if (device_open("cpu", argc > 1 ? atoi(argv[1]) : 1, 0, 1, &d))
        return EXIT_FAILURE;
    printf("One-step error against the exact blur, and speed. %s\n", d->description);
    float *u = mem_alloc(sizeof *u *
                         (size_t)(LARGE * LARGE * LARGE_IMAGES + SMALL * SMALL * SMALL_IMAGES));
    if (read_fashion(SMALL_IMAGES, u))
        printf("\n28 px: skipped, needs %s\n", fashion);
    else
        compare(d, "Fashion-MNIST, 28 px, 96 images", SMALL, SMALL_IMAGES, u);
    for (int i = 0; i < LARGE_IMAGES; i++)
        draw_picture(LARGE, i, u + (size_t)i * LARGE * LARGE);
    compare(d, "Drawn pictures, 128 px, 16 images", LARGE, LARGE_IMAGES, u);
    mem_free(u);
    device_close(d);
    return EXIT_SUCCESS;
}
