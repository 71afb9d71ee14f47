/* SPDX-License-Identifier: Apache-2.0
 * describe: what the log says about a forward process before and after it ran. */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "physics/physics.h"

static const char *const collision_names[] = {"equilibrium", "bgk", "trt", "regularized"};
static const char *const wall_names[] = {"bounce-back", "mirror", "periodic"};
static const char *const velocity_names[] = {
    "none", "streamfunction", "compressible", "solenoidal", "uniform", "rotation", "shear", "file"};
/* Largest (|vx|+|vy|)/cs2 is about this times Pe/(2L); half of all fields stay below. */
static const double typical_ratio = 3.5;

static void describe_schedule(const struct adr_plan *plan)
{
    const struct adr_level *first = &plan->levels[1], *last = &plan->levels[plan->level_count];
    int64_t steps = 0;
    double low = first->alpha, high = first->alpha, tau = first->tau;
    for (int k = 1; k <= plan->level_count; k++) {
        steps += plan->levels[k].steps;
        low = fmin(low, plan->levels[k].alpha);
        high = fmax(high, plan->levels[k].alpha);
        tau = fmin(tau, plan->levels[k].tau);
    }
    log_info("levels    %d, sigma %.4g to %.4g px, Fo %.4g to %.4g", plan->level_count,
             first->sigma, last->sigma, fo_from_sigma(first->sigma, plan->side),
             fo_from_sigma(last->sigma, plan->side));
    if (plan->kind == FORWARD_HEAT)
        return;
    log_info("solver    D2Q9 %s, %lld lattice steps, alpha %.4g to %.4g, smallest tau %.4g, "
             "order %d, %s walls, values %g to %g",
             collision_names[plan->collision], (long long)steps, low, high, tau, plan->order,
             wall_names[plan->walls], plan->value_low, plan->value_high);
    if (plan->collision == LBM_BGK || plan->collision == LBM_TRT)
        log_warn(
            "collision '%s' is inaccurate in the early levels (tau falls to %.3f): at small Pe "
            "u_k - u_{k-1} is wrong by a factor of 10 to 35 for 2 <= k <= 10; 'equilibrium' "
            "is not",
            collision_names[plan->collision], tau);
}

/* Each ingredient without which a constant image does not stay constant. */
static void describe_transport(const struct adr_plan *plan)
{
    const char *missing = plan->walls != WALLS_MIRROR                 ? "walls = 'mirror'"
                          : plan->order != 1                          ? "order = 1"
                          : plan->velocity != VELOCITY_STREAMFUNCTION ? "kind = 'streamfunction'"
                          : plan->collision != LBM_EQUILIBRIUM        ? "collision = 'equilibrium'"
                                                                      : NULL;
    if (missing)
        log_warn("mode 'transport' without %s: the discrete flow is not exactly divergence-free, a "
                 "constant image will not stay constant",
                 missing);
}

void physics_describe(const struct adr_plan *plan, const struct forward_settings *forward)
{
    double sigma = plan->levels[plan->level_count].sigma, pe = forward->pe, speed = 0;
    for (int k = 1; k <= plan->level_count; k++)
        speed = fmax(speed, plan->levels[k].speed);
    log_info("process   %s, mode %s, %d x %d px, %d channel%s", forward->process, forward->mode,
             plan->side, plan->side, plan->channels, plan->channels == 1 ? "" : "s");
    describe_schedule(plan);
    if (plan->kind == FORWARD_HEAT || plan->velocity == VELOCITY_NONE)
        return;
    log_info("velocity  %s, Pe %g, V up to %.3g px a step, kappa^-%g, theta = %.4g Fo, %s",
             velocity_names[plan->velocity], pe, speed, plan->slope, plan->theta_rate,
             plan->refresh ? "renewed within a level" : "one field a level");
    log_info("          expected displacement Pe sigma^2/(2L) = %.3g px a component",
             pe * sigma * sigma / (2.0 * plan->side));
    if (!strcmp(forward->mode, "transport"))
        describe_transport(plan);
    double ratio = typical_ratio * pe / (2.0 * plan->side);
    if (plan->velocity == VELOCITY_STREAMFUNCTION && ratio > 1 && plan->cap_ratio <= 0)
        log_warn("(|vx|+|vy|)/cs2 will reach about %.2g: above 1 an image may leave its range; "
                 "&forward pe <= %.3g or &velocity cap = 0.99 prevents it",
                 ratio, pe / ratio);
}

void physics_describe_stats(const struct adr_plan *plan, const struct adr_stats *stats)
{
    log_info("forward   %lld images, %lld velocity fields", (long long)stats->images,
             (long long)stats->fields);
    if (stats->lbm_s > 0)
        log_info("          velocity %.1f s, lattice %.1f s, summed over threads",
                 stats->velocity_s, stats->lbm_s);
    if (plan->velocity == VELOCITY_NONE)
        return;
    log_info(
        "          largest (|vx|+|vy|)/cs2 %.3g; diffusivity along the flow off by %.2g at worst",
        stats->worst_ratio, plan->order == 1 ? stats->worst_speed2 : 0.0);
    if (stats->fields_over > 0 && plan->velocity != VELOCITY_COMPRESSIBLE)
        log_warn(
            "%lld of %lld velocity fields exceed |vx|+|vy| = cs2: images may leave their range",
            (long long)stats->fields_over, (long long)stats->fields);
    if (plan->cap_ratio > 0 && stats->worst_cap > 0 && stats->worst_cap < 1)
        log_warn("&velocity cap scaled fields down, the strongest to %.3g of its Pe",
                 stats->worst_cap);
}
