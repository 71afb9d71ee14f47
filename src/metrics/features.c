/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/features.h"

#include <math.h>
#include <string.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/timer.h"

enum { LAYERS = 3, CELLS = 4, CELL_CHANNELS = 16, MOST_PIXEL_VALUES = 4096 };
static const int layer_channels[LAYERS] = {32, 64, 128};

struct feature_net {
    struct device *device; /* borrowed */
    int random;            /* 1: 'random', 0: 'pixels' */
    int side, channels, batch, dim;
    int last;                   /* rows and columns of the last map */
    int64_t map_values[LAYERS]; /* of one image behind each layer */
    struct conv *conv[LAYERS];
    float *x, *y;        /* device: a batch behind SiLU, a batch before it */
    float *input, *maps; /* host: a batch of images in [-1,1], a batch of last maps */
};

static float clipped(float value)
{
    return value > 0.0f ? fminf(value, 1.0f) : 0.0f;
}

static int64_t largest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Weights of one layer, and the planned convolution that holds them. */
static struct conv *create_layer(struct device *d, int layer, const struct conv_shape *s)
{
    int64_t count = (int64_t)s->c_out * 9 * s->c_in;
    float scale = sqrtf(2.0f / (9.0f * (float)s->c_in)), normal[4];
    float *host = mem_alloc((size_t)(count + 3) * sizeof *host);
    for (int64_t e = 0; e < count; e += 4) {
        struct rng4 r = rng_draw(0, RNG_FEATURES, (uint64_t)layer, 0, (uint32_t)(e / 4));
        rng_normal2(r.v[0], r.v[1], normal);
        rng_normal2(r.v[2], r.v[3], normal + 2);
        for (int i = 0; i < 4; i++)
            host[e + i] = scale * normal[i];
    }
    struct conv *conv = d->ops->conv_create(d, s);
    float *weights = d->ops->alloc(d, (size_t)count * sizeof *weights);
    d->ops->upload(d, weights, host, (size_t)count * sizeof *weights);
    d->ops->conv_weights(d, conv, weights, NULL);
    d->ops->sync(d);
    d->ops->free(d, weights);
    mem_free(host);
    return conv;
}

static void create_random(struct feature_net *f)
{
    struct device *d = f->device;
    int size = f->side, c_in = f->channels;
    int64_t in_values = (int64_t)size * size * c_in, most = in_values;
    for (int layer = 0; layer < LAYERS; layer++) {
        struct conv_shape s = {.n = f->batch,
                               .h = size,
                               .w = size,
                               .c_in = c_in,
                               .c_out = layer_channels[layer],
                               .kernel = 3,
                               .stride = 2,
                               .type = DTYPE_F32};
        f->conv[layer] = create_layer(d, layer, &s);
        size = conv_out(size, 3, 2);
        c_in = layer_channels[layer];
        f->map_values[layer] = (int64_t)size * size * c_in;
        most = largest(most, f->map_values[layer]);
    }
    f->last = size;
    f->dim = c_in + CELLS * CELLS * CELL_CHANNELS;
    size_t batch_bytes = (size_t)f->batch * sizeof(float);
    f->x = d->ops->alloc(d, (size_t)most * batch_bytes);
    f->y = d->ops->alloc(d, (size_t)most * batch_bytes);
    f->input = d->ops->host_alloc(d, (size_t)in_values * batch_bytes);
    f->maps = d->ops->host_alloc(d, (size_t)f->map_values[LAYERS - 1] * batch_bytes);
}

static void create_pixels(struct feature_net *f)
{
    f->last = f->side;
    do {
        f->last = (f->last + 1) / 2;
        f->dim = f->last * f->last * f->channels;
    } while (f->dim > MOST_PIXEL_VALUES);
}

int features_create(struct device *d, const char *name, int side, int channels, int batch,
                    struct feature_net **out)
{
    REQUIRE(side > 0 && channels > 0 && batch > 0);
    int random = strcmp(name, "random") == 0;
    if (!random && strcmp(name, "pixels") != 0) {
        log_error("no features are called '%s'; there are 'pixels' and 'random'", name);
        return 1;
    }
    struct feature_net *f = mem_zalloc(sizeof *f);
    *f = (struct feature_net){
        .device = d, .random = random, .side = side, .channels = channels, .batch = batch};
    if (random)
        create_random(f);
    else
        create_pixels(f);
    *out = f;
    return 0;
}

int features_dim(const struct feature_net *f)
{
    return f->dim;
}

/* Mean over rows [top, bottom) and columns [left, right) of channel c of a map [size, size,
 * channels]. */
static float mean_of(const float *map, int size, int channels, int c, int top, int bottom, int left,
                     int right)
{
    double sum = 0.0;
    for (int row = top; row < bottom; row++)
        for (int column = left; column < right; column++)
            sum += map[((int64_t)row * size + column) * channels + c];
    return (float)(sum / ((bottom - top) * (right - left)));
}

static void random_features(const struct feature_net *f, const float *map, float *out)
{
    int size = f->last, channels = layer_channels[LAYERS - 1];
    for (int c = 0; c < channels; c++)
        *out++ = mean_of(map, size, channels, c, 0, size, 0, size);
    for (int i = 0; i < CELLS; i++)
        for (int j = 0; j < CELLS; j++)
            for (int c = 0; c < CELL_CHANNELS; c++)
                *out++ = mean_of(map, size, channels, c, i * size / CELLS,
                                 ((i + 1) * size + CELLS - 1) / CELLS, j * size / CELLS,
                                 ((j + 1) * size + CELLS - 1) / CELLS);
}

/* One batch of n <= batch images; what is missing is padded with zeros. */
static void run_random(struct feature_net *f, int n, const float *images, float *out)
{
    struct device *d = f->device;
    int64_t values = (int64_t)f->side * f->side * f->channels;
    int64_t last_values = f->map_values[LAYERS - 1];
    size_t batch_bytes = (size_t)f->batch * sizeof(float);
    memset(f->input, 0, (size_t)values * batch_bytes);
    for (int64_t i = 0; i < n * values; i++)
        f->input[i] = 2.0f * clipped(images[i]) - 1.0f;
    d->ops->upload(d, f->x, f->input, (size_t)values * batch_bytes);
    for (int layer = 0; layer < LAYERS; layer++) {
        d->ops->conv_forward(d, f->conv[layer], f->x, NULL, NULL, f->y);
        d->ops->silu_forward(d, f->batch * f->map_values[layer], f->y, f->x);
    }
    d->ops->download(d, f->maps, f->x, (size_t)last_values * batch_bytes);
    for (int i = 0; i < n; i++)
        random_features(f, f->maps + i * last_values, out + (int64_t)i * f->dim);
}

/* Means of 2 x 2 pixels of x [size, size, channels] into y, which may be x. Returns the new size.
 */
static int halve(const float *x, int size, int channels, float *y)
{
    int half = (size + 1) / 2;
    for (int i = 0; i < half; i++)
        for (int j = 0; j < half; j++)
            for (int c = 0; c < channels; c++) {
                int bottom = 2 * i + 2 < size ? 2 * i + 2 : size;
                int right = 2 * j + 2 < size ? 2 * j + 2 : size;
                *y++ = mean_of(x, size, channels, c, 2 * i, bottom, 2 * j, right);
            }
    return half;
}

static void run_pixels(const struct feature_net *f, int64_t n, const float *images, float *out)
{
    int64_t values = (int64_t)f->side * f->side * f->channels;
    float *x = mem_alloc((size_t)values * sizeof *x);
    for (int64_t image = 0; image < n; image++) {
        for (int64_t i = 0; i < values; i++)
            x[i] = clipped(images[image * values + i]);
        for (int size = f->side; size > f->last;)
            size = halve(x, size, f->channels, x);
        memcpy(out + image * f->dim, x, (size_t)f->dim * sizeof *x);
    }
    mem_free(x);
}

void features_run(struct feature_net *f, int64_t n, const float *images, float *out)
{
    int64_t values = (int64_t)f->side * f->side * f->channels;
    if (!f->random)
        run_pixels(f, n, images, out);
    for (int64_t first = 0; f->random && first < n; first += f->batch) {
        timer_alive();
        int count = n - first < f->batch ? (int)(n - first) : f->batch;
        run_random(f, count, images + first * values, out + first * f->dim);
    }
}

void features_destroy(struct feature_net *f)
{
    struct device *d = f->device;
    if (f->random) {
        for (int layer = 0; layer < LAYERS; layer++)
            d->ops->conv_destroy(d, f->conv[layer]);
        d->ops->free(d, f->x);
        d->ops->free(d, f->y);
        d->ops->host_free(d, f->input);
        d->ops->host_free(d, f->maps);
    }
    mem_free(f);
}
