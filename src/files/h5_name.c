/* SPDX-License-Identifier: Apache-2.0
 * What happens to a file outside of HDF5: is there room for it, and who writes its data.
 *
 * HDF5 1.10 keeps a file whose closing failed in its tables and crashes on it when the program
 * ends. Closing fails when structure (headers, indices, attributes) cannot be written, so a file
 * begins only where there is room for that, and h5_write_rows puts structure on disk before any
 * data: a disk that fills up then meets nothing but data. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "files/h5_private.h"

enum { ROOM_BYTES = 1 << 20 };

int h5_try_room(const struct h5_file *f)
{
    char *zeros = mem_zalloc(ROOM_BYTES);
    int file = open(f->temporary, O_CREAT | O_TRUNC | O_WRONLY, 0666);
    int failed = file < 0;
    for (ssize_t left = ROOM_BYTES, got; !failed && left > 0; left -= got)
        failed = (got = write(file, zeros, (size_t)left)) <= 0;
    failed = failed || fsync(file);
    if (failed)
        log_error("%s: cannot create this file: %s", f->path, strerror(errno));
    if (file >= 0)
        close(file);
    if (file >= 0 && failed)
        remove(f->temporary);
    mem_free(zeros);
    return failed;
}

int h5_dataset_place(struct h5_file *f, const char *name, int64_t *offset)
{
    REQUIRE(!f->comm);
    hid_t id = H5Dopen2(f->id, name, H5P_DEFAULT);
    haddr_t place = id < 0 ? HADDR_UNDEF : H5Dget_offset(id);
    int failed = h5_conclude(f, place == HADDR_UNDEF, "find the place of", name);
    if (id >= 0)
        H5Dclose(id);
    *offset = (int64_t)place;
    return failed;
}

int h5_leave(struct h5_file *f, char **temporary)
{
    REQUIRE(!f->comm && f->temporary);
    if (f->failed || h5_flush(f)) {
        h5_close(f);
        return 1;
    }
    *temporary = f->temporary; /* h5_close neither names nor removes it now */
    f->temporary = NULL;
    f->writable = 0;
    return h5_close(f);
}
