/* SPDX-License-Identifier: Apache-2.0
 * Pictures cut short at every byte, with bits turned over, of absurd sizes; empty, foreign and hostile
 * collections. Each must end in a fault, none in a crash (meant to be run under sanitizers too), and no
 * more memory than a header deserves may be taken. */
#include "check.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <lmdb.h>
#include <zip.h>

#include "base/mem.h"
#include "base/text.h"
#include "golden/images_golden.h"
#include "images/readers.h"
#include "unit/capture.h"

#define COUNT(a) (sizeof a / sizeof *a)

static char folder[256], fault[IMAGE_FAULT];

static const char *in_folder(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t count)
{
    FILE *f = fopen(in_folder(name), "wb");
    CHECK(f && fwrite(bytes, 1, count, f) == count && !fclose(f));
}

/* Number of images that can be opened (and all of those read, or not), -1 if it does not open. */
static int64_t opens(const char *format, const char *path, int64_t resolution, int64_t channels,
                     int *unreadable)
{
    struct dataset_settings settings = {.resolution = resolution, .channels = channels};
    struct image_source *s;
    snprintf(settings.format, sizeof settings.format, "%s", format);
    *unreadable = 0;
    if (image_source_open(&settings, path, 1, &s))
        return -1;
    int64_t count = s->count;
    uint8_t *pixels = mem_alloc((size_t)(s->height * s->width * s->channels));
    for (int64_t i = 0; i < count; i++)
        *unreadable += image_read(s, 0, i, pixels, fault) != 0;
    mem_free(pixels);
    image_source_close(s);
    return count;
}

static int64_t opens_here(const char *format, const char *name, int *unreadable)
{
    return opens(format, in_folder(name), 4, 3, unreadable);
}

/* ---- codecs ---- */

static void check_cuts_and_flips(void)
{
    struct picture p = {0};
    for (size_t i = 0; i < COUNT(golden_pictures); i++) {
        size_t n = golden_pictures[i].count;
        uint8_t *copy = mem_alloc(n);
        int through = 0;
        for (size_t keep = 0; keep < n; keep++) { /* a copy of just that size: no byte behind it */
            uint8_t *cut = malloc(keep + 1);
            if (!cut)
                continue;
            memcpy(cut, golden_pictures[i].bytes, keep);
            through += !picture_decode(cut, keep, &p, fault);
            free(cut);
        }
        if (through)
            printf("%s: %d of %zu cuts went unseen\n", golden_pictures[i].name, through, n);
        CHECK(through == 0);
        for (size_t at = 0; at < n; at++)
            for (int bit = 0; bit < 8; bit++) {
                memcpy(copy, golden_pictures[i].bytes, n);
                copy[at] ^= (uint8_t)(1 << bit);
                picture_decode(copy, n, &p, fault);
            }
        mem_free(copy);
    }
    picture_free(&p);
}

static void check_bombs(void)
{
    struct picture p = {0};
    size_t before = mem_peak_bytes();
    uint8_t png[] = {
        0x89, 'P', 'N', 'G', 13, 10, 26, 10,  0,   0,   0,  13, 'I', 'H', 'D',
        'R',  0,   0,   234, 96, 0,  0,  234, 96,  8,   2,  0,  0,   0,   /* checksum */ 0,
        0,    0,   0,   0,   0,  0,  0,  'I', 'D', 'A', 'T'};
    uint32_t crc = (uint32_t)crc32(0, png + 12, 17);
    for (int i = 0; i < 4; i++)
        png[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    CHECK(picture_decode(png, sizeof png, &p, fault) && strstr(fault, "60000x60000"));

    size_t n = 0; /* the size in a JPEG's frame header */
    uint8_t jpeg[4096];
    for (size_t i = 0; i < COUNT(golden_pictures); i++)
        if (!strcmp(golden_pictures[i].name, "jpeg_rgb"))
            memcpy(jpeg, golden_pictures[i].bytes, n = golden_pictures[i].count);
    for (size_t at = 0; at + 8 < n; at++)
        if (jpeg[at] == 0xff && jpeg[at + 1] == 0xc0) {
            jpeg[at + 5] = jpeg[at + 7] = 0xfd;
            break;
        }
    CHECK(picture_decode(jpeg, n, &p, fault) && strstr(fault, "pixels"));

    static const uint8_t webp[40] = {'R', 'I', 'F', 'F', 32, 0, 0, 0,    'W',  'E',  'B',  'P', 'V',
                                     'P', '8', 'L', 20,  0,  0, 0, 0x2f, 0xff, 0xff, 0xff, 0x0f};
    CHECK(picture_decode(webp, sizeof webp, &p, fault) && strstr(fault, "16384x16384"));
    CHECK(mem_peak_bytes() < before + (1 << 20));
    picture_free(&p);
}

/* ---- folders ---- */

static const uint8_t *png_bytes(size_t *n)
{
    *n = golden_pictures[0].count;
    return golden_pictures[0].bytes;
}

static void check_folder(void)
{
    size_t n;
    const uint8_t *png = png_bytes(&n);
    int bad;
    CHECK(opens_here("folder", "none", &bad) == -1);
    mkdir(in_folder("a"), 0700);
    CHECK(opens_here("folder", "a", &bad) == -1); /* empty */
    write_file("a/readme.txt", "x", 1);
    CHECK(opens_here("folder", "a", &bad) == -1);
    write_file("a/b.png", png, n);
    mkdir(in_folder("a/00001"), 0700);
    mkdir(in_folder("a/00001/deeper"), 0700);
    write_file("a/00001/deeper/c.PNG", png, n);
    CHECK(opens_here("folder", "a", &bad) == 2 && bad == 0);
    CHECK(opens("folder", in_folder("a"), 0, 0, &bad) == 2 && bad == 0);
    write_file("a/empty.png", "", 0);
    CHECK(opens_here("folder", "a", &bad) == 3 && bad == 1 && strstr(fault, "empty.png: empty"));
    write_file("a/empty.png", "GIF89a", 6);
    CHECK(opens_here("folder", "a", &bad) == 3 && bad == 1 && strstr(fault, "neither PNG"));
    remove(in_folder("a/empty.png"));
    mkdir(in_folder("a/d.png"), 0700); /* a folder with the name of a picture */
    CHECK(opens_here("folder", "a", &bad) == 3 && bad == 1 && strstr(fault, "not a file"));
    rmdir(in_folder("a/d.png"));
    for (size_t i = 0; i < COUNT(golden_pictures);
         i++) /* an unlike one, where all should be as stored */
        if (!strcmp(golden_pictures[i].name, "png_grey"))
            write_file("a/z.png", golden_pictures[i].bytes, golden_pictures[i].count);
    CHECK(opens("folder", in_folder("a"), 0, 0, &bad) == 3 && bad == 1 &&
          strstr(fault, "set channels"));
    CHECK(opens("folder", in_folder("a"), 0, 1, &bad) == 3 && bad == 0);
    CHECK(opens("folder", in_folder("a"), 4, 2, &bad) == -1);
    static const char json[] =
        "{\"labels\": [[\"b.png\", 1], [\"z.png\", 2], [\"00001/deeper/c.PNG\", 0]]}";
    write_file("a/dataset.json", json, strlen(json));
    struct dataset_settings settings = {.format = "folder", .resolution = 4, .channels = 3};
    struct image_source *s = NULL;
    CHECK(!image_source_open(&settings, in_folder("a"), 1, &s));
    CHECK(s && s->labels && s->labels[0] == 0 && s->labels[1] == 1 && s->labels[2] == 2);
    image_source_close(s);
}

static void check_labels(void)
{
    static const struct {
        const char *text;
        int works; /* 1 with labels, 0 without, -1 a fault */
    } cases[] = {{"{\"labels\": null}", 0},
                 {"{}", 0},
                 {"{\"x\": {\"labels\": [1, {}]}, \"labels\": [[\"a\", 3], [\"b\", -1]]}", 1},
                 {"{\"labels\": [[\"a\", 3], [\"\\u0062\", 5]]}", 1},
                 {"{\"labels\": [[\"a\", 0.5], [\"b\", 1]]}", 0},
                 {"{\"labels\": [[\"a\", [0.5, 1]], [\"b\", 1]]}", 0},
                 {"{\"labels\": [[\"a\", 3]]}", -1},
                 {"{\"labels\": [[\"a\", 3], [\"b\", 1]", -1},
                 {"{\"labels\": [[\"a\", 3], [\"b", -1},
                 {"{\"labels\": [[\"a\" 3]]}", -1},
                 {"{\"labels\": [[\"\\q\", 3]]}", -1},
                 {"{\"x\": [[[", -1},
                 {"", -1}};
    char *const names[] = {"a", "b"};
    for (size_t i = 0; i < COUNT(cases); i++) {
        int32_t *labels = NULL;
        int failed = json_labels("case", cases[i].text, names, 2, &labels);
        CHECK((failed ? -1 : labels != NULL) == cases[i].works);
        mem_free(labels);
    }
    char deep[4096];
    memset(deep, '[', sizeof deep - 1);
    memcpy(deep, "{\"x\":", 5);
    deep[sizeof deep - 1] = 0;
    int32_t *labels = NULL;
    CHECK(json_labels("case", deep, names, 2, &labels));
}

/* ---- ZIP ---- */

static void add(zip_t *zip, const char *name, const void *bytes, size_t count, int method)
{
    zip_source_t *source = zip_source_buffer(zip, bytes, count, 0);
    zip_int64_t at = zip_file_add(zip, name, source, 0);
    CHECK(at >= 0 && !zip_set_file_compression(zip, (zip_uint64_t)at, method, 0));
}

static zip_t *new_zip(const char *name)
{
    remove(in_folder(name));
    return zip_open(in_folder(name), ZIP_CREATE | ZIP_EXCL, NULL);
}

static void check_zip(void)
{
    static const char *const hostile[] = {"../x.png",  "/x.png",       "a/../../x.png",
                                          "C:\\x.png", "a\\..\\x.png", ".."};
    size_t n;
    const uint8_t *png = png_bytes(&n);
    int bad;
    for (size_t i = 0; i < COUNT(hostile); i++) {
        zip_t *zip = new_zip("x.zip");
        add(zip, "good.png", png, n, ZIP_CM_STORE);
        add(zip, hostile[i], png, n, ZIP_CM_STORE);
        CHECK(!zip_close(zip));
        CHECK(opens_here("zip", "x.zip", &bad) == -1);
    }
    zip_t *zip = new_zip("x.zip");
    add(zip, "readme.txt", "x", 1, ZIP_CM_STORE);
    CHECK(!zip_close(zip));
    CHECK(opens_here("zip", "x.zip", &bad) == -1); /* no picture */
    write_file("x.zip", "PK\3\4 not a zip", 15);
    CHECK(opens_here("zip", "x.zip", &bad) == -1);
    write_file("x.zip", "", 0);
    CHECK(opens_here("zip", "x.zip", &bad) == -1);
    CHECK(opens_here("zip", "none.zip", &bad) == -1);

    zip = new_zip("x.zip"); /* both ways of packing, order of names */
    add(zip, "b/2.png", png, n, ZIP_CM_DEFLATE);
    add(zip, "b/..png", png, n, ZIP_CM_STORE);
    add(zip, "a.png", "", 0, ZIP_CM_STORE);
    CHECK(!zip_close(zip));
    CHECK(opens_here("zip", "x.zip", &bad) == 3 && bad == 1 &&
          strstr(fault, "x.zip: a.png: empty"));

    zip = new_zip("x.zip"); /* a bit of the data: the checksum tells */
    add(zip, "a.png", png, n, ZIP_CM_STORE);
    CHECK(!zip_close(zip));
    FILE *f = fopen(in_folder("x.zip"), "r+b");
    fseek(f, 30 + 5 + (long)n - 3, SEEK_SET);
    fputc(1, f);
    CHECK(!fclose(f));
    CHECK(opens_here("zip", "x.zip", &bad) == 1 && bad == 1);
    struct stat there;
    stat(in_folder("x.zip"), &there);
    for (off_t keep = there.st_size - 1; keep > 0; keep -= 3) {
        CHECK(!truncate(in_folder("x.zip"), keep));
        CHECK(opens_here("zip", "x.zip", &bad) == -1 || bad);
    }
}

/* More entries than 16 bits count: ZIP64. */
static void check_zip64(void)
{
    enum { MANY = 66000 };
    size_t n;
    const uint8_t *png = png_bytes(&n);
    char name[32];
    uint8_t pixels[4 * 4 * 3];
    zip_t *zip = new_zip("many.zip");
    for (int i = MANY - 1; i >= 0; i--) {
        snprintf(name, sizeof name, "%05d/%08d.png", i / 1000, i);
        add(zip, name, i == 65999 || i < 2 ? png : (const void *)"x", i == 65999 || i < 2 ? n : 1,
            ZIP_CM_STORE);
    }
    CHECK(!zip_close(zip));
    struct dataset_settings settings = {.format = "zip", .resolution = 4, .channels = 3};
    struct image_source *s = NULL;
    CHECK(!image_source_open(&settings, in_folder("many.zip"), 2, &s));
    if (!s)
        return;
    CHECK(s->count == MANY);
    CHECK(!image_read(s, 0, 0, pixels, fault) && !image_read(s, 1, 65999, pixels, fault));
    CHECK(image_read(s, 0, 65536, pixels, fault) == IMAGE_DAMAGED &&
          strstr(fault, "00065/00065536.png"));
    image_source_close(s);
}

/* ---- LMDB ---- */

static void write_lmdb(const char *name, const char *const *keys, int count, const void *bytes,
                       size_t value)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    remove(in_folder(name));
    CHECK(!mdb_env_create(&env) &&
          !mdb_env_open(env, in_folder(name), MDB_NOSUBDIR | MDB_NOLOCK, 0600));
    CHECK(!mdb_txn_begin(env, NULL, 0, &txn) && !mdb_dbi_open(txn, NULL, 0, &dbi));
    for (int i = 0; i < count; i++) {
        MDB_val key = {strlen(keys[i]), (void *)(uintptr_t)keys[i]};
        MDB_val data = {i == 1 ? 3 : value, (void *)(uintptr_t)bytes};
        CHECK(!mdb_put(txn, dbi, &key, &data, 0));
    }
    CHECK(!mdb_txn_commit(txn));
    mdb_env_close(env);
}

static void patch(const char *name, long at, const void *bytes, size_t count)
{
    FILE *f = fopen(in_folder(name), "r+b");
    fseek(f, at, SEEK_SET);
    CHECK(fwrite(bytes, 1, count, f) == count && !fclose(f));
}

static void check_lmdb(void)
{
    static const char *const keys[] = {"bb", "cc", "aa"};
    size_t n;
    const uint8_t *png = png_bytes(&n);
    int bad;
    uint8_t big[20000] = {0};
    memcpy(big, png, n); /* large enough for pages of its own */
    write_lmdb("x.mdb", keys, 3, big, sizeof big);
    CHECK(opens_here("lmdb", "x.mdb", &bad) == 3 && bad == 1 &&
          strstr(fault, "x.mdb: cc: neither"));
    struct stat there;
    stat(in_folder("x.mdb"), &there);
    for (off_t keep = there.st_size - 1; keep > 0; keep = keep > 5000 ? keep - 3001 : keep - 101) {
        CHECK(!truncate(in_folder("x.mdb"), keep));
        CHECK(opens_here("lmdb", "x.mdb", &bad) == -1);
    }
    write_lmdb("x.mdb", keys, 0, big, 0);
    CHECK(opens_here("lmdb", "x.mdb", &bad) == -1); /* no entries */
    uint32_t page = 16384;
    write_lmdb("x.mdb", keys, 3, png, n);
    patch("x.mdb", 40, &page, sizeof page);
    CHECK(opens_here("lmdb", "x.mdb", &bad) == -1);
    memset(big, 7, sizeof big);
    write_file("x.mdb", big, sizeof big);
    CHECK(opens_here("lmdb", "x.mdb", &bad) == -1);
    CHECK(opens("lmdb", folder, 4, 3, &bad) == -1); /* a folder without data.mdb */
}

/* An LMDB of three leaves and a branch, one value on pages of its own. */
static void write_tree(const char *name, int entries)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    char key[100] = "", big[9000] = "";
    remove(in_folder(name));
    CHECK(!mdb_env_create(&env) &&
          !mdb_env_open(env, in_folder(name), MDB_NOSUBDIR | MDB_NOLOCK, 0600));
    CHECK(!mdb_txn_begin(env, NULL, 0, &txn) && !mdb_dbi_open(txn, NULL, 0, &dbi));
    for (int i = 0; i < entries; i++) {
        snprintf(key, sizeof key, "%04d", i);
        MDB_val k = {sizeof key, key}, data = {i == 7 ? sizeof big : 4, big};
        CHECK(!mdb_put(txn, dbi, &k, &data, 0));
    }
    CHECK(!mdb_txn_commit(txn));
    mdb_env_close(env);
}

/* Every byte that says something, changed: the library would run off the map, or abort. */
static void check_lmdb_flips(void)
{
    enum { ENTRIES = 60 };
    static const uint8_t patterns[] = {0x01, 0x80, 0xff};
    char *file;
    size_t bytes;
    int bad, through = 0, refused = 0;
    FILE *into;
    write_tree("x.mdb", ENTRIES);
    CHECK(opens_here("lmdb", "x.mdb", &bad) == ENTRIES && bad == ENTRIES);
    CHECK(!text_read(in_folder("x.mdb"), &file, &bytes));
    int saved = capture_begin(stderr, &into); /* thousands of messages */
    for (size_t at = 0, last = 0; at < bytes; at++) {
        last = file[at] ? at : last;
        for (size_t i = 0; i < sizeof patterns && at < last + 8; i++) {
            char changed = (char)(file[at] ^ (char)patterns[i]);
            patch("x.mdb", (long)at, &changed, 1);
            int64_t count = opens_here("lmdb", "x.mdb", &bad);
            refused += count < 0;
            through += count >= 0 && count != ENTRIES;
            patch("x.mdb", (long)at, &file[at], 1);
        }
    }
    capture_end(stderr, into, saved);
    printf("LMDB: %d of the changes refused\n", refused);
    CHECK(refused > 1000 && through == 0);
    mem_free(file);
}

static void check_font(void)
{
    int bad;
    write_file("x.ttf", "not a font", 10);
    CHECK(opens_here("font", "x.ttf", &bad) == -1);
    CHECK(opens_here("font", "none.ttf", &bad) == -1);
}

int main(void)
{
    char command[512], name[] = "/tmp/peclet-test-XXXXXX";
    CHECK(mkdtemp(name) != NULL);
    snprintf(folder, sizeof folder, "%s", name);
    (void)golden_resize;
    (void)golden_sets;
    check_cuts_and_flips();
    check_bombs();
    check_folder();
    check_labels();
    check_zip();
    check_zip64();
    check_lmdb();
    check_lmdb_flips();
    check_font();
    CHECK(mem_live_bytes() == 0);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK(!system(command));
    return check_done();
}
