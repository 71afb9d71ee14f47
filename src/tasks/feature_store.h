/* SPDX-License-Identifier: Apache-2.0
 * feature_store: OUT/features-NAME.h5, the features of the images that were looked at so far, so that an evaluation that
 * was stopped or killed goes on where it was, on any number of ranks. A row counts if it carries the CRC-32 of its image:
 * features of images that have changed since are made again. Only there while an evaluation is under way. */
#pragma once
#include "base/log.h"
#include "tasks/eye.h"

struct feature_store;
struct named_set {
    const char *name; /* "real" "samples" "prior" "test" ... */
    const struct image_set *images; /* with total 0: absent */
};

/* Opens it, or makes it anew if it belongs to other weights or sizes. Collective; 0, or the reason is printed. */
int feature_store_open(struct job *job, const char *feature, int dim, int sets, const struct named_set *set,
                       struct feature_store **out);
/* features [count, dim] of this rank's images, from the file or the eye. Shows progress from `before` on, in images.
 * Collective; 0, TASK_FAILED or TASK_STOPPED. */
int feature_store_run(struct feature_store *f, struct eye *eye, const struct named_set *set, struct progress *progress,
                      int64_t before, float *features);
/* done: the evaluation has what it wanted, the file goes. NULL is fine. Collective. */
void feature_store_close(struct feature_store *f, int done);
