/* SPDX-License-Identifier: Apache-2.0
 * adr_chip.cuh: one row of D2Q9 at tau = 1, a few neighbouring columns of it in each lane of a warp:
 *
 *     u'(x) = sum_i e_i(x - c_i),   e_i = w_i [u + U (a + a^2/2 - v.v/(2 cs2))],   a = c_i.v/cs2,  U = u + base
 *
 * summed along x first (as in device/simd/adr_equilibrium.c): what a row sends to the row above, itself and the row
 * below is h A - O + E, w0 A - 2 E, h A + O + E with w0 = 1 - cs2, h = cs2/2 and three terms from the left | here |
 * from the right,
 *     A:  p       | w0 u - 2 X | m          p, m = h u + X +- q,  q = U vx/2
 *     O:  h r + Z | w0 r       | h r - Z    r = U vy/2,  Z = q vy/2
 *     E:  h Y     | w0 Y       | h Y        X = (w0/cs2) q vx/2,  Y = (w0/cs2) r vy/2     (order 1: X = Y = Z = 0) */
#pragma once
#include "adr_strip.cuh"

struct weights {
    float h, w0, base, x, twice_over_cs2; /* x: w0/cs2 */
};

/* A row's terms of the table above in the lane's columns; u with -2 X over w0, z and y with their h. */
template <int CX> struct terms {
    float u[CX], p[CX], m[CX], r[CX], z_right[CX], z_left[CX], y[CX];
};

template <int CX, int ORDER>
static __device__ __forceinline__ void terms_of(const struct weights *w, const float (&u)[CX], const float (&vx)[CX],
                                                const float (&vy)[CX], struct terms<CX> *t)
{
#pragma unroll
    for (int c = 0; c < CX; c++) {
        float all = u[c] + w->base, q = all * vx[c], r = all * vy[c];
        t->r[c] = r;
        if (ORDER == 1) {
            t->u[c] = u[c];
            t->p[c] = fmaf(w->h, u[c], q);
            t->m[c] = fmaf(w->h, u[c], -q);
        } else {
            float x = q * vx[c], z = q * vy[c], even = fmaf(w->x, x, w->h * u[c]);
            t->u[c] = fmaf(-w->twice_over_cs2, x, u[c]);
            t->p[c] = even + q;
            t->m[c] = even - q;
            t->z_right[c] = fmaf(w->h, r, z);
            t->z_left[c] = fmaf(w->h, r, -z);
            t->y[c] = w->x * (r * vy[c]);
        }
    }
}

/* x of the lane to the left (last column) and to the right (first column), or what the wall makes of it: nothing, or
 * what the mirrored cell sends, which is this lane's own term of the other direction. */
template <int WALLS>
static __device__ __forceinline__ float from_left(const struct lanes *l, float x, float mirrored)
{
    float got = __shfl_sync(0xffffffffu, x, l->left);
    return WALLS == WALLS_PERIODIC || !l->first ? got : WALLS == WALLS_MIRROR ? mirrored : 0.0f;
}
template <int WALLS>
static __device__ __forceinline__ float from_right(const struct lanes *l, float x, float mirrored)
{
    float got = __shfl_sync(0xffffffffu, x, l->right);
    return WALLS == WALLS_PERIODIC || !l->last ? got : WALLS == WALLS_MIRROR ? mirrored : 0.0f;
}

/* What a row sends: above, to itself, below. */
template <int CX, int ORDER, int WALLS>
static __device__ __forceinline__ void send_row(const struct weights *w, const struct lanes *l,
                                                const struct terms<CX> *t, float (&above)[CX], float (&own)[CX],
                                                float (&below)[CX])
{
    const int e = CX - 1;
    float p_left = from_left<WALLS>(l, t->p[e], t->m[0]), m_right = from_right<WALLS>(l, t->m[0], t->p[e]);
    float z_left = 0, z_right = 0, y_left = 0, y_right = 0; /* from the left, from the right */
    if (ORDER == 1) {
        z_left = from_left<WALLS>(l, t->r[e], t->r[0]);
        z_right = from_right<WALLS>(l, t->r[0], t->r[e]);
    } else {
        z_left = from_left<WALLS>(l, t->z_right[e], t->z_left[0]);
        z_right = from_right<WALLS>(l, t->z_left[0], t->z_right[e]);
        y_left = from_left<WALLS>(l, t->y[e], t->y[0]);
        y_right = from_right<WALLS>(l, t->y[0], t->y[e]);
    }
#pragma unroll
    for (int c = 0; c < CX; c++) {
        float p = c ? t->p[c - 1] : p_left, m = c < e ? t->m[c + 1] : m_right;
        float a = fmaf(w->w0, t->u[c], p + m);
        if (ORDER == 1) {
            float r = (c ? t->r[c - 1] : z_left) + (c < e ? t->r[c + 1] : z_right);
            float odd = fmaf(w->w0, t->r[c], w->h * r);
            own[c] = w->w0 * a;
            above[c] = fmaf(w->h, a, -odd);
            below[c] = fmaf(w->h, a, odd);
        } else {
            float z = (c ? t->z_right[c - 1] : z_left) + (c < e ? t->z_left[c + 1] : z_right);
            float y = (c ? t->y[c - 1] : y_left) + (c < e ? t->y[c + 1] : y_right);
            float odd = fmaf(w->w0, t->r[c], z), even = fmaf(w->w0, t->y[c], w->h * y), both = fmaf(w->h, a, even);
            own[c] = fmaf(-2.0f, even, w->w0 * a);
            above[c] = both - odd;
            below[c] = both + odd;
        }
    }
    if (WALLS == WALLS_BOUNCE_BACK) { /* what left through the sides comes back to its own cell */
        own[0] += l->first ? t->m[0] : 0.0f;
        own[e] += l->last ? t->p[e] : 0.0f;
    }
}

/* Half-way bounce back of the three links that cross the first (sign -1) or last (+1) row; a corner's diagonal has come
 * back through the side already. */
template <int CX, int ORDER>
static __device__ __forceinline__ void bounce_row(const struct weights *w, const struct lanes *l,
                                                  const struct terms<CX> *t, float sign, float (&own)[CX])
{
#pragma unroll
    for (int c = 0; c < CX; c++) {
        float even = ORDER == 1 ? 0.0f : t->y[c], half = w->h * t->r[c];
        float z_left = ORDER == 1 ? half : t->z_left[c], z_right = ORDER == 1 ? half : t->z_right[c];
        own[c] += w->h * fmaf(w->w0, t->u[c], t->p[c] + t->m[c]) + sign * t->r[c] + even;
        if (c == 0 && l->first)
            own[c] -= w->h * (t->m[c] + even) + sign * z_left;
        if (c == CX - 1 && l->last)
            own[c] -= w->h * (t->p[c] + even) + sign * z_right;
    }
}
