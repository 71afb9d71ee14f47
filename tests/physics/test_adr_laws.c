/* SPDX-License-Identifier: Apache-2.0
 * Laws that hold whatever the flow: the pixel sum is kept, the process is affine in the image
 * (linear in transport), a constant image stays constant in transport and is disturbed when any
 * one ingredient is left out, and images keep their range while |vx| + |vy| <= cs2. In double
 * through the reference, to rounding; in fp32 through the device. */
#include "adr_cases.h"
#include "check.h"
#include "device/ref_adr.h"

/* u_K in double; u [L,L,C]. */
static void run_double(const struct adr_plan *plan, uint64_t key, const double *u0, double *u)
{
    size_t values = (size_t)plan->side * (size_t)plan->side * (size_t)plan->channels;
    struct adr *a = ref_adr_create(NULL, plan, 1);
    ref_adr_start(a, key, u0);
    for (int k = 1; k <= plan->level_count; k++)
        memcpy(u, ref_adr_next(a, NULL), values * sizeof *u);
    ref_adr_destroy(NULL, a);
}

enum { SIDE = 16, CHANNELS = 2, VALUES = SIDE * SIDE * CHANNELS };

static void mix(double a, const float *x, double b, const float *y, float *out)
{
    for (int e = 0; e < VALUES; e++)
        out[e] = (float)(a * x[e] + b * y[e]);
}

static double sum_of(const float *u)
{
    double sum = 0;
    for (int e = 0; e < VALUES; e++)
        sum += u[e];
    return sum;
}

/* Mass and superposition of one plan. a + b = 1: affine maps qualify too. */
static void mass_and_superposition(struct device *d, const struct adr_plan *plan)
{
    static float x[VALUES], y[VALUES], z[VALUES], ax[VALUES], ay[VALUES], az[VALUES];
    static double exact[4][VALUES];
    double a = 0.3, b = 0.7;
    adr_case_noise(1, VALUES, x);
    adr_case_picture(SIDE, CHANNELS, y);
    mix(a, x, b, y, z);
    for (int e = 0; e < VALUES; e++) {
        exact[0][e] = x[e];
        exact[1][e] = y[e];
        exact[2][e] = a * x[e] + b * y[e];
    }
    double mass = 0, after = 0, worst = 0, span = plan->value_high - plan->value_low;
    for (int i = 0; i < 3; i++) {
        for (int e = 0; e < VALUES && i == 0; e++)
            mass += exact[0][e];
        run_double(plan, 9, exact[i], exact[3]);
        memcpy(exact[i], exact[3], sizeof exact[i]);
        for (int e = 0; e < VALUES && i == 0; e++)
            after += exact[0][e];
    }
    for (int e = 0; e < VALUES; e++)
        worst = fmax(worst, fabs(a * exact[0][e] + b * exact[1][e] - exact[2][e]));
    int steps = 0;
    for (int k = 1; k <= plan->level_count; k++)
        steps += plan->levels[k].steps;
    /* rounding of the sums: an ulp a step of solver values about 1; measured at most half of it */
    CHECK_NEAR(after / mass, 1, 2 * steps * 2.2e-16 / span);
    CHECK_NEAR(worst, 0, 3e-15 / span); /* measured 1.0e-15 / span */

    adr_case_state(d, plan, 9, x, plan->level_count, ax);
    adr_case_state(d, plan, 9, y, plan->level_count, ay);
    adr_case_state(d, plan, 9, z, plan->level_count, az);
    mix(a, ax, b, ay, z);
    CHECK_NEAR(sum_of(ax) / sum_of(x), 1, 1e-5);
    CHECK_NEAR(adr_case_worst(VALUES, z, az), 0, 2e-6);
}

static void laws_of_all_solvers(struct device *d)
{
    static const char *const collisions[] = {"equilibrium", "bgk", "trt", "regularized"};
    static const char *const walls[] = {"bounce_back", "mirror", "periodic"};
    static const char *const kinds[] = {"turbulent", "rotation", "shear"};
    for (int i = 0; i < 4 * 3 * 3; i++)
        for (int faithful = 0; faithful < 2; faithful++) {
            struct adr_plan plan;
            struct adr_case c = adr_case_make(faithful ? "faithful" : "transport", 12, 5, 0.8);
            adr_case_set(c.lbm.collision, collisions[i % 4]);
            adr_case_set(c.lbm.walls, walls[i / 4 % 3]);
            adr_case_set(c.velocity.kind, kinds[i / 12]);
            CHECK(adr_case_plan(&c, 3, SIDE, CHANNELS, &plan) == 0);
            mass_and_superposition(d, &plan);
            physics_plan_free(&plan);
        }
}

/* Largest change of a constant image 0.5, in double. */
static double disturbance(const struct adr_case *c, int side)
{
    struct adr_plan plan;
    size_t cells = (size_t)side * (size_t)side;
    double *u0 = mem_alloc(cells * sizeof *u0), *u = mem_alloc(cells * sizeof *u), worst = 0;
    CHECK(adr_case_plan(c, 1, side, 1, &plan) == 0);
    for (size_t e = 0; e < cells; e++)
        u0[e] = 0.5;
    run_double(&plan, 2, u0, u);
    for (size_t e = 0; e < cells; e++)
        worst = fmax(worst, fabs(u[e] - 0.5));
    mem_free(u0);
    mem_free(u);
    physics_plan_free(&plan);
    return worst;
}

static void constant_in_double(void)
{
    /* measured at 64 px, sigma 10: 2.1e-15, 2.4e-15, 2.9e-15 */
    static const double pe[] = {20, 60, 100};
    for (int i = 0; i < 3; i++) {
        struct adr_case c = adr_case_make("transport", 200, 10, pe[i]);
        double worst = disturbance(&c, 64);
        printf("constant image, Pe %g: %.2g\n", pe[i], worst);
        CHECK_NEAR(worst, 0, 5e-15);
    }
    struct adr_case c = adr_case_make("transport", 200, 10, 20), bad = c;
    adr_case_set(bad.lbm.walls, "bounce_back");
    double worst = disturbance(&bad, 64);
    printf("with bounce-back walls: %.2g\n", worst);
    CHECK(worst > 1e-3);
    bad = c;
    bad.lbm.order = 2;
    worst = disturbance(&bad, 64);
    printf("with order 2: %.2g\n", worst);
    CHECK(worst > 1e-4);
    bad = c;
    adr_case_set(bad.velocity.kind, "solenoidal");
    worst = disturbance(&bad, 64);
    printf("with a periodic solenoidal field: %.2g\n", worst);
    CHECK(worst > 0.1);
}

static void constant_on_device(struct device *d)
{
    enum { L = 28 };
    static float u0[L * L], u[L * L];
    struct adr_plan plan;
    struct adr_case c = adr_case_make("transport", 200, 8, 20);
    CHECK(adr_case_plan(&c, 1, L, 1, &plan) == 0);
    for (int e = 0; e < L * L; e++)
        u0[e] = 0.7f;
    adr_case_state(d, &plan, 3, u0, 200, u);
    double worst = adr_case_worst(L * L, u, u0);
    printf("constant image on %s, 28 px, Pe 20: %.2g\n", d->name, worst);
    CHECK_NEAR(worst, 0, 2e-5);
    physics_plan_free(&plan);
}

/* n images (noise, black and white, pictures) at every tenth level stay within [0,1]. */
static void range_kept(struct device *d, int side, double sigma_max, double pe, int n)
{
    enum { LEVELS = 20 };
    int levels[LEVELS];
    size_t cells = (size_t)side * (size_t)side;
    struct adr_plan plan;
    struct adr_stats stats = {0};
    struct adr_case c = adr_case_make("transport", 200, sigma_max, pe);
    CHECK(adr_case_plan(&c, 5, side, 1, &plan) == 0);
    float *u0 = mem_alloc((size_t)n * cells * sizeof *u0);
    float *u = mem_alloc((size_t)n * LEVELS * cells * sizeof *u), low = 1, high = 0;
    for (int i = 0; i < LEVELS; i++)
        levels[i] = 10 * (i + 1);
    for (int i = 0; i < n; i++) {
        float *image = u0 + (size_t)i * cells;
        if (i % 3 == 0)
            adr_case_picture(side, 1, image);
        else
            adr_case_noise((uint64_t)i, cells, image);
        for (size_t e = 0; e < cells && i % 3 == 1; e++)
            image[e] = image[e] < 0.5f ? 0 : 1;
    }
    adr_case_run(d, &plan, n, 0, u0, LEVELS, levels, u, NULL, &stats);
    for (size_t e = 0; e < (size_t)n * LEVELS * cells; e++) {
        low = fminf(low, u[e]);
        high = fmaxf(high, u[e]);
    }
    printf("%d px, Pe %g: u in [%.7f, %.7f], largest ratio %.3f, %lld of %lld fields over\n", side,
           pe, (double)low, (double)high, stats.worst_ratio, (long long)stats.fields_over,
           (long long)stats.fields);
    CHECK(low >= -1e-6f && high <= 1 + 1e-6f);
    CHECK(stats.worst_ratio <= 1 && stats.fields_over == 0);
    CHECK(stats.images == n && stats.worst_cap == 1);
    mem_free(u0);
    mem_free(u);
    physics_plan_free(&plan);
}

/* cap = 0.99 scales a field that is too fast as a whole and says by how much. */
static void capped(struct device *d)
{
    enum { L = 28 };
    static float u0[L * L], u[L * L];
    struct adr_plan plan;
    struct adr_stats stats = {0};
    struct adr_case c = adr_case_make("transport", 40, 8, 30);
    int level = 40;
    adr_case_noise(8, L * L, u0);
    CHECK(adr_case_plan(&c, 5, L, 1, &plan) == 0);
    adr_case_run(d, &plan, 1, 0, u0, 1, &level, u, NULL, &stats);
    CHECK(stats.fields == 40 && stats.fields_over == 40 && stats.worst_ratio > 1.5);
    physics_plan_free(&plan);
    double uncapped = stats.worst_ratio;
    c.velocity.cap = 0.99;
    stats = (struct adr_stats){0};
    CHECK(adr_case_plan(&c, 5, L, 1, &plan) == 0);
    adr_case_run(d, &plan, 1, 0, u0, 1, &level, u, NULL, &stats);
    CHECK_NEAR(stats.worst_ratio, 0.99, 1e-6);
    CHECK(stats.fields_over == 0);
    CHECK_NEAR(stats.worst_cap, 0.99 / uncapped, 1e-5);
    for (int e = 0; e < L * L; e++)
        CHECK(u[e] >= -1e-6f && u[e] <= 1 + 1e-6f);
    physics_plan_free(&plan);
}

static void test(struct device *d)
{
    laws_of_all_solvers(d);
    constant_on_device(d);
    range_kept(d, 28, 8, 8, 12);
    range_kept(d, 128, 20, 40, 2);
    capped(d);
}

int main(int argc, char **argv)
{
    constant_in_double();
    adr_case_devices(argc, argv, adr_case_small, test);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
