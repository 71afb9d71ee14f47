/* SPDX-License-Identifier: Apache-2.0
 * What happens to a file outside of HDF5: is there room for it, its name, its end.
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

int h5_rename(const struct h5_file *f)
{
    const char *slash = strrchr(f->path, '/');
    char folder[4096] = ".";
    if (slash)
        snprintf(folder, sizeof folder, "%.*s", slash == f->path ? 1 : (int)(slash - f->path),
                 f->path);
    int descriptor = rename(f->temporary, f->path) ? -1 : open(folder, O_RDONLY);
    int failed = descriptor < 0 ||
                 (fsync(descriptor) && errno != EINVAL); /* EINVAL: no such thing on this disk */
    if (failed)
        log_error("%s: cannot give %s this name: %s", f->path, f->temporary, strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    return failed;
}
