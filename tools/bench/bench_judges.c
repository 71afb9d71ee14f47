/* SPDX-License-Identifier: Apache-2.0
 * bench_judges: images a second through the networks that judge images (nn/trunks.h), with random
 * weights: from images in host memory to features there.
 *
 *     bench_judges DEVICE squeeze|inception [BATCH [STEPS]]      default 64 20
 *
 * SqueezeNet 1.1 takes 224 px and ends in the 512 means of its last map, Inception-v3 299 px and
 * 2048. Prints "ours NETWORK IMAGES_A_SECOND" (median). Then each line of the standard input asks
 * for another measurement, so that tools/bench/peer_judges.py can alternate. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/timer.h"
#include "nn/trunks.h"

/* He et al. 2015, so that numbers keep their size; norms of one. */
static int draw(void *state, const char *name, int rank, const int64_t *dims, float *out)
{
    int64_t n = 1;
    (void)state;
    for (int i = 0; i < rank; i++)
        n *= dims[i];
    double width = rank < 4 ? 0.1 : 2 * sqrt(6.0 * (double)dims[0] / (double)n);
    uint32_t x = 1;
    for (int64_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        out[i] = (float)(((double)x / 4294967296.0 - 0.5) * width);
        if (strstr(name, "running_var") || strstr(name, "bn.weight"))
            out[i] = 1;
    }
    return 0;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median of the images a second of `steps` batches. */
static double measure(struct convnet *net, int features, int batch, int steps, const float *images,
                      float *out)
{
    double *rate = mem_alloc((size_t)steps * sizeof *rate);
    for (int i = -2; i < steps; i++) {
        double start = timer_now_s();
        convnet_run(net, images);
        convnet_map(net, features, out);
        if (i >= 0)
            rate[i] = batch / (timer_now_s() - start);
    }
    qsort(rate, (size_t)steps, sizeof *rate, ascending);
    double median = rate[steps / 2];
    mem_free(rate);
    return median;
}

int main(int argc, char **argv)
{
    struct device *d;
    int batch = argc > 3 ? atoi(argv[3]) : 64, steps = argc > 4 ? atoi(argv[4]) : 20;
    log_init(0, 1, 1);
    if (argc < 3 || batch < 1 || steps < 1 ||
        (strcmp(argv[2], "squeeze") != 0 && strcmp(argv[2], "inception") != 0) ||
        device_open(argv[1], 0, 0, 1, &d)) {
        printf("usage: bench_judges DEVICE squeeze|inception [BATCH [STEPS]]\n");
        return EXIT_FAILURE;
    }
    int inception = strcmp(argv[2], "inception") == 0, side = inception ? 299 : 224, features;
    const struct weight_source weights = {draw, NULL};
    struct convnet *net = convnet_create(d, &weights, batch, side, side);
    if (inception) {
        features = inception_build(net);
    } else {
        struct trunk trunk;
        trunk_build(net, argv[2], &trunk);
        features = convnet_mean(net, trunk.tap[trunk.taps - 1]);
        convnet_output(net, features);
    }
    if (convnet_plan(net))
        return EXIT_FAILURE;
    int h, w, c;
    convnet_size(net, features, &h, &w, &c);
    size_t values = (size_t)batch * (size_t)side * (size_t)side * 3;
    float *images = mem_alloc(values * sizeof *images);
    float *out = mem_alloc((size_t)batch * (size_t)c * sizeof *out);
    for (size_t i = 0; i < values; i++)
        images[i] = (float)(i % 255) / 127 - 1;
    char line[16];
    do {
        printf("ours %s %.5g\n", argv[2], measure(net, features, batch, steps, images, out));
        fflush(stdout);
    } while (fgets(line, sizeof line, stdin));
    mem_free(images);
    mem_free(out);
    convnet_destroy(net);
    device_close(d);
    return EXIT_SUCCESS;
}
