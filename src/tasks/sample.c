/* SPDX-License-Identifier: Apache-2.0
 * sample: Algorithm 2 of Beyond Blur, sharded over ranks by global sample index. Sample i starts
 * from a training or held-out image corrupted to level K with a velocity no image was trained with;
 * the noise of the walk is keyed by (seed, i, level). So a sample does not depend on the rank
 * count, the batch or a restart. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/png.h"
#include "base/rng.h"
#include "base/timer.h"
#include "files/samples.h"
#include "tasks/drawing.h"
#include "tasks/room.h"

enum { CHAIN_ROWS = 6, CHAIN_COLUMNS = 11 };

/* How many samples start from held-out images; they come first. */
static int64_t held_out_seeds(const struct sample_settings *s)
{
    return !strcmp(s->prior_split, "test")   ? s->count
           : !strcmp(s->prior_split, "both") ? (s->count + 1) / 2
                                             : 0;
}

/* The trained network with its averaged weights, or the closed form on the training images. */
static int open_network(struct job *job, struct drawing *w)
{
    int batch = (int)job->settings.sample.batch;
    if (!strcmp(job->settings.network.kind, "exact")) {
        log_info(
            "sampling with the exact answer for %lld training images: copies are to be expected",
            (long long)w->shape.count);
        int failed = finite_data_create(job, w->dataset, &w->shape, &w->plan, batch, &w->finite);
        w->network = w->finite.network;
        return failed;
    }
    w->network = &w->model.network;
    if (room_for_sampling(job, w->shape.width, w->shape.channels) ||
        model_create(job, w->shape.width, w->shape.channels, batch, 0, &w->model) ||
        model_load_ema(job, &w->model, &w->step))
        return 1;
    log_info("sampling with the averaged weights of step %lld", (long long)w->step);
    return 0;
}

static int drawing_create(struct job *job, struct drawing *w)
{
    const struct sample_settings *s = &job->settings.sample;
    struct device *d = job->device;
    char path[JOB_PATH];

    *w = (struct drawing){.job = job,
                          .target = target_find(job->settings.train.target),
                          .sampler = sampler_find(s->sampler)};
    if (job_require(job, FILE_DATASET, job_path(job, "dataset.h5", path), "peclet-dataset",
                    "import") ||
        dataset_open(path, NULL, &w->shape, &w->dataset))
        return 1;
    w->held_out = held_out_seeds(s);
    if (w->held_out > 0 && w->shape.test_count == 0) {
        log_error("%s has no held-out images to start samples from; set &sample prior_split = "
                  "'train', or &dataset "
                  "test_path or test_fraction",
                  path);
        return 1;
    }
    if (job_plan(job, w->shape.width, w->shape.channels, &w->plan, &w->field) ||
        open_network(job, w))
        return 1;
    w->steps = s->levels ? (int)s->levels : w->plan.level_count;
    corruption_create(d, &w->plan, (int)s->batch, s->batch, &w->priors);
    w->per_image = w->priors.per_image;
    size_t floats = (size_t)s->batch * (size_t)w->per_image;
    w->x = d->ops->alloc(d, floats * sizeof(float));
    w->scratch = d->ops->alloc(d, floats * sizeof(float));
    w->images = mem_alloc(floats * sizeof(float));
    w->prior = mem_alloc(floats * sizeof(float));
    w->seed_image = mem_alloc((size_t)s->batch * sizeof *w->seed_image);
    return 0;
}

static void drawing_free(struct drawing *w)
{
    struct device *d = w->job->device;
    d->ops->free(d, w->x);
    d->ops->free(d, w->scratch);
    corruption_free(&w->priors);
    finite_data_free(&w->finite);
    model_free(&w->model);
    h5_close(w->dataset);
    physics_plan_free(&w->plan);
    mem_free(w->field);
    mem_free(w->images);
    mem_free(w->prior);
    mem_free(w->seed_image);
    mem_free(w->chain);
}

/* Priors of samples first..first+count: u_K of seed images, noise-free, to w->x and w->prior. */
static int make_priors(struct drawing *w, int64_t first, int count)
{
    struct job *job = w->job;
    struct corruption *c = &w->priors;

    for (int i = 0; i < count; i++) {
        int64_t sample = first + i, place = sample;
        int test = sample < w->held_out;
        int64_t from = test ? w->shape.test_count : w->shape.count;
        if (!test)
            place -= w->held_out; /* in either split seeds are taken in the same order */
        w->seed_image[i] = permuted((uint64_t)job->settings.run.seed, RNG_SEED_IMAGE,
                                    (uint32_t)(place / from), from, place % from);
        if (job_read_images(w->dataset, test, w->seed_image[i], 1, w->per_image,
                            c->host + i * w->per_image))
            return 1;
        c->keys[i] = prior_velocity_key(sample);
        c->captures[i] = (struct adr_capture){w->plan.level_count, i, i};
    }
    corruption_run(c, count, count, w->x, NULL);
    job->device->ops->download(job->device, w->prior, w->x,
                               (size_t)(count * w->per_image) * sizeof(float));
    return 0;
}

/* Keeps the means of steps spread over the walk for chain.png. */
static void keep_chain(void *context, int done, const float *mean)
{
    struct drawing *w = context;
    int64_t per_image = w->per_image;
    for (int c = 1; c < w->chain_columns; c++)
        if (c * w->steps / (w->chain_columns - 1) == done)
            for (int r = 0; r < w->chain_rows; r++)
                w->job->device->ops->download(
                    w->job->device, w->chain + ((int64_t)r * w->chain_columns + c) * per_image,
                    mean + r * per_image, (size_t)per_image * sizeof(float));
}

static int draw(struct drawing *w, int64_t first, int count)
{
    struct job *job = w->job;
    int64_t per_image = w->per_image;
    struct sampler_args args = {.noise = job->settings.sample.noise,
                                .seed = (uint64_t)job->settings.run.seed,
                                .steps = w->steps,
                                .keys = w->priors.keys,
                                .first_sample = first};

    int failed = make_priors(w, first, count);
    if (w->network->collective) /* the walk is then a conversation of all ranks */
        failed = comm_agree(job->comm, failed);
    if (failed)
        return 1;
    if (first == 0 && count > 0) {
        w->chain_rows = count < CHAIN_ROWS ? count : CHAIN_ROWS;
        w->chain_columns = w->steps < CHAIN_COLUMNS ? w->steps + 1 : CHAIN_COLUMNS;
        w->chain =
            mem_alloc((size_t)(w->chain_rows * w->chain_columns * per_image) * sizeof(float));
        for (int r = 0; r < w->chain_rows; r++)
            memcpy(w->chain + (int64_t)r * w->chain_columns * per_image, w->prior + r * per_image,
                   (size_t)per_image * sizeof(float));
        args.after_step = keep_chain;
        args.context = w;
    }
    failed = w->sampler(w->priors.process, w->target, w->network, count, w->x, w->scratch, &args);
    job->device->ops->download(job->device, w->images, w->x,
                               (size_t)(count * per_image) * sizeof(float));
    return failed;
}

static int draw_all(struct drawing *w, struct h5_file *file, int64_t done)
{
    struct job *job = w->job;
    struct comm *comm = job->comm;
    const struct sample_settings *s = &job->settings.sample;
    double round_s = 0;
    struct progress progress;
    progress_start(&progress, "sample", "images", done, s->count);
    while (done < s->count) {
        double began = timer_now_s();
        int64_t first = done + s->batch * comm->rank, left = s->count - first;
        int count = (int)(left <= 0 ? 0 : left < s->batch ? left : s->batch);
        timer_begin("sample/walk");
        int failed = (count > 0 || w->network->collective) && draw(w, first, count);
        timer_end("sample/walk");
        if (comm_agree(comm, failed))
            return TASK_FAILED;
        timer_begin("sample/write");
        failed = samples_write(file, count ? first : 0, count, w->images, w->prior, w->seed_image);
        done = done + s->batch * comm->size < s->count ? done + s->batch * comm->size : s->count;
        failed = comm_agree(comm, failed) || samples_mark(file, done);
        timer_end("sample/write");
        if (comm_agree(comm, failed))
            return TASK_FAILED;
        progress_show(&progress, done, NULL);
        round_s = timer_now_s() - began > round_s ? timer_now_s() - began : round_s;
        if (done < s->count && stop_requested(job, round_s) == STOP_LEAVE) {
            log_info("sampling stopped (%s) after %lld of %lld; run again to go on", stop_reason(),
                     (long long)done, (long long)s->count);
            return TASK_STOPPED;
        }
    }
    progress_end(&progress, done);
    return TASK_DONE;
}

/* samples.png from the file, chain.png from what rank 0 kept. Rank 0. */
static int draw_pictures(struct drawing *w, const char *samples_path)
{
    struct job *job = w->job;
    int64_t count = job->settings.sample.count, per_image = w->per_image;
    int columns = count >= 64 ? 16 : 8, rows = (int)(count / columns < 8 ? count / columns : 8);
    int zoom = w->plan.side < 64 ? 2 : 1, failed = 0;
    struct h5_file *file = NULL;
    char path[JOB_PATH];

    if (w->chain)
        failed = png_write_grid(job_path(job, "chain.png", path), w->chain_rows, w->chain_columns,
                                w->plan.side, w->plan.channels, zoom, w->chain);
    if (rows == 0) {
        rows = 1;
        columns = (int)count;
    }
    float *grid = mem_alloc((size_t)(rows * columns * per_image) * sizeof(float));
    failed |= h5_open(samples_path, NULL, 0, "", &file) ||
              h5_read_rows(file, "/images", 0, rows * columns, grid);
    if (!failed)
        failed = png_write_grid(job_path(job, "samples.png", path), rows, columns, w->plan.side,
                                w->plan.channels, zoom, grid);
    if (!failed && job->settings.sample.interpolate > 0)
        failed = draw_interpolation_picture(w, file);
    h5_close(file);
    mem_free(grid);
    return failed;
}

/* /seed_split uint8 [M]: 1 where the seed is a held-out image. Known from the start; written at every
 * start, for whoever died here may have left it without its numbers. */
static int write_seed_split(struct drawing *w, struct h5_file *file)
{
    int64_t count = w->job->settings.sample.count, mine = w->job->comm->rank ? 0 : count;
    uint8_t *test = mem_zalloc((size_t)count);
    memset(test, 1, (size_t)w->held_out);
    int failed = (!h5_dataset_exists(file, "/seed_split") &&
                  h5_dataset_create(file, "/seed_split", H5_U8, 1, &count, 0, "", "M")) ||
                 h5_write_rows(file, "/seed_split", 0, mine, test) || h5_flush(file);
    mem_free(test);
    return failed;
}

/* What rank 0 finds at path: samples of this deck and of the checkpoint of this step, complete (2)
 * or not (1); else 0. */
static int look_at_samples(struct job *job, const char *path, int64_t step)
{
    static const char *const what[] = {
        "dataset",         "forward",  "velocity", "lbm",  "store.kind",   "store.pairs_per_image",
        "store.precision", "run.seed", "network",  "unet", "train.target", "train.noise",
        "sample"};
    char *stored = NULL;
    struct h5_file *file = NULL;
    int64_t from = -1;
    int state = h5_probe(path, "peclet-samples", &stored);
    int usable = state >= 2 && stored &&
                 deck_differences(path, stored, job->settings.groups, job->settings.group_count,
                                  what, sizeof what / sizeof *what, 1) == 0;
    if (usable && !h5_open(path, NULL, 0, "", &file)) {
        usable = h5_has_attribute(file, "checkpoint_step") &&
                 !h5_get_int(file, "checkpoint_step", &from) && from == step;
        h5_close(file);
    }
    mem_free(stored);
    if (state >= 1 && !usable)
        log_info("%s is of another deck or checkpoint, or unreadable, and is drawn again", path);
    return usable ? state - 1 : 0;
}

int task_sample(struct job *job)
{
    const struct sample_settings *s = &job->settings.sample;
    struct drawing w = {.job = job};
    struct h5_file *file = NULL;
    char path[JOB_PATH];
    int64_t done = 0;
    int found = 0, result = TASK_FAILED;

    timer_begin("sample");
    job_path(job, "samples.h5", path);
    int failed = comm_agree(job->comm, drawing_create(job, &w));
    if (!failed && job->comm->rank == 0)
        found = look_at_samples(job, path, w.step);
    job->comm->ops->bcast(job->comm, &found, sizeof found, 0);
    if (!failed && found == 2) {
        log_info("%s is complete", path);
        result = TASK_DONE;
    } else if (!failed) {
        failed = samples_create(path, job->comm, s->count, w.plan.side, w.plan.channels, s->batch,
                                job->deck, job->settings.forward.mode, found == 1, &file, &done);
        if (!failed && !found)
            failed = h5_set_int(file, "checkpoint_step", w.step);
        failed = failed || write_seed_split(&w, file);
        if (done > 0)
            log_info("%s: going on after %lld of %lld samples", path, (long long)done,
                     (long long)s->count);
        result = failed ? TASK_FAILED : draw_all(&w, file, done);
        if (result == TASK_DONE && s->interpolate > 0 && draw_interpolation(&w, file))
            result = TASK_FAILED;
        int close_failed = result == TASK_DONE ? samples_finish(file) : h5_close(file);
        if (comm_agree(job->comm, close_failed))
            result = TASK_FAILED;
        else if (result == TASK_DONE) {
            if (job->comm->rank == 0)
                draw_pictures(&w, path);
            draw_nearest(&w, path);
        }
    }
    drawing_free(&w);
    timer_end("sample");
    return comm_agree(job->comm, result);
}
