/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/heldout.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "files/dataset.h"

/* Velocity keys and noise of held-out images: beyond those of training images and of priors. */
static const int64_t numbered_from = (int64_t)1 << 49;

/* dataset.h5 of this deck with a test split, or *file = NULL. */
static int open_images(struct job *job, struct dataset_shape *shape, struct h5_file **file)
{
    char path[JOB_PATH], *stored = NULL;
    int there = 0;
    *file = NULL;
    job_path(job, "dataset.h5", path);
    if (job->comm->rank == 0)
        there = h5_probe(path, "peclet-dataset", &stored) == 3 && stored &&
                job_matches(job, FILE_DATASET, path, stored, 1);
    mem_free(stored);
    job->comm->ops->bcast(job->comm, &there, sizeof there, 0);
    if (!there || job->settings.train.heldout == 0)
        return 0;
    int failed = dataset_open(path, NULL, shape, file);
    if (!failed && shape->test_count == 0) {
        h5_close(*file);
        *file = NULL;
    }
    return comm_agree(job->comm, failed);
}

int heldout_open(struct job *job, int batch, struct heldout *h)
{
    struct device *d = job->device;
    struct dataset_shape shape;
    int64_t wanted = job->settings.train.heldout;
    *h = (struct heldout){0};
    if (open_images(job, &shape, &h->dataset))
        return 1;
    if (!h->dataset)
        return 0;
    h->images = wanted < shape.test_count ? wanted : shape.test_count;
    h->mine = split_even(h->images, job->comm->size, job->comm->rank);
    h->target = target_find(job->settings.train.target);
    if (job_plan(job, shape.width, shape.channels, &h->plan, &h->field) ||
        model_create(job, shape.width, shape.channels, batch, 0, &h->model))
        return 1;
    corruption_create(d, &h->plan, batch, batch, &h->corruption);
    size_t bytes = (size_t)(batch * h->corruption.per_image) * sizeof(float);
    float **images[] = {&h->u, &h->delta, &h->input, &h->want, &h->output};
    for (int i = 0; i < 5; i++)
        *images[i] = d->ops->alloc(d, bytes);
    h->loss = d->ops->alloc(d, (size_t)batch * sizeof(float));
    h->loss_host = mem_alloc((size_t)batch * sizeof(float));
    h->level = mem_alloc((size_t)batch * sizeof *h->level);
    return 0;
}

void heldout_close(struct job *job, struct heldout *h)
{
    struct device *d = job->device;
    float *images[] = {h->u, h->delta, h->input, h->want, h->output, h->loss};
    for (int i = 0; i < 6; i++)
        d->ops->free(d, images[i]);
    corruption_free(&h->corruption);
    model_free(&h->model);
    physics_plan_free(&h->plan);
    mem_free(h->field);
    mem_free(h->loss_host);
    mem_free(h->level);
    h5_close(h->dataset);
    *h = (struct heldout){0};
}

/* Losses of images first..first+count to loss_host, their levels to level. */
static int measure_some(struct job *job, struct heldout *h, int64_t first, int count)
{
    struct device *d = job->device;
    struct corruption *c = &h->corruption;
    struct network *net = &h->model.network;
    uint64_t seed = (uint64_t)job->settings.run.seed;
    int64_t per = c->per_image, values = count * per;
    struct draw_key draw = {seed, numbered_from + first, 0};
    if (job_read_images(h->dataset, 1, first, count, per, c->host))
        return 1;
    for (int i = 0; i < count; i++) {
        c->keys[i] = (uint64_t)(numbered_from + first + i);
        h->level[i] = corruption_level(seed, (uint64_t)numbered_from, first + i, h->images,
                                       h->plan.level_count);
        c->captures[i] = (struct adr_capture){h->level[i], i, i};
    }
    corruption_run(c, count, count, h->u, h->delta);
    d->ops->copy(d, h->input, h->u, (size_t)values * sizeof(float));
    d->ops->upload(d, h->model.draw, &draw, sizeof draw);
    d->ops->add_normal(d, count, per, job->settings.train.noise, RNG_TRAIN_NOISE, h->model.draw,
                       h->input);
    net->set_levels(net, count, h->level);
    net->eval(net, count, h->input, h->output);
    h->target->want(d, values, &(struct target_pair){h->input, h->u, h->delta, c->x0}, h->want);
    d->ops->squared_error(d, count, per, h->output, h->want, 1.0, h->loss, NULL);
    d->ops->download(d, h->loss_host, h->loss, (size_t)count * sizeof(float));
    return 0;
}

int heldout_measure(struct job *job, struct heldout *h, const float *average,
                    struct heldout_loss *out)
{
    double sum[2 * HELDOUT_BINS] = {0}, total = 0; /* sums, then counts */
    int levels = h->plan.level_count, failed = 0;
    int bins = levels < HELDOUT_BINS ? levels : HELDOUT_BINS;
    graph_use_params(h->model.graph, average);
    for (int64_t done = 0; done < h->mine.count && !failed; done += h->model.batch) {
        int64_t left = h->mine.count - done;
        int count = (int)(left < h->model.batch ? left : h->model.batch);
        failed = measure_some(job, h, h->mine.first + done, count);
        for (int i = 0; i < count && !failed; i++) {
            int bin = (int)((int64_t)(h->level[i] - 1) * bins / levels);
            sum[bin] += (double)h->loss_host[i];
            sum[HELDOUT_BINS + bin] += 1;
        }
    }
    if (comm_agree(job->comm, failed))
        return 1;
    job->comm->ops->sum_f64(job->comm, sum, 2 * HELDOUT_BINS);
    for (int b = 0; b < bins; b++) {
        out->by_level[b] = sum[b] / sum[HELDOUT_BINS + b];
        total += sum[b];
    }
    out->bins = bins;
    out->mean = total / (double)h->images;
    return 0;
}
