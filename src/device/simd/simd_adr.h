/* SPDX-License-Identifier: Apache-2.0
 * simd_adr: the forward process of a group of images, one image a vector lane. Arrays of a group
 * are [row][column][lane] with simd_adr.lanes floats a cell, so nothing ever shifts between lanes
 * and a lane's result does not depend on its neighbours. */
#pragma once
#include <stddef.h>

#include "device/adr_plan.h"
#include "device/simd/simd.h"

/* Lattice steps of one velocity field, one channel. rows: adr_sweep_scratch() floats a lane. */
struct adr_sweep {
    int side, steps, order;
    int shared; /* vx, vy are [side][side], the same for all lanes */
    enum lbm_walls walls;
    enum lbm_collision collision;
    float cs2, tau;
    float base;           /* u = base + what is stored */
    float *phi;           /* equilibrium: u [side][side][lane] */
    float *f;             /* the others: populations [side + 2][side + 2][9][lane] */
    const float *vx, *vy; /* HALF the velocity, lattice units [side][side][lane] */
    float *rows;
};
/* Lattice steps that go over the rows together, each one row behind the one before. */
enum { ADR_STAGES = 4, ADR_STAGES_POPULATIONS = 2 };
static inline size_t adr_sweep_scratch(int side)
{
    return (size_t)ADR_STAGES * 3 * (size_t)(side + 2);
}

/* Sums of waves that are even or odd about the middle of n cells:
 *     out[r, c] = sum_k in[r, k] wave_k(c),   c = 0 .. n-1, the even waves first along k
 * A table is [waves][columns], (n+1)/2 columns and ADR_SLACK to spare: the other half of the cells
 * follows from the symmetry. symmetric = 0: any matrix, all n columns (and slack) in `even`,
 * odd_count 0. even_count >= odd_count. */
struct adr_waves {
    int n, columns, symmetric, even_count, odd_count;
    const float *even, *odd; /* borrowed */
};
enum { ADR_SLACK = 3 };
/* A matrix of vectors, by its strides in cells. */
struct adr_view {
    float *at;
    int row, column;
};

/* Four phases phi = 2 pi uniform of one counter block, and where they go:
 *
 *     a[index] += alpha cos phi + beta sin phi          a: cosine part
 *     b[index] += beta cos phi - alpha sin phi          b: sine part
 *
 * so that a cos(kappa theta) + b sin(kappa theta) is the first line at phi + kappa theta. */
struct adr_target {
    int32_t index;
    float alpha, beta;
};
struct adr_draw {
    uint32_t stream, step, block;
    int32_t count[4]; /* targets of each of the four words; they follow each other in one list */
};
/* Per lane: sums of vx^2, vy^2, vx and vy, the largest |vx| + |vy| and vx^2 + vy^2. */
struct adr_extent {
    double *square_x, *square_y, *sum_x, *sum_y;
    float *ratio, *speed2;
};

struct simd_adr {
    int lanes;
    unsigned (*flush_denormals)(void); /* on in this thread; returns what to restore */
    void (*restore)(unsigned state);
    void (*equilibrium)(const struct adr_sweep *s);
    void (*populations)(const struct adr_sweep *s);
    /* Populations at equilibrium with phi; phi as the sum of populations. */
    void (*populations_start)(const struct adr_sweep *s);
    void (*populations_sum)(const struct adr_sweep *s);

    void (*phases)(uint64_t seed, const uint64_t *keys, int draws, const struct adr_draw *draw,
                   const struct adr_target *target, float *cosine_part, float *sine_part);
    /* cosine[i], sine[i] of 2 pi turns[i]. */
    void (*angles)(int n, double theta, const double *turns, float *cosine, float *sine);
    /* out = a cosine + b sine, cell by cell. */
    void (*rotate)(int n, const float *a, const float *b, const float *cosine, const float *sine,
                   float *out);
    void (*transform)(const struct adr_waves *w, int rows, struct adr_view in, struct adr_view out);

    /* Fills the ring around psi [side + 2][side + 2][lane], odd about the walls. */
    void (*odd_ring)(int side, float *psi);
    /* Extent of the solver's curl of psi (the sum of both squares in square_x; the means are zero),
     * and half of that curl times factor [lane]. */
    void (*curl_extent)(int side, float cs2, const float *psi, const struct adr_extent *e);
    void (*curl)(int side, float cs2, const float *psi, const float *factor, float *vx, float *vy);
    /* Extent of vx, vy as they are. */
    void (*extent)(int cells, const float *vx, const float *vy, const struct adr_extent *e);
    /* v = factor raw, then cap tanh(|v|/cap) along v where cap > 0. Factors [lane]; v may be raw.
     */
    void (*scale)(int cells, const float *factor_x, const float *factor_y, float cap,
                  const float *raw_x, const float *raw_y, float *vx, float *vy);

    /* `count` images to lanes and back, pixels `stride` floats apart: state = scale image + offset,
     * other lanes repeat the first image; image = scale state + offset. */
    void (*pack)(int cells, int count, const float *const *image, int stride, float scale,
                 float offset, float *state);
    void (*unpack)(int cells, int count, const int *lane, const float *state, float scale,
                   float offset, float *const *image, int stride);
    /* The same, and change = scale (change - state), change holding an earlier state. */
    void (*unpack_change)(int cells, int count, const int *lane, const float *state, float scale,
                          float offset, float *const *image, float *const *change, int stride);
};
SIMD_DECLARE(adr);
