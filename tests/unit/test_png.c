/* SPDX-License-Identifier: Apache-2.0
 * Pictures are read back with libpng; a grid is compared cell by cell with what it should show. */
#include "check.h"

#include <png.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/png.h"

static char path[128];

/* Pixels of the picture at `path`, caller frees; sizes are checked. */
static uint8_t *read_back(int width, int height, int channels)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    CHECK(png_image_begin_read_from_file(&image, path));
    CHECK(image.width == (png_uint_32)width && image.height == (png_uint_32)height);
    CHECK(((image.format & PNG_FORMAT_FLAG_COLOR) != 0) == (channels == 3));
    image.format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    uint8_t *pixels = mem_zalloc((size_t)(width * height * channels));
    CHECK(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    return pixels;
}

static void check_plain(int channels)
{
    uint8_t pixels[7 * 5 * 3];
    for (int i = 0; i < 7 * 5 * channels; i++)
        pixels[i] = (uint8_t)(i * 37 + 11);
    CHECK(png_write(path, 7, 5, channels, pixels) == 0);
    uint8_t *back = read_back(7, 5, channels);
    CHECK(memcmp(back, pixels, (size_t)(7 * 5 * channels)) == 0);
    mem_free(back);

    /* in memory the same bytes as in the file */
    size_t bytes;
    uint8_t *memory = png_encode(7, 5, channels, pixels, &bytes), *file = mem_zalloc(bytes + 1);
    FILE *f = fopen(path, "rb");
    CHECK(f && fread(file, 1, bytes + 1, f) == bytes && memcmp(file, memory, bytes) == 0);
    if (f)
        fclose(f);
    mem_free(memory);
    mem_free(file);
}

static void check_grid(void)
{
    /* two rows of three images of 2 x 2 RGB, zoom 3: tiles of 6 pixels, gaps of one */
    float images[6][2][2][3];
    for (int i = 0; i < 6 * 12; i++)
        (&images[0][0][0][0])[i] = (float)i / 71.0f;
    images[0][0][0][0] = -0.3f;
    images[0][0][0][1] = 1.7f;
    images[0][0][0][2] = NAN;
    CHECK(png_write_grid(path, 2, 3, 2, 3, 3, &images[0][0][0][0]) == 0);
    uint8_t *back = read_back(20, 13, 3);
    CHECK(back[0] == 0 && back[1] == 255 && back[2] == 0);
    int wrong = 0;
    for (int y = 0; y < 13; y++)
        for (int x = 0; x < 20; x++)
            for (int c = 0; c < 3; c++) {
                int gap = x % 7 == 6 || y % 7 == 6;
                float v = images[y / 7 * 3 + x / 7][gap ? 0 : y % 7 / 3][gap ? 0 : x % 7 / 3][c];
                int want = gap ? 128 : !(v > 0) ? 0 : v > 1 ? 255 : (int)lrintf(v * 255.0f);
                wrong += back[(y * 20 + x) * 3 + c] != want;
            }
    CHECK(wrong == 0);
    mem_free(back);
}

/* A disk that fills up is played by a limit on the size of files. */
static void check_full_disk(void)
{
    enum { SIDE = 256 };
    uint8_t *noise = mem_alloc(SIDE * SIDE);
    uint32_t state = 1;
    for (int i = 0; i < SIDE * SIDE; i++)
        noise[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 20000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    CHECK(png_write(path, SIDE, SIDE, 1, noise) != 0);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(access(path, F_OK) != 0); /* no half picture is left */
    CHECK(png_write(path, SIDE, SIDE, 1, noise) == 0);
    mem_free(noise);
}

int main(void)
{
    snprintf(path, sizeof path, "/tmp/test_png_%ld.png", (long)getpid());
    check_plain(1);
    check_plain(3);
    check_grid();
    check_full_disk();
    remove(path);
    uint8_t dot = 0;
    CHECK(png_write("/nonexistent/folder/x.png", 1, 1, 1, &dot) != 0);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
