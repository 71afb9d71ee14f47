/* SPDX-License-Identifier: Apache-2.0
 * What checkpoint.c (finding, reading) and checkpoint_write.c share: the format and the names. */
#pragma once
#include <zlib.h>
#include "files/checkpoint.h"

#define CHECKPOINT_FORMAT "peclet-checkpoint"
/* 2: the CRC-32s are a dataset, /crc32 int64, in the order of the attribute "arrays" (1: attributes). */
enum { CHECKPOINT_VERSION = 2, CHECKPOINT_PATH = 4096 };

void checkpoint_path(const char *folder, int64_t step, char path[CHECKPOINT_PATH]);
/* The step in "step-00001000ENDING", or -1. */
int64_t checkpoint_step_of(const char *name, const char *ending);
/* The steps in a folder, newest first; a folder that is not there has none. Caller frees. */
int checkpoint_list(const char *folder, int64_t **steps, int *count);

/* CRC-32 of what `before` covers and these numbers. */
static inline int64_t checkpoint_crc(int64_t before, const float *data, int64_t count)
{
    return (int64_t)crc32_z((uLong)before, (const void *)data, (size_t)count * sizeof *data);
}
