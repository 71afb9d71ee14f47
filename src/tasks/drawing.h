/* SPDX-License-Identifier: Apache-2.0
 * drawing: what sample.c and interpolate.c share: everything that a walk from priors to images needs. */
#pragma once
#include "files/dataset.h"
#include "tasks/finite_data.h"
#include "tasks/model.h"

struct drawing {
    struct job *job;
    struct model model;        /* network 'unet' */
    struct finite_data finite; /* network 'exact' */
    struct network *network;   /* of one of the two */
    struct corruption priors;
    struct adr_plan plan;
    float *field;            /* velocity file, or NULL */
    struct h5_file *dataset; /* serial */
    struct dataset_shape shape;
    const struct target *target;
    sampler_fn sampler;
    int64_t per_image;
    int steps; /* of a walk */
    float *x, *scratch;    /* device [batch, per_image] */
    float *images, *prior; /* host [batch, per_image] */
    int64_t *seed_image;   /* [batch] */
    int64_t held_out;      /* samples before this one start from held-out images, the others from training images */
    float *chain;          /* host [rows, columns, per_image], first batch of rank 0, else NULL */
    int chain_rows, chain_columns;
    int64_t step; /* of the checkpoint the weights are from; 0 with network 'exact' */
};

/* Collective, behind the samples in their file: /interpolation [pairs, steps, H, W, C] between samples 2p and 2p+1, ends
 * included. */
int draw_interpolation(struct drawing *w, struct h5_file *file);
/* interpolation.png from it; rank 0, the file open serially. */
int draw_interpolation_picture(struct drawing *w, struct h5_file *file);

/* Collective. samples_nearest.png: the first samples of the file, each beside its nearest training image. */
int draw_nearest(struct drawing *w, const char *samples_path);
