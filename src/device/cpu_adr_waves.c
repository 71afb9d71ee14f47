/* SPDX-License-Identifier: Apache-2.0
 * cpu_adr_waves: tables of waves at cell centres x = (i + 1/2)/L, the even ones (about x = 1/2)
 * first, and the list of random phases with the coefficients they feed. A sum of full waves
 *
 *     Re sum c_mn exp(2 pi i (m x + n y)),   c = (wr + i wi) e^(i phi),   m, n of either sign
 *
 * is put together from products of cos and sin of |m| and |n|, which makes it the same two real
 * matrix products as the sine waves of a streamfunction. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "device/cpu_adr_parts.h"
#include "device/fft_cpu.h"
#include "device/turbulence.h"

static const double pi = 3.14159265358979323846;

static void waves_begin(int side, int most, int even, int odd, struct cpu_waves *w)
{
    int columns = (side + 1) / 2 + ADR_SLACK;
    *w = (struct cpu_waves){.count = even + odd, .most = most};
    w->table = mem_zalloc((size_t)(even + odd) * (size_t)columns * sizeof(float));
    w->cosine = mem_alloc((size_t)(most + 1) * sizeof(int));
    w->sine = mem_alloc((size_t)(most + 1) * sizeof(int));
    for (int m = 0; m <= most; m++)
        w->cosine[m] = w->sine[m] = -1;
    w->waves = (struct adr_waves){.n = side,
                                  .columns = columns,
                                  .symmetric = 1,
                                  .even_count = even,
                                  .odd_count = odd,
                                  .even = w->table,
                                  .odd = w->table + (size_t)even * (size_t)columns};
}

/* Wave number k is factor * sin (or cos) of half_waves * pi * x. */
static void wave_set(struct cpu_waves *w, int k, int sine, int half_waves, double factor)
{
    int side = w->waves.n, columns = w->waves.columns;
    for (int i = 0; i < (side + 1) / 2; i++) {
        double angle = pi * half_waves * (i + 0.5) / side;
        int centre_of_odd = k >= w->waves.even_count && 2 * i + 1 == side;
        double value = centre_of_odd ? 0 : factor * (sine ? sin(angle) : cos(angle));
        w->table[k * columns + i] = (float)value;
    }
}

void cpu_waves_sine(int side, int most, struct cpu_waves *w)
{
    int even = (most + 1) / 2;
    waves_begin(side, most, even, most / 2, w);
    for (int m = 1; m <= most; m++) {
        w->cosine[m] = m % 2 ? m / 2 : even + m / 2 - 1;
        wave_set(w, w->cosine[m], 1, m, 1.0);
    }
}

void cpu_waves_full(int side, int most, struct cpu_waves *w)
{
    int last_cosine = most < (side - 1) / 2 ? most : (side - 1) / 2; /* cos at L/2 vanishes */
    int last_sine = most < side / 2 ? most : side / 2;
    waves_begin(side, most, last_cosine + 1, last_sine, w);
    for (int m = 0; m <= last_cosine; m++) {
        w->cosine[m] = m;
        wave_set(w, m, 0, 2 * m, 1.0);
    }
    for (int m = 1; m <= last_sine; m++) {
        w->sine[m] = last_cosine + m;
        wave_set(w, w->sine[m], 1, 2 * m, 1.0);
    }
}

void cpu_waves_cosine(int side, struct cpu_waves *w)
{
    int even = (side + 1) / 2;
    waves_begin(side, side - 1, even, side / 2, w);
    for (int m = 0; m < side; m++) {
        w->cosine[m] = m % 2 ? even + m / 2 : m / 2;
        wave_set(w, w->cosine[m], 0, m, sqrt((m ? 2.0 : 1.0) / side));
    }
}

void cpu_waves_analysis(const struct cpu_waves *cosine, struct cpu_waves *w)
{
    int side = cosine->waves.n, columns = side + ADR_SLACK;
    *w = (struct cpu_waves){.count = side};
    w->table = mem_zalloc((size_t)side * (size_t)columns * sizeof(float));
    w->waves = (struct adr_waves){
        .n = side, .columns = columns, .even_count = side, .even = w->table, .odd = w->table};
    for (int k = 0; k < side; k++)
        for (int i = 0; i < side; i++) {
            int mirrored = i >= (side + 1) / 2, at = mirrored ? side - 1 - i : i;
            float value = cosine->table[k * cosine->waves.columns + at];
            w->table[i * columns + k] = mirrored && k >= cosine->waves.even_count ? -value : value;
        }
}

void cpu_waves_free(struct cpu_waves *w)
{
    mem_free(w->table);
    mem_free(w->cosine);
    mem_free(w->sine);
}

/* One mode of the plan: what its phase feeds. */
struct mode {
    int m, n, part;
    double wr, wi;
};

static void add_target(struct cpu_spectrum *s, int part, int along_x, int along_y, double alpha,
                       double beta)
{
    int count = s->waves.count;
    if (along_x < 0 || along_y < 0)
        return;
    s->target[s->targets++] = (struct adr_target){part * count * count + along_y * count + along_x,
                                                  (float)alpha, (float)beta};
}

static void add_full_wave(struct cpu_spectrum *s, const struct mode *mode)
{
    const struct cpu_waves *w = &s->waves;
    int m = abs(mode->m), n = abs(mode->n), sign_m = mode->m < 0 ? -1 : 1;
    int sign_n = mode->n < 0 ? -1 : 1, both = sign_m * sign_n;
    double wr = mode->wr, wi = mode->wi;
    add_target(s, mode->part, w->cosine[m], w->cosine[n], wr, -wi);
    add_target(s, mode->part, w->sine[m], w->sine[n], -both * wr, both * wi);
    add_target(s, mode->part, w->sine[m], w->cosine[n], -sign_m * wi, -sign_m * wr);
    add_target(s, mode->part, w->cosine[m], w->sine[n], -sign_n * wi, -sign_n * wr);
}

/* Targets of mode (m, n) of `stream`; none where the amplitude is zero. */
static void add_mode(const struct adr_plan *plan, struct cpu_spectrum *s, enum rng_stream stream,
                     int m, int n, const double *amplitude)
{
    int side = plan->side;
    if (plan->velocity == VELOCITY_STREAMFUNCTION) {
        double a =
            m >= 1 && n >= 1 && m <= side && n <= side ? amplitude[(m - 1) * side + n - 1] : 0;
        if (a != 0)
            add_target(s, 0, s->waves.cosine[m], s->waves.cosine[n], a, 0);
        return;
    }
    int low = (side + 1) / 2 - side, high = (side + 1) / 2 - 1;
    if (m < low || n < low || m > high || n > high)
        return;
    double a = amplitude[(n + side) % side * side + (m + side) % side];
    if (a == 0)
        return;
    if (plan->velocity == VELOCITY_COMPRESSIBLE) {
        add_full_wave(s, &(struct mode){m, n, stream == RNG_PHASE_Y, a, 0});
    } else { /* d psi/dy and -d psi/dx */
        add_full_wave(s, &(struct mode){m, n, 0, 0, 2 * pi * n * a});
        add_full_wave(s, &(struct mode){m, n, 1, 0, -2 * pi * m * a});
    }
}

static void add_draws(const struct adr_plan *plan, struct cpu_spectrum *s, enum rng_stream stream,
                      int most, const double *amplitude)
{
    for (int m = -most; m <= most; m++)
        for (int block = (32768 - most) / 4; block <= (32768 + most) / 4; block++) {
            struct adr_draw draw = {stream, (uint32_t)(m + 32768), (uint32_t)block, {0}};
            int before = s->targets;
            for (int word = 0; word < 4; word++) {
                int start = s->targets, n = 4 * block + word - 32768;
                add_mode(plan, s, stream, m, n, amplitude);
                draw.count[word] = s->targets - start;
            }
            if (s->targets > before)
                s->draw[s->draws++] = draw;
        }
}

int cpu_waves_highest(const struct adr_plan *plan, const double *amplitude)
{
    int most = 1, side = plan->side, sine = plan->velocity == VELOCITY_STREAMFUNCTION;
    for (int j = 0; j < side; j++)
        for (int i = 0; i < side; i++) {
            int m = sine ? i + 1 : abs(turbulence_full_mode(i, side));
            int n = sine ? j + 1 : abs(turbulence_full_mode(j, side));
            int larger = m > n ? m : n;
            if (amplitude[j * side + i] != 0 && larger > most)
                most = larger;
        }
    return most;
}

void cpu_waves_turns(const struct adr_plan *plan, const struct cpu_waves *w, double *turns)
{
    double unit =
        plan->velocity == VELOCITY_STREAMFUNCTION ? 0.5 : 1.0; /* kappa/(2 pi) of mode 1 */
    for (int n = 0; n <= w->most; n++)
        for (int m = 0; m <= w->most; m++)
            for (int kind = 0; kind < 4; kind++) {
                int x = kind & 1 ? w->sine[m] : w->cosine[m];
                int y = kind & 2 ? w->sine[n] : w->cosine[n];
                if (x >= 0 && y >= 0)
                    turns[y * w->count + x] = unit * sqrt((double)m * m + (double)n * n);
            }
}

void cpu_spectrum_init(const struct adr_plan *plan, int lanes, struct cpu_spectrum *s)
{
    size_t cells = (size_t)plan->side * (size_t)plan->side;
    int sine = plan->velocity == VELOCITY_STREAMFUNCTION;
    *s = (struct cpu_spectrum){0};
    if (!sine && plan->velocity != VELOCITY_COMPRESSIBLE && plan->velocity != VELOCITY_SOLENOIDAL)
        return;
    s->parts = sine ? 1 : 2;
    double *amplitude = mem_alloc(2 * cells * sizeof(double)), *kappa = amplitude + cells;
    if (sine)
        turbulence_sine_modes(plan, amplitude, kappa);
    else
        turbulence_full_modes(plan, amplitude, kappa);
    int most = cpu_waves_highest(plan, amplitude);
    if (sine)
        cpu_waves_sine(plan->side, most, &s->waves);
    else
        cpu_waves_full(plan->side, most, &s->waves);
    if (fft_cpu_faster(&s->waves))
        s->fft = fft_cpu_create(sine ? FFT_SINE : FFT_FULL, &s->waves, lanes);
    size_t modes = (size_t)(2 * most + 1) * (size_t)(2 * most + 8);
    s->turns = mem_zalloc((size_t)s->waves.count * (size_t)s->waves.count * sizeof(double));
    s->draw = mem_alloc(modes / 2 * sizeof *s->draw);
    s->target = mem_alloc(modes * 8 * sizeof *s->target);
    cpu_waves_turns(plan, &s->waves, s->turns);
    add_draws(plan, s, RNG_PHASE_X, most, amplitude);
    if (plan->velocity == VELOCITY_COMPRESSIBLE)
        add_draws(plan, s, RNG_PHASE_Y, most, amplitude);
    mem_free(amplitude);
}

void cpu_spectrum_free(struct cpu_spectrum *s)
{
    cpu_waves_free(&s->waves);
    fft_cpu_destroy(s->fft);
    mem_free(s->turns);
    mem_free(s->draw);
    mem_free(s->target);
}
