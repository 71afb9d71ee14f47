/* SPDX-License-Identifier: Apache-2.0
 * physics: from the deck's dimensionless numbers to a plan in lattice units (adr_plan.h).
 *
 * Symbols: L image side in px; sigma blur in px, sigma^2 = 2 alpha t; Fo = alpha t / L^2 = sigma^2/(2 L^2); Pe = V L/alpha;
 * K levels. Source: Beyond Blur (arXiv 2506.16827) sections 3 and 4, with the corrections listed in docs/physics.md. */
#pragma once
#include "deck/deck.h"
#include "device/adr_plan.h"

struct forward_settings { /* &forward */
    char process[DECK_TEXT]; /* 'adr' 'heat' */
    char mode[DECK_TEXT];    /* 'faithful' 'transport' */
    int64_t levels;
    double sigma_min, sigma_max; /* px */
    double fo_min, fo_max;       /* 0 = from sigma */
    double pe;
};
struct velocity_settings { /* &velocity */
    char kind[DECK_TEXT];
    double slope;
    int64_t n_min, n_max;
    double drift, cap;
    int64_t realisations, refresh;
    char path[DECK_TEXT];
};
struct lbm_settings { /* &lbm */
    char collision[DECK_TEXT];
    double alpha_max;
    char walls[DECK_TEXT];
    int64_t order;
    double value_range[2];
    int value_range_count;
};
extern const struct deck_field forward_fields[], velocity_fields[], lbm_fields[];
extern const int forward_field_count, velocity_field_count, lbm_field_count;

static inline double fo_from_sigma(double sigma, double side)
{
    return sigma * sigma / (2.0 * side * side);
}
double sigma_from_fo(double fo, double side);

/* Fills *plan for images of side L with `channels` channels. Checks every range (tau > 1/2, cs2 <= 1/3, |v|/cs < 0.1
 * where it matters, sigma_min < sigma_max, ...) and on a fault prints which setting cures it and returns non-zero.
 * file_field: for kind 'file', [frames,2,L,L], borrowed; else NULL. Free with physics_plan_free. */
int physics_plan(const struct forward_settings *forward, const struct velocity_settings *velocity,
                 const struct lbm_settings *lbm, uint64_t seed, int side, int channels, const float *file_field,
                 int file_frames, struct adr_plan *plan);
void physics_plan_free(struct adr_plan *plan);

/* Prints the schedule and the dimensionless numbers: Fo and sigma at both ends, lattice steps, alpha range, expected
 * displacement Pe sigma^2/(2L) px, and a warning where bgk is inaccurate or u may leave its range. Rank 0. */
void physics_describe(const struct adr_plan *plan, const struct forward_settings *forward);
void physics_describe_stats(const struct adr_plan *plan, const struct adr_stats *stats);
