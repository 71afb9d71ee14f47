/* SPDX-License-Identifier: Apache-2.0
 * Checkpoints, one HDF5 file a step, written and read by one rank.
 *
 * Nothing is ever lost to a crash or a full disk: the file has a temporary name until it is whole
 * on disk (h5io), older ones are removed only after that, and CRC-32 sums tell a damaged one, so
 * that a search falls back to the one before. */
#include "files/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/h5_private.h"

enum { VERSION = 1, PATH_BYTES = 4096, PIECE = 1 << 20 };
static const char format[] = "peclet-checkpoint";

static void step_path(const char *folder, int64_t step, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/step-%08lld.h5", folder, (long long)step);
}

/* The step in "step-00001000.h5", or -1; any ending after the number can be asked for. */
static int64_t step_of(const char *name, const char *ending)
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

/* The steps in a folder, newest first; a folder that is not there has none. Caller frees. */
static int list_steps(const char *folder, int64_t **steps, int *count)
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
        int64_t step = step_of(e->d_name, ".h5");
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

static int64_t crc_of(const float *data, int64_t count)
{
    return (int64_t)crc32_z(0, (const void *)data, (size_t)count * sizeof *data);
}

static int create_array(struct h5_file *f, const struct checkpoint_array *a)
{
    char name[64];
    snprintf(name, sizeof name, "crc32.%s", a->name);
    return h5_dataset_create(f, a->name, H5_F32, 1, &a->count, 0, "", "P") ||
           h5_set_int(f, name, crc_of(a->data, a->count));
}

static int write_parameters(struct h5_file *f, const struct checkpoint_param *params, int n)
{
    const char **names = mem_alloc((size_t)n * sizeof *names);
    int64_t *first = mem_alloc((size_t)n * sizeof *first),
            *count = mem_alloc((size_t)n * sizeof *count);
    for (int i = 0; i < n; i++) {
        names[i] = params[i].name;
        first[i] = params[i].first;
        count[i] = params[i].count;
    }
    int failed = h5_write_ranges(f, "parameters", names, first, count, n);
    mem_free(names);
    mem_free(first);
    mem_free(count);
    return failed;
}

/* Removes what neither `keep` nor `keep_every` holds. Newer files than `step` (of a run that went
 * on from an older checkpoint) are not touched and do not count. */
static void prune(const char *folder, int64_t step, int64_t keep, int64_t keep_every)
{
    int64_t *steps, kept = 0;
    int count;
    char path[PATH_BYTES];
    if (keep <= 0 || list_steps(folder, &steps, &count))
        return;
    for (int i = 0; i < count; i++) {
        if (steps[i] > step || kept++ < keep || (keep_every > 0 && steps[i] % keep_every == 0))
            continue;
        step_path(folder, steps[i], path);
        if (remove(path))
            log_warn("%s: cannot remove this old checkpoint: %s", path, strerror(errno));
    }
    mem_free(steps);
}

/* What a killed run left of a checkpoint it was writing. */
static void remove_leftovers(const char *folder)
{
    char path[PATH_BYTES];
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (step_of(e->d_name, ".h5.new") >= 0) {
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            remove(path);
        }
    if (d)
        closedir(d);
}

int checkpoint_write(const char *folder, int64_t step, const char *deck, const char *mode,
                     const struct checkpoint_array *arrays, int array_count,
                     const struct checkpoint_param *params, int param_count, int64_t keep,
                     int64_t keep_every)
{
    char path[PATH_BYTES], latest[PATH_BYTES], names[1024] = "";
    struct h5_file *f;
    if (text_make_folders(folder))
        return 1;
    remove_leftovers(folder);
    step_path(folder, step, path);
    if (h5_create(path, NULL, "", &f))
        return 1;
    int failed = h5_set_provenance(f, format, VERSION, deck, mode) || h5_set_int(f, "step", step);
    for (int i = 0; i < array_count && !failed; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? " " : "", arrays[i].name);
        failed = create_array(f, &arrays[i]);
    }
    failed = failed || h5_set_text(f, "arrays", names) ||
             (param_count && write_parameters(f, params, param_count));
    for (int i = 0; i < array_count && !failed; i++)
        failed = h5_write_rows(f, arrays[i].name, 0, arrays[i].count, arrays[i].data);
    failed = failed || h5_set_complete(f);
    if (h5_close(f) || failed)
        return 1;
    snprintf(latest, sizeof latest, "%s/LATEST", folder);
    snprintf(names, sizeof names, "%s\n", strrchr(path, '/') + 1);
    if (text_write(latest, names))
        return 1;
    prune(folder, step, keep, keep_every);
    return 0;
}

/* The CRC of a stored array, read piece by piece. */
static int stored_crc(struct h5_file *f, const char *name, int64_t count, int64_t *out)
{
    float *piece = mem_alloc(PIECE * sizeof *piece);
    uLong crc = 0;
    int failed = 0;
    for (int64_t at = 0; at < count && !failed; at += PIECE) {
        int64_t n = count - at < PIECE ? count - at : PIECE;
        failed = h5_read_rows(f, name, at, n, piece);
        crc = crc32_z(crc, (const void *)piece, (size_t)n * sizeof *piece);
    }
    mem_free(piece);
    *out = (int64_t)crc;
    return failed;
}

static int array_info(struct h5_file *f, const char *path, const char *name, int64_t *count,
                      int64_t *crc)
{
    char attribute[64];
    enum h5_type type;
    int rank;
    int64_t dims[5];
    snprintf(attribute, sizeof attribute, "crc32.%s", name);
    if (h5_dataset_info(f, name, &type, &rank, dims) || h5_get_int(f, attribute, crc))
        return 1;
    if (rank != 1 || type != H5_F32) {
        log_error("%s: '%s' is not a list of float32", path, name);
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
    int failed = h5_check_format(f, format, VERSION);
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
    char path[PATH_BYTES];
    if (list_steps(folder, &steps, &count))
        return -1;
    for (int i = 0; i < count && found < 0; i++) {
        step_path(folder, steps[i], path);
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
    if (crc_of(a->data, count) == crc)
        return 0;
    log_error("%s: '%s' is damaged (its CRC-32 does not fit)", path, a->name);
    return 1;
}

int checkpoint_read(const char *folder, int64_t step, const struct checkpoint_array *arrays,
                    int array_count)
{
    char path[PATH_BYTES];
    struct h5_file *f;
    step_path(folder, step, path);
    if (open_checkpoint(path, &f))
        return 1;
    int failed = 0;
    for (int i = 0; i < array_count && !failed; i++)
        failed = read_array(f, path, &arrays[i]);
    return h5_close(f) || failed;
}
