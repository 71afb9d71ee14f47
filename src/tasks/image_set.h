/* SPDX-License-Identifier: Apache-2.0
 * image_set: any set of images to be scored, as fp32 in [0,1], this rank's share in memory. */
#pragma once
#include "tasks/tasks.h"

struct image_set {
    int64_t total, first, count; /* over all ranks; this rank's rows */
    int side, channels;
    float *images; /* host [count, side, side, channels] */
};

/* 'folder' (of PNG, JPEG, WebP) or 'zip' if path is one, else NULL: an HDF5 file. */
const char *image_set_format(const char *path);

/* dataset (of an HDF5 file; pictures of a folder or ZIP are taken as they are and must be alike): "/images" "/test_images" "/prior" of an HDF5 file, uint8 (divided by 255) or float32
 * [N,H,W,C]; limit: the first n images, 0 = all. Every rank reads its own even share, serially.
 * Free with mem_free(images). */
int image_set_load(struct comm *comm, const char *path, const char *dataset, int64_t limit,
                   struct image_set *out);
