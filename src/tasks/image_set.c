/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/image_set.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/split.h"
#include "files/h5io.h"
#include "images/images.h"

enum { SLAB_BYTES = 64 << 20, SLAB_IMAGES = 128 };

const char *image_set_format(const char *path)
{
    struct stat found;
    size_t length = strlen(path);
    if (stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        return "folder";
    return length > 4 && !strcmp(path + length - 4, ".zip") ? "zip" : NULL;
}

static int open_pictures(struct image_set *s, int64_t *rows)
{
    struct dataset_settings *settings = mem_zalloc(sizeof *settings);
    snprintf(settings->format, sizeof settings->format, "%s", image_set_format(s->path));
    int failed = image_source_open(settings, s->path, omp_get_max_threads(), &s->source);
    mem_free(settings);
    if (failed)
        return 1;
    s->height = s->source->height;
    s->width = s->source->width;
    s->channels = s->source->channels;
    *rows = s->source->count;
    if (*rows < 1)
        log_error("%s holds no pictures", s->path);
    return *rows < 1;
}

static int open_dataset(struct image_set *s, int64_t *rows)
{
    enum h5_type type;
    int rank;
    int64_t dims[5];
    if (h5_open(s->path, NULL, 0, "", &s->file) ||
        h5_dataset_info(s->file, s->dataset, &type, &rank, dims))
        return 1;
    if (rank != 4 || dims[0] < 1 || (dims[3] != 1 && dims[3] != 3)) {
        log_error("%s: %s must hold images [N,H,W,C], grey (C = 1) or colour (C = 3)", s->path,
                  s->dataset);
        return 1;
    }
    if (type != H5_F32 && type != H5_U8) {
        log_error("%s: %s is neither uint8 nor float32", s->path, s->dataset);
        return 1;
    }
    s->type = type;
    s->height = (int)dims[1];
    s->width = (int)dims[2];
    s->channels = (int)dims[3];
    *rows = dims[0];
    return 0;
}

int image_set_open(struct comm *comm, const char *path, const char *dataset, int64_t from,
                   int64_t limit, struct image_set *out)
{
    struct image_set s = {.from = from};
    int64_t rows = 0;
    snprintf(s.path, sizeof s.path, "%s", path);
    snprintf(s.dataset, sizeof s.dataset, "%s", dataset);
    int failed = image_set_format(path) ? open_pictures(&s, &rows) : open_dataset(&s, &rows);
    if (comm_agree(comm, failed)) {
        image_set_close(&s);
        return 1;
    }
    s.total = limit > 0 && limit < rows - from ? limit : rows - from;
    struct range mine = split_even(s.total, comm->size, comm->rank);
    s.first = mine.first;
    s.count = mine.count;
    *out = s;
    return 0;
}

void image_set_close(struct image_set *s)
{
    h5_close(s->file);
    image_source_close(s->source);
    *s = (struct image_set){0};
}

int64_t image_set_slab(const struct image_set *s)
{
    int64_t fit = SLAB_BYTES / (image_values(s) * (int64_t)sizeof(float));
    return fit < 1 ? 1 : fit < SLAB_IMAGES ? fit : SLAB_IMAGES;
}

static void to_floats(int64_t n, const uint8_t *bytes, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)bytes[i] * (1.0f / 255.0f);
}

static int read_rows(const struct image_set *s, int64_t first, int64_t count, float *out)
{
    int64_t row = s->from + s->first + first, values = count * image_values(s);
    if (s->type == H5_F32)
        return h5_read_rows(s->file, s->dataset, row, count, out);
    uint8_t *bytes = mem_alloc((size_t)values);
    int failed = h5_read_rows(s->file, s->dataset, row, count, bytes);
    if (!failed)
        to_floats(values, bytes, out);
    mem_free(bytes);
    return failed;
}

/* One picture as floats, into `room` if it is of the set's size, else (room NULL) into memory of its own. */
static int read_picture(const struct image_set *s, int64_t row, float *room, struct image *out)
{
    char fault[IMAGE_FAULT];
    const uint8_t *pixels;
    struct image p;
    if (image_read_stored(s->source, omp_get_thread_num(), s->from + s->first + row, &pixels,
                          &p.height, &p.width, &p.channels, fault)) {
        log_error("%s", fault);
        return 1;
    }
    if (room && (p.height != s->height || p.width != s->width || p.channels != s->channels)) {
        log_error("%s holds pictures of several sizes (%dx%d with %d channel(s), the first %dx%d "
                  "with %d): only 'fd' and 'prdc' on the features 'inception' take them; scale "
                  "them to one size for the others",
                  s->path, p.width, p.height, p.channels, s->width, s->height, s->channels);
        return 1;
    }
    int64_t values = (int64_t)p.height * p.width * p.channels;
    float *x = room ? room : mem_alloc((size_t)values * sizeof *x);
    to_floats(values, pixels, x);
    p.x = x;
    *out = p;
    return 0;
}

/* One image a thread; what comes after a bad one is not looked at. */
static int read_pictures(const struct image_set *s, int64_t first, int64_t count, float *room,
                         struct image *out)
{
    int failed = 0;
#pragma omp parallel for schedule(dynamic) reduction(| : failed)
    for (int64_t i = 0; i < count; i++) {
        struct image unused;
        if (!failed)
            failed |= read_picture(s, first + i, room ? room + i * image_values(s) : NULL,
                                   out ? &out[i] : &unused);
    }
    return failed;
}

int image_set_read(const struct image_set *s, int64_t first, int64_t count, float *out)
{
    return s->source ? read_pictures(s, first, count, out, NULL) : read_rows(s, first, count, out);
}

int image_set_read_any(const struct image_set *s, int64_t first, int64_t count, struct image *out)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = (struct image){0};
    if (s->source)
        return read_pictures(s, first, count, NULL, out);
    int failed = 0;
    for (int64_t i = 0; i < count && !failed; i++) {
        float *x = mem_alloc((size_t)image_values(s) * sizeof *x);
        out[i] = (struct image){s->height, s->width, s->channels, x};
        failed = read_rows(s, first + i, 1, x);
    }
    return failed;
}

void images_free(int64_t count, struct image *images)
{
    for (int64_t i = 0; i < count; i++)
        mem_free((void *)(uintptr_t)images[i].x);
}
