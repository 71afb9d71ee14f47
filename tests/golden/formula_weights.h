/* SPDX-License-Identifier: Apache-2.0
 * formula_weights: weights of the networks that judge images, drawn by their names as tools/golden/judges_golden.py draws
 * them, and written to a safetensors file. */
#pragma once
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "files/safetensors.h"

/* In (-1, 1): element e of the tensor `name`. */
static float uniform_at(const char *name, int64_t e)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    struct rng4 r = rng_draw(1, RNG_TEST, h, 0, (uint32_t)(e / 4));
    return 2.0f * rng_uniform(r.v[e % 4]) - 1.0f;
}

static int ends(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Collects the tensors that a network asks for. Convolutions keep the size of what passes through ReLU; norms are near
 * one; variances and the linear layers of LPIPS are positive. */
struct collection {
    int count;
    struct safetensors_item items[600];
};
static int make_weights(void *state, const char *name, int rank, const int64_t *dims, float *out)
{
    struct collection *all = state;
    struct safetensors_item *item = &all->items[all->count++];
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= dims[i];
    float middle = 0, scale = 0.25f;
    if (ends(name, "bn.weight") || ends(name, "running_var"))
        middle = 1;
    else if (ends(name, "model.1.weight"))
        middle = scale = 0.5f;
    else if (rank == 4)
        scale = (float)sqrt(6.0 * (double)dims[0] / (double)count);
    for (int64_t e = 0; e < count; e++)
        out[e] = middle + scale * uniform_at(name, e);
    float *copy = mem_alloc((size_t)count * sizeof *copy);
    memcpy(copy, out, (size_t)count * sizeof *copy);
    *item = (struct safetensors_item){.name = mem_strdup(name), .rank = rank, .data = copy};
    memcpy(item->dims, dims, (size_t)rank * sizeof *dims);
    return 0;
}

static int collection_write(struct collection *all, const char *path, const struct safetensors_note *note, int notes)
{
    int failed = safetensors_write(path, all->items, all->count, note, notes);
    for (int i = 0; i < all->count; i++) {
        mem_free((void *)(uintptr_t)all->items[i].name);
        mem_free((void *)(uintptr_t)all->items[i].data);
    }
    mem_free(all);
    return failed;
}

/* 8-bit values, steep and flat in turn, as fractions: [height, width, channels], caller frees. */
static float *formula_picture(int height, int width, int channels, int which)
{
    float *image = mem_alloc((size_t)(height * width * channels) * sizeof *image);
    for (int i = 0; i < height * width * channels; i++) {
        int y = i / channels / width, x = i / channels % width, c = i % channels;
        image[i] = (float)((3 * x * x + 7 * (c + 1) * y + 11 * (x * y * (c + 2) % 13) + 50 * which) % 256) / 255.0f;
    }
    return image;
}
