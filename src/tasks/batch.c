/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/timer.h"
#include "files/dataset.h"

/* A pair to be corrupted, and where in the batch it goes. */
struct place {
    int level;
    int64_t image, slot;
};

static enum dtype stored_type(const struct batch_source *b)
{
    return b->shape.type == H5_F16 ? DTYPE_F16 : DTYPE_F32;
}

static int require_dataset(struct job *job, struct dataset_shape *shape, struct h5_file **file)
{
    char path[JOB_PATH];
    return job_require(job, FILE_DATASET, job_path(job, "dataset.h5", path), "peclet-dataset",
                       "import") ||
           dataset_open(path, NULL, shape, file);
}

static int open_dataset(struct job *job, struct batch_source *b)
{
    struct dataset_shape shape;
    if (require_dataset(job, &shape, &b->file) ||
        job_plan(job, shape.width, shape.channels, &b->plan, &b->field))
        return 1;
    b->shape = (struct trajectories_shape){.images = shape.count,
                                           .pairs_per_image = job->settings.store.pairs_per_image,
                                           .side = shape.width,
                                           .channels = shape.channels,
                                           .levels = b->plan.level_count,
                                           .type = H5_F32};
    corruption_create(job->device, &b->plan, b->capacity, b->capacity, &b->corruption);
    b->order = mem_alloc((size_t)b->capacity * sizeof *b->order);
    return 0;
}

static int open_trajectories(struct job *job, struct batch_source *b)
{
    struct device *d = job->device;
    char path[JOB_PATH];
    if (job_require(job, FILE_TRAJECTORIES, job_path(job, "trajectories.h5", path),
                    "peclet-trajectories", "precompute") ||
        trajectories_open(path, NULL, &b->shape, &b->file))
        return 1;
    size_t per_image = (size_t)b->shape.side * (size_t)b->shape.side * (size_t)b->shape.channels;
    size_t bytes = (size_t)b->capacity * per_image * dtype_bytes(stored_type(b));
    b->host_u = d->ops->host_alloc(d, bytes);
    b->host_delta = d->ops->host_alloc(d, bytes);
    b->packed = d->ops->alloc(d, bytes);
    return 0;
}

static int want_clean(struct job *job, struct batch_source *b)
{
    struct dataset_shape shape;
    size_t bytes = (size_t)b->capacity * (size_t)b->per_image * sizeof(float);
    b->x0 = job->device->ops->alloc(job->device, bytes);
    if (b->on_the_fly)
        return 0;
    b->host_x0 = mem_alloc(bytes);
    return require_dataset(job, &shape, &b->dataset);
}

int batch_source_open(struct job *job, int capacity, struct batch_source *b)
{
    *b = (struct batch_source){.capacity = capacity,
                               .seed = (uint64_t)job->settings.run.seed,
                               .on_the_fly = !strcmp(job->settings.store.kind, "none")};
    if (b->on_the_fly ? open_dataset(job, b) : open_trajectories(job, b))
        return 1;
    b->pairs = b->shape.images * b->shape.pairs_per_image;
    b->per_image = (int64_t)b->shape.side * b->shape.side * b->shape.channels;
    b->host_level = mem_alloc((size_t)capacity * sizeof *b->host_level);
    return target_find(job->settings.train.target)->clean && want_clean(job, b);
}

void batch_source_close(struct job *job, struct batch_source *b)
{
    struct device *d = job->device;
    h5_close(b->file);
    d->ops->host_free(d, b->host_u);
    d->ops->host_free(d, b->host_delta);
    d->ops->free(d, b->packed);
    d->ops->free(d, b->x0);
    h5_close(b->dataset);
    mem_free(b->host_x0);
    corruption_free(&b->corruption);
    physics_plan_free(&b->plan);
    mem_free(b->field);
    mem_free(b->order);
    mem_free(b->host_level);
    *b = (struct batch_source){0};
}

static int64_t pair_at(const struct batch_source *b, int64_t place)
{
    return permuted(b->seed, RNG_EPOCH, (uint32_t)(place / b->pairs), b->pairs, place % b->pairs);
}

static int read_pairs(struct job *job, struct batch_source *b, int64_t first, int64_t count,
                      float *u, float *delta)
{
    struct device *d = job->device;
    enum dtype type = stored_type(b);
    size_t row_bytes = (size_t)b->per_image * dtype_bytes(type);

    for (int64_t i = 0; i < count; i++) {
        int64_t pair = pair_at(b, first + i), image = pair / b->shape.pairs_per_image;
        if (trajectories_read_pair(
                b->file, &b->shape, pair, (char *)b->host_u + (size_t)i * row_bytes,
                (char *)b->host_delta + (size_t)i * row_bytes, b->host_level + i) ||
            (b->x0 &&
             job_read_images(b->dataset, 0, image, 1, b->per_image, b->host_x0 + i * b->per_image)))
            return 1;
    }
    if (b->x0)
        d->ops->upload(d, b->x0, b->host_x0, (size_t)(count * b->per_image) * sizeof(float));
    d->ops->upload(d, b->packed, b->host_u, (size_t)count * row_bytes);
    d->ops->cast(d, count * b->per_image, type, b->packed, DTYPE_F32, u);
    d->ops->upload(d, b->packed, b->host_delta, (size_t)count * row_bytes);
    d->ops->cast(d, count * b->per_image, type, b->packed, DTYPE_F32, delta);
    return 0;
}

static int by_level(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->level != y->level)
        return x->level < y->level ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* In order of level: the solver runs neighbouring images together, as far as the furthest of them needs. */
static int make_pairs(struct batch_source *b, int64_t first, int64_t count, float *u, float *delta)
{
    struct corruption *c = &b->corruption;
    struct device *d = c->process->device;
    int64_t m = b->shape.pairs_per_image;
    for (int64_t i = 0; i < count; i++) {
        int64_t pair = pair_at(b, first + i), image = pair / m;
        int level = corruption_level(b->seed, (uint64_t)image, pair % m, m, b->shape.levels);
        b->order[i] = (struct place){level, image, i};
        b->host_level[i] = level;
    }
    qsort(b->order, (size_t)count, sizeof *b->order, by_level);
    for (int64_t i = 0; i < count; i++) {
        const struct place *p = &b->order[i];
        if (job_read_images(b->file, 0, p->image, 1, b->per_image, c->host + i * b->per_image))
            return 1;
        c->keys[i] = velocity_key(&b->plan, p->image);
        c->captures[i] = (struct adr_capture){p->level, (int)i, p->slot};
    }
    timer_begin("train/corrupt");
    corruption_run(c, (int)count, count, u, delta);
    for (int64_t i = 0; i < count && b->x0; i++)
        d->ops->copy(d, b->x0 + b->order[i].slot * b->per_image, c->x0 + i * b->per_image,
                     (size_t)b->per_image * sizeof(float));
    timer_end("train/corrupt");
    return 0;
}

int batch_load(struct job *job, struct batch_source *b, int64_t step, int64_t batch, int64_t first,
               int64_t count, float *u, float *delta)
{
    int64_t place = step * batch + first;
    return b->on_the_fly ? make_pairs(b, place, count, u, delta)
                         : read_pairs(job, b, place, count, u, delta);
}
