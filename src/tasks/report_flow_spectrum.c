/* SPDX-License-Identifier: Apache-2.0
 * report_flow_spectrum: do the fields have the amplitudes that were prescribed? Rings of modes, root mean square over the
 * modes of a ring and over the fields, beside the same of the prescribed amplitudes times the fields' one free scale.
 *
 *   streamfunction   psi = sum b_mn sin(pi m x) sin(pi n y), so v_x = D_y psi has the coefficients
 *                    b_mn sin(pi n/L) (1 - cs2 (1 - cos(pi m/L))) of sin(pi m x) cos(pi n y): measured, and that response
 *                    of D divided out;  prescribed |b| = kappa^-(p+1), kappa = pi sqrt(m^2 + n^2)
 *   compressible, solenoidal   the Fourier coefficients of v;  prescribed kappa^-p */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "device/turbulence.h"
#include "metrics/spectrum.h"
#include "tasks/report_flow.h"

static const double pi = 3.14159265358979323846;

/* b [L,L] as [m - 1, n - 1] of one field's psi for m, n < L, from its v_x. */
static void psi_modes(const struct adr_plan *plan, const float *v, double *b)
{
    int side = plan->side;
    double cs2 = plan->levels[plan->level_count].cs2;
    double *part = mem_alloc((size_t)(side * side) * sizeof *part); /* [m - 1, y] */
    for (int m = 1; m < side; m++)
        for (int y = 0; y < side; y++) {
            double sum = 0;
            for (int x = 0; x < side; x++)
                sum += (double)v[y * side + x] * sin(pi * m * (x + 0.5) / side);
            part[(m - 1) * side + y] = sum;
        }
    for (int n = 1; n < side; n++)
        for (int m = 1; m < side; m++) {
            double sum = 0, response = sin(pi * n / side) * (1 - cs2 * (1 - cos(pi * m / side)));
            for (int y = 0; y < side; y++)
                sum += part[(m - 1) * side + y] * cos(pi * n * (y + 0.5) / side);
            b[(m - 1) * side + n - 1] = sum * 4 / ((double)side * side) / response;
        }
    mem_free(part);
}

/* Mean squares by ring of the stream functions and of the prescribed amplitudes; rings 1..L-1. */
static void sine_rings(const struct adr_plan *plan, int n, const float *v, double *measured,
                       double *prescribed)
{
    int side = plan->side;
    size_t cells = (size_t)(side * side);
    double *b = mem_alloc(cells * sizeof *b), *amplitude = mem_alloc(cells * sizeof *b),
           *kappa = mem_alloc(cells * sizeof *b);
    double *modes = mem_zalloc((size_t)side * sizeof *modes);
    turbulence_sine_modes(plan, amplitude, kappa);
    for (int i = 0; i < n; i++) {
        psi_modes(plan, v + 2 * cells * (size_t)i, b);
        for (int m = 1; m < side; m++)
            for (int q = 1; q < side; q++) {
                int ring = (int)(sqrt((double)m * m + (double)q * q) + 0.5),
                    at = (m - 1) * side + q - 1;
                if (ring >= side)
                    continue;
                measured[ring] += b[at] * b[at];
                prescribed[ring] += amplitude[at] * amplitude[at];
                modes[ring]++;
            }
    }
    for (int k = 0; k < side; k++)
        if (modes[k] > 0) {
            measured[k] /= modes[k];
            prescribed[k] /= modes[k];
        }
    mem_free(b);
    mem_free(amplitude);
    mem_free(kappa);
    mem_free(modes);
}

/* The same of the velocity's components in full waves; rings 1..L/2. */
static void wave_rings(const struct adr_plan *plan, int n, const float *v, double *measured,
                       double *prescribed)
{
    int side = plan->side, rings = spectrum_rings(side);
    size_t cells = (size_t)(side * side);
    double *energy = mem_alloc((size_t)rings * sizeof *energy),
           *amplitude = mem_alloc(cells * sizeof *amplitude),
           *kappa = mem_alloc(cells * sizeof *kappa),
           *modes = mem_zalloc((size_t)rings * sizeof *modes);
    struct comm *alone = comm_self_create();
    spectrum_of(alone, v, 2 * n, side, 1, energy);
    alone->ops->destroy(alone);
    turbulence_full_modes(plan, amplitude, kappa);
    for (int j = 0; j < side; j++)
        for (int i = 0; i < side; i++) {
            double m = turbulence_full_mode(i, side), q = turbulence_full_mode(j, side),
                   a = amplitude[j * side + i];
            int ring = (int)(sqrt(m * m + q * q) + 0.5);
            if (plan->velocity ==
                VELOCITY_SOLENOIDAL) /* amplitudes are psi's; a component has half of |v|^2 */
                a *= kappa[j * side + i] / sqrt(2.0);
            modes[ring]++;
            if (ring <= side / 2)
                prescribed[ring] += a * a;
        }
    for (int k = 1; k <= side / 2; k++) {
        measured[k] = energy[k];
        prescribed[k] /= modes[k];
    }
    mem_free(energy);
    mem_free(amplitude);
    mem_free(kappa);
    mem_free(modes);
}

/* Slope of log y over log x by least squares over first..last. */
static double slope_of(const double *x, const double *y, int first, int last)
{
    double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (int i = first; i <= last; i++) {
        if (!(y[i] > 0))
            continue;
        double a = log(x[i]), b = log(y[i]);
        n++;
        sx += a;
        sy += b;
        sxx += a * a;
        sxy += a * b;
    }
    return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

void flow_spectrum(struct page *p, const struct adr_plan *plan, int n, const float *v)
{
    int sine = plan->velocity == VELOCITY_STREAMFUNCTION, side = plan->side,
        last = sine ? side - 1 : side / 2;
    if (!sine && plan->velocity != VELOCITY_COMPRESSIBLE && plan->velocity != VELOCITY_SOLENOIDAL)
        return;
    double *measured = mem_zalloc((size_t)(side + 1) * sizeof *measured),
           *prescribed = mem_zalloc((size_t)(side + 1) * sizeof *prescribed),
           *k = mem_alloc((size_t)(side + 1) * sizeof *k), scale = 0, count = 0;
    (sine ? sine_rings : wave_rings)(plan, n, v, measured, prescribed);
    for (int i = 0; i <= last; i++)
        if (measured[i] > 0 && prescribed[i] > 0) {
            scale += log(measured[i] / prescribed[i]);
            count++;
        }
    for (int i = 0; i <= last; i++) {
        k[i] = i;
        measured[i] = sqrt(measured[i]);
        prescribed[i] = sqrt(prescribed[i] * exp(scale / fmax(count, 1)));
    }
    struct plot plot = {
        sine ? "half waves a side" : "waves a side",
        sine ? "amplitude of psi" : "amplitude of v",
        1,
        1,
        2,
        {{"measured", k, measured, last + 1, 0}, {"prescribed", k, prescribed, last + 1, 1}}};
    page_plot(p, &plot,
              sine ? "Amplitudes of the stream function by size of the eddies; the response of the "
                     "solver's stencil is divided out."
                   : "Amplitudes of the velocity's components by size of the eddies.");
    int low = plan->n_min > 3 ? plan->n_min : 3,
        high = plan->n_max && plan->n_max < last ? plan->n_max : last;
    if (high >= low + 4)
        page_text(p,
                  "Slope from wave number %d to %d: %.3f measured; the prescribed kappa^%g has "
                  "%.3f over the same rings.",
                  low, high, slope_of(k, measured, low, high), -plan->slope - (sine ? 1 : 0),
                  slope_of(k, prescribed, low, high));
    mem_free(measured);
    mem_free(prescribed);
    mem_free(k);
}
