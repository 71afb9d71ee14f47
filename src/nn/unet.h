/* SPDX-License-Identifier: Apache-2.0
 * unet: the U-Net of the inverse-heat-dissipation code (model_code/unet.py, derived from openai/guided-diffusion):
 * residual blocks with group norm and time embedding, single-head attention at chosen levels, strided-convolution down,
 * nearest up. Level numbers count from 0 at full resolution. */
#pragma once
#include "deck/deck.h"
#include "nn/graph.h"

enum { UNET_MAX_LEVELS = 8 };
struct unet_settings { /* &unet */
    int64_t channels;
    int64_t multipliers[UNET_MAX_LEVELS];
    int multiplier_count;
    int64_t blocks;
    int64_t attention_levels[UNET_MAX_LEVELS];
    int attention_level_count;
    int middle_attention;
    int64_t heads;
    double dropout;
};
struct network_settings { /* &network */
    char kind[DECK_TEXT];
};
extern const struct deck_field unet_fields[], network_fields[];
extern const int unet_field_count, network_field_count;

/* Non-zero, with the reason and what would do, if an image of this side cannot pass the network's levels (each halves;
 * an odd side such as 7 may only stand at the last level) or channels do not divide into 32 groups or heads. */
int unet_check(const struct unet_settings *s, int side);

/* Adds the network's operations to an empty graph (whose device may be NULL if it is only to be counted). */
void unet_build(struct graph *g, const struct unet_settings *s, int side, int channels);

/* Builds and plans the network for images [batch, side, side, channels]. */
struct graph *unet_create(struct device *d, const struct unet_settings *s, int side, int channels, enum dtype type,
                          int batch, int training);
