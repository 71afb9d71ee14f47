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
#include "tasks/train_log.h"
#include "tasks/trainer.h"

static void reduce_range(void *context, int64_t first, int64_t count)
{
    struct trainer *t = context;
    t->job->comm->ops->sum_start(t->job->comm, t->grads + first, count);
}

/* Uploads of a micro-batch, places first..first+count of the global batch. */
static int load(struct trainer *t, int64_t first, int64_t count)
{
    struct job *job = t->job;
    struct device *d = job->device;
    struct model *m = &t->model;
    struct draw_key draw = {(uint64_t)job->settings.run.seed, first, (uint32_t)t->step};
    if (batch_load(job, &t->source, t->step, job->settings.train.batch, first, count, t->u,
                   t->delta))
        return 1;
    for (int i = 0; i < m->batch; i++)
        m->level_host[i] = i < count ? t->source.host_level[i] : 1;
    d->ops->upload(d, m->level, m->level_host, (size_t)m->batch * sizeof *m->level);
    d->ops->upload(d, m->draw, &draw, sizeof draw);
    return 0;
}

/* What was loaded through the network, to image_loss and doutput. */
static void forward(struct trainer *t, const struct graph_call *call, int64_t count)
{
    struct device *d = t->job->device;
    const struct train_settings *s = &t->job->settings.train;
    struct model *m = &t->model;
    int64_t per_image = t->source.per_image;
    timer_begin("train/forward");
    d->ops->copy(d, m->image, t->u, (size_t)(count * per_image) * sizeof(float));
    d->ops->add_normal(d, (int)count, per_image, s->noise, RNG_TRAIN_NOISE, m->draw, m->image);
    t->target->want(d, count * per_image,
                    &(struct target_pair){m->image, t->u, t->delta, t->source.x0}, t->want);
    const float *output = graph_forward(m->graph, call);
    d->ops->zero(d, t->doutput, (size_t)m->batch * (size_t)per_image * sizeof(float));
    d->ops->squared_error(d, (int)count, per_image, output, t->want, 1.0 / (double)s->batch,
                          t->image_loss, t->doutput);
    timer_end("train/forward");
}

static void backward(struct trainer *t, const struct graph_call *call, int reduce)
{
    timer_begin("train/backward");
    graph_backward(t->model.graph, call, t->doutput, t->grads, reduce ? reduce_range : NULL, t);
    timer_end("train/backward");
}

/* Both passes, as one repeat for each count: the counts of a rank's micro-batches differ by one at most, so they are
 * told apart by being odd. The backward pass whose gradients are reduced on the way stays outside. */
static void pass(struct trainer *t, int64_t count, int reduce)
{
    struct device *d = t->job->device;
    struct graph_call call = {t->model.image, t->model.level, t->model.draw};
    struct repeat **r = reduce ? &t->forward[count % 2] : &t->pass[count % 2];
    timer_begin("train/pass");
    if (d->ops->repeat_begin(d, r)) {
        forward(t, &call, count);
        if (!reduce)
            backward(t, &call, 0);
        d->ops->repeat_end(d, *r);
    }
    if (reduce)
        backward(t, &call, 1);
    timer_end("train/pass");
}

/* The optimizer's step and what follows from it. */
static void update(struct trainer *t)
{
    struct device *d = t->job->device;
    timer_begin("train/optimizer");
    optimizer_begin(t->optimizer, t->step);
    if (d->ops->repeat_begin(d, &t->update)) {
        optimizer_step(t->optimizer, t->grads);
        graph_params_moved(t->model.graph);
        d->ops->zero(d, t->grads, (size_t)t->model.param_count * sizeof(float));
        d->ops->repeat_end(d, t->update);
    }
    timer_end("train/optimizer");
}

/* A rank without images goes through the motions with a zero gradient. */
static int train_step(struct trainer *t)
{
    struct job *job = t->job;
    struct device *d = job->device;
    const struct train_settings *s = &job->settings.train;
    struct range mine = split_even(s->batch, job->comm->size, job->comm->rank);

    for (int a = 0; a < (int)s->accumulate; a++) {
        struct range part = split_even(mine.count, (int)s->accumulate, a);
        float *loss = t->loss + ((int64_t)t->loss_steps * s->accumulate + a) * t->capacity;
        timer_begin("train/read");
        int failed = load(t, mine.first + part.first, part.count);
        timer_end("train/read");
        if (comm_agree(job->comm, failed)) /* before any rank enters the reductions */
            return 1;
        pass(t, part.count, job->comm->size > 1 && a == (int)s->accumulate - 1);
        d->ops->copy(d, loss, t->image_loss, (size_t)part.count * sizeof(float));
    }
    timer_begin("train/reduce wait");
    job->comm->ops->sum_wait(job->comm);
    timer_end("train/reduce wait");
    t->step++;
    t->loss_steps++;
    update(t);
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

/* A line of the log; with `save`, a checkpoint and the held-out loss too, which there is no time for when `leaving`. */
static int show_and_save(struct trainer *t, struct train_log *log, int save, int leaving,
                         double since_s, double *loss)
{
    if (report(t, log, save && !leaving, since_s, loss))
        return 1;
    if (!save)
        return 0;
    timer_begin("train/checkpoint");
    int failed = trainer_save_end(t) || trainer_save_begin(t);
    timer_end("train/checkpoint");
    return failed;
}

static int train_loop(struct trainer *t)
{
    struct job *job = t->job;
    const struct train_settings *s = &job->settings.train;
    double step_s = 0, save_s = 0, mark_s = timer_now_s(), loss = 0;
    struct progress progress;
    struct train_log log;
    char path[JOB_PATH], extra[64] = "";

    if (comm_agree(job->comm, train_log_open(&log, job->comm->rank,
                                             job_path(job, "log.jsonl", path), t->step)))
        return TASK_FAILED;
    progress_start(&progress, "train", "steps", t->step, s->steps);
    int failed = 0, stop = 0;
    while (t->step < s->steps && stop != STOP_LEAVE) {
        double began = timer_now_s();
        if ((failed = train_step(t)))
            break;
        step_s = fmax(step_s, timer_now_s() - began);
        stop = stop_requested(job, step_s + save_s + t->write_s);
        int save = stop || t->step == s->steps ||
                   (s->checkpoint_every > 0 && t->step % s->checkpoint_every == 0);
        if (save || t->step % s->log_every == 0) {
            double pause = timer_now_s();
            if ((failed = show_and_save(t, &log, save, stop == STOP_LEAVE, mark_s, &loss)))
                break;
            snprintf(extra, sizeof extra, "loss %.4g", loss);
            mark_s = timer_now_s();
            if (save)
                save_s = mark_s - pause;
        }
        progress_show(&progress, t->step, extra);
    }
    failed |= trainer_save_end(t);
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
    if (!failed && !trainer_resume(&t)) {
        if (t.step > 0)
            log_info("going on from the checkpoint of step %lld", (long long)t.step);
        log_info("network: %.2f M parameters, %.0f MB of activations and gradients a rank, %s",
                 (double)t.model.param_count * 1e-6,
                 (double)graph_arena_bytes(t.model.graph) * 1e-6,
                 job->precision == DTYPE_BF16 ? "bf16" : "fp32");
        graph_use_params(t.model.graph, t.optimizer->params);
        result = t.step >= job->settings.train.steps ? TASK_DONE : train_loop(&t);
    }
    trainer_free(&t);
    timer_end("train");
    return comm_agree(job->comm, result);
}
