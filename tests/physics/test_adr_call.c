/* SPDX-License-Identifier: Apache-2.0
 * The calls of device.h: captures in any slots, level 0, several of one image, no delta; results
 * that do not depend on the company an image keeps; and agreement with the reference for every
 * collision, wall and velocity at awkward sides and channel counts. */
#include "adr_cases.h"
#include "check.h"

static const float poison = -777;

/* n images together and alone: the same bits. */
static void company(struct device *d, const char *mode, const char *collision, int side,
                    int channels, int n)
{
    enum { COUNT = 4 };
    static const int levels[COUNT] = {0, 1, 5, 9};
    size_t values = (size_t)side * (size_t)side * (size_t)channels,
           all = (size_t)n * COUNT * values;
    struct adr_plan plan;
    struct adr_stats stats = {0}, alone = {0};
    struct adr_case c = adr_case_make(mode, 9, 4, 0.3);
    adr_case_set(c.lbm.collision, collision);
    CHECK(adr_case_plan(&c, 11, side, channels, &plan) == 0);
    float *u0 = mem_alloc((size_t)n * values * sizeof *u0);
    float *u = mem_alloc(all * sizeof *u), *delta = mem_alloc(all * sizeof *u);
    float *u1 = mem_alloc(COUNT * values * sizeof *u),
          *delta1 = mem_alloc(COUNT * values * sizeof *u);
    adr_case_noise(1, (size_t)n * values, u0);
    adr_case_run(d, &plan, n, 100, u0, COUNT, levels, u, delta, &stats);
    CHECK(stats.images == n);
    for (int i = 0; i < n; i++) {
        adr_case_run(d, &plan, 1, 100 + (uint64_t)i, u0 + (size_t)i * values, COUNT, levels, u1,
                     delta1, &alone);
        CHECK(!memcmp(u1, u + (size_t)i * COUNT * values, COUNT * values * sizeof *u));
        CHECK(!memcmp(delta1, delta + (size_t)i * COUNT * values, COUNT * values * sizeof *u));
        CHECK(!memcmp(u1, u0 + (size_t)i * values, values * sizeof *u)); /* level 0 */
        for (size_t e = 0; e < values; e++)
            CHECK(delta1[e] == 0);
        /* delta at level 1 is u0 - u1, to fp32 rounding of values up to 1 (faithful: of u) */
        for (size_t e = 0; e < values; e++)
            CHECK_NEAR(delta1[values + e], (double)u1[e] - u1[values + e], 2e-6);
    }
    CHECK(stats.worst_ratio == alone.worst_ratio && stats.worst_cap == alone.worst_cap);
    mem_free(u0);
    mem_free(u);
    mem_free(delta);
    mem_free(u1);
    mem_free(delta1);
    physics_plan_free(&plan);
}

/* Unevenly many captures, slots out of order, unused slots untouched, delta not wanted. */
static void slots(struct device *d)
{
    enum { L = 9, CELLS = L * L, N = 3, SLOTS = 7 };
    static float u0[N * CELLS], u[SLOTS * CELLS], want[CELLS];
    static const struct adr_capture capture[] = {
        {0, 2, 6}, {2, 0, 4}, {2, 2, 0}, {2, 2, 1}, {5, 0, 3}};
    static const uint64_t keys[N] = {40, 41, 40};
    struct adr_plan plan;
    struct adr_stats stats = {0};
    struct adr_case c = adr_case_make("transport", 8, 4, 3);
    CHECK(adr_case_plan(&c, 11, L, 1, &plan) == 0);
    adr_case_noise(2, N * CELLS, u0);
    for (int e = 0; e < SLOTS * CELLS; e++)
        u[e] = poison;
    struct adr *a = d->ops->adr_create(d, &plan, 5);
    float *x = d->ops->alloc(d, sizeof u0), *y = d->ops->alloc(d, sizeof u);
    d->ops->upload(d, x, u0, sizeof u0);
    d->ops->upload(d, y, u, sizeof u);
    d->ops->adr_run(d, a, N, keys, x, 5, capture, y, NULL, NULL);
    d->ops->adr_run(d, a, 0, keys, x, 0, capture, y, NULL,
                    &stats); /* nothing to do, but to tell of the run before */
    d->ops->download(d, u, y, sizeof u);
    d->ops->free(d, x);
    d->ops->free(d, y);
    d->ops->adr_destroy(d, a);
    CHECK(stats.images == N);
    for (int i = 0; i < 5; i++) {
        adr_case_state(d, &plan, keys[capture[i].image], u0 + capture[i].image * CELLS,
                       capture[i].level, want);
        CHECK(!memcmp(want, u + capture[i].slot * CELLS, sizeof want));
    }
    for (int e = 0; e < CELLS; e++)
        CHECK(u[2 * CELLS + e] == poison && u[5 * CELLS + e] == poison);
    physics_plan_free(&plan);
}

/* Largest differences from the reference over a few images and levels. */
static void like_reference(struct device *d, struct device *ref, const struct adr_case *c, int side,
                           int channels, const char *what)
{
    enum { N = 3, COUNT = 3 };
    static const int levels[COUNT] = {1, 6, 12};
    size_t values = (size_t)side * (size_t)side * (size_t)channels, all = N * COUNT * values;
    struct adr_plan plan;
    struct adr_stats stats = {0}, want = {0};
    CHECK(adr_case_plan(c, 12, side, channels, &plan) == 0);
    float *u0 = mem_alloc(N * values * sizeof *u0), *store = mem_alloc(4 * all * sizeof *u0);
    float *u = store, *delta = u + all, *u_ref = delta + all, *delta_ref = u_ref + all;
    adr_case_noise(3, N * values, u0);
    adr_case_picture(side, channels, u0);
    adr_case_run(d, &plan, N, 7, u0, COUNT, levels, u, delta, &stats);
    adr_case_run(ref, &plan, N, 7, u0, COUNT, levels, u_ref, delta_ref, &want);
    double error = adr_case_worst(all, u, u_ref), step = adr_case_worst(all, delta, delta_ref);
    if (!(error < 1e-6 && step < 1e-6))
        printf("%s, %d px, %d channels: u off by %.3g, delta by %.3g\n", what, side, channels,
               error, step);
    CHECK(error < 1e-6); /* measured: cpu 4.8e-7, of delta 3.6e-7 */
    CHECK(step < 1e-6);
    if (want.worst_ratio > 0) {
        CHECK_NEAR(stats.worst_ratio / want.worst_ratio, 1, 1e-5);
        CHECK_NEAR(stats.worst_speed2 / want.worst_speed2, 1, 1e-5);
    }
    CHECK(stats.images == want.images && stats.fields_over == want.fields_over);
    CHECK(want.worst_cap == stats.worst_cap || fabs(want.worst_cap - stats.worst_cap) < 1e-6);
    mem_free(u0);
    mem_free(store);
    physics_plan_free(&plan);
}

static void against_reference(struct device *d)
{
    static const char *const collisions[] = {"equilibrium", "bgk", "trt", "regularized"};
    static const char *const walls[] = {"bounce_back", "mirror", "periodic"};
    static const char *const kinds[] = {"compressible", "streamfunction", "solenoidal",
                                        "uniform",      "rotation",       "shear"};
    static const int sides[] = {2, 5, 17, 28, 33}, channels[] = {1, 3, 2, 1, 3};
    struct device *ref = device_ref_create();
    for (int i = 0; i < 4 * 3 * 6 * 2 * 2; i++) {
        struct adr_case c = adr_case_make(i & 1 ? "faithful" : "transport", 12, 4, 0.5);
        char what[5 * DECK_TEXT];
        int size = (i * 7 + i / 5) % 5;
        c.lbm.order = 1 + i / 2 % 2;
        adr_case_set(c.lbm.collision, collisions[i / 4 % 4]);
        adr_case_set(c.lbm.walls, walls[i / 16 % 3]);
        adr_case_set(c.velocity.kind, kinds[i / 48 % 6]);
        c.velocity.refresh = i % 3 == 0 ? 2 : 0;
        if (size == 0)
            c.forward.pe = 0.05; /* 2 px: |v|/cs stays small */
        else if (size == 1)
            c.forward.pe = 0.2;
        snprintf(what, sizeof what, "%s %s %s %s order %d", c.forward.mode, c.lbm.collision,
                 c.lbm.walls, c.velocity.kind, (int)c.lbm.order);
        like_reference(d, ref, &c, sides[size], channels[size], what);
    }
    for (int size = 0; size < 5; size++) {
        struct adr_case c = adr_case_make("transport", 12, 4, 0);
        like_reference(d, ref, &c, sides[size], channels[size], "Pe 0");
        adr_case_set(c.forward.process, "heat");
        like_reference(d, ref, &c, sides[size], channels[size], "heat");
        c = adr_case_make("transport", 12, 4, 20);
        c.velocity.cap = 0.8;
        like_reference(d, ref, &c, sides[size], channels[size], "capped");
    }
    device_close(ref);
}

static void test(struct device *d)
{
    company(d, "transport", "equilibrium", 28, 1, 21);
    company(d, "faithful", "equilibrium", 13, 3, 19);
    company(d, "transport", "bgk", 16, 2, 17);
    slots(d);
    if (strcmp(d->name, "ref"))
        against_reference(d);
}

int main(int argc, char **argv)
{
    adr_case_devices(argc, argv, adr_case_small, test);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
