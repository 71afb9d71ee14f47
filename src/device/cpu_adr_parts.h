/* SPDX-License-Identifier: Apache-2.0
 * cpu_adr_parts: what the files of cpu_adr share. A group is simd->lanes images, one a vector lane;
 * a thread takes one group through all its levels before the next, so that its state stays in the
 * second cache. */
#pragma once
#include "device/cpu_adr.h"
#include "device/simd/simd_adr.h"

enum { ADR_LANES_MOST = 16 };

/* Waves along one axis and their place in a table of coefficients [along y][along x]: the cosine
 * (or only) wave of mode m is number cosine[m], the sine wave number sine[m], -1 = none. */
struct cpu_waves {
    struct adr_waves waves;
    int count, most;    /* waves; largest m */
    float *table;       /* owned, behind waves */
    int *cosine, *sine; /* owned */
};
void cpu_waves_sine(int side, int most, struct cpu_waves *w); /* sin(pi m x), m = 1..most */
void cpu_waves_full(int side, int most, struct cpu_waves *w); /* cos, sin(2 pi m x), m = 0..most */
void cpu_waves_cosine(int side, struct cpu_waves *w); /* orthonormal DCT-II: its synthesis ... */
void cpu_waves_analysis(const struct cpu_waves *cosine, struct cpu_waves *w); /* ... and analysis */
void cpu_waves_free(struct cpu_waves *w);
/* Largest |m| or |n| with an amplitude; kappa/(2 pi) of the mode that each coefficient belongs to,
 * turns [count, count], zero before. */
int cpu_waves_highest(const struct adr_plan *plan, const double *amplitude);
void cpu_waves_turns(const struct adr_plan *plan, const struct cpu_waves *w, double *turns);

/* The velocity of all images, planned: which phases go where. */
struct cpu_spectrum {
    int parts; /* fields that are sums of waves: 1 psi, 2 velocity components, 0 none */
    struct cpu_waves waves;
    struct fft_cpu *fft; /* NULL: matrix products */
    double *turns;       /* kappa/(2 pi) [count, count] */
    struct adr_draw *draw;
    struct adr_target *target;
    int draws, targets;
};
void cpu_spectrum_init(const struct adr_plan *plan, int lanes, struct cpu_spectrum *s);
void cpu_spectrum_free(struct cpu_spectrum *s);

/* One thread's arrays; sizes in cells of `lanes` floats unless said. */
struct cpu_group {
    int live; /* lanes in use; the others repeat lane 0 */
    uint64_t keys[ADR_LANES_MOST];
    int same_key, shared; /* all keys equal; the velocity of this hold is in shared_x, shared_y */
    int drawn, made;      /* phases drawn for these keys; waves summed and never to change */
    float *part[2];       /* cosine and sine parts [parts, count, count] */
    float *coefficient, *middle; /* [count, count], [count, side] */
    float *fft;                  /* fft_cpu_work() */
    float *cosine, *sine;        /* floats [count, count] */
    float *psi;                  /* [side + 2, side + 2] */
    float *raw[2];               /* velocity before its scale [side, side] */
    float *vx, *vy;              /* half the velocity [side, side] */
    float *shared_x, *shared_y;  /* the same, floats [side, side] */
    double *given;               /* double [2, side, side] */
    float *phi, *before;         /* [channels, side, side]; before: heat */
    float *f;                    /* [channels, side + 2, side + 2, 9] */
    float *rows;
    float *factor[2]; /* [1] */
    double sums[4][ADR_LANES_MOST];
    float peaks[2][ADR_LANES_MOST];
    struct adr_stats stats;
};

struct adr {
    const struct adr_plan *plan; /* borrowed */
    const struct simd_adr *simd;
    int threads, max_images;
    float base; /* what is subtracted from the solver's values in storage */
    struct cpu_spectrum spectrum;
    double file_rms, *given; /* kinds in closed form: the field of V = 1 [2, side, side] */
    struct cpu_waves cosine, analysis; /* heat */
    struct fft_cpu *cosine_fft;
    struct cpu_group *group; /* [threads] */
    int *order, *place;      /* images in order of key; place of an image in that order */
    int *first, *list;       /* captures by group: list[first[g]] .. list[first[g+1] - 1] */
    int list_capacity;
    struct adr_stats unread; /* of runs that nobody asked about yet */
};

/* New images in the group: keys[0..live-1]. */
void cpu_field_keys(const struct adr *a, struct cpu_group *g, int live, const uint64_t *keys);
/* The field held at `step` of `level`, into vx, vy (and shared_x, shared_y where it is the same for
 * all). */
void cpu_field_make(const struct adr *a, struct cpu_group *g, int level, int step);

/* Images [cells of one channel, lane] in `phi` to spectra, and the level's images (or the
 * difference of the level before and it) from them. */
void cpu_heat_spectrum(const struct adr *a, struct cpu_group *g, float *phi);
void cpu_heat_image(const struct adr *a, struct cpu_group *g, const float *spectrum, int level,
                    int difference, float *out);
