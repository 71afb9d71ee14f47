/* SPDX-License-Identifier: Apache-2.0
 * d2q9: the nine velocities of the lattice and what one cell does with its populations. One header
 * for C and CUDA; D2Q9_REAL is float unless defined before inclusion.
 *
 *     f_i^eq = w_i u [1 + c_i.v/cs2 + (c_i.v)^2/(2 cs2^2) - v.v/(2 cs2)]
 *                                                               order 1: without the last two
 *     w_i    = w(c_ix) w(c_iy),  w(0) = 1 - cs2,  w(+-1) = cs2/2       cs2 = 1/3: 4/9, 1/9, 1/36
 *     alpha  = cs2 (tau - 1/2)
 *
 * Directions are numbered i = 3 (c_y + 1) + (c_x + 1), so that opposites and mirrors are
 * arithmetic; rest is 4. x points right, y down. Sources: Qian, d'Humieres, Lallemand 1992 (D2Q9);
 * Ginzburg, d'Humieres, Kuzmin 2010 (two relaxation times). */
#pragma once

#ifndef D2Q9_REAL
#define D2Q9_REAL float
#endif
#ifdef __CUDACC__
#define D2Q9_FN static __host__ __device__ inline
#else
#define D2Q9_FN static inline
#endif

enum { D2Q9 = 9, D2Q9_REST = 4 };

D2Q9_FN int d2q9_cx(int i)
{
    return i % 3 - 1;
}
D2Q9_FN int d2q9_cy(int i)
{
    return i / 3 - 1;
}
D2Q9_FN int d2q9_opposite(int i)
{
    return 8 - i;
}
D2Q9_FN int d2q9_mirror_x(int i) /* c_x turns round */
{
    return i - 2 * d2q9_cx(i);
}
D2Q9_FN int d2q9_mirror_y(int i) /* c_y turns round */
{
    return i - 6 * d2q9_cy(i);
}

D2Q9_FN D2Q9_REAL d2q9_weight(int i, D2Q9_REAL cs2)
{
    D2Q9_REAL centre = 1 - cs2, side = cs2 / 2;
    return (d2q9_cx(i) ? side : centre) * (d2q9_cy(i) ? side : centre);
}

D2Q9_FN void d2q9_equilibrium(D2Q9_REAL cs2, int order, D2Q9_REAL u, D2Q9_REAL vx, D2Q9_REAL vy,
                              D2Q9_REAL feq[D2Q9])
{
    for (int i = 0; i < D2Q9; i++) {
        D2Q9_REAL cv = ((D2Q9_REAL)d2q9_cx(i) * vx + (D2Q9_REAL)d2q9_cy(i) * vy) / cs2;
        D2Q9_REAL factor = 1 + cv;
        if (order == 2)
            factor += cv * cv / 2 - (vx * vx + vy * vy) / (2 * cs2);
        feq[i] = d2q9_weight(i, cs2) * u * factor;
    }
}

D2Q9_FN void d2q9_bgk(D2Q9_REAL tau, const D2Q9_REAL feq[D2Q9], D2Q9_REAL f[D2Q9])
{
    for (int i = 0; i < D2Q9; i++)
        f[i] -= (f[i] - feq[i]) / tau;
}

/* The odd part carries the diffusivity (tau), the even part relaxes so that (tau+ - 1/2)(tau - 1/2)
 * = 1/4. */
D2Q9_FN void d2q9_trt(D2Q9_REAL tau, const D2Q9_REAL feq[D2Q9], D2Q9_REAL f[D2Q9])
{
    D2Q9_REAL half = (D2Q9_REAL)0.5, tau_even = half + 1 / (4 * (tau - half));
    for (int i = 0; i <= D2Q9_REST; i++) {
        int o = d2q9_opposite(i);
        D2Q9_REAL ni = f[i] - feq[i], no = f[o] - feq[o];
        D2Q9_REAL even = half * (ni + no) / tau_even, odd = half * (ni - no) / tau;
        f[i] -= even + odd;
        if (o != i)
            f[o] -= even - odd;
    }
}

/* Of the non-equilibrium part only the flux j = sum c_i (f_i - f_i^eq) is kept. */
D2Q9_FN void d2q9_regularized(D2Q9_REAL tau, D2Q9_REAL cs2, const D2Q9_REAL feq[D2Q9],
                              D2Q9_REAL f[D2Q9])
{
    D2Q9_REAL jx = 0, jy = 0;
    for (int i = 0; i < D2Q9; i++) {
        jx += (D2Q9_REAL)d2q9_cx(i) * (f[i] - feq[i]);
        jy += (D2Q9_REAL)d2q9_cy(i) * (f[i] - feq[i]);
    }
    for (int i = 0; i < D2Q9; i++) {
        D2Q9_REAL cj = (D2Q9_REAL)d2q9_cx(i) * jx + (D2Q9_REAL)d2q9_cy(i) * jy;
        f[i] = feq[i] + (1 - 1 / tau) * d2q9_weight(i, cs2) * cj / cs2;
    }
}
