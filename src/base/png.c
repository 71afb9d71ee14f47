/* SPDX-License-Identifier: Apache-2.0
 * png through libpng's simplified interface, which reports a full disk and removes the half-written
 * file itself. */
#include "base/png.h"

#include <errno.h>
#include <png.h>
#include <stddef.h>
#include <string.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"

enum { GAP = 1, GAP_GREY = 128 };

int png_write(const char *path, int width, int height, int channels, const uint8_t *pixels)
{
    REQUIRE(width > 0 && height > 0 && (channels == 1 || channels == 3));
    png_image image = {
        .version = PNG_IMAGE_VERSION,
        .width = (png_uint_32)width,
        .height = (png_uint_32)height,
        .format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB,
    };
    errno = 0;
    if (png_image_write_to_file(&image, path, 0, pixels, 0, NULL))
        return 0;
    log_error("%s: picture cannot be written: %s", path, errno ? strerror(errno) : image.message);
    png_image_free(&image);
    return 1;
}

uint8_t *png_encode(int width, int height, int channels, const uint8_t *pixels, size_t *bytes)
{
    REQUIRE(width > 0 && height > 0 && (channels == 1 || channels == 3));
    png_image image = {
        .version = PNG_IMAGE_VERSION,
        .width = (png_uint_32)width,
        .height = (png_uint_32)height,
        .format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB,
    };
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    uint8_t *out = mem_alloc(size);
    if (!png_image_write_to_memory(&image, out, &size, 0, pixels, 0, NULL))
        DIE("libpng: %s", image.message);
    *bytes = size;
    return out;
}

static uint8_t byte_of(float value)
{
    if (!(value > 0.0f)) /* NaN too */
        return 0;
    return value >= 1.0f ? 255 : (uint8_t)(value * 255.0f + 0.5f);
}

/* Caller frees. */
static uint8_t *grid_pixels(int rows, int columns, int side, int channels, int zoom,
                            const float *images, int *out_width, int *out_height)
{
    REQUIRE(rows > 0 && columns > 0 && side > 0 && zoom > 0);
    size_t tile = (size_t)side * (size_t)zoom, c = (size_t)channels;
    size_t width = (size_t)columns * (tile + GAP) - GAP, height = (size_t)rows * (tile + GAP) - GAP;
    uint8_t *pixels = mem_alloc(width * height * c);
    memset(pixels, GAP_GREY, width * height * c);
    for (size_t y = 0; y < height; y++) {
        size_t row = y / (tile + GAP), tile_y = y % (tile + GAP);
        for (size_t x = 0; x < width && tile_y < tile; x++) {
            size_t column = x / (tile + GAP), tile_x = x % (tile + GAP);
            if (tile_x >= tile)
                continue;
            size_t image = row * (size_t)columns + column;
            size_t at = (image * (size_t)side + tile_y / (size_t)zoom) * (size_t)side +
                        tile_x / (size_t)zoom;
            for (size_t i = 0; i < c; i++)
                pixels[(y * width + x) * c + i] = byte_of(images[at * c + i]);
        }
    }
    *out_width = (int)width;
    *out_height = (int)height;
    return pixels;
}

int png_write_grid(const char *path, int rows, int columns, int side, int channels, int zoom,
                   const float *images)
{
    int width, height;
    uint8_t *pixels = grid_pixels(rows, columns, side, channels, zoom, images, &width, &height);
    int failed = png_write(path, width, height, channels, pixels);
    mem_free(pixels);
    return failed;
}

uint8_t *png_encode_grid(int rows, int columns, int side, int channels, int zoom,
                         const float *images, size_t *bytes)
{
    int width, height;
    uint8_t *pixels = grid_pixels(rows, columns, side, channels, zoom, images, &width, &height);
    uint8_t *out = png_encode(width, height, channels, pixels, bytes);
    mem_free(pixels);
    return out;
}
