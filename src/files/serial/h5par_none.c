/* SPDX-License-Identifier: Apache-2.0
 * h5par for builds without MPI: never reached, for there every communicator has one rank. */
#include "files/h5par.h"

#include "base/die.h"

int h5par_access(int64_t access_list, struct comm *comm, const char *hints, int collective)
{
    (void)access_list, (void)hints, (void)collective;
    DIE("a communicator of %d ranks in a build without MPI", comm->size);
}

int h5par_transfer(int64_t transfer_list, int collective)
{
    (void)transfer_list, (void)collective;
    return 0;
}

const char *h5par_not_collective(int64_t transfer_list)
{
    (void)transfer_list;
    return NULL;
}
