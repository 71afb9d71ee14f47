/* SPDX-License-Identifier: Apache-2.0
 * import: pictures of any format -> dataset.h5. Ranks share the images in whole chunks; flips are
 * made here, as extra images behind the plain ones. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/split.h"
#include "base/timer.h"
#include "files/dataset.h"
#include "tasks/tasks.h"

/* One split: images first..first+count of a source, and the same again mirrored if `flip`. */
struct split {
    struct image_source *source;
    int64_t first, count;
    int flip;
    const int32_t *labels; /* of the whole source, or NULL */
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

static int read_row(const struct split *s, int64_t row, uint8_t *pixels)
{
    struct image_source *source = s->source;
    if (source->ops->read(source, s->first + row % s->count, pixels))
        return 1;
    if (row >= s->count)
        mirror(pixels, source->height, source->width, source->channels);
    return 0;
}

static int write_split(struct job *job, struct h5_file *file, const struct dataset_shape *shape,
                       int test, const struct split *s)
{
    struct comm *comm = job->comm;
    int64_t rows = split_rows(s), chunk = dataset_chunk_rows(shape);
    size_t image_bytes = (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels;
    uint8_t *pixels = mem_alloc((size_t)chunk * image_bytes);
    int32_t *labels = mem_alloc((size_t)chunk * sizeof *labels);
    struct progress progress;
    int failed = 0;

    progress_start(&progress, test ? "import test" : "import", "images", 0, rows);
    for (int64_t done = 0; done < rows && !failed; done += chunk * comm->size) {
        int64_t first = done + chunk * comm->rank;
        int64_t count = first >= rows ? 0 : rows - first < chunk ? rows - first : chunk;
        timer_begin("import/read");
        for (int64_t i = 0; i < count && !failed; i++) {
            failed = read_row(s, first + i, pixels + (size_t)i * image_bytes);
            if (s->labels)
                labels[i] = s->labels[s->first + (first + i) % s->count];
        }
        timer_end("import/read");
        if ((failed = comm_agree(comm, failed)))
            break;
        timer_begin("import/write");
        if (count == 0)
            first = 0;
        failed = dataset_write(file, test, first, count, pixels);
        if (s->labels && !failed)
            failed = dataset_write_labels(file, test, first, count, labels);
        timer_end("import/write");
        failed = comm_agree(comm, failed);
        int64_t next = done + chunk * comm->size;
        progress_show(&progress, next < rows ? next : rows, NULL);
    }
    if (!failed)
        progress_end(&progress, rows);
    mem_free(pixels);
    mem_free(labels);
    return failed;
}

/* Opens sources and labels and decides which images make up each split. */
static int choose_splits(const struct dataset_settings *s, struct split split[2],
                         int32_t *labels[2])
{
    struct image_source *train = NULL, *test = NULL;
    if (!*s->path) {
        log_error("&dataset path is empty: name the images to learn from");
        return 1;
    }
    if (image_source_open(s->format, s->path, &train))
        return 1;
    split[0] = (struct split){.source = train, .count = train->count, .flip = s->flip};
    if (*s->test_path) {
        if (image_source_open(s->format, s->test_path, &test))
            return 1;
        split[1] = (struct split){.source = test, .count = test->count};
    } else {
        int64_t held = (int64_t)(s->test_fraction * (double)train->count + 0.5);
        split[0].count = train->count - held;
        split[1] = (struct split){.source = train, .first = train->count - held, .count = held};
    }
    const char *paths[2] = {s->labels, *s->test_path ? s->test_labels : s->labels};
    int64_t limits[2] = {s->limit, s->test_limit};
    for (int i = 0; i < 2; i++) {
        int64_t n = 0;
        if (*paths[i] && image_labels_read(paths[i], &labels[i], &n))
            return 1;
        if (labels[i] && n != split[i].source->count) {
            log_error("%s: holds %lld labels for %lld images", paths[i], (long long)n,
                      (long long)split[i].source->count);
            return 1;
        }
        split[i].labels = labels[i];
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
        log_error("%s: images are %dx%d; the forward process needs square ones", s->path, a->width,
                  a->height);
        return 1;
    }
    if ((s->resolution && s->resolution != a->width) ||
        (s->channels && s->channels != a->channels)) {
        log_error("%s: images are %d px with %d channel(s); format '%s' is read as stored, so set "
                  "resolution and channels "
                  "in &dataset to 0",
                  s->path, a->width, a->channels, s->format);
        return 1;
    }
    return 0;
}

int task_import(struct job *job)
{
    const struct dataset_settings *s = &job->settings.dataset;
    struct split split[2] = {{0}};
    int32_t *labels[2] = {NULL, NULL};
    char path[JOB_PATH];
    struct h5_file *file = NULL;

    if (job_look(job, FILE_DATASET, job_path(job, "dataset.h5", path), "peclet-dataset") ==
        JOB_COMPLETE) {
        log_info("%s is complete", path);
        return TASK_DONE;
    }
    timer_begin("import");
    int failed = choose_splits(s, split, labels) || check_sizes(s, split);
    if (!(failed = comm_agree(job->comm, failed))) {
        const struct image_source *source = split[0].source;
        struct dataset_shape shape = {split_rows(&split[0]), split[1].count,   source->height,
                                      source->width,         source->channels, !!split[0].labels,
                                      !!split[1].labels};
        failed = dataset_create(path, job->comm, &shape, job->deck, job->settings.forward.mode,
                                job->settings.store.hints, &file);
        for (int test = 0; test < 2 && !failed; test++)
            failed = write_split(job, file, &shape, test, &split[test]);
        if (file)
            failed = comm_agree(job->comm, failed) ? (h5_close(file), 1) : dataset_finish(file);
        if (!failed)
            log_info("%s: %lld images, %lld held out, %dx%d, %d channel(s)", path,
                     (long long)shape.count, (long long)shape.test_count, shape.width, shape.height,
                     shape.channels);
    }
    if (split[1].source != split[0].source)
        image_source_close(split[1].source);
    image_source_close(split[0].source);
    mem_free(labels[0]);
    mem_free(labels[1]);
    timer_end("import");
    return comm_agree(job->comm, failed) ? TASK_FAILED : TASK_DONE;
}
