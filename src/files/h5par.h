/* SPDX-License-Identifier: Apache-2.0
 * h5par: what HDF5 needs to know of MPI, behind plain types (a property list is an HDF5 hid_t, an int64_t).
 * mpi/h5par.c with MPI-IO; serial/h5par_none.c in builds without, where no communicator has two ranks. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"

/* Makes a file-access list use MPI-IO over comm (two ranks or more) with the hints; collective: metadata is read by one
 * rank for all. Non-zero: the library refused. */
int h5par_access(int64_t access_list, struct comm *comm, const char *hints, int collective);
int h5par_transfer(int64_t transfer_list, int collective);
/* After a write with a collective transfer list: why it was not collective after all, or NULL. */
const char *h5par_not_collective(int64_t transfer_list);

/* Steps through "key:value, key:value" (quotes around an entry allowed). 1: one more, 0: the end, -1: not of this form. */
enum { H5_HINT_TEXT = 256 };
int h5_hint_next(const char **cursor, char key[H5_HINT_TEXT], char value[H5_HINT_TEXT]);
