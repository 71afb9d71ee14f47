/* SPDX-License-Identifier: Apache-2.0
 * cpu_adr_heat: exact blur of a group of images: orthonormal DCT-II as matrix products, mode (i, j)
 * times exp(-rate_k (i^2 + j^2)), rate_k = (pi sigma_k / L)^2 / 2. A difference of two levels has
 * its own factor, so that nothing cancels. */
#include <math.h>

#include "device/cpu_adr_parts.h"
#include "device/fft_cpu.h"

void cpu_heat_spectrum(const struct adr *a, struct cpu_group *g, float *phi)
{
    int side = a->plan->side;
    a->simd->transform(&a->analysis.waves, side, (struct adr_view){phi, side, 1},
                       (struct adr_view){g->middle, side, 1});
    a->simd->transform(&a->analysis.waves, side, (struct adr_view){g->middle, 1, side},
                       (struct adr_view){phi, 1, side});
}

void cpu_heat_image(const struct adr *a, struct cpu_group *g, const float *spectrum, int level,
                    int difference, float *out)
{
    const double pi = 3.14159265358979323846;
    int side = a->plan->side;
    double unit = pi * pi / (2.0 * side * side), sigma = a->plan->levels[level].sigma;
    double before = difference ? a->plan->levels[level - 1].sigma : 0;
    for (int j = 0; j < side; j++)
        for (int i = 0; i < side; i++) {
            double square = unit * ((double)i * i + (double)j * j);
            int at = a->cosine.cosine[j] * side + a->cosine.cosine[i];
            double factor = exp(-square * sigma * sigma);
            if (difference)
                factor = -exp(-square * before * before) *
                         expm1(-square * (sigma * sigma - before * before));
            g->cosine[at] = (float)factor;
            g->sine[at] = 0;
        }
    a->simd->rotate(side * side, spectrum, spectrum, g->cosine, g->sine, g->coefficient);
    if (a->cosine_fft) {
        fft_cpu_sum(a->cosine_fft, g->coefficient, g->fft, out, side);
        return;
    }
    a->simd->transform(&a->cosine.waves, side, (struct adr_view){g->coefficient, side, 1},
                       (struct adr_view){g->middle, side, 1});
    a->simd->transform(&a->cosine.waves, side, (struct adr_view){g->middle, 1, side},
                       (struct adr_view){out, 1, side});
}
