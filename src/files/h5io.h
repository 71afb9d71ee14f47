/* SPDX-License-Identifier: Apache-2.0
 * h5io: the few things we ask of HDF5: files shared by all ranks, datasets written and read by rows (slabs of the first
 * dimension), small attributes, a completion mark. The only room that includes hdf5.h (with mpi/h5par.c).
 *
 * Rules kept inside (docs/files.md): memory and file types equal, memory space shaped as the file selection, chunks of a
 * fixed number of rows set by the format and never by the rank count, no fill, no object times, no call over 128 MiB, a
 * rank with nothing joins with an empty selection, every return code read. Functions return 0, or print file, object
 * and reason and return non-zero. One thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"

enum h5_type { H5_U8, H5_I32, H5_I64, H5_F16, H5_F32, H5_F64 };
struct h5_file;

/* comm NULL: this process alone. With comm: every call below is collective over it and returns the same on every rank.
 * hints: "key:value, key:value" for MPI-IO or ""; transfer:collective is our own (h5io.c).
 * create: the file is called PATH.new until h5_publish or h5_close, and is removed if a call fails before.
 * writable 0/1. */
int h5_create(const char *path, struct comm *comm, const char *hints, struct h5_file **out);
int h5_open(const char *path, struct comm *comm, int writable, const char *hints, struct h5_file **out);
int h5_close(struct h5_file *f); /* NULL is fine; reports a failed write-back */
int h5_flush(struct h5_file *f);   /* all that was written is on disk */
int h5_publish(struct h5_file *f); /* flush, and give a created file its name; so that a killed run finds it */

/* rank 1..5; dims[0] rows; chunk_rows 0 = contiguous. unit and axes go to attributes ("", "N,H,W,C"). */
int h5_dataset_create(struct h5_file *f, const char *name, enum h5_type type, int rank, const int64_t *dims,
                      int64_t chunk_rows, const char *unit, const char *axes);
int h5_dataset_exists(struct h5_file *f, const char *name);
int h5_dataset_info(struct h5_file *f, const char *name, enum h5_type *type, int *rank, int64_t *dims /* [5] */);
int h5_write_rows(struct h5_file *f, const char *name, int64_t first, int64_t count, const void *rows);
int h5_read_rows(struct h5_file *f, const char *name, int64_t first, int64_t count, void *rows);
/* Entries first..first+count of the second dimension of one row. Serial files only. */
int h5_read_part(struct h5_file *f, const char *name, int64_t row, int64_t first, int64_t count, void *out);

/* For a writer that puts data in place without HDF5, on another thread (checkpoint_write.c): where the bytes of a
 * contiguous dataset lie in the file; and the end of HDF5's part, which closes f and leaves the file under its temporary
 * name (caller frees), all structure on disk. Serial files only. */
int h5_dataset_place(struct h5_file *f, const char *name, int64_t *offset);
int h5_leave(struct h5_file *f, char **temporary);

/* Attributes of the root group. Strings are variable length on reading: caller frees *out with mem_free. */
int h5_set_text(struct h5_file *f, const char *name, const char *text);
int h5_get_text(struct h5_file *f, const char *name, char **out);
int h5_set_int(struct h5_file *f, const char *name, int64_t value);
int h5_get_int(struct h5_file *f, const char *name, int64_t *out);
int h5_set_real(struct h5_file *f, const char *name, double value);
int h5_get_real(struct h5_file *f, const char *name, double *out);
int h5_has_attribute(struct h5_file *f, const char *name);

/* What every file of ours carries: format ("peclet-dataset", version), resolved deck, mode, program and commit, and what was
 * given here last, if anything, both borrowed and the same on all ranks: `run`, a record of the run in JSON, as the
 * attribute "run"; `leg`, a line of JSON about this start of the program, as "legs", to which h5_add_leg appends a line in
 * a file that is gone on with. (The room for it, 32 KiB, is taken when the file is made: no structure changes later.
 * When it is full, the second line gives way.) */
void h5_describe_run(const char *run, const char *leg);
int h5_add_leg(struct h5_file *f);
int h5_set_provenance(struct h5_file *f, const char *format, int version, const char *deck, const char *mode);
/* Non-zero and a message if the file is not of that format and version. */
int h5_check_format(struct h5_file *f, const char *format, int version);
/* "complete" = 1, written last; 0 before. */
int h5_set_complete(struct h5_file *f);
int h5_is_complete(struct h5_file *f); /* 1 or 0 */

const char *h5_library(void); /* "HDF5 1.10.8" */

/* Serial, quiet look: 0 no such file, 1 unreadable or foreign, 2 of this format but incomplete, 3 complete. If deck is
 * not NULL and the state is 2 or 3, *deck receives the resolved deck (caller frees) or NULL. */
int h5_probe(const char *path, const char *format, char **deck);
