/* SPDX-License-Identifier: Apache-2.0
 * train: Algorithm 1 of Beyond Blur, data-parallel. A step, on every rank:
 *
 * - u_k, delta, k are this rank's places of the global batch (batch.h: the same for every rank
 *   count); the input is u_k + sigma_T n, with n keyed by (seed, step, place)
 * - loss = sum over pixels of || F(input, k) - want ||^2, mean over the global batch
 * - gradients are summed over ranks, each range as soon as its backward is done; clip; Adam; EMA */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/timer.h"
#include "files/checkpoint.h"
#include "nn/optimizer.h"
#include "tasks/batch.h"
#include "tasks/heldout.h"
#include "tasks/network_file.h"
#include "tasks/train_log.h"

struct trainer {
    struct job *job;
    struct model model;
    struct optimizer *optimizer;
    struct batch_source source;
    struct heldout heldout;
    const struct target *target;
    float *u, *delta, *want, *doutput; /* device [capacity, per_image] */
    float *grads;                      /* device [param_count] */
    float *loss; /* device [log_every, accumulate, capacity], summed on the host at log time */
    float *loss_host;
    int capacity;      /* images of a micro-batch */
    int loss_steps;    /* steps in `loss` so far */
    int64_t step;      /* steps done */
    float *state_host; /* [4 * param_count] staging of checkpoints */
};

static void trainer_free(struct trainer *t)
{
    struct device *d = t->job->device;
    float *buffers[] = {t->u, t->delta, t->want, t->doutput, t->grads, t->loss};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        d->ops->free(d, buffers[i]);
    if (t->optimizer)
        optimizer_destroy(t->optimizer);
    batch_source_close(t->job, &t->source);
    heldout_close(t->job, &t->heldout);
    model_free(&t->model);
    mem_free(t->loss_host);
    mem_free(t->state_host);
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
}

static int trainer_create(struct job *job, struct trainer *t)
{
    const struct train_settings *s = &job->settings.train;
    struct device *d = job->device;
    int64_t mine = (s->batch + job->comm->size - 1) / job->comm->size;

    *t =
        (struct trainer){.job = job, .capacity = (int)((mine + s->accumulate - 1) / s->accumulate)};
    t->target = target_find(s->target);
    int failed = batch_source_open(job, t->capacity, &t->source) ||
                 model_create(job, t->source.shape.side, t->source.shape.channels, t->capacity, 1,
                              &t->model);
    if (comm_agree(job->comm, failed) || heldout_open(job, t->capacity, &t->heldout))
        return 1;
    size_t floats = (size_t)t->capacity * (size_t)t->source.per_image;
    size_t losses = (size_t)(s->log_every * s->accumulate) * (size_t)t->capacity;
    t->u = d->ops->alloc(d, floats * sizeof(float));
    t->delta = d->ops->alloc(d, floats * sizeof(float));
    t->want = d->ops->alloc(d, floats * sizeof(float));
    t->doutput = d->ops->alloc(d, floats * sizeof(float));
    t->grads = d->ops->alloc(d, (size_t)t->model.param_count * sizeof(float));
    t->loss = d->ops->alloc(d, losses * sizeof(float));
    d->ops->zero(d, t->loss, losses * sizeof(float));
    t->loss_host = mem_alloc(losses * sizeof(float));
    t->state_host = mem_alloc(4 * (size_t)t->model.param_count * sizeof(float));
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

static int save(struct trainer *t)
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
        failed = checkpoint_write(job_path(job, "checkpoints", folder), t->step, job->deck,
                                  job->settings.forward.mode, array, arrays, table, names,
                                  job->settings.train.keep, job->settings.train.keep_every);
        mem_free(table);
    }
    return comm_agree(job->comm, failed);
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

/* Finds the newest good checkpoint of a run with the same physics and network and goes on there. */
static int resume(struct trainer *t)
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

static void reduce_range(void *context, int64_t first, int64_t count)
{
    struct trainer *t = context;
    t->job->comm->ops->sum_start(t->job->comm, t->grads + first, count);
}

/* One micro-batch, places first..first+count of the global batch. Gradients are added to t->grads;
 * on the last one each finished range starts its way over the ranks. A rank without images goes
 * through the motions with a zero gradient. */
static int micro_step(struct trainer *t, int64_t first, int64_t count, float *loss, int last)
{
    struct job *job = t->job;
    struct device *d = job->device;
    const struct train_settings *s = &job->settings.train;
    struct model *m = &t->model;
    int64_t per_image = t->source.per_image;
    uint64_t seed = (uint64_t)job->settings.run.seed;
    uint32_t number = (uint32_t)t->step;
    struct graph_call call = {m->image, m->level, seed, number, first};

    timer_begin("train/read");
    int failed = batch_load(job, &t->source, t->step, s->batch, first, count, t->u, t->delta);
    timer_end("train/read");
    if (comm_agree(job->comm, failed)) /* before any rank enters the reductions */
        return 1;
    for (int i = 0; i < m->batch; i++)
        m->level_host[i] = i < count ? t->source.host_level[i] : 1;
    d->ops->upload(d, m->level, m->level_host, (size_t)m->batch * sizeof *m->level);
    d->ops->copy(d, m->image, t->u, (size_t)(count * per_image) * sizeof(float));
    d->ops->add_normal(d, (int)count, per_image, s->noise, seed, RNG_TRAIN_NOISE, number, first,
                       m->image);
    t->target->want(d, count * per_image, m->image, t->u, t->delta, t->want);

    timer_begin("train/forward");
    const float *output = graph_forward(m->graph, &call);
    d->ops->zero(d, t->doutput, (size_t)m->batch * (size_t)per_image * sizeof(float));
    d->ops->squared_error(d, (int)count, per_image, output, t->want, 1.0 / (double)s->batch, loss,
                          t->doutput);
    timer_end("train/forward");
    timer_begin("train/backward");
    graph_backward(m->graph, &call, t->doutput, t->grads, last ? reduce_range : NULL, t);
    timer_end("train/backward");
    return 0;
}

static int train_step(struct trainer *t)
{
    struct job *job = t->job;
    struct device *d = job->device;
    const struct train_settings *s = &job->settings.train;
    struct range mine = split_even(s->batch, job->comm->size, job->comm->rank);

    d->ops->zero(d, t->grads, (size_t)t->model.param_count * sizeof(float));
    for (int a = 0; a < (int)s->accumulate; a++) {
        struct range part = split_even(mine.count, (int)s->accumulate, a);
        float *loss = t->loss + ((int64_t)t->loss_steps * s->accumulate + a) * t->capacity;
        if (micro_step(t, mine.first + part.first, part.count, loss, a == (int)s->accumulate - 1))
            return 1;
    }
    timer_begin("train/reduce wait");
    job->comm->ops->sum_wait(job->comm);
    timer_end("train/reduce wait");
    timer_begin("train/optimizer");
    t->step++;
    t->loss_steps++;
    optimizer_step(t->optimizer, t->grads, t->step);
    graph_use_params(t->model.graph, t->optimizer->params);
    timer_end("train/optimizer");
    return 0;
}

/* Mean loss of the steps since the last call, over the global batch, and the last gradient norm.
 * Non-zero if either is not finite: the parameters are lost then, the last checkpoint is not. */
static int read_loss(struct trainer *t, double *loss, double *norm)
{
    struct job *job = t->job;
    const struct train_settings *s = &job->settings.train;
    size_t n = (size_t)(t->loss_steps * s->accumulate) * (size_t)t->capacity;
    double sum = 0;
    job->device->ops->download(job->device, t->loss_host, t->loss, n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        sum += (double)t->loss_host[i];
    job->comm->ops->sum_f64(job->comm, &sum, 1);
    *loss = sum / (double)(s->batch * t->loss_steps);
    *norm = optimizer_grad_norm(t->optimizer);
    t->loss_steps = 0;
    if (isfinite(*loss) && isfinite(*norm))
        return 0;
    if (job->comm->rank == 0)
        log_error("the loss is no longer finite at step %lld (gradient norm %g). A lower "
                  "learning_rate, a longer warmup "
                  "or precision = 'fp32' cures it; the last checkpoint is whole, and training goes "
                  "on from there",
                  (long long)t->step, *norm);
    return 1;
}

/* A line of the log, with the held-out loss where `held_out`. since_s: when the steps since the last line began. */
static int report(struct trainer *t, struct train_log *log, int held_out, double since_s,
                  double *loss)
{
    struct job *job = t->job;
    struct heldout_loss on_heldout;
    struct train_report r = {.step = t->step};
    double images = (double)(t->loss_steps * job->settings.train.batch);
    if (read_loss(t, &r.loss, &r.grad_norm)) /* waits for the device */
        return 1;
    r.images_per_s = images / (timer_now_s() - since_s);
    if (held_out && t->heldout.dataset) {
        timer_begin("train/held-out");
        int failed = heldout_measure(job, &t->heldout, t->optimizer->average, &on_heldout);
        timer_end("train/held-out");
        if (failed)
            return 1;
        r.heldout = &on_heldout;
    }
    r.learning_rate = optimizer_learning_rate(&t->optimizer->settings, t->step);
    train_log_write(log, &r);
    *loss = r.loss;
    return 0;
}

static int timed_save(struct trainer *t, double *seconds)
{
    double began = timer_now_s();
    timer_begin("train/checkpoint");
    int failed = save(t);
    timer_end("train/checkpoint");
    *seconds = timer_now_s() - began;
    return failed;
}

static int train_loop(struct trainer *t)
{
    struct job *job = t->job;
    const struct train_settings *s = &job->settings.train;
    double save_s = 0, mark_s = timer_now_s(), loss = 0;
    struct progress progress;
    struct train_log log;
    char path[JOB_PATH], extra[64] = "";

    if (comm_agree(job->comm, train_log_open(&log, job->comm->rank,
                                             job_path(job, "log.jsonl", path), t->step)))
        return TASK_FAILED;
    progress_start(&progress, "train", "steps", t->step, s->steps);
    int failed = 0, stop = 0;
    while (t->step < s->steps && stop != STOP_LEAVE && !(failed = train_step(t))) {
        stop = stop_requested(job, save_s);
        int save_now = stop || t->step == s->steps ||
                       (s->checkpoint_every > 0 && t->step % s->checkpoint_every == 0);
        if (save_now || t->step % s->log_every == 0) {
            if ((failed = report(t, &log, save_now, mark_s, &loss)))
                break;
            snprintf(extra, sizeof extra, "loss %.4g", loss);
            if (save_now && (failed = timed_save(t, &save_s)))
                break;
            mark_s = timer_now_s();
        }
        progress_show(&progress, t->step, extra);
    }
    train_log_close(&log);
    if (failed)
        return TASK_FAILED;
    progress_end(&progress, t->step);
    if (t->step < s->steps) {
        log_info("training stopped (%s) after step %lld with a checkpoint; run again to go on",
                 stop_reason(), (long long)t->step);
        return TASK_STOPPED;
    }
    return TASK_DONE;
}

int task_train(struct job *job)
{
    struct trainer t = {.job = job};
    int result = TASK_FAILED;

    if (!strcmp(job->settings.network.kind, "exact")) {
        log_info("network 'exact' is a closed form on the training images: nothing to train");
        return TASK_DONE;
    }
    timer_begin("train");
    int failed = comm_agree(job->comm, trainer_create(job, &t));
    if (!failed && !resume(&t)) {
        log_info("network: %.2f M parameters, %.0f MB of activations and gradients a rank, %s",
                 (double)t.model.param_count * 1e-6,
                 (double)graph_arena_bytes(t.model.graph) * 1e-6,
                 job->precision == DTYPE_BF16 ? "bf16" : "fp32");
        if (t.step > 0)
            log_info("going on from the checkpoint of step %lld", (long long)t.step);
        graph_use_params(t.model.graph, t.optimizer->params);
        result = t.step >= job->settings.train.steps ? TASK_DONE : train_loop(&t);
    }
    trainer_free(&t);
    timer_end("train");
    return comm_agree(job->comm, result);
}
