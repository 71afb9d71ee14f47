/* SPDX-License-Identifier: Apache-2.0
 * A small table: one compound record {name, first, count} a row, names padded to the longest.
 * Serial files only. */
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "files/h5_private.h"

int h5_write_ranges(struct h5_file *f, const char *name, const char *const *names,
                    const int64_t *first, const int64_t *count, int rows)
{
    size_t width = 1;
    for (int i = 0; i < rows; i++)
        width = strlen(names[i]) > width ? strlen(names[i]) : width;
    size_t record = width + 2 * sizeof(int64_t);
    char *table = mem_zalloc(record * (size_t)rows);
    for (int i = 0; i < rows; i++) {
        char *at = table + record * (size_t)i;
        memcpy(at, names[i], strlen(names[i]));
        memcpy(at + width, &first[i], sizeof *first);
        memcpy(at + width + sizeof *first, &count[i], sizeof *count);
    }
    hsize_t extent = (hsize_t)rows;
    hid_t text = H5Tcopy(H5T_C_S1), type = H5Tcreate(H5T_COMPOUND, record),
          space = H5Screate_simple(1, &extent, NULL);
    hid_t list = H5Pcreate(H5P_DATASET_CREATE), id = -1;
    int failed = H5Tset_size(text, width) < 0 || H5Tset_strpad(text, H5T_STR_NULLPAD) < 0 ||
                 H5Tinsert(type, "name", 0, text) < 0 ||
                 H5Tinsert(type, "first", width, H5T_STD_I64LE) < 0 ||
                 H5Tinsert(type, "count", width + sizeof *first, H5T_STD_I64LE) < 0 ||
                 H5Pset_obj_track_times(list, 0) < 0;
    if (!failed)
        id = H5Dcreate2(f->id, name, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    failed = h5_conclude(f, id < 0, "create the table", name) || h5_flush(f) || /* why: h5_name.c */
             h5_conclude(f, H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, table) < 0,
                         "write the table", name);
    if (id >= 0)
        H5Dclose(id);
    H5Pclose(list);
    H5Sclose(space);
    H5Tclose(type);
    H5Tclose(text);
    mem_free(table);
    return failed;
}
