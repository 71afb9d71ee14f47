/* SPDX-License-Identifier: Apache-2.0
 * The plan: published lattice step counts, dimensionless numbers, the defaults of both modes, the
 * clock, and settings that must be refused. */
#include "adr_cases.h"
#include "check.h"
#include "device/turbulence.h"

static void published_counts(void)
{
    /* steps, first level of several steps, most steps of a level, alpha_2: docs/physics.md 2 */
    static const struct {
        int side;
        double sigma_max, alpha_2;
        int steps, first, most;
    } want[] = {
        {128, 16, 0.00443, 895, 107, 27},
        {128, 20, 0.00472, 1324, 99, 44},
        {28, 8, 0, 328, 0, 0},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct adr_case c = adr_case_make("transport", 200, want[i].sigma_max, 0);
        struct adr_plan plan;
        CHECK(adr_case_plan(&c, 1, want[i].side, 1, &plan) == 0);
        int steps = 0, first = 0, most = 0;
        double variance = 0;
        for (int k = 1; k <= plan.level_count; k++) {
            const struct adr_level *l = &plan.levels[k];
            steps += l->steps;
            if (l->steps > 1 && !first)
                first = k;
            if (l->steps > most)
                most = l->steps;
            variance += 2 * l->alpha * l->steps;
            CHECK(l->alpha <= 1.0 / 6 * (1 + 1e-11) && l->cs2 == 2 * l->alpha && l->tau == 1);
            CHECK_NEAR(variance, l->sigma * l->sigma, 1e-11 * variance);
        }
        CHECK(steps == want[i].steps);
        CHECK_NEAR(plan.levels[1].alpha, 0.125, 1e-15);
        if (want[i].first) {
            CHECK(first == want[i].first);
            CHECK(most == want[i].most);
            CHECK_NEAR(plan.levels[2].alpha, want[i].alpha_2, 5e-6);
        }
        CHECK_NEAR(plan.levels[200].sigma, want[i].sigma_max, 1e-12);
        physics_plan_free(&plan);
    }
    CHECK_NEAR(fo_from_sigma(16, 128), 0.0078125, 1e-17);
    CHECK_NEAR(fo_from_sigma(20, 128), 0.012207, 5e-7);
    CHECK_NEAR(sigma_from_fo(fo_from_sigma(7.3, 28), 28), 7.3, 1e-13);
}

static void modes(void)
{
    struct adr_plan p;
    struct adr_case c = adr_case_make("transport", 50, 8, 4);
    CHECK(adr_case_plan(&c, 1, 28, 1, &p) == 0);
    CHECK(p.velocity == VELOCITY_STREAMFUNCTION && p.walls == WALLS_MIRROR && p.order == 1);
    CHECK(p.value_low == 0 && p.value_high == 1 && p.cap_speed == 0 && p.cap_ratio == 0);
    CHECK_NEAR(p.theta_rate, 0.5 * 4, 1e-15);
    CHECK_NEAR(p.levels[1].speed, 4 * 0.125 / 28, 1e-15);
    physics_plan_free(&p);

    c.velocity.drift = -1;
    c.velocity.cap = 0.99;
    c.forward.fo_max = fo_from_sigma(6, 28);
    CHECK(adr_case_plan(&c, 1, 28, 1, &p) == 0);
    CHECK(p.theta_rate == 0 && p.cap_ratio == 0.99);
    CHECK_NEAR(p.levels[50].sigma, 6, 1e-12);
    physics_plan_free(&p);

    c = adr_case_make("faithful", 200, 20, 0.06);
    CHECK(adr_case_plan(&c, 1, 128, 3, &p) == 0);
    CHECK(p.velocity == VELOCITY_COMPRESSIBLE && p.walls == WALLS_BOUNCE_BACK && p.order == 2);
    CHECK(p.value_low == 0.95 && p.value_high == 1.05);
    CHECK_NEAR(p.cap_speed, 1e-3, 1e-18);
    CHECK_NEAR(p.theta_rate, 9.83, 1e-15);
    physics_plan_free(&p);

    /* 9.83 Fo is the paper's clock: phi + kappa dt a step, dt = 1e-4, where steps are 1324 for
     * sigma 20 at 128 px if alpha were 1/6 throughout: theta = dt sigma^2 / (2/6) = 0.12 */
    CHECK_NEAR(9.83 * fo_from_sigma(20, 128), 1e-4 * 400 * 3, 2e-5);

    c.forward.pe = 0;
    CHECK(adr_case_plan(&c, 1, 128, 3, &p) == 0);
    CHECK(p.velocity == VELOCITY_NONE);
    physics_plan_free(&p);
    adr_case_set(c.forward.process, "heat");
    c.forward.pe = 3;
    CHECK(adr_case_plan(&c, 1, 128, 3, &p) == 0);
    CHECK(p.kind == FORWARD_HEAT && p.velocity == VELOCITY_NONE && p.levels[5].speed == 0);
    physics_plan_free(&p);

    c = adr_case_make("transport", 1, 3, 0); /* one level: straight to sigma_max */
    adr_case_set(c.lbm.collision, "bgk");
    CHECK(adr_case_plan(&c, 1, 16, 1, &p) == 0);
    CHECK_NEAR(p.levels[1].sigma, 3, 1e-15);
    CHECK_NEAR(p.levels[1].tau, 3 * p.levels[1].alpha + 0.5, 1e-15);
    CHECK(p.levels[1].steps == 27);
    physics_plan_free(&p);
}

/* theta at the midpoint of each hold. */
static void clock_of_phases(void)
{
    struct adr_plan p;
    struct adr_case c = adr_case_make("transport", 1, 3, 4); /* 27 steps of alpha 1/6 */
    c.velocity.refresh = 10;
    CHECK(adr_case_plan(&c, 1, 16, 1, &p) == 0);
    double step = 4 * 0.5 * (1.0 / 6) / 256;
    int first, steps;
    CHECK_NEAR(turbulence_theta(&p, 1, 7, &first, &steps), 5 * step, 1e-15);
    CHECK(first == 0 && steps == 10);
    CHECK_NEAR(turbulence_theta(&p, 1, 20, &first, &steps), 23.5 * step, 1e-15);
    CHECK(first == 20 && steps == 7);
    p.refresh = 0;
    CHECK_NEAR(turbulence_theta(&p, 1, 26, &first, &steps), 13.5 * step, 1e-15);
    CHECK(first == 0 && steps == 27);
    physics_plan_free(&p);
}

static void refused(const struct adr_case *c)
{
    struct adr_plan p = {.side = -1};
    CHECK(adr_case_plan(c, 1, 28, 1, &p) != 0);
    CHECK(p.side == -1); /* written only on success */
}

static void faults(void)
{
    const struct adr_case good = adr_case_make("transport", 50, 8, 4);
    struct adr_case c;
#define REFUSED(change) (c = good, change, refused(&c))
    REFUSED(c.forward.levels = 0);
    REFUSED(c.forward.sigma_min = 0);
    REFUSED(c.forward.sigma_max = 0.4);
    REFUSED(c.forward.fo_max = 1e-6);
    REFUSED(c.forward.pe = -1);
    REFUSED(c.forward.pe = NAN);
    REFUSED(c.lbm.alpha_max = 0.17);
    REFUSED(c.lbm.alpha_max = -0.1);
    REFUSED(c.lbm.order = 3);
    REFUSED((c.lbm.value_range[0] = 1, c.lbm.value_range[1] = 0.5, c.lbm.value_range_count = 2));
    REFUSED(c.velocity.n_min = -1);
    REFUSED((c.velocity.n_min = 5, c.velocity.n_max = 4));
    REFUSED(c.velocity.n_min = 40);
    REFUSED((c.velocity.n_min = 39, c.velocity.n_max = 39)); /* no integer pair there */
    REFUSED(c.velocity.refresh = -1);
    REFUSED(adr_case_set(c.velocity.kind, "file"));
    REFUSED(adr_case_set(c.velocity.kind, "vortex"));
    REFUSED(adr_case_set(c.lbm.walls, "slip"));
    REFUSED(adr_case_set(c.lbm.collision, "mrt"));
    REFUSED(adr_case_set(c.forward.process, "vp"));
    REFUSED(adr_case_set(c.forward.mode, "fast"));
    REFUSED((adr_case_set(c.lbm.collision, "bgk"), c.forward.pe = 4)); /* |v|/cs too large */
#undef REFUSED
    struct adr_plan p;
    c = good;
    adr_case_set(c.lbm.collision, "bgk");
    c.forward.pe = 1.4; /* the cure that the message proposes for 28 px */
    CHECK(adr_case_plan(&c, 1, 28, 1, &p) == 0);
    physics_plan_free(&p);
}

int main(void)
{
    log_init(0, 1, 1);
    published_counts();
    modes();
    clock_of_phases();
    printf("the errors that follow are wanted\n");
    faults();
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
