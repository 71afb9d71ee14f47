/* SPDX-License-Identifier: Apache-2.0
 * model: the network of a run with its flat vectors, as training and sampling share it. */
#pragma once
#include "nn/graph.h"
#include "process/process.h"
#include "tasks/tasks.h"

struct model {
    struct device *device; /* borrowed */
    struct graph *graph;
    int batch, side, channels;
    int64_t param_count;
    float *params;  /* device, the EMA weights of sampling; NULL in training, where the optimizer
                       owns them */
    float *image;   /* device [batch,side,side,channels]: input staging */
    int32_t *level; /* device [batch] */
    struct draw_key *draw;  /* device: of a batch's noise and dropout */
    int32_t *level_host;    /* [batch] */
    struct network network; /* eval through this model; n <= batch */
};

/* Non-zero with the reason if the network does not fit the images. */
int model_create(struct job *job, int side, int channels, int batch, int training, struct model *m);
void model_free(struct model *m);

/* Loads the EMA weights of the newest good checkpoint on every rank (rank 0 reads) and checks that
 * its deck fits. *step: the training step it is from. */
int model_load_ema(struct job *job, struct model *m, int64_t *step);
