/* SPDX-License-Identifier: Apache-2.0
 * half_spectrum: a sum of waves over a square as the complex-to-real transform of as many points, which is what FFTW
 * and cuFFT do best.
 *
 * Full waves at x = (i + 1/2)/L: with a = 2 pi m x, b = 2 pi n y and s the sign of n,
 *
 *     cc cos a cos b + ss sin a sin b + sc sin a cos b + cs cos a sin b
 *         = Re sum over s of 1/2 [(cc - s ss) - i (sc + s cs)] e^{i (a + s b)}
 *
 * which is half a spectrum H(m, s n), m >= 0; the half cell is a twist e^{i pi (m + s n)/L}.
 *
 * Cosine waves cos(pi k (i + 1/2)/L), after J. Makhoul, "A fast cosine transform in one and two dimensions", IEEE
 * Trans. ASSP 28 (1980): the even cells followed by the odd ones in reverse are v_j = Re sum X_k e^{i pi k/(2L)}
 * e^{2 pi i jk/L}, whose half spectrum is 1/2 e^{i pi k/(2L)} (X_k - i X_{L-k}). In two dimensions that is the bracket
 * above with cc = X(k, l), ss = X(L-k, L-l), sc = X(L-k, l), cs = X(k, L-l), s = 1; for L-l in place of l it is the
 * same with s = -1 and the twist's conjugate. A sine wave of m half waves is (-1)^i times the cosine wave k = L - m. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif
struct cpu_waves; /* device/cpu_adr_parts.h */

enum fft_kind {
    FFT_FULL,   /* what cpu_waves_full tabulates */
    FFT_SINE,   /* cpu_waves_sine */
    FFT_COSINE, /* cpu_waves_cosine */
};

/* Frequency m >= 0 of one axis: which of its waves have the two coefficients (-1 = none), its twist and factor. Rows
 * m and L - m of the spectrum share them. */
struct wave_frequency {
    int even, odd;
    float re, im;
};
/* out [L/2 + 1] */
void half_spectrum_frequencies(enum fft_kind kind, const struct cpu_waves *w, struct wave_frequency *out);
int half_spectrum_quick(int side); /* a product of primes up to 7 */
#ifdef __cplusplus
}
#endif
