/* SPDX-License-Identifier: Apache-2.0
 * LSUN: an LMDB whose values are encoded pictures (WebP or JPEG, by their first bytes), in the order of
 * the keys. The database is mapped into memory and one read transaction stays open, so a value is a
 * place in memory that all threads may read; the values are found once, which touches the pages of
 * keys only.
 *
 * LMDB believes its file. What would make it read beyond the end (another page size, a copy cut short)
 * is looked for first. Layout of a meta page: 16 bytes of page header, then magic, version, address (8),
 * map size (8), two records of 48 bytes (the first begins with the page size), last page (8). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lmdb.h>

#include "base/log.h"
#include "base/mem.h"
#include "images/readers.h"

enum {
    META_MAGIC = 16,
    META_VERSION = 20,
    META_PAGE_SIZE = 40,
    META_LAST_PAGE = 136,
    META_END = 152
};

struct lmdb_state {
    MDB_env *env;
    MDB_txn *txn;
    struct value {
        MDB_val key, data; /* in the map */
    } * values;            /* [count], owned */
};

static uint32_t word(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static int check_meta(const char *path, const uint8_t *meta, uint64_t file_bytes)
{
    uint64_t last;
    uint32_t page = word(meta + META_PAGE_SIZE), ours = (uint32_t)sysconf(_SC_PAGESIZE);
    memcpy(&last, meta + META_LAST_PAGE, sizeof last);
    if (word(meta + META_MAGIC) != 0xBEEFC0DE || word(meta + META_VERSION) != 1) {
        log_error(
            "%s: not an LMDB of this kind of processor (it should have BEEFC0DE and 1 at byte 16)",
            path);
        return 1;
    }
    if (page != ours) {
        log_error(
            "%s: an LMDB with pages of %u bytes; this system has %u: make it anew with mdb_dump "
            "there and mdb_load here",
            path, page, ours);
        return 1;
    }
    if (last >= file_bytes / page) {
        log_error("%s: truncated: %llu bytes, but its last page ends at %llu", path,
                  (unsigned long long)file_bytes, (unsigned long long)((last + 1) * page));
        return 1;
    }
    return 0;
}

/* Both meta pages; the second lies one page in. */
static int check_file(const char *path)
{
    uint8_t meta[META_END];
    struct stat there;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &there)) {
        log_error("%s: %s", path, strerror(errno));
        if (f)
            fclose(f);
        return 1;
    }
    int failed = 0;
    for (int i = 0; i < 2 && !failed; i++) {
        if (fseek(f, i * sysconf(_SC_PAGESIZE), SEEK_SET) ||
            fread(meta, 1, META_END, f) != META_END) {
            log_error("%s: not an LMDB: only %lld bytes", path, (long long)there.st_size);
            failed = 1;
        } else {
            failed = check_meta(path, meta, (uint64_t)there.st_size);
        }
    }
    fclose(f);
    return failed;
}

static int list_values(struct image_source *s)
{
    struct lmdb_state *l = s->state;
    MDB_dbi dbi;
    MDB_stat stat;
    MDB_cursor *cursor = NULL;
    MDB_val key, data;
    int code = mdb_txn_begin(l->env, NULL, MDB_RDONLY, &l->txn);
    if (!code)
        code = mdb_dbi_open(l->txn, NULL, 0, &dbi);
    if (!code)
        code = mdb_stat(l->txn, dbi, &stat);
    if (!code)
        code = mdb_cursor_open(l->txn, dbi, &cursor);
    if (code) {
        log_error("%s: %s", s->path, mdb_strerror(code));
        return 1;
    }
    int64_t room = (int64_t)stat.ms_entries;
    l->values = mem_alloc((size_t)room * sizeof *l->values);
    while (s->count < room && !(code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)))
        l->values[s->count++] = (struct value){key, data};
    mdb_cursor_close(cursor);
    if (s->count == room && room > 0)
        return 0;
    if (room == 0)
        log_error("%s: holds no pictures", s->path);
    else
        log_error("%s: damaged: entry %lld of %lld: %s", s->path, (long long)s->count,
                  (long long)room, mdb_strerror(code));
    return 1;
}

static int lmdb_load(struct image_source *s, int thread, int64_t index, struct picture *out,
                     char fault[IMAGE_FAULT])
{
    (void)thread;
    const struct lmdb_state *l = s->state;
    const MDB_val *data = &l->values[index].data;
    if (data->mv_size > IMAGE_MAX_BYTES)
        return picture_fault(fault, "larger than %d MiB", IMAGE_MAX_BYTES >> 20);
    return picture_decode(data->mv_data, data->mv_size, out, fault);
}

/* Keys of LSUN are text; other bytes are shown as '?'. */
static void lmdb_name(struct image_source *s, int64_t index, char out[IMAGE_FAULT])
{
    const struct lmdb_state *l = s->state;
    const MDB_val *key = &l->values[index].key;
    const char *text = key->mv_data;
    size_t n = key->mv_size < IMAGE_FAULT - 1 ? key->mv_size : IMAGE_FAULT - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = text[i];
    for (size_t i = 0; i < n; i++)
        if (out[i] < ' ' || out[i] > '~')
            out[i] = '?';
    out[n] = 0;
}

static void lmdb_close(struct image_source *s)
{
    struct lmdb_state *l = s->state;
    if (l->txn)
        mdb_txn_abort(l->txn);
    if (l->env)
        mdb_env_close(l->env);
    mem_free(l->values);
    mem_free(l);
}

int lmdb_open(struct image_source *s)
{
    static const struct image_source_ops ops = {lmdb_load, lmdb_name, lmdb_close};
    struct lmdb_state *l = mem_zalloc(sizeof *l);
    struct stat there;
    char file[4096];
    int code, is_folder = !stat(s->path, &there) && S_ISDIR(there.st_mode);
    s->ops = &ops; /* from here on image_source_close tidies up */
    s->state = l;
    snprintf(file, sizeof file, is_folder ? "%s/data.mdb" : "%s", s->path);
    if (check_file(file))
        return 1;
    if ((code = mdb_env_create(&l->env)) ||
        (code = mdb_env_open(l->env, file, MDB_RDONLY | MDB_NOLOCK | MDB_NOSUBDIR, 0600))) {
        log_error("%s: cannot be opened as LMDB: %s", file, mdb_strerror(code));
        return 1;
    }
    return list_values(s);
}
