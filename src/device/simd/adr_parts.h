/* SPDX-License-Identifier: Apache-2.0
 * adr_parts: the functions behind the table of simd_adr.h, by file. */
#pragma once
#include "device/simd/simd_adr.h"

void SIMD_NAME(adr_equilibrium)(const struct adr_sweep *s);

void SIMD_NAME(adr_populations)(const struct adr_sweep *s);
void SIMD_NAME(adr_populations_start)(const struct adr_sweep *s);
void SIMD_NAME(adr_populations_sum)(const struct adr_sweep *s);

void SIMD_NAME(adr_phases)(uint64_t seed, const uint64_t *keys, int draws,
                           const struct adr_draw *draw, const struct adr_target *target,
                           float *cosine_part, float *sine_part);
void SIMD_NAME(adr_angles)(int n, double theta, const double *turns, float *cosine, float *sine);
void SIMD_NAME(adr_rotate)(int n, const float *a, const float *b, const float *cosine,
                           const float *sine, float *out);
void SIMD_NAME(adr_transform)(const struct adr_waves *w, int rows, struct adr_view in,
                              struct adr_view out);

void SIMD_NAME(adr_odd_ring)(int side, float *psi);
void SIMD_NAME(adr_curl_extent)(int side, float cs2, const float *psi, const struct adr_extent *e);
void SIMD_NAME(adr_curl)(int side, float cs2, const float *psi, const float *factor, float *vx,
                         float *vy);
void SIMD_NAME(adr_extent)(int cells, const float *vx, const float *vy, const struct adr_extent *e);
void SIMD_NAME(adr_scale)(int cells, const float *factor_x, const float *factor_y, float cap,
                          const float *raw_x, const float *raw_y, float *vx, float *vy);
