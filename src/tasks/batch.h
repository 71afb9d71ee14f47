/* SPDX-License-Identifier: Apache-2.0
 * batch: this rank's part of a global training batch. Batch s holds the pairs at places s*B .. s*B + B-1 of the endless
 * sequence of epochs, each epoch a keyed permutation of all pairs: the same for every rank count. A pair is an image with
 * a level; it is read from trajectories.h5, or, without a store, made from dataset.h5 at once: pair p is then what
 * place p of a store of `pairs_per_image` would hold, not rounded to fp16. A target that is about the clean images gets
 * them too, from dataset.h5. */
#pragma once
#include "base/split.h"
#include "files/trajectories.h"
#include "tasks/corruption.h"

struct batch_source {
    struct h5_file *file; /* trajectories.h5 or dataset.h5, serial */
    struct trajectories_shape shape;
    uint64_t seed;
    int64_t pairs, per_image;
    int capacity;        /* images of a micro-batch */
    int32_t *host_level; /* [capacity] */

    void *host_u, *host_delta; /* [capacity, per_image] in the file's type */
    void *packed;              /* device, one of the two */

    float *x0;               /* device [capacity, per_image], clean images of the last batch; NULL: not wanted */
    struct h5_file *dataset; /* where a store's clean images are, else NULL */
    float *host_x0;          /* [capacity, per_image] for those */

    int on_the_fly; /* then instead of these: */
    struct adr_plan plan;
    float *field; /* velocity file, or NULL */
    struct corruption corruption;
    struct place *order; /* [capacity] */
};

/* Collective. Non-zero, with the command that makes it, if the file is not there. */
int batch_source_open(struct job *job, int capacity, struct batch_source *b);
void batch_source_close(struct job *job, struct batch_source *b);

/* Places first..first+count of batch `step` (of global size `batch`): u and delta device fp32 [count,per_image], levels
 * to b->host_level, clean images to b->x0. Non-zero with a message if the file cannot be read. */
int batch_load(struct job *job, struct batch_source *b, int64_t step, int64_t batch, int64_t first,
               int64_t count, float *u, float *delta);
