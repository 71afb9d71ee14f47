/* SPDX-License-Identifier: Apache-2.0
 * heldout: the training loss on images that are not trained on, level by level, with the averaged weights. Image i of m
 * has a fixed level in the i-th m-th of 1..K, a fixed velocity that no training image has, and fixed noise, so that the
 * numbers of a run can be compared with one another. Images are corrupted anew each time: nothing is kept. */
#pragma once
#include "base/split.h"
#include "tasks/corruption.h"
#include "tasks/model.h"

enum { HELDOUT_BINS = 8 };

struct heldout {
    struct h5_file *dataset; /* NULL: there are no held-out images, or none are wanted */
    int64_t images;          /* over all ranks */
    struct range mine;
    struct adr_plan plan;
    float *field; /* velocity file, or NULL */
    struct corruption corruption;
    struct model model; /* without dropout */
    const struct target *target;
    float *u, *delta, *input, *want, *output; /* device [batch, per_image] */
    float *loss;                              /* device [batch] */
    float *loss_host;                         /* [batch] */
    int32_t *level;                           /* [batch] */
};
struct heldout_loss {
    double mean;
    int bins;
    double
        by_level[HELDOUT_BINS]; /* levels 1 + K b/bins .. K (b+1)/bins; NaN where no image fell */
};

/* Collective. batch: images a rank evaluates at a time. */
int heldout_open(struct job *job, int batch, struct heldout *h);
void heldout_close(struct job *job, struct heldout *h);

/* Collective. average: device, the weights. Non-zero with a message if images cannot be read. */
int heldout_measure(struct job *job, struct heldout *h, const float *average,
                    struct heldout_loss *out);
