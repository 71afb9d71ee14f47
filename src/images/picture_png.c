/* SPDX-License-Identifier: Apache-2.0
 * PNG through libpng: palettes and 1, 2, 4 bits become 8, 16 bits are scaled to 8, alpha is dropped,
 * colours are taken as they stand (no gamma). The size is checked before memory is taken. */
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "base/mem.h"
#include "images/readers.h"

enum { MAX_SIDE = 1 << 20, MAX_CHUNK_BYTES = 1 << 23 };

struct decoder {
    png_structp png;
    png_infop info;
    const uint8_t *bytes;
    size_t left;
    char *fault;
    uint8_t **rows; /* owned */
};

static void give_up(png_structp png, png_const_charp text)
{
    struct decoder *d = png_get_error_ptr(png);
    picture_fault(d->fault, "damaged PNG: %s", text);
    png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void take(png_structp png, png_bytep to, size_t count)
{
    struct decoder *d = png_get_io_ptr(png);
    if (count > d->left)
        png_error(png, "truncated");
    memcpy(to, d->bytes, count);
    d->bytes += count;
    d->left -= count;
}

static int decode(struct decoder *d, struct picture *out)
{
    png_structp png = d->png;
    png_set_read_fn(png, d, take);
    png_set_user_limits(png, MAX_SIDE, MAX_SIDE);
    png_set_chunk_malloc_max(png, MAX_CHUNK_BYTES);
    png_read_info(png, d->info);
    png_set_palette_to_rgb(png);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_scale_16(png);
    png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    if (picture_reserve(out, png_get_image_width(png, d->info), png_get_image_height(png, d->info),
                        3, d->fault))
        return IMAGE_DAMAGED;
    png_read_update_info(png, d->info);
    out->channels = png_get_channels(png, d->info);
    if ((out->channels != 1 && out->channels != 3) || png_get_bit_depth(png, d->info) != 8)
        png_error(png, "an unknown kind of pixels");
    d->rows = mem_alloc((size_t)out->height * sizeof *d->rows);
    for (int y = 0; y < out->height; y++)
        d->rows[y] = out->pixels + (size_t)y * (size_t)out->width * (size_t)out->channels;
    png_read_image(png, d->rows);
    png_read_end(png, NULL);
    return 0;
}

int picture_decode_png(const uint8_t *bytes, size_t count, struct picture *out,
                       char fault[IMAGE_FAULT])
{
    struct decoder d = {.bytes = bytes, .left = count, .fault = fault};
    int failed;
    d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, give_up, ignore);
    d.info = d.png ? png_create_info_struct(d.png) : NULL;
    if (!d.info) {
        failed = picture_fault(fault, "libpng cannot be started (no memory?)");
    } else if (setjmp(png_jmpbuf(d.png))) {
        failed = IMAGE_DAMAGED;
    } else {
        failed = decode(&d, out);
    }
    png_destroy_read_struct(&d.png, &d.info, NULL);
    mem_free(d.rows);
    return failed;
}
