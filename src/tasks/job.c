/* SPDX-License-Identifier: Apache-2.0
 * job: what all tasks share: paths in the run's folder, what a file depends on, reading images, the
 * plan. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "files/dataset.h"
#include "tasks/tasks.h"

const char *job_path(const struct job *job, const char *name, char buffer[JOB_PATH])
{
    snprintf(buffer, JOB_PATH, "%s/%s", job->settings.run.out, name);
    return buffer;
}

/* Each kind of file depends on everything above it in this list; the numbers say where a kind's
 * list ends. */
static const char *const depends[] = {
    "dataset",         "forward",  "velocity", "lbm",  "store.kind",  "store.pairs_per_image",
    "store.precision", "run.seed", "network",  "unet", "train.target"};
static const int depends_count[] = {
    [FILE_DATASET] = 1, [FILE_TRAJECTORIES] = 8, [FILE_CHECKPOINT] = 11};

int job_matches(const struct job *job, enum job_file kind, const char *path, const char *stored,
                int quiet)
{
    return deck_differences(path, stored, job->settings.groups, job->settings.group_count, depends,
                            depends_count[kind], quiet) == 0;
}

enum job_found job_look(const struct job *job, enum job_file kind, const char *path,
                        const char *format)
{
    char *stored = NULL;
    int found = JOB_NOTHING;
    if (job->comm->rank == 0) {
        int state = h5_probe(path, format, &stored);
        int usable = state >= 2 && stored && job_matches(job, kind, path, stored, 0);
        if (state == 1)
            log_warn("%s is unreadable (a run was killed while it was written?) and is made again",
                     path);
        else if (state >= 2 && !usable)
            log_warn("%s was made with another deck (above) and is made again", path);
        found = !usable ? JOB_NOTHING : state == 3 ? JOB_COMPLETE : JOB_UNFINISHED;
        mem_free(stored);
    }
    job->comm->ops->bcast(job->comm, &found, sizeof found, 0);
    return (enum job_found)found;
}

int job_require(const struct job *job, enum job_file kind, const char *path, const char *format,
                const char *maker)
{
    char *stored = NULL;
    int failed = 0;
    if (job->comm->rank == 0) {
        int state = h5_probe(path, format, &stored);
        failed = state != 3 || !stored || !job_matches(job, kind, path, stored, 0);
        if (state == 0)
            log_error("%s is not there; run 'peclet %s' first", path, maker);
        else if (state < 3)
            log_error("%s is %s; run 'peclet %s' again", path,
                      state == 2 ? "not complete" : "unreadable or foreign", maker);
        else if (failed)
            log_error(
                "%s was made with another deck (above); run 'peclet %s' again, or change run.out",
                path, maker);
        mem_free(stored);
    }
    return comm_agree(job->comm, failed);
}

int job_read_images(struct h5_file *dataset, int test, int64_t first, int64_t count,
                    int64_t per_image, float *out)
{
    uint8_t *bytes = mem_alloc((size_t)(count * per_image));
    int failed = dataset_read(dataset, test, first, count, bytes);
    for (int64_t i = 0; i < count * per_image && !failed; i++)
        out[i] = (float)bytes[i] * (1.0f / 255.0f);
    mem_free(bytes);
    return failed;
}

/* A value that is not finite would reach every pixel, since all frames share one scale; and a field
 * that is zero has none. */
static int check_velocity_field(const char *path, const float *field, int64_t frames, int side)
{
    int64_t cells = (int64_t)side * side, count = frames * 2 * cells;
    int moves = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(field[i])) {
            log_error("%s: /velocity must be finite: %s is %g in frame %lld, row %lld, column %lld "
                      "(counted from 0)",
                      path, i / cells % 2 ? "vy" : "vx", (double)field[i],
                      (long long)(i / cells / 2), (long long)(i % cells / side),
                      (long long)(i % side));
            return 1;
        }
        moves |= field[i] != 0.0f;
    }
    if (!moves)
        log_error("%s: /velocity is zero everywhere: it cannot be scaled to &forward pe", path);
    return !moves;
}

static int read_velocity_file(const char *path, int side, float **field, int *frames)
{
    struct h5_file *file = NULL;
    enum h5_type type;
    int rank;
    int64_t dims[5];
    if (h5_open(path, NULL, 0, "", &file))
        return 1;
    int failed = h5_dataset_info(file, "/velocity", &type, &rank, dims);
    if (!failed && (type != H5_F32 || rank != 4 || dims[0] < 1 || dims[0] > INT_MAX ||
                    dims[1] != 2 || dims[2] != side || dims[3] != side)) {
        log_error("%s: /velocity must be float32 [frames,2,%d,%d]", path, side, side);
        failed = 1;
    }
    if (!failed) {
        *field = mem_alloc((size_t)(dims[0] * dims[1] * dims[2] * dims[3]) * sizeof **field);
        *frames = (int)dims[0];
        failed = h5_read_rows(file, "/velocity", 0, dims[0], *field) ||
                 check_velocity_field(path, *field, dims[0], side);
    }
    h5_close(file);
    return failed;
}

int job_plan(const struct job *job, int side, int channels, struct adr_plan *plan, float **field)
{
    const struct settings *s = &job->settings;
    int frames = 0;
    *field = NULL;
    if (!strcmp(s->velocity.kind, "file") && *s->velocity.path &&
        read_velocity_file(s->velocity.path, side, field, &frames))
        return 1;
    return physics_plan(&s->forward, &s->velocity, &s->lbm, (uint64_t)s->run.seed, side, channels,
                        *field, frames, plan);
}
