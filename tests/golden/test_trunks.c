/* SPDX-License-Identifier: Apache-2.0
 * LPIPS through its three trunks with weights by formula against PyTorch
 * (tools/golden/judges_golden.py), tap by tap: a wrong row in the tables of nn/trunks.c fails. */
#include "check.h"

#include <unistd.h>

#include "base/log.h"
#include "golden/formula_weights.h"
#include "tasks/judge.h"

enum { SIDE = 35, TRUNKS = 3 };
static const char *const trunk_name[TRUNKS] = {"squeeze", "alex", "vgg"};
static const int tap_count[TRUNKS] = {7, 5, 5};
static const char trunk_path[] = "test_trunks.safetensors",
                  linear_path[] = "test_trunks_linear.safetensors";

static void write_weights(struct device *d, const char *name)
{
    struct collection *all = mem_zalloc(sizeof *all);
    struct weight_source source = {make_weights, all};
    struct convnet *net = convnet_create(d, &source, 1, SIDE, SIDE);
    struct trunk trunk;
    trunk_build(net, name, &trunk);
    convnet_destroy(net);
    CHECK(collection_write(all, trunk_path, NULL, 0) == 0);

    all = mem_zalloc(sizeof *all);
    int taps;
    const int *channels = trunk_channels(name, &taps);
    for (int t = 0; t < taps; t++) {
        char tensor[64];
        float values[512];
        snprintf(tensor, sizeof tensor, "%s.lin%d.model.1.weight", name, t);
        make_weights(all, tensor, 4, (int64_t[]){1, channels[t], 1, 1}, values);
    }
    CHECK(collection_write(all, linear_path, NULL, 0) == 0);
}

static void check_trunk(struct job *job, int which, const double *want, double most)
{
    const char *name = trunk_name[which];
    float *a = formula_picture(SIDE, SIDE, 3, 0), *b = formula_picture(SIDE, SIDE, 3, 1);
    double distance = 0, taps[TRUNK_MAX_TAPS] = {0}, sum = 0, worst = 0;
    struct judge *g = NULL;
    snprintf(job->settings.evaluate.lpips_trunk, DECK_TEXT, "%s", name);
    CHECK(judge_lpips(job, SIDE, 3, &g) == 0);
    if (g)
        judge_pairs(g, 1, a, b, &distance, taps);
    for (int t = 0; t < tap_count[which]; t++) {
        worst = fmax(worst, fabs(taps[t] / want[t] - 1));
        sum += want[t];
    }
    printf("%s %s: distance %.6f, taps off by %.2g\n", job->device->name, name, distance, worst);
    CHECK(worst <= most);
    CHECK_NEAR(distance / sum, 1, most);
    judge_destroy(g);
    mem_free(a);
    mem_free(b);
}

int main(void)
{
    static const char *const devices[] = {"cpu", "ref"};
    struct job *job = mem_zalloc(sizeof *job);
    double want[TRUNKS * TRUNK_MAX_TAPS], *at = want;
    log_init(0, 1, 1);
    settings_init(&job->settings);
    job->comm = comm_self_create();
    snprintf(job->settings.evaluate.trunk_weights, DECK_TEXT, "%s", trunk_path);
    snprintf(job->settings.evaluate.lpips_weights, DECK_TEXT, "%s", linear_path);
    FILE *f = fopen(PECLET_SOURCE_DIR "/tests/golden/trunks.bin", "rb");
    CHECK(f && fread(want, sizeof *want, 17, f) == 17);
    fclose(f);
    for (int which = 0; which < TRUNKS; which++) {
        for (int i = 0; i < (strcmp(trunk_name[which], "vgg") ? 2 : 1);
             i++) { /* vgg: slow on ref */
            CHECK(device_open(devices[i], 2, 0, 1, &job->device) == 0);
            if (i == 0)
                write_weights(job->device, trunk_name[which]);
            check_trunk(job, which, at, 1e-5); /* measured 2.1e-6 */
            CHECK(job->device->bytes == 0);
            device_close(job->device);
        }
        at += tap_count[which];
    }
    CHECK(unlink(trunk_path) == 0 && unlink(linear_path) == 0);
    job->comm->ops->destroy(job->comm);
    mem_free(job);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
