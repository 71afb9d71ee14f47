/* SPDX-License-Identifier: Apache-2.0
 * plan: from the deck's dimensionless numbers to adr_plan. Two named modes fill what the deck
 * leaves open (docs/physics.md):
 *
 *   faithful   compressible phase fields, value range 0.95 to 1.05, order 2, bounce-back walls
 *   transport  streamfunction, value range 0 to 1, order 1, mirror walls: exactly divergence-free
 *
 * The clock, scale and limit of a velocity belong to its kind, walls, order and range to the mode.
 * Every fault is reported, not only the first, each with the setting that cures it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "physics/physics.h"
#include "physics/schedule.h"

static const double alpha_max_default = 1.0 / 6.0; /* cs2 = 2 alpha <= 1/3 */
static const double faithful_clock = 9.83;         /* theta/Fo: the paper's dt = 1e-4 at 128 px */
static const double transport_drift = 0.5;         /* theta/(Pe Fo) */
static const double faithful_cap = 1e-3 * 128;     /* lattice units times L */
/* Largest |v| over V: of random fields 3000 seeds gave 6.2 at worst (3.2 in the median), of solid
 * rotation, the largest of the given fields, it is sqrt(6) in the corner. */
static const double peak_random = 6.2, peak_given = 2.5;

struct name {
    const char *text;
    int value;
};
static const struct name collisions[] = {{"equilibrium", LBM_EQUILIBRIUM},
                                         {"bgk", LBM_BGK},
                                         {"trt", LBM_TRT},
                                         {"regularized", LBM_REGULARIZED},
                                         {NULL, 0}};
static const struct name walls[] = {{"bounce_back", WALLS_BOUNCE_BACK},
                                    {"mirror", WALLS_MIRROR},
                                    {"periodic", WALLS_PERIODIC},
                                    {NULL, 0}};
static const struct name kinds[] = {{"compressible", VELOCITY_COMPRESSIBLE},
                                    {"solenoidal", VELOCITY_SOLENOIDAL},
                                    {"streamfunction", VELOCITY_STREAMFUNCTION},
                                    {"uniform", VELOCITY_UNIFORM},
                                    {"rotation", VELOCITY_ROTATION},
                                    {"shear", VELOCITY_SHEAR},
                                    {"file", VELOCITY_FILE},
                                    {NULL, 0}};

/* Adds a fault if the text is none of the names; `own` stands for 'auto' and 'turbulent'. */
static int choose(const char *key, const char *text, const struct name *names, int own, int *faults)
{
    if (!strcmp(text, "auto") || !strcmp(text, "turbulent"))
        return own;
    char known[128] = "";
    for (; names->text; names++) {
        if (!strcmp(text, names->text))
            return names->value;
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, " '%s'", names->text);
    }
    log_error("%s = '%s' is not known; there are%s", key, text, known);
    (*faults)++;
    return own;
}

static int check_forward(const struct forward_settings *f, double sigma_min, double sigma_max)
{
    int faults = 0;
    if (strcmp(f->process, "adr") && strcmp(f->process, "heat")) {
        log_error("&forward process = '%s' has no forward solver; use 'adr' or 'heat'", f->process);
        faults++;
    }
    if (strcmp(f->mode, "faithful") && strcmp(f->mode, "transport")) {
        log_error("&forward mode = '%s'; use 'faithful' or 'transport'", f->mode);
        faults++;
    }
    if (f->levels < 1 || f->levels > 100000) {
        log_error("&forward levels = %lld; give 1 to 100000", (long long)f->levels);
        faults++;
    }
    if (!(sigma_min > 0) || !isfinite(sigma_min)) {
        log_error("the smallest blur is %g px: raise &forward sigma_min (or fo_min) above 0",
                  sigma_min);
        faults++;
    }
    if (!isfinite(sigma_max) || (f->levels > 1 && !(sigma_max > sigma_min))) {
        log_error("the largest blur, %g px, must exceed the smallest, %g px: raise &forward "
                  "sigma_max (or fo_max) or lower sigma_min (or fo_min)",
                  sigma_max, sigma_min);
        faults++;
    }
    if (!(f->pe >= 0) || !isfinite(f->pe)) {
        log_error("&forward pe = %g; give 0 or more (the sense of the flow is in its phases)",
                  f->pe);
        faults++;
    }
    return faults;
}

static int band_is_empty(const struct velocity_settings *v, int side, enum velocity_kind kind)
{
    int half = kind == VELOCITY_STREAMFUNCTION, most = half ? side : side / 2;
    for (int m = half; m <= most; m++)
        for (int n = half; n <= most; n++) {
            int square = m * m + n * n;
            if (square >= v->n_min * v->n_min && (!v->n_max || square <= v->n_max * v->n_max))
                return 0;
        }
    return 1;
}

static int check_velocity(const struct velocity_settings *v, int side, const struct adr_plan *plan)
{
    int faults = 0;
    if (v->n_min < 0 || v->n_max < 0 || (v->n_max > 0 && v->n_max < v->n_min)) {
        log_error("&velocity n_min = %lld, n_max = %lld: need 0 <= n_min <= n_max, or n_max = 0 "
                  "for all modes",
                  (long long)v->n_min, (long long)v->n_max);
        faults++;
    }
    if (!faults && band_is_empty(v, side, plan->velocity)) {
        log_error(
            "&velocity n_min = %lld, n_max = %lld holds no mode of a %d px image: lower n_min "
            "or raise n_max",
            (long long)v->n_min, (long long)v->n_max, side);
        faults++;
    }
    if (v->refresh < 0 || v->realisations < 0) {
        log_error("&velocity refresh = %lld, realisations = %lld: give 0 or more",
                  (long long)v->refresh, (long long)v->realisations);
        faults++;
    }
    if (!isfinite(v->slope) || !isfinite(v->drift) || !isfinite(v->cap)) {
        log_error("&velocity slope, drift and cap must be finite numbers");
        faults++;
    }
    if (plan->velocity == VELOCITY_FILE && (!plan->file_field || plan->file_frames < 1)) {
        log_error("&velocity kind = 'file' has no field: name an HDF5 file with /velocity [T,2,%d,"
                  "%d] in &velocity path",
                  side, side);
        faults++;
    }
    return faults;
}

/* cs2 = 2 alpha must stay within 1/3 and populations' tau above 1/2. */
static int check_lattice(const struct lbm_settings *l, double alpha_max,
                         const struct adr_plan *plan)
{
    int faults = 0;
    double limit = plan->collision == LBM_EQUILIBRIUM ? alpha_max_default : 1.0;
    if (!(alpha_max > 0) || alpha_max > limit * (1 + 1e-12)) {
        log_error("&lbm alpha_max = %g: collision '%s' needs 0 < alpha_max <= %.6g (cs2 <= 1/3 and "
                  "a kernel that is still Gaussian); 0 stands for 1/6",
                  alpha_max, l->collision, limit);
        faults++;
    }
    if (plan->order != 1 && plan->order != 2) {
        log_error("&lbm order = %lld; give 1, 2, or 0 for the mode's own", (long long)l->order);
        faults++;
    }
    if (!(plan->value_high > plan->value_low) || !isfinite(plan->value_high - plan->value_low)) {
        log_error("&lbm value_range = %g, %g: the second must exceed the first; equal numbers "
                  "stand for the mode's own",
                  plan->value_low, plan->value_high);
        faults++;
    }
    return faults;
}

/* Schemes with cs2 = 1/3 expand the equilibrium in v/cs: that must stay small. */
static int check_populations(const struct adr_plan *plan, double pe)
{
    double alpha = 0, tau = 1e30, cs = sqrt(1.0 / 3.0);
    for (int k = 1; k <= plan->level_count; k++) {
        alpha = fmax(alpha, plan->levels[k].alpha);
        tau = fmin(tau, plan->levels[k].tau);
    }
    if (!(tau > 0.5 + 1e-6)) {
        log_error("tau = %.9g is not above 1/2: lower &forward levels, raise sigma_max, or use "
                  "&lbm collision = 'equilibrium'",
                  tau);
        return 1;
    }
    int given = plan->velocity == VELOCITY_UNIFORM || plan->velocity == VELOCITY_ROTATION ||
                plan->velocity == VELOCITY_SHEAR;
    double peak = (given ? peak_given : peak_random) * pe * alpha / plan->side;
    if (plan->cap_speed > 0)
        peak = fmin(peak, plan->cap_speed);
    if (peak < 0.1 * cs)
        return 0;
    double ratio = 0.1 * cs / peak;
    log_error("the flow reaches |v|/cs = %.2g where this collision needs less than 0.1: lower "
              "&forward pe to %.3g, or &lbm alpha_max to %.3g, or use collision = 'equilibrium'",
              peak / cs, pe * ratio, alpha * ratio);
    return 1;
}

/* What belongs to the kind of velocity: its clock and its limit. */
static void set_velocity(const struct velocity_settings *v, double pe, struct adr_plan *plan)
{
    int compressible = plan->velocity == VELOCITY_COMPRESSIBLE;
    double own = compressible ? faithful_clock : transport_drift;
    double drift = v->drift > 0 ? v->drift : v->drift < 0 ? 0.0 : own;
    plan->theta_rate = compressible ? drift : drift * pe;
    plan->slope = v->slope;
    plan->n_min = (int)v->n_min;
    plan->n_max = (int)v->n_max;
    plan->refresh = (int)v->refresh;
    plan->realisations = (int)v->realisations;
    if (compressible)
        plan->cap_speed = v->cap > 0 ? v->cap : v->cap < 0 ? 0.0 : faithful_cap / plan->side;
    else
        plan->cap_ratio = v->cap > 0 ? v->cap : 0.0;
}

static int set_choices(const struct forward_settings *f, const struct velocity_settings *v,
                       const struct lbm_settings *l, struct adr_plan *plan)
{
    int faults = 0, faithful = !strcmp(f->mode, "faithful");
    int range_given = l->value_range_count == 2 && l->value_range[0] != l->value_range[1];
    plan->kind = strcmp(f->process, "heat") ? FORWARD_LBM : FORWARD_HEAT;
    plan->collision = (enum lbm_collision)choose("&lbm collision", l->collision, collisions,
                                                 LBM_EQUILIBRIUM, &faults);
    plan->walls = (enum lbm_walls)choose("&lbm walls", l->walls, walls,
                                         faithful ? WALLS_BOUNCE_BACK : WALLS_MIRROR, &faults);
    plan->velocity = (enum velocity_kind)choose(
        "&velocity kind", v->kind, kinds,
        faithful ? VELOCITY_COMPRESSIBLE : VELOCITY_STREAMFUNCTION, &faults);
    if (plan->kind == FORWARD_HEAT || f->pe == 0)
        plan->velocity = VELOCITY_NONE;
    plan->order = l->order ? (int)l->order : faithful ? 2 : 1;
    plan->value_low = range_given ? l->value_range[0] : faithful ? 0.95 : 0.0;
    plan->value_high = range_given ? l->value_range[1] : faithful ? 1.05 : 1.0;
    return faults;
}

int physics_plan(const struct forward_settings *forward, const struct velocity_settings *velocity,
                 const struct lbm_settings *lbm, uint64_t seed, int side, int channels,
                 const float *file_field, int file_frames, struct adr_plan *plan)
{
    struct adr_plan p = {.side = side,
                         .channels = channels,
                         .seed = seed,
                         .file_field = file_field,
                         .file_frames = file_frames,
                         .level_count = (int)forward->levels};
    if (side < 2 || side > 4096 || channels < 1) {
        log_error("images of %d x %d px and %d channels: the solver takes 2 to 4096 px and 1 "
                  "channel or more; set &dataset resolution",
                  side, side, channels);
        return 1;
    }
    double sigma_min =
        forward->fo_min > 0 ? sigma_from_fo(forward->fo_min, side) : forward->sigma_min;
    double sigma_max =
        forward->fo_max > 0 ? sigma_from_fo(forward->fo_max, side) : forward->sigma_max;
    double alpha_max = lbm->alpha_max != 0 ? lbm->alpha_max : alpha_max_default;

    int faults = set_choices(forward, velocity, lbm, &p);
    faults += check_forward(forward, sigma_min, sigma_max);
    faults += check_velocity(velocity, side, &p);
    faults += check_lattice(lbm, alpha_max, &p);
    if (faults)
        return faults;

    set_velocity(velocity, forward->pe, &p);
    p.levels = mem_alloc(((size_t)p.level_count + 1) * sizeof *p.levels);
    schedule_levels(p.level_count, sigma_min, sigma_max, alpha_max,
                    p.collision == LBM_EQUILIBRIUM ? 0.0 : 1.0 / 3.0,
                    p.velocity == VELOCITY_NONE ? 0.0 : forward->pe, side, p.levels);
    if (p.kind == FORWARD_LBM && p.collision != LBM_EQUILIBRIUM &&
        check_populations(&p, p.velocity == VELOCITY_NONE ? 0.0 : forward->pe)) {
        physics_plan_free(&p);
        return 1;
    }
    *plan = p;
    return 0;
}

void physics_plan_free(struct adr_plan *plan)
{
    mem_free(plan->levels);
    plan->levels = NULL;
}
