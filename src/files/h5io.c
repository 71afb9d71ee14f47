/* SPDX-License-Identifier: Apache-2.0
 * Files: create, open, flush, name, close. A file that is being made is called PATH.new until all
 * of its structure is on disk, so that a file under its own name can always be opened, however the
 * program that wrote it died.
 *
 * Two ways of moving data, with the same bytes on disk. "independent", the default: every rank
 * writes its own rows by itself. They are contiguous in the file and megabytes long, so there is
 * nothing that others could add. "collective" (hint transfer:collective): MPI-IO gathers the rows
 * of many ranks into fewer writes, which may be kinder to a parallel file system with very many
 * ranks. It is not the default for two reasons seen with Open MPI 4.1 (OMPIO) on a full disk: a
 * short write is counted as a whole one, so data is lost in silence, and after the first error the
 * ranks hang. */
#include "files/h5io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/h5_private.h"
#include "files/h5par.h"

enum {
    ALIGN_BYTES = 1 << 20, /* a Lustre stripe is a multiple of this */
    FULL_BYTES = 4 << 20,
    META_BYTES = 1 << 16, /* structure lies together, at the beginning */
};

static herr_t keep_first(unsigned n, const H5E_error2_t *error, void *out)
{
    (void)n;
    const char *text = error->desc ? error->desc : "", *quote = strstr(text, "error message = '");
    if (quote) { /* the POSIX driver wraps strerror into a long sentence */
        text = quote + strlen("error message = '");
        snprintf(out, H5_HINT_TEXT, "%.*s", (int)strcspn(text, "'"), text);
    } else {
        snprintf(out, H5_HINT_TEXT, "%s", text);
    }
    return 1;
}

/* MPI-IO does not say why a write was short: look at the disk. */
static const char *full_disk(const struct h5_file *f)
{
    struct statvfs disk;
    if (!f->writable || statvfs(f->temporary ? f->temporary : f->path, &disk))
        return "";
    return disk.f_bavail < FULL_BYTES / disk.f_frsize
               ? " (the disk is full: make room and run again)"
               : "";
}

int h5_reason(const char *text)
{
    H5Epush2(H5E_DEFAULT, __FILE__, __func__, __LINE__, H5E_ERR_CLS, H5E_IO, H5E_NONE_MINOR, "%s",
             text);
    return -1;
}

int h5_conclude(struct h5_file *f, int failed, const char *what, const char *object)
{
    char reason[H5_HINT_TEXT] = "";
    if (failed)
        H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, reason);
    int teller = failed; /* the largest value wins the agreement: the lowest rank that failed */
    if (f->comm)
        teller = comm_agree(f->comm, failed ? f->comm->size - f->comm->rank : 0);
    if (!teller)
        return 0;
    f->failed = 1;
    if (failed && (!f->comm || teller == f->comm->size - f->comm->rank))
        log_error("%s: cannot %s%s%s%s: %s%s", f->path, what, object ? " '" : "",
                  object ? object : "", object ? "'" : "", *reason ? reason : "unknown reason",
                  full_disk(f));
    return 1;
}

int h5_hint_next(const char **cursor, char key[H5_HINT_TEXT], char value[H5_HINT_TEXT])
{
    const char *blank = " \t\n,'\"", *entry = *cursor + strspn(*cursor, blank);
    size_t length = strcspn(entry, blank);
    const char *colon = memchr(entry, ':', length);
    *cursor = entry + length;
    if (!length)
        return 0;
    size_t key_length = colon ? (size_t)(colon - entry) : 0;
    if (!key_length || key_length + 1 == length || length >= H5_HINT_TEXT)
        return -1;
    snprintf(key, H5_HINT_TEXT, "%.*s", (int)key_length, entry);
    snprintf(value, H5_HINT_TEXT, "%.*s", (int)(length - key_length - 1), colon + 1);
    return 1;
}

/* Reads our own hint and checks the form of all. */
static int choose_transfer(struct h5_file *f, const char *hints)
{
    char key[H5_HINT_TEXT], value[H5_HINT_TEXT];
    const char *cursor = hints;
    int found;
    while ((found = h5_hint_next(&cursor, key, value)) > 0) {
        if (strcmp(key, "transfer"))
            continue;
        if (strcmp(value, "collective") && strcmp(value, "independent"))
            break;
        f->collective = f->comm && !strcmp(value, "collective");
    }
    if (!found)
        return 0;
    if (h5_speaks(f))
        log_error("%s: hints \"%s\" should read 'key:value, key:value', transfer being collective "
                  "or independent",
                  f->path, hints);
    return 1;
}

static struct h5_file *file_new(const char *path, struct comm *comm, int writable)
{
    struct h5_file *f = mem_zalloc(sizeof *f);
    f->path = mem_strdup(path);
    f->comm = comm && comm->size > 1 ? comm : NULL;
    f->id = f->transfer = -1;
    f->writable = writable;
    H5dont_atexit();                       /* files are closed here or not at all */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* we print the reason ourselves, once */
    return f;
}

/* Half a file of no name: give its space back. */
static void discard(const struct h5_file *f)
{
    if (f->temporary && h5_speaks(f))
        remove(f->temporary);
}

static void file_free(struct h5_file *f)
{
    h5_datasets_close(f);
    if (f->transfer >= 0)
        H5Pclose(f->transfer);
    mem_free(f->temporary);
    mem_free(f->path);
    mem_free(f);
}

/* The V18 bound keeps a file readable by the serial driver and by old tools when its writer was
 * killed. No caches of data: rows go straight to and from the file, or one image of a shuffled
 * batch would cost the reading of a chunk (measured: 11 us an image against 246). */
static hid_t access_list(struct h5_file *f, const char *hints)
{
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    if (list < 0 || H5Pset_libver_bounds(list, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18) < 0 ||
        H5Pset_alignment(list, ALIGN_BYTES, ALIGN_BYTES) < 0 ||
        H5Pset_cache(list, 0, 0, 0, 1.0) < 0 || H5Pset_sieve_buf_size(list, 0) < 0 ||
        H5Pset_meta_block_size(list, META_BYTES) < 0 ||
        H5Pset_fclose_degree(list, H5F_CLOSE_STRONG) < 0)
        return -1;
    return f->comm && h5par_access(list, f->comm, hints, f->collective) ? -1 : list;
}

static int start(struct h5_file *f, const char *hints, int create)
{
    hid_t access = access_list(f, hints), creation = H5Pcreate(H5P_FILE_CREATE);
    f->transfer = H5Pcreate(H5P_DATASET_XFER);
    int failed =
        access < 0 || creation < 0 || f->transfer < 0 || H5Pset_obj_track_times(creation, 0) < 0;
    if (!failed && f->comm)
        failed = h5par_transfer(f->transfer, f->collective);
    if (!failed && create)
        f->id = H5Fcreate(f->temporary, H5F_ACC_TRUNC, creation, access);
    if (!failed && !create)
        f->id = H5Fopen(f->path, f->writable ? H5F_ACC_RDWR : H5F_ACC_RDONLY, access);
    failed =
        h5_conclude(f, f->id < 0, create ? "create this file" : "open it as an HDF5 file", NULL);
    if (access >= 0)
        H5Pclose(access);
    if (creation >= 0)
        H5Pclose(creation);
    return failed;
}

int h5_create(const char *path, struct comm *comm, const char *hints, struct h5_file **out)
{
    struct h5_file *f = file_new(path, comm, 1);
    size_t room = strlen(path) + sizeof ".new";
    f->temporary = mem_alloc(room);
    snprintf(f->temporary, room, "%s.new", path);
    int failed = choose_transfer(f, hints) || (h5_speaks(f) && h5_try_room(f));
    if (f->comm)
        failed = comm_agree(f->comm, failed);
    if (failed) {
        file_free(f);
        return 1;
    }
    if (start(f, hints, 1)) {
        discard(f);
        file_free(f);
        return 1;
    }
    *out = f;
    return 0;
}

int h5_open(const char *path, struct comm *comm, int writable, const char *hints,
            struct h5_file **out)
{
    struct h5_file *f = file_new(path, comm, writable);
    int failed = choose_transfer(f, hints), missing = !text_exists(path);
    if (!failed && missing && h5_speaks(f))
        log_error("%s: no such file", path);
    if (f->comm)
        missing = comm_agree(f->comm, missing);
    if (failed || missing || start(f, hints, 0)) {
        file_free(f);
        return 1;
    }
    *out = f;
    return 0;
}

/* MPI-IO syncs in H5Fflush, the POSIX driver leaves that to its user. */
static int flush(struct h5_file *f)
{
    int *descriptor;
    if (H5Fflush(f->id, H5F_SCOPE_GLOBAL) < 0)
        return 1;
    if (f->comm)
        return 0;
    if (H5Fget_vfd_handle(f->id, H5P_DEFAULT, (void **)&descriptor) < 0)
        return 1;
    return fsync(*descriptor) ? h5_reason(strerror(errno)) : 0;
}

int h5_flush(struct h5_file *f)
{
    f->unwritten_structure = 0;
    return h5_conclude(f, flush(f), "write it to disk", NULL);
}

int h5_publish(struct h5_file *f)
{
    if (!f->temporary)
        return 0;
    if (h5_flush(f))
        return 1;
    int failed = 0;
    if (h5_speaks(f))
        failed = text_rename(f->temporary, f->path);
    if (f->comm)
        failed = comm_agree(f->comm, failed);
    if (failed)
        return f->failed = 1;
    mem_free(f->temporary);
    f->temporary = NULL;
    return 0;
}

int h5_close(struct h5_file *f)
{
    if (!f)
        return 0;
    if (!f->failed && f->writable && !h5_publish(f))
        h5_flush(f);
    h5_datasets_close(f);
    int failed = h5_conclude(f, H5Fclose(f->id) < 0, "close this file", NULL);
    if (failed) /* HDF5 would crash on it at the end of the program */
        DIE("%s: no way to go on after this", f->path);
    failed = f->writable && f->failed;
    discard(f);
    file_free(f);
    return failed;
}
