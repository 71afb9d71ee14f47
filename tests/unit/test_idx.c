/* SPDX-License-Identifier: Apache-2.0
 * The IDX reader on real sets and on damaged files. What the sets hold was counted without this
 * program:
 *
 *     python3 -c "import gzip, sys, zlib; d = gzip.open(sys.argv[1]).read()[16:]; print(len(d),
 * sum(d), zlib.crc32(d))" FILE
 *
 * (8 in place of 16 for labels). */
#include "check.h"

#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"
#include "images/images.h"

static char path[256];
static const struct dataset_settings as_stored = {.format = "idx"};
static char fault[IMAGE_FAULT];

static void check_set(const char *images, const char *labels, int64_t count, int64_t sum,
                      uint32_t crc, int64_t label_sum)
{
    struct image_source *s;
    uint8_t pixels[28 * 28];
    int32_t *list;
    int64_t n, got = 0;
    uint32_t got_crc = 0;
    CHECK(!image_source_open(&as_stored, images, 1, &s));
    CHECK(s->count == count && s->height == 28 && s->width == 28 && s->channels == 1);
    for (int64_t i = 0; i < s->count; i++) {
        if (image_read(s, 0, i, pixels, fault))
            break;
        got_crc = (uint32_t)crc32(got_crc, pixels, sizeof pixels);
        for (size_t p = 0; p < sizeof pixels; p++)
            got += pixels[p];
    }
    CHECK(got == sum && got_crc == crc);
    CHECK(image_read(s, 0, -1, pixels, fault) && image_read(s, 0, count, pixels, fault));
    image_source_close(s);
    CHECK(!image_labels_read(labels, &list, &n));
    CHECK(n == count);
    for (int64_t i = 0; i < n; i++)
        label_sum -= list[i];
    CHECK(label_sum == 0);
    mem_free(list);
}

/* Writes bytes as they are, or through gzip; then cuts the file to `keep` bytes (negative: so many
 * fewer). */
static void make(const uint8_t *bytes, size_t n, int gzip, long keep)
{
    if (gzip) {
        gzFile z = gzopen(path, "wb");
        CHECK(gzwrite(z, bytes, (unsigned)n) == (int)n);
        CHECK(gzclose(z) == Z_OK);
    } else {
        FILE *f = fopen(path, "wb");
        CHECK(fwrite(bytes, 1, n, f) == n);
        CHECK(!fclose(f));
    }
    if (keep) {
        FILE *f = fopen(path, "rb");
        fseek(f, 0, SEEK_END);
        long length = ftell(f);
        fclose(f);
        CHECK(!truncate(path, keep > 0 ? keep : length + keep));
    }
}

static int opens(void)
{
    struct image_source *s;
    if (image_source_open(&as_stored, path, 1, &s))
        return 0;
    image_source_close(s);
    return 1;
}

static int opens_labels(void)
{
    int32_t *labels;
    int64_t n;
    if (image_labels_read(path, &labels, &n))
        return 0;
    mem_free(labels);
    return 1;
}

/* 2 images of 3x2 pixels and 3 channels. */
static const uint8_t colour[20 + 36] = {0, 0, 8, 4,  0,  0,  0,  2,  0,  0,  0,  3,  0,
                                        0, 0, 2, 0,  0,  0,  3,  1,  2,  3,  4,  5,  6,
                                        7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19};

static void check_made(void)
{
    struct image_source *s;
    uint8_t pixels[18];
    for (int gzip = 0; gzip < 2; gzip++) {
        make(colour, sizeof colour, gzip, 0);
        CHECK(!image_source_open(&as_stored, path, 1, &s));
        CHECK(s->count == 2 && s->height == 3 && s->width == 2 && s->channels == 3);
        CHECK(!image_read(s, 0, 0, pixels, fault) && pixels[0] == 1 && pixels[17] == 18);
        CHECK(!image_read(s, 0, 1, pixels, fault) && pixels[0] == 19 && pixels[1] == 0);
        image_source_close(s);
    }
    CHECK(image_source_open(&(struct dataset_settings){.format = "tiff"}, path, 1, &s));
}

static void check_damaged(void)
{
    uint8_t bytes[sizeof colour + 1];
    for (long keep = 1; keep < (long)sizeof colour; keep++) { /* cut anywhere */
        make(colour, sizeof colour, 0, keep);
        CHECK(!opens());
    }
    for (int cut = 1; cut < 30;
         cut += 4) { /* gzip cut short, within its data or its sum at the end */
        make(colour, sizeof colour, 1, -cut);
        CHECK(!opens());
    }
    memcpy(bytes, colour, sizeof colour);
    bytes[sizeof colour] = 7;
    for (int gzip = 0; gzip < 2; gzip++) { /* a byte too many */
        make(bytes, sizeof bytes, gzip, 0);
        CHECK(!opens());
    }
    for (long at = -9; at < 0; at++) { /* one bit of the compressed data or of its sum */
        make(colour, sizeof colour, 1, 0);
        FILE *f = fopen(path, "r+b");
        fseek(f, at, SEEK_END);
        int byte = fgetc(f);
        fseek(f, at, SEEK_END);
        fputc(byte ^ 1, f);
        CHECK(!fclose(f));
        CHECK(!opens());
    }
    make(bytes, 0, 0, 0);
    CHECK(!opens());
    static const struct {
        int at;
        uint8_t value;
    } faults[] = {{0, 1},   {2, 9},  {3, 1},
                  {3, 5},   {7, 0}, /* magic number, type, ranks; no images */
                  {4, 255}, {11, 0}, {9, 1},
                  {13, 1},  {19, 2}}; /* too many images, no or too many pixels, 2 channels */
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        memcpy(bytes, colour, sizeof colour);
        bytes[faults[i].at] = faults[i].value;
        make(bytes, sizeof colour, 0, 0);
        CHECK(!opens());
    }
    CHECK(mem_peak_bytes() <
          100 << 20); /* a header that promises 4,000,000,000 images was not believed */
    remove(path);
    CHECK(!opens() && !opens_labels());
}

static void check_labels(void)
{
    static const uint8_t labels[8 + 3] = {0, 0, 8, 1, 0, 0, 0, 3, 9, 0, 255};
    int32_t *list;
    int64_t n;
    make(labels, sizeof labels, 1, 0);
    CHECK(!image_labels_read(path, &list, &n));
    CHECK(n == 3 && list[0] == 9 && list[1] == 0 && list[2] == 255);
    mem_free(list);
    CHECK(!opens());
    make(labels, sizeof labels, 0, 10);
    CHECK(!opens_labels());
    make(colour, sizeof colour, 0, 0);
    CHECK(!opens_labels());
}

int main(void)
{
    char folder[] = "/tmp/peclet-test-XXXXXX", images[512], labels[512];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/set", folder);
    check_made();
    check_damaged();
    check_labels();
    remove(path);
    rmdir(folder);

    const char fashion[] = "/usr/share/datasets/fashion-mnist";
    if (!access(fashion, R_OK)) {
        check_set("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz",
                  "/usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz", 60000, 3431114169,
                  2925911245u, 270000);
        check_set("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz",
                  "/usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz", 10000, 573469082,
                  309494841u, 45000);
    }
    CHECK(mem_live_bytes() == 0);
    if (check_failed || !getenv("PECLET_DATA"))
        return check_done();
    check_set(check_data("mnist/train-images-idx3-ubyte.gz", images, sizeof images),
              check_data("mnist/train-labels-idx1-ubyte.gz", labels, sizeof labels), 60000,
              1567298545, 4083391318u, 267236);
    check_set(check_data("mnist/t10k-images-idx3-ubyte.gz", images, sizeof images),
              check_data("mnist/t10k-labels-idx1-ubyte.gz", labels, sizeof labels), 10000,
              264923200, 3838467927u, 44434);
    return check_done();
}
