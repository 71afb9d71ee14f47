/* SPDX-License-Identifier: Apache-2.0
 * The settings of the pictures to learn from: &dataset. */
#include "images/images.h"

#define AT(member) offsetof(struct dataset_settings, member)
const struct deck_field dataset_fields[] = {
    {"format", DECK_STRING, AT(format), "'idx'", 0, 0, "idx|folder|zip|lmdb|font|hdf5", "",
     "How the images are stored: 'idx' is the format of MNIST and Fashion-MNIST (plain or gzip), "
     "'folder' and 'zip' hold PNG, JPEG or WebP files (FFHQ, NVlabs; labels from dataset.json), "
     "'lmdb' "
     "is LSUN's, 'font' draws the bitmaps of a colour font, 'hdf5' takes /images of an HDF5 file.",
     1, 0},
    {"path", DECK_STRING, AT(path), "''", 0, 0, NULL, "", "File or folder of the training images.",
     1, 0},
    {"test_path", DECK_STRING, AT(test_path), "''", 0, 0, NULL, "",
     "File or folder of the images held out from training; '' takes test_fraction of the training "
     "images.",
     1, 0},
    {"labels", DECK_STRING, AT(labels), "''", 0, 0, NULL, "",
     "IDX file with one label a training image; optional.", 1, 0},
    {"test_labels", DECK_STRING, AT(test_labels), "''", 0, 0, NULL, "",
     "IDX file with one label a held-out image; optional.", 1, 0},
    {"test_fraction", DECK_REAL, AT(test_fraction), "0.0", 0, 1, NULL, "",
     "Without test_path: the part of the images, the last ones, that is held out from training.", 1,
     0},
    {"resolution", DECK_INT, AT(resolution), "0", 0, 65536, NULL, "px",
     "Side to which the images are cropped square and scaled; 0 leaves them as stored.", 1, 0},
    {"channels", DECK_INT, AT(channels), "0", 0, 3, NULL, "",
     "1 for grey, 3 for colour, 0 for as stored.", 1, 0},
    {"limit", DECK_INT, AT(limit), "0", 0, 1e15, NULL, "images",
     "Use only the first so many training images; 0 uses all.", 1, 0},
    {"test_limit", DECK_INT, AT(test_limit), "0", 0, 1e15, NULL, "images",
     "Use only the first so many held-out images; 0 uses all.", 1, 0},
    {"flip", DECK_BOOL, AT(flip), ".false.", 0, 0, NULL, "",
     "Also train on every image's mirror image (left and right exchanged).", 1, 0},
    {"on_damaged", DECK_STRING, AT(on_damaged), "'stop'", 0, 0, "stop|skip", "",
     "What to do about a picture that cannot be read: end the run, or name it, count it and leave "
     "it out.",
     1, 0},
};
const int dataset_field_count = sizeof dataset_fields / sizeof *dataset_fields;
