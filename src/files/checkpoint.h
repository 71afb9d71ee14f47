/* SPDX-License-Identifier: Apache-2.0
 * checkpoints/step-00001000.h5: the whole training state as whole arrays, so any rank count resumes. Rank 0 alone
 * writes: temporary name, fsync, rename, fsync of the folder, then LATEST; a CRC-32 of every array is stored, and checked
 * on reading. A damaged checkpoint is reported and the one before it used. */
#pragma once
#include "files/h5io.h"

struct checkpoint_array {
    const char *name; /* "params" "ema" "m" "v" */
    float *data;      /* host [count] */
    int64_t count;
};
struct checkpoint_param { /* for the table of names: /parameters (name, first, count) */
    const char *name;
    int64_t first, count;
};

/* Rank 0 only, serial. keep: the last `keep` stay (0 = all); keep_every: multiples of it stay too (0 = none). */
int checkpoint_write(const char *folder, int64_t step, const char *deck, const char *mode,
                     const struct checkpoint_array *arrays, int array_count, const struct checkpoint_param *params,
                     int param_count, int64_t keep, int64_t keep_every);
/* The newest good checkpoint's step, or -1 if there is none; *deck its resolved deck (caller frees), NULL allowed.
 * Serial; reads and checks every array, so rank 0 asks and tells. */
int64_t checkpoint_find(const char *folder, char **deck);
/* Fills the arrays asked for. Serial. */
int checkpoint_read(const char *folder, int64_t step, const struct checkpoint_array *arrays, int array_count);
