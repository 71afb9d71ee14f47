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

/* Everything the loop needs, allocated once. */
struct slab {
    int64_t images; /* at most, a rank */
    struct corruption corruption;
    int32_t *level;          /* [images * pairs] */
    float *u, *delta;        /* device */
    void *packed;            /* device, one of u and delta in the file's type */
    void *out_u, *out_delta; /* host, in the file's type */
};

static void slab_alloc(struct slab *s, struct device *d, const struct adr_plan *plan,
                       const struct trajectories_shape *t)
{
    size_t pairs = (size_t)s->images * (size_t)t->pairs_per_image;
    size_t values = pairs * (size_t)t->side * (size_t)t->side * (size_t)t->channels;
    size_t bytes = values * (t->type == H5_F16 ? 2 : 4);
    corruption_create(d, plan, (int)s->images, (int64_t)pairs, &s->corruption);
    s->level = mem_alloc(pairs * sizeof *s->level);
    s->u = d->ops->alloc(d, values * sizeof(float));
    s->delta = d->ops->alloc(d, values * sizeof(float));
    s->packed = d->ops->alloc(d, bytes);
    s->out_u = d->ops->host_alloc(d, bytes);
    s->out_delta = d->ops->host_alloc(d, bytes);
}

static void slab_free(struct slab *s, struct device *d)
{
    corruption_free(&s->corruption);
    mem_free(s->level);
    d->ops->free(d, s->u);
    d->ops->free(d, s->delta);
    d->ops->free(d, s->packed);
    d->ops->host_free(d, s->out_u);
    d->ops->host_free(d, s->out_delta);
}

/* Images first..first+count to host buffers in the file's type. */
static void corrupt_slab(struct job *job, const struct adr_plan *plan, struct slab *s,
                         const struct trajectories_shape *t, int64_t first, int64_t count)
{
    struct device *d = job->device;
    struct corruption *c = &s->corruption;
    int64_t m = t->pairs_per_image, values = count * m * c->per_image;
    enum dtype packed = t->type == H5_F16 ? DTYPE_F16 : DTYPE_F32;
    size_t bytes = (size_t)values * dtype_bytes(packed);

    for (int64_t i = 0; i < count; i++) {
        c->keys[i] = velocity_key(plan, first + i);
        for (int64_t j = 0; j < m; j++) {
            int level = t->all_levels ? (int)j + 1
                                      : corruption_level(plan->seed, (uint64_t)(first + i), j, m,
                                                         plan->level_count);
            s->level[i * m + j] = level;
            c->captures[i * m + j] = (struct adr_capture){level, (int)i, i * m + j};
        }
    }
    corruption_run(c, (int)count, count * m, s->u, s->delta);
    d->ops->cast(d, values, DTYPE_F32, s->u, packed, s->packed);
    d->ops->download(d, s->out_u, s->packed, bytes);
    d->ops->cast(d, values, DTYPE_F32, s->delta, packed, s->packed);
    d->ops->download(d, s->out_delta, s->packed, bytes);
}

static int corrupt_all(struct job *job, struct h5_file *dataset, struct h5_file *file,
                       const struct adr_plan *plan, struct slab *s,
                       const struct trajectories_shape *t, int64_t done)
{
    struct comm *comm = job->comm;
    int64_t per_image = (int64_t)t->side * t->side * t->channels;
    double slowest_s = 0;
    struct progress progress;
    progress_start(&progress, "precompute", "images", done, t->images);
    while (done < t->images) {
        double began = timer_now_s();
        int64_t first = done + s->images * comm->rank, left = t->images - first;
        int64_t count = left <= 0 ? 0 : left < s->images ? left : s->images;
        if (count == 0)
            first = 0;
        timer_begin("precompute/read");
        int failed = job_read_images(dataset, 0, first, count, per_image, s->corruption.host);
        timer_end("precompute/read");
        if (comm_agree(comm, failed))
            return TASK_FAILED;
        timer_begin("precompute/corrupt");
        corrupt_slab(job, plan, s, t, first, count);
        timer_end("precompute/corrupt");
        timer_begin("precompute/write");
        failed = trajectories_write(file, t, first, count, s->out_u, s->out_delta, s->level);
        done += s->images * comm->size;
        if (done > t->images)
            done = t->images;
        failed = comm_agree(comm, failed) || trajectories_mark(file, done);
        timer_end("precompute/write");
        if (comm_agree(comm, failed))
            return TASK_FAILED;
        progress_show(&progress, done, NULL);
        slowest_s = timer_now_s() - began > slowest_s ? timer_now_s() - began : slowest_s;
        if (done < t->images && stop_requested(job, slowest_s) == STOP_LEAVE) {
            log_info("precompute stopped (%s) after %lld of %lld images; run again to go on",
                     stop_reason(), (long long)done, (long long)t->images);
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
    struct slab slab = {.images = precompute_slab_images(&t, job->comm->size)};
    int64_t done = 0;
    struct h5_file *file = NULL;

    if (trajectories_create(path, job->comm, &t, job->deck, job->settings.forward.mode,
                            store->hints, resume, &file, &done))
        return TASK_FAILED;
    if (done > 0)
        log_info("%s: going on after %lld of %lld images", path, (long long)done,
                 (long long)t.images);
    slab_alloc(&slab, job->device, plan, &t);
    int result = corrupt_all(job, dataset, file, plan, &slab, &t, done);
    merge_stats(job->comm, &slab.corruption.stats);
    physics_describe_stats(plan, &slab.corruption.stats);
    slab_free(&slab, job->device);
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
