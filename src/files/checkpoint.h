/* SPDX-License-Identifier: Apache-2.0
 * checkpoints/step-00001000.h5: the whole training state as whole arrays, so any rank count resumes. Rank 0 alone
 * writes: HDF5 makes the structure, then a thread puts the arrays in their places while training goes on; temporary
 * name, fsync, rename, fsync of the folder, then LATEST. A CRC-32 of every array is stored and checked on reading: a
 * damaged checkpoint is reported and the one before it used. */
#pragma once
#include "files/h5io.h"

enum { CHECKPOINT_ARRAYS = 8 }; /* at most */

struct checkpoint_array {
    const char *name; /* "params" "ema" "m" "v" */
    float *data;      /* host [count] */
    int64_t count;
};
struct checkpoint_param { /* for the table of names: /parameters (name, first, count) */
    const char *name;
    int64_t first, count;
};
struct checkpoint {
    const char *folder; /* made if it is not there */
    int64_t step;
    const char *deck, *mode;
    const struct checkpoint_array *arrays;
    int array_count;
    const struct checkpoint_param *params;
    int param_count;
    int64_t keep, keep_every; /* the last `keep` stay (0 = all); multiples of keep_every stay too (0 = none) */
};
struct checkpoint_writer;

/* Rank 0 only. begin: everything of *c may be changed on return, but the numbers of the arrays not before end, which
 * waits until they are safe on disk, or says why they are not; seconds (or NULL): how long the writing took.
 * end(NULL, ...) is fine: 0. */
int checkpoint_begin(const struct checkpoint *c, struct checkpoint_writer **out);
int checkpoint_end(struct checkpoint_writer *w, double *seconds);
int checkpoint_write(const struct checkpoint *c); /* both */

/* The newest good checkpoint's step, or -1 if there is none; *deck its resolved deck (caller frees), NULL allowed.
 * Serial; reads and checks every array, so rank 0 asks and tells. */
int64_t checkpoint_find(const char *folder, char **deck);
/* Fills the arrays asked for. Serial. */
int checkpoint_read(const char *folder, int64_t step, const struct checkpoint_array *arrays, int array_count);
