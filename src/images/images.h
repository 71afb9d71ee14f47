/* SPDX-License-Identifier: Apache-2.0
 * images: picture collections as uint8 images by global index. One reader a format; every reader answers the same calls.
 * Functions return 0, or print file (and index) and reason. */
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

struct image_source;
struct image_source_ops {
    int (*read)(struct image_source *s, int64_t index, uint8_t *pixels); /* [height,width,channels] */
    void (*close)(struct image_source *s);
};
struct image_source {
    const struct image_source_ops *ops;
    int64_t count;
    int height, width, channels;
    void *state;
};

/* format: 'idx' (gzip or plain, magic 0x00000803 [N,H,W] or 0x00000804 [N,H,W,C]). */
int image_source_open(const char *format, const char *path, struct image_source **out);
void image_source_close(struct image_source *s);

/* IDX label file, magic 0x00000801; labels int32 [*count], caller frees with mem_free. */
int image_labels_read(const char *path, int32_t **labels, int64_t *count);
