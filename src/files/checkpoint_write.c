/* SPDX-License-Identifier: Apache-2.0
 * Writing a checkpoint beside the training. HDF5 is not safe to use from two threads, and training
 * reads its data through it; so the calling thread makes the file with all its structure and asks
 * where the numbers of each array belong (a millisecond), and a thread of its own puts them there
 * by pwrite, syncs, and gives the file its name.
 *
 * Nothing is ever lost to a crash or a full disk: the file has a temporary name until it is whole
 * on disk, and older ones are removed only after that. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/timer.h"
#include "files/checkpoint_private.h"
#include "files/h5_private.h"

struct checkpoint_writer {
    pthread_t thread;
    char folder[CHECKPOINT_PATH], path[CHECKPOINT_PATH];
    char *temporary;
    struct checkpoint_array array[CHECKPOINT_ARRAYS];
    int64_t place[CHECKPOINT_ARRAYS], crc_place; /* in the file */
    int array_count;
    int64_t step, keep, keep_every;
    int failed; /* by the thread; the reason was printed */
    double seconds;
};

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
    char path[CHECKPOINT_PATH];
    if (keep <= 0 || checkpoint_list(folder, &steps, &count))
        return;
    for (int i = 0; i < count; i++) {
        if (steps[i] > step || kept++ < keep || (keep_every > 0 && steps[i] % keep_every == 0))
            continue;
        checkpoint_path(folder, steps[i], path);
        if (remove(path))
            log_warn("%s: cannot remove this old checkpoint: %s", path, strerror(errno));
    }
    mem_free(steps);
}

/* What a killed run left of a checkpoint it was writing. */
static void remove_leftovers(const char *folder)
{
    char path[CHECKPOINT_PATH];
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (checkpoint_step_of(e->d_name, ".h5.new") >= 0) {
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            remove(path);
        }
    if (d)
        closedir(d);
}

static int put(int file, const void *data, size_t bytes, int64_t place)
{
    const char *from = data;
    while (bytes > 0) {
        ssize_t got = pwrite(file, from, bytes, (off_t)place);
        if (got <= 0 && errno != EINTR)
            return 1;
        if (got > 0) {
            from += got;
            place += got;
            bytes -= (size_t)got;
        }
    }
    return 0;
}

static int put_arrays(const struct checkpoint_writer *w)
{
    int64_t crc[CHECKPOINT_ARRAYS];
    int file = open(w->temporary, O_WRONLY), failed = file < 0;
    for (int i = 0; i < w->array_count && !failed; i++) {
        const struct checkpoint_array *a = &w->array[i];
        crc[i] = checkpoint_crc(0, a->data, a->count);
        failed = put(file, a->data, (size_t)a->count * sizeof *a->data, w->place[i]);
    }
    failed =
        failed || put(file, crc, (size_t)w->array_count * sizeof *crc, w->crc_place) || fsync(file);
    if (failed)
        log_error("%s: cannot write this checkpoint: %s%s; the ones before it are whole", w->path,
                  strerror(errno), errno == ENOSPC ? " (make room and run again)" : "");
    if (file >= 0 && close(file))
        failed = 1;
    return failed;
}

static int publish(const struct checkpoint_writer *w)
{
    char latest[CHECKPOINT_PATH + 16], name[64];
    if (text_rename(w->temporary, w->path)) {
        remove(w->temporary);
        return 1;
    }
    snprintf(latest, sizeof latest, "%s/LATEST", w->folder);
    snprintf(name, sizeof name, "%s\n", strrchr(w->path, '/') + 1);
    if (text_write(latest, name))
        return 1;
    prune(w->folder, w->step, w->keep, w->keep_every);
    return 0;
}

static void *work(void *writer)
{
    struct checkpoint_writer *w = writer;
    double began = timer_now_s();
    w->failed = put_arrays(w);
    if (w->failed)
        remove(w->temporary);
    else
        w->failed = publish(w);
    w->seconds = timer_now_s() - began;
    return NULL;
}

/* The file with everything but the numbers; *w learns where those belong. */
static int make_structure(const struct checkpoint *c, struct checkpoint_writer *w)
{
    char names[1024] = "";
    int64_t arrays = c->array_count;
    struct h5_file *f;
    if (h5_create(w->path, NULL, "", &f))
        return 1;
    int failed = h5_set_provenance(f, CHECKPOINT_FORMAT, CHECKPOINT_VERSION, c->deck, c->mode) ||
                 h5_set_int(f, "step", c->step) ||
                 h5_dataset_create(f, "crc32", H5_I64, 1, &arrays, 0, "", "array");
    for (int i = 0; i < c->array_count && !failed; i++) {
        const struct checkpoint_array *a = &c->arrays[i];
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? " " : "", a->name);
        failed = h5_dataset_create(f, a->name, H5_F32, 1, &a->count, 0, "", "P");
    }
    failed = failed || h5_set_text(f, "arrays", names) ||
             (c->param_count && write_parameters(f, c->params, c->param_count)) ||
             h5_set_complete(f) || /* true once the file has its name */
             h5_dataset_place(f, "crc32", &w->crc_place);
    for (int i = 0; i < c->array_count && !failed; i++)
        failed = h5_dataset_place(f, c->arrays[i].name, &w->place[i]);
    if (!failed)
        return h5_leave(f, &w->temporary);
    h5_close(f);
    return 1;
}

int checkpoint_begin(const struct checkpoint *c, struct checkpoint_writer **out)
{
    REQUIRE(c->array_count <= CHECKPOINT_ARRAYS);
    if (text_make_folders(c->folder))
        return 1;
    remove_leftovers(c->folder);
    struct checkpoint_writer *w = mem_zalloc(sizeof *w);
    snprintf(w->folder, sizeof w->folder, "%s", c->folder);
    checkpoint_path(c->folder, c->step, w->path);
    memcpy(w->array, c->arrays, (size_t)c->array_count * sizeof *c->arrays);
    w->array_count = c->array_count;
    w->step = c->step;
    w->keep = c->keep;
    w->keep_every = c->keep_every;
    if (make_structure(c, w)) {
        mem_free(w);
        return 1;
    }
    if (pthread_create(&w->thread, NULL, work, w))
        DIE("no thread for writing checkpoints: %s", strerror(errno));
    *out = w;
    return 0;
}

int checkpoint_end(struct checkpoint_writer *w, double *seconds)
{
    if (!w)
        return 0;
    pthread_join(w->thread, NULL);
    int failed = w->failed;
    if (seconds)
        *seconds = w->seconds;
    mem_free(w->temporary);
    mem_free(w);
    return failed;
}

int checkpoint_write(const struct checkpoint *c)
{
    struct checkpoint_writer *w;
    return checkpoint_begin(c, &w) || checkpoint_end(w, NULL);
}
