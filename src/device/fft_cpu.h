/* SPDX-License-Identifier: Apache-2.0
 * fft_cpu: the only door to FFTW (optional, GPL). Sums of waves over a large square, for which two matrix products
 * cost more; the interleaved layout of simd_adr.h. */
#pragma once
#include "device/cpu_adr_parts.h"
#include "device/half_spectrum.h"

/* "fftw-3.3.10-sse2-avx"; "" where the build has no FFTW. */
const char *fft_cpu_library(void);
/* Are the waves so many that FFTW beats matrix products? */
int fft_cpu_faster(const struct cpu_waves *w);
/* A plan for these waves (read now only); NULL where the build has no FFTW or it is slow at this side. Not from
 * several threads at once. */
struct fft_cpu *fft_cpu_create(enum fft_kind kind, const struct cpu_waves *w, int lanes);
void fft_cpu_destroy(struct fft_cpu *f); /* f may be NULL */
/* Floats of work memory a thread needs; 0 for NULL. */
size_t fft_cpu_work(const struct fft_cpu *f);
/* out[y * row + x] = sum of waves, in cells of `lanes` floats; coefficient [along y][along x] as in cpu_waves. */
void fft_cpu_sum(const struct fft_cpu *f, const float *coefficient, float *work, float *out, int row);
