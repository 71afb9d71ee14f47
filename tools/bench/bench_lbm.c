/* SPDX-License-Identifier: Apache-2.0
 * bench_lbm: million lattice updates a second and core (MLUPS) of the vectorised forward process,
 * beside the plain way to write the method (two passes, collide then stream, nine populations a
 * cell kept together) in the same run; and the share of lattice steps in the time of a precompute
 * like the demo's.
 *
 *     bench_lbm [threads]         default 1; figures are divided by the threads
 *
 * Five repeats each: median, and smallest to largest in brackets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/timer.h"
#include "device/cpu_adr.h"
#include "device/d2q9.h"
#include "device/fft_cpu.h"
#include "device/simd/simd_adr.h"
#include "physics/physics.h"

enum { REPEATS = 5, GROUPS = 2 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double report(const char *what, const char *unit, double *value, double peer)
{
    qsort(value, REPEATS, sizeof *value, ascending);
    printf("%-58s %7.4g %s (%.4g to %.4g)", what, value[REPEATS / 2], unit, value[0],
           value[REPEATS - 1]);
    if (peer > 0)
        printf(", %.3g x the plain form", value[REPEATS / 2] / peer);
    printf("\n");
    fflush(stdout);
    return value[REPEATS / 2];
}

/* The peer: one image, [cell][9], cs2 = 1/3, order 2, bounce back. */
static void plain_step(int side, float omega, const float *v, float *f, float *next)
{
    static const float w[D2Q9] = {1 / 36.0f, 1 / 9.0f,  1 / 36.0f, 1 / 9.0f, 4 / 9.0f,
                                  1 / 9.0f,  1 / 36.0f, 1 / 9.0f,  1 / 36.0f};
    int cells = side * side;
    for (int at = 0; at < cells; at++) {
        float u = 0, vx = v[at], vy = v[cells + at], square = 1.5f * (vx * vx + vy * vy);
        for (int i = 0; i < D2Q9; i++)
            u += f[at * D2Q9 + i];
        for (int i = 0; i < D2Q9; i++) {
            float cv = 3 * ((float)d2q9_cx(i) * vx + (float)d2q9_cy(i) * vy);
            float feq = w[i] * u * (1 + cv + 0.5f * cv * cv - square);
            f[at * D2Q9 + i] += omega * (feq - f[at * D2Q9 + i]);
        }
    }
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            for (int i = 0; i < D2Q9; i++) {
                int from_x = x - d2q9_cx(i), from_y = y - d2q9_cy(i), at = y * side + x;
                if (from_x < 0 || from_y < 0 || from_x >= side || from_y >= side)
                    next[at * D2Q9 + i] = f[at * D2Q9 + d2q9_opposite(i)];
                else
                    next[at * D2Q9 + i] = f[(from_y * side + from_x) * D2Q9 + i];
            }
}

static double plain_mlups(int side)
{
    size_t cells = (size_t)side * (size_t)side;
    float *f = mem_alloc(cells * D2Q9 * sizeof(float)),
          *next = mem_alloc(cells * D2Q9 * sizeof(float));
    float *v = mem_alloc(2 * cells * sizeof(float));
    double value[REPEATS];
    char what[64];
    int steps = 4000000 / (int)cells * 2;
    for (size_t i = 0; i < 2 * cells; i++)
        v[i] = 0.001f * (float)(i % 7);
    for (size_t i = 0; i < cells * D2Q9; i++)
        f[i] = 0.1f * (float)(i % 5);
    for (int r = 0; r < REPEATS; r++) {
        double start = timer_now_s();
        for (int s = 0; s < steps; s += 2) {
            plain_step(side, 1.25f, v, f, next);
            plain_step(side, 1.25f, v, next, f);
        }
        value[r] = 1e-6 * (double)cells * steps / (timer_now_s() - start);
    }
    mem_free(f);
    mem_free(next);
    mem_free(v);
    snprintf(what, sizeof what, "plain C, bgk, %d px", side);
    return report(what, "MLUPS", value, 0);
}

/* A plan from deck-like settings; drift < 0 is a frozen flow. */
static void make_plan(const char *mode, const char *collision, double pe, double sigma, int levels,
                      int side, double drift, int realisations, struct adr_plan *plan)
{
    struct forward_settings forward = {
        .process = "adr", .levels = levels, .sigma_min = 0.5, .sigma_max = sigma, .pe = pe};
    struct velocity_settings velocity = {
        .kind = "turbulent", .slope = 2, .n_min = 1, .drift = drift, .realisations = realisations};
    struct lbm_settings lbm = {.walls = "auto"};
    snprintf(forward.mode, sizeof forward.mode, "%s", mode);
    snprintf(lbm.collision, sizeof lbm.collision, "%s", collision);
    if (physics_plan(&forward, &velocity, &lbm, 1, side, 1, NULL, 0, plan))
        exit(1);
}

struct times {
    double wall_s, lbm_s, velocity_s, updates;
};

/* n images, `pairs` levels of each spread evenly, as precompute asks for them. */
static struct times run(const struct adr_plan *plan, int threads, int n, int pairs)
{
    struct device d = {.threads = threads};
    size_t values = (size_t)plan->side * (size_t)plan->side;
    float *u0 = mem_alloc((size_t)n * values * sizeof(float));
    float *u = mem_alloc((size_t)(n * pairs) * values * sizeof(float));
    float *delta = mem_alloc((size_t)(n * pairs) * values * sizeof(float));
    uint64_t *keys = mem_alloc((size_t)n * sizeof *keys);
    struct adr_capture *capture = mem_alloc((size_t)(n * pairs) * sizeof *capture);
    struct adr_stats stats = {0};
    int captures = 0, steps = 0;
    for (int i = 0; i < n; i++)
        keys[i] = (uint64_t)(plan->realisations ? i % plan->realisations : i);
    for (size_t i = 0; i < (size_t)n * values; i++)
        u0[i] = (float)(i % 101) / 101;
    for (int k = 1; k <= plan->level_count; k++) {
        steps += plan->levels[k].steps;
        for (int i = 0; i < n; i++)
            if ((plan->level_count - k + i) % (plan->level_count / pairs) == 0 ||
                k == plan->level_count)
                if (captures < n * pairs)
                    capture[captures++] = (struct adr_capture){k, i, captures};
    }
    for (int i = 0; i < captures; i++)
        capture[i].slot = i;
    struct adr *a = cpu_adr_create(&d, plan, n);
    cpu_adr_run(&d, a, n, keys, u0, captures, capture, u, delta, &stats);
    stats = (struct adr_stats){0};
    double start = timer_now_s();
    cpu_adr_run(&d, a, n, keys, u0, captures, capture, u, delta, &stats);
    struct times t = {(timer_now_s() - start) * threads, stats.lbm_s, stats.velocity_s,
                      (double)n * (double)values * steps};
    cpu_adr_destroy(&d, a);
    mem_free(u0);
    mem_free(u);
    mem_free(delta);
    mem_free(keys);
    mem_free(capture);
    return t;
}

static void bench_steps(const char *mode, const char *collision, int side, int realisations,
                        int threads, double peer)
{
    struct adr_plan plan;
    double value[REPEATS], pe = strcmp(collision, "equilibrium") ? 0.5 : 8;
    char what[96];
    make_plan(mode, collision, strcmp(mode, "faithful") ? pe : 0.06, 8, 10, side, -1, realisations,
              &plan);
    int n = GROUPS * threads * simd_adr_best()->lanes * (side < 64 ? 4 : 1);
    for (int r = 0; r < REPEATS; r++) {
        struct times t = run(&plan, threads, n, 1);
        value[r] = 1e-6 * t.updates / t.lbm_s;
    }
    snprintf(what, sizeof what, "%s %s, %d px, %s", mode, collision, side,
             realisations ? "one field for all" : "a field an image");
    report(what, "MLUPS", value, peer);
    physics_plan_free(&plan);
}

/* Eight pairs an image. Beside lattice steps and velocity there is packing, and writing of the
 * pairs. */
static void bench_precompute(double drift, int side, int threads)
{
    struct adr_plan plan;
    double of_both[REPEATS], of_all[REPEATS], speed[REPEATS];
    char what[96];
    make_plan("transport", "equilibrium", 8, side * 8.0 / 28, 50, side, drift, 0, &plan);
    for (int r = 0; r < REPEATS; r++) {
        struct times t = run(&plan, threads, threads * (side < 64 ? 256 : 64), 8);
        of_both[r] = 100 * t.lbm_s / (t.lbm_s + t.velocity_s);
        of_all[r] = 100 * t.lbm_s / t.wall_s;
        speed[r] = 1e-6 * t.updates / t.wall_s;
    }
    snprintf(what, sizeof what, "precompute %d px, K 50, Pe 8, %s flow: steps", side,
             drift < 0 ? "frozen" : "drifting");
    report(what, "% of steps and velocity", of_both, 0);
    report("    the same", "% of all", of_all, 0);
    report("    the same, all included", "MLUPS", speed, 0);
    physics_plan_free(&plan);
}

/* Time of one field of waves an image, by matrix products and through FFTW. */
static void bench_transform(int sine, int side)
{
    const struct simd_adr *simd = simd_adr_best();
    struct cpu_waves w;
    (sine ? cpu_waves_sine : cpu_waves_full)(side, sine ? side : side / 2, &w);
    struct fft_cpu *fft = fft_cpu_create(sine ? FFT_SINE : FFT_FULL, &w, simd->lanes);
    size_t vector = (size_t)simd->lanes * sizeof(float), cells = (size_t)side * (size_t)side;
    int count = w.count, repeats = 1 + 30000000 / (side * side * side);
    float *in = mem_zalloc((size_t)count * (size_t)count * vector),
          *out = mem_alloc(cells * vector);
    float *middle = mem_alloc((size_t)count * (size_t)side * vector);
    float *work = mem_alloc(fft_cpu_work(fft) * sizeof(float));
    double value[2][REPEATS];
    char what[64];
    for (int way = 0; way < (fft ? 2 : 1); way++) {
        for (int r = 0; r < REPEATS; r++) {
            double start = timer_now_s();
            for (int i = 0; i < repeats; i++)
                if (way) {
                    fft_cpu_sum(fft, in, work, out, side);
                } else {
                    simd->transform(&w.waves, count, (struct adr_view){in, count, 1},
                                    (struct adr_view){middle, side, 1});
                    simd->transform(&w.waves, side, (struct adr_view){middle, 1, side},
                                    (struct adr_view){out, 1, side});
                }
            value[way][r] = 1e6 * (timer_now_s() - start) / repeats / simd->lanes;
        }
        snprintf(what, sizeof what, "%s waves, %d px, %s", sine ? "sine" : "full", side,
                 way ? "FFTW" : "matrix products");
        report(what, "us an image", value[way], 0);
    }
    fft_cpu_destroy(fft);
    cpu_waves_free(&w);
    mem_free(in);
    mem_free(out);
    mem_free(middle);
    mem_free(work);
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    static const char *const isas[] = {"generic", "avx2", "avx512"};
    log_init(0, 1, 1);
    printf("instruction set %s, %d thread(s), figures a core\n", isas[simd_level()], threads);
    double peer[2] = {plain_mlups(28), plain_mlups(64)};
    static const int sides[] = {28, 32, 64, 128};
    for (int shared = 1; shared >= 0; shared--)
        for (int i = 0; i < 4; i++)
            bench_steps("transport", "equilibrium", sides[i], shared, threads, peer[i > 1]);
    for (int i = 0; i < 4; i += 2)
        bench_steps("faithful", "equilibrium", sides[i], 0, threads, peer[i > 1]);
    for (int i = 0; i < 4; i++)
        if (sides[i] != 32)
            bench_steps("transport", "bgk", sides[i], 0, threads, peer[i > 1]);
    bench_steps("transport", "trt", 64, 0, threads, peer[1]);
    bench_steps("transport", "regularized", 64, 0, threads, peer[1]);
    for (int sine = 1; sine >= 0; sine--)
        for (int side = 28; side <= 512; side = side == 28 ? 64 : 2 * side)
            bench_transform(sine, side);
    bench_precompute(-1, 28, threads);
    bench_precompute(0, 28, threads);
    bench_precompute(-1, 128, threads);
    bench_precompute(0, 128, threads);
    return 0;
}
