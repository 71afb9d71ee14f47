/* SPDX-License-Identifier: Apache-2.0
 * dataset.h5: the images of a run. /images uint8 [N,H,W,C], /test_images uint8 [M,H,W,C], /labels, /test_labels int32. */
#pragma once
#include "files/h5io.h"

struct dataset_shape {
    int64_t count, test_count;
    int height, width, channels;
    int labels, test_labels; /* 1: the file has them */
};
enum { DATASET_CHUNK_BYTES = 1 << 20 };

/* Collective. Writing: create, then each rank writes its rows (test: 0 = /images, 1 = /test_images), then finish. */
int dataset_create(const char *path, struct comm *comm, const struct dataset_shape *shape, const char *deck,
                   const char *mode, const char *hints, struct h5_file **out);
int dataset_write(struct h5_file *f, int test, int64_t first, int64_t count, const uint8_t *images);
int dataset_write_labels(struct h5_file *f, int test, int64_t first, int64_t count, const int32_t *labels);
int dataset_finish(struct h5_file *f); /* completion mark and close */

/* An import that was cut short goes on: how many images of the collection were looked at, and how many of them were well and
 * have rows, by split. mark: all rows so far are on disk, and counted. resume: opens what dataset_create of the same shape
 * began and mark counted, or returns 1 if that is not what stands there. */
struct dataset_progress {
    int64_t read[2], good[2];
};
int dataset_mark(struct h5_file *f, const struct dataset_progress *p);
int dataset_resume(const char *path, struct comm *comm, const struct dataset_shape *shape, const char *hints,
                   struct h5_file **out, struct dataset_progress *p);
int64_t dataset_chunk_rows(const struct dataset_shape *shape);

/* Opens a complete dataset (comm NULL: serial). Reading by rows: */
int dataset_open(const char *path, struct comm *comm, struct dataset_shape *shape, struct h5_file **out);
int dataset_read(struct h5_file *f, int test, int64_t first, int64_t count, uint8_t *images);
int dataset_read_labels(struct h5_file *f, int test, int64_t first, int64_t count, int32_t *labels);
