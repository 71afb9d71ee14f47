/* SPDX-License-Identifier: Apache-2.0
 * evaluation: what the parts of evaluate share: the sets, the scores so far, and how an evaluation that was stopped goes
 * on. Every score is a unit: computed once, then on disk (finished.h); between units a stop is asked for. */
#pragma once
#include "base/log.h"
#include "metrics/metrics.h"
#include "tasks/finished.h"
#include "tasks/image_set.h"

/* Sets that are compared with the real images. Where samples are of both kinds of seeds (sample.prior_split = 'both'),
 * SAMPLES and PRIOR are those of held-out ones. */
enum { SAMPLES, SAMPLES_TRAIN, PRIOR, PRIOR_TRAIN, TEST, COMPARED };

struct lpips_summary {
    double pairs, repeated; /* pairs that count; seeds with more than one sample */
    double mean, pair_std;  /* over the pairs */
    double std;             /* over the samples of a seed, averaged over the seeds */
};

struct evaluation {
    struct job *job;
    const char *seeds;                             /* of the samples: "test" "train" "both", "" not known */
    struct image_set real, compared[COMPARED];     /* an absent set has total 0 */
    /* scores; what was not asked for stays zero */
    struct feature_scores {
        int is_fid; /* fd may be called so */
        double fd[COMPARED];
        struct prdc prdc[COMPARED];
    } features[MAX_METRICS];                       /* in the order of the deck */
    double nearest[COMPARED], memorised[COMPARED]; /* memorised below 0: not known */
    struct lpips_summary lpips[COMPARED];
    double *spectrum[1 + COMPARED];                /* [side / 2 + 1], the first that of the real images */
    /* going on */
    struct finished *finished;
    struct progress progress; /* in images: every pass over a set counts its images */
    int64_t seen, total;
    double slowest_s; /* unit */
};

extern const char *const compared_name[COMPARED]; /* keys: "samples" "samples_train" "prior" ... */
/* "samples (train seeds)" */
enum { LABEL = 32 };
const char *compared_label(const struct evaluation *e, int which, char label[LABEL]);
int metric_of_deck(const struct evaluate_settings *s, const char *metric);
int metric_wanted(const struct evaluation *e, const char *metric);

/* Was this unit, a pass over so many images, finished by an earlier start? Then 1 and its numbers. Collective. */
int unit_found(struct evaluation *e, const char *what, int n, double *value, int64_t images);
/* It is finished now. TASK_DONE, TASK_FAILED or TASK_STOPPED. Collective. */
int unit_finish(struct evaluation *e, const char *what, int n, const double *value, int64_t images, double began_s);

/* One family of scores each. TASK_DONE, TASK_FAILED or TASK_STOPPED. Collective. */
int score_features(struct evaluation *e, int feature); /* fd and prdc */
enum { NEAREST_TILE_BYTES = 256 << 20 }; /* of a set's images that meet those of another at a time */
int score_nearest(struct evaluation *e);
int score_lpips(struct evaluation *e);
int score_spectra(struct evaluation *e);

/* metrics.json; rank 0. */
int evaluation_write(const struct evaluation *e);
void evaluation_print(const struct evaluation *e, int feature);
