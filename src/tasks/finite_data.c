/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/finite_data.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/split.h"
#include "base/timer.h"
#include "files/dataset.h"
#include "process/exact.h"

enum { CALL_BYTES = 64 << 20 }; /* of states, a run of the process */

/* Images of one run of the process: whole groups of 16, as the solvers like them. */
static int64_t images_a_call(const struct adr_plan *plan, int64_t per_image)
{
    int64_t fit = CALL_BYTES / (per_image * (plan->level_count + 1) * 4) / 16 * 16;
    return fit < 16 ? 16 : fit;
}

static void corrupt_levels(void *context, int low, int high, float *states)
{
    struct finite_data *f = context;
    struct corruption *c = &f->corruption;
    struct device *d = f->device;
    timer_begin("sample/exact states");
    for (int64_t first = 0; first < f->count; first += c->capacity) {
        int64_t n = f->count - first < c->capacity ? f->count - first : c->capacity, captures = 0;
        memcpy(c->host, f->images + first * f->per_image,
               (size_t)(n * f->per_image) * sizeof(float));
        for (int64_t i = 0; i < n; i++)
            c->keys[i] = velocity_key(f->plan, f->first + first + i);
        for (int level = low; level <= high; level++)
            for (int64_t i = 0; i < n; i++)
                c->captures[captures++] =
                    (struct adr_capture){level, (int)i, (level - low) * n + i};
        corruption_run(c, (int)n, captures, f->u, NULL);
        for (int level = low; level <= high; level++)
            d->ops->download(d, states + ((level - low) * f->count + first) * f->per_image,
                             f->u + (level - low) * n * f->per_image,
                             (size_t)(n * f->per_image) * sizeof(float));
    }
    timer_end("sample/exact states");
}

int finite_data_create(struct job *job, struct h5_file *dataset, const struct dataset_shape *shape,
                       const struct adr_plan *plan, int batch, struct finite_data *f)
{
    struct device *d = job->device;
    struct range mine = split_even(shape->count, job->comm->size, job->comm->rank);
    struct exact_source source = {f, corrupt_levels, NULL};
    double sigma = job->settings.train.noise;
    if (sigma <= 0) {
        log_error("network 'exact' needs &train noise > 0: the width of its Gaussians");
        return 1;
    }
    *f = (struct finite_data){.device = d, .plan = plan, .first = mine.first, .count = mine.count};
    f->per_image = (int64_t)plan->side * plan->side * plan->channels;
    f->images = mem_alloc((size_t)(f->count * f->per_image) * sizeof(float));
    int failed = job_read_images(dataset, 0, f->first, f->count, f->per_image, f->images);
    if (target_find(job->settings.train.target)->clean)
        source.clean = f->images;
    int64_t call = images_a_call(plan, f->per_image), states = call * (plan->level_count + 1);
    corruption_create(d, plan, (int)call, states, &f->corruption);
    f->u = d->ops->alloc(d, (size_t)(states * f->per_image) * sizeof(float));
    f->network = exact_create(d, job->comm, &source, plan->level_count, f->count, f->per_image,
                              batch, sigma);
    return failed;
}

void finite_data_free(struct finite_data *f)
{
    if (!f->network)
        return;
    exact_destroy(f->network);
    f->device->ops->free(f->device, f->u);
    corruption_free(&f->corruption);
    mem_free(f->images);
    *f = (struct finite_data){0};
}
