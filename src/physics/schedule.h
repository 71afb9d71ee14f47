/* SPDX-License-Identifier: Apache-2.0
 * schedule: blur levels and the lattice steps between them.
 *
 * sigma_0 = 0, then K values log-spaced from sigma_min to sigma_max (px); sigma^2 = 2 alpha t, so
 * level k needs d_k = sigma_k^2 - sigma_{k-1}^2 = 2 alpha_k n_k with n_k the smallest number of
 * steps that keeps alpha_k <= alpha_max. The speed follows: V_k = Pe alpha_k / L. */
#pragma once
#include "device/adr_plan.h"

/* Fills level[0..count]; cs2 0 stands for the weights that follow the level (cs2 = 2 alpha). */
void schedule_levels(int count, double sigma_min, double sigma_max, double alpha_max, double cs2,
                     double pe, int side, struct adr_level *level);
