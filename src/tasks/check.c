/* SPDX-License-Identifier: Apache-2.0
 * deck and check: what can be said of a deck without computing. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/dataset.h"
#include "tasks/import_source.h"
#include "tasks/plan.h"

int task_deck(struct job *job)
{
    if (job->comm->rank == 0)
        fputs(job->deck, stdout);
    return TASK_DONE;
}

/* What the deck alone says, where the images are not there; non-zero if that is not enough. */
static int trust_deck(const struct dataset_settings *s, struct plan_images *out)
{
    if (!s->resolution || !s->channels)
        return 1;
    int held_out = *s->test_path || s->test_fraction > 0;
    *out = (struct plan_images){s->flip ? 2 * s->limit : s->limit, held_out ? INT64_MAX : 0,
                                (int)s->resolution, (int)s->channels};
    return 0;
}

int plan_look_at_images(struct job *job, struct plan_images *out)
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
        *out = (struct plan_images){shape.count, shape.test_count, shape.width, shape.channels};
        return h5_close(file);
    }
    if (!*s->path || !text_exists(s->path)) {
        log_warn("&dataset path = '%s' is not there", s->path);
        return trust_deck(s, out);
    }
    if (import_source_open(s, 0, 1, &source))
        return 1;
    int64_t n = source->count, held_out = INT64_MAX;
    if (!*s->test_path) {
        held_out = (int64_t)(s->test_fraction * (double)n + 0.5);
        n -= held_out;
    }
    if (s->limit > 0 && n > s->limit)
        n = s->limit;
    *out = (struct plan_images){s->flip ? 2 * n : n, held_out, source->width, source->channels};
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
    struct plan_images images;
    struct adr_plan plan = {0};
    float *field = NULL;
    int failed = 0;

    if (job->comm->rank == 0) {
        warn_missing("test_path", s->dataset.test_path);
        warn_missing("labels", s->dataset.labels);
        warn_missing("test_labels", s->dataset.test_labels);
        if (plan_look_at_images(job, &images)) {
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
