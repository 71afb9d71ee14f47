/* SPDX-License-Identifier: Apache-2.0
 * import_source: the images that &dataset names, of every format; HDF5 files too, which the images room does not see. */
#pragma once
#include "images/images.h"

/* test 0: s->path, 1: s->test_path. Format 'hdf5': /images of that file; where both paths are the same file, /test_images
 * for test. threads as in image_source_open. */
int import_source_open(const struct dataset_settings *s, int test, int threads, struct image_source **out);

/* Chunks of dataset.h5 that a rank decodes in a round: long enough that ranks seldom wait for each other. */
enum { IMPORT_ROUND_CHUNKS = 4 };
