/* SPDX-License-Identifier: Apache-2.0
 * judge: published networks that look at images for us: features 'squeezenet' and 'inception', and LPIPS. Weights come
 * from the safetensors files that the deck names; rank 0 reads them. Images are fp32 on the host, of the side given at the
 * start; 'inception' takes any size, scaled image by image. They are clipped and rounded to 8 bits as a PNG would hold
 * them, so that scores equal those of the exported PNGs; grey is repeated as RGB. Creation is collective. */
#pragma once
#include "nn/trunks.h"
#include "tasks/image_set.h"

struct judge;

/* 1 if these features are a trained network's. */
int judge_knows(const char *features);
/* The file with their weights, as the deck names it; "" if it names none. */
const char *judge_weights(const struct evaluate_settings *s, const char *features);
int judge_features(struct job *job, const char *features, int side, int channels, struct judge **out);
int judge_dim(const struct judge *g);
/* The weights say they are those of 2015-12-05: a Frechet distance on them is a FID. */
int judge_is_fid(const struct judge *g);
void judge_run(struct judge *g, int64_t n, const struct image *images, float *out); /* [n, dim] */

int judge_lpips(struct job *job, int side, int channels, struct judge **out);
/* distance [n] of a's and b's images, pair by pair; taps [n, TRUNK_MAX_TAPS] the shares of the taps, or NULL. */
void judge_pairs(struct judge *g, int64_t n, const float *a, const float *b, double *distance, double *taps);

void judge_destroy(struct judge *g); /* NULL is fine */
