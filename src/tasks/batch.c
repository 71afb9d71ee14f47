/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/batch.h"

#include "base/mem.h"
#include "base/rng.h"

static enum dtype stored_type(const struct batch_source *b)
{
    return b->shape.type == H5_F16 ? DTYPE_F16 : DTYPE_F32;
}

int batch_source_open(struct job *job, const char *path, int capacity, struct batch_source *b)
{
    *b = (struct batch_source){.capacity = capacity, .seed = (uint64_t)job->settings.run.seed};
    if (trajectories_open(path, NULL, &b->shape, &b->file))
        return 1;
    b->pairs = b->shape.images * b->shape.pairs_per_image;
    b->per_image = (int64_t)b->shape.side * b->shape.side * b->shape.channels;
    size_t bytes = (size_t)(capacity * b->per_image) * dtype_bytes(stored_type(b));
    b->host_u = job->device->ops->host_alloc(job->device, bytes);
    b->host_delta = job->device->ops->host_alloc(job->device, bytes);
    b->host_level = mem_alloc((size_t)capacity * sizeof *b->host_level);
    b->packed = job->device->ops->alloc(job->device, bytes);
    return 0;
}

void batch_source_close(struct job *job, struct batch_source *b)
{
    if (!b->file)
        return;
    h5_close(b->file);
    job->device->ops->host_free(job->device, b->host_u);
    job->device->ops->host_free(job->device, b->host_delta);
    job->device->ops->free(job->device, b->packed);
    mem_free(b->host_level);
    b->file = NULL;
}

int batch_load(struct job *job, struct batch_source *b, int64_t step, int64_t batch, int64_t first,
               int64_t count, float *u, float *delta)
{
    struct device *d = job->device;
    enum dtype type = stored_type(b);
    size_t row_bytes = (size_t)b->per_image * dtype_bytes(type);

    for (int64_t i = 0; i < count; i++) {
        int64_t place = step * batch + first + i;
        int64_t pair =
            permuted(b->seed, RNG_EPOCH, (uint32_t)(place / b->pairs), b->pairs, place % b->pairs);
        if (trajectories_read(b->file, pair, 1, (char *)b->host_u + (size_t)i * row_bytes,
                              (char *)b->host_delta + (size_t)i * row_bytes, NULL,
                              b->host_level + i))
            return 1;
    }
    d->ops->upload(d, b->packed, b->host_u, (size_t)count * row_bytes);
    d->ops->cast(d, count * b->per_image, type, b->packed, DTYPE_F32, u);
    d->ops->upload(d, b->packed, b->host_delta, (size_t)count * row_bytes);
    d->ops->cast(d, count * b->per_image, type, b->packed, DTYPE_F32, delta);
    return 0;
}
