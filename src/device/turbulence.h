/* SPDX-License-Identifier: Apache-2.0
 * turbulence: what every device shares about the prescribed velocity: amplitudes by mode, the
 * clock of the phases, and the fields that need no spectrum.
 *
 * Phases: rng_draw(seed, RNG_PHASE_X or _Y, key, m + 32768, (n + 32768)/4), word (n + 32768) % 4,
 * phi = 2 pi rng_uniform(word); keyed by mode number, so a finer grid keeps a coarser one's eddies.
 *
 * Fields, at x = (i + 1/2)/L to the right and y = (j + 1/2)/L down, with amplitude a:
 *   streamfunction   psi = sum a cos(phi + kappa theta) sin(pi m x) sin(pi n y), odd about the walls;
 *                    v_x = D_y psi, v_y = -D_x psi, where D_x is the central difference
 *                    (g(x+1) - g(x-1))/2 along x times (cs2/2, 1 - cs2, cs2/2) along y, cs2 of the
 *                    level, and D_y the same with x and y exchanged
 *   compressible     v_c = sum a cos(phi_c + kappa theta + 2 pi (m x + n y)), c = x, y
 *   solenoidal       psi = the same sum with the phases of x; v_x = d psi/dy, v_y = -d psi/dx exactly
 * Scale: compressible, each component to std V; the two others by ONE factor to
 * sqrt((var v_x + var v_y)/2) = V; the rest see turbulence_given. Then cap_speed, then cap_ratio. */
#pragma once
#include "device/adr_plan.h"

/* Streamfunction: amplitude[(m-1)*L + (n-1)] = kappa^-(p+1), kappa[...] = pi sqrt(m^2+n^2),
 * m, n = 1..L half waves (m along x, n along y), zero amplitude outside the band. */
void turbulence_sine_modes(const struct adr_plan *plan, double *amplitude, double *kappa);
/* Full waves: index (n mod L)*L + (m mod L), m, n = -L/2..L/2-1 (m along x), amplitude kappa^-p
 * (solenoidal: kappa^-(p+1)), kappa = 2 pi sqrt(m^2+n^2), zero for the mean and outside the band.
 */
void turbulence_full_modes(const struct adr_plan *plan, double *amplitude, double *kappa);

/* The mode number that index i of a full-wave table stands for. */
static inline int turbulence_full_mode(int i, int side)
{
    return i < (side + 1) / 2 ? i : i - side;
}

/* theta of the field held at lattice step `step` of level k: theta_rate times the midpoint Fo of
 * the hold, and the first step and number of steps of that hold. */
double turbulence_theta(const struct adr_plan *plan, int level, int step, int *hold_first,
                        int *hold_steps);

/* Kinds uniform, rotation, shear and file: v [2,L,L] per unit of V, the same for all keys. A file's
 * frames are spread evenly over Fo and the one at the midpoint of the hold is taken; all frames
 * share one scale, by which the rms component over all of them is V: file_rms from
 * turbulence_file_rms (1 for the other kinds). */
int turbulence_frame(const struct adr_plan *plan, int level, int step); /* which of a file */
double turbulence_file_rms(const struct adr_plan *plan);
void turbulence_given(const struct adr_plan *plan, int level, int step, double file_rms, double *v);
