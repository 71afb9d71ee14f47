/* SPDX-License-Identifier: Apache-2.0
 * ref_adr_lbm: the lattice Boltzmann step, population by population and link by link, in double.
 * Collision: d2q9.h. Walls act on single links that leave the image:
 *   bounce back  half-way: the population comes back to its own cell, turned round
 *   mirror       specular: only the component that crosses turns round, in a corner both
 *   periodic     enters on the other side */
#define D2Q9_REAL double
#include "device/d2q9.h"

#include "base/die.h"
#include "device/ref_adr_parts.h"

void ref_lbm_start(const struct adr_plan *plan, const struct adr_level *level, const double *v,
                   const double *value, double *f)
{
    int cells = plan->side * plan->side;
    for (int at = 0; at < cells; at++) {
        double feq[D2Q9];
        d2q9_equilibrium(level->cs2, plan->order, value[at], v[at], v[cells + at], feq);
        for (int i = 0; i < D2Q9; i++)
            f[i * cells + at] = feq[i];
    }
}

static void collide(const struct adr_plan *plan, const struct adr_level *level, const double *v,
                    double *f)
{
    int cells = plan->side * plan->side;
    for (int at = 0; at < cells; at++) {
        double cell[D2Q9], feq[D2Q9], u = 0;
        for (int i = 0; i < D2Q9; i++) {
            cell[i] = f[i * cells + at];
            u += cell[i];
        }
        d2q9_equilibrium(level->cs2, plan->order, u, v[at], v[cells + at], feq);
        switch (plan->collision) {
        case LBM_EQUILIBRIUM: /* tau = 1: memoryless */
            for (int i = 0; i < D2Q9; i++)
                cell[i] = feq[i];
            break;
        case LBM_BGK:
            d2q9_bgk(level->tau, feq, cell);
            break;
        case LBM_TRT:
            d2q9_trt(level->tau, feq, cell);
            break;
        case LBM_REGULARIZED:
            d2q9_regularized(level->tau, level->cs2, feq, cell);
            break;
        }
        for (int i = 0; i < D2Q9; i++)
            f[i * cells + at] = cell[i];
    }
}

/* Where the link of direction i from cell (x, y) ends: index into next [9,L,L]. */
static int link_end(enum lbm_walls walls, int side, int x, int y, int i)
{
    int to_x = x + d2q9_cx(i), to_y = y + d2q9_cy(i), to_i = i;
    int out_x = to_x < 0 || to_x >= side, out_y = to_y < 0 || to_y >= side;
    if (walls == WALLS_PERIODIC) {
        to_x = (to_x + side) % side;
        to_y = (to_y + side) % side;
    } else if (walls == WALLS_BOUNCE_BACK) {
        if (out_x || out_y) {
            to_x = x;
            to_y = y;
            to_i = d2q9_opposite(i);
        }
    } else {
        if (out_x) {
            to_x = x;
            to_i = d2q9_mirror_x(to_i);
        }
        if (out_y) {
            to_y = y;
            to_i = d2q9_mirror_y(to_i);
        }
    }
    return to_i * side * side + to_y * side + to_x;
}

static void stream(const struct adr_plan *plan, const double *f, double *next)
{
    int side = plan->side, cells = side * side;
    for (int i = 0; i < D2Q9; i++) {
        int shift = i * cells + d2q9_cy(i) * side + d2q9_cx(i);
        for (int y = 0; y < side; y++) {
            const double *row = &f[i * cells + y * side];
            int inside = y > 0 && y < side - 1;
            for (int x = 1; inside && x < side - 1; x++)
                next[shift + y * side + x] = row[x];
            for (int x = 0; x < side; x += inside ? side - 1 : 1)
                next[link_end(plan->walls, side, x, y, i)] = row[x];
        }
    }
}

void ref_lbm_step(const struct adr_plan *plan, const struct adr_level *level, const double *v,
                  double *f, double *next)
{
    REQUIRE(plan->side >= 2);
    collide(plan, level, v, f);
    stream(plan, f, next);
}
