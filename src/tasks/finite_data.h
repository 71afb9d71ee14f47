/* SPDX-License-Identifier: Apache-2.0
 * finite_data: network 'exact' of a run: this rank's share of the training images with the velocities of their training
 * trajectories, and the closed form on them (process/exact.h). */
#pragma once
#include "tasks/corruption.h"

struct finite_data {
    struct network *network;         /* NULL: not in use */
    struct device *device;           /* borrowed */
    const struct adr_plan *plan;     /* borrowed */
    int64_t first, count, per_image; /* of the training images */
    float *images;                   /* host [count, per_image] */
    struct corruption corruption;
    float *u; /* device, states of one call */
};

/* Collective. dataset: open serially. batch: samples a rank walks at a time. */
struct dataset_shape;
int finite_data_create(struct job *job, struct h5_file *dataset, const struct dataset_shape *shape,
                       const struct adr_plan *plan, int batch, struct finite_data *f);
void finite_data_free(struct finite_data *f);
