/* SPDX-License-Identifier: Apache-2.0
 * readers: what image_source_open needs of a format: one function that opens a collection, and its operations. */
#pragma once
#include <stddef.h>
#include "images/images.h"

struct picture { /* decoded; the memory is kept for the next one */
    int width, height, channels; /* 1 grey or 3 RGB */
    uint8_t *pixels;             /* [height,width,channels], owned */
    size_t room;
};

struct image_source_ops {
    /* The stored picture; 0, or IMAGE_DAMAGED and the reason alone in fault. Safe with different `thread`s at once. */
    int (*load)(struct image_source *s, int thread, int64_t index, struct picture *out, char fault[IMAGE_FAULT]);
    /* The picture's name behind the path of the collection, such as "00000/img00000001.png". */
    void (*name)(struct image_source *s, int64_t index, char out[IMAGE_FAULT]);
    void (*close)(struct image_source *s); /* frees s->state; NULL is fine */
};

/* image_source_open with a reader from elsewhere. */
int image_source_open_with(const struct dataset_settings *s, const char *path, int threads,
                           int (*open)(struct image_source *s), struct image_source **out);

/* Each sets ops, count and state (and labels); path and threads are set. On failure nothing is left behind in state. */
int idx_open(struct image_source *s);
int folder_open(struct image_source *s);
int archive_open(struct image_source *s);
int lmdb_open(struct image_source *s);
int font_open(struct image_source *s);

/* Writes the reason; returns IMAGE_DAMAGED. */
int picture_fault(char fault[IMAGE_FAULT], const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sizes are checked against the limits before memory is taken. */
int picture_reserve(struct picture *p, int64_t width, int64_t height, int channels, char fault[IMAGE_FAULT]);
void picture_free(struct picture *p);

/* PNG, JPEG or WebP, told apart by their first bytes; one function a codec. */
int picture_decode(const uint8_t *bytes, size_t count, struct picture *out, char fault[IMAGE_FAULT]);
int picture_decode_jpeg(const uint8_t *bytes, size_t count, struct picture *out, char fault[IMAGE_FAULT]);
int picture_decode_png(const uint8_t *bytes, size_t count, struct picture *out, char fault[IMAGE_FAULT]);
int picture_decode_webp(const uint8_t *bytes, size_t count, struct picture *out, char fault[IMAGE_FAULT]);

/* 1 if a file of this name is taken for a picture: .png .jpg .jpeg .webp in any case. */
int picture_named(const char *name);

/* Non-zero and a message if the LMDB library would crash over this file (data.mdb). */
int lmdb_check(const char *path);

/* Names in the order of their bytes; the same on every system. */
void names_sort(char **names, int64_t count);

/* What readers look at when they open a collection; non-zero after a message. There is something at the path, and it is a
 * folder, or a file; at least one picture was found in it, and the names are now sorted. */
int collection_path(const char *path, int folder);
int collection_names(const char *path, char **names, int64_t count);

/* dataset.json of NVlabs data sets, {"labels": [["name", 3], ...]} or null: labels int32 [count] for the sorted names.
 * *labels stays NULL where the file gives none. Non-zero and a message if it is malformed or a name is missing. */
int json_labels(const char *path, const char *text, char *const *names, int64_t count, int32_t **labels);

/* lanczos: antialiased resize, bit for bit that of Pillow. */
struct lanczos;                          /* filters and intermediate rows, kept from image to image */
struct lanczos *lanczos_create(void);
void lanczos_destroy(struct lanczos *l); /* NULL is fine */
/* in: height x width pixels of `channels` bytes, rows `stride` bytes apart; out: side x side, packed. */
void lanczos_resize(struct lanczos *l, const uint8_t *in, int width, int height, size_t stride, int channels, int side,
                    uint8_t *out);
