/* SPDX-License-Identifier: Apache-2.0
 * LSUN: an LMDB whose values are encoded pictures (WebP or JPEG, by their first bytes), in the order of
 * the keys. The database is mapped into memory and one read transaction stays open, so a value is a
 * place in memory that all threads may read; the values are found once, which touches the pages of
 * keys only.
 *
 * LMDB believes its file: lmdb_check.c looks first whether it may. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <lmdb.h>

#include "base/log.h"
#include "base/mem.h"
#include "images/readers.h"

struct lmdb_state {
    MDB_env *env;
    MDB_txn *txn;
    struct value {
        MDB_val key, data; /* in the map */
    } * values;            /* [count], owned */
};

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
    if (lmdb_check(file))
        return 1;
    if ((code = mdb_env_create(&l->env)) ||
        (code = mdb_env_open(l->env, file, MDB_RDONLY | MDB_NOLOCK | MDB_NOSUBDIR, 0600))) {
        log_error("%s: cannot be opened as LMDB: %s", file, mdb_strerror(code));
        return 1;
    }
    return list_values(s);
}
