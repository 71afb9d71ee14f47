/* SPDX-License-Identifier: Apache-2.0
 * turbulence: see turbulence.h. */
#include "device/turbulence.h"

#include <math.h>
#include <stddef.h>

#include "base/die.h"

static const double pi = 3.14159265358979323846;

/* kappa^-power inside n_min <= sqrt(m^2+n^2) <= n_max, compared by squares to stay exact. */
static double band_amplitude(const struct adr_plan *plan, int m, int n, double kappa, double power)
{
    int64_t square = (int64_t)m * m + (int64_t)n * n;
    int64_t low = (int64_t)plan->n_min * plan->n_min, high = (int64_t)plan->n_max * plan->n_max;
    if (square == 0 || square < low || (plan->n_max > 0 && square > high))
        return 0.0;
    return pow(kappa, -power);
}

void turbulence_sine_modes(const struct adr_plan *plan, double *amplitude, double *kappa)
{
    int side = plan->side;
    for (int m = 1; m <= side; m++)
        for (int n = 1; n <= side; n++) {
            int at = (m - 1) * side + (n - 1);
            kappa[at] = pi * sqrt((double)m * m + (double)n * n);
            amplitude[at] = band_amplitude(plan, m, n, kappa[at], plan->slope + 1.0);
        }
}

void turbulence_full_modes(const struct adr_plan *plan, double *amplitude, double *kappa)
{
    int side = plan->side;
    double power = plan->slope + (plan->velocity == VELOCITY_SOLENOIDAL ? 1.0 : 0.0);
    for (int j = 0; j < side; j++)
        for (int i = 0; i < side; i++) {
            int m = turbulence_full_mode(i, side), n = turbulence_full_mode(j, side);
            int at = j * side + i;
            kappa[at] = 2.0 * pi * sqrt((double)m * m + (double)n * n);
            amplitude[at] = band_amplitude(plan, m, n, kappa[at], power);
        }
}

static double hold_midpoint(const struct adr_plan *plan, int level, int step, int *hold_first,
                            int *hold_steps)
{
    const struct adr_level *l = &plan->levels[level];
    int hold = plan->refresh > 0 ? plan->refresh : l->steps;
    int first = step / hold * hold;
    int steps = first + hold > l->steps ? l->steps - first : hold;
    *hold_first = first;
    *hold_steps = steps;
    return l->fo + (first + 0.5 * steps) * l->fo_step;
}

double turbulence_theta(const struct adr_plan *plan, int level, int step, int *hold_first,
                        int *hold_steps)
{
    return plan->theta_rate * hold_midpoint(plan, level, step, hold_first, hold_steps);
}

double turbulence_file_rms(const struct adr_plan *plan)
{
    if (plan->velocity != VELOCITY_FILE)
        return 1.0;
    size_t count = (size_t)plan->file_frames * 2 * (size_t)plan->side * (size_t)plan->side;
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += (double)plan->file_field[i] * plan->file_field[i];
    return sqrt(sum / (double)count);
}

int turbulence_frame(const struct adr_plan *plan, int level, int step)
{
    const struct adr_level *last = &plan->levels[plan->level_count];
    int first, steps;
    double end = last->fo + last->steps * last->fo_step;
    double part = hold_midpoint(plan, level, step, &first, &steps) / end;
    int frame = (int)(part * plan->file_frames);
    return frame < plan->file_frames ? frame : plan->file_frames - 1;
}

void turbulence_given(const struct adr_plan *plan, int level, int step, double file_rms, double *v)
{
    int side = plan->side, cells = side * side;
    const float *frame = NULL;
    if (plan->velocity == VELOCITY_FILE)
        frame = plan->file_field + (size_t)turbulence_frame(plan, level, step) * 2 * (size_t)cells;
    /* mean of (y - 1/2)^2 over cell centres is (1 - 1/L^2)/12 */
    double spin = sqrt(12.0 / (1.0 - 1.0 / ((double)side * side)));
    for (int j = 0; j < side; j++)
        for (int i = 0; i < side; i++) {
            double x = (i + 0.5) / side, y = (j + 0.5) / side;
            double *vx = &v[j * side + i], *vy = &v[cells + j * side + i];
            switch (plan->velocity) {
            case VELOCITY_UNIFORM:
                *vx = 1.0;
                *vy = 0.0;
                break;
            case VELOCITY_ROTATION:
                *vx = -spin * (y - 0.5);
                *vy = spin * (x - 0.5);
                break;
            case VELOCITY_SHEAR:
                *vx = sqrt(2.0) * cos(pi * y);
                *vy = 0.0;
                break;
            case VELOCITY_FILE:
                *vx = frame[j * side + i] / file_rms;
                *vy = frame[cells + j * side + i] / file_rms;
                break;
            default:
                DIE("velocity kind %d is not given in closed form", (int)plan->velocity);
            }
        }
}
