/* SPDX-License-Identifier: Apache-2.0
 * ref_adr_parts: what the files of the reference forward process share. Fields are [L,L] row by
 * row (y, then x), velocities [2,L,L], populations of one channel [9,L,L]. */
#pragma once
#include "device/adr_plan.h"

struct ref_velocity {
    const struct adr_plan *plan; /* borrowed */
    double *amplitude, *kappa;   /* [modes] of turbulence.h */
    double *phase;               /* [2, modes] of the key below */
    double *wave; /* sin(pi m x) as [m - 1, i], or cos, then sin of 2 pi m x as [m, i] */
    double *scratch;
    double file_rms;
    uint64_t key;
    int seeded;
};
void ref_velocity_init(struct ref_velocity *r, const struct adr_plan *plan);
void ref_velocity_free(struct ref_velocity *r);
/* The field of `key` held at a step of a level, and what it adds to the statistics. */
void ref_velocity_field(struct ref_velocity *r, uint64_t key, int level, int step, double *v,
                        struct adr_stats *stats);

/* Populations in equilibrium with the field v. */
void ref_lbm_start(const struct adr_plan *plan, const struct adr_level *level, const double *v,
                   const double *value, double *f);
/* One lattice step of one channel: collision in place, then streaming into next. */
void ref_lbm_step(const struct adr_plan *plan, const struct adr_level *level, const double *v,
                  double *f, double *next);

/* basis [L,L]: orthonormal DCT-II; spectrum = basis image basis^T, and the image blurred by sigma
 * px from its spectrum. scratch [L,L]. */
void ref_heat_basis(int side, double *basis);
void ref_heat_spectrum(int side, const double *basis, const double *image, double *scratch,
                       double *spectrum);
void ref_heat_blur(int side, const double *basis, const double *spectrum, double sigma,
                   double *scratch, double *image);
