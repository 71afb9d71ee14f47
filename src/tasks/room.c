/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/room.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "files/dataset.h"
#include "nn/graph.h"
#include "tasks/plan.h"

static const double GIB = 1 << 30;

struct need {
    double bytes, activations, vectors; /* all; of the network; of the optimizer, or the weights */
    int images;                         /* that the network takes at once */
};

static int on_gpu(const struct job *job)
{
    return strcmp(job->device->name, "cuda") == 0;
}

double room_of(const struct job *job)
{
    double bytes = job->device->ops->room(job->device);
    int sharing = on_gpu(job) ? job->comm->gpu_ranks : job->comm->local_size;
    return sharing > 1 ? bytes / sharing : bytes;
}

/* Held-out images of the run's data set, 0 if it is not there. */
static int64_t held_out(struct job *job)
{
    char path[JOB_PATH];
    struct dataset_shape shape = {0};
    struct h5_file *file = NULL;
    job_path(job, "dataset.h5", path);
    if (job->comm->rank == 0 && h5_probe(path, "peclet-dataset", NULL) == 3 &&
        !dataset_open(path, NULL, &shape, &file))
        h5_close(file);
    job->comm->ops->bcast(job->comm, &shape.test_count, sizeof shape.test_count, 0);
    return shape.test_count;
}

/* The images' state and the velocities of one hold (cuda/adr_cuda.c, which takes more images in several goes). */
static double process_bytes(const struct job *job, const struct plan_images *shape, int images)
{
    int states = strcmp(job->settings.lbm.collision, "equilibrium") ? 19 : 2;
    double image = 4.0 * shape->side * shape->side * (states * shape->channels + 7);
    return fmin(images * image, 4 * GIB);
}

static struct need count(const struct job *job, const struct plan_images *shape, int training)
{
    const struct settings *s = &job->settings;
    struct need need = {.images =
                            training ? plan_micro_batch(s, job->comm->size) : (int)s->sample.batch};
    struct graph *g =
        graph_create(job->device, job->precision, need.images, training, s->unet.dropout);
    unet_build(g, &s->unet, shape->side, shape->channels);
    need.activations = (double)graph_layout(g);
    struct plan_trial none = {
        .step_images = 1, .forward_images = 1, .params = graph_param_total(g)};
    graph_destroy(g);
    struct adr_plan plan = {
        .side = shape->side, .channels = shape->channels, .level_count = (int)s->forward.levels};
    struct plan_need sums =
        (training ? plan_train : plan_sample)(job, shape, &plan, &none, job->comm->size);
    int tests = training && s->train.heldout > 0 && shape->test_count > 0;
    int processes = training ? tests + !strcmp(s->store.kind, "none") : 1;
    double params = (double)none.params;
    need.vectors = 4 * params * (!training ? 1 : strcmp(s->train.optimizer, "lion") ? 5 : 4);
    need.bytes = sums.device;
    if (on_gpu(job))
        need.bytes += (1 + tests) * params * (job->precision == DTYPE_BF16 ? 2 : 0) +
                      processes * process_bytes(job, shape, need.images);
    else
        need.bytes += sums.host;
    return need;
}

/* The number that would do in place of train.accumulate, or of sample.batch; 0: none would. */
static int64_t enough(const struct job *job, const struct plan_images *shape, int training,
                      double there)
{
    struct job other = *job;
    int64_t *setting = training ? &other.settings.train.accumulate : &other.settings.sample.batch;
    while (count(&other, shape, training).images > 1) {
        *setting = training ? 2 * *setting : *setting / 2;
        if (count(&other, shape, training).bytes <= there)
            return *setting;
    }
    return 0;
}

static void describe(const struct job *job, const struct plan_images *shape, int training,
                     double there, size_t size, char *text)
{
    const struct settings *s = &job->settings;
    struct need need = count(job, shape, training);
    int64_t will_do = enough(job, shape, training, there);
    char would_do[64] = "";
    if (will_do)
        snprintf(would_do, sizeof would_do, "; %lld would do", (long long)will_do);
    int at = snprintf(
        text, size,
        "%s needs at least %.2f GiB of %s memory a rank, and %.2f GiB can be had. %.2f "
        "GiB are for the network with %d images at once, %.2f GiB for its %s. Less is "
        "needed with ",
        training ? "training" : "sampling", need.bytes / GIB,
        on_gpu(job) ? "the GPU's" : "this node's", there / GIB, need.activations / GIB, need.images,
        need.vectors / GIB, training ? "parameters and optimizer" : "parameters");
    if (training)
        at += snprintf(text + at, size - (size_t)at,
                       "a larger train.accumulate (now %lld%s), a smaller train.batch (%lld) or "
                       "unet.channels (%lld)",
                       (long long)s->train.accumulate, would_do, (long long)s->train.batch,
                       (long long)s->unet.channels);
    else
        at += snprintf(text + at, size - (size_t)at, "a smaller sample.batch (now %lld%s)",
                       (long long)s->sample.batch, would_do);
    if (job->precision == DTYPE_F32)
        snprintf(text + at, size - (size_t)at, ", or run.precision = 'bf16'");
}

static int room_for(struct job *job, int training, int side, int channels)
{
    struct plan_images shape = {.side = side, .channels = channels};
    char text[640];
    if (strcmp(job->settings.network.kind, "unet"))
        return 0;
    if (unet_check(&job->settings.unet, side))
        return 1;
    if (training && job->settings.train.heldout > 0)
        shape.test_count = held_out(job);
    /* what this rank has taken already is among the sums */
    double missing = count(job, &shape, training).bytes - room_of(job) - (double)job->device->bytes;
    job->comm->ops->max_f64(job->comm, &missing, 1);
    if (!(missing > 0))
        return 0;
    describe(job, &shape, training, count(job, &shape, training).bytes - missing, sizeof text,
             text);
    if (job->comm->rank > 0)
        return on_gpu(job);
    if (on_gpu(job))
        log_error("%s", text);
    else
        log_warn("%s", text);
    return on_gpu(job);
}

int room_for_training(struct job *job, int side, int channels)
{
    return room_for(job, 1, side, channels);
}

int room_for_sampling(struct job *job, int side, int channels)
{
    return room_for(job, 0, side, channels);
}
