/* SPDX-License-Identifier: Apache-2.0
 * check and plan: what can be known of a run before it runs. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/dataset.h"
#include "tasks/import_source.h"
#include "tasks/tasks.h"

struct images {
    int64_t count;
    int side, channels;
};

/* What the deck alone says, where the images are not there; non-zero if that is not enough. */
static int trust_deck(const struct dataset_settings *s, struct images *out)
{
    if (!s->resolution || !s->channels)
        return 1;
    *out = (struct images){s->flip ? 2 * s->limit : s->limit, (int)s->resolution, (int)s->channels};
    return 0;
}

/* From dataset.h5 if it is there, else from the source, else from the deck; non-zero if none says it. */
static int look_at_images(struct job *job, struct images *out)
{
    const struct dataset_settings *s = &job->settings.dataset;
    struct dataset_shape shape;
    struct h5_file *file = NULL;
    struct image_source *source = NULL;
    char path[JOB_PATH], *stored = NULL;
    int ready = h5_probe(job_path(job, "dataset.h5", path), "peclet-dataset", &stored) == 3 &&
                stored && job_matches(job, FILE_DATASET, path, stored, 1);
    mem_free(stored);
    if (ready && !dataset_open(path, NULL, &shape, &file)) {
        *out = (struct images){shape.count, shape.width, shape.channels};
        return h5_close(file);
    }
    if (!*s->path || !text_exists(s->path)) {
        log_warn("&dataset path = '%s' is not there", s->path);
        return trust_deck(s, out);
    }
    if (import_source_open(s, 0, 1, &source))
        return 1;
    int64_t n = source->count;
    if (!*s->test_path)
        n -= (int64_t)(s->test_fraction * (double)n + 0.5);
    if (s->limit > 0 && n > s->limit)
        n = s->limit;
    *out = (struct images){s->flip ? 2 * n : n, source->width, source->channels};
    image_source_close(source);
    return 0;
}

static void warn_missing(const char *key, const char *path)
{
    if (*path && !text_exists(path))
        log_warn("&dataset %s = '%s' is not there", key, path);
}

int task_check(struct job *job)
{
    const struct settings *s = &job->settings;
    struct images images;
    struct adr_plan plan = {0};
    float *field = NULL;
    int failed = 0;

    if (job->comm->rank == 0) {
        warn_missing("test_path", s->dataset.test_path);
        warn_missing("labels", s->dataset.labels);
        warn_missing("test_labels", s->dataset.test_labels);
        if (look_at_images(job, &images)) {
            log_warn("without the images the lattice and the network are not checked");
        } else {
            failed = job_plan(job, images.side, images.channels, &plan, &field);
            if (!failed)
                physics_describe(&plan, &s->forward);
            failed |= unet_check(&s->unet, images.side);
        }
        physics_plan_free(&plan);
        mem_free(field);
        if (!failed)
            log_info("%s is in order", job->deck_path);
    }
    return comm_agree(job->comm, failed) ? TASK_USAGE : TASK_DONE;
}

static void print_network(struct job *job, const struct images *images, int64_t ranks)
{
    const struct train_settings *t = &job->settings.train;
    int64_t mine = (t->batch + ranks - 1) / ranks,
            batch = (mine + t->accumulate - 1) / t->accumulate;
    struct graph *g = graph_create(NULL, job->precision, (int)batch, 1, job->settings.unet.dropout);
    unet_build(g, &job->settings.unet, images->side, images->channels);
    double arena = (double)graph_layout(g);
    double total = (double)graph_param_total(g), macs = graph_forward_macs(g);
    printf("network      %.2f M parameters, %.3g GMAC forward an image\n", total * 1e-6,
           macs * 1e-9);
    printf("train        %lld images a rank and micro-batch; %.0f MB activations and gradients, "
           "%.0f MB parameters, "
           "moments and averages\n",
           (long long)batch, arena * 1e-6, total * 5 * 4e-6);
    printf("             %.3g GFLOP a step over all ranks, %.1f MB to reduce a rank and step, %.1f "
           "MB a checkpoint\n",
           6e-9 * macs * (double)t->batch, ranks > 1 ? total * 4e-6 : 0.0, total * 16e-6);
    printf("sample       %.3g TFLOP for %lld images\n",
           2e-12 * macs * (double)job->settings.forward.levels * (double)job->settings.sample.count,
           (long long)job->settings.sample.count);
    graph_destroy(g);
}

int task_plan(struct job *job)
{
    const struct settings *s = &job->settings;
    struct images images;
    struct adr_plan plan = {0};
    float *field = NULL;
    int64_t ranks = s->run.plan_ranks > 0 ? s->run.plan_ranks : job->comm->size;
    int failed = 0;

    if (job->comm->rank == 0) {
        failed = look_at_images(job, &images) ||
                 job_plan(job, images.side, images.channels, &plan, &field) ||
                 unet_check(&s->unet, images.side);
        if (!failed) {
            double pixels = (double)images.side * images.side * images.channels, steps = 0;
            double pair = 2 * pixels * (strcmp(s->store.precision, "fp16") ? 4 : 2);
            for (int k = 1; k <= plan.level_count; k++)
                steps += plan.levels[k].steps;
            printf("ranks        %lld\n", (long long)ranks);
            printf("dataset      %lld images of %dx%dx%d, %.1f MB\n", (long long)images.count,
                   images.side, images.side, images.channels, (double)images.count * pixels * 1e-6);
            printf("trajectories %lld pairs, %.1f MB; %.0f lattice steps an image, %.3g site "
                   "updates\n",
                   (long long)(images.count * s->store.pairs_per_image),
                   (double)images.count * (double)s->store.pairs_per_image * pair * 1e-6, steps,
                   steps * pixels * (double)images.count);
            print_network(job, &images, ranks);
        }
        physics_plan_free(&plan);
        mem_free(field);
    }
    return comm_agree(job->comm, failed) ? TASK_FAILED : TASK_DONE;
}
