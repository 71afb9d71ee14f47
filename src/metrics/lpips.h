/* SPDX-License-Identifier: Apache-2.0
 * lpips: the distance of Zhang et al. 2018, version 0.1, from the maps of a trunk network: at every tap the maps of both
 * images are scaled to unit length over the channels (eps 1e-10), the squared difference is weighted by the published
 * linear layer and averaged over the pixels; taps are summed. */
#pragma once
#include <stdint.h>

/* Input of the trunk from images in [0,1]: ((2 x - 1) - shift) / scale. */
static const float lpips_shift[3] = {-0.030f, -0.088f, -0.188f}, lpips_scale[3] = {0.458f, 0.448f, 0.450f};

/* One tap of one pair: maps a, b [pixels, channels], weights [channels]. */
double lpips_tap(int64_t pixels, int channels, const float *a, const float *b, const float *weights);

