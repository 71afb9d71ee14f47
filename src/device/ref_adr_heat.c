/* SPDX-License-Identifier: Apache-2.0
 * ref_adr_heat: exact blur with no-flux walls: orthonormal DCT-II, mode (i, j) times
 * exp(-(pi/L)^2 (i^2 + j^2) sigma^2 / 2). Transforms are matrix products in double. */
#include <math.h>

#include "device/ref_adr_parts.h"

static const double pi = 3.14159265358979323846;

void ref_heat_basis(int side, double *basis)
{
    for (int i = 0; i < side; i++)
        for (int x = 0; x < side; x++)
            basis[i * side + x] = sqrt((i ? 2.0 : 1.0) / side) * cos(pi * i * (x + 0.5) / side);
}

/* out = a b, each [n,n]; a transposed if asked. */
static void product(int n, const double *a, int transpose_a, const double *b, double *out)
{
    for (int r = 0; r < n; r++) {
        for (int c = 0; c < n; c++)
            out[r * n + c] = 0;
        for (int k = 0; k < n; k++) {
            double factor = transpose_a ? a[k * n + r] : a[r * n + k];
            for (int c = 0; c < n; c++)
                out[r * n + c] += factor * b[k * n + c];
        }
    }
}

static void transpose(int n, double *a)
{
    for (int r = 0; r < n; r++)
        for (int c = 0; c < r; c++) {
            double keep = a[r * n + c];
            a[r * n + c] = a[c * n + r];
            a[c * n + r] = keep;
        }
}

void ref_heat_spectrum(int side, const double *basis, const double *image, double *scratch,
                       double *spectrum)
{
    product(side, basis, 0, image, scratch); /* along y */
    transpose(side, scratch);
    product(side, basis, 0, scratch,
            spectrum); /* along x; left transposed: [i along x, j along y] */
}

void ref_heat_blur(int side, const double *basis, const double *spectrum, double sigma,
                   double *scratch, double *image)
{
    double rate = 0.5 * sigma * sigma * pi * pi / ((double)side * side);
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++)
            image[i * side + j] =
                spectrum[i * side + j] * exp(-rate * ((double)i * i + (double)j * j));
    product(side, basis, 1, image, scratch);
    transpose(side, scratch);
    product(side, basis, 1, scratch, image);
}
