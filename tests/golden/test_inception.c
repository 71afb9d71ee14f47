/* SPDX-License-Identifier: Apache-2.0
 * The Inception network of the FID with weights by formula against PyTorch
 * (tools/golden/judges_golden.py), with both ways of resizing, through a safetensors file. On the
 * cpu device alone: it multiplies 6 billion times an image. */
#include "check.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "files/safetensors.h"
#include "tasks/judge.h"

enum { SIDE = 40, DIM = 2048 };
static const char weights_path[] = "test_inception.safetensors";

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

/* Collects the tensors that the network asks for, and fills them by the golden script's rule. */
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
    int near_one = ends(name, "bn.weight") || ends(name, "running_var");
    float scale =
        ends(name, "conv.weight") ? (float)sqrt(6.0 * (double)dims[0] / (double)count) : 0.25f;
    for (int64_t e = 0; e < count; e++)
        out[e] = (near_one ? 1.0f : 0.0f) + scale * uniform_at(name, e);
    float *copy = mem_alloc((size_t)count * sizeof *copy);
    memcpy(copy, out, (size_t)count * sizeof *copy);
    *item = (struct safetensors_item){.name = mem_strdup(name), .rank = rank, .data = copy};
    memcpy(item->dims, dims, (size_t)rank * sizeof *dims);
    return 0;
}

static void write_inception(struct device *d)
{
    struct collection *all = mem_zalloc(sizeof *all);
    struct weight_source source = {make_weights, all};
    struct safetensors_note note = {(char *)"network", (char *)"inception-2015-12-05"};
    struct convnet *net = convnet_create(d, &source, 1, 75, 75);
    inception_build(net);
    CHECK(all->count == 94 * 5); /* convolutions, each with its norm */
    CHECK(safetensors_write(weights_path, all->items, all->count, &note, 1) == 0);
    convnet_destroy(net);
    for (int i = 0; i < all->count; i++) {
        mem_free((void *)(uintptr_t)all->items[i].name);
        mem_free((void *)(uintptr_t)all->items[i].data);
    }
    mem_free(all);
}

static double worst_of(int n, const float *got, const float *want)
{
    double worst = 0, square = 0;
    for (int i = 0; i < n; i++) {
        worst = fmax(worst, isfinite(got[i]) ? fabs((double)got[i] - (double)want[i]) : INFINITY);
        square += (double)want[i] * (double)want[i];
    }
    return worst / sqrt(square / n);
}

static void check_inception(struct job *job)
{
    static const char *const resize[] = {"pytorch", "clean"};
    float *want = mem_alloc(2 * DIM * sizeof *want), *got = mem_alloc(DIM * sizeof *got);
    float *image = mem_alloc(SIDE * SIDE * 3 * sizeof *image);
    FILE *f = fopen(PECLET_SOURCE_DIR "/tests/golden/inception.bin", "rb");
    CHECK(f && fread(want, sizeof *want, 2 * DIM, f) == 2 * DIM);
    fclose(f);
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        int y = i / 3 / SIDE, x = i / 3 % SIDE, c = i % 3;
        image[i] =
            (float)((3 * x * x + 7 * (c + 1) * y + 11 * (x * y * (c + 2) % 13)) % 256) / 255.0f;
    }
    snprintf(job->settings.evaluate.inception_weights, DECK_TEXT, "%s", weights_path);
    for (int i = 0; i < 2; i++) {
        struct judge *g = NULL;
        snprintf(job->settings.evaluate.fid_resize, DECK_TEXT, "%s", resize[i]);
        CHECK(judge_features(job, "inception", SIDE, 3, &g) == 0);
        CHECK(judge_dim(g) == DIM && judge_is_fid(g));
        judge_run(g, 1, image, got);
        double worst = worst_of(DIM, got, want + i * DIM);
        printf("%s inception, %s: error %.2g\n", job->device->name, resize[i], worst);
        CHECK(worst <= 1e-5); /* measured 3.1e-6 */
        judge_destroy(g);
    }
    mem_free(want);
    mem_free(got);
    mem_free(image);
}

int main(void)
{
    struct job *job = mem_zalloc(sizeof *job);
    log_init(0, 1, 1);
    settings_init(&job->settings);
    job->comm = comm_self_create();
    CHECK(device_open("cpu", 2, 0, 1, &job->device) == 0);
    write_inception(job->device);
    check_inception(job);
    CHECK(job->device->bytes == 0);
    device_close(job->device);
    CHECK(unlink(weights_path) == 0);
    job->comm->ops->destroy(job->comm);
    mem_free(job);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
