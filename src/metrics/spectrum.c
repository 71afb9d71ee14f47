/* SPDX-License-Identifier: Apache-2.0
 * spectrum: see spectrum.h. The transform along x needs only m = 0..L/2, the others are conjugates. Images are
 * transformed by all threads and added in their order, so the result does not depend on the threads. */
#include "metrics/spectrum.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { BATCH = 64 };

struct transform {
    int side, half, rings; /* half = L/2 + 1 wave numbers along x */
    double *cosine, *sine; /* [L,L] of 2 pi a b / L */
    int *ring;             /* [L, half] */
    double *share;         /* [half] modes that m stands for: 1 or 2, over L^4 */
};

static int ring_of(int m, int n)
{
    return (int)(sqrt((double)m * m + (double)n * n) + 0.5);
}

static int signed_mode(int i, int side)
{
    return 2 * i < side ? i : i - side;
}

int spectrum_rings(int side)
{
    return ring_of(side / 2, side / 2) + 1;
}

void spectrum_modes(int side, int64_t *modes)
{
    memset(modes, 0, (size_t)spectrum_rings(side) * sizeof *modes);
    for (int n = 0; n < side; n++)
        for (int m = 0; m < side; m++)
            modes[ring_of(signed_mode(m, side), signed_mode(n, side))]++;
}

static void transform_init(struct transform *t, int side)
{
    const double two_pi = 6.28318530717958647693;
    size_t square = (size_t)side * (size_t)side;
    *t = (struct transform){.side = side, .half = side / 2 + 1, .rings = spectrum_rings(side)};
    t->cosine = mem_alloc(square * sizeof(double));
    t->sine = mem_alloc(square * sizeof(double));
    t->ring = mem_alloc(square * sizeof(int));
    t->share = mem_alloc((size_t)t->half * sizeof(double));
    for (int a = 0; a < side; a++)
        for (int b = 0; b < side; b++) {
            t->cosine[a * side + b] = cos(two_pi * (a * b % side) / side);
            t->sine[a * side + b] = sin(two_pi * (a * b % side) / side);
        }
    for (int n = 0; n < side; n++)
        for (int m = 0; m < t->half; m++)
            t->ring[n * t->half + m] = ring_of(m, signed_mode(n, side));
    for (int m = 0; m < t->half; m++)
        t->share[m] = (m == 0 || 2 * m == side ? 1.0 : 2.0) / ((double)square * (double)square);
}

static void transform_free(struct transform *t)
{
    mem_free(t->cosine);
    mem_free(t->sine);
    mem_free(t->ring);
    mem_free(t->share);
}

/* sum [rings] += |what|^2 of one channel of one image; scratch [2 L half + 2 half]. */
static void add_channel(const struct transform *t, const float *image, int channels,
                        double *scratch, double *sum)
{
    int side = t->side, half = t->half;
    double *re = scratch, *im = re + side * half, *out_re = im + side * half,
           *out_im = out_re + half;
    memset(re, 0, 2 * (size_t)(side * half) * sizeof *re);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            double w = (double)image[(y * side + x) * channels];
            for (int m = 0; m < half; m++) {
                re[y * half + m] += w * t->cosine[x * side + m];
                im[y * half + m] -= w * t->sine[x * side + m];
            }
        }
    for (int n = 0; n < side; n++) {
        memset(out_re, 0, 2 * (size_t)half * sizeof *out_re);
        for (int y = 0; y < side; y++) {
            double c = t->cosine[n * side + y], s = t->sine[n * side + y];
            for (int m = 0; m < half; m++) {
                out_re[m] += c * re[y * half + m] + s * im[y * half + m];
                out_im[m] += c * im[y * half + m] - s * re[y * half + m];
            }
        }
        for (int m = 0; m < half; m++)
            sum[t->ring[n * half + m]] +=
                (out_re[m] * out_re[m] + out_im[m] * out_im[m]) * t->share[m];
    }
}

static void add_image(const struct transform *t, const float *image, int channels, double *sum)
{
    double *scratch = mem_alloc(2 * (size_t)t->half * (size_t)(t->side + 1) * sizeof *scratch);
    memset(sum, 0, (size_t)t->rings * sizeof *sum);
    for (int c = 0; c < channels; c++)
        add_channel(t, image + c, channels, scratch, sum);
    mem_free(scratch);
}

void spectrum_of(struct comm *comm, const float *images, int64_t n, int side, int channels,
                 double *energy)
{
    struct transform t;
    transform_init(&t, side);
    size_t rings = (size_t)t.rings, per_image = (size_t)side * (size_t)side * (size_t)channels;
    double *batch = mem_alloc(BATCH * rings * sizeof *batch), total = (double)n;
    int64_t *modes = mem_alloc(rings * sizeof *modes);
    memset(energy, 0, rings * sizeof *energy);
    for (int64_t first = 0; first < n; first += BATCH) {
        int count = (int)(n - first < BATCH ? n - first : BATCH);
#pragma omp parallel for schedule(static)
        for (int i = 0; i < count; i++)
            add_image(&t, images + (size_t)(first + i) * per_image, channels,
                      batch + (size_t)i * rings);
        for (int i = 0; i < count; i++)
            for (size_t k = 0; k < rings; k++)
                energy[k] += batch[(size_t)i * rings + k];
    }
    comm->ops->sum_f64(comm, energy, t.rings);
    comm->ops->sum_f64(comm, &total, 1);
    spectrum_modes(side, modes);
    for (size_t k = 0; k < rings && total > 0; k++)
        energy[k] = modes[k] ? energy[k] / (total * channels * (double)modes[k]) : 0;
    mem_free(batch);
    mem_free(modes);
    transform_free(&t);
}
