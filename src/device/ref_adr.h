/* SPDX-License-Identifier: Apache-2.0
 * ref_adr: the forward process of the reference device, computed in double and written for
 * reading: populations link by link, velocity by direct sums. It is the oracle of every faster
 * implementation; docs/physics.md is its text. */
#pragma once
#include "device/device.h"

/* The entries of device_ops. */
struct adr *ref_adr_create(struct device *d, const struct adr_plan *plan, int max_images);
void ref_adr_destroy(struct device *d, struct adr *a);
void ref_adr_run(struct device *d, struct adr *a, int n, const uint64_t *keys, const float *u0,
                 int captures, const struct adr_capture *capture, float *u, float *delta,
                 struct adr_stats *stats);
void ref_adr_velocity(struct device *d, struct adr *a, int n, const uint64_t *keys, int level,
                      int step, float *v);

/* The same in double, one image at a time, for claims below fp32's rounding: start puts image
 * u0 [L,L,C] at level 0, each next goes one level on and returns u_k [L,L,C], which a owns and the
 * next call overwrites. stats may be NULL. */
void ref_adr_start(struct adr *a, uint64_t key, const double *u0);
const double *ref_adr_next(struct adr *a, struct adr_stats *stats);
/* The field held at lattice step `step` of `level`: v [2,L,L], lattice units. */
void ref_adr_field(struct adr *a, uint64_t key, int level, int step, double *v,
                   struct adr_stats *stats);
