/* SPDX-License-Identifier: Apache-2.0
 * export: what other programs take from a run.
 *
 *     network.safetensors        averaged weights of the newest checkpoint, names and layouts of the
 *                                inverse-heat-dissipation code (PyTorch); the U-Net's settings and
 *                                the deck as metadata
 *     network-check.safetensors  an input, its levels, and what the network makes of them, for a
 *                                loader to check itself by (tools/load_export.py)
 *     samples/00000000.png ...   the samples as 8-bit pictures, for tools that read folders */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/png.h"
#include "base/rng.h"
#include "base/split.h"
#include "base/text.h"
#include "base/timer.h"
#include "files/dataset.h"
#include "tasks/model.h"
#include "tasks/network_file.h"

enum { CHECK_IMAGES = 2, PNG_BATCH = 64 };

/* numbers as a JSON list */
static void print_list(int count, const int64_t *numbers, size_t bytes, char *text)
{
    size_t used = (size_t)snprintf(text, bytes, "[");
    for (int i = 0; i < count && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%lld", i ? "," : "",
                                 (long long)numbers[i]);
    if (used < bytes)
        snprintf(text + used, bytes - used, "]");
}

static int write_network(const struct job *job, const struct model *m, const float *params,
                         int64_t step)
{
    const struct unet_settings *u = &job->settings.unet;
    char path[JOB_PATH], unet[600], multipliers[120], attention[120], at_step[24];
    print_list(u->multiplier_count, u->multipliers, sizeof multipliers, multipliers);
    print_list(u->attention_level_count, u->attention_levels, sizeof attention, attention);
    snprintf(
        unet, sizeof unet,
        "{\"image_channels\":%d,\"side\":%d,\"channels\":%lld,\"multipliers\":%s,\"blocks\":%lld,"
        "\"attention_levels\":%s,\"middle_attention\":%s,\"heads\":%lld}",
        m->channels, m->side, (long long)u->channels, multipliers, (long long)u->blocks, attention,
        u->middle_attention ? "true" : "false", (long long)u->heads);
    snprintf(at_step, sizeof at_step, "%lld", (long long)step);
    const struct safetensors_note notes[] = {
        {(char *)"format", (char *)"pt"},
        {(char *)"network", (char *)"inverse-heat-dissipation"},
        {(char *)"unet", unet},
        {(char *)"step", at_step},
        {(char *)"deck", job->deck}};
    return network_file_write(job_path(job, "network.safetensors", path), m->graph, params, notes,
                              sizeof notes / sizeof *notes);
}

/* Uniform numbers in (0,1) through the network at the first and the last level. */
static int write_check(const struct job *job, struct model *m)
{
    struct device *d = m->device;
    int32_t level[CHECK_IMAGES] = {1, (int32_t)job->settings.forward.levels};
    float levels[CHECK_IMAGES] = {(float)level[0], (float)level[1]};
    int64_t count = (int64_t)CHECK_IMAGES * m->side * m->side * m->channels;
    size_t bytes = (size_t)count * sizeof(float);
    float *input = mem_alloc(bytes), *output = mem_alloc(bytes);
    float *x = d->ops->alloc(d, bytes), *y = d->ops->alloc(d, bytes);
    char path[JOB_PATH];
    for (int64_t i = 0; i < count; i++)
        input[i] = rng_uniform(rng_draw(0, RNG_FEATURES, (uint64_t)i, 0, 0).v[0]);
    d->ops->upload(d, x, input, bytes);
    m->network.set_levels(&m->network, CHECK_IMAGES, level);
    m->network.eval(&m->network, CHECK_IMAGES, x, y);
    d->ops->download(d, output, y, bytes);
    const int64_t side = m->side, channels = m->channels;
    const struct safetensors_item items[] = {
        {"input_nhwc", 4, {CHECK_IMAGES, side, side, channels}, input},
        {"level", 1, {CHECK_IMAGES}, levels},
        {"output_nhwc", 4, {CHECK_IMAGES, side, side, channels}, output}};
    int failed =
        job->comm->rank == 0 &&
        safetensors_write(job_path(job, "network-check.safetensors", path), items, 3, NULL, 0);
    d->ops->free(d, x);
    d->ops->free(d, y);
    mem_free(input);
    mem_free(output);
    return comm_agree(job->comm, failed);
}

static int export_network(struct job *job, int side, int channels)
{
    struct model m = {0};
    int64_t step;
    job->precision = DTYPE_F32; /* so that the check is as sharp as it can be */
    int failed =
        model_create(job, side, channels, CHECK_IMAGES, 0, &m) || model_load_ema(job, &m, &step);
    if (!failed) {
        float *params = mem_alloc((size_t)m.param_count * sizeof *params);
        m.device->ops->download(m.device, params, m.params, (size_t)m.param_count * sizeof *params);
        failed = job->comm->rank == 0 && write_network(job, &m, params, step);
        failed = comm_agree(job->comm, failed) || write_check(job, &m);
        mem_free(params);
        log_info("%s/network.safetensors: averaged weights of step %lld", job->settings.run.out,
                 (long long)step);
    }
    model_free(&m);
    return failed;
}

static int write_pngs(const char *folder, int64_t first, int count, const int64_t dims[5],
                      const float *images)
{
    int64_t per_image = dims[1] * dims[2] * dims[3];
    uint8_t *pixels = mem_alloc((size_t)per_image);
    int failed = 0;
    for (int i = 0; i < count && !failed; i++) {
        char path[JOB_PATH + 32];
        for (int64_t k = 0; k < per_image; k++) {
            float v = images[i * per_image + k];
            pixels[k] = (uint8_t)lrintf((v > 0 ? fminf(v, 1) : 0) * 255.0f);
        }
        snprintf(path, sizeof path, "%s/%08lld.png", folder, (long long)(first + i));
        failed = png_write(path, (int)dims[2], (int)dims[1], (int)dims[3], pixels);
    }
    mem_free(pixels);
    return failed;
}

/* Each rank its share of the samples. */
static int export_samples(struct job *job, const char *path)
{
    char folder[JOB_PATH];
    struct h5_file *file = NULL;
    enum h5_type type;
    int rank;
    int64_t dims[5];
    int failed = h5_open(path, NULL, 0, "", &file) ||
                 h5_dataset_info(file, "/images", &type, &rank, dims) || rank != 4 ||
                 type != H5_F32;
    failed =
        failed || (job->comm->rank == 0 && text_make_folders(job_path(job, "samples", folder)));
    if (comm_agree(job->comm, failed)) {
        h5_close(file);
        return 1;
    }
    job_path(job, "samples", folder);
    struct range mine = split_even(dims[0], job->comm->size, job->comm->rank);
    int64_t end = mine.first + mine.count;
    float *images = mem_alloc((size_t)(PNG_BATCH * dims[1] * dims[2] * dims[3]) * sizeof *images);
    for (int64_t at = mine.first; at < end && !failed; at += PNG_BATCH) {
        int count = end - at < PNG_BATCH ? (int)(end - at) : PNG_BATCH;
        failed = h5_read_rows(file, "/images", at, count, images) ||
                 write_pngs(folder, at, count, dims, images);
    }
    mem_free(images);
    h5_close(file);
    if (comm_agree(job->comm, failed))
        return 1;
    log_info("%s: %lld pictures", folder, (long long)dims[0]);
    return 0;
}

int task_export(struct job *job)
{
    char path[JOB_PATH];
    struct dataset_shape shape;
    struct h5_file *dataset = NULL;
    timer_begin("export");
    int failed = comm_agree(
        job->comm, dataset_open(job_path(job, "dataset.h5", path), NULL, &shape, &dataset));
    h5_close(dataset);
    if (!failed && !strcmp(job->settings.network.kind, "unet"))
        failed = export_network(job, shape.width, shape.channels);
    job_path(job, "samples.h5", path);
    int complete = job->comm->rank == 0 && h5_probe(path, "peclet-samples", NULL) == 3;
    job->comm->ops->bcast(job->comm, &complete, sizeof complete, 0);
    if (!failed && complete)
        failed = export_samples(job, path);
    else if (!failed)
        log_warn("%s is missing or not complete: no samples exported ('peclet sample' makes them)",
                 path);
    timer_end("export");
    return failed ? TASK_FAILED : TASK_DONE;
}
