/* SPDX-License-Identifier: Apache-2.0
 * plan: what a run will need, from three sources: the deck and its images (check.c), a trial of the deck's own network
 * forward process and features for some seconds on this machine (plan_trial.c, plan_trial_images.c), and sums over what
 * the tasks allocate and how often they call what (plan_cost.c, plan_cost_evaluate.c). tests/cli/test_plan.sh holds the
 * sums against real runs. */
#pragma once
#include "tasks/tasks.h"

struct plan_images {
    int64_t count, test_count; /* held out; INT64_MAX: some */
    int side, channels;
};
/* From dataset.h5 if it is there, else from the source, else from the deck; non-zero if none says it. One rank. */
int plan_look_at_images(struct job *job, struct plan_images *out);

enum plan_stage { PLAN_IMPORT, PLAN_PRECOMPUTE, PLAN_TRAIN, PLAN_SAMPLE, PLAN_EVALUATE, PLAN_STAGES };

/* What the trial measured: seconds of the slowest rank, all ranks at work at once; bytes that a rank's program took
 * beside the device memory that the interface asks for (oneDNN's copies of weights, fields of the flow, scratch). */
struct plan_trial {
    double slab_s;                      /* corrupting an image of a store's slab, all its pairs */
    double image_s;                     /* corrupting an image to one level; the mean over levels */
    double step_s, forward_s;           /* training on one micro-batch without optimizer; one network evaluation */
    int step_images, forward_images;    /* of those: fewer than the deck's where that would take too long */
    double optimizer_s, reduce_wait_s;  /* of a step */
    double process_bytes, training_bytes, forward_bytes, scratch_bytes;
    double program_bytes[PLAN_STAGES]; /* resident beside the counted memory: code, also that made at run time,
                                          libraries, buffers of MPI and HDF5 */
    int64_t params;
    /* import: opening the source, reading an image of it; what it holds while open, and the most that was resident
     * until then. read_s NAN: the source is not there. */
    double open_s, read_s, source_bytes, open_peak_bytes;
    int64_t source_images; /* to be read, of both splits */
    struct plan_eye {      /* a kind of features of evaluate; dim 0: its weights are not there */
        int dim;
        double device, host; /* bytes while it is open */
        double image_s;
    } eye[MAX_METRICS];
    double left_bytes; /* of libraries that only import and evaluate use: not in the other stages' program */
};
/* The parts of it for import and evaluate (plan_trial_images.c). Collective. */
void plan_try_import(struct job *job, struct plan_trial *t);
int plan_try_features(struct job *job, const struct adr_plan *plan, struct plan_trial *t);
/* Resident memory beside the counted heap: the program itself, its libraries and what they take. */
double plan_program_bytes(void);
/* Heap that is not device memory. */
double plan_own_bytes(const struct device *d);

/* Collective. batch: images of a training micro-batch of a run on `ranks` ranks. */
int plan_try(struct job *job, const struct adr_plan *plan, int batch, struct plan_trial *t);

struct plan_need {
    double device, host; /* bytes a rank at most; on processors both are memory of the node */
    double seconds;      /* without files; NAN: not estimated */
};
/* Images of a training micro-batch on so many ranks. */
int plan_micro_batch(const struct settings *s, int64_t ranks);
struct plan_need plan_import(const struct job *job, const struct plan_images *images, const struct adr_plan *plan,
                             const struct plan_trial *t, int ranks);
struct plan_need plan_precompute(const struct job *job, const struct plan_images *images, const struct adr_plan *plan,
                                 const struct plan_trial *t, int ranks);
struct plan_need plan_train(const struct job *job, const struct plan_images *images, const struct adr_plan *plan,
                            const struct plan_trial *t, int ranks);
struct plan_need plan_sample(const struct job *job, const struct plan_images *images, const struct adr_plan *plan,
                             const struct plan_trial *t, int ranks);
struct plan_need plan_evaluate(const struct job *job, const struct plan_images *images, const struct adr_plan *plan,
                               const struct plan_trial *t, int ranks);
