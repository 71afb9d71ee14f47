/* SPDX-License-Identifier: Apache-2.0
 * The two feature maps against their definition in features.h, computed here by plain loops in
 * double, on the devices 'ref' and 'cpu'. */
#include "check.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "metrics/features.h"

static double silu(double x)
{
    return x / (1.0 + exp(-x));
}

/* Behind one layer: in [h,h,ci] -> [(h+1)/2, (h+1)/2, co]; caller frees. */
static double *layer(int l, const double *in, int h, int ci, int co)
{
    int half = (h + 1) / 2;
    double *w = mem_alloc((size_t)(co * 9 * ci) * sizeof *w);
    for (int e = 0; e < co * 9 * ci; e++) {
        float pair[2];
        struct rng4 r = rng_draw(0, RNG_FEATURES, (uint64_t)l, 0, (uint32_t)(e / 4));
        rng_normal2(r.v[e % 4 / 2 * 2], r.v[e % 4 / 2 * 2 + 1], pair);
        w[e] = pair[e % 2] * sqrt(2.0 / (9.0 * ci));
    }
    double *out = mem_alloc((size_t)(half * half * co) * sizeof *out);
    for (int y = 0; y < half; y++)
        for (int x = 0; x < half; x++)
            for (int o = 0; o < co; o++) {
                double sum = 0;
                for (int p = 0; p < 9; p++)
                    for (int i = 0; i < ci; i++) {
                        int row = 2 * y + p / 3 - 1, column = 2 * x + p % 3 - 1;
                        if (row >= 0 && row < h && column >= 0 && column < h)
                            sum += w[(o * 9 + p) * ci + i] * in[(row * h + column) * ci + i];
                    }
                out[(y * half + x) * co + o] = silu(sum);
            }
    mem_free(w);
    return out;
}

static double clip(double v)
{
    return v > 0 ? fmin(v, 1.0) : 0.0;
}

static void expect_random(const float *image, int side, int channels, double *out)
{
    static const int co[4] = {0, 32, 64, 128};
    int h = side, ci = channels;
    double *map = mem_alloc((size_t)(h * h * ci) * sizeof *map);
    for (int i = 0; i < h * h * ci; i++)
        map[i] = 2 * clip(image[i]) - 1;
    for (int l = 0; l < 3; l++) {
        double *next = layer(l, map, h, ci, co[l + 1]);
        mem_free(map);
        map = next;
        h = (h + 1) / 2;
        ci = co[l + 1];
    }
    for (int k = 0; k < 128 + 256; k++) {
        int c = k < 128 ? k : (k - 128) % 16, cell = k < 128 ? 0 : (k - 128) / 16, count = 0;
        double sum = 0;
        for (int y = 0; y < h; y++)
            for (int x = 0; x < h; x++) {
                int in_row = y >= cell / 4 * h / 4 && y < ceil((cell / 4 + 1) * h / 4.0);
                int in_column = x >= cell % 4 * h / 4 && x < ceil((cell % 4 + 1) * h / 4.0);
                if (k < 128 || (in_row && in_column)) {
                    sum += map[(y * h + x) * 128 + c];
                    count++;
                }
            }
        out[k] = sum / count;
    }
    mem_free(map);
}

/* n images in batches of `batch`: the last one is partly empty. */
static void check_random(struct device *d, int side, int channels, int n, int batch)
{
    int values = side * side * channels;
    float *images = mem_alloc((size_t)(n * values) * sizeof *images);
    for (int i = 0; i < n * values; i++)
        images[i] = 1.4f * rng_uniform(rng_draw(3, RNG_TEST, (uint64_t)i, 0, 0).v[0]) - 0.2f;
    struct feature_net *f;
    CHECK(features_create(d, "random", side, channels, batch, &f) == 0);
    CHECK(features_dim(f) == 384);
    float *got = mem_alloc((size_t)n * 384 * sizeof *got);
    double want[384], worst = 0, largest = 0;
    features_run(f, n, images, got);
    for (int i = 0; i < n; i++) {
        expect_random(images + i * values, side, channels, want);
        for (int k = 0; k < 384; k++) {
            worst = fmax(worst, fabs(got[i * 384 + k] - want[k]));
            largest = fmax(largest, fabs(want[k]));
        }
    }
    printf("%s, %d px, %d channels: error %.2g of %.2g\n", d->name, side, channels, worst, largest);
    CHECK(largest > 0.05);
    CHECK_NEAR(worst, 0.0, 4e-6); /* measured: ref 2.5e-7, cpu 1.4e-6, of values up to 1.8 */
    features_destroy(f);
    mem_free(images);
    mem_free(got);
}

static void check_pixels(struct device *d)
{
    struct feature_net *f;
    /* 3 x 3 pixels of two channels: cells of 4, 2, 2 and 1 pixel; clipped, NaN is black */
    float image[2][3][3][2], out[2][8];
    for (int i = 0; i < 18; i++) {
        (&image[0][0][0][0])[i] = (float)i / 20.0f;
        (&image[1][0][0][0])[i] = (float)i - 8.5f;
    }
    image[0][2][2][1] = NAN;
    CHECK(features_create(d, "pixels", 3, 2, 1, &f) == 0 && features_dim(f) == 8);
    features_run(f, 2, &image[0][0][0][0], out[0]);
    static const float want[8] = {0.2f, 0.25f, 0.35f, 0.4f, 0.65f, 0.7f, 0.8f, 0.0f};
    for (int k = 0; k < 8; k++)
        CHECK_NEAR(out[0][k], want[k], 1e-7);
    CHECK(out[1][0] == 0.0f && out[1][2] == 0.5f && out[1][3] == 0.5f && out[1][7] == 1.0f);
    features_destroy(f);

    static const int sizes[][3] = {{28, 1, 196}, {64, 3, 3072}, {128, 3, 3072}, {128, 1, 4096},
                                   {1, 1, 1},    {27, 3, 588},  {256, 1, 4096}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK(features_create(d, "pixels", sizes[i][0], sizes[i][1], 4, &f) == 0);
        CHECK(features_dim(f) == sizes[i][2]);
        features_destroy(f);
    }

    /* halved twice, a ramp stays a ramp of means of 4 x 4 pixels */
    float *ramp = mem_alloc(128 * 128 * 3 * sizeof *ramp), *small = mem_alloc(3072 * sizeof *small);
    for (int i = 0; i < 128 * 128 * 3; i++)
        ramp[i] = (float)(i / 3 % 128) / 128.0f;
    CHECK(features_create(d, "pixels", 128, 3, 4, &f) == 0);
    features_run(f, 1, ramp, small);
    for (int k = 0; k < 3072; k += 97)
        CHECK_NEAR(small[k], (4 * (k / 3 % 32) + 1.5) / 128.0, 1e-7);
    features_destroy(f);
    mem_free(ramp);
    mem_free(small);
}

int main(void)
{
    static const char *const devices[] = {"ref", "cpu"};
    log_init(0, 1, 1);
    for (int i = 0; i < 2; i++) {
        struct device *d;
        struct feature_net *f = NULL;
        if (device_open(devices[i], 0, 0, 1, &d))
            return EXIT_FAILURE;
        check_pixels(d);
        check_random(d, 28, 1, 5, 2);
        check_random(d, 33, 3, 2, 3);
        check_random(d, 5, 2, 1, 1);
        CHECK(features_create(d, "pixel", 4, 1, 1, &f) != 0 && f == NULL);
        CHECK(d->bytes == 0);
        device_close(d);
    }
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
