/* SPDX-License-Identifier: Apache-2.0
 * dataset.h5 through h5io. Its parts are two splits, each images and perhaps labels. */
#include "files/dataset.h"

#include "base/log.h"
#include "base/mem.h"
#include "files/h5_private.h"

enum { VERSION = 1 };
static const char format[] = "peclet-dataset";
static const char *const image_names[2] = {"images", "test_images"};
static const char *const label_names[2] = {"labels", "test_labels"};
static const char *const read_names[2] = {"images_read", "test_images_read"};
static const char *const good_names[2] = {"images_good", "test_images_good"};

int64_t dataset_chunk_rows(const struct dataset_shape *s)
{
    int64_t rows = DATASET_CHUNK_BYTES / ((int64_t)s->height * s->width * s->channels);
    return rows > 0 ? rows : 1;
}

static int create_split(struct h5_file *f, const struct dataset_shape *s, int test)
{
    int64_t dims[] = {test ? s->test_count : s->count, s->height, s->width, s->channels};
    if (!dims[0])
        return 0;
    return h5_dataset_create(f, image_names[test], H5_U8, 4, dims, dataset_chunk_rows(s), "",
                             "N,H,W,C") ||
           ((test ? s->test_labels : s->labels) &&
            h5_dataset_create(f, label_names[test], H5_I32, 1, dims, 0, "", "N"));
}

static int set_progress(struct h5_file *f, const struct dataset_progress *p)
{
    for (int test = 0; test < 2; test++)
        if (h5_set_int(f, read_names[test], p->read[test]) ||
            h5_set_int(f, good_names[test], p->good[test]))
            return 1;
    return 0;
}

int dataset_create(const char *path, struct comm *comm, const struct dataset_shape *shape,
                   const char *deck, const char *mode, const char *hints, struct h5_file **out)
{
    struct h5_file *f;
    if (h5_create(path, comm, hints, &f))
        return 1;
    if (h5_set_provenance(f, format, VERSION, deck, mode) ||
        set_progress(f, &(struct dataset_progress){{0}, {0}}) || create_split(f, shape, 0) ||
        create_split(f, shape, 1)) {
        h5_close(f);
        return 1;
    }
    *out = f;
    return 0;
}

int dataset_write(struct h5_file *f, int test, int64_t first, int64_t count, const uint8_t *images)
{
    return h5_write_rows(f, image_names[test], first, count, images);
}

int dataset_write_labels(struct h5_file *f, int test, int64_t first, int64_t count,
                         const int32_t *labels)
{
    return h5_write_rows(f, label_names[test], first, count, labels);
}

int dataset_finish(struct h5_file *f)
{
    int failed = h5_set_complete(f);
    return h5_close(f) || failed;
}

/* The shape of one split; the second must fit the first. */
static int find_split(struct h5_file *f, struct dataset_shape *s, int test)
{
    enum h5_type type;
    int rank;
    int64_t dims[H5_MAX_RANK];
    if (test && !h5_dataset_exists(f, image_names[1]))
        return 0;
    if (h5_dataset_info(f, image_names[test], &type, &rank, dims))
        return 1;
    int fits = rank == 4 && type == H5_U8 &&
               (!test || (dims[1] == s->height && dims[2] == s->width && dims[3] == s->channels));
    if (!fits) {
        if (h5_speaks(f))
            log_error("%s: '%s' should be uint8 [N,H,W,C], and both splits of one size", f->path,
                      image_names[test]);
        return 1;
    }
    *(test ? &s->test_count : &s->count) = dims[0];
    *(test ? &s->test_labels : &s->labels) = h5_dataset_exists(f, label_names[test]);
    s->height = (int)dims[1];
    s->width = (int)dims[2];
    s->channels = (int)dims[3];
    return 0;
}

int dataset_mark(struct h5_file *f, const struct dataset_progress *p)
{
    return h5_publish(f) || h5_flush(f) || set_progress(f, p) || h5_flush(f);
}

static int same_shape(const struct dataset_shape *a, const struct dataset_shape *b)
{
    return a->count == b->count && a->test_count == b->test_count && a->height == b->height &&
           a->width == b->width && a->channels == b->channels && a->labels == b->labels &&
           a->test_labels == b->test_labels;
}

static int get_progress(struct h5_file *f, struct dataset_progress *p)
{
    for (int test = 0; test < 2; test++)
        if (!h5_has_attribute(f, read_names[test]) ||
            h5_get_int(f, read_names[test], &p->read[test]) ||
            h5_get_int(f, good_names[test], &p->good[test]))
            return 1;
    return 0;
}

int dataset_resume(const char *path, struct comm *comm, const struct dataset_shape *shape,
                   const char *hints, struct h5_file **out, struct dataset_progress *p)
{
    struct h5_file *f;
    struct dataset_shape found = {0};
    if (h5_open(path, comm, 1, hints, &f))
        return 1;
    if (h5_check_format(f, format, VERSION) || h5_is_complete(f) || find_split(f, &found, 0) ||
        find_split(f, &found, 1) || !same_shape(&found, shape) || get_progress(f, p) ||
        h5_add_leg(f)) {
        h5_close(f);
        return 1;
    }
    *out = f;
    return 0;
}

int dataset_open(const char *path, struct comm *comm, struct dataset_shape *shape,
                 struct h5_file **out)
{
    struct h5_file *f;
    struct dataset_shape s = {0};
    if (h5_open(path, comm, 0, "", &f))
        return 1;
    int failed = h5_check_format(f, format, VERSION);
    if (!failed && !h5_is_complete(f)) {
        if (h5_speaks(f))
            log_error("%s: unfinished (its import was cut short): run the import again", path);
        failed = 1;
    }
    if (failed || find_split(f, &s, 0) || find_split(f, &s, 1)) {
        h5_close(f);
        return 1;
    }
    *shape = s;
    *out = f;
    return 0;
}

int dataset_read(struct h5_file *f, int test, int64_t first, int64_t count, uint8_t *images)
{
    return h5_read_rows(f, image_names[test], first, count, images);
}

int dataset_read_labels(struct h5_file *f, int test, int64_t first, int64_t count, int32_t *labels)
{
    return h5_read_rows(f, label_names[test], first, count, labels);
}
