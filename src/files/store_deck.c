/* SPDX-License-Identifier: Apache-2.0
 * The settings of the file of corrupted images: &store. */
#include "files/trajectories.h"

#define AT(member) offsetof(struct store_settings, member)
const struct deck_field store_fields[] = {
    {"kind", DECK_STRING, AT(kind), "'pairs'", 0, 0, "pairs|levels|none", "",
     "What is stored for training: 'pairs' some levels of every image, 'levels' all of them, "
     "'none' nothing (training "
     "then corrupts as it goes).",
     1, 0},
    {"pairs_per_image", DECK_INT, AT(pairs_per_image), "8", 1, 100000, NULL, "",
     "For kinds 'pairs' and 'none': how many levels of every image make an epoch, spread evenly "
     "over all levels.",
     1, 0},
    {"precision", DECK_STRING, AT(precision), "'fp16'", 0, 0, "fp16|fp32", "",
     "Number format of the stored images; fp16 halves the file and errs by less than 1e-6 in the "
     "differences learnt.",
     1, 0},
    {"hints", DECK_STRING, AT(hints), "''", 0, 0, NULL, "",
     "Hints for the parallel file system, 'key:value, key:value' (for example "
     "'striping_factor:8').",
     1, 0},
};
const int store_field_count = sizeof store_fields / sizeof *store_fields;
