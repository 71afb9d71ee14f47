/* SPDX-License-Identifier: Apache-2.0
 * spectrum: how the variance of images is shared out over wave numbers.
 *
 *     what(m,n) = 1/L^2 sum_{x,y} w(x,y) exp(-2 pi i (m x + n y)/L)      m, n = -L/2..L/2-1 full waves
 *     E(k)      = mean of |what|^2 over the ring k - 1/2 <= sqrt(m^2 + n^2) < k + 1/2
 *
 * averaged over channels and images. With this factor the sum of |what|^2 over all modes is the mean of w^2
 * (Parseval), so spectra of one picture at two sizes agree where both resolve it. Rings beyond k = L/2 lie in the corners
 * of the square of modes and are only partly filled. Two matrix products an image, 6 L^3 operations, in double. */
#pragma once
#include <stdint.h>

#include "comm/comm.h"

/* Rings 0..count-1 for images of side L, corners included. */
int spectrum_rings(int side);
/* Modes in each ring: modes [rings]; their sum is L^2. */
void spectrum_modes(int side, int64_t *modes);

/* Collective. images [n,L,L,C] of this rank (n may be 0); energy [rings], the same on every rank; 0 without images. */
void spectrum_of(struct comm *comm, const float *images, int64_t n, int side, int channels, double *energy);
