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
#include "tasks/judge.h"

static const char format[] = "peclet-features";

struct feature_store {
    struct job *job;
    struct h5_file *file;
    int dim, any;
    char path[JOB_PATH];
};

/* 0 is "no features yet". */
static int64_t mark_of(const struct image *image)
{
    size_t numbers = (size_t)image->height * (size_t)image->width * (size_t)image->channels;
    return 1 + (int64_t)crc32_z(0, (const void *)image->x, numbers * sizeof *image->x);
}

/* What the rows depend on beside the images: the weights as a file, the resizing, the sizes. */
static void describe(const struct job *job, const char *feature, int dim, int sets,
                     const struct named_set *set, char text[2 * JOB_PATH])
{
    const struct evaluate_settings *s = &job->settings.evaluate;
    const char *weights = judge_weights(s, feature);
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
    f->any = eye_takes_any(feature);
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

/* Images first..first+count of this rank; release them with let_go. */
static int look(const struct feature_store *f, const struct image_set *set, int64_t first,
                int64_t count, float *room, struct image *images)
{
    if (f->any)
        return image_set_read_any(set, first, count, images);
    for (int64_t i = 0; i < count; i++)
        images[i] =
            (struct image){set->height, set->width, set->channels, room + i * image_values(set)};
    return image_set_read(set, first, count, room);
}

static void let_go(const struct feature_store *f, int64_t count, struct image *images)
{
    if (f->any)
        images_free(count, images);
}

/* What a round needs, for at most `most` images. */
struct round {
    int64_t most;
    float *room;
    struct image *images;
};

/* Of rows that have features, those lose their mark whose image has changed since. */
static int check_marks(const struct feature_store *f, const struct image_set *set,
                       struct round *round, int64_t *mark)
{
    int failed = 0;
    for (int64_t first = 0, count; first < set->count && !failed; first += count) {
        count = set->count - first < round->most ? set->count - first : round->most;
        int64_t marked = 0;
        for (int64_t i = 0; i < count; i++)
            marked += mark[first + i] != 0;
        if (!marked)
            continue;
        failed = look(f, set, first, count, round->room, round->images);
        for (int64_t i = 0; i < count && !failed; i++)
            if (mark[first + i] != mark_of(&round->images[i]))
                mark[first + i] = 0;
        let_go(f, count, round->images);
    }
    return failed;
}

/* The features of rows first..first+count of this rank that the file does not have, *made of them. */
static int see(const struct feature_store *f, struct eye *eye, const struct image_set *set,
               int64_t first, int64_t count, struct round *round, int64_t *mark, float *features,
               int64_t *made)
{
    *made = 0;
    for (int64_t i = 0; i < count; i++)
        *made += mark[first + i] == 0;
    if (!*made)
        return 0;
    int failed = look(f, set, first, count, round->room, round->images);
    for (int64_t i = 0, next; i < count && !failed; i = next) {
        for (next = i; next < count && mark[first + next] == 0; next++)
            mark[first + next] = mark_of(&round->images[next]);
        if (next > i)
            eye_run(eye, next - i, round->images + i, features + (first + i) * f->dim);
        else
            next++;
    }
    let_go(f, count, round->images);
    return failed;
}

static int load(struct feature_store *f, const struct named_set *named, struct round *round,
                float *features, int64_t *mark)
{
    const struct image_set *set = named->images;
    char name[32];
    mark_name(named, name);
    if (h5_read_rows(f->file, named->name, set->first, set->count, features) ||
        h5_read_rows(f->file, name, set->first, set->count, mark) ||
        comm_agree(f->job->comm, check_marks(f, set, round, mark)))
        return TASK_FAILED;
    int64_t there = 0;
    for (int64_t i = 0; i < set->count; i++)
        there += mark[i] != 0;
    there = comm_sum_int(f->job->comm, there);
    if (there)
        log_info("going on with %lld of %lld features of the %s", (long long)there,
                 (long long)set->total, named->name);
    return TASK_DONE;
}

int feature_store_run(struct feature_store *f, struct eye *eye, const struct named_set *named,
                      struct progress *progress, int64_t before, float *features)
{
    struct comm *comm = f->job->comm;
    const struct image_set *set = named->images;
    char name[32];
    struct round round = {.most = image_set_slab(set)};
    double rounds = (double)((set->count + round.most - 1) / round.most), slowest_s = 0;
    int64_t *mark = mem_alloc((size_t)set->count * sizeof *mark), all = round.most * comm->size;
    round.room =
        f->any ? NULL : mem_alloc((size_t)(round.most * image_values(set)) * sizeof(float));
    round.images = mem_alloc((size_t)round.most * sizeof *round.images);
    mark_name(named, name);
    comm->ops->max_f64(comm, &rounds, 1);
    int result = load(f, named, &round, features, mark);
    for (int64_t r = 0; r < (int64_t)rounds && !result; r++) {
        double began = timer_now_s();
        int64_t made;
        int64_t first = r * round.most < set->count ? r * round.most : set->count;
        int64_t count = set->count - first < round.most ? set->count - first : round.most;
        timer_begin("evaluate/features");
        int failed = see(f, eye, set, first, count, &round, mark, features, &made);
        timer_end("evaluate/features");
        if (comm_agree(comm, failed) ||
            h5_write_rows(f->file, named->name, set->first + first, count,
                          features + first * f->dim) ||
            h5_write_rows(f->file, name, set->first + first, count, mark + first))
            result = TASK_FAILED;
        progress_show(progress, before + ((r + 1) * all < set->total ? (r + 1) * all : set->total),
                      NULL);
        slowest_s = timer_now_s() - began > slowest_s ? timer_now_s() - began : slowest_s;
        /* a start that is stopped again and again has done something each time */
        if (!result && comm_sum_int(comm, made) > 0 &&
            stop_requested(f->job, slowest_s) == STOP_LEAVE)
            result = TASK_STOPPED;
    }
    mem_free(mark);
    mem_free(round.room);
    mem_free(round.images);
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
