/* SPDX-License-Identifier: Apache-2.0
 * A folder of pictures, searched through all its subfolders (the layout of FFHQ: 00000/00000.png),
 * in the order of the bytes of their paths. What is not named like a picture is passed over;
 * dataset.json at the top gives labels, as in NVlabs data sets. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "images/readers.h"

enum { MAX_PATH = 4096, MAX_DEPTH = 32 };

struct folder_state {
    char **names; /* [count], owned: paths below the folder */
    int64_t count, room;
    struct {
        uint8_t *bytes; /* owned */
        size_t room;
    } * file; /* [threads] */
};

static void add_name(struct folder_state *f, const char *name)
{
    if (f->count == f->room) {
        f->room = f->room ? 2 * f->room : 1024;
        char **larger = mem_alloc((size_t)f->room * sizeof *larger);
        if (f->count)
            memcpy(larger, f->names, (size_t)f->count * sizeof *larger);
        mem_free(f->names);
        f->names = larger;
    }
    f->names[f->count++] = mem_strdup(name);
}

/* path: buffer with the folder's path; below: where the part that goes into names begins. */
static int search(struct folder_state *f, char path[MAX_PATH], size_t below, int depth)
{
    size_t length = strlen(path);
    DIR *folder = opendir(path);
    struct dirent *entry;
    struct stat there;
    int failed = 0;
    if (!folder || depth > MAX_DEPTH) {
        log_error("%s: %s", path, folder ? "too many folders within folders" : strerror(errno));
        if (folder)
            closedir(folder);
        return 1;
    }
    while (!failed && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        if (length + strlen(entry->d_name) + 2 > MAX_PATH) {
            log_error("%s/%s: too long a path", path, entry->d_name);
            failed = 1;
            break;
        }
        snprintf(path + length, MAX_PATH - length, "/%s", entry->d_name);
        if (picture_named(entry->d_name))
            add_name(f, path + below);
        else if (!stat(path, &there) && S_ISDIR(there.st_mode))
            failed = search(f, path, below, depth + 1);
        path[length] = 0;
    }
    closedir(folder);
    return failed;
}

/* Reads a whole file to the thread's buffer. */
static int read_file(struct image_source *s, int thread, const char *path, size_t *bytes,
                     char fault[IMAGE_FAULT])
{
    struct folder_state *f = s->state;
    struct stat there;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &there)) {
        picture_fault(fault, "%s", strerror(errno));
        if (file)
            fclose(file);
        return IMAGE_DAMAGED;
    }
    int failed = 0;
    if (!S_ISREG(there.st_mode) || there.st_size > IMAGE_MAX_BYTES) {
        failed =
            picture_fault(fault, S_ISREG(there.st_mode) ? "larger than 256 MiB" : "not a file");
    } else {
        size_t size = (size_t)there.st_size;
        if (f->file[thread].room < size) {
            mem_free(f->file[thread].bytes);
            f->file[thread].bytes = mem_alloc(size);
            f->file[thread].room = size;
        }
        *bytes = size ? fread(f->file[thread].bytes, 1, size, file) : 0;
        if (*bytes < size)
            failed = picture_fault(fault, "cannot be read: %s",
                                   ferror(file) ? strerror(errno) : "it shrinks");
    }
    fclose(file);
    return failed;
}

static int folder_load(struct image_source *s, int thread, int64_t index, struct picture *out,
                       char fault[IMAGE_FAULT])
{
    struct folder_state *f = s->state;
    char path[MAX_PATH + 1];
    size_t bytes = 0;
    snprintf(path, sizeof path, "%s/%s", s->path, f->names[index]);
    if (read_file(s, thread, path, &bytes, fault))
        return IMAGE_DAMAGED;
    return picture_decode(f->file[thread].bytes, bytes, out, fault);
}

static void folder_name(struct image_source *s, int64_t index, char out[IMAGE_FAULT])
{
    struct folder_state *f = s->state;
    snprintf(out, IMAGE_FAULT, "%s", f->names[index]);
}

static void folder_close(struct image_source *s)
{
    struct folder_state *f = s->state;
    for (int64_t i = 0; i < f->count; i++)
        mem_free(f->names[i]);
    for (int t = 0; t < s->threads; t++)
        mem_free(f->file[t].bytes);
    mem_free(f->file);
    mem_free(f->names);
    mem_free(f);
}

static int read_labels(struct image_source *s)
{
    struct folder_state *f = s->state;
    char path[MAX_PATH + 16], *text;
    snprintf(path, sizeof path, "%s/dataset.json", s->path);
    if (!text_exists(path))
        return 0;
    if (text_read(path, &text, NULL))
        return 1;
    int failed = json_labels(path, text, f->names, f->count, &s->labels);
    mem_free(text);
    return failed;
}

int folder_open(struct image_source *s)
{
    static const struct image_source_ops ops = {folder_load, folder_name, folder_close};
    struct folder_state *f = mem_zalloc(sizeof *f);
    char path[MAX_PATH];
    f->file = mem_zalloc((size_t)s->threads * sizeof *f->file);
    s->ops = &ops; /* from here on image_source_close tidies up */
    s->state = f;
    if (collection_path(s->path, 1))
        return 1;
    if (strlen(s->path) >= MAX_PATH) {
        log_error("%s: too long a path", s->path);
        return 1;
    }
    snprintf(path, sizeof path, "%s", s->path);
    if (search(f, path, strlen(path) + 1, 0) || collection_names(s->path, f->names, f->count))
        return 1;
    s->count = f->count;
    return read_labels(s);
}
