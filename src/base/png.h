/* SPDX-License-Identifier: Apache-2.0
 * png: pictures people look at. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Writes an 8-bit picture; pixels [height, width, channels], channels 1 (grey) or 3 (RGB). Returns 0; on failure
 * log_error names the file and the reason. */
int png_write(const char *path, int width, int height, int channels, const uint8_t *pixels);

/* The same into memory: caller frees with mem_free. */
uint8_t *png_encode(int width, int height, int channels, const uint8_t *pixels, size_t *bytes);

/* A grid of `rows` x `columns` images with a thin gap, each drawn `zoom` times its size (whole number >= 1, nearest).
 * images: rows*columns images [side, side, channels], row by row, float nominally in [0,1], clipped here only. */
int png_write_grid(const char *path, int rows, int columns, int side, int channels, int zoom, const float *images);
uint8_t *png_encode_grid(int rows, int columns, int side, int channels, int zoom, const float *images, size_t *bytes);
