/* SPDX-License-Identifier: Apache-2.0
 * Velocity fields and whole trajectories against an independent numpy implementation in double
 * (tools/golden/physics_golden.py): the reference in double to rounding, the devices to that of
 * fp32. */
#include "adr_cases.h"
#include "check.h"
#include "device/ref_adr.h"
#include "golden/physics_golden.h"

static struct adr_case transport(void)
{
    return adr_case_make("transport", 6, 3.0, 8.0);
}
static struct adr_case faithful(void)
{
    return adr_case_make("faithful", 6, 3.0, 0.5);
}
static struct adr_case solenoidal(void)
{
    struct adr_case c = transport();
    adr_case_set(c.velocity.kind, "solenoidal");
    adr_case_set(c.lbm.walls, "periodic");
    c.lbm.order = 2;
    c.velocity.n_max = 3;
    c.velocity.drift = 0.5; /* times Pe 8: theta = 4 Fo */
    return c;
}

static void near_all(const char *what, int count, const double *got, const double *want,
                     double tolerance)
{
    double worst = 0;
    for (int i = 0; i < count; i++)
        worst = fmax(worst, fabs(got[i] - want[i]));
    if (!(worst <= tolerance)) /* also for NaN */
        printf("%s: off by %.3g, allowed %.3g\n", what, worst, tolerance);
    CHECK(worst <= tolerance);
}

/* Measured: reference 5e-16, cpu 7e-8 (speeds up to 0.3). */
static void field(struct device *d, const char *what, const struct adr_case *c, int side, int level,
                  int step, const double *want)
{
    struct adr_plan plan;
    int count = 2 * side * side;
    CHECK(adr_case_plan(c, 42, side, 1, &plan) == 0);
    double *v = mem_alloc((size_t)count * sizeof *v);
    float *v32 = mem_alloc((size_t)count * sizeof *v32);
    struct adr *a = ref_adr_create(NULL, &plan, 1);
    ref_adr_field(a, 5, level, step, v, NULL);
    near_all(what, count, v, want, 2e-15);
    ref_adr_destroy(NULL, a);
    adr_case_velocity(d, &plan, 5, level, step, v32);
    for (int i = 0; i < count; i++)
        v[i] = v32[i];
    near_all(what, count, v, want, 2e-7);
    mem_free(v);
    mem_free(v32);
    physics_plan_free(&plan);
}

/* Measured: reference 1.7e-15 (2.7e-14 in the faithful range), cpu 2e-7. */
static void run(struct device *d, const char *what, const struct adr_case *c, uint64_t key,
                const double *want)
{
    enum { SIDE = 8, CELLS = SIDE * SIDE };
    struct adr_plan plan;
    double u[CELLS];
    float u0[CELLS], u32[CELLS];
    CHECK(adr_case_plan(c, 42, SIDE, 1, &plan) == 0);
    struct adr *a = ref_adr_create(NULL, &plan, 1);
    ref_adr_start(a, key, golden_image);
    for (int k = 1; k <= plan.level_count; k++)
        memcpy(u, ref_adr_next(a, NULL), sizeof u);
    near_all(what, CELLS, u, want, 5e-15 / (plan.value_high - plan.value_low));
    ref_adr_destroy(NULL, a);
    for (int i = 0; i < CELLS; i++)
        u0[i] = (float)golden_image[i];
    adr_case_state(d, &plan, key, u0, plan.level_count, u32);
    for (int i = 0; i < CELLS; i++)
        u[i] = u32[i];
    near_all(what, CELLS, u, want, 5e-7);
    physics_plan_free(&plan);
}

static void test(struct device *d)
{
    struct adr_case c = transport();
    field(d, "streamfunction", &c, 8, 4, 0, golden_stream);
    run(d, "transport", &c, 5, golden_run_transport);
    c.velocity.refresh = 2;
    run(d, "refresh 2", &c, 6, golden_run_refresh);
    c.velocity.n_min = 2;
    c.velocity.n_max = 4;
    c.velocity.slope = 1.5;
    field(d, "band, slope, refresh", &c, 9, 6, 3, golden_stream_band);

    c = faithful();
    field(d, "compressible", &c, 8, 4, 0, golden_compressible);
    run(d, "faithful", &c, 5, golden_run_faithful);
    c.forward.pe = 8.0;
    field(d, "compressible, capped", &c, 7, 1, 0, golden_compressible_capped);

    c = solenoidal();
    field(d, "solenoidal", &c, 8, 5, 0, golden_solenoidal);
    c.velocity.n_max = 0;
    run(d, "periodic", &c, 5, golden_run_periodic);

    static const struct {
        const char *collision, *walls;
        const double *want;
    } populations[] = {
        {"bgk", "bounce_back", golden_run_bgk_bounce_back},
        {"bgk", "mirror", golden_run_bgk_mirror},
        {"trt", "bounce_back", golden_run_trt_bounce_back},
        {"trt", "mirror", golden_run_trt_mirror},
        {"regularized", "bounce_back", golden_run_regularized_bounce_back},
        {"regularized", "mirror", golden_run_regularized_mirror},
    };
    for (size_t i = 0; i < sizeof populations / sizeof *populations; i++) {
        c = adr_case_make("transport", 6, 3.0, 0.25);
        adr_case_set(c.lbm.collision, populations[i].collision);
        adr_case_set(c.lbm.walls, populations[i].walls);
        c.lbm.order = 2;
        run(d, populations[i].collision, &c, 5, populations[i].want);
    }
}

int main(int argc, char **argv)
{
    adr_case_devices(argc, argv, adr_case_small, test);
    return check_done();
}
