/* SPDX-License-Identifier: Apache-2.0
 * What the files under mpi/ know of each other. No mpi.h here: a communicator travels as its Fortran handle. */
#pragma once
#include "comm/comm.h"

/* For MPI_Comm_f2c; c must come from comm_mpi_create. */
int comm_mpi_handle(const struct comm *c);
