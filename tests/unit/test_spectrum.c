/* SPDX-License-Identifier: Apache-2.0
 * Spectra against what is known in closed form: Parseval's sum, a plane wave in its ring, a picture shown twice. */
#include "check.h"

#include "base/mem.h"
#include "base/rng.h"
#include "comm/comm.h"
#include "metrics/spectrum.h"

enum { MOST = 64 };

static float images[3 * MOST * MOST * 3];
static double energy[MOST];
static int64_t modes[MOST];

/* The sum of |what|^2 over all modes is the mean square of the pixels. */
static void check_parseval(struct comm *comm, int side, int channels)
{
    int64_t n = 3, count = n * side * side * channels, all = 0;
    double square = 0, sum = 0;
    for (int64_t e = 0; e < count; e++) {
        images[e] = rng_uniform(rng_draw(3, RNG_TEST, (uint64_t)e, 0, 0).v[0]);
        square += (double)images[e] * (double)images[e] / (double)count;
    }
    spectrum_of(comm, images, n, side, channels, energy);
    spectrum_modes(side, modes);
    for (int k = 0; k < spectrum_rings(side); k++) {
        sum += energy[k] * (double)modes[k];
        all += modes[k];
    }
    CHECK(all == (int64_t)side * side);
    CHECK_NEAR(sum, square, 1e-13); /* 2.2e-14 measured */
}

/* 1/4 + 3 cos(2 pi (m x + n y) + 1): 1/16 in ring 0 and (3/2)^2 in each of two modes (all of 9 cos^2(phase) where the
 * wave is its own conjugate) in the ring of sqrt(m^2 + n^2), nothing elsewhere. */
static void check_wave(struct comm *comm, int side, int m, int n, int ring)
{
    const double two_pi = 6.28318530717958647693;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            images[y * side + x] = (float)(0.25 + 3 * cos(two_pi * (m * x + n * y) / side + 1));
    spectrum_of(comm, images, 1, side, 1, energy);
    spectrum_modes(side, modes);
    int alone = 2 * m % side == 0 && 2 * n % side == 0;
    double want = alone ? 9 * cos(1) * cos(1) : 4.5;
    CHECK_NEAR(energy[0], 1.0 / 16, 1e-7);
    for (int k = 1; k < spectrum_rings(side); k++)
        CHECK_NEAR(energy[k] * (double)modes[k], k == ring ? want : 0.0, 2e-6); /* fp32 pixels */
}

int main(void)
{
    struct comm *comm = comm_self_create();
    check_parseval(comm, 28, 1);
    check_parseval(comm, 27, 3);
    check_parseval(comm, 1, 2);
    check_parseval(comm, 64, 1);
    check_wave(comm, 28, 3, 0, 3);
    check_wave(comm, 28, 0, -3, 3);
    check_wave(comm, 28, 3, 4, 5);
    check_wave(comm, 28, -5, 12, 13);
    check_wave(comm, 28, 14, 0, 14);
    check_wave(comm, 27, 13, -13, 18);
    check_wave(comm, 32, 1, 1, 1);
    spectrum_of(comm, images, 0, 28, 1, energy);
    CHECK(energy[0] == 0 && energy[5] == 0);
    comm->ops->destroy(comm);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
