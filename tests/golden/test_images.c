/* SPDX-License-Identifier: Apache-2.0
 * Pictures against Pillow (tools/golden/images_golden.py): codecs of every kind pixel by pixel, the
 * Lanczos filter at odd sizes, whole collections cropped and scaled. All of it agrees to the last bit
 * (measured on 13,739 faces, 800 flowers and 3,926 emoji; the aim was one grey level). */
#include "check.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"
#include "golden/images_golden.h"
#include "images/readers.h"

#define COUNT(a) (sizeof a / sizeof *a)

static void check_pictures(void)
{
    char fault[IMAGE_FAULT];
    struct picture p = {0};
    for (size_t i = 0; i < COUNT(golden_pictures); i++) {
        *fault = 0;
        int failed = picture_decode(golden_pictures[i].bytes, golden_pictures[i].count, &p, fault);
        if (!golden_pictures[i].channels) {
            CHECK(failed && *fault);
            continue;
        }
        size_t n = (size_t)(golden_pictures[i].width * golden_pictures[i].height *
                            golden_pictures[i].channels);
        int same = !failed && p.width == golden_pictures[i].width &&
                   p.height == golden_pictures[i].height &&
                   p.channels == golden_pictures[i].channels;
        int worst = 255;
        if (same) {
            worst = 0;
            for (size_t k = 0; k < n; k++) {
                int off = abs(p.pixels[k] - golden_pictures[i].pixels[k]);
                worst = off > worst ? off : worst;
            }
        }
        if (worst)
            printf("%s: off by %d %s\n", golden_pictures[i].name, worst, fault);
        CHECK(worst == 0);
    }
    picture_free(&p);
}

static void check_resize(void)
{
    struct lanczos *l = lanczos_create();
    for (size_t i = 0; i < COUNT(golden_resize); i++) {
        int w = golden_resize[i].width, h = golden_resize[i].height, c = golden_resize[i].channels,
            side = golden_resize[i].side, crop = w < h ? w : h;
        uint8_t *in = mem_alloc((size_t)(w * h * c)), *out = mem_alloc((size_t)(side * side * c));
        uint32_t x = (uint32_t)(w * 1000 + h);
        for (int k = 0; k < w * h * c; k++) {
            x = x * 1664525u + 1013904223u;
            in[k] = (uint8_t)(x >> 24);
        }
        lanczos_resize(l, in + ((h - crop) / 2 * w + (w - crop) / 2) * c, crop, crop,
                       (size_t)(w * c), c, side, out);
        CHECK(crc32(0, out, (unsigned)(side * side * c)) == golden_resize[i].crc);
        mem_free(in);
        mem_free(out);
    }
    lanczos_destroy(l);
}

/* The golden numbers are of the font of Debian 12 (fonts-noto-color-emoji 2.042); later ones have
 * more pictures. */
static int other_font(size_t i, const char *path)
{
    enum { BYTES = 10980856 };
    struct stat s;
    return !strcmp(golden_sets[i].format, "font") && !stat(path, &s) && s.st_size != BYTES;
}

static void check_set(size_t i, const char *path)
{
    if (other_font(i, path)) {
        printf("skipped: needs the font of fonts-noto-color-emoji 2.042, %s is another\n", path);
        return;
    }
    struct dataset_settings settings = {.resolution = golden_sets[i].side,
                                        .channels = golden_sets[i].channels};
    struct image_source *s = NULL;
    char fault[IMAGE_FAULT] = "";
    snprintf(settings.format, sizeof settings.format, "%s", golden_sets[i].format);
    int failed = image_source_open(&settings, path, 2, &s);
    CHECK(!failed);
    if (failed)
        return;
    CHECK(s->count == golden_sets[i].count);
    size_t bytes = (size_t)(s->height * s->width * s->channels);
    uint8_t *pixels = mem_alloc(bytes);
    uint32_t crc = 0;
    int64_t sum = 0;
    for (int64_t k = 0; k < s->count && !failed; k++) {
        failed = image_read(s, (int)(k % 2), k, pixels, fault);
        crc = (uint32_t)crc32(crc, pixels, (unsigned)bytes);
        for (size_t j = 0; j < bytes; j++)
            sum += pixels[j];
    }
    if (failed)
        printf("%s\n", fault);
    CHECK(!failed);
    CHECK_NEAR(sum, golden_sets[i].sum, 0);
    CHECK(crc == golden_sets[i].crc);
    mem_free(pixels);
    image_source_close(s);
}

/* The labels of the flowers: 0 to 4, 120 of each. */
static void check_labels(const char *path)
{
    struct dataset_settings settings = {.format = "zip"};
    struct image_source *s = NULL;
    int per_label[5] = {0};
    CHECK(!image_source_open(&settings, path, 1, &s) && s->labels);
    for (int64_t k = 0; s && s->labels && k < s->count; k++)
        if (s->labels[k] >= 0 && s->labels[k] < 5)
            per_label[s->labels[k]]++;
    for (int label = 0; label < 5; label++)
        CHECK(per_label[label] == 120);
    image_source_close(s);
}

/* The font's path is absolute, the others are under $PECLET_DATA. 0 and a line if it is not there. */
static int is_there(const char *name, char path[512])
{
    const char *data = getenv("PECLET_DATA");
    int absolute = *name == '/';
    snprintf(path, 512, "%s%s%s", absolute || !data ? "" : data, absolute ? "" : "/", name);
    int there = (absolute || data) && !access(path, R_OK);
    if (!there)
        printf("skipped: needs %s%s\n", name, absolute ? "" : " under $PECLET_DATA");
    return there;
}

/* usage: test_images [pictures]: only the pictures in this source (under sanitizers a font takes
 * minutes) */
int main(int argc, char **argv)
{
    char path[512];
    int sets = argc == 2 && !strcmp(argv[1], "pictures") ? 0 : (int)COUNT(golden_sets);
    check_pictures();
    check_resize();
    for (int i = 0; i < sets; i++)
        if (is_there(golden_sets[i].path, path))
            check_set((size_t)i, path);
    if (sets && is_there("flowers/flowers-64x64-nvlabs.zip", path))
        check_labels(path);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
