/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "files/safetensors.h"
#include "metrics/lpips.h"
#include "metrics/resize.h"

enum { BATCH = 8, GPU_BATCH = 64, INCEPTION_SIDE = 299 }; /* images at a time */
enum input { INPUT_IMAGENET, INPUT_LPIPS, INPUT_FID_PYTORCH, INPUT_FID_CLEAN };

struct judge {
    struct comm *comm;           /* borrowed, for the weights */
    struct device *device;       /* borrowed */
    struct safetensors *weights; /* rank 0, while building */
    struct weight_source source;
    struct convnet *net;
    enum input input;
    int side, channels; /* of the images; for Inception any will do */
    int net_side, batch;
    int result, dim; /* the map of features */
    int is_fid;
    struct trunk trunk; /* of LPIPS */
    const int *tap_channels;
    float *linear[TRUNK_MAX_TAPS];
    float *input_batch; /* [batch, net_side, net_side, 3] */
};

/* Rank 0 reads, all get it. */
static int read_shared(void *state, const char *name, int rank, const int64_t *dims, float *out)
{
    struct judge *g = state;
    size_t bytes = sizeof *out;
    for (int i = 0; i < rank; i++)
        bytes *= (size_t)dims[i];
    int failed = g->comm->rank == 0 && safetensors_read(g->weights, name, rank, dims, out);
    if (comm_agree(g->comm, failed))
        return 1;
    g->comm->ops->bcast(g->comm, out, bytes, 0);
    return 0;
}

/* key: of the deck. */
static int open_weights(struct judge *g, const char *path, const char *what, const char *key)
{
    int failed = 0;
    if (!*path && g->comm->rank == 0)
        log_error("%s needs trained weights: set &evaluate %s to a safetensors file "
                  "(tools/convert_weights.py makes them)",
                  what, key);
    failed = !*path || (g->comm->rank == 0 && safetensors_open(path, &g->weights));
    return comm_agree(g->comm, failed);
}

static void close_weights(struct judge *g)
{
    safetensors_close(g->weights);
    g->weights = NULL;
}

static struct judge *create(struct job *job, int side, int channels, int net_side, enum input input)
{
    struct judge *g = mem_zalloc(sizeof *g);
    *g = (struct judge){.comm = job->comm,
                        .device = job->device,
                        .side = side,
                        .channels = channels,
                        .net_side = net_side,
                        .batch = job->device->multiprocessors > 0 ? GPU_BATCH : BATCH,
                        .input = input,
                        .source = {read_shared, g}};
    size_t pixels = (size_t)net_side * (size_t)net_side;
    g->input_batch = mem_zalloc((size_t)g->batch * pixels * 3 * sizeof(float));
    return g;
}

int judge_knows(const char *features)
{
    return !strcmp(features, "squeezenet") || !strcmp(features, "inception");
}

static void build_features(struct judge *g, int inception)
{
    int h, w;
    g->net = convnet_create(g->device, &g->source, g->batch, g->net_side, g->net_side);
    if (inception) {
        g->result = inception_build(g->net);
    } else {
        trunk_build(g->net, "squeeze", &g->trunk);
        g->result = convnet_mean(g->net, g->trunk.tap[g->trunk.taps - 1]);
        convnet_output(g->net, g->result);
    }
    convnet_size(g->net, g->result, &h, &w, &g->dim);
}

const char *judge_weights(const struct evaluate_settings *s, const char *features)
{
    int own = !strcmp(features, "inception") && *s->inception_weights;
    return own ? s->inception_weights : s->weights;
}

int judge_features(struct job *job, const char *features, int side, int channels,
                   struct judge **out)
{
    const struct evaluate_settings *s = &job->settings.evaluate;
    int inception = !strcmp(features, "inception"), clean = !strcmp(s->fid_resize, "clean");
    REQUIRE(judge_knows(features));
    enum input input = !inception ? INPUT_IMAGENET : clean ? INPUT_FID_CLEAN : INPUT_FID_PYTORCH;
    struct judge *g = create(job, side, channels, inception ? INCEPTION_SIDE : side, input);
    int failed = open_weights(g, judge_weights(s, features), features,
                              inception ? "inception_weights" : "weights");
    if (!failed) {
        build_features(g, inception);
        const char *network = g->weights ? safetensors_metadata(g->weights, "network") : NULL;
        g->is_fid = inception && network && !strcmp(network, "inception-2015-12-05");
        g->comm->ops->bcast(g->comm, &g->is_fid, sizeof g->is_fid, 0);
        failed = convnet_plan(g->net);
    }
    close_weights(g);
    if (failed) {
        judge_destroy(g);
        return 1;
    }
    *out = g;
    return 0;
}

static int build_lpips(struct judge *g, const struct evaluate_settings *s)
{
    int taps, failed = open_weights(g, *s->trunk_weights ? s->trunk_weights : s->weights, "lpips",
                                    "weights");
    if (failed)
        return 1;
    g->net = convnet_create(g->device, &g->source, g->batch, g->net_side, g->net_side);
    trunk_build(g->net, s->lpips_trunk, &g->trunk);
    failed = convnet_plan(g->net);
    close_weights(g);
    if (failed || open_weights(g, s->lpips_weights, "lpips", "lpips_weights"))
        return 1;
    g->tap_channels = trunk_channels(s->lpips_trunk, &taps);
    for (int i = 0; i < taps && !failed; i++) {
        char name[DECK_TEXT + 32];
        int64_t dims[4] = {1, g->tap_channels[i], 1, 1};
        g->linear[i] = mem_alloc((size_t)dims[1] * sizeof(float));
        snprintf(name, sizeof name, "%s.lin%d.model.1.weight", s->lpips_trunk, i);
        failed = read_shared(g, name, 4, dims, g->linear[i]);
    }
    close_weights(g);
    return failed;
}

int judge_lpips(struct job *job, int side, int channels, struct judge **out)
{
    struct judge *g = create(job, side, channels, side, INPUT_LPIPS);
    if (build_lpips(g, &job->settings.evaluate)) {
        close_weights(g);
        judge_destroy(g);
        return 1;
    }
    *out = g;
    return 0;
}

int judge_dim(const struct judge *g)
{
    return g->dim;
}

int judge_is_fid(const struct judge *g)
{
    return g->is_fid;
}

/* One image as the network wants it: x [net_side, net_side, 3]. */
static void prepare(const struct judge *g, const struct image *image, float *x)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
    int h = image->height, w = image->width, c = image->channels;
    int64_t in = (int64_t)h * w * 3, out = (int64_t)g->net_side * g->net_side * 3;
    float *rgb = mem_alloc((size_t)in * sizeof *rgb);
    for (int64_t i = 0; i < in; i++) {
        float v = image->x[i / 3 * c + (c == 3 ? i % 3 : 0)];
        v = rintf((v > 0 ? fminf(v, 1) : 0) * 255.0f);
        rgb[i] = g->input == INPUT_FID_CLEAN ? v : v / 255.0f;
    }
    switch (g->input) {
    case INPUT_IMAGENET:
        for (int64_t i = 0; i < out; i++)
            x[i] = (rgb[i] - mean[i % 3]) / deviation[i % 3];
        break;
    case INPUT_LPIPS:
        for (int64_t i = 0; i < out; i++)
            x[i] = (2 * rgb[i] - 1 - lpips_shift[i % 3]) / lpips_scale[i % 3];
        break;
    case INPUT_FID_PYTORCH:
        resize(RESIZE_POINT, h, w, 3, rgb, g->net_side, x);
        for (int64_t i = 0; i < out; i++)
            x[i] = 2 * x[i] - 1;
        break;
    case INPUT_FID_CLEAN:
        resize(RESIZE_BICUBIC, h, w, 3, rgb, g->net_side, x);
        for (int64_t i = 0; i < out; i++)
            x[i] = (fminf(fmaxf(x[i], 0), 255) - 128) / 128;
        break;
    }
    mem_free(rgb);
}

/* The network on n <= batch images; what is missing is what was there before. */
static void look(struct judge *g, int n, const struct image *images)
{
    int64_t inputs = (int64_t)g->net_side * g->net_side * 3;
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < n; i++)
        prepare(g, &images[i], g->input_batch + i * inputs);
    convnet_run(g->net, g->input_batch);
}

void judge_run(struct judge *g, int64_t n, const struct image *images, float *out)
{
    float *batch = mem_alloc((size_t)g->batch * (size_t)g->dim * sizeof *batch);
    for (int64_t first = 0; first < n; first += g->batch) {
        int count = n - first < g->batch ? (int)(n - first) : g->batch;
        look(g, count, images + first);
        convnet_map(g->net, g->result, batch);
        memcpy(out + first * g->dim, batch, (size_t)count * (size_t)g->dim * sizeof *batch);
    }
    mem_free(batch);
}

/* The maps of a batch, images [n, side, side, channels], at every tap. */
static void look_at_taps(struct judge *g, int n, const float *images, float *maps[TRUNK_MAX_TAPS])
{
    struct image image[GPU_BATCH];
    int64_t values = (int64_t)g->side * g->side * g->channels;
    for (int i = 0; i < n; i++)
        image[i] = (struct image){g->side, g->side, g->channels, images + i * values};
    look(g, n, image);
    for (int t = 0; t < g->trunk.taps; t++)
        convnet_map(g->net, g->trunk.tap[t], maps[t]);
}

void judge_pairs(struct judge *g, int64_t n, const float *a, const float *b, double *distance,
                 double *taps)
{
    int64_t values = (int64_t)g->side * g->side * g->channels;
    float *maps_a[TRUNK_MAX_TAPS], *maps_b[TRUNK_MAX_TAPS];
    int64_t pixels[TRUNK_MAX_TAPS];
    for (int t = 0; t < g->trunk.taps; t++) {
        int h, w, c;
        convnet_size(g->net, g->trunk.tap[t], &h, &w, &c);
        pixels[t] = (int64_t)h * w;
        maps_a[t] = mem_alloc((size_t)(g->batch * pixels[t] * c) * sizeof(float));
        maps_b[t] = mem_alloc((size_t)(g->batch * pixels[t] * c) * sizeof(float));
    }
    for (int64_t first = 0; first < n; first += g->batch) {
        int count = n - first < g->batch ? (int)(n - first) : g->batch;
        look_at_taps(g, count, a + first * values, maps_a);
        look_at_taps(g, count, b + first * values, maps_b);
        for (int i = 0; i < count; i++) {
            distance[first + i] = 0;
            for (int t = 0; t < g->trunk.taps; t++) {
                int64_t at = i * pixels[t] * g->tap_channels[t];
                double share = lpips_tap(pixels[t], g->tap_channels[t], maps_a[t] + at,
                                         maps_b[t] + at, g->linear[t]);
                distance[first + i] += share;
                if (taps)
                    taps[(first + i) * TRUNK_MAX_TAPS + t] = share;
            }
        }
    }
    for (int t = 0; t < g->trunk.taps; t++) {
        mem_free(maps_a[t]);
        mem_free(maps_b[t]);
    }
}

void judge_destroy(struct judge *g)
{
    if (!g)
        return;
    convnet_destroy(g->net);
    for (int t = 0; t < TRUNK_MAX_TAPS; t++)
        mem_free(g->linear[t]);
    mem_free(g->input_batch);
    mem_free(g);
}
