/* SPDX-License-Identifier: Apache-2.0
 * fft_cpu: sums of waves through FFTW's complex-to-real transform, which is vectorised where its sine and cosine
 * transforms are not. Plans are FFTW_ESTIMATE: measured plans differ from run to run, and so would the last bits.
 *
 * Full waves at x = (i + 1/2)/L: with a = 2 pi m x, b = 2 pi n y and s the sign of n,
 *
 *     cc cos a cos b + ss sin a sin b + sc sin a cos b + cs cos a sin b
 *         = Re sum over s of 1/2 [(cc - s ss) - i (sc + s cs)] e^{i (a + s b)}
 *
 * which is half a spectrum H(m, n), m >= 0; the half cell is a twist e^{i pi (m + n)/L}.
 *
 * Cosine waves cos(pi k (i + 1/2)/L), after J. Makhoul, "A fast cosine transform in one and two dimensions", IEEE
 * Trans. ASSP 28 (1980): the even cells followed by the odd ones in reverse are v_j = Re sum X_k e^{i pi k/(2L)}
 * e^{2 pi i jk/L}, whose half spectrum is 1/2 e^{i pi k/(2L)} (X_k - i X_{L-k}). In two dimensions that is the bracket
 * above with cc = X(k, l), ss = X(L-k, L-l), sc = X(L-k, l), cs = X(k, L-l), s = 1. A sine wave of m half waves is
 * (-1)^i times the cosine wave k = L - m. */
#include "device/fft_cpu.h"

#ifdef PECLET_HAVE_FFTW
#include <complex.h>
#include <fftw3.h>
#include <math.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"

/* Products cost count (count + L)/2 multiplications a cell, count = waves along an axis: L where none is left out.
 * Measured us an image, products / FFTW, sine and full waves, AVX-512: 128 px 37 / 78 and 41 / 37, 192 px 148 / 109 and
 * 103 / 91, 256 px 304 / 385 (249 at best) and 265 / 242, 512 px 2200 / 1230 and 2680 / 1560; AVX2 1.7 and 2.0 times as
 * fast at 256 px. */
enum { FFT_LEAST_PRODUCTS = 256 };

/* Frequency m of one axis: where its two coefficients stand in the table (-1 = none), its sign, its twist. */
struct frequency {
    int even, odd;
    float sign, re, im;
};

struct fft_cpu {
    enum fft_kind kind;
    int side, half, lanes, count; /* half = side/2 + 1 */
    struct frequency *frequency;  /* [side] */
    fftwf_plan plan;
};

int fft_cpu_faster(const struct cpu_waves *w)
{
    return (double)w->count * (w->count + w->waves.n) >= 2.0 * FFT_LEAST_PRODUCTS * w->waves.n;
}

/* Even, and a product of small primes. */
static int divides_well(int side)
{
    int rest = side;
    for (int prime = 2; prime <= 7; prime++)
        while (rest % prime == 0)
            rest /= prime;
    return side % 2 == 0 && rest == 1;
}

static int mode_place(const int *place, int mode, int most)
{
    return mode <= most ? place[mode] : -1;
}

static struct frequency full_frequency(const struct cpu_waves *w, int index)
{
    int side = w->waves.n, n = index <= side / 2 ? index : index - side, size = n < 0 ? -n : n;
    double angle = 3.14159265358979323846 * n / side;
    double factor = n == 0 || 2 * n == side ? 1 : 0.5; /* these two are their own conjugates */
    return (struct frequency){mode_place(w->cosine, size, w->most),
                              mode_place(w->sine, size, w->most), n < 0 ? -1 : 1,
                              (float)(factor * cos(angle)), (float)(factor * sin(angle))};
}

static struct frequency cosine_frequency(const struct cpu_waves *w, int sine, int k)
{
    int side = w->waves.n, mode = sine ? side - k : k, mirrored = sine ? k : side - k;
    double angle = 3.14159265358979323846 * k / (2.0 * side), factor = k ? 0.5 : 1;
    if (!sine)
        factor *= sqrt((k ? 2.0 : 1.0) / side);
    return (struct frequency){mode_place(w->cosine, mode, w->most),
                              k ? mode_place(w->cosine, mirrored, w->most) : -1, 1,
                              (float)(factor * cos(angle)), (float)(factor * sin(angle))};
}

struct fft_cpu *fft_cpu_create(enum fft_kind kind, const struct cpu_waves *w, int lanes)
{
    int side = w->waves.n, size[2] = {side, side};
    if (!divides_well(side))
        return NULL;
    struct fft_cpu *f = mem_zalloc(sizeof *f);
    f->kind = kind;
    f->side = side;
    f->half = side / 2 + 1;
    f->lanes = lanes;
    f->count = w->count;
    f->frequency = mem_alloc((size_t)side * sizeof *f->frequency);
    for (int k = 0; k < side; k++)
        f->frequency[k] =
            kind == FFT_FULL ? full_frequency(w, k) : cosine_frequency(w, kind == FFT_SINE, k);
    float *work = mem_alloc(fft_cpu_work(f) * sizeof(float)); /* for its alignment */
    f->plan = fftwf_plan_many_dft_c2r(2, size, lanes, (fftwf_complex *)work, NULL, lanes, 1,
                                      work + 2 * (size_t)side * (size_t)(f->half * lanes), NULL,
                                      lanes, 1, FFTW_ESTIMATE);
    mem_free(work);
    REQUIRE(f->plan);
    return f;
}

void fft_cpu_destroy(struct fft_cpu *f)
{
    if (!f)
        return;
    fftwf_destroy_plan(f->plan);
    mem_free(f->frequency);
    mem_free(f);
}

size_t fft_cpu_work(const struct fft_cpu *f)
{
    return f ? (size_t)f->side * (size_t)(2 * f->half + f->side) * (size_t)f->lanes : 0;
}

static const float *cell(const struct fft_cpu *f, const float *coefficient, int y, int x)
{
    static const float none[ADR_LANES_MOST];
    return x < 0 || y < 0 ? none : coefficient + (size_t)(y * f->count + x) * (size_t)f->lanes;
}

static void half_spectrum(const struct fft_cpu *f, const float *coefficient, float *h)
{
    for (int row = 0; row < f->side; row++) {
        const struct frequency *y = &f->frequency[row];
        for (int column = 0; column < f->half; column++, h += 2 * f->lanes) {
            const struct frequency *x = &f->frequency[column];
            const float *cc = cell(f, coefficient, y->even, x->even),
                        *ss = cell(f, coefficient, y->odd, x->odd);
            const float *sc = cell(f, coefficient, y->even, x->odd),
                        *cs = cell(f, coefficient, y->odd, x->even);
            float re = x->re * y->re - x->im * y->im, im = x->re * y->im + x->im * y->re,
                  s = y->sign;
            for (int l = 0; l < f->lanes; l++) {
                float even = cc[l] - s * ss[l], odd = sc[l] + s * cs[l];
                h[2 * l] = re * even + im * odd;
                h[2 * l + 1] = im * even - re * odd;
            }
        }
    }
}

/* Even cells first, then the odd ones in reverse. */
static int cell_of(int j, int side)
{
    return 2 * j < side ? 2 * j : 2 * (side - 1 - j) + 1;
}

static void unfold(const struct fft_cpu *f, const float *v, float *out, int row)
{
    int side = f->side, lanes = f->lanes, full = f->kind == FFT_FULL;
    for (int j = 0; j < side; j++) {
        int y = full ? j : cell_of(j, side);
        for (int i = 0; i < side; i++, v += lanes) {
            int x = full ? i : cell_of(i, side);
            float *to = out + (size_t)(y * row + x) * (size_t)lanes;
            float sign = f->kind == FFT_SINE && (x + y) % 2 ? -1 : 1;
            for (int l = 0; l < lanes; l++)
                to[l] = sign * v[l];
        }
    }
}

void fft_cpu_sum(const struct fft_cpu *f, const float *coefficient, float *work, float *out,
                 int row)
{
    float *v = work + 2 * (size_t)f->side * (size_t)(f->half * f->lanes);
    half_spectrum(f, coefficient, work);
    fftwf_execute_dft_c2r(f->plan, (fftwf_complex *)work, v);
    unfold(f, v, out, row);
}

#else

int fft_cpu_faster(const struct cpu_waves *w)
{
    (void)w;
    return 0;
}

struct fft_cpu *fft_cpu_create(enum fft_kind kind, const struct cpu_waves *w, int lanes)
{
    (void)kind, (void)w, (void)lanes;
    return NULL;
}

void fft_cpu_destroy(struct fft_cpu *f)
{
    (void)f;
}

size_t fft_cpu_work(const struct fft_cpu *f)
{
    (void)f;
    return 0;
}

void fft_cpu_sum(const struct fft_cpu *f, const float *coefficient, float *work, float *out,
                 int row)
{
    (void)f, (void)coefficient, (void)work, (void)out, (void)row;
}

#endif
