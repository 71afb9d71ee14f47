/* SPDX-License-Identifier: Apache-2.0
 * Fuzzing the IDX readers (images and labels, plain or gzip) and, with the same bytes, the codecs
 * of single pictures and the labels of dataset.json. Nothing may crash or leak, and a header may
 * not take memory that its data do not fill.
 *
 *     clang -std=c17 -g -O1 -fsanitize=fuzzer,address,undefined -D_POSIX_C_SOURCE=200809L \
 *         -Isrc $(pkg-config --cflags freetype2) tests/fuzz/fuzz_idx.c src/images/[a-z]*.c \
 *         src/base/[djlmt]*.c -lpng -lz -ljpeg -lwebp -lzip -llmdb -lfreetype -lm -lpthread \
 *         -o fuzz_idx
 *     ./fuzz_idx -close_fd_mask=2 -max_total_time=60 -max_len=4096 CORPUS tests/fuzz/idx
 *
 * With -DPECLET_FUZZ_MAIN and without the fuzzer, a program that runs every file of a folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "images/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void try_collection(const char *path)
{
    static const struct dataset_settings settings[] = {
        {.format = "idx"}, {.format = "idx", .resolution = 5, .channels = 3}};
    char fault[IMAGE_FAULT];
    for (int i = 0; i < 2; i++) {
        struct image_source *s;
        if (image_source_open(&settings[i], path, 1, &s))
            continue;
        uint8_t *pixels = mem_alloc((size_t)(s->height * s->width * s->channels));
        for (int64_t k = 0; k < s->count && k < 4; k++)
            if (image_read(s, 0, k, pixels, fault))
                abort();
        mem_free(pixels);
        image_source_close(s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[] = "/tmp/peclet-fuzz-XXXXXX", fault[IMAGE_FAULT];
    char *const names[] = {"a.png", "b.png"};
    struct picture p = {0};
    int32_t *labels = NULL;
    int64_t count;
    int file = mkstemp(path);
    if (file < 0 || write(file, data, bytes) != (ssize_t)bytes || close(file))
        abort();
    try_collection(path);
    if (!image_labels_read(path, &labels, &count))
        mem_free(labels);
    unlink(path);
    picture_decode(data, bytes, &p, fault);
    picture_free(&p);
    char *text = mem_zalloc(bytes + 1);
    memcpy(text, data, bytes);
    labels = NULL;
    json_labels("fuzz", text, names, 2, &labels);
    mem_free(labels);
    mem_free(text);
    if (mem_live_bytes() != 0)
        abort();
    return 0;
}

#ifdef PECLET_FUZZ_MAIN
#include "fuzz_main.h"
#endif
