/* SPDX-License-Identifier: Apache-2.0
 * fft_cpu: sums of waves through FFTW's complex-to-real transform, which is vectorised where its sine and cosine
 * transforms are not. Plans are FFTW_ESTIMATE: measured plans differ from run to run, and so would the last bits.
 * From waves to the spectrum of one: half_spectrum.h. */
#include "device/fft_cpu.h"

#ifdef PECLET_HAVE_FFTW
#include <complex.h>
#include <fftw3.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"

/* Products cost count (count + L)/2 multiplications a cell, count = waves along an axis: L where none is left out.
 * Measured us an image, products / FFTW, sine and full waves, AVX-512: 128 px 37 / 78 and 41 / 37, 192 px 148 / 109 and
 * 103 / 91, 256 px 304 / 385 (249 at best) and 265 / 242, 512 px 2200 / 1230 and 2680 / 1560; AVX2 1.7 and 2.0 times as
 * fast at 256 px. */
enum { FFT_LEAST_PRODUCTS = 256 };

struct fft_cpu {
    enum fft_kind kind;
    int side, half, lanes, count;     /* half = side/2 + 1 */
    struct wave_frequency *frequency; /* [half] */
    fftwf_plan plan;
};

const char *fft_cpu_library(void)
{
    return fftwf_version;
}

int fft_cpu_faster(const struct cpu_waves *w)
{
    return (double)w->count * (w->count + w->waves.n) >= 2.0 * FFT_LEAST_PRODUCTS * w->waves.n;
}

struct fft_cpu *fft_cpu_create(enum fft_kind kind, const struct cpu_waves *w, int lanes)
{
    int side = w->waves.n, size[2] = {side, side};
    if (side % 2 || !half_spectrum_quick(side))
        return NULL;
    struct fft_cpu *f = mem_zalloc(sizeof *f);
    f->kind = kind;
    f->side = side;
    f->half = side / 2 + 1;
    f->lanes = lanes;
    f->count = w->count;
    f->frequency = mem_alloc((size_t)f->half * sizeof *f->frequency);
    half_spectrum_frequencies(kind, w, f->frequency);
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
        float s = row < f->half ? 1 : -1;
        const struct wave_frequency *y = &f->frequency[row < f->half ? row : f->side - row];
        for (int column = 0; column < f->half; column++, h += 2 * f->lanes) {
            const struct wave_frequency *x = &f->frequency[column];
            const float *cc = cell(f, coefficient, y->even, x->even),
                        *ss = cell(f, coefficient, y->odd, x->odd);
            const float *sc = cell(f, coefficient, y->even, x->odd),
                        *cs = cell(f, coefficient, y->odd, x->even);
            float re = x->re * y->re - s * x->im * y->im, im = s * x->re * y->im + x->im * y->re;
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

const char *fft_cpu_library(void)
{
    return "";
}

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
