/* SPDX-License-Identifier: Apache-2.0
 * ref_adr_velocity: the prescribed velocity of one image at one time, by direct sums over modes in
 * double (two matrix products a field). Definitions: device/turbulence.h. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "device/ref_adr_parts.h"
#include "device/turbulence.h"

static const double two_pi = 6.28318530717958647693;

static int spectral(const struct adr_plan *plan)
{
    return plan->velocity == VELOCITY_STREAMFUNCTION || plan->velocity == VELOCITY_COMPRESSIBLE ||
           plan->velocity == VELOCITY_SOLENOIDAL;
}

void ref_velocity_init(struct ref_velocity *r, const struct adr_plan *plan)
{
    int side = plan->side;
    size_t cells = (size_t)side * (size_t)side, ring = (size_t)(side + 2) * (size_t)(side + 2);
    *r = (struct ref_velocity){.plan = plan, .file_rms = turbulence_file_rms(plan)};
    if (!spectral(plan))
        return;
    r->amplitude = mem_alloc(cells * sizeof(double));
    r->kappa = mem_alloc(cells * sizeof(double));
    r->phase = mem_alloc(2 * cells * sizeof(double));
    r->wave = mem_alloc(2 * cells * sizeof(double));
    r->scratch = mem_alloc((4 * cells + ring) * sizeof(double));
    if (plan->velocity == VELOCITY_STREAMFUNCTION)
        turbulence_sine_modes(plan, r->amplitude, r->kappa);
    else
        turbulence_full_modes(plan, r->amplitude, r->kappa);
    for (int m = 0; m < side; m++)
        for (int i = 0; i < side; i++) {
            double x = (i + 0.5) / side, full = two_pi * turbulence_full_mode(m, side) * x;
            int at = m * side + i, sine = plan->velocity == VELOCITY_STREAMFUNCTION;
            r->wave[at] = sine ? sin(0.5 * two_pi * (m + 1) * x) : cos(full);
            r->wave[(int)cells + at] = sin(full);
        }
}

void ref_velocity_free(struct ref_velocity *r)
{
    mem_free(r->amplitude);
    mem_free(r->kappa);
    mem_free(r->phase);
    mem_free(r->wave);
    mem_free(r->scratch);
}

static double mode_phase(uint64_t seed, enum rng_stream stream, uint64_t key, int m, int n)
{
    uint32_t column = (uint32_t)(n + 32768);
    struct rng4 word = rng_draw(seed, stream, key, (uint32_t)(m + 32768), column / 4);
    return two_pi * (double)rng_uniform(word.v[column % 4]);
}

static void draw_phases(struct ref_velocity *r, uint64_t key)
{
    int side = r->plan->side, cells = side * side;
    if (r->seeded && r->key == key)
        return;
    for (int a = 0; a < side; a++)
        for (int b = 0; b < side; b++) {
            int sine = r->plan->velocity == VELOCITY_STREAMFUNCTION, at = a * side + b;
            int m = sine ? a + 1 : turbulence_full_mode(b, side);
            int n = sine ? b + 1 : turbulence_full_mode(a, side);
            r->phase[at] = mode_phase(r->plan->seed, RNG_PHASE_X, key, m, n);
            r->phase[cells + at] = mode_phase(r->plan->seed, RNG_PHASE_Y, key, m, n);
        }
    r->key = key;
    r->seeded = 1;
}

/* psi on a ring one cell wider than the image, odd about the walls, and its curl by the solver's
 * own stencil. */
static void sine_field(struct ref_velocity *r, double theta, double cs2, double *v)
{
    int side = r->plan->side, cells = side * side, w = side + 2;
    double *part = r->scratch, *psi = r->scratch + 4 * cells;
    memset(part, 0, (size_t)cells * sizeof(double));
    for (int m = 0; m < side; m++)
        for (int n = 0; n < side; n++) {
            int at = m * side + n;
            double b = r->amplitude[at] * cos(r->phase[at] + r->kappa[at] * theta);
            for (int i = 0; b != 0 && i < side; i++)
                part[n * side + i] += b * r->wave[m * side + i];
        }
    memset(psi, 0, (size_t)w * (size_t)w * sizeof(double));
    for (int j = 0; j < side; j++) {
        double *row = &psi[(j + 1) * w + 1];
        for (int n = 0; n < side; n++)
            for (int i = 0; i < side; i++)
                row[i] += r->wave[n * side + j] * part[n * side + i];
        row[-1] = -row[0];
        row[side] = -row[side - 1];
    }
    for (int i = 0; i < w; i++) {
        psi[i] = -psi[w + i];
        psi[(side + 1) * w + i] = -psi[side * w + i];
    }
    double s = cs2 / 2, c = 1 - cs2;
    for (int j = 0; j < side; j++)
        for (int i = 0; i < side; i++) {
            const double *p = &psi[(j + 1) * w + i + 1];
            double down = s * p[w - 1] + c * p[w] + s * p[w + 1];
            double up = s * p[-w - 1] + c * p[-w] + s * p[-w + 1];
            double right = s * p[1 - w] + c * p[1] + s * p[1 + w];
            double left = s * p[-1 - w] + c * p[-1] + s * p[-1 + w];
            v[j * side + i] = (down - up) / 2;
            v[cells + j * side + i] = -(right - left) / 2;
        }
}

/* out[j,i] = Re sum_{m,n} (re + i im)[n,m] exp(2 pi i (m x_i + n y_j)); uses scratch [2,L,L]. */
static void full_sum(const struct ref_velocity *r, const double *re, const double *im,
                     double *scratch, double *out)
{
    int side = r->plan->side, cells = side * side;
    const double *wave_c = r->wave, *wave_s = r->wave + cells;
    double *part_re = scratch, *part_im = scratch + cells;
    memset(scratch, 0, 2 * (size_t)cells * sizeof(double));
    memset(out, 0, (size_t)cells * sizeof(double));
    for (int n = 0; n < side; n++)
        for (int m = 0; m < side; m++) {
            double a = re[n * side + m], b = im[n * side + m];
            for (int i = 0; (a != 0 || b != 0) && i < side; i++) {
                double c = wave_c[m * side + i], s = wave_s[m * side + i];
                part_re[n * side + i] += a * c - b * s;
                part_im[n * side + i] += a * s + b * c;
            }
        }
    for (int j = 0; j < side; j++)
        for (int n = 0; n < side; n++) {
            double c = wave_c[n * side + j], s = wave_s[n * side + j];
            for (int i = 0; i < side; i++)
                out[j * side + i] += c * part_re[n * side + i] - s * part_im[n * side + i];
        }
}

static void full_field(struct ref_velocity *r, double theta, double *v)
{
    int side = r->plan->side, cells = side * side;
    int solenoidal = r->plan->velocity == VELOCITY_SOLENOIDAL;
    double *re = r->scratch, *im = re + cells, *scratch = im + cells;
    for (int c = 0; c < 2; c++) {
        const double *phase = r->phase + (solenoidal ? 0 : c * cells);
        for (int at = 0; at < cells; at++) {
            double angle = phase[at] + r->kappa[at] * theta, a = r->amplitude[at];
            re[at] = a * cos(angle);
            im[at] = a * sin(angle);
            if (solenoidal) { /* v_x = d psi/dy, v_y = -d psi/dx: times i 2 pi n, -i 2 pi m */
                int mode = turbulence_full_mode(c ? at % side : at / side, side);
                double wavenumber = (c ? -two_pi : two_pi) * mode, keep = re[at];
                re[at] = -wavenumber * im[at];
                im[at] = wavenumber * keep;
            }
        }
        full_sum(r, re, im, scratch, v + c * cells);
    }
}

static double variance(const double *x, int count)
{
    double mean = 0, sum = 0;
    for (int i = 0; i < count; i++)
        mean += x[i] / count;
    for (int i = 0; i < count; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sum / count;
}

static void multiply(double *x, int count, double factor)
{
    for (int i = 0; i < count; i++)
        x[i] *= factor;
}

static void scale_to(const struct adr_plan *plan, double speed, double *v)
{
    int cells = plan->side * plan->side;
    double var_x = variance(v, cells), var_y = variance(v + cells, cells);
    if (plan->velocity != VELOCITY_COMPRESSIBLE)
        var_x = var_y = (var_x + var_y) / 2;
    multiply(v, cells, var_x > 0 ? speed / sqrt(var_x) : 0);
    multiply(v + cells, cells, var_y > 0 ? speed / sqrt(var_y) : 0);
}

static double largest_ratio(const double *v, int cells, double cs2)
{
    double largest = 0;
    for (int i = 0; i < cells; i++)
        largest = fmax(largest, (fabs(v[i]) + fabs(v[cells + i])) / cs2);
    return largest;
}

static void limit(const struct adr_plan *plan, const struct adr_level *level, double *v,
                  struct adr_stats *stats)
{
    int cells = plan->side * plan->side;
    for (int i = 0; plan->cap_speed > 0 && i < cells; i++) {
        double speed = hypot(v[i], v[cells + i]), cap = plan->cap_speed;
        double factor = speed > 0 ? cap * tanh(speed / cap) / speed : 1;
        v[i] *= factor;
        v[cells + i] *= factor;
    }
    double ratio = largest_ratio(v, cells, level->cs2), factor = 1;
    if (plan->cap_ratio > 0 && ratio > plan->cap_ratio) {
        factor = plan->cap_ratio / ratio;
        multiply(v, 2 * cells, factor);
        ratio = plan->cap_ratio;
    }
    double speed2 = 0;
    for (int i = 0; i < cells; i++)
        speed2 = fmax(speed2, v[i] * v[i] + v[cells + i] * v[cells + i]);
    stats->fields++;
    stats->fields_over += ratio > 1;
    stats->worst_ratio = fmax(stats->worst_ratio, ratio);
    stats->worst_speed2 = fmax(stats->worst_speed2, speed2 / 2 / level->alpha);
    if (stats->worst_cap == 0 || factor < stats->worst_cap)
        stats->worst_cap = factor;
}

void ref_velocity_field(struct ref_velocity *r, uint64_t key, int level, int step, double *v,
                        struct adr_stats *stats)
{
    const struct adr_plan *plan = r->plan;
    const struct adr_level *l = &plan->levels[level];
    int cells = plan->side * plan->side, first, steps;
    double theta = turbulence_theta(plan, level, step, &first, &steps);
    if (plan->velocity == VELOCITY_NONE) {
        memset(v, 0, 2 * (size_t)cells * sizeof(double));
        return;
    }
    if (spectral(plan)) {
        draw_phases(r, key);
        if (plan->velocity == VELOCITY_STREAMFUNCTION)
            sine_field(r, theta, l->cs2, v);
        else
            full_field(r, theta, v);
        scale_to(plan, l->speed, v);
    } else {
        turbulence_given(plan, level, step, r->file_rms, v);
        multiply(v, 2 * cells, l->speed);
    }
    limit(plan, l, v, stats);
}
