/* SPDX-License-Identifier: Apache-2.0
 * Images of an HDF5 file (dataset.h5 of another run, or any with /images uint8 [N,H,W,C]) as a
 * collection like the others. HDF5 is not made for threads: they take turns. */
#include "tasks/import_source.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "files/h5io.h"
#include "images/readers.h"

struct h5_state {
    struct h5_file *file;
    const char *name;
    int height, width, channels;
};

static int h5_load(struct image_source *s, int thread, int64_t index, struct picture *out,
                   char fault[IMAGE_FAULT])
{
    (void)thread;
    struct h5_state *h = s->state;
    int failed;
    if (picture_reserve(out, h->width, h->height, h->channels, fault))
        return IMAGE_DAMAGED;
#pragma omp critical(import_hdf5)
    failed = h5_read_rows(h->file, h->name, index, 1, out->pixels);
    return failed ? picture_fault(fault, "cannot be read") : 0;
}

static void h5_image_name(struct image_source *s, int64_t index, char out[IMAGE_FAULT])
{
    const struct h5_state *h = s->state;
    snprintf(out, IMAGE_FAULT, "/%s[%lld]", h->name, (long long)index);
}

static void h5_state_close(struct image_source *s)
{
    struct h5_state *h = s->state;
    h5_close(h->file);
    mem_free(h);
}

static int read_labels(struct image_source *s, const char *name)
{
    struct h5_state *h = s->state;
    enum h5_type type;
    int rank;
    int64_t dims[5];
    if (!h5_dataset_exists(h->file, name))
        return 0;
    if (h5_dataset_info(h->file, name, &type, &rank, dims))
        return 1;
    if (type != H5_I32 || rank != 1 || dims[0] != s->count) {
        log_error("%s: /%s should be int32 [%lld]", s->path, name, (long long)s->count);
        return 1;
    }
    s->labels = mem_alloc((size_t)s->count * sizeof *s->labels);
    return h5_read_rows(h->file, name, 0, s->count, s->labels);
}

static int open_part(struct image_source *s, const char *images, const char *labels)
{
    static const struct image_source_ops ops = {h5_load, h5_image_name, h5_state_close};
    struct h5_state *h = mem_zalloc(sizeof *h);
    enum h5_type type;
    int rank;
    int64_t dims[5];
    s->ops = &ops; /* from here on image_source_close tidies up */
    s->state = h;
    h->name = images;
    if (h5_open(s->path, NULL, 0, "", &h->file))
        return 1;
    if (!h5_dataset_exists(h->file, images)) {
        log_error("%s: has no dataset /%s", s->path, images);
        return 1;
    }
    if (h5_dataset_info(h->file, images, &type, &rank, dims))
        return 1;
    if (type != H5_U8 || rank != 4 || dims[0] < 1 || dims[1] > IMAGE_MAX_PIXELS ||
        dims[2] > IMAGE_MAX_PIXELS || (dims[3] != 1 && dims[3] != 3)) {
        log_error("%s: /%s should be uint8 [N,H,W,1 or 3]", s->path, images);
        return 1;
    }
    s->count = dims[0];
    h->height = (int)dims[1];
    h->width = (int)dims[2];
    h->channels = (int)dims[3];
    return read_labels(s, labels);
}

static int open_images(struct image_source *s)
{
    return open_part(s, "images", "labels");
}

static int open_test_images(struct image_source *s)
{
    return open_part(s, "test_images", "test_labels");
}

int import_source_open(const struct dataset_settings *s, int test, int threads,
                       struct image_source **out)
{
    const char *path = test ? s->test_path : s->path;
    if (strcmp(s->format, "hdf5") != 0)
        return image_source_open(s, path, threads, out);
    int second = test && !strcmp(s->path, s->test_path);
    return image_source_open_with(s, path, threads, second ? open_test_images : open_images, out);
}
