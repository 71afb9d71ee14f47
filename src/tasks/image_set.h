/* SPDX-License-Identifier: Apache-2.0
 * image_set: any set of images to be scored, as fp32 in [0,1], read from its file as it is needed: nothing of it stays in
 * memory. Every rank has its own even share and reads it alone. */
#pragma once
#include "tasks/tasks.h"

struct image { /* x [height, width, channels] */
    int height, width, channels;
    const float *x;
};

struct image_source;
struct image_set {
    int64_t total, first, count; /* over all ranks; this rank's rows */
    int height, width, channels; /* of its images; of a folder or ZIP those of the first picture, others may differ */
    char path[JOB_PATH], dataset[32];
    int64_t from;                /* row of the dataset where the set begins */
    int type;                    /* enum h5_type */
    struct h5_file *file;        /* one of the two */
    struct image_source *source;
};

/* 'folder' (of PNG, JPEG, WebP) or 'zip' if path is one, else NULL: an HDF5 file. */
const char *image_set_format(const char *path);

/* dataset: "/images" "/test_images" "/prior" of an HDF5 file, uint8 (divided by 255) or float32 [N,H,W,C]; of it limit
 * rows behind row `from`, 0 = all there are. Collective; 0, or the reason is printed on some rank. */
int image_set_open(struct comm *comm, const char *path, const char *dataset, int64_t from, int64_t limit,
                   struct image_set *out);
void image_set_close(struct image_set *s); /* of a set that is all zero too */

static inline int64_t image_values(const struct image_set *s)
{
    return (int64_t)s->height * s->width * s->channels;
}
/* So many of its images are held at a time: 128, or fewer where they are large (64 MiB; at least one). */
int64_t image_set_slab(const struct image_set *s);

/* Rows first..first+count of this rank's share (0 is its first), which must all be of the set's size: out
 * [count, height, width, channels]. Not collective; 0, or file and reason are printed. */
int image_set_read(const struct image_set *s, int64_t first, int64_t count, float *out);
/* The same for images of any sizes; each x is to be freed with images_free. */
int image_set_read_any(const struct image_set *s, int64_t first, int64_t count, struct image *out);
void images_free(int64_t count, struct image *images);
