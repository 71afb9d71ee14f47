/* SPDX-License-Identifier: Apache-2.0
 * MPI-IO for HDF5: property lists, hints, and the question whether a collective write was one. */
#include "files/h5par.h"

#include <hdf5.h>
#include <mpi.h>

#include "comm_mpi.h"

/* Keys that an MPI does not know it ignores, as the standard asks. */
static MPI_Info info_from_hints(const char *hints)
{
    char key[H5_HINT_TEXT], value[H5_HINT_TEXT];
    MPI_Info info;
    MPI_Info_create(&info);
    while (h5_hint_next(&hints, key, value) > 0)
        MPI_Info_set(info, key, value);
    return info;
}

int h5par_access(int64_t access_list, struct comm *comm, const char *hints, int collective)
{
    MPI_Comm world = MPI_Comm_f2c((MPI_Fint)comm_mpi_handle(comm));
    MPI_Info info = info_from_hints(hints);
    int failed = H5Pset_fapl_mpio(access_list, world, info) < 0;
    /* Ranks that move data independently look up different chunks, each for itself: collective
     * reads would hang there. */
    if (!failed && collective)
        failed = H5Pset_all_coll_metadata_ops(access_list, 1) < 0;
    /* Metadata is written independently: there is little of it, and a collective write of scattered
     * pieces fills the gaps between them with what happens to lie in memory (seen with OMPIO's
     * vulcan and with ROMIO). */
    if (!failed)
        failed = H5Pset_coll_metadata_write(access_list, 0) < 0;
    MPI_Info_free(&info);
    return failed;
}

int h5par_transfer(int64_t transfer_list, int collective)
{
    return H5Pset_dxpl_mpio(transfer_list,
                            collective ? H5FD_MPIO_COLLECTIVE : H5FD_MPIO_INDEPENDENT) < 0;
}

const char *h5par_not_collective(int64_t transfer_list)
{
    H5D_mpio_actual_io_mode_t mode;
    uint32_t local = 0, global = 0;
    if (H5Pget_mpio_actual_io_mode(transfer_list, &mode) < 0 ||
        H5Pget_mpio_no_collective_cause(transfer_list, &local, &global) < 0)
        return "the library does not say how it wrote";
    if (global & H5D_MPIO_DATATYPE_CONVERSION)
        return "types of memory and file differ";
    if (global &
        (H5D_MPIO_NOT_CONTIGUOUS_OR_CHUNKED_DATASET | H5D_MPIO_NOT_SIMPLE_OR_SCALAR_DATASPACES))
        return "neither a contiguous nor a chunked dataset";
    if (global)
        return "HDF5 broke the collective call up (H5Pget_mpio_no_collective_cause)";
    return mode == H5D_MPIO_NO_COLLECTIVE ? "no rank wrote collectively" : NULL;
}
