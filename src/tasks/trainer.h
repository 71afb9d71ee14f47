/* SPDX-License-Identifier: Apache-2.0
 * trainer: the state of a training run, and how it goes to checkpoints and comes back. The steps are in train.c. */
#pragma once
#include "files/checkpoint.h"
#include "nn/optimizer.h"
#include "tasks/batch.h"
#include "tasks/heldout.h"

struct trainer {
    struct job *job;
    struct model model;
    struct optimizer *optimizer;
    struct batch_source source;
    struct heldout heldout;
    const struct target *target;
    float *u, *delta, *want, *doutput; /* device [capacity, per_image] */
    float *grads;                      /* device [param_count], zero between steps */
    float *image_loss;                 /* device [capacity], of the micro-batch at hand */
    float *loss; /* device [log_every, accumulate, capacity], summed on the host at log time */
    float *loss_host;
    struct repeat *pass[2], *forward[2], *update; /* of train.c */
    int capacity;      /* images of a micro-batch */
    int loss_steps;    /* steps in `loss` so far */
    int64_t step;      /* steps done */
    float *state_host; /* [4 * param_count] staging of checkpoints, page-locked where that helps */
    struct checkpoint_writer *writer; /* rank 0: the checkpoint that is being written, or NULL */
    double write_s;    /* rank 0: how long the last one took in the background */
};

/* Everything a step needs, with random weights. All functions are collective and return 0, or print why not; all
 * ranks the same. trainer_free also takes what a failed trainer_create left. */
int trainer_create(struct job *job, struct trainer *t);
void trainer_free(struct trainer *t);

/* Goes on from the newest good checkpoint of a run with the same physics and network; without one, from train.init or
 * the random weights. Sets t->step. */
int trainer_resume(struct trainer *t);

/* begin: a copy of the state is taken and rank 0 writes it while training goes on. end: waits until it is safe on disk
 * (at once if there is none); needed before the next begin. */
int trainer_save_begin(struct trainer *t);
int trainer_save_end(struct trainer *t);
