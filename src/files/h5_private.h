/* SPDX-License-Identifier: Apache-2.0
 * What h5io.c (files), h5_dataset.c and h5_attribute.c share. */
#pragma once
#include <hdf5.h>
#include "files/h5io.h"

enum { H5_MAX_RANK = 5, H5_MAX_OPEN = 16, H5_NAME = 64 };

struct h5_dataset {
    char name[H5_NAME];
    hid_t id, type;
    int rank;
    int64_t dims[H5_MAX_RANK];
    size_t row_bytes;
};

struct h5_file {
    char *path;      /* owned; the name meant, in messages */
    char *temporary; /* owned; the name on disk until h5_publish, then NULL */
    hid_t id, transfer;
    struct comm *comm; /* borrowed; NULL: one rank, no MPI-IO */
    int writable;
    int collective; /* data move by collective transfers */
    int unwritten_structure; /* something was created since the last flush */
    int mode_told;  /* the check after the first write is done */
    int failed;     /* a call failed: the file is not worth a name */
    struct h5_dataset open[H5_MAX_OPEN];
    int open_count;
};

/* Ends a call: all ranks learn whether any failed; the lowest of those prints "PATH: cannot WHAT 'OBJECT': why", the
 * why being the deepest message of HDF5's error stack (so: before any other HDF5 call). Returns 0 or 1, on all alike. */
int h5_conclude(struct h5_file *f, int failed, const char *what, const char *object);

/* Puts our own reason where h5_conclude looks for one; returns -1. */
int h5_reason(const char *text);

/* 1 on the rank that reports what all ranks find alike. */
static inline int h5_speaks(const struct h5_file *f)
{
    return !f->comm || f->comm->rank == 0;
}

/* A handle of ours (close with H5Tclose), and the way back; -1 if the type is none of ours. */
hid_t h5_type_open(enum h5_type type);
int h5_type_of(hid_t id, enum h5_type *out);

/* Rank 0: can PATH.new be made, with a megabyte to spare? */
int h5_try_room(const struct h5_file *f);

/* Text attribute of any object; not concluded. */
int h5_attribute_text(hid_t object, const char *name, const char *text);
void h5_datasets_close(struct h5_file *f);

/* A table of named ranges, serial files only. */
int h5_write_ranges(struct h5_file *f, const char *name, const char *const *names, const int64_t *first,
                    const int64_t *count, int rows);
