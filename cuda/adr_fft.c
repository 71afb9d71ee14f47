/* SPDX-License-Identifier: Apache-2.0
 * adr_fft: sums of waves of large fields by cuFFT, and when: the only file that sees cufft.h.
 *
 * Expected, not measured. A sum over count waves an axis costs in picoseconds a cell, at 2.1 TB/s (70 % of an H100's)
 * and 15 T FMA/s (half its fp32 peak):
 *
 *     products (adr_waves.cu)  turning 12 bytes; two products 2 x 8 bytes or count (count + L)/(2 L) FMA
 *     cuFFT                    filling 12 bytes; two passes 2 x 8 bytes; sine waves are unfolded, 8 bytes
 *
 *     L, all waves      64    128    256    512
 *     products          13     14     23     40
 *     cuFFT, full       13     13     13     13
 *     cuFFT, sine       17     17     17     17
 *
 * Full waves break even at 114 px and sine waves at 171; cuFFT is taken from 160 FMA a cell on, so at 256 px and not at
 * 128. For measurements and tests PECLET_ADR_FIELDS=products takes the products at every side, fft cuFFT at every even
 * side, fft:N at every side in batches of N.
 *
 * A batch has the same size whatever a call asks for, some 16 MB, and the last one of a launch is filled up with zeros:
 * one plan for a side, so nothing is planned in a step, and a batch goes through the second cache. cuFFT gives the same
 * bits for the same plan, but its manual lets it put signals of a batch together. Where the side is even there is no
 * need to (a real signal is half a complex one); where it is odd a field's rounding might depend on its neighbours,
 * which device.h forbids, so odd sides take the products. Whether even sides keep this is to be seen on a GPU
 * (test_adr_call with PECLET_ADR_FIELDS=fft). */
#include <stdlib.h>
#include <string.h>

#include "adr_cuda.h"
#include "base/die.h"
#include "base/mem.h"
#include "device/cpu_adr_parts.h"

#ifdef PECLET_HAVE_CUFFT
#include <cufft.h>

enum { LEAST_FMA = 160, BATCH_BYTES = 16 << 20, BATCH_MOST = 1024 };

struct adr_fft {
    cufftHandle plan;
    struct adr_half half;
    void *frequency, *work; /* device */
};

static void fft_try(cufftResult result, const char *what, int line)
{
    if (result != CUFFT_SUCCESS)
        die_at(__FILE__, line, "%s: cuFFT error %d", what, (int)result);
}
#define FFT_TRY(call) fft_try((call), #call, __LINE__)

/* Fields a batch, even, so that each batch begins at 8 bytes; 0: matrix products. */
static int choose(const struct cpu_waves *w)
{
    const char *asked = getenv("PECLET_ADR_FIELDS");
    int side = w->waves.n, batch = BATCH_BYTES / (4 * side * side) + 2, number = 0;
    double fma = (double)w->count * (w->count + side) / (2.0 * side);
    int yes = fma >= LEAST_FMA && half_spectrum_quick(side);
    if (asked) {
        yes = strncmp(asked, "fft", 3) == 0;
        number = yes && asked[3] == ':' ? atoi(asked + 4) : 0;
        if (strcmp(asked, yes ? "fft" : "products") && number < 2)
            DIE("PECLET_ADR_FIELDS is 'products', 'fft' or 'fft:N', N > 1, not '%s'", asked);
    }
    if (!yes || (side % 2 && !number))
        return 0;
    batch = number ? number : batch < BATCH_MOST ? batch : BATCH_MOST;
    return batch - batch % 2;
}

struct adr_fft *adr_fft_create(struct device *d, enum fft_kind kind, const struct cpu_waves *w)
{
    int batch = choose(w);
    if (!batch)
        return NULL;
    long long side = w->waves.n, half = side / 2 + 1;
    long long size[2] = {side, side}, spectrum[2] = {side, half};
    size_t fields = (size_t)batch, cells = (size_t)(side * side), work = 0;
    size_t table = (size_t)half * sizeof(struct wave_frequency);
    struct adr_fft *t = mem_zalloc(sizeof *t);
    struct adr_half *h = &t->half;
    struct wave_frequency *frequency = mem_alloc(table);
    *h = (struct adr_half){.side = (int)side, .batch = batch, .fold = kind != FFT_FULL};
    half_spectrum_frequencies(kind, w, frequency);
    h->frequency = t->frequency = d->ops->alloc(d, table);
    d->ops->upload(d, t->frequency, frequency, table);
    h->spectrum = d->ops->alloc(d, fields * (size_t)(side * half) * sizeof *h->spectrum);
    h->cells = d->ops->alloc(d, h->fold ? fields * cells * sizeof(float) : 0);
    FFT_TRY(cufftCreate(&t->plan));
    FFT_TRY(cufftSetAutoAllocation(t->plan, 0));
    FFT_TRY(cufftMakePlanMany64(t->plan, 2, size, spectrum, 1, side * half, size, 1, side * side,
                                CUFFT_C2R, batch, &work));
    t->work = d->ops->alloc(d, work);
    FFT_TRY(cufftSetWorkArea(t->plan, t->work));
    FFT_TRY(cufftSetStream(t->plan, cuda_of(d)->stream));
    mem_free(frequency);
    return t;
}

void adr_fft_destroy(struct device *d, struct adr_fft *t)
{
    if (!t)
        return;
    FFT_TRY(cufftDestroy(t->plan));
    d->ops->free(d, t->frequency);
    d->ops->free(d, t->half.spectrum);
    d->ops->free(d, t->half.cells);
    d->ops->free(d, t->work);
    mem_free(t);
}

int adr_fft_batch(const struct adr_fft *t)
{
    return t ? t->half.batch : 1;
}

void adr_fft_sums(struct device *d, const struct adr_flow *f, const struct adr_launch *l)
{
    const struct adr_half *h = &f->fft->half;
    int64_t cells = (int64_t)f->side * f->side;
    int all = l->items * f->parts;
    for (int from = 0; from < all; from += h->batch) {
        cuda_adr_half_fill(d, f, h, l, from);
        FFT_TRY(cufftExecC2R(f->fft->plan, h->spectrum, h->fold ? h->cells : f->v + from * cells));
        if (h->fold)
            cuda_adr_half_unfold(d, h, all - from < h->batch ? all - from : h->batch,
                                 f->psi + from * cells);
    }
}

#else

struct adr_fft *adr_fft_create(struct device *d, enum fft_kind kind, const struct cpu_waves *w)
{
    const char *asked = getenv("PECLET_ADR_FIELDS");
    (void)d, (void)kind, (void)w;
    if (asked && strcmp(asked, "products"))
        DIE("PECLET_ADR_FIELDS=%s: this build has no cuFFT", asked);
    return NULL;
}

void adr_fft_destroy(struct device *d, struct adr_fft *t)
{
    (void)d, (void)t;
}

int adr_fft_batch(const struct adr_fft *t)
{
    (void)t;
    return 1;
}

void adr_fft_sums(struct device *d, const struct adr_flow *f, const struct adr_launch *l)
{
    (void)d, (void)f, (void)l;
}

#endif
