/* SPDX-License-Identifier: Apache-2.0
 * corruption: clean images -> u_k and delta on the device, as precompute, training without a store, held-out losses and
 * priors all need it: which image, which velocity key, which levels. */
#pragma once
#include "process/process.h"
#include "tasks/tasks.h"

struct corruption {
    struct process *process; /* owned */
    int64_t per_image, capture_capacity;
    int capacity;   /* images of a call */
    float *host;    /* [capacity, per_image] clean images in [0,1]; filled by the caller */
    uint64_t *keys; /* [capacity] velocity keys; filled by the caller */
    struct adr_capture
        *captures; /* [capture_capacity] wanted states, in any order; filled by the caller */
    float *x0;     /* device [capacity, per_image] */
};

/* The plan is borrowed and must outlive it. */
void corruption_create(struct device *d, const struct adr_plan *plan, int images, int64_t captures,
                       struct corruption *c);
void corruption_free(struct corruption *c);

/* Corrupts what host, keys and captures say: device u and, unless NULL, delta [slots, per_image]. Sorts the captures. */
void corruption_run(struct corruption *c, int images, int64_t captures, float *u, float *delta);

/* What all calls since the last time saw is added; waits for the device. */
void corruption_stats(struct corruption *c, struct adr_stats *stats);

/* Level of pair j of the m pairs of an image: uniform within the j-th m-th of 1..K. A function of (seed, image, j), so
 * a store and corruption on the fly agree. */
int corruption_level(uint64_t seed, uint64_t image, int64_t j, int64_t m, int levels);
