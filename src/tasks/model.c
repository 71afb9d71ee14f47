/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/model.h"

#include "base/log.h"
#include "base/mem.h"
#include "files/checkpoint.h"

static void model_set_levels(struct network *net, int n, const int32_t *level)
{
    struct model *m = net->state;
    for (int i = 0; i < m->batch; i++)
        m->level_host[i] = level[i < n ? i : n - 1];
    m->device->ops->upload(m->device, m->level, m->level_host, (size_t)m->batch * sizeof *m->level);
}

static void model_eval(struct network *net, int n, const float *x, float *out)
{
    struct model *m = net->state;
    struct device *d = m->device;
    size_t per_image = (size_t)m->side * (size_t)m->side * (size_t)m->channels,
           used = (size_t)n * per_image;
    struct graph_call call = {.image = m->image, .level = m->level};

    d->ops->copy(d, m->image, x, used * sizeof *x);
    if (n < m->batch)
        d->ops->zero(d, m->image + used, ((size_t)m->batch * per_image - used) * sizeof *x);
    d->ops->copy(d, out, graph_forward(m->graph, &call), used * sizeof *out);
}

int model_create(struct job *job, int side, int channels, int batch, int training, struct model *m)
{
    struct device *d = job->device;
    *m = (struct model){.device = d, .batch = batch, .side = side, .channels = channels};
    if (unet_check(&job->settings.unet, side))
        return 1;
    m->graph = unet_create(d, &job->settings.unet, side, channels, job->precision, batch, training);
    m->param_count = graph_param_total(m->graph);
    if (!training)
        m->params = d->ops->alloc(d, (size_t)m->param_count * sizeof *m->params);
    size_t image_bytes =
        (size_t)batch * (size_t)side * (size_t)side * (size_t)channels * sizeof *m->image;
    m->image = d->ops->alloc(d, image_bytes);
    d->ops->zero(d, m->image, image_bytes);
    m->level = d->ops->alloc(d, (size_t)batch * sizeof *m->level);
    m->draw = d->ops->alloc(d, sizeof *m->draw);
    m->level_host = mem_alloc((size_t)batch * sizeof *m->level_host);
    m->network = (struct network){model_set_levels, model_eval, m, 0};
    return 0;
}

void model_free(struct model *m)
{
    if (!m->graph)
        return;
    graph_destroy(m->graph);
    m->device->ops->free(m->device, m->params);
    m->device->ops->free(m->device, m->image);
    m->device->ops->free(m->device, m->level);
    m->device->ops->free(m->device, m->draw);
    mem_free(m->level_host);
    m->graph = NULL;
}

int model_load_ema(struct job *job, struct model *m, int64_t *step)
{
    char folder[JOB_PATH];
    size_t bytes = (size_t)m->param_count * sizeof(float);
    float *ema = mem_alloc(bytes);
    job_path(job, "checkpoints", folder);
    *step = -1;
    if (job->comm->rank == 0) {
        char *stored = NULL;
        struct checkpoint_array array = {"ema", ema, m->param_count};
        *step = checkpoint_find(folder, &stored);
        if (*step < 0)
            log_error("%s holds no usable checkpoint; run 'peclet train' first", folder);
        else if (!job_matches(job, FILE_CHECKPOINT, folder, stored, 0) ||
                 checkpoint_read(folder, *step, &array, 1))
            *step = -1;
        mem_free(stored);
    }
    job->comm->ops->bcast(job->comm, step, sizeof *step, 0);
    if (*step >= 0) {
        job->comm->ops->bcast(job->comm, ema, bytes, 0);
        m->device->ops->upload(m->device, m->params, ema, bytes);
        graph_use_params(m->graph, m->params);
    }
    mem_free(ema);
    return *step < 0;
}
