/* SPDX-License-Identifier: Apache-2.0 */
#include "device/half_spectrum.h"

#include <math.h>

#include "device/cpu_adr_parts.h"

static int mode_place(const int *place, int mode, int most)
{
    return mode <= most ? place[mode] : -1;
}

static struct wave_frequency full_frequency(const struct cpu_waves *w, int m)
{
    int side = w->waves.n;
    double angle = 3.14159265358979323846 * m / side;
    double factor = m == 0 || 2 * m == side ? 1 : 0.5; /* these two are their own conjugates */
    return (struct wave_frequency){mode_place(w->cosine, m, w->most),
                                   mode_place(w->sine, m, w->most), (float)(factor * cos(angle)),
                                   (float)(factor * sin(angle))};
}

static struct wave_frequency cosine_frequency(const struct cpu_waves *w, int sine, int k)
{
    int side = w->waves.n, mode = sine ? side - k : k, mirrored = sine ? k : side - k;
    double angle = 3.14159265358979323846 * k / (2.0 * side), factor = k ? 0.5 : 1;
    if (!sine)
        factor *= sqrt((k ? 2.0 : 1.0) / side);
    return (struct wave_frequency){mode_place(w->cosine, mode, w->most),
                                   k ? mode_place(w->cosine, mirrored, w->most) : -1,
                                   (float)(factor * cos(angle)), (float)(factor * sin(angle))};
}

void half_spectrum_frequencies(enum fft_kind kind, const struct cpu_waves *w,
                               struct wave_frequency *out)
{
    for (int k = 0; k <= w->waves.n / 2; k++)
        out[k] = kind == FFT_FULL ? full_frequency(w, k) : cosine_frequency(w, kind == FFT_SINE, k);
}

int half_spectrum_quick(int side)
{
    for (int prime = 2; prime <= 7; prime++)
        while (side % prime == 0)
            side /= prime;
    return side == 1;
}
