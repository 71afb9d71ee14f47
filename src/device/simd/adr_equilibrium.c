/* SPDX-License-Identifier: Apache-2.0
 * adr_equilibrium: D2Q9 at tau = 1, where u is the whole state:
 *
 *     u'(x) = sum_i e_i(x - c_i)
 *     e_i = w_i [u + U (a + a^2/2 - v.v/(2 cs2))],   a = c_i.v/cs2,  U = u + base
 *
 * Summed along x first: what a row sends to the row above (H_-), to itself and to the row below is,
 * with w0 = 1 - cs2, h = cs2/2 and three terms that come from the left | from here | from the
 * right,
 *
 *     H_0 = w0 A - 2 E,   H_+- = h A + E +- O
 *     A:  p       | w0 u - 2 X | m          p, m = h u + X +- q,  q = U vx/2
 *     O:  h r + Z | w0 r       | h r - Z    r = U vy/2,  Z = q vy/2
 *     E:  h Y     | w0 Y       | h Y        X = (w0/cs2) q vx/2,  Y = (w0/cs2) r vy/2
 *
 * (order 1: X = Y = Z = 0). Rows are swept downwards in place: row y-1 is complete once H_- of row
 * y is known; `here` and `down` hold what the rows above have left for the current one and the
 * next. Several lattice steps follow each other one row behind, so that a row is read from memory
 * once for all of them. */
#include "device/simd/adr_math.h"
#include "device/simd/adr_parts.h"

struct weights {
    vn h, w0, base, over_cs2, twice_over_cs2;
};
struct part {
    vn u, p, m, r, z_right, z_left, y; /* u: centre of A over w0; r: with w0 */
};
struct stage {
    vn *here, *down, *above; /* [side]; above takes what leaves through the first row */
};

SIMD_INLINE vn velocity_at(const float *v, int cell, int shared)
{
    return shared ? v_all(v[cell]) : ((const vn *)v)[cell];
}

SIMD_INLINE struct part part_at(const struct adr_sweep *s, const struct weights *w, int cell,
                                int order, int shared)
{
    vn u = ((const vn *)s->phi)[cell];
    vn vx = velocity_at(s->vx, cell, shared), vy = velocity_at(s->vy, cell, shared);
    vn all = u + w->base, q = all * vx, r = all * vy;
    if (order == 1)
        return (struct part){.u = u, .p = madd(w->h, u, q), .m = msub(w->h, u, q), .r = r};
    vn twice = w->twice_over_cs2 * (q * vx), x = (w->over_cs2 * w->w0) * (q * vx), z = q * vy;
    vn t = madd(w->h, u, x);
    return (struct part){.u = u - twice,
                         .p = t + q,
                         .m = t - q,
                         .r = r,
                         .z_right = madd(w->h, r, z),
                         .z_left = msub(w->h, r, z),
                         .y = (w->over_cs2 * w->w0) * (r * vy)};
}

SIMD_INLINE void send(const struct weights *w, int order, const struct part *left,
                      const struct part *here, const struct part *right, vn *above, vn *own,
                      vn *below)
{
    vn a = madd(w->w0, here->u, left->p + right->m);
    if (order == 1) {
        vn odd = madd(w->w0, here->r, w->h * (left->r + right->r));
        *own = madd(w->w0, a, *below);
        *above += msub(w->h, a, odd);
        *below = madd(w->h, a, odd);
    } else {
        vn odd = madd(w->w0, here->r, left->z_right + right->z_left);
        vn even = madd(w->w0, here->y, w->h * (left->y + right->y));
        vn both = madd(w->h, a, even);
        *own = madd(w->w0, a, *below) - 2 * even;
        *above += both - odd;
        *below = both + odd;
    }
}

/* Row y: completes `above` (row y-1), leaves in here its own share and in down the next row's. */
SIMD_INLINE void sweep_row(const struct adr_sweep *s, const struct weights *w,
                           const struct stage *g, int y, int order, int shared)
{
    int n = s->side, first = y * n;
    struct part left = {0}, right = {0};
    struct part start = part_at(s, w, first, order, shared);
    struct part end = part_at(s, w, first + n - 1, order, shared);
    if (s->walls == WALLS_PERIODIC) {
        left = end;
        right = start;
    } else if (s->walls == WALLS_MIRROR) {
        left = (struct part){.p = start.m, .r = start.r, .z_right = start.z_left, .y = start.y};
        right = (struct part){.m = end.p, .r = end.r, .z_left = end.z_right, .y = end.y};
    }
    struct part here = start;
    vn *above = y ? (vn *)s->phi + first - n : g->above;
    for (int x = 0; x < n; x++) {
        struct part next = x + 1 < n ? part_at(s, w, first + x + 1, order, shared) : right;
        vn done = g->here[x], own;
        send(w, order, &left, &here, &next, &done, &own, &g->down[x]);
        above[x] = done;
        g->here[x] = own;
        left = here;
        here = next;
    }
    if (s->walls ==
        WALLS_BOUNCE_BACK) { /* what left through the sides comes back to its own cell */
        g->here[0] += start.m;
        g->here[n - 1] += end.p;
    }
}

/* Half-way bounce back of the three links of each cell that cross the first (sign -1) or last (+1)
 * row; a corner's diagonal has come back through the side already. */
SIMD_INLINE void bounce_row(const struct adr_sweep *s, const struct weights *w, int y, float sign,
                            int order, int shared, const struct stage *g)
{
    int n = s->side;
    for (int x = 0; x < n; x++) {
        struct part c = part_at(s, w, y * n + x, order, shared);
        vn sum = w->h * madd(w->w0, c.u, c.p + c.m) + sign * c.r + c.y;
        vn z_left = order == 1 ? w->h * c.r : c.z_left, z_right = order == 1 ? z_left : c.z_right;
        if (x == 0)
            sum -= w->h * (c.m + c.y) + sign * z_left;
        if (x == n - 1)
            sum -= w->h * (c.p + c.y) + sign * z_right;
        g->here[x] += sum;
    }
}

SIMD_INLINE void add_row(int n, const vn *x, vn *y)
{
    for (int i = 0; i < n; i++)
        y[i] += x[i];
}

/* Row y of one lattice step, with what the first and last rows owe to the walls. */
SIMD_INLINE void step_row(const struct adr_sweep *s, const struct weights *w, const struct stage *g,
                          int y, int order, int shared)
{
    int n = s->side;
    if (y == 0)
        memset(g->here, 0, 3 * (size_t)(n + 2) * sizeof(vn)); /* here, down and above */
    sweep_row(s, w, g, y, order, shared);
    if (y == 0 && s->walls == WALLS_MIRROR)
        add_row(n, g->above, g->here);
    if (y == 0 && s->walls == WALLS_BOUNCE_BACK)
        bounce_row(s, w, y, -1, order, shared, g);
    if (y < n - 1)
        return;
    if (s->walls == WALLS_MIRROR)
        add_row(n, g->down, g->here);
    else if (s->walls == WALLS_BOUNCE_BACK)
        bounce_row(s, w, y, 1, order, shared, g);
    else
        add_row(n, g->above, g->here);
    memcpy((vn *)s->phi + y * n, g->here, (size_t)n * sizeof(vn));
    if (s->walls == WALLS_PERIODIC)
        add_row(n, g->down, (vn *)s->phi);
}

SIMD_INLINE void sweep(const struct adr_sweep *s, int order, int shared)
{
    int n = s->side, most = s->walls == WALLS_PERIODIC ? 1 : ADR_STAGES;
    float centre = 1 - s->cs2, side = (1 - centre) / 2; /* so that they sum to one exactly */
    struct weights w = {v_all(side), v_all(centre), v_all(s->base), v_all(1 / s->cs2),
                        v_all(2 / s->cs2)};
    for (int done = 0, stages; done < s->steps; done += stages) {
        stages = s->steps - done < most ? s->steps - done : most;
        for (int row = 0; row < n + stages - 1; row++)
            for (int i = 0; i < stages; i++) {
                vn *rows = (vn *)s->rows + 3 * (n + 2) * i;
                struct stage g = {rows, rows + (n + 2), rows + 2 * (n + 2)};
                if (row - i >= 0 && row - i < n)
                    step_row(s, &w, &g, row - i, order, shared);
            }
    }
}

void SIMD_NAME(adr_equilibrium)(const struct adr_sweep *s)
{
    if (s->order == 1 && s->shared)
        sweep(s, 1, 1);
    else if (s->order == 1)
        sweep(s, 1, 0);
    else if (s->shared)
        sweep(s, 2, 1);
    else
        sweep(s, 2, 0);
}
