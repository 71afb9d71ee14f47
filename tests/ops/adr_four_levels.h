/* SPDX-License-Identifier: Apache-2.0
 * A small plan of the forward process, and how far results are apart: for the tests of devices against the reference. */
#pragma once
#include <math.h>

#include "device/adr_plan.h"

enum { LEVELS = 4 };

/* Levels of these numbers of steps (steps[0] is 0); alpha 1/6 at most. */
static struct adr_plan four_levels(const int steps[LEVELS + 1], int side, int channels,
                                   struct adr_level levels[LEVELS + 1])
{
    double variance = 0;
    levels[0] = (struct adr_level){0};
    for (int k = 1; k <= LEVELS; k++) {
        double alpha = 0.11 + 0.01 * k;
        levels[k] =
            (struct adr_level){.steps = steps[k], .alpha = alpha, .cs2 = 2 * alpha, .tau = 1};
        levels[k].speed = 6 * alpha / side;
        levels[k].fo = variance / (2.0 * side * side);
        levels[k].fo_step = alpha / ((double)side * side);
        variance += 2 * alpha * steps[k];
        levels[k].sigma = sqrt(variance);
    }
    return (struct adr_plan){.side = side,
                             .channels = channels,
                             .level_count = LEVELS,
                             .levels = levels,
                             .walls = WALLS_MIRROR,
                             .order = 1,
                             .value_high = 1,
                             .velocity = VELOCITY_STREAMFUNCTION,
                             .seed = 77,
                             .slope = 2,
                             .n_min = 1,
                             .theta_rate = 30};
}

static void use_collision(struct adr_plan *plan, enum lbm_collision collision)
{
    plan->collision = collision;
    for (int k = 1; k <= LEVELS && collision != LBM_EQUILIBRIUM; k++) {
        plan->levels[k].cs2 = 1.0 / 3;
        plan->levels[k].tau = 3 * plan->levels[k].alpha + 0.5;
    }
}

static double largest_difference(size_t count, const float *a, const float *b)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)a[i] - (double)b[i]);
        largest = difference <= largest ? largest : difference;
        if (!isfinite(difference))
            return INFINITY;
    }
    return largest;
}
