/* SPDX-License-Identifier: Apache-2.0
 * Datasets: arrays [rows, ...] written and read by slabs of rows.
 *
 * What HDF5 1.10 punishes by factors of 5 to 75 is ruled out here: types of memory and file are
 * equal (no conversion; its own conversion to half is wrong besides), the memory space has the
 * shape of the file's selection, no fill value is written, space is allocated when the dataset is
 * made, so the layout of a file does not depend on who writes when. */
#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "files/h5_private.h"
#include "files/h5par.h"

enum { CALL_BYTES = 1 << 27 }; /* MPI counts bytes in an int */

hid_t h5_type_open(enum h5_type type)
{
    if (type == H5_F16) { /* IEEE half, the layout that HDF5 1.14 calls H5T_IEEE_F16LE */
        hid_t half = H5Tcopy(H5T_IEEE_F32LE);
        if (half < 0 || H5Tset_fields(half, 15, 10, 5, 0, 10) < 0 || H5Tset_size(half, 2) < 0 ||
            H5Tset_ebias(half, 15) < 0)
            return -1;
        return half;
    }
    return H5Tcopy(type == H5_U8    ? H5T_STD_U8LE
                   : type == H5_I32 ? H5T_STD_I32LE
                   : type == H5_I64 ? H5T_STD_I64LE
                   : type == H5_F32 ? H5T_IEEE_F32LE
                                    : H5T_IEEE_F64LE);
}

int h5_type_of(hid_t id, enum h5_type *out)
{
    for (enum h5_type type = H5_U8; type <= H5_F64; type++) {
        hid_t ours = h5_type_open(type);
        int same = H5Tequal(ours, id) > 0;
        H5Tclose(ours);
        if (same) {
            *out = type;
            return 0;
        }
    }
    return -1;
}

void h5_datasets_close(struct h5_file *f)
{
    for (int i = 0; i < f->open_count; i++) {
        H5Tclose(f->open[i].type);
        H5Dclose(f->open[i].id);
    }
    f->open_count = 0;
}

/* Fills in what is known of an open dataset; 0 or -1. */
static int describe(struct h5_dataset *d)
{
    hsize_t dims[H5S_MAX_RANK];
    hid_t space = H5Dget_space(d->id);
    d->rank = H5Sget_simple_extent_ndims(space);
    int bad =
        d->rank < 1 || d->rank > H5_MAX_RANK || H5Sget_simple_extent_dims(space, dims, NULL) < 0;
    H5Sclose(space);
    d->type = H5Dget_type(d->id);
    if (bad || d->type < 0)
        return -1;
    d->row_bytes = H5Tget_size(d->type);
    for (int i = 0; i < d->rank; i++) {
        d->dims[i] = (int64_t)dims[i];
        if (i > 0)
            d->row_bytes *= (size_t)dims[i];
    }
    return 0;
}

/* The open dataset of this name, opened at its first use; NULL if there is none, said by all ranks
 * alike. */
static struct h5_dataset *find(struct h5_file *f, const char *name)
{
    for (int i = 0; i < f->open_count; i++)
        if (!strcmp(f->open[i].name, name))
            return &f->open[i];
    REQUIRE(f->open_count < H5_MAX_OPEN && strlen(name) < H5_NAME);
    struct h5_dataset *d = &f->open[f->open_count];
    snprintf(d->name, sizeof d->name, "%s", name);
    d->id = H5Dopen2(f->id, name, H5P_DEFAULT);
    if (h5_conclude(f, d->id < 0 || describe(d), "open the dataset", name))
        return NULL;
    f->open_count++;
    return d;
}

static hid_t creation_list(int rank, const hsize_t *dims, int64_t chunk_rows)
{
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    if (list < 0 || H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY) < 0 ||
        H5Pset_fill_time(list, H5D_FILL_TIME_NEVER) < 0 || H5Pset_obj_track_times(list, 0) < 0)
        return -1;
    if (chunk_rows > 0 && dims[0] > 0) {
        hsize_t chunk[H5_MAX_RANK];
        memcpy(chunk, dims, sizeof chunk);
        chunk[0] = (hsize_t)chunk_rows < dims[0] ? (hsize_t)chunk_rows : dims[0];
        if (H5Pset_chunk(list, rank, chunk) < 0)
            return -1;
    }
    return list;
}

int h5_dataset_create(struct h5_file *f, const char *name, enum h5_type type, int rank,
                      const int64_t *dims, int64_t chunk_rows, const char *unit, const char *axes)
{
    REQUIRE(rank >= 1 && rank <= H5_MAX_RANK && f->open_count < H5_MAX_OPEN &&
            strlen(name) < H5_NAME);
    struct h5_dataset *d = &f->open[f->open_count];
    hsize_t extent[H5_MAX_RANK] = {0};
    for (int i = 0; i < rank; i++)
        extent[i] = (hsize_t)dims[i];
    snprintf(d->name, sizeof d->name, "%s", name);
    hid_t list = creation_list(rank, extent, chunk_rows),
          space = H5Screate_simple(rank, extent, NULL);
    hid_t id = h5_type_open(type);
    d->id = H5Dcreate2(f->id, name, id, space, H5P_DEFAULT, list, H5P_DEFAULT);
    int failed = d->id < 0 || h5_attribute_text(d->id, "axes", axes) ||
                 h5_attribute_text(d->id, "unit", unit) || describe(d);
    f->unwritten_structure = 1;
    if (h5_conclude(f, failed, "create the dataset", name))
        return 1;
    f->open_count++;
    H5Tclose(id);
    H5Sclose(space);
    H5Pclose(list);
    return 0;
}

int h5_dataset_exists(struct h5_file *f, const char *name)
{
    return H5Lexists(f->id, name, H5P_DEFAULT) > 0;
}

int h5_dataset_info(struct h5_file *f, const char *name, enum h5_type *type, int *rank,
                    int64_t *dims)
{
    struct h5_dataset *d = find(f, name);
    if (!d)
        return 1;
    if (h5_type_of(d->type, type)) {
        log_error(
            "%s: '%s' has a type that is none of uint8, int32, int64, float16, float32, float64",
            f->path, name);
        return 1;
    }
    *rank = d->rank;
    memcpy(dims, d->dims, sizeof d->dims);
    return 0;
}

/* Rows [first, first+count) of one call; count 0 joins a collective call with an empty selection.
 */
static int transfer(struct h5_file *f, struct h5_dataset *d, int64_t first, int64_t count,
                    const void *from, void *to)
{
    hsize_t start[H5_MAX_RANK] = {(hsize_t)first}, extent[H5_MAX_RANK];
    for (int i = 0; i < d->rank; i++)
        extent[i] = (hsize_t)d->dims[i];
    hid_t file = H5Screate_simple(d->rank, extent, NULL);
    extent[0] = (hsize_t)(count ? count : 1);
    hid_t memory = H5Screate_simple(d->rank, extent, NULL);
    int failed;
    if (count)
        failed = H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, extent, NULL) < 0;
    else
        failed = H5Sselect_none(file) < 0 || H5Sselect_none(memory) < 0;
    /* a rank that stayed away from a collective call would hang the others */
    if (from)
        failed |= H5Dwrite(d->id, d->type, memory, file, f->transfer, from) < 0;
    else
        failed |= H5Dread(d->id, d->type, memory, file, f->transfer, to) < 0;
    if (!failed) { /* on failure the reason must stay on HDF5's stack */
        H5Sclose(memory);
        H5Sclose(file);
    }
    return failed;
}

/* Every rank makes the same number of collective calls. */
static int64_t agree_calls(struct h5_file *f, int64_t calls)
{
    double most = (double)calls;
    f->comm->ops->max_f64(f->comm, &most, 1);
    return (int64_t)most;
}

static int move_rows(struct h5_file *f, const char *name, int64_t first, int64_t count,
                     const void *from, void *to)
{
    struct h5_dataset *d = find(f, name);
    if (!d)
        return 1;
    REQUIRE(first >= 0 && count >= 0 && first + count <= d->dims[0]);
    int64_t step = (int64_t)(CALL_BYTES / (d->row_bytes + 1)) + 1,
            calls = (count + step - 1) / step;
    if (f->collective)
        calls = agree_calls(f, calls);
    int failed = 0;
    for (int64_t i = 0; i < calls && (!failed || f->collective); i++) {
        int64_t done = i * step < count ? i * step : count, left = count - done;
        size_t offset = (size_t)done * d->row_bytes;
        failed |=
            transfer(f, d, first + done, left < step ? left : step,
                     from ? (const char *)from + offset : NULL, to ? (char *)to + offset : NULL);
    }
    char what[96];
    snprintf(what, sizeof what, "%s rows %lld to %lld of", from ? "write" : "read",
             (long long)first, (long long)(first + count - 1));
    return h5_conclude(f, failed, what, name);
}

int h5_write_rows(struct h5_file *f, const char *name, int64_t first, int64_t count,
                  const void *rows)
{
    if (f->unwritten_structure && h5_flush(f)) /* why: h5_name.c */
        return 1;
    if (move_rows(f, name, first, count, rows ? rows : "", NULL))
        return 1;
    if (f->collective && !f->mode_told) {
        const char *why = h5par_not_collective(f->transfer);
        if (why)
            log_warn("%s: writing '%s' was not collective and may be slow: %s", f->path, name, why);
        f->mode_told = 1;
    }
    return 0;
}

int h5_read_rows(struct h5_file *f, const char *name, int64_t first, int64_t count, void *rows)
{
    char nothing;
    return move_rows(f, name, first, count, NULL, rows ? rows : &nothing);
}
