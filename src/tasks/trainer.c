/* SPDX-License-Identifier: Apache-2.0
 * The state of a training run: made, saved, found again. */
#include "tasks/trainer.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/timer.h"
#include "tasks/network_file.h"
#include "tasks/room.h"

void trainer_free(struct trainer *t)
{
    struct device *d = t->job->device;
    checkpoint_end(t->writer, NULL);
    struct repeat *repeats[] = {t->pass[0], t->pass[1], t->forward[0], t->forward[1], t->update};
    for (size_t i = 0; i < sizeof repeats / sizeof *repeats; i++)
        d->ops->repeat_free(d, repeats[i]);
    float *buffers[] = {t->u, t->delta, t->want, t->doutput, t->grads, t->image_loss, t->loss};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        d->ops->free(d, buffers[i]);
    if (t->optimizer)
        optimizer_destroy(t->optimizer);
    batch_source_close(t->job, &t->source);
    heldout_close(t->job, &t->heldout);
    model_free(&t->model);
    mem_free(t->loss_host);
    d->ops->host_free(d, t->state_host);
}

static void make_optimizer(struct trainer *t)
{
    const struct train_settings *s = &t->job->settings.train;
    struct optimizer_settings o = {optimizer_kind_from(s->optimizer),
                                   s->learning_rate,
                                   s->beta1,
                                   s->beta2,
                                   s->epsilon,
                                   s->weight_decay,
                                   s->clip,
                                   s->warmup,
                                   s->ema,
                                   optimizer_decay_from(s->decay),
                                   s->steps};
    graph_init_params(t->model.graph, (uint64_t)t->job->settings.run.seed, t->state_host);
    t->optimizer = optimizer_create(t->job->device, &o, t->model.param_count, t->state_host);
    t->optimizer->rounded = graph_rounded(t->model.graph);
}

int trainer_create(struct job *job, struct trainer *t)
{
    const struct train_settings *s = &job->settings.train;
    struct device *d = job->device;
    int64_t mine = (s->batch + job->comm->size - 1) / job->comm->size;

    *t =
        (struct trainer){.job = job, .capacity = (int)((mine + s->accumulate - 1) / s->accumulate)};
    t->target = target_find(s->target);
    int failed = batch_source_open(job, t->capacity, &t->source);
    int side = t->source.shape.side, channels = t->source.shape.channels;
    if (comm_agree(job->comm, failed) || room_for_training(job, side, channels))
        return 1;
    failed = model_create(job, side, channels, t->capacity, 1, &t->model);
    if (comm_agree(job->comm, failed) || heldout_open(job, t->capacity, &t->heldout))
        return 1;
    size_t floats = (size_t)t->capacity * (size_t)t->source.per_image;
    size_t losses = (size_t)(s->log_every * s->accumulate) * (size_t)t->capacity;
    t->u = d->ops->alloc(d, floats * sizeof(float));
    t->delta = d->ops->alloc(d, floats * sizeof(float));
    t->want = d->ops->alloc(d, floats * sizeof(float));
    t->doutput = d->ops->alloc(d, floats * sizeof(float));
    t->grads = d->ops->alloc(d, (size_t)t->model.param_count * sizeof(float));
    d->ops->zero(d, t->grads, (size_t)t->model.param_count * sizeof(float));
    t->image_loss = d->ops->alloc(d, (size_t)t->capacity * sizeof(float));
    t->loss = d->ops->alloc(d, losses * sizeof(float));
    d->ops->zero(d, t->loss, losses * sizeof(float));
    t->loss_host = mem_alloc(losses * sizeof(float));
    t->state_host = d->ops->host_alloc(d, 4 * (size_t)t->model.param_count * sizeof(float));
    make_optimizer(t);
    return 0;
}

/* The arrays of a checkpoint, staged in state_host. */
static int state_arrays(struct trainer *t, struct checkpoint_array array[4], float *device_array[4])
{
    struct optimizer *o = t->optimizer;
    float *all[4] = {o->params, o->average, o->m, o->v};
    static const char *const name[4] = {"params", "ema", "m", "v"};
    int n = o->v ? 4 : 3;
    for (int i = 0; i < n; i++) {
        device_array[i] = all[i];
        array[i] = (struct checkpoint_array){name[i], t->state_host + i * t->model.param_count,
                                             t->model.param_count};
    }
    return n;
}

int trainer_save_begin(struct trainer *t)
{
    struct job *job = t->job;
    struct device *d = job->device;
    struct checkpoint_array array[4];
    float *from[4];
    char folder[JOB_PATH];
    int failed = 0, arrays = state_arrays(t, array, from),
        names = graph_param_count(t->model.graph);
    if (job->comm->rank == 0) {
        struct checkpoint_param *table = mem_alloc((size_t)names * sizeof *table);
        for (int i = 0; i < names; i++) {
            const struct param *p = graph_param(t->model.graph, i);
            table[i] = (struct checkpoint_param){p->name, p->first, p->count};
        }
        for (int i = 0; i < arrays; i++)
            d->ops->download(d, array[i].data, from[i], (size_t)array[i].count * sizeof(float));
        struct checkpoint c = {job_path(job, "checkpoints", folder),
                               t->step,
                               job->deck,
                               job->settings.forward.mode,
                               array,
                               arrays,
                               table,
                               names,
                               job->settings.train.keep,
                               job->settings.train.keep_every};
        failed = checkpoint_begin(&c, &t->writer);
        mem_free(table);
    }
    return comm_agree(job->comm, failed);
}

int trainer_save_end(struct trainer *t)
{
    int failed = checkpoint_end(t->writer, &t->write_s);
    t->writer = NULL;
    return comm_agree(t->job->comm, failed);
}

/* The step of a checkpoint file, and its folder; or -1, and path is the folder. */
static int64_t checkpoint_place(const char *path, char folder[JOB_PATH])
{
    long long step;
    int end = 0;
    snprintf(folder, JOB_PATH, "%s", path);
    char *name = strrchr(folder, '/');
    if (sscanf(name ? name + 1 : folder, "step-%lld.h5%n", &step, &end) != 1 || end == 0)
        return -1;
    if (name)
        *name = 0;
    else
        snprintf(folder, JOB_PATH, ".");
    return step;
}

/* A new run starts from random weights or from the averaged ones of train.init (rank 0 reads). */
static int start_from_init(struct trainer *t)
{
    struct job *job = t->job;
    struct device *d = job->device;
    const char *path = job->settings.train.init;
    struct checkpoint_array average = {"ema", t->state_host, t->model.param_count};
    size_t bytes = (size_t)average.count * sizeof(float);
    char folder[JOB_PATH];
    int failed = 0;
    if (!*path)
        return 0;
    const char *end = strrchr(path, '.');
    if (end && !strcmp(end, ".safetensors")) {
        failed = job->comm->rank == 0 && network_file_read(path, t->model.graph, average.data);
    } else if (job->comm->rank == 0) {
        int64_t step = checkpoint_place(path, folder);
        if (step < 0)
            step = checkpoint_find(folder, NULL);
        if (step < 0)
            log_error("&train init = '%s' is neither a checkpoint nor a folder with one", path);
        failed = step < 0 || checkpoint_read(folder, step, &average, 1);
        if (!failed)
            log_info("starting from the averaged weights of step %lld in %s", (long long)step,
                     folder);
    }
    if (comm_agree(job->comm, failed))
        return 1;
    job->comm->ops->bcast(job->comm, average.data, bytes, 0);
    d->ops->upload(d, t->optimizer->params, average.data, bytes);
    d->ops->copy(d, t->optimizer->average, t->optimizer->params, bytes);
    return 0;
}

int trainer_resume(struct trainer *t)
{
    struct job *job = t->job;
    struct device *d = job->device;
    struct checkpoint_array array[4];
    float *to[4];
    char folder[JOB_PATH];
    int64_t step = -1;
    int failed = 0, arrays = state_arrays(t, array, to);
    if (job->comm->rank == 0) {
        char *stored = NULL;
        step = checkpoint_find(job_path(job, "checkpoints", folder), &stored);
        if (step >= 0) {
            failed = !job_matches(job, FILE_CHECKPOINT, folder, stored, 0);
            if (failed)
                log_error("%s belongs to another deck (above); change run.out, or remove it to "
                          "train anew",
                          folder);
            else
                failed = checkpoint_read(folder, step, array, arrays);
        }
        mem_free(stored);
    }
    if (comm_agree(job->comm, failed))
        return 1;
    job->comm->ops->bcast(job->comm, &step, sizeof step, 0);
    if (step < 0)
        return start_from_init(t);
    for (int i = 0; i < arrays; i++) {
        size_t bytes = (size_t)array[i].count * sizeof(float);
        job->comm->ops->bcast(job->comm, array[i].data, bytes, 0);
        d->ops->upload(d, to[i], array[i].data, bytes);
    }
    t->step = step;
    return 0;
}
