/* SPDX-License-Identifier: Apache-2.0
 * precompute: dataset.h5 -> trajectories.h5. For every image, `pairs_per_image` levels k stratified
 * over 1..K, or all of them; stored are u_k and delta = u_{k-1} - u_k. Slabs of whole chunks go
 * round the ranks, so every rank count writes the same bytes. Without a store only the picture is
 * made. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/png.h"
#include "base/split.h"
#include "base/timer.h"
#include "files/dataset.h"
#include "files/trajectories.h"
#include "tasks/precompute.h"

enum { SLAB_BYTES = 16 << 20 }; /* of u in fp32, a rank and a write */

/* A slab on its way to the file; on the host, page-locked. */
struct slab {
    int64_t first, count; /* images */
    int32_t *level;       /* [images * pairs] */
    void *u, *delta;      /* in the file's type */
};

/* Everything the loop needs, allocated once. A GPU corrupts one slab while the one before it is written. */
struct maker {
    struct job *job;
    const struct adr_plan *plan;
    const struct trajectories_shape *shape;
    struct h5_file *dataset;
    int64_t images; /* of a slab, at most */
    struct corruption corruption;
    float *u, *delta; /* device */
    void *packed;     /* device, one of u and delta in the file's type */
    struct slab slab[2];
};

static void maker_create(struct maker *m)
{
    struct device *d = m->job->device;
    const struct trajectories_shape *t = m->shape;
    size_t pairs = (size_t)m->images * (size_t)t->pairs_per_image;
    size_t values = pairs * (size_t)t->side * (size_t)t->side * (size_t)t->channels;
    size_t bytes = values * (t->type == H5_F16 ? 2 : 4);
    corruption_create(d, m->plan, (int)m->images, (int64_t)pairs, &m->corruption);
    m->u = d->ops->alloc(d, values * sizeof(float));
    m->delta = d->ops->alloc(d, values * sizeof(float));
    m->packed = d->ops->alloc(d, bytes);
    for (int i = 0; i < 2; i++) {
        m->slab[i].level = mem_alloc(pairs * sizeof *m->slab[i].level);
        m->slab[i].u = d->ops->host_alloc(d, bytes);
        m->slab[i].delta = d->ops->host_alloc(d, bytes);
    }
}

static void maker_free(struct maker *m)
{
    struct device *d = m->job->device;
    d->ops->sync(d); /* a slab may be on its way */
    corruption_free(&m->corruption);
    d->ops->free(d, m->u);
    d->ops->free(d, m->delta);
    d->ops->free(d, m->packed);
    for (int i = 0; i < 2; i++) {
        mem_free(m->slab[i].level);
        d->ops->host_free(d, m->slab[i].u);
        d->ops->host_free(d, m->slab[i].delta);
    }
}

/* Issues the corruption of a slab's images; its arrays are there after the next sync. */
static void corrupt_slab(struct maker *m, struct slab *s)
{
    struct device *d = m->job->device;
    struct corruption *c = &m->corruption;
    const struct trajectories_shape *t = m->shape;
    int64_t pairs = t->pairs_per_image, values = s->count * pairs * c->per_image;
    enum dtype type = t->type == H5_F16 ? DTYPE_F16 : DTYPE_F32;
    size_t bytes = (size_t)values * dtype_bytes(type);

    for (int64_t i = 0; i < s->count; i++) {
        c->keys[i] = velocity_key(m->plan, s->first + i);
        for (int64_t j = 0; j < pairs; j++) {
            int level = t->all_levels ? (int)j + 1
                                      : corruption_level(m->plan->seed, (uint64_t)(s->first + i), j,
                                                         pairs, m->plan->level_count);
            s->level[i * pairs + j] = level;
            c->captures[i * pairs + j] = (struct adr_capture){level, (int)i, i * pairs + j};
        }
    }
    corruption_run(c, (int)s->count, s->count * pairs, m->u, m->delta);
    d->ops->cast(d, values, DTYPE_F32, m->u, type, m->packed);
    d->ops->download_start(d, s->u, m->packed, bytes);
    d->ops->cast(d, values, DTYPE_F32, m->delta, type, m->packed);
    d->ops->download_start(d, s->delta, m->packed, bytes);
}

/* This rank's slab of the round that begins with image `done`: read, and its corruption issued. Collective. */
static int begin_slab(struct maker *m, int64_t done, struct slab *s)
{
    struct comm *comm = m->job->comm;
    int64_t left;
    s->first = done + m->images * comm->rank;
    left = m->shape->images - s->first;
    s->count = left <= 0 ? 0 : left < m->images ? left : m->images;
    if (s->count == 0)
        s->first = 0;
    timer_begin("precompute/read");
    int failed = job_read_images(m->dataset, 0, s->first, s->count, m->corruption.per_image,
                                 m->corruption.host);
    timer_end("precompute/read");
    if (comm_agree(comm, failed))
        return 1;
    timer_begin("precompute/corrupt");
    corrupt_slab(m, s);
    timer_end("precompute/corrupt");
    return 0;
}

static int write_slab(struct maker *m, const struct slab *s, int64_t done, struct h5_file *file)
{
    struct comm *comm = m->job->comm;
    timer_begin("precompute/write");
    int failed = trajectories_write(file, m->shape, s->first, s->count, s->u, s->delta, s->level);
    failed = comm_agree(comm, failed) || trajectories_mark(file, done);
    timer_end("precompute/write");
    return comm_agree(comm, failed);
}

static int corrupt_all(struct maker *m, struct h5_file *file, int64_t done)
{
    struct job *job = m->job;
    int64_t images = m->shape->images, round = m->images * job->comm->size;
    double slowest_s = 0;
    struct progress progress;
    progress_start(&progress, "precompute", "images", done, images);
    struct slab *now = &m->slab[0], *next = &m->slab[1];
    if (done < images && begin_slab(m, done, now))
        return TASK_FAILED;
    while (done < images) {
        double began = timer_now_s();
        timer_begin("precompute/corrupt");
        job->device->ops->sync(job->device);
        timer_end("precompute/corrupt");
        done = done + round < images ? done + round : images;
        if (done < images && begin_slab(m, done, next))
            return TASK_FAILED;
        if (write_slab(m, now, done, file))
            return TASK_FAILED;
        struct slab *written = now;
        now = next;
        next = written;
        progress_show(&progress, done, NULL);
        slowest_s = timer_now_s() - began > slowest_s ? timer_now_s() - began : slowest_s;
        if (done < images && stop_requested(job, slowest_s) == STOP_LEAVE) {
            log_info("precompute stopped (%s) after %lld of %lld images; run again to go on",
                     stop_reason(), (long long)done, (long long)images);
            return TASK_STOPPED;
        }
    }
    progress_end(&progress, done);
    return TASK_DONE;
}

/* corruption.png: the first images (rows) at levels spread over 0..K (columns). Rank 0. */
static int draw_corruption(struct job *job, const struct adr_plan *plan)
{
    enum { ROWS = 6, COLUMNS = 11 };
    struct device *d = job->device;
    struct dataset_shape shape;
    struct h5_file *dataset = NULL;
    struct corruption c;
    char path[JOB_PATH];
    if (dataset_open(job_path(job, "dataset.h5", path), NULL, &shape, &dataset))
        return 1;
    int rows = shape.count < ROWS ? (int)shape.count : ROWS;
    int columns = plan->level_count < COLUMNS ? plan->level_count + 1 : COLUMNS,
        slots = rows * columns;
    corruption_create(d, plan, rows, slots, &c);
    size_t bytes = (size_t)(slots * c.per_image) * sizeof(float);
    float *host = mem_alloc(bytes), *u = d->ops->alloc(d, bytes);

    int failed = job_read_images(dataset, 0, 0, rows, c.per_image, c.host);
    for (int r = 0; r < rows; r++) {
        c.keys[r] = velocity_key(plan, r);
        for (int column = 0; column < columns; column++)
            c.captures[r * columns + column] = (struct adr_capture){
                column * plan->level_count / (columns - 1), r, (int64_t)r * columns + column};
    }
    corruption_run(&c, rows, slots, u, NULL);
    d->ops->download(d, host, u, bytes);
    if (!failed)
        failed = png_write_grid(job_path(job, "corruption.png", path), rows, columns, plan->side,
                                plan->channels, plan->side < 64 ? 2 : 1, host);
    corruption_free(&c);
    d->ops->free(d, u);
    mem_free(host);
    h5_close(dataset);
    return failed;
}

static void merge_stats(struct comm *comm, struct adr_stats *s)
{
    double sums[5] = {(double)s->images, (double)s->fields, (double)s->fields_over, s->velocity_s,
                      s->lbm_s};
    double tops[3] = {s->worst_ratio, s->worst_speed2, s->worst_cap > 0 ? -s->worst_cap : -1.0};
    comm->ops->sum_f64(comm, sums, 5);
    comm->ops->max_f64(comm, tops, 3);
    *s = (struct adr_stats){(int64_t)sums[0], (int64_t)sums[1], (int64_t)sums[2], tops[0],
                            tops[1],          -tops[2],         sums[3],          sums[4]};
    timer_add("precompute/velocity", s->velocity_s, s->images);
    timer_add("precompute/lbm", s->lbm_s, s->images);
}

struct trajectories_shape precompute_shape(const struct store_settings *s, int64_t images,
                                           const struct adr_plan *plan)
{
    int all = !strcmp(s->kind, "levels");
    return (struct trajectories_shape){.images = images,
                                       .pairs_per_image =
                                           all ? plan->level_count : s->pairs_per_image,
                                       .side = plan->side,
                                       .channels = plan->channels,
                                       .levels = plan->level_count,
                                       .type = !strcmp(s->precision, "fp16") ? H5_F16 : H5_F32,
                                       .all_levels = all};
}

int64_t precompute_slab_images(const struct trajectories_shape *t, int ranks)
{
    int64_t chunk = trajectories_chunk_images(t);
    int64_t image_bytes = (int64_t)t->side * t->side * t->channels * t->pairs_per_image * 4;
    int64_t images = (SLAB_BYTES / image_bytes / chunk + 1) * chunk;
    struct range share = split_chunks(t->images, chunk, ranks, 0); /* the largest */
    int64_t even = (share.count + chunk - 1) / chunk * chunk;
    return images < even ? images : even; /* a small data set is shared too */
}

static int precompute_to(struct job *job, const char *path, struct h5_file *dataset,
                         const struct dataset_shape *shape, const struct adr_plan *plan, int resume)
{
    const struct store_settings *store = &job->settings.store;
    struct trajectories_shape t = precompute_shape(store, shape->count, plan);
    struct maker m = {.job = job,
                      .plan = plan,
                      .shape = &t,
                      .dataset = dataset,
                      .images = precompute_slab_images(&t, job->comm->size)};
    int64_t done = 0;
    struct h5_file *file = NULL;

    if (trajectories_create(path, job->comm, &t, job->deck, job->settings.forward.mode,
                            store->hints, resume, &file, &done))
        return TASK_FAILED;
    if (done > 0)
        log_info("%s: going on after %lld of %lld images", path, (long long)done,
                 (long long)t.images);
    maker_create(&m);
    int result = corrupt_all(&m, file, done);
    struct adr_stats stats = {0};
    corruption_stats(&m.corruption, &stats);
    merge_stats(job->comm, &stats);
    physics_describe_stats(plan, &stats);
    maker_free(&m);
    if (result == TASK_DONE)
        return trajectories_finish(file) ? TASK_FAILED : TASK_DONE;
    return h5_close(file) ? TASK_FAILED : result;
}

int task_precompute(struct job *job)
{
    char path[JOB_PATH], data_path[JOB_PATH];
    struct dataset_shape shape;
    struct h5_file *dataset = NULL;
    struct adr_plan plan = {0};
    float *field = NULL;
    int result = TASK_FAILED;

    timer_begin("precompute");
    job_path(job, "trajectories.h5", path);
    job_path(job, "dataset.h5", data_path);
    int none = !strcmp(job->settings.store.kind, "none");
    enum job_found found =
        none ? JOB_NOTHING : job_look(job, FILE_TRAJECTORIES, path, "peclet-trajectories");
    if (found == JOB_COMPLETE) {
        log_info("%s is complete", path);
        result = TASK_DONE;
    } else if (!job_require(job, FILE_DATASET, data_path, "peclet-dataset", "import") &&
               !dataset_open(data_path, job->comm, &shape, &dataset)) {
        int failed = job_plan(job, shape.width, shape.channels, &plan, &field);
        if (!comm_agree(job->comm, failed)) {
            physics_describe(&plan, &job->settings.forward);
            result =
                none ? TASK_DONE
                     : precompute_to(job, path, dataset, &shape, &plan, found == JOB_UNFINISHED);
        }
    }
    h5_close(dataset);
    if (result == TASK_DONE && plan.levels && job->comm->rank == 0)
        draw_corruption(job, &plan);
    physics_plan_free(&plan);
    mem_free(field);
    timer_end("precompute");
    return comm_agree(job->comm, result);
}
