/* SPDX-License-Identifier: Apache-2.0
 * IDX, the format of MNIST and its kin (LeCun, Cortes, Burges, "The MNIST database of handwritten
 * digits"): a magic number 00 00 TT RR (type TT, 08 = uint8; number of dimensions RR), RR sizes as
 * big-endian 32-bit integers, then the values, last dimension fastest. Plain or gzip-compressed:
 * zlib's gzread takes both.
 *
 * The whole set is read at once, as its index space is: 47 MB for the 60,000 images of 28x28. Sizes
 * in the header are believed only as far as the data goes: memory grows with what is really there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "images/readers.h"

enum { MAX_SIDE = 1 << 13, PIECE_BYTES = 1 << 24 };

struct idx_state {
    int height, width, channels;
    uint8_t *pixels; /* [count,height,width,channels], owned */
};

/* What is wrong with the stream, NULL if nothing: zlib puts the path before its own words. */
static const char *gz_fault(gzFile z, const char *path)
{
    int code;
    const char *text = gzerror(z, &code);
    if (code == Z_OK || code == Z_STREAM_END)
        return NULL;
    if (code == Z_ERRNO)
        return strerror(errno);
    return strncmp(text, path, strlen(path)) ? text : text + strlen(path) + strlen(": ");
}

/* Reads the magic number and the sizes; 0, or 1 and a message. */
static int read_header(gzFile z, const char *path, int min_rank, int max_rank, int64_t sizes[4],
                       int *rank)
{
    uint8_t head[4], words[16];
    int got = gzread(z, head, sizeof head);
    if (got < 0) {
        log_error("%s: cannot be read: %s", path, gz_fault(z, path));
        return 1;
    }
    if (got < 4 || head[0] || head[1] || head[2] != 8 || head[3] < min_rank || head[3] > max_rank) {
        log_error("%s: not an IDX file of uint8 %s: it should begin with 00 00 08 %02x%s", path,
                  max_rank == 1 ? "labels" : "images", min_rank,
                  max_rank == 4 ? " (grey) or 00 00 08 04" : "");
        return 1;
    }
    *rank = head[3];
    if (gzread(z, words, (unsigned)(4 * *rank)) != 4 * *rank) {
        log_error("%s: truncated within its header", path);
        return 1;
    }
    for (int i = 0; i < *rank; i++) {
        const uint8_t *w = words + 4 * i;
        sizes[i] = (int64_t)w[0] << 24 | (int64_t)w[1] << 16 | (int64_t)w[2] << 8 | w[3];
    }
    return 0;
}

/* Exactly `bytes` values and then the end of the file. Memory is taken piece by piece (doubling),
 * so a header that promises too much costs no more than the file holds. */
static int read_values(gzFile z, const char *path, int64_t bytes, uint8_t **out)
{
    int64_t room = bytes < PIECE_BYTES ? bytes : PIECE_BYTES, used = 0;
    uint8_t *data = mem_alloc((size_t)room), extra;
    while (used < bytes) {
        if (used == room) {
            int64_t larger = room < bytes / 2 ? 2 * room : bytes;
            uint8_t *moved = mem_alloc((size_t)larger);
            memcpy(moved, data, (size_t)used);
            mem_free(data);
            data = moved;
            room = larger;
        }
        int64_t want = room - used < PIECE_BYTES ? room - used : PIECE_BYTES;
        int got = gzread(z, data + used, (unsigned)want);
        if (got <= 0) {
            const char *fault = gz_fault(z, path);
            log_error("%s: %s: %s after %lld of %lld bytes of data", path,
                      got < 0 ? "damaged" : "truncated", fault ? fault : "it ends", (long long)used,
                      (long long)bytes);
            mem_free(data);
            return 1;
        }
        used += got;
    }
    int more = gzread(z, &extra, 1); /* also makes zlib check its sum at the end */
    const char *fault =
        more > 0 ? "it goes on after the last value its header speaks of" : gz_fault(z, path);
    if (fault) {
        log_error("%s: damaged: %s", path, fault);
        mem_free(data);
        return 1;
    }
    *out = data;
    return 0;
}

static int idx_load(struct image_source *s, int thread, int64_t index, struct picture *out,
                    char fault[IMAGE_FAULT])
{
    (void)thread;
    const struct idx_state *state = s->state;
    size_t bytes = (size_t)state->height * (size_t)state->width * (size_t)state->channels;
    if (picture_reserve(out, state->width, state->height, state->channels, fault))
        return IMAGE_DAMAGED;
    memcpy(out->pixels, state->pixels + (size_t)index * bytes, bytes);
    return 0;
}

static void idx_name(struct image_source *s, int64_t index, char out[IMAGE_FAULT])
{
    (void)s;
    snprintf(out, IMAGE_FAULT, "image %lld", (long long)index);
}

static void idx_close(struct image_source *s)
{
    struct idx_state *state = s->state;
    mem_free(state->pixels);
    mem_free(state);
}

static gzFile open_file(const char *path)
{
    gzFile z = gzopen(path, "rb");
    if (!z)
        log_error("%s: %s", path, errno ? strerror(errno) : "no memory");
    else
        gzbuffer(z, 1 << 18);
    return z;
}

static int check_sizes(const char *path, const int64_t n[4])
{
    if (n[0] == 0) {
        log_error("%s: holds no images", path);
        return 1;
    }
    if (n[1] < 1 || n[1] > MAX_SIDE || n[2] < 1 || n[2] > MAX_SIDE || (n[3] != 1 && n[3] != 3)) {
        log_error("%s: images of %lldx%lld pixels and %lld channels; 1 to %d pixels and 1 or 3 "
                  "channels are possible",
                  path, (long long)n[1], (long long)n[2], (long long)n[3], MAX_SIDE);
        return 1;
    }
    return 0;
}

int idx_open(struct image_source *s)
{
    static const struct image_source_ops ops = {idx_load, idx_name, idx_close};
    int64_t n[4] = {0, 0, 0, 1};
    int rank;
    uint8_t *pixels;
    gzFile z = open_file(s->path);
    if (!z)
        return 1;
    int failed = read_header(z, s->path, 3, 4, n, &rank) || check_sizes(s->path, n) ||
                 read_values(z, s->path, n[0] * n[1] * n[2] * n[3], &pixels);
    gzclose(z);
    if (failed)
        return 1;
    struct idx_state *state = mem_alloc(sizeof *state);
    *state = (struct idx_state){(int)n[1], (int)n[2], (int)n[3], pixels};
    s->ops = &ops;
    s->state = state;
    s->count = n[0];
    return 0;
}

int image_labels_read(const char *path, int32_t **labels, int64_t *count)
{
    int64_t n[4] = {0};
    int rank;
    uint8_t *bytes;
    gzFile z = open_file(path);
    if (!z)
        return 1;
    int failed = read_header(z, path, 1, 1, n, &rank) || read_values(z, path, n[0], &bytes);
    gzclose(z);
    if (failed)
        return 1;
    int32_t *list = mem_alloc((size_t)n[0] * sizeof *list);
    for (int64_t i = 0; i < n[0]; i++)
        list[i] = bytes[i];
    mem_free(bytes);
    *labels = list;
    *count = n[0];
    return 0;
}
