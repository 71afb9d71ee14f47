/* SPDX-License-Identifier: Apache-2.0
 * Collections of pictures: the list of formats, and the way from a stored picture to the image that
 * the deck asks for: grey or RGB, the largest centred square, scaled. A format is one reader file and
 * one line here. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "images/readers.h"

struct image_fit { /* of one thread */
    struct picture stored;
    struct lanczos *lanczos;
};

int picture_fault(char fault[IMAGE_FAULT], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fault, IMAGE_FAULT, format, args);
    va_end(args);
    return IMAGE_DAMAGED;
}

/* Pillow's conversion to grey: luma of ITU-R 601, 16 fractional bits. In place. */
static void to_grey(struct picture *p)
{
    size_t n = (size_t)p->width * (size_t)p->height;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *c = p->pixels + 3 * i;
        p->pixels[i] = (uint8_t)((c[0] * 19595 + c[1] * 38470 + c[2] * 7471 + 0x8000) >> 16);
    }
    p->channels = 1;
}

/* Grey to RGB in place, from the end. */
static void to_rgb(uint8_t *pixels, size_t n)
{
    for (size_t i = n; i-- > 0;)
        pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = pixels[i];
}

/* The stored picture as an image of the source's size. Grey pictures are scaled before they become
 * RGB: the result is the same. */
static void fit(const struct image_source *s, struct image_fit *f, uint8_t *pixels)
{
    struct picture *p = &f->stored;
    if (s->channels == 1 && p->channels == 3)
        to_grey(p);
    if (s->crop) {
        int side = p->width < p->height ? p->width : p->height;
        size_t stride = (size_t)p->width * (size_t)p->channels;
        const uint8_t *corner = p->pixels + (size_t)((p->height - side) / 2) * stride +
                                (size_t)((p->width - side) / 2) * (size_t)p->channels;
        lanczos_resize(f->lanczos, corner, side, side, stride, p->channels, s->width, pixels);
    } else {
        memcpy(pixels, p->pixels, (size_t)p->width * (size_t)p->height * (size_t)p->channels);
    }
    if (s->channels == 3 && p->channels == 1)
        to_rgb(pixels, (size_t)s->width * (size_t)s->height);
}

/* "collection: picture: reason" */
static void place_fault(struct image_source *s, int64_t index, char fault[IMAGE_FAULT])
{
    char reason[IMAGE_FAULT], name[IMAGE_FAULT];
    memcpy(reason, fault, sizeof reason);
    s->ops->name(s, index, name);
    int used = snprintf(fault, IMAGE_FAULT, "%.320s: %.320s: ", s->path, name);
    snprintf(fault + used, (size_t)(IMAGE_FAULT - used), "%.300s", reason);
}

int image_read(struct image_source *s, int thread, int64_t index, uint8_t *pixels,
               char fault[IMAGE_FAULT])
{
    struct image_fit *f = &s->fit[thread];
    const struct picture *p = &f->stored;
    int failed;
    if (index < 0 || index >= s->count)
        return picture_fault(fault, "%s: no image %lld, there are %lld", s->path, (long long)index,
                             (long long)s->count);
    failed = s->ops->load(s, thread, index, &f->stored, fault);
    if (!failed && !s->crop && (p->width != s->width || p->height != s->height)) {
        picture_fault(fault,
                      "%dx%d pixels where the first image has %dx%d; set resolution in &dataset",
                      p->width, p->height, s->width, s->height);
        failed = IMAGE_UNEQUAL;
    }
    if (!failed && !s->convert && p->channels != s->channels) {
        picture_fault(fault, "%d channel(s) where the first image has %d; set channels in &dataset",
                      p->channels, s->channels);
        failed = IMAGE_UNEQUAL;
    }
    if (failed) {
        place_fault(s, index, fault);
        return failed;
    }
    fit(s, f, pixels);
    return 0;
}

int image_read_stored(struct image_source *s, int thread, int64_t index, const uint8_t **pixels,
                      int *height, int *width, int *channels, char fault[IMAGE_FAULT])
{
    const struct picture *p = &s->fit[thread].stored;
    if (s->ops->load(s, thread, index, &s->fit[thread].stored, fault)) {
        place_fault(s, index, fault);
        return IMAGE_DAMAGED;
    }
    *pixels = p->pixels;
    *height = p->height;
    *width = p->width;
    *channels = p->channels;
    return 0;
}

int collection_path(const char *path, int folder)
{
    struct stat there;
    if (stat(path, &there))
        log_error("%s: %s", path, strerror(errno));
    else if (folder && !S_ISDIR(there.st_mode))
        log_error("%s: a file where a folder of pictures is meant", path);
    else if (!folder && !S_ISREG(there.st_mode))
        log_error("%s: not a file", path);
    else
        return 0;
    return 1;
}

int collection_names(const char *path, char **names, int64_t count)
{
    if (count == 0) {
        log_error("%s: nothing in it ends in .png, .jpg, .jpeg or .webp", path);
        return 1;
    }
    names_sort(names, count);
    return 0;
}

/* What the deck leaves open is taken from the first picture that can be read. */
static int look_at_first(struct image_source *s)
{
    char fault[IMAGE_FAULT], first[IMAGE_FAULT] = "";
    const struct picture *p = &s->fit[0].stored;
    for (int64_t i = 0; i < s->count; i++) {
        if (!s->ops->load(s, 0, i, &s->fit[0].stored, fault)) {
            if (!s->crop) {
                s->width = p->width;
                s->height = p->height;
            }
            if (!s->channels)
                s->channels = p->channels;
            return 0;
        }
        place_fault(s, i, fault);
        if (!*first)
            memcpy(first, fault, sizeof first);
    }
    log_error("%s", first);
    log_error("%s: not one of its %lld pictures can be read", s->path, (long long)s->count);
    return 1;
}

int image_source_open(const struct dataset_settings *settings, const char *path, int threads,
                      struct image_source **out)
{
    static const struct {
        const char *format;
        int (*open)(struct image_source *s);
    } readers[] = {
        {"idx", idx_open},   {"folder", folder_open}, {"zip", archive_open},
        {"lmdb", lmdb_open}, {"font", font_open},
    };
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (!strcmp(settings->format, readers[i].format))
            return image_source_open_with(settings, path, threads, readers[i].open, out);
    log_error("%s: unknown picture format '%s'", path, settings->format);
    return 1;
}

int image_source_open_with(const struct dataset_settings *settings, const char *path, int threads,
                           int (*open)(struct image_source *s), struct image_source **out)
{
    struct image_source *s = mem_zalloc(sizeof *s);
    s->path = mem_strdup(path);
    s->threads = threads > 0 ? threads : 1;
    s->crop = settings->resolution > 0;
    s->width = s->height = (int)settings->resolution;
    s->channels = (int)settings->channels;
    s->convert = s->channels != 0;
    s->fit = mem_zalloc((size_t)s->threads * sizeof *s->fit);
    for (int t = 0; t < s->threads; t++)
        s->fit[t].lanczos = lanczos_create();
    int failed = s->channels == 2;
    if (failed)
        log_error("&dataset channels = 2: images are grey (1) or colour (3)");
    failed = failed || open(s) || ((!s->crop || !s->convert) && look_at_first(s));
    if (failed) {
        image_source_close(s);
        return 1;
    }
    *out = s;
    return 0;
}

void image_source_close(struct image_source *s)
{
    if (!s)
        return;
    if (s->ops)
        s->ops->close(s);
    for (int t = 0; t < s->threads; t++) {
        picture_free(&s->fit[t].stored);
        lanczos_destroy(s->fit[t].lanczos);
    }
    mem_free(s->fit);
    mem_free(s->labels);
    mem_free(s->path);
    mem_free(s);
}
