/* SPDX-License-Identifier: Apache-2.0
 * exact: the network that needs no training, because on a finite data set {y_i} the best answer has a closed form. With
 * training noise sigma the input x at level k is a mixture of Gaussians about the corrupted images A_k y_i, so
 *
 *     w_i = softmax_i( -|x - A_k y_i|^2 / (2 sigma^2) ),      F = sum_i w_i A_{k-1} y_i - x      (target 'delta')
 *                                                             F = sum_i w_i y_i                  (target 'x0')
 *
 * minimises the training loss over all functions of x. Each y_i has its own velocity, as in training. Walking with it can
 * only end at the data (Cao et al., arXiv 2501.17054): an oracle for samplers and for the
 * metrics that should notice copies.
 *
 * The images are dealt out over ranks. Each rank's inputs go to all; largest exponent, then sums of e_i and e_i
 * A_{k-1} y_i are reduced in double. */
#pragma once
#include "comm/comm.h"
#include "process/process.h"

/* This rank's share of the corrupted images, levels low..high: states host [high-low+1, count, per_image]. clean: NULL
 * for target 'delta'; for 'x0' the images y_i, host [count, per_image], borrowed. */
struct exact_source {
    void *context;
    void (*corrupt)(void *context, int low, int high, float *states);
    const float *clean;
};

/* count may be 0 on some ranks. batch: inputs of a call at most. sigma > 0. The answer's eval is collective: every rank
 * calls it, if need be with n = 0, and all inputs of a call on all ranks have the same level. */
struct network *exact_create(struct device *d, struct comm *comm, const struct exact_source *source,
                             int levels, int64_t count, int64_t per_image, int batch, double sigma);
void exact_destroy(struct network *net);
