/* SPDX-License-Identifier: Apache-2.0
 * Encoded pictures: which codec, memory for the pixels, names. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "images/readers.h"

int picture_reserve(struct picture *p, int64_t width, int64_t height, int channels,
                    char fault[IMAGE_FAULT])
{
    if (width < 1 || height < 1 || width > IMAGE_MAX_PIXELS || height > IMAGE_MAX_PIXELS ||
        width * height > IMAGE_MAX_PIXELS)
        return picture_fault(fault, "%lldx%lld pixels; 1 to %d in all are possible",
                             (long long)width, (long long)height, IMAGE_MAX_PIXELS);
    size_t bytes = (size_t)(width * height * channels);
    if (p->room < bytes) {
        mem_free(p->pixels);
        p->pixels = mem_alloc(bytes);
        p->room = bytes;
    }
    p->width = (int)width;
    p->height = (int)height;
    p->channels = channels;
    return 0;
}

void picture_free(struct picture *p)
{
    mem_free(p->pixels);
    *p = (struct picture){0};
}

static int begins(const uint8_t *bytes, size_t count, size_t at, const char *magic, size_t length)
{
    return count >= at + length && !memcmp(bytes + at, magic, length);
}

int picture_decode(const uint8_t *bytes, size_t count, struct picture *out, char fault[IMAGE_FAULT])
{
    if (count == 0)
        return picture_fault(fault, "empty");
    if (begins(bytes, count, 0, "\xff\xd8\xff", 3))
        return picture_decode_jpeg(bytes, count, out, fault);
    if (begins(bytes, count, 0, "\x89PNG\r\n\x1a\n", 8))
        return picture_decode_png(bytes, count, out, fault);
    if (begins(bytes, count, 0, "RIFF", 4) && begins(bytes, count, 8, "WEBP", 4))
        return picture_decode_webp(bytes, count, out, fault);
    return picture_fault(fault, "neither PNG nor JPEG nor WebP (by its first bytes)");
}

int picture_named(const char *name)
{
    const char *end = strrchr(name, '.');
    return end && (!strcasecmp(end, ".png") || !strcasecmp(end, ".jpg") ||
                   !strcasecmp(end, ".jpeg") || !strcasecmp(end, ".webp"));
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_sort(char **names, int64_t count)
{
    if (count > 1)
        qsort(names, (size_t)count, sizeof *names, compare);
}
