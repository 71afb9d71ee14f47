/* SPDX-License-Identifier: Apache-2.0
 * safetensors: named arrays in one file, the format in which the weights of published networks travel: header length
 * (uint64, little endian), a JSON object name -> {dtype, shape, data_offsets}, optionally "__metadata__" of strings, then
 * the arrays, row-major, little endian. The arrays cover what follows the header without gaps or overlaps.
 *
 * What is read comes from strangers: every length and offset is checked before it is used, and a fault is said with the
 * file's name. Functions return 0, or non-zero after a message. */
#pragma once
#include <stdint.h>
#include <stdio.h>

enum { SAFETENSORS_RANK = 8 };
struct safetensors_tensor {
    char *name, *dtype; /* "F32" "F16" "BF16" "I64" ... */
    int rank;
    int64_t dims[SAFETENSORS_RANK];
    int64_t first, end; /* bytes behind the header */
};
struct safetensors {
    char *path;
    FILE *file;
    int64_t data_at; /* first byte behind the header */
    int count, metadata_count;
    struct safetensors_tensor *tensors; /* by name */
    struct safetensors_note {
        char *key, *value;
    } *metadata; /* as in the file */
};

int safetensors_open(const char *path, struct safetensors **out);
void safetensors_close(struct safetensors *f); /* NULL is fine */

/* The header alone: bytes of JSON before data_bytes of arrays. `path` is for messages. */
int safetensors_parse(const char *path, const char *header, size_t bytes, int64_t data_bytes, struct safetensors **out);

/* NULL if there is none, silently. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *f, const char *name);
const char *safetensors_metadata(const struct safetensors *f, const char *key);

/* The whole array as fp32 (from F32, F16 or BF16), which must have these dimensions. */
int safetensors_read(struct safetensors *f, const char *name, int rank, const int64_t *dims, float *out);

/* Writes fp32 arrays: temporary name, fsync, rename. metadata: count pairs of strings. */
struct safetensors_item {
    const char *name;
    int rank;
    int64_t dims[SAFETENSORS_RANK];
    const float *data;
};
int safetensors_write(const char *path, const struct safetensors_item *items, int count,
                      const struct safetensors_note *metadata, int metadata_count);
