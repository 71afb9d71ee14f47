/* SPDX-License-Identifier: Apache-2.0
 * adr_plan: everything a device must know to run the forward process, as plain numbers. Filled by physics/ (which
 * also checks the ranges), read by the devices. All in lattice units (dx = dt = 1) unless said.
 *
 *     du/dt + div(v u) = div(alpha grad u)        on the unit square, no-flux walls, v prescribed per image
 *
 * Level k takes u_{k-1} to u_k in levels[k].steps lattice steps of diffusivity levels[k].alpha. */
#pragma once
#include <stdint.h>
#include <string.h>

enum forward_kind {
    FORWARD_LBM,  /* lattice Boltzmann, below */
    FORWARD_HEAT, /* exact blur: orthonormal DCT-II, factor exp(-(pi/L)^2 (i^2+j^2) sigma_k^2 / 2) */
};
enum lbm_collision {
    LBM_EQUILIBRIUM, /* tau = 1, cs2 = 2 alpha: u is the whole state */
    LBM_BGK,         /* cs2 = 1/3, relaxation 1/tau; nine populations carried through all levels */
    LBM_TRT,         /* two relaxation times, magic parameter 1/4 */
    LBM_REGULARIZED, /* only the flux of the non-equilibrium part is kept */
};
enum lbm_walls { WALLS_BOUNCE_BACK, WALLS_MIRROR, WALLS_PERIODIC };
enum velocity_kind {
    VELOCITY_NONE,           /* Pe = 0 */
    VELOCITY_STREAMFUNCTION, /* sine modes of psi, v = curl by the solver's own stencil: physics.md 3, 'transport' */
    VELOCITY_COMPRESSIBLE,   /* two independent phase fields of full waves: 'faithful' */
    VELOCITY_SOLENOIDAL,     /* one periodic phase field for psi of full waves, v = spectral curl (periodic, zero divergence) */
    VELOCITY_UNIFORM,        /* v = (V, 0) */
    VELOCITY_ROTATION,       /* solid rotation about the centre, rms component V */
    VELOCITY_SHEAR,          /* v_x = V sqrt(2) cos(pi y), v_y = 0 */
    VELOCITY_FILE,           /* frames of plan->file_field, scaled as a whole to V */
};

struct adr_level {
    int steps;       /* n_k >= 1; level 0 has 0 */
    double sigma;    /* px */
    double alpha;    /* alpha_k <= alpha_max */
    double cs2, tau; /* equilibrium: 2 alpha and 1; others 1/3 and alpha/cs2 + 1/2 */
    double speed;    /* V_k = Pe alpha_k / L */
    double fo;       /* Fourier number at the start of the level, sigma_{k-1}^2 / (2 L^2) */
    double fo_step;  /* Fo of one lattice step: alpha_k / L^2 */
};

struct adr_plan {
    enum forward_kind kind;
    int side, channels; /* L px; all channels of an image share one velocity */
    int level_count;    /* K */
    struct adr_level *levels; /* [K + 1], owned by the plan */

    enum lbm_collision collision;
    enum lbm_walls walls;
    int order;                    /* of the equilibrium in v: 1 or 2 */
    double value_low, value_high; /* solver value = low + (high - low) * image value, affinely back afterwards;
                                     the deviation from (low+high)/2 is what is carried in fp32 where low > 0 */

    enum velocity_kind velocity;
    uint64_t seed;        /* of the phases */
    double slope;         /* p in amplitude = kappa^-p (streamfunction: kappa^-(p+1)) */
    int n_min, n_max;     /* band in (half) waves: n_min <= sqrt(m^2+n^2) <= n_max; n_max 0 = all */
    double theta_rate;    /* theta = theta_rate * Fo, evaluated at the midpoint of a field's hold */
    int refresh;          /* lattice steps a field is held within a level; 0 = the whole level */
    int realisations;     /* M shared velocity fields (key = image index % M), 0 = one an image */
    double cap_speed;     /* > 0: pointwise |v| <- M tanh(|v|/M), lattice units (faithful) */
    double cap_ratio;     /* > 0: a field whose largest (|vx|+|vy|)/cs2 exceeds this is scaled as a whole (transport) */
    const float *file_field; /* [file_frames, 2, L, L], borrowed */
    int file_frames;
};

/* One wanted state: level `level` of image `image` of the group goes to slot `slot` of the output arrays.
 * Captures are sorted by level. Level 0 is allowed (u = u0, delta = 0). */
struct adr_capture {
    int level, image;
    int64_t slot;
};

/* What runs saw. */
struct adr_stats {
    int64_t images, fields;   /* images run; velocity fields made */
    int64_t fields_over;      /* fields whose largest (|vx|+|vy|)/cs2 exceeds 1: u may leave its range */
    double worst_ratio;       /* largest (|vx|+|vy|)/cs2 met */
    double worst_speed2;      /* largest v.v/2 over alpha: relative error of the diffusivity along the flow (order 1) */
    double worst_cap;         /* smallest factor that cap_ratio applied, 1 = none */
    double velocity_s, lbm_s; /* time in making velocity and in lattice steps, summed over threads; 0 where not measured */
};
static inline void adr_stats_add(struct adr_stats *sum, const struct adr_stats *part)
{
    sum->images += part->images;
    sum->fields += part->fields;
    sum->fields_over += part->fields_over;
    sum->worst_ratio = part->worst_ratio > sum->worst_ratio ? part->worst_ratio : sum->worst_ratio;
    sum->worst_speed2 = part->worst_speed2 > sum->worst_speed2 ? part->worst_speed2 : sum->worst_speed2;
    if (part->worst_cap > 0 && (sum->worst_cap == 0 || part->worst_cap < sum->worst_cap))
        sum->worst_cap = part->worst_cap;
    sum->velocity_s += part->velocity_s;
    sum->lbm_s += part->lbm_s;
}
/* What runs that nobody asked about have left goes to who asks now; stats NULL: nobody does. */
static inline void adr_stats_hand_over(struct adr_stats *unread, struct adr_stats *stats)
{
    if (!stats)
        return;
    adr_stats_add(stats, unread);
    memset(unread, 0, sizeof *unread);
}
