/* SPDX-License-Identifier: Apache-2.0
 * With the weights under $PECLET_DATA, on the reference and the cpu device: SqueezeNet features of a
 * picture against PyTorch (tools/golden/judges_golden.py), and LPIPS of the published example pairs
 * against the published code, tap by tap. */
#include "check.h"

#include <png.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "tasks/judge.h"

static double worst_of(int n, const float *got, const float *want)
{
    double worst = 0, square = 0;
    for (int i = 0; i < n; i++) {
        worst = fmax(worst, isfinite(got[i]) ? fabs((double)got[i] - (double)want[i]) : INFINITY);
        square += (double)want[i] * (double)want[i];
    }
    return worst / sqrt(square / n);
}

static float *read_png(const char *name, int *side)
{
    char path[1024];
    png_image png = {.version = PNG_IMAGE_VERSION};
    CHECK(png_image_begin_read_from_file(&png, check_data(name, path, sizeof path)));
    png.format = PNG_FORMAT_RGB;
    size_t count = PNG_IMAGE_SIZE(png);
    uint8_t *bytes = mem_alloc(count);
    float *out = mem_alloc(count * sizeof *out);
    CHECK(png_image_finish_read(&png, NULL, bytes, 0, NULL) && png.width == png.height);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)bytes[i] / 255.0f;
    *side = (int)png.width;
    mem_free(bytes);
    return out;
}

static void check_squeezenet(struct job *job, const float *image, int side)
{
    float want[512], got[512];
    struct judge *g = NULL;
    FILE *f = fopen(PECLET_SOURCE_DIR "/tests/golden/squeezenet.bin", "rb");
    CHECK(f && fread(want, sizeof *want, 512, f) == 512);
    fclose(f);
    CHECK(judge_features(job, "squeezenet", side, 3, &g) == 0);
    CHECK(judge_dim(g) == 512 && !judge_is_fid(g));
    judge_run(g, 1, &(struct image){side, side, 3, image}, got);
    double worst = worst_of(512, got, want);
    printf("%s squeezenet: error %.2g\n", job->device->name, worst);
    CHECK(worst <= 2e-5); /* measured: cpu 6.6e-6, ref 1.7e-6 */
    judge_destroy(g);
    CHECK(judge_features(job, "squeezenet", 12, 3, &g) != 0); /* shrinks to nothing */
}

/* Numbers of the published code, layer by layer. */
static void check_lpips(struct job *job, float *const image[3], int side)
{
    static const double want[2][8] = {
        {0.009888592176139355, 0.006904148496687412, 0.1288035809993744, 0.2610641419887543,
         0.15072406828403473, 0.08815668523311615, 0.06566993147134781, 0.7112112045288086},
        {0.016710858792066574, 0.003597224596887827, 0.014524050056934357, 0.03692346438765526,
         0.029516369104385376, 0.022361328825354576, 0.024301879107952118, 0.1479351818561554}};
    struct judge *g = NULL;
    CHECK(judge_lpips(job, side, 3, &g) == 0);
    for (int pair = 0; g && pair < 2; pair++) {
        double distance, taps[TRUNK_MAX_TAPS];
        judge_pairs(g, 1, image[0], image[1 + pair], &distance, taps);
        printf("%s lpips %d: %.7f, off by %.2g\n", job->device->name, pair, distance,
               distance - want[pair][7]);
        CHECK_NEAR(distance, want[pair][7], 3e-7); /* measured 4e-8 */
        for (int t = 0; t < TRUNK_MAX_TAPS; t++)
            CHECK_NEAR(taps[t], want[pair][t], 3e-7);
    }
    judge_destroy(g);
}

int main(void)
{
    static const char *const devices[] = {"cpu", "ref"};
    struct job *job = mem_zalloc(sizeof *job);
    char path[1024];
    float *image[3];
    int side;
    log_init(0, 1, 1);
    settings_init(&job->settings);
    job->comm = comm_self_create();
    struct evaluate_settings *s = &job->settings.evaluate;
    snprintf(s->weights, DECK_TEXT, "%.500s",
             check_data("squeezenet1_1/squeezenet1_1-fp16as32.safetensors", path, sizeof path));
    snprintf(s->lpips_weights, DECK_TEXT, "%.500s",
             check_data("lpips/lpips-v0.1-linear.safetensors", path, sizeof path));
    image[0] = read_png("lpips/ex_ref.png", &side);
    image[1] = read_png("lpips/ex_p0.png", &side);
    image[2] = read_png("lpips/ex_p1.png", &side);
    for (int i = 0; i < 2; i++) {
        CHECK(device_open(devices[i], 2, 0, 1, &job->device) == 0);
        check_squeezenet(job, image[0], side);
        check_lpips(job, image, side);
        CHECK(job->device->bytes == 0);
        device_close(job->device);
    }
    for (int i = 0; i < 3; i++)
        mem_free(image[i]);
    job->comm->ops->destroy(job->comm);
    mem_free(job);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
