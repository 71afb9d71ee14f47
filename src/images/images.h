/* SPDX-License-Identifier: Apache-2.0
 * images: picture collections as uint8 images by global index, cropped and scaled to what the deck asks for. One reader
 * a format (readers.h); every collection answers the same calls. Functions return 0, or print file and reason. */
#pragma once
#include <stdint.h>
#include "deck/deck.h"

struct dataset_settings { /* &dataset */
    char format[DECK_TEXT], path[DECK_TEXT], test_path[DECK_TEXT], labels[DECK_TEXT], test_labels[DECK_TEXT];
    double test_fraction;
    int64_t resolution, channels, limit, test_limit;
    int flip;
    char on_damaged[DECK_TEXT];
};
extern const struct deck_field dataset_fields[];
extern const int dataset_field_count;

/* A picture of more pixels is refused before memory is taken for it; so is an encoded picture of more bytes. */
enum { IMAGE_MAX_PIXELS = 1 << 26, IMAGE_MAX_BYTES = 1 << 28 };

enum { IMAGE_DAMAGED = 1, IMAGE_UNEQUAL = 2, IMAGE_FAULT = 1024 };

struct image_source_ops;
struct image_fit;
struct image_source {
    const struct image_source_ops *ops;
    int64_t count;
    int height, width, channels; /* of every image that image_read yields */
    int32_t *labels;             /* [count] if the collection has labels of its own, else NULL; owned */
    char *path;                  /* owned */
    int threads;
    struct image_fit *fit; /* [threads], owned */
    int crop;              /* 1: centre-crop and scale to height = width; 0: as stored */
    int convert;           /* 1: grey and RGB become what `channels` says; 0: as stored */
    void *state;           /* of the reader */
};

/* s->format: 'idx' (gzip or plain, magic 0x00000803 [N,H,W] or 0x00000804 [N,H,W,C]); 'folder' and 'zip' of PNG, JPEG and
 * WebP files, sorted by path; 'lmdb' (LSUN); 'font' (bitmaps of a colour font). s->resolution 0: as stored, and every
 * image must be like the first; otherwise the largest centred square, scaled by an antialiased Lanczos filter.
 * s->channels 0: as stored, and alike; 1: grey (ITU-R 601 luma); 3: RGB. Alpha is dropped, 16 bits are scaled to 8.
 * threads: how many may read at a time. */
int image_source_open(const struct dataset_settings *s, const char *path, int threads, struct image_source **out);
void image_source_close(struct image_source *s);

/* Image `index` to pixels [height,width,channels]; a thread of 0..threads-1 reads one image at a time. Prints nothing:
 * returns 0, or IMAGE_DAMAGED (cannot be read) or IMAGE_UNEQUAL (not like the first where resolution or channels are 0),
 * with file and reason in fault. */
int image_read(struct image_source *s, int thread, int64_t index, uint8_t *pixels, char fault[IMAGE_FAULT]);

/* The stored picture itself, of any size: *pixels [*height,*width,*channels], the source's until this thread's next call. */
int image_read_stored(struct image_source *s, int thread, int64_t index, const uint8_t **pixels, int *height, int *width,
                      int *channels, char fault[IMAGE_FAULT]);

/* IDX label file, magic 0x00000801; labels int32 [*count], caller frees with mem_free. */
int image_labels_read(const char *path, int32_t **labels, int64_t *count);
