/* SPDX-License-Identifier: Apache-2.0
 * The walk with target 'x0', for a network whose guess is known: which levels it visits, that each step is the guess
 * corrupted with the sample's own flow, that noise is added to what the network sees and to nothing else, and what mixed samples
 * get. And with target 'delta', step by step. */
#include "check.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "device/device.h"
#include "physics/physics.h"
#include "process/process.h"

enum { LEVELS = 10, SIDE = 16, VALUES = SIDE * SIDE, SAMPLES = 3 };
static const double sigma = 0.0125;
static const uint64_t seed = 9;

static struct process *process;
static float clean[SAMPLES][VALUES]; /* the guess */
static int visited[LEVELS + 1], visits, at_level;
static float seen[LEVELS + 1][SAMPLES][VALUES]; /* inputs of the network */

static void set_levels(struct network *net, int n, const int32_t *level)
{
    (void)net;
    at_level = level[0];
    for (int i = 1; i < n; i++)
        CHECK(level[i] == level[0]);
}

/* Guesses `clean`, whatever it is shown. The device is ref: its memory is the host's. */
static void guess(struct network *net, int n, const float *x, float *out)
{
    (void)net;
    memcpy(seen[visits], x, (size_t)n * sizeof seen[0][0]);
    visited[visits++] = at_level;
    memcpy(out, clean, (size_t)n * sizeof clean[0]);
}

static void corrupted(uint64_t key, const float *x0, int level, float *out)
{
    struct adr_capture capture = {level, 0, 0};
    process->ops->corrupt(process, 1, &key, x0, 1, &capture, out, NULL, NULL);
}

static double largest_difference(const float *a, const float *b)
{
    double worst = 0;
    for (int p = 0; p < VALUES; p++)
        worst = fmax(worst, fabs((double)a[p] - (double)b[p]));
    return worst;
}

static void add_noise(struct device *d, int64_t sample, int level, double size, float *x)
{
    struct draw_key draw = {seed, sample, (uint32_t)level};
    d->ops->add_normal(d, 1, VALUES, size, RNG_SAMPLE_NOISE, &draw, x);
}

static void walk(struct device *d, int steps, const int *want_levels)
{
    struct network net = {set_levels, guess, NULL, 0};
    uint64_t keys[SAMPLES] = {100, 101, 102};
    static float x[SAMPLES][VALUES], scratch[SAMPLES][VALUES], want[VALUES];
    struct sampler_args args = {
        .noise = sigma, .seed = seed, .first_sample = 40, .steps = steps, .keys = keys};
    memcpy(x, clean, sizeof x);
    visits = 0;
    CHECK(
        !sampler_find("chain")(process, target_find("x0"), &net, SAMPLES, x[0], scratch[0], &args));
    CHECK(visits == steps);
    for (int v = 0; v < visits; v++) {
        CHECK(visited[v] == want_levels[v]);
        for (int i = 0; i < SAMPLES; i++) {
            if (v == 0)
                memcpy(want, clean[i], sizeof want);
            else
                corrupted(keys[i], clean[i], visited[v], want);
            add_noise(d, 40 + i, visited[v], sigma, want);
            CHECK(largest_difference(seen[v][i], want) == 0);
        }
    }
    CHECK(!memcmp(x, clean, sizeof x)); /* the last guess, without noise */
}

/* Between two samples: both flows, mixed like the priors, and noise of the same size. */
static void walk_mixed(struct device *d)
{
    struct network net = {set_levels, guess, NULL, 0};
    uint64_t keys[SAMPLES] = {100, 100, 100}, mix_keys[SAMPLES] = {101, 101, 101};
    struct sampler_mix mix[SAMPLES] = {{0, 1, 0}, {0, 1, 0.25}, {0, 1, 1}};
    static float x[SAMPLES][VALUES], scratch[SAMPLES][VALUES], a[VALUES], b[VALUES];
    struct sampler_args args = {
        .noise = sigma, .seed = seed, .steps = 2, .keys = keys, .mix_keys = mix_keys, .mix = mix};
    memcpy(x, clean, sizeof x);
    visits = 0;
    CHECK(
        !sampler_find("chain")(process, target_find("x0"), &net, SAMPLES, x[0], scratch[0], &args));
    for (int i = 0; i < SAMPLES; i++) {
        double t = mix[i].t, angle = acos(0.0) * t;
        corrupted(100, clean[i], visited[1], a);
        corrupted(101, clean[i], visited[1], b);
        CHECK(largest_difference(a, b) > 0.05); /* the flows differ */
        for (int p = 0; p < VALUES; p++)
            a[p] = (float)((1 - t) * (double)a[p] + t * (double)b[p]);
        add_noise(d, 0, visited[1], sigma * cos(angle), a);
        add_noise(d, 1, visited[1], sigma * sin(angle), a);
        CHECK_NEAR(largest_difference(seen[1][i], a), 0, 2e-7); /* measured: 6e-8, fp32 rounding */
    }
}

static void guess_change(struct network *net, int n, const float *x, float *out)
{
    (void)net;
    (void)x;
    for (int p = 0; p < n * VALUES; p++)
        out[p] = (float)at_level;
}

/* mean = x + F at every level: 1 + 2 + ... + K more than the prior, and all noises but none after the last. */
static void walk_delta(struct device *d)
{
    struct network net = {set_levels, guess_change, NULL, 0};
    static float x[VALUES], scratch[VALUES], want[VALUES];
    struct sampler_args args = {.noise = sigma, .seed = seed, .steps = LEVELS};
    memcpy(x, clean[0], sizeof x);
    memcpy(want, clean[0], sizeof want);
    CHECK(!sampler_find("chain")(process, target_find("delta"), &net, 1, x, scratch, &args));
    for (int k = LEVELS; k >= 1; k--) {
        add_noise(d, 0, k, sigma, want);
        for (int p = 0; p < VALUES; p++)
            want[p] += (float)k;
    }
    CHECK(largest_difference(x, want) == 0);
}

/* What the network should learn from a pair. */
static void check_wants(struct device *d)
{
    static float input[VALUES], state[VALUES], delta[VALUES], want[VALUES], f[VALUES];
    for (int p = 0; p < VALUES; p++) {
        state[p] = clean[1][p];
        delta[p] = 0.01f * clean[2][p];
        input[p] = state[p] + 0.125f;
    }
    struct target_pair pair = {input, state, delta, clean[0]};
    target_find("x0")->want(d, VALUES, &pair, want);
    CHECK(!memcmp(want, clean[0], sizeof want));
    target_find("delta")->want(d, VALUES, &pair, f);
    target_find("delta")->decode(d, VALUES, input, f);
    for (int p = 0; p < VALUES; p++)
        CHECK_NEAR(f[p], state[p] + delta[p], 2e-7); /* x_{k-1}; measured: 1.2e-7 */
}

int main(void)
{
    log_init(0, 1, 1);
    struct device *d = device_ref_create();
    struct forward_settings forward = {.process = "adr",
                                       .mode = "transport",
                                       .levels = LEVELS,
                                       .sigma_min = 0.5,
                                       .sigma_max = 4,
                                       .pe = 8};
    struct velocity_settings velocity = {.kind = "turbulent", .slope = 2, .n_min = 1};
    struct lbm_settings lbm = {.collision = "equilibrium", .walls = "auto"};
    struct adr_plan plan;
    if (physics_plan(&forward, &velocity, &lbm, 1, SIDE, 1, NULL, 0, &plan))
        return EXIT_FAILURE;
    process = process_adr_create(d, &plan, SAMPLES);
    for (int i = 0; i < SAMPLES; i++)
        for (int p = 0; p < VALUES; p++)
            clean[i][p] = rng_uniform(rng_draw(3, RNG_TEST, (uint64_t)i, 0, (uint32_t)p).v[0]);

    walk(d, LEVELS, (int[]){10, 9, 8, 7, 6, 5, 4, 3, 2, 1});
    walk(d, 5, (int[]){10, 8, 6, 4, 2});
    walk(d, 3, (int[]){10, 7, 4}); /* 10 - 3, 10 - 6 */
    walk(d, 1, (int[]){10});
    walk_mixed(d);
    walk_delta(d);
    check_wants(d);
    for (int levels = 1; levels <= 60; levels++) /* strictly down, from K to 0 */
        for (int steps = 1; steps <= levels; steps++) {
            int falls = sampler_level(levels, steps, 0) == levels &&
                        sampler_level(levels, steps, steps) == 0;
            for (int i = 0; i < steps; i++)
                falls &= sampler_level(levels, steps, i + 1) < sampler_level(levels, steps, i);
            CHECK(falls);
        }

    process_destroy(process);
    physics_plan_free(&plan);
    device_close(d);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
