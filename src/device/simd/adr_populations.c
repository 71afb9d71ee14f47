/* SPDX-License-Identifier: Apache-2.0
 * adr_populations: D2Q9 with nine populations a cell; collisions bgk, trt and regularized, whose
 * formulas are in d2q9.h, taken apart here into even and odd halves of opposite directions i, o:
 *
 *     e = f_i + f_o,  d = f_i - f_o,  f_i, f_o = e' +- d'
 *     e' = keep_even e/2 + (1 - keep_even) S,   d' = keep_odd d/2 + (1 - keep_odd) A
 *     S = w_i [u + U ((c.v/cs2)^2/2 - v.v/(2 cs2))],  A = w_i U c.v/cs2,  U = u + base
 *     regularized: e' = S,  d' = A + keep_odd w_i c.J/cs2,  J = sum c_i f_i - U v
 *
 * Stored is f_i - w_i base, as [row][column][9][lane] with a ring of one cell; directions are
 * numbered i = 3 (c_y + 1) + (c_x + 1). One pass a step in place, rows downwards: a row is read,
 * collided and sent on cell by cell. What goes up lands in the row above, which has been read
 * already; what would overtake the reading within the row waits one cell; what goes down waits in
 * `down` until the next row has been read. What leaves the image lands in the ring, from where the
 * walls put it back. As in adr_equilibrium.c a few steps follow each other one row behind. */
#include "device/simd/adr_math.h"
#include "device/simd/adr_parts.h"

enum { Q = 9, REST = 4 };

struct relaxation {
    vn base, keep_even, keep_odd; /* the latter halved, except for regularized */
    vn s_side, s_corner;          /* (1 - keep_even) w_i */
    vn a_side, a_corner; /* (1 - keep_odd) w_i 2/cs2; 2 because half the velocity is given */
    vn j_side, j_corner; /* regularized: keep_odd w_i/cs2 */
    vn twice_over_cs2, half_cs2;
};

static struct relaxation relaxation_of(const struct adr_sweep *s)
{
    float keep_odd = 1 - 1 / s->tau, keep_even = keep_odd, cs2 = s->cs2;
    if (s->collision == LBM_TRT)
        keep_even = 1 - 1 / (0.5f + 1 / (4 * (s->tau - 0.5f)));
    if (s->collision == LBM_REGULARIZED)
        keep_even = 0;
    float centre = 1 - cs2, side = cs2 / 2, new_even = 1 - keep_even;
    float new_odd = s->collision == LBM_REGULARIZED ? 1 : 1 - keep_odd;
    return (struct relaxation){
        .base = v_all(s->base),
        .keep_even = v_all(keep_even / 2),
        .keep_odd = v_all(keep_odd / 2),
        .s_side = v_all(new_even * centre * side),
        .s_corner = v_all(new_even * side * side),
        .a_side = v_all(new_odd * centre), /* centre side 2/cs2 */
        .a_corner = v_all(new_odd * side),
        .j_side = v_all(keep_odd * centre / 2),
        .j_corner = v_all(keep_odd * side / 2),
        .twice_over_cs2 = v_all(2 / cs2),
        .half_cs2 = v_all(cs2 / 2),
    };
}

/* Populations of one cell, in place; vx, vy half the velocity. */
SIMD_INLINE void collide(const struct relaxation *k, int order, int regularized, vn vx, vn vy,
                         vn f[Q])
{
    vn ex = f[5] + f[3], ey = f[7] + f[1], ep = f[8] + f[0], em = f[2] + f[6];
    vn dx = f[5] - f[3], dy = f[7] - f[1], dp = f[8] - f[0], dm = f[2] - f[6];
    vn u = ((ex + ey) + (ep + em)) + f[REST], all = u + k->base;
    vn qx = all * vx, qy = all * vy;
    vn sx = u, sy = u, sp = u, sm = u;
    if (order == 2) {
        vn ax = k->twice_over_cs2 * vx, ay = k->twice_over_cs2 * vy, ap = ax + ay, am = ax - ay;
        vn x2 = ax * ax, less = k->half_cs2 * madd(ay, ay, x2), half = v_all(0.5f);
        sx = madd(all, msub(half, x2, less), u);
        sy = madd(all, msub(half, ay * ay, less), u);
        sp = madd(all, msub(half, ap * ap, less), u);
        sm = madd(all, msub(half, am * am, less), u);
    }
    vn new_x = k->a_side * qx, new_y = k->a_side * qy;
    vn new_p = k->a_corner * (qx + qy), new_m = k->a_corner * (qx - qy);
    if (regularized) {
        vn jx = (dx + (dp + dm)) - (qx + qx), jy = (dy + (dp - dm)) - (qy + qy);
        dx = madd(k->j_side, jx, new_x);
        dy = madd(k->j_side, jy, new_y);
        dp = madd(k->j_corner, jx + jy, new_p);
        dm = madd(k->j_corner, jx - jy, new_m);
        ex = k->s_side * sx;
        ey = k->s_side * sy;
        ep = k->s_corner * sp;
        em = k->s_corner * sm;
    } else {
        dx = madd(k->keep_odd, dx, new_x);
        dy = madd(k->keep_odd, dy, new_y);
        dp = madd(k->keep_odd, dp, new_p);
        dm = madd(k->keep_odd, dm, new_m);
        ex = madd(k->keep_even, ex, k->s_side * sx);
        ey = madd(k->keep_even, ey, k->s_side * sy);
        ep = madd(k->keep_even, ep, k->s_corner * sp);
        em = madd(k->keep_even, em, k->s_corner * sm);
    }
    f[REST] =
        madd(v_all(-2), (ex + ey) + (ep + em), u); /* conserves u where rounded weights do not */
    f[5] = ex + dx;
    f[3] = ex - dx;
    f[7] = ey + dy;
    f[1] = ey - dy;
    f[8] = ep + dp;
    f[0] = ep - dp;
    f[2] = em + dm;
    f[6] = em - dm;
}

/* Column x of a row of cells, and of `down` [column][3]. */
SIMD_INLINE vn *cell(vn *row, int x)
{
    return row + Q * x;
}

/* Row y: `row`, `up` and `down` point at their column 0. */
SIMD_INLINE void sweep_row(const struct adr_sweep *s, const struct relaxation *k, int y, int order,
                           int regularized, vn *row, vn *up, vn *down)
{
    int n = s->side;
    const vn *vx = (const vn *)s->vx + y * n, *vy = (const vn *)s->vy + y * n;
    vn wait5 = {0}, wait8 = {0};
    for (int x = 0; x < n; x++) {
        vn f[Q], *at = cell(row, x), *over = cell(up, x), *under = down + 3 * x;
        for (int i = 0; i < Q; i++)
            f[i] = at[i];
        collide(k, order, regularized, vx[x], vy[x], f);
        at[3 - Q] = f[3];
        at[4] = f[4];
        at[5] = wait5;
        at[6] = under[0];
        at[7] = under[1];
        at[8] = under[2];
        over[0 - Q] = f[0];
        over[1] = f[1];
        over[2 + Q] = f[2];
        under[0 - 3] = f[6];
        under[1] = f[7];
        under[2] = wait8;
        wait5 = f[5];
        wait8 = f[8];
    }
    cell(row, n)[5] = wait5;
    down[3 * n + 2] = wait8;
}

/* Puts back what left row y through its two ends. */
static void side_walls(enum lbm_walls walls, int n, vn *row, vn *up, vn *down)
{
    vn *first = cell(row, 0), *last = cell(row, n - 1);
    vn *left = cell(row, -1), *right = cell(row, n), *left_up = cell(up, -1),
       *right_up = cell(up, n);
    vn *left_down = down - 3, *right_down = down + 3 * n;
    if (walls == WALLS_PERIODIC) {
        first[5] = right[5];
        last[3] = left[3];
        cell(up, 0)[2] = right_up[2];
        cell(up, n - 1)[0] = left_up[0];
        down[2] = right_down[2];
        down[3 * (n - 1)] = left_down[0];
        return;
    }
    first[5] = left[3];
    last[3] = right[5];
    if (walls == WALLS_MIRROR) {
        cell(up, 0)[2] = left_up[0];
        cell(up, n - 1)[0] = right_up[2];
        down[2] = left_down[0];
        down[3 * (n - 1)] = right_down[2];
    } else {
        first[8] = left_up[0];
        first[2] = left_down[0];
        last[6] = right_up[2];
        last[0] = right_down[2];
    }
}

/* The same for the first row, whose outgoing populations are in `up` ... */
static void first_wall(enum lbm_walls walls, int n, vn *row, vn *up)
{
    int turn = walls == WALLS_BOUNCE_BACK;
    for (int x = 0; x < n && walls != WALLS_PERIODIC; x++) {
        cell(row, x)[6] = turn ? cell(up, x + 1)[2] : cell(up, x)[0];
        cell(row, x)[7] = cell(up, x)[1];
        cell(row, x)[8] = turn ? cell(up, x - 1)[0] : cell(up, x)[2];
    }
}

/* ... and the last, whose are in `down`. top: the first row, over which the ring lies. */
static void last_wall(enum lbm_walls walls, int n, vn *row, const vn *down, vn *top)
{
    const vn *ring = top - Q * (n + 2);
    int turn = walls == WALLS_BOUNCE_BACK;
    for (int x = 0; x < n; x++) {
        vn *at = cell(row, x);
        if (walls == WALLS_PERIODIC) {
            for (int i = 0; i < 3; i++) {
                at[i] = ring[Q * x + i];
                cell(top, x)[6 + i] = down[3 * x + i];
            }
        } else {
            at[0] = turn ? down[3 * (x + 1) + 2] : down[3 * x];
            at[1] = down[3 * x + 1];
            at[2] = turn ? down[3 * (x - 1)] : down[3 * x + 2];
        }
    }
}

SIMD_INLINE void sweep(const struct adr_sweep *s, int order, int regularized)
{
    int n = s->side, pitch = Q * (n + 2);
    int most = s->walls == WALLS_PERIODIC ? 1 : ADR_STAGES_POPULATIONS;
    struct relaxation k = relaxation_of(s);
    vn *top = (vn *)s->f + pitch + Q;
    for (int done = 0, stages; done < s->steps; done += stages) {
        stages = s->steps - done < most ? s->steps - done : most;
        for (int first = 0; first < n + stages - 1; first++)
            for (int i = 0; i < stages; i++) {
                int y = first - i;
                if (y < 0 || y >= n)
                    continue;
                vn *row = top + y * pitch, *up = row - pitch;
                vn *down = (vn *)s->rows + 3 * (n + 2) * i + 3;
                if (y == 0)
                    memset(down - 3, 0, 3 * (size_t)(n + 2) * sizeof(vn));
                sweep_row(s, &k, y, order, regularized, row, up, down);
                side_walls(s->walls, n, row, up, down);
                if (y == 0)
                    first_wall(s->walls, n, row, up);
                if (y == n - 1)
                    last_wall(s->walls, n, row, down, top);
            }
    }
}

void SIMD_NAME(adr_populations)(const struct adr_sweep *s)
{
    int regularized = s->collision == LBM_REGULARIZED;
    if (s->order == 1 && regularized)
        sweep(s, 1, 1);
    else if (s->order == 1)
        sweep(s, 1, 0);
    else if (regularized)
        sweep(s, 2, 1);
    else
        sweep(s, 2, 0);
}

/* A cell with all of u at rest, relaxed at once: tau = 1 keeps nothing. */
void SIMD_NAME(adr_populations_start)(const struct adr_sweep *s)
{
    struct adr_sweep once = *s;
    once.tau = 1;
    once.collision = LBM_BGK;
    struct relaxation k = relaxation_of(&once);
    int n = s->side;
    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++) {
            vn f[Q] = {[REST] = ((const vn *)s->phi)[y * n + x]};
            vn vx = ((const vn *)s->vx)[y * n + x], vy = ((const vn *)s->vy)[y * n + x];
            collide(&k, s->order, 0, vx, vy, f);
            memcpy((vn *)s->f + Q * ((y + 1) * (n + 2) + x + 1), f, sizeof f);
        }
}

void SIMD_NAME(adr_populations_sum)(const struct adr_sweep *s)
{
    int n = s->side;
    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++) {
            const vn *f = (const vn *)s->f + Q * ((y + 1) * (n + 2) + x + 1);
            vn sides = (f[1] + f[7]) + (f[3] + f[5]), corners = (f[0] + f[8]) + (f[2] + f[6]);
            ((vn *)s->phi)[y * n + x] = (sides + corners) + f[REST];
        }
}
