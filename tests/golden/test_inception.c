/* SPDX-License-Identifier: Apache-2.0
 * The Inception network of the FID with weights by formula against PyTorch
 * (tools/golden/judges_golden.py), with both ways of resizing, through a safetensors file: a square
 * colour image beside a grey one that is not square. On the cpu device alone: it multiplies 6
 * billion times an image. */
#include "check.h"

#include <unistd.h>

#include "base/log.h"
#include "golden/formula_weights.h"
#include "tasks/judge.h"

enum { SIDE = 40, GREY_HEIGHT = 30, GREY_WIDTH = 52, IMAGES = 2, DIM = 2048 };
static const char weights_path[] = "test_inception.safetensors";

static void write_inception(struct device *d)
{
    struct collection *all = mem_zalloc(sizeof *all);
    struct weight_source source = {make_weights, all};
    struct safetensors_note note = {(char *)"network", (char *)"inception-2015-12-05"};
    struct convnet *net = convnet_create(d, &source, 1, 75, 75);
    inception_build(net);
    CHECK(all->count == 94 * 5); /* convolutions, each with its norm */
    CHECK(collection_write(all, weights_path, &note, 1) == 0);
    convnet_destroy(net);
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
    enum { VALUES = IMAGES * DIM };
    float *want = mem_alloc(2 * VALUES * sizeof *want), *got = mem_alloc(VALUES * sizeof *got);
    float *colour = formula_picture(SIDE, SIDE, 3, 0),
          *grey = formula_picture(GREY_HEIGHT, GREY_WIDTH, 1, 0);
    struct image images[IMAGES] = {{SIDE, SIDE, 3, colour}, {GREY_HEIGHT, GREY_WIDTH, 1, grey}};
    FILE *f = fopen(PECLET_SOURCE_DIR "/tests/golden/inception.bin", "rb");
    CHECK(f && fread(want, sizeof *want, 2 * VALUES, f) == 2 * VALUES);
    fclose(f);
    snprintf(job->settings.evaluate.inception_weights, DECK_TEXT, "%s", weights_path);
    for (int i = 0; i < 2; i++) {
        struct judge *g = NULL;
        snprintf(job->settings.evaluate.fid_resize, DECK_TEXT, "%s", resize[i]);
        CHECK(judge_features(job, "inception", SIDE, 3, &g) == 0);
        CHECK(judge_dim(g) == DIM && judge_is_fid(g));
        judge_run(g, IMAGES, images, got);
        for (int k = 0; k < IMAGES; k++) {
            double worst = worst_of(DIM, got + k * DIM, want + i * VALUES + k * DIM);
            printf("%s inception, %s, %s: error %.2g\n", job->device->name, resize[i],
                   k ? "grey" : "colour", worst);
            CHECK(worst <= 1e-5); /* measured 3.1e-6 */
        }
        judge_destroy(g);
    }
    mem_free(want);
    mem_free(got);
    mem_free(colour);
    mem_free(grey);
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
