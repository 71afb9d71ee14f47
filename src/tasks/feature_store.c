/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/feature_store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/timer.h"
#include "files/h5io.h"

enum { ROUND = 128 }; /* images a rank between two looks at the time */
static const char format[] = "peclet-features";

struct feature_store {
    struct job *job;
    struct h5_file *file;
    int dim;
    char path[JOB_PATH];
};

/* 0 is "no features yet". */
static int64_t mark_of(const struct image_set *set, int64_t i)
{
    size_t numbers = (size_t)set->side * (size_t)set->side * (size_t)set->channels;
    const float *image = set->images + (size_t)i * numbers;
    return 1 + (int64_t)crc32_z(0, (const void *)image, numbers * sizeof *image);
}

/* What the rows depend on beside the images: the weights as a file, the resizing, the sizes. */
static void describe(const struct job *job, const char *feature, int dim, int sets,
                     const struct named_set *set, char text[2 * JOB_PATH])
{
    const struct evaluate_settings *s = &job->settings.evaluate;
    const char *weights = strcmp(feature, "inception") ? s->weights : s->inception_weights;
    struct stat file = {0};
    stat(weights, &file);
    int used = snprintf(text, 2 * JOB_PATH, "%s %d, %s %lld %lld, %s", feature, dim, weights,
                        (long long)file.st_size, (long long)file.st_mtime, s->fid_resize);
    for (int i = 0; i < sets; i++)
        used += snprintf(text + used, (size_t)(2 * JOB_PATH - used), ", %s %lld", set[i].name,
                         (long long)set[i].images->total);
}

static void mark_name(const struct named_set *set, char name[32])
{
    snprintf(name, 32, "%s.crc32", set->name);
}

static int create_set(struct feature_store *f, const struct named_set *set)
{
    int64_t dims[] = {set->images->total, f->dim};
    char name[32];
    mark_name(set, name);
    return dims[0] > 0 && (h5_dataset_create(f->file, set->name, H5_F32, 2, dims, 0, "", "N,D") ||
                           h5_dataset_create(f->file, name, H5_I64, 1, dims, 0, "", "N"));
}

static int clear_marks(struct feature_store *f, const struct named_set *set)
{
    char name[32];
    int64_t *none = mem_zalloc((size_t)set->images->count * sizeof *none);
    mark_name(set, name);
    int failed = set->images->total > 0 &&
                 h5_write_rows(f->file, name, set->images->first, set->images->count, none);
    mem_free(none);
    return failed;
}

static int create(struct feature_store *f, const char *key, int sets, const struct named_set *set)
{
    struct job *job = f->job;
    if (h5_create(f->path, job->comm, "", &f->file))
        return 1;
    int failed =
        h5_set_provenance(f->file, format, 1, job->deck, "") || h5_set_text(f->file, "key", key);
    for (int i = 0; i < sets && !failed; i++)
        failed = create_set(f, &set[i]);
    failed = failed || h5_flush(f->file);
    for (int i = 0; i < sets && !failed; i++)
        failed = clear_marks(f, &set[i]);
    return failed || h5_publish(f->file);
}

/* Rank 0: is there one that fits? */
static int usable(const char *path, const char *key)
{
    struct h5_file *file;
    char *stored = NULL;
    if (h5_probe(path, format, NULL) < 2 || h5_open(path, NULL, 0, "", &file))
        return 0;
    int fits =
        h5_has_attribute(file, "key") && !h5_get_text(file, "key", &stored) && !strcmp(stored, key);
    mem_free(stored);
    h5_close(file);
    return fits;
}

int feature_store_open(struct job *job, const char *feature, int dim, int sets,
                       const struct named_set *set, struct feature_store **out)
{
    struct feature_store *f = mem_zalloc(sizeof *f);
    char key[2 * JOB_PATH], name[64];
    f->job = job;
    f->dim = dim;
    snprintf(name, sizeof name, "features-%s.h5", feature);
    job_path(job, name, f->path);
    describe(job, feature, dim, sets, set, key);
    int fits = job->comm->rank == 0 && usable(f->path, key);
    fits = comm_agree(job->comm, fits);
    if (fits ? h5_open(f->path, job->comm, 1, "", &f->file) : create(f, key, sets, set)) {
        feature_store_close(f, 0);
        return 1;
    }
    *out = f;
    return 0;
}

/* The features of rows first..first+count of this rank that the file does not have. */
static void see(const struct feature_store *f, struct judge *judge, const struct image_set *set,
                int64_t first, int64_t count, int64_t *mark, float *features)
{
    size_t numbers = (size_t)set->side * (size_t)set->side * (size_t)set->channels;
    for (int64_t i = first, next; i < first + count; i = next) {
        int64_t wanted = mark_of(set, i);
        next = i + 1;
        if (mark[i] == wanted)
            continue;
        mark[i] = wanted;
        while (next < first + count && mark[next] != mark_of(set, next)) {
            mark[next] = mark_of(set, next);
            next++;
        }
        judge_run(judge, next - i, set->images + (size_t)i * numbers, features + i * f->dim);
    }
}

int feature_store_run(struct feature_store *f, struct judge *judge, const struct named_set *named,
                      float *features)
{
    struct comm *comm = f->job->comm;
    const struct image_set *set = named->images;
    char name[32];
    double rounds = (double)((set->count + ROUND - 1) / ROUND), slowest_s = 0;
    int64_t *mark = mem_alloc((size_t)set->count * sizeof *mark);
    mark_name(named, name);
    comm->ops->max_f64(comm, &rounds, 1);
    int result = h5_read_rows(f->file, named->name, set->first, set->count, features) ||
                         h5_read_rows(f->file, name, set->first, set->count, mark)
                     ? TASK_FAILED
                     : TASK_DONE;
    int64_t there = 0;
    for (int64_t i = 0; i < set->count && !result; i++)
        there += mark[i] == mark_of(set, i);
    there = comm_sum_int(comm, there);
    if (there)
        log_info("going on with %lld of %lld features of the %s", (long long)there,
                 (long long)set->total, named->name);
    for (int64_t r = 0; r < (int64_t)rounds && !result; r++) {
        double began = timer_now_s();
        int64_t first = r * ROUND < set->count ? r * ROUND : set->count;
        int64_t count = set->count - first < ROUND ? set->count - first : ROUND;
        timer_begin("evaluate/features");
        see(f, judge, set, first, count, mark, features);
        timer_end("evaluate/features");
        if (h5_write_rows(f->file, named->name, set->first + first, count,
                          features + first * f->dim) ||
            h5_write_rows(f->file, name, set->first + first, count, mark + first))
            result = TASK_FAILED;
        slowest_s = timer_now_s() - began > slowest_s ? timer_now_s() - began : slowest_s;
        if (!result && stop_requested(f->job, slowest_s) == STOP_LEAVE)
            result = TASK_STOPPED;
    }
    mem_free(mark);
    if (result == TASK_STOPPED)
        log_info("evaluation stopped (%s) within the features of the %s; run again to go on",
                 stop_reason(), named->name);
    return result;
}

void feature_store_close(struct feature_store *f, int done)
{
    if (!f)
        return;
    h5_close(f->file);
    if (done && f->job->comm->rank == 0)
        remove(f->path);
    mem_free(f);
}
