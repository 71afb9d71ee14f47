/* SPDX-License-Identifier: Apache-2.0
 * trajectories.h5: corrupted pairs. /u and /delta float16 or float32 [P,H,W,C], /image int64 [P], /level int32 [P];
 * pair p = image*pairs_per_image + j. With all levels /u and /delta are [N,K,H,W,C] instead, level k at index k-1 of the
 * second dimension, and /image and /level, which would say nothing new, are absent; pair p = image*K + k-1. Written slab
 * by slab in image order; the attribute "images_done" counts images whose pairs are on disk (flushed), so a killed run
 * goes on there. */
#pragma once
#include "deck/deck.h"
#include "files/h5io.h"

struct store_settings { /* &store */
    char kind[DECK_TEXT];
    int64_t pairs_per_image;
    char precision[DECK_TEXT];
    char hints[DECK_TEXT];
};
extern const struct deck_field store_fields[];
extern const int store_field_count;

struct trajectories_shape {
    int64_t images, pairs_per_image;
    int side, channels, levels;
    enum h5_type type; /* H5_F16 or H5_F32 */
    int all_levels;    /* 1: kind 'levels', pairs_per_image = levels */
};
/* Images whose pairs share one chunk, a multiple of 16; slabs are whole multiples of this. */
int64_t trajectories_chunk_images(const struct trajectories_shape *s);

/* Collective. Creates path, or reopens an incomplete file of the same shape and deck and sets *images_done (multiple
 * of the chunk). The caller decides beforehand (h5_probe, deck_differences) whether an existing file may be reused. */
int trajectories_create(const char *path, struct comm *comm, const struct trajectories_shape *s, const char *deck,
                        const char *mode, const char *hints, int resume, struct h5_file **out, int64_t *images_done);
/* This rank's images first..first+count (count may be 0): u and delta [count*ppi,...] already in the file's type; level
 * [count*ppi] is not used with all levels. */
int trajectories_write(struct h5_file *f, const struct trajectories_shape *s, int64_t first, int64_t count, const void *u,
                       const void *delta, const int32_t *level);
int trajectories_mark(struct h5_file *f, int64_t images_done); /* flush, then the counter, then flush */
int trajectories_finish(struct h5_file *f);

/* Opens a complete file. */
int trajectories_open(const char *path, struct comm *comm, struct trajectories_shape *s, struct h5_file **out);
/* Pairs first..first+count of a file without all levels; any pointer may be NULL on every rank alike. */
int trajectories_read(struct h5_file *f, int64_t first, int64_t count, void *u, void *delta, int64_t *image,
                      int32_t *level);
/* One pair of either kind, from a file opened serially. */
int trajectories_read_pair(struct h5_file *f, const struct trajectories_shape *s, int64_t pair, void *u, void *delta,
                           int32_t *level);
