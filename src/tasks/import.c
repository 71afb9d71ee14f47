/* SPDX-License-Identifier: Apache-2.0
 * import: pictures of any format -> dataset.h5.
 *
 * Ranks work in rounds of whole chunks. In a round each rank decodes its share (threads take picture
 * by picture), the ranks tell each other how many came out well, and each writes its own behind those
 * of the ranks before it: rows follow the order of the collection without a gap, whatever was damaged
 * and however many ranks there are. Mirror images come from the rows already written, so no image is
 * decoded twice, but for the first: every rank looks at it where the deck leaves its size open.
 *
 * An import that is stopped or killed goes on after the last round that was counted (dataset_mark). */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/split.h"
#include "base/timer.h"
#include "files/dataset.h"
#include "tasks/import_source.h"
#include "tasks/tasks.h"

static const double MARK_S = 10; /* between two counts: each waits for the disk */

/* One split: images first..first+count of a source. */
struct split {
    struct image_source *source;
    int64_t first, count;
    int flip;
    const int32_t *labels; /* of the whole source, or NULL */
    int skip;              /* damaged images are left out; otherwise they end the run */
};

/* One rank's share of a round. */
struct share {
    uint8_t *pixels; /* [room,H,W,C] */
    int32_t *labels; /* [room] */
    char **faults;   /* [room]; NULL: the image is well */
    int64_t room, good;
};

static int64_t split_rows(const struct split *s)
{
    return s->flip ? 2 * s->count : s->count;
}

static void mirror(uint8_t *pixels, int height, int width, int channels)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width / 2; x++)
            for (int c = 0; c < channels; c++) {
                uint8_t *a = pixels + ((int64_t)y * width + x) * channels + c;
                uint8_t *b = pixels + ((int64_t)y * width + width - 1 - x) * channels + c;
                uint8_t t = *a;
                *a = *b;
                *b = t;
            }
}

static struct share share_create(int64_t room, size_t image_bytes)
{
    struct share s = {.room = room};
    s.pixels = mem_alloc((size_t)room * image_bytes);
    s.labels = mem_alloc((size_t)room * sizeof *s.labels);
    s.faults = mem_zalloc((size_t)room * sizeof *s.faults);
    return s;
}

static void share_free(struct share *s)
{
    mem_free(s->pixels);
    mem_free(s->labels);
    mem_free(s->faults);
}

/* Decodes images first..first+count of the split and moves the good ones together; returns the worst
 * that image_read had to say. */
static int read_share(const struct split *split, int threads, int64_t first, int64_t count,
                      size_t image_bytes, struct share *s)
{
    int worst = 0;
#pragma omp parallel for num_threads(threads) schedule(dynamic) reduction(max : worst)
    for (int64_t i = 0; i < count; i++) {
        char fault[IMAGE_FAULT];
        int failed = image_read(split->source, omp_get_thread_num(), split->first + first + i,
                                s->pixels + (size_t)i * image_bytes, fault);
        s->faults[i] = failed ? mem_strdup(fault) : NULL;
        worst = failed > worst ? failed : worst;
    }
    s->good = 0;
    for (int64_t i = 0; i < count; i++) {
        if (s->faults[i])
            continue;
        if (s->good < i)
            memcpy(s->pixels + (size_t)s->good * image_bytes, s->pixels + (size_t)i * image_bytes,
                   image_bytes);
        if (split->labels)
            s->labels[s->good] = split->labels[split->first + first + i];
        s->good++;
    }
    return worst;
}

/* Rank 0 prints the faults of all ranks in the order of the images. Collective. */
static void tell_faults(struct comm *comm, struct share *s, int64_t count, const int64_t *bad,
                        int skip)
{
    char text[IMAGE_FAULT];
    int64_t at = 0;
    for (int rank = 0; rank < comm->size; rank++)
        for (int64_t n = 0; n < bad[rank]; n++) {
            memset(text, 0, sizeof text);
            if (rank == comm->rank) {
                while (at < count && !s->faults[at])
                    at++;
                memcpy(text, s->faults[at], strlen(s->faults[at]));
                mem_free(s->faults[at]);
                s->faults[at++] = NULL;
            }
            comm->ops->bcast(comm, text, sizeof text, rank);
            if (comm->rank == 0 && skip)
                log_warn("left out: %s", text);
            else if (comm->rank == 0)
                log_error("%s", text);
        }
}

/* Writes the share behind those of the ranks before; *done grows by what all ranks wrote. Collective. */
static int write_share(struct job *job, struct h5_file *file, int test, const struct split *split,
                       struct share *s, int64_t count, int worst, int64_t *done)
{
    struct comm *comm = job->comm;
    int64_t *counts = mem_alloc((size_t)comm->size * 3 * sizeof *counts),
            *bad = counts + comm->size, *good = bad + comm->size, at = *done;
    comm->ops->allgather(comm, &(int64_t){count - s->good}, sizeof *bad, bad);
    comm->ops->allgather(comm, &s->good, sizeof *good, good);
    worst = comm_agree(comm, worst);
    int skip = split->skip && worst < IMAGE_UNEQUAL;
    tell_faults(comm, s, count, bad, skip);
    for (int rank = 0; rank < comm->size; rank++) {
        at += rank < comm->rank ? good[rank] : 0;
        *done += good[rank];
    }
    mem_free(counts);
    if (worst && !skip) {
        if (worst == IMAGE_DAMAGED && comm->rank == 0)
            log_error("&dataset on_damaged = 'skip' would leave such images out");
        return 1;
    }
    at = s->good ? at : 0;
    int failed = dataset_write(file, test, at, s->good, s->pixels) ||
                 (split->labels && dataset_write_labels(file, test, at, s->good, s->labels));
    return comm_agree(comm, failed);
}

/* Rows 0..count of a split of one file to rows at..at+count of the same or another one, mirrored or not; a stop leaves
 * them to be copied anew. Collective. */
static int copy_rows(struct job *job, struct h5_file *from, struct h5_file *to,
                     const struct dataset_shape *shape, int test, int64_t count, int64_t at,
                     int mirrored)
{
    struct comm *comm = job->comm;
    int labels = test ? shape->test_labels : shape->labels;
    int64_t chunk = dataset_chunk_rows(shape), round = chunk * IMPORT_ROUND_CHUNKS * comm->size;
    size_t image_bytes = (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels;
    struct share s = share_create(chunk * IMPORT_ROUND_CHUNKS, image_bytes);
    int failed = h5_flush(from), stopped = 0; /* rows that other ranks wrote are read */
    double slowest_s = 0;
    comm->ops->barrier(comm);
    for (int64_t done = 0; done < count && !failed && !stopped; done += round) {
        double began = timer_now_s();
        int64_t rows = count - done < round ? count - done : round;
        struct range mine = split_chunks(rows, chunk, comm->size, comm->rank);
        int64_t first = mine.count ? done + mine.first : 0, target = mine.count ? at + first : 0;
        failed = dataset_read(from, test, first, mine.count, s.pixels) ||
                 (labels && dataset_read_labels(from, test, first, mine.count, s.labels));
        if ((failed = comm_agree(comm, failed)))
            break;
        for (int64_t i = 0; i < mine.count && mirrored; i++)
            mirror(s.pixels + (size_t)i * image_bytes, shape->height, shape->width,
                   shape->channels);
        failed = dataset_write(to, test, target, mine.count, s.pixels) ||
                 (labels && dataset_write_labels(to, test, target, mine.count, s.labels));
        failed = comm_agree(comm, failed);
        timer_alive();
        slowest_s = fmax(slowest_s, timer_now_s() - began);
        stopped = done + round < count && stop_requested(job, slowest_s) == STOP_LEAVE;
    }
    share_free(&s);
    return failed ? TASK_FAILED : stopped ? TASK_STOPPED : TASK_DONE;
}

/* What an earlier start left of the images of a split, decoded, and counted. Collective. */
static int write_split(struct job *job, struct h5_file *file, const struct dataset_shape *shape,
                       int test, const struct split *split, struct dataset_progress *p)
{
    struct comm *comm = job->comm;
    int64_t chunk = dataset_chunk_rows(shape), done = p->good[test];
    double slowest_s = 0, marked_s = timer_now_s();
    int stopped = 0;
    size_t image_bytes = (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels;
    struct share share = share_create(chunk * IMPORT_ROUND_CHUNKS, image_bytes);
    struct progress progress;
    int failed = 0;

    progress_start(&progress, test ? "import test" : "import", "images", p->read[test],
                   split->count);
    while (p->read[test] < split->count && !failed && !stopped) {
        double began = timer_now_s();
        int64_t at = p->read[test], left = split->count - at, round = share.room * comm->size;
        round = left < round ? left : round;
        struct range mine = split_chunks(round, chunk, comm->size, comm->rank);
        timer_begin("import/read");
        int worst = read_share(split, split->source->threads, at + mine.first, mine.count,
                               image_bytes, &share);
        timer_end("import/read");
        timer_begin("import/write");
        failed = write_share(job, file, test, split, &share, mine.count, worst, &done);
        p->read[test] = at + round;
        p->good[test] = done;
        slowest_s = fmax(slowest_s, timer_now_s() - began);
        stopped =
            !failed && p->read[test] < split->count && stop_requested(job, slowest_s) == STOP_LEAVE;
        if (!failed && (stopped || comm_agree(comm, timer_now_s() - marked_s > MARK_S))) {
            failed = dataset_mark(file, p);
            marked_s = timer_now_s();
        }
        timer_end("import/write");
        progress_show(&progress, at + round, NULL);
    }
    share_free(&share);
    if (stopped && !failed)
        return TASK_STOPPED;
    if (!failed)
        progress_end(&progress, split->count);
    if (!failed && done < split->count)
        log_warn("%s: %lld of %lld images are damaged (named above) and left out",
                 split->source->path, (long long)(split->count - done), (long long)split->count);
    if (!failed && split->count && done == 0) {
        log_error("%s: not one of %lld images can be read", split->source->path,
                  (long long)split->count);
        failed = 1;
    }
    return failed ? TASK_FAILED : TASK_DONE;
}

/* Labels of a split: those of the deck's file, or the collection's own. */
static int find_labels(const char *path, struct split *split, int32_t **labels)
{
    int64_t n = 0;
    split->labels = split->source->labels;
    if (!*path)
        return 0;
    if (image_labels_read(path, labels, &n))
        return 1;
    if (n != split->source->count) {
        log_error("%s: holds %lld labels for %lld images", path, (long long)n,
                  (long long)split->source->count);
        return 1;
    }
    split->labels = *labels;
    return 0;
}

/* Opens sources and labels and decides which images make up each split. */
static int choose_splits(const struct dataset_settings *s, int threads, struct split split[2],
                         int32_t *labels[2])
{
    struct image_source *train = NULL, *test = NULL;
    int skip = !strcmp(s->on_damaged, "skip");
    if (!*s->path) {
        log_error("&dataset path is empty: name the images to learn from");
        return 1;
    }
    if (import_source_open(s, 0, threads, &train))
        return 1;
    split[0] =
        (struct split){.source = train, .count = train->count, .flip = s->flip, .skip = skip};
    if (*s->test_path) {
        if (import_source_open(s, 1, threads, &test))
            return 1;
        split[1] = (struct split){.source = test, .count = test->count, .skip = skip};
    } else {
        int64_t held = (int64_t)(s->test_fraction * (double)train->count + 0.5);
        split[0].count = train->count - held;
        split[1] = (struct split){
            .source = train, .first = train->count - held, .count = held, .skip = skip};
    }
    const char *paths[2] = {s->labels, *s->test_path ? s->test_labels : s->labels};
    int64_t limits[2] = {s->limit, s->test_limit};
    for (int i = 0; i < 2; i++) {
        if (find_labels(paths[i], &split[i], &labels[i]))
            return 1;
        if (limits[i] > 0 && split[i].count > limits[i])
            split[i].count = limits[i];
    }
    return 0;
}

static int check_sizes(const struct dataset_settings *s, const struct split split[2])
{
    const struct image_source *a = split[0].source, *b = split[1].source;
    if (split[0].count == 0) {
        log_error("%s: no images are left to learn from; test_fraction %g leaves none of %lld",
                  s->path, s->test_fraction, (long long)a->count);
        return 1;
    }
    if (a->height != b->height || a->width != b->width || a->channels != b->channels) {
        log_error("%s has images of %dx%dx%d, %s of %dx%dx%d", s->path, a->width, a->height,
                  a->channels, s->test_path, b->width, b->height, b->channels);
        return 1;
    }
    if (a->height != a->width) {
        log_error("%s: images are %dx%d; the forward process needs square ones: set resolution in "
                  "&dataset",
                  s->path, a->width, a->height);
        return 1;
    }
    return 0;
}

/* The file that images are decoded into: what an earlier start left of it, or a new one. Collective. */
static int open_decoded(struct job *job, const char *path, const struct dataset_shape *shape,
                        int resume, struct h5_file **out, struct dataset_progress *p)
{
    const char *hints = job->settings.store.hints;
    if (resume && !dataset_resume(path, job->comm, shape, hints, out, p)) {
        log_info("%s: going on after %lld images", path, (long long)(p->read[0] + p->read[1]));
        return 0;
    }
    *p = (struct dataset_progress){{0}, {0}};
    return dataset_create(path, job->comm, shape, job->deck, job->settings.forward.mode, hints,
                          out);
}

/* The file for good from the one in which damaged images were left out. Collective. */
static int write_good(struct job *job, const char *path, struct h5_file *all,
                      struct dataset_shape *shape, int flip, const struct dataset_progress *p,
                      struct h5_file **out)
{
    shape->count = flip ? 2 * p->good[0] : p->good[0];
    shape->test_count = p->good[1];
    if (dataset_create(path, job->comm, shape, job->deck, job->settings.forward.mode,
                       job->settings.store.hints, out) ||
        h5_set_int(*out, "images_left_out", p->read[0] - p->good[0]) ||
        h5_set_int(*out, "test_images_left_out", p->read[1] - p->good[1]))
        return TASK_FAILED;
    int result = copy_rows(job, all, *out, shape, 0, p->good[0], 0, 0);
    return result ? result : copy_rows(job, all, *out, shape, 1, p->good[1], 0, 0);
}

/* Where damaged images are left out, the number of rows is known only at the end: what came out well
 * is then put down in a file beside the one that is meant, and copied. */
static int write_file(struct job *job, const char *path, const struct split split[2],
                      enum job_found found)
{
    const struct image_source *source = split[0].source;
    struct dataset_shape shape = {split_rows(&split[0]), split[1].count,   source->height,
                                  source->width,         source->channels, !!split[0].labels,
                                  !!split[1].labels};
    struct h5_file *decoded = NULL, *file = NULL;
    struct dataset_progress p;
    int skip = split[0].skip;
    char beside[JOB_PATH];
    job_path(job, "dataset-all.h5", beside);
    if (skip)
        found = job_look(job, FILE_DATASET, beside, "peclet-dataset");
    int result =
        open_decoded(job, skip ? beside : path, &shape, found == JOB_UNFINISHED, &decoded, &p);
    for (int test = 0; test < 2 && !result; test++)
        result = write_split(job, decoded, &shape, test, &split[test], &p);
    if (!result && (skip || split[0].flip)) /* a stop while rows are copied costs no decoding */
        result = dataset_mark(decoded, &p);
    if (!skip)
        file = decoded;
    else if (!result)
        result = write_good(job, path, decoded, &shape, split[0].flip, &p, &file);
    if (!result && split[0].flip)
        result = copy_rows(job, file, file, &shape, 0, p.good[0], p.good[0], 1);
    result = comm_agree(job->comm, result);
    if (!result)
        result = dataset_mark(file, &p) || dataset_finish(file);
    else
        h5_close(file);
    if (skip)
        h5_close(decoded);
    if (job->comm->rank == 0) {
        if (skip && result != TASK_STOPPED)
            remove(beside);
        if (result == TASK_FAILED)
            remove(path);
    }
    if (result == TASK_DONE)
        log_info("%s: %lld images, %lld held out, %dx%d, %d channel(s)", path,
                 (long long)shape.count, (long long)shape.test_count, shape.width, shape.height,
                 shape.channels);
    if (result == TASK_STOPPED)
        log_info("import stopped (%s) after %lld of %lld images; run again to go on", stop_reason(),
                 (long long)(p.read[0] + p.read[1]), (long long)(split[0].count + split[1].count));
    return result;
}

int task_import(struct job *job)
{
    const struct dataset_settings *s = &job->settings.dataset;
    struct split split[2] = {{0}};
    int32_t *labels[2] = {NULL, NULL};
    char path[JOB_PATH];

    enum job_found found =
        job_look(job, FILE_DATASET, job_path(job, "dataset.h5", path), "peclet-dataset");
    if (found == JOB_COMPLETE) {
        log_info("%s is complete", path);
        return TASK_DONE;
    }
    timer_begin("import");
    int threads = job->device->threads > 0 ? job->device->threads : 1;
    int failed = choose_splits(s, threads, split, labels) || check_sizes(s, split);
    int result = comm_agree(job->comm, failed) ? TASK_FAILED : write_file(job, path, split, found);
    if (split[1].source != split[0].source)
        image_source_close(split[1].source);
    image_source_close(split[0].source);
    mem_free(labels[0]);
    mem_free(labels[1]);
    timer_end("import");
    return comm_agree(job->comm, result);
}
