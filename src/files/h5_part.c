/* SPDX-License-Identifier: Apache-2.0
 * Part of one row: of a dataset [rows, n, ...] the entries first..first+count along the second dimension. Serial files:
 * reading all levels of an image to use one would be a hundred times the bytes. */
#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "files/h5_private.h"

static struct h5_dataset *opened(struct h5_file *f, const char *name)
{
    for (int i = 0; i < f->open_count; i++)
        if (!strcmp(f->open[i].name, name))
            return &f->open[i];
    return NULL;
}

static int read_part(struct h5_file *f, const struct h5_dataset *d, int64_t row, int64_t first,
                     int64_t count, void *out)
{
    hsize_t start[H5_MAX_RANK] = {(hsize_t)row, (hsize_t)first}, extent[H5_MAX_RANK];
    for (int i = 0; i < d->rank; i++)
        extent[i] = (hsize_t)d->dims[i];
    hid_t file = H5Screate_simple(d->rank, extent, NULL);
    extent[0] = 1;
    extent[1] = (hsize_t)count;
    hid_t memory = H5Screate_simple(d->rank, extent, NULL);
    int failed = H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, extent, NULL) < 0 ||
                 H5Dread(d->id, d->type, memory, file, f->transfer, out) < 0;
    if (!failed) { /* on failure the reason must stay on HDF5's stack */
        H5Sclose(memory);
        H5Sclose(file);
    }
    return failed;
}

int h5_read_part(struct h5_file *f, const char *name, int64_t row, int64_t first, int64_t count,
                 void *out)
{
    enum h5_type type;
    int rank;
    int64_t dims[H5_MAX_RANK];
    char what[96];
    REQUIRE(!f->comm);
    if (!opened(f, name) && h5_dataset_info(f, name, &type, &rank, dims))
        return 1;
    const struct h5_dataset *d = opened(f, name);
    REQUIRE(d->rank >= 2 && row >= 0 && row < d->dims[0] && first >= 0 &&
            first + count <= d->dims[1]);
    snprintf(what, sizeof what, "read row %lld, %lld to %lld of", (long long)row, (long long)first,
             (long long)(first + count - 1));
    return h5_conclude(f, read_part(f, d, row, first, count, out), what, name);
}
