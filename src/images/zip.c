/* SPDX-License-Identifier: Apache-2.0
 * A ZIP of pictures, as NVlabs' tools write it (stored or deflated, also ZIP64), through libzip, in the
 * order of the bytes of the names; dataset.json gives labels. libzip handles are not for sharing: each
 * thread has its own. Nothing is unpacked to disk; names that would leave the archive's folder are
 * refused all the same, since who writes such an archive means harm. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zip.h>

#include "base/log.h"
#include "base/mem.h"
#include "images/readers.h"

struct zip_thread {
    zip_t *zip;
    uint8_t *bytes; /* owned */
    size_t room;
};

struct zip_state {
    char **names;     /* [count], owned */
    zip_uint64_t *at; /* [count] place in the archive, owned */
    int64_t count;
    struct zip_thread *thread; /* [threads] */
};

static int open_handle(const char *path, zip_t **out)
{
    int code = 0;
    *out = zip_open(path, ZIP_RDONLY, &code);
    if (*out)
        return 0;
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    log_error("%s: cannot be opened as ZIP: %s", path, zip_error_strerror(&error));
    zip_error_fini(&error);
    return 1;
}

/* Does a name lead out of the folder it is unpacked to? */
static int leads_out(const char *name)
{
    if (*name == '/' || *name == '\\' || (*name && name[1] == ':'))
        return 1;
    for (const char *part = name; *part;) {
        size_t length = strcspn(part, "/\\");
        if (length == 2 && part[0] == '.' && part[1] == '.')
            return 1;
        part += length;
        part += *part != 0;
    }
    return 0;
}

static int list_names(struct image_source *s)
{
    struct zip_state *z = s->state;
    zip_t *zip = z->thread[0].zip;
    zip_int64_t entries = zip_get_num_entries(zip, 0);
    z->names = mem_alloc((size_t)(entries > 0 ? entries : 0) * sizeof *z->names);
    for (zip_int64_t i = 0; i < entries; i++) {
        const char *name = zip_get_name(zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        if (!name || leads_out(name)) {
            log_error("%s: entry '%s' has a name that leads out of the archive; it is not used",
                      s->path, name ? name : "");
            return 1;
        }
        if (picture_named(name))
            z->names[z->count++] = mem_strdup(name);
    }
    if (collection_names(s->path, z->names, z->count))
        return 1;
    z->at = mem_alloc((size_t)z->count * sizeof *z->at);
    for (int64_t i = 0; i < z->count; i++) {
        zip_int64_t at = zip_name_locate(zip, z->names[i], ZIP_FL_ENC_RAW);
        if (at < 0 || (i && !strcmp(z->names[i], z->names[i - 1]))) {
            log_error("%s: entry '%s' is there twice", s->path, z->names[i]);
            return 1;
        }
        z->at[i] = (zip_uint64_t)at;
    }
    return 0;
}

/* A whole entry to the thread's buffer, its checksum compared. */
static int read_entry(struct zip_thread *t, zip_uint64_t at, size_t *bytes, char fault[IMAGE_FAULT])
{
    zip_stat_t stat;
    if (zip_stat_index(t->zip, at, 0, &stat) || !(stat.valid & ZIP_STAT_SIZE))
        return picture_fault(fault, "%s", zip_strerror(t->zip));
    if (stat.size > IMAGE_MAX_BYTES)
        return picture_fault(fault, "larger than %d MiB", IMAGE_MAX_BYTES >> 20);
    zip_file_t *file = zip_fopen_index(t->zip, at, 0);
    if (!file)
        return picture_fault(fault, "%s", zip_strerror(t->zip));
    if (t->room < stat.size + 1) {
        mem_free(t->bytes);
        t->room = (size_t)stat.size + 1;
        t->bytes = mem_alloc(t->room);
    }
    size_t used = 0;
    zip_int64_t got = 0;
    while (used < t->room && (got = zip_fread(file, t->bytes + used, t->room - used)) > 0)
        used += (size_t)got; /* one byte more than there should be: the end has to be seen */
    int failed = 0;
    if (got < 0)
        failed = picture_fault(fault, "%s", zip_error_strerror(zip_file_get_error(file)));
    else if (used != stat.size)
        failed = picture_fault(fault, "%zu bytes where the archive says %llu", used,
                               (unsigned long long)stat.size);
    zip_fclose(file);
    *bytes = used;
    return failed;
}

static int archive_load(struct image_source *s, int thread, int64_t index, struct picture *out,
                        char fault[IMAGE_FAULT])
{
    struct zip_state *z = s->state;
    size_t bytes;
    if (read_entry(&z->thread[thread], z->at[index], &bytes, fault))
        return IMAGE_DAMAGED;
    return picture_decode(z->thread[thread].bytes, bytes, out, fault);
}

static void archive_name(struct image_source *s, int64_t index, char out[IMAGE_FAULT])
{
    struct zip_state *z = s->state;
    snprintf(out, IMAGE_FAULT, "%s", z->names[index]);
}

static void archive_close(struct image_source *s)
{
    struct zip_state *z = s->state;
    for (int64_t i = 0; i < z->count; i++)
        mem_free(z->names[i]);
    for (int t = 0; t < s->threads; t++) {
        if (z->thread[t].zip)
            zip_discard(z->thread[t].zip);
        mem_free(z->thread[t].bytes);
    }
    mem_free(z->names);
    mem_free(z->at);
    mem_free(z->thread);
    mem_free(z);
}

static int read_labels(struct image_source *s)
{
    struct zip_state *z = s->state;
    char fault[IMAGE_FAULT];
    size_t bytes;
    zip_int64_t at = zip_name_locate(z->thread[0].zip, "dataset.json", ZIP_FL_ENC_RAW);
    if (at < 0)
        return 0;
    if (read_entry(&z->thread[0], (zip_uint64_t)at, &bytes, fault)) {
        log_error("%s: dataset.json: %s", s->path, fault);
        return 1;
    }
    char *text = mem_alloc(bytes + 1);
    memcpy(text, z->thread[0].bytes, bytes);
    text[bytes] = 0;
    int failed = json_labels(s->path, text, z->names, z->count, &s->labels);
    mem_free(text);
    return failed;
}

int archive_open(struct image_source *s)
{
    static const struct image_source_ops ops = {archive_load, archive_name, archive_close};
    struct zip_state *z = mem_zalloc(sizeof *z);
    z->thread = mem_zalloc((size_t)s->threads * sizeof *z->thread);
    s->ops = &ops; /* from here on image_source_close tidies up */
    s->state = z;
    if (collection_path(s->path, 0))
        return 1;
    for (int t = 0; t < s->threads; t++)
        if (open_handle(s->path, &z->thread[t].zip))
            return 1;
    if (list_names(s))
        return 1;
    s->count = z->count;
    return read_labels(s);
}
