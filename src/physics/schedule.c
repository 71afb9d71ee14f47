/* SPDX-License-Identifier: Apache-2.0
 * schedule: see schedule.h. */
#include "physics/schedule.h"

#include <math.h>

#include "physics/physics.h"

double sigma_from_fo(double fo, double side)
{
    return side * sqrt(2.0 * fo);
}

/* The tolerance keeps a level whose alpha is alpha_max up to rounding at one step fewer. */
static int lattice_steps(double d, double alpha_max)
{
    double n = ceil(d / (2.0 * alpha_max) * (1.0 - 1e-12));
    return n < 1.0 ? 1 : (int)n;
}

void schedule_levels(int count, double sigma_min, double sigma_max, double alpha_max, double cs2,
                     double pe, int side, struct adr_level *level)
{
    level[0] = (struct adr_level){0};
    for (int k = 1; k <= count; k++) {
        double part = count > 1 ? (double)(k - 1) / (count - 1) : 1.0;
        double sigma = sigma_min * pow(sigma_max / sigma_min, part), before = level[k - 1].sigma;
        double d = (sigma - before) * (sigma + before);
        int n = lattice_steps(d, alpha_max);
        double alpha = d / (2.0 * n);
        level[k] = (struct adr_level){
            .steps = n,
            .sigma = sigma,
            .alpha = alpha,
            .cs2 = cs2 > 0 ? cs2 : 2.0 * alpha,
            .tau = cs2 > 0 ? alpha / cs2 + 0.5 : 1.0,
            .speed = pe * alpha / side,
            .fo = fo_from_sigma(before, side),
            .fo_step = alpha / ((double)side * side),
        };
    }
}
