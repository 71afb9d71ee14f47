/* SPDX-License-Identifier: Apache-2.0
 * samples.h5: /images float32 [M,H,W,C] nominally in [0,1], unclipped; /prior the same, noise-free; /seed_image int64 [M].
 * The attribute "samples_done" counts whole batches on disk, so a killed run goes on there. */
#pragma once
#include "files/h5io.h"

int samples_create(const char *path, struct comm *comm, int64_t count, int side, int channels, int64_t chunk_rows,
                   const char *deck, const char *mode, int resume, struct h5_file **out, int64_t *samples_done);
int samples_write(struct h5_file *f, int64_t first, int64_t count, const float *images, const float *prior,
                  const int64_t *seed_image);
int samples_mark(struct h5_file *f, int64_t samples_done);
int samples_finish(struct h5_file *f);
