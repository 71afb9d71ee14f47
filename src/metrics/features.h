/* SPDX-License-Identifier: Apache-2.0
 * features: images to feature vectors. Frechet distances on them are called FD-pixels and FD-random,
 * never FID. Images are clipped to [0,1] first; NaN becomes 0.
 *
 * 'pixels': means of 2 x 2 pixels, [h, w, channels]; an odd last row or column is averaged by itself.
 * Where more than 4096 values would remain, they are halved again (28 px grey: 14 x 14 = 196 values,
 * 64 px RGB: 32 x 32 x 3 = 3072, 128 px RGB: 32 x 32 x 3 = 3072).
 *
 * 'random': a fixed random network, version 1; changing any of this changes FD-random.
 *   input      2 x - 1
 *   3 layers   3 x 3 convolution of stride 2, zero padding 1, no bias, then SiLU; 32, 64, 128 channels
 *   weights    OHWI, element e of layer l = 0, 1, 2 is sqrt(2 / (9 c_in)) times a standard normal: number
 *              e % 4 of rng_draw(0, RNG_FEATURES, l, 0, e / 4), words 0,1 giving numbers 0,1 through
 *              rng_normal2 and words 2,3 numbers 2,3
 *   features   128 means over the whole last map, then the first 16 channels averaged over 4 x 4 cells,
 *              [row, column, channel] = 256 values: 384 in all. Cell i of a map of h rows spans rows
 *              floor(i h / 4) to ceil((i + 1) h / 4) - 1, columns alike.
 * Arithmetic is fp32 on the device, means are taken in double. */
#pragma once
#include <stdint.h>

#include "device/device.h"

struct feature_net;
/* name 'pixels' or 'random'; images [n, side, side, channels]; batch: images the device takes at a time. Non-zero and
 * a message for an unknown name. */
int features_create(struct device *d, const char *name, int side, int channels, int batch, struct feature_net **out);
int features_dim(const struct feature_net *f);
/* images [n, side, side, channels] fp32 and out [n, dim], both on the host; any n. */
void features_run(struct feature_net *f, int64_t n, const float *images, float *out);
void features_destroy(struct feature_net *f);
