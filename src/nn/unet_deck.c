/* SPDX-License-Identifier: Apache-2.0
 * The settings of the network: &network, &unet. */
#include "nn/unet.h"

const struct deck_field network_fields[] = {
    {"kind", DECK_STRING, offsetof(struct network_settings, kind), "'unet'", 0, 0, "unet|exact", "",
     "What undoes a level: 'unet' is a trained U-Net, 'exact' the closed form on the training "
     "images (no training).",
     1, 0},
};
const int network_field_count = sizeof network_fields / sizeof *network_fields;

#define AT(member) offsetof(struct unet_settings, member)
const struct deck_field unet_fields[] = {
    {"channels", DECK_INT, AT(channels), "64", 1, 65536, NULL, "",
     "Channels at full resolution; a multiple of 32.", 1, 0},
    {"multipliers", DECK_INT, AT(multipliers), "1, 2, 2", 1, 1024, NULL, "",
     "One number a level, from full resolution down: the level's channels over those at full "
     "resolution.",
     UNET_MAX_LEVELS, AT(multiplier_count)},
    {"blocks", DECK_INT, AT(blocks), "2", 1, 64, NULL, "", "Residual blocks a level.", 1, 0},
    {"attention_levels", DECK_INT, AT(attention_levels), "2", -1, UNET_MAX_LEVELS - 1, NULL, "",
     "Levels with self-attention behind every block, counted from 0 at full resolution; -1 stands "
     "for none.",
     UNET_MAX_LEVELS, AT(attention_level_count)},
    {"middle_attention", DECK_BOOL, AT(middle_attention), ".true.", 0, 0, NULL, "",
     "Self-attention in the middle, at the lowest resolution.", 1, 0},
    {"heads", DECK_INT, AT(heads), "1", 1, 1024, NULL, "",
     "Heads of every self-attention; they share its channels.", 1, 0},
    {"dropout", DECK_REAL, AT(dropout), "0.1", 0, 0.99, NULL, "",
     "Part of the activations in every residual block that is set to zero at random in training.",
     1, 0},
};
const int unet_field_count = sizeof unet_fields / sizeof *unet_fields;
