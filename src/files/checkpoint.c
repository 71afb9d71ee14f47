/* SPDX-License-Identifier: Apache-2.0
 * Checkpoints, one HDF5 file a step: finding the newest good one and reading it. The CRC-32 sums
 * tell a damaged one, so that a search falls back to the one before. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "files/checkpoint_private.h"

enum { PIECE = 1 << 20 };

void checkpoint_path(const char *folder, int64_t step, char path[CHECKPOINT_PATH])
{
    snprintf(path, CHECKPOINT_PATH, "%s/step-%08lld.h5", folder, (long long)step);
}

int64_t checkpoint_step_of(const char *name, const char *ending)
{
    char *end;
    if (strncmp(name, "step-", 5) || name[5] < '0' || name[5] > '9')
        return -1;
    long long step = strtoll(name + 5, &end, 10);
    return strcmp(end, ending) ? -1 : (int64_t)step;
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

int checkpoint_list(const char *folder, int64_t **steps, int *count)
{
    int room = 16, used = 0;
    int64_t *list = mem_alloc((size_t)room * sizeof *list);
    DIR *d = opendir(folder);
    if (!d && errno != ENOENT) {
        log_error("%s: %s", folder, strerror(errno));
        mem_free(list);
        return 1;
    }
    for (struct dirent *e; d && (e = readdir(d));) {
        int64_t step = checkpoint_step_of(e->d_name, ".h5");
        if (step < 0)
            continue;
        if (used == room) {
            int64_t *larger = mem_alloc(2 * (size_t)room * sizeof *list);
            memcpy(larger, list, (size_t)room * sizeof *list);
            mem_free(list);
            list = larger;
            room *= 2;
        }
        list[used++] = step;
    }
    if (d)
        closedir(d);
    qsort(list, (size_t)used, sizeof *list, newest_first);
    *steps = list;
    *count = used;
    return 0;
}

/* The CRC of a stored array, read piece by piece. */
static int stored_crc(struct h5_file *f, const char *name, int64_t count, int64_t *out)
{
    float *piece = mem_alloc(PIECE * sizeof *piece);
    int64_t crc = 0;
    int failed = 0;
    for (int64_t at = 0; at < count && !failed; at += PIECE) {
        int64_t n = count - at < PIECE ? count - at : PIECE;
        failed = h5_read_rows(f, name, at, n, piece);
        crc = checkpoint_crc(crc, piece, n);
    }
    mem_free(piece);
    *out = crc;
    return failed;
}

/* The CRC-32 that was written with an array. */
static int written_crc(struct h5_file *f, const char *name, int64_t *crc)
{
    int64_t all[CHECKPOINT_ARRAYS], dims[5];
    enum h5_type type;
    int rank, place = 0, at = -1;
    char *names = NULL;
    if (h5_get_text(f, "arrays", &names))
        return 1;
    for (char *rest, *n = strtok_r(names, " ", &rest); n; n = strtok_r(NULL, " ", &rest), place++)
        if (!strcmp(n, name))
            at = place;
    mem_free(names);
    if (at < 0 || place > CHECKPOINT_ARRAYS || h5_dataset_info(f, "crc32", &type, &rank, dims) ||
        rank != 1 || type != H5_I64 || dims[0] != place || h5_read_rows(f, "crc32", 0, place, all))
        return 1;
    *crc = all[at];
    return 0;
}

static int array_info(struct h5_file *f, const char *path, const char *name, int64_t *count,
                      int64_t *crc)
{
    enum h5_type type;
    int rank;
    int64_t dims[5];
    if (h5_dataset_info(f, name, &type, &rank, dims))
        return 1;
    if (rank != 1 || type != H5_F32 || written_crc(f, name, crc)) {
        log_error("%s: '%s' is not a list of float32 with a CRC-32", path, name);
        return 1;
    }
    *count = dims[0];
    return 0;
}

static int check_arrays(struct h5_file *f, const char *path)
{
    char *names = NULL;
    if (h5_get_text(f, "arrays", &names))
        return 1;
    int failed = 0;
    for (char *rest, *name = strtok_r(names, " ", &rest); name && !failed;
         name = strtok_r(NULL, " ", &rest)) {
        int64_t count, crc, wanted;
        failed = array_info(f, path, name, &count, &wanted) || stored_crc(f, name, count, &crc);
        if (!failed && crc != wanted) {
            log_error("%s: '%s' is damaged (its CRC-32 does not fit)", path, name);
            failed = 1;
        }
    }
    mem_free(names);
    return failed;
}

static int open_checkpoint(const char *path, struct h5_file **out)
{
    struct h5_file *f;
    if (h5_open(path, NULL, 0, "", &f))
        return 1;
    int failed = h5_check_format(f, CHECKPOINT_FORMAT, CHECKPOINT_VERSION);
    if (!failed && !h5_is_complete(f)) {
        log_error("%s: unfinished", path);
        failed = 1;
    }
    if (failed) {
        h5_close(f);
        return 1;
    }
    *out = f;
    return 0;
}

static int is_good(const char *path, char **deck)
{
    struct h5_file *f;
    if (open_checkpoint(path, &f))
        return 0;
    int good = !check_arrays(f, path) && (!deck || !h5_get_text(f, "deck", deck));
    h5_close(f);
    return good;
}

int64_t checkpoint_find(const char *folder, char **deck)
{
    int64_t *steps, found = -1;
    int count;
    char path[CHECKPOINT_PATH];
    if (checkpoint_list(folder, &steps, &count))
        return -1;
    for (int i = 0; i < count && found < 0; i++) {
        checkpoint_path(folder, steps[i], path);
        if (is_good(path, deck))
            found = steps[i];
        else
            log_warn("%s is of no use; %s", path,
                     i + 1 < count ? "trying the one before" : "there is none before it");
    }
    mem_free(steps);
    return found;
}

static int read_array(struct h5_file *f, const char *path, const struct checkpoint_array *a)
{
    int64_t count, crc;
    if (array_info(f, path, a->name, &count, &crc))
        return 1;
    if (count != a->count) {
        log_error(
            "%s: '%s' has %lld values, this network has %lld: the checkpoint is of another one",
            path, a->name, (long long)count, (long long)a->count);
        return 1;
    }
    if (h5_read_rows(f, a->name, 0, count, a->data))
        return 1;
    if (checkpoint_crc(0, a->data, count) == crc)
        return 0;
    log_error("%s: '%s' is damaged (its CRC-32 does not fit)", path, a->name);
    return 1;
}

int checkpoint_read(const char *folder, int64_t step, const struct checkpoint_array *arrays,
                    int array_count)
{
    char path[CHECKPOINT_PATH];
    struct h5_file *f;
    checkpoint_path(folder, step, path);
    if (open_checkpoint(path, &f))
        return 1;
    int failed = 0;
    for (int i = 0; i < array_count && !failed; i++)
        failed = read_array(f, path, &arrays[i]);
    return h5_close(f) || failed;
}
