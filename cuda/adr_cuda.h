/* SPDX-License-Identifier: Apache-2.0
 * adr_cuda: what the files of the forward process on the GPU share.
 *
 *     adr_cuda.c      plan and memory, the loop over holds, which kernel runs
 *     adr_spectrum.c  tables of waves and modes, made on the host
 *     adr_waves.cu    random phases, their turning, sums of waves as matrix products
 *     adr_fft.c       the same sums by cuFFT; adr_fft.cu: spectra and cells around it
 *     adr_velocity.cu waves to velocity: curl, scale, limits, statistics
 *     adr_items.cuh   the items of a launch (below)
 *     adr_pull.cu     lattice steps, one launch each: every collision and side; the oracle of the next
 *     adr_chip.cu     lattice steps of many holds in one launch, the image kept in registers; adr_chip.cuh: a row
 *     adr_chip_bgk.cu the same with nine populations; adr_strip.cuh: what these two share
 *     adr_heat.cu     exact blur
 *
 * A hold is a stretch of lattice steps with one velocity. Velocities are made for several holds and all images at
 * once, so that no launch is small; fields that images share (closed forms, realisations) are made once. A field ends
 * with the last level that an image of it is captured at, and nothing is made past its end: fields are numbered by
 * descending end, so that a hold needs the first few of them. One field of one hold is an item; the items of a call
 * are numbered hold by hold, field j of hold h being begin[h] + j. All structs below go to kernels by value; their
 * pointers are device memory. */
#pragma once
#include "cuda_ops.h"
#include "device/half_spectrum.h"

#ifdef __cplusplus
extern "C" {
#endif
struct adr_hold {
    int level, steps, first_of_level, last_of_level;
    int frame;        /* VELOCITY_FILE */
    float cs2, tau;
    double theta;     /* of the phases */
    double speed, alpha;
};

/* The holds [first, first + holds) at once: items [begin, begin + items) of the call, which memory of a launch has in
 * this order. */
struct adr_launch {
    int first, holds, begin, items;
};

/* out[r, c] = sum_k in[r, k] wave_k(c), c = 0..n-1, for the rows of many matrices. Waves and symmetry as in
 * device/simd/simd_adr.h: the first `even` are even about the middle of n cells, the rest odd, and the table holds
 * half of the columns; symmetric = 0: any matrix, all columns in the table. */
struct adr_waves_table {
    int n, columns, symmetric, even, odd;
    const float *table; /* [even + odd, columns] */
};
struct adr_rows {
    float *at;
    int64_t matrix; /* floats between matrices */
    int row, column; /* floats between rows and columns */
};
void cuda_adr_transform(struct device *d, const struct adr_waves_table *w, int64_t matrices, int rows,
                        struct adr_rows in, struct adr_rows out);

enum { ADR_CHUNK = 4096 }; /* cells of a field that one block brings to size */
/* Of one item before cap_ratio: the largest |vx|+|vy| and v.v, as the bits of floats, which grow with them. */
struct adr_seen {
    int sum, square;
};
struct adr_seen_all { /* largest (|vx|+|vy|)/cs2 and v.v/2/alpha, smallest factor of cap_ratio */
    int64_t fields, over;
    double ratio, diffusion, cut;
};

/* The velocity of the fields (distinct keys) of a call. */
struct adr_flow {
    enum velocity_kind kind;
    int side, parts, count, most; /* parts: sums of waves a field, 0 none; waves an axis; highest mode */
    uint64_t seed;
    double cap_speed, cap_ratio;
    struct adr_waves_table waves;
    struct adr_fft *fft;    /* NULL: sums by matrix products */
    const float *amplitude; /* by mode, turbulence.h */
    const double *turns;    /* [count, count] kappa/(2 pi) */
    const int *cosine, *sine; /* [most + 1] which wave, -1 none */
    const float *given;     /* [frames, 2, L, L] kinds in closed form, V = 1 */
    const struct adr_hold *hold; /* all of the plan */

    int fields; /* that any hold needs */
    const uint64_t *key;    /* [fields] */
    const int *begin;       /* [holds of the plan + 1], up to those of the call; 0 with VELOCITY_NONE */
    float *part_a, *part_b; /* [fields, parts, count, count]: coefficients at theta = 0 and a quarter turn on */
    /* [items] here is room for those of a launch; with fft for whole batches */
    float *coefficient;     /* [items, parts, count, count]; with fft NULL */
    float *middle;          /* [items, parts, count, L]; with fft NULL */
    float *psi;             /* [items, L, L] */
    float *v;               /* [items, 2, L, L] lattice units */
    double *sums;           /* [items, chunks, 4]: of vx, vy, vx^2, vy^2 before their scale; with one chunk NULL */
    struct adr_seen *seen;  /* [items of the call], at first 0 */
    struct adr_seen_all *seen_all;
};
/* Random phases of all fields; the sums of waves of a launch: psi, or the two components before their scale in v; the
 * velocities of a launch, sums included. */
void cuda_adr_phases(struct device *d, const struct adr_flow *f);
void cuda_adr_sums(struct device *d, const struct adr_flow *f, const struct adr_launch *l);
void cuda_adr_fields(struct device *d, const struct adr_flow *f, const struct adr_launch *l);
/* One batch of transforms, fields of one batch number: half spectra in, L x L cells out. */
struct adr_half {
    int side, batch, fold;   /* fold: sine waves, their cells come even ones first, then odd ones in reverse */
    const struct wave_frequency *frequency; /* [L/2 + 1] */
    float2 *spectrum;        /* [batch, L, L/2 + 1] */
    float *cells;            /* [batch, L, L], fold only */
};
/* NULL where products are expected to be faster, or asked for; w: the waves of f. */
struct adr_fft *adr_fft_create(struct device *d, enum fft_kind kind, const struct cpu_waves *w);
void adr_fft_destroy(struct device *d, struct adr_fft *t); /* t may be NULL */
int adr_fft_batch(const struct adr_fft *t); /* 1 for NULL */
void adr_fft_sums(struct device *d, const struct adr_flow *f, const struct adr_launch *l);
/* Spectra of [from, from + batch) of the [items, parts] of a launch, zero beyond them; the cells of `count` of a batch
 * in order. */
void cuda_adr_half_fill(struct device *d, const struct adr_flow *f, const struct adr_half *h,
                        const struct adr_launch *l, int from);
void cuda_adr_half_unfold(struct device *d, const struct adr_half *h, int count, float *out);
/* What the holds [0, holds) of this call saw is added to *seen_all. */
void cuda_adr_seen(struct device *d, const struct adr_flow *f, int holds);

/* Host tables of a plan's waves into device memory (of `d`): fills kind to given; *memory is what to free. */
void adr_spectrum_create(struct device *d, const struct adr_plan *plan, struct adr_flow *f, void **memory);
/* The same for heat: cosine waves and the analysis that gives their coefficients. */
void adr_heat_tables(struct device *d, int side, struct adr_waves_table *cosine, struct adr_waves_table *analysis,
                     void **memory);

/* The images of a call. Captures of image i at level k: start[k * images + i], follow[...], ..., -1 ends. */
struct adr_images {
    int side, channels, images, order;
    enum lbm_walls walls;
    enum lbm_collision collision;
    float base;      /* u = base + phi */
    float *phi;      /* [images, channels, L, L] */
    float *f, *next; /* [images, channels, 9, L, L] populations less w_i base; pull: before they move, chip: after */
    const struct adr_hold *hold;
    const float *v;   /* [items of a launch, 2, L, L] */
    const int *begin; /* as in adr_flow */
    const int *field; /* [images] that are captured past level 0 */
    const int *last;  /* [images] last captured level */
    const int *start, *follow;
    const int64_t *slot;
    float *u, *delta;   /* [slots, L, L, channels]; delta may be NULL */
    float scale, offset; /* image value = scale phi + offset */
};
/* u0 [images, L, L, channels] to phi, and to the captures of level 0. */
void cuda_adr_load(struct device *d, const struct adr_images *s, const float *u0);
/* The holds of a launch by the pull kernel; `hold` are the plan's on the host. wanted [levels + 1]: some image
 * captures the level. Swaps f and next. */
void cuda_adr_pull(struct device *d, struct adr_images *s, const struct adr_hold *hold, const struct adr_launch *l,
                   const unsigned char *wanted);

/* How the chip kernel (tau = 1) would take images of this side: columns a lane, rows a warp, warps a block, blocks a
 * cluster. columns 0: not at all. warps_limit > 0 limits the block (tests: clusters of small images). */
struct adr_chip {
    int columns, rows, warps, cluster;
};
struct adr_chip cuda_adr_chip_layout(struct device *d, int side, int warps_limit);
void cuda_adr_chip(struct device *d, const struct adr_images *s, const struct adr_chip *c, const struct adr_launch *l);
/* The same for nine populations, which are in s->f between launches. */
struct adr_chip cuda_adr_chip_bgk_layout(struct device *d, int side, int warps_limit);
void cuda_adr_chip_bgk(struct device *d, const struct adr_images *s, const struct adr_chip *c,
                       const struct adr_launch *l);

/* Exact blur. */
struct adr_heat {
    int side, channels, images, batch; /* batch: captures at once */
    struct adr_waves_table cosine, analysis;
    float *spectrum, *coefficient, *middle; /* [images, channels, L, L] */
    const double *sigma;         /* [levels + 1] */
};
struct adr_heat_capture {
    int64_t slot;
    int image, level;
};
void cuda_adr_heat_spectrum(struct device *d, const struct adr_heat *h, const float *u0);
void cuda_adr_heat_images(struct device *d, const struct adr_heat *h, int captures,
                          const struct adr_heat_capture *capture, const float *u0, float *u, float *delta);
#ifdef __cplusplus
}
#endif
