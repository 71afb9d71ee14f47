/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/image_set.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/split.h"
#include "images/images.h"

static int read_share(struct h5_file *file, const char *path, const char *dataset,
                      enum h5_type type, int64_t per_image, struct image_set *s)
{
    int64_t values = s->count * per_image;
    s->images = mem_alloc((size_t)values * sizeof *s->images);
    if (type == H5_F32)
        return h5_read_rows(file, dataset, s->first, s->count, s->images);
    if (type != H5_U8) {
        log_error("%s: %s is neither uint8 nor float32", path, dataset);
        return 1;
    }
    uint8_t *bytes = mem_alloc((size_t)values);
    int failed = h5_read_rows(file, dataset, s->first, s->count, bytes);
    for (int64_t i = 0; i < values && !failed; i++)
        s->images[i] = (float)bytes[i] * (1.0f / 255.0f);
    mem_free(bytes);
    return failed;
}

const char *image_set_format(const char *path)
{
    struct stat found;
    size_t length = strlen(path);
    if (stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        return "folder";
    return length > 4 && !strcmp(path + length - 4, ".zip") ? "zip" : NULL;
}

/* This rank's share of the pictures. */
static int read_pictures(struct image_source *source, struct image_set *s)
{
    int64_t per_image = (int64_t)s->side * s->side * s->channels;
    uint8_t *pixels = mem_alloc((size_t)per_image);
    char fault[IMAGE_FAULT];
    int failed = 0;
    s->images = mem_alloc((size_t)(s->count * per_image) * sizeof *s->images);
    for (int64_t i = 0; i < s->count && !failed; i++) {
        failed = image_read(source, 0, s->first + i, pixels, fault);
        if (failed)
            log_error("%s", fault);
        for (int64_t k = 0; k < per_image && !failed; k++)
            s->images[i * per_image + k] = (float)pixels[k] * (1.0f / 255.0f);
    }
    mem_free(pixels);
    return failed;
}

static int load_pictures(struct comm *comm, const char *path, int64_t limit, struct image_set *out)
{
    struct dataset_settings *settings = mem_zalloc(sizeof *settings);
    struct image_source *source = NULL;
    struct image_set s = {0};
    snprintf(settings->format, sizeof settings->format, "%s", image_set_format(path));
    int failed = image_source_open(settings, path, 1, &source);
    if (!failed && (source->count < 1 || source->height != source->width)) {
        log_error("%s must hold square pictures of one size", path);
        failed = 1;
    }
    if (!failed) {
        s.total = limit > 0 && limit < source->count ? limit : source->count;
        s.side = source->width;
        s.channels = source->channels;
        struct range mine = split_even(s.total, comm->size, comm->rank);
        s.first = mine.first;
        s.count = mine.count;
        failed = read_pictures(source, &s);
    }
    if (source)
        image_source_close(source);
    mem_free(settings);
    if (comm_agree(comm, failed)) {
        mem_free(s.images);
        return 1;
    }
    *out = s;
    return 0;
}

int image_set_load(struct comm *comm, const char *path, const char *dataset, int64_t limit,
                   struct image_set *out)
{
    if (image_set_format(path))
        return load_pictures(comm, path, limit, out);
    struct image_set s = {0};
    struct h5_file *file = NULL;
    enum h5_type type;
    int rank;
    int64_t dims[5];
    int failed =
        h5_open(path, NULL, 0, "", &file) || h5_dataset_info(file, dataset, &type, &rank, dims);
    if (!failed && (rank != 4 || dims[1] != dims[2] || dims[0] < 1)) {
        log_error("%s: %s must hold square images [N,H,W,C]", path, dataset);
        failed = 1;
    }
    if (!failed) {
        s.total = limit > 0 && limit < dims[0] ? limit : dims[0];
        s.side = (int)dims[1];
        s.channels = (int)dims[3];
        struct range mine = split_even(s.total, comm->size, comm->rank);
        s.first = mine.first;
        s.count = mine.count;
        failed = read_share(file, path, dataset, type, dims[1] * dims[2] * dims[3], &s);
    }
    h5_close(file);
    if (comm_agree(comm, failed)) {
        mem_free(s.images);
        return 1;
    }
    *out = s;
    return 0;
}
