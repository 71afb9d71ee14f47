/* SPDX-License-Identifier: Apache-2.0
 * How much longer trajectories.h5 takes than the same bytes by plain pwrite, from the same ranks,
 * open to close with a flush behind every slab. Five repeats, alternating; median and spread. With
 * data in memory beforehand: no computing.
 *
 *     mpirun --bind-to none -n 2 bench_write [FOLDER (/dev/shm)] [MIB (256)] [HINTS] */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/timer.h"
#include "files/trajectories.h"

enum { REPEATS = 5, SLAB_BYTES = 8 << 20 };

struct job {
    struct comm *comm;
    struct trajectories_shape shape;
    int64_t slab_images; /* a rank */
    size_t image_bytes;  /* of u: all pairs of an image */
    uint16_t *u, *delta; /* [slab_images, ...] */
    int32_t *level;
    const char *path, *hints;
};

/* This rank's share of the slab that begins at `done`. */
static int64_t share(const struct job *j, int64_t done, int64_t *first)
{
    *first = done + j->slab_images * j->comm->rank;
    int64_t left = j->shape.images - *first;
    return left <= 0 ? (*first = 0) : left < j->slab_images ? left : j->slab_images;
}

static void write_hdf5(const struct job *j)
{
    struct h5_file *f;
    int64_t done, first;
    if (trajectories_create(j->path, j->comm, &j->shape, "", "", j->hints, 0, &f, &done))
        DIE("no file");
    while (done < j->shape.images) {
        int64_t n = share(j, done, &first);
        done += j->slab_images * j->comm->size;
        if (trajectories_write(f, &j->shape, first, n, j->u, j->delta, j->level) ||
            trajectories_mark(f, done < j->shape.images ? done : j->shape.images))
            DIE("no write");
    }
    if (trajectories_finish(f))
        DIE("no close");
}

static void write_at(int file, const void *data, size_t bytes, size_t offset)
{
    for (size_t at = 0; at < bytes;) {
        ssize_t got = pwrite(file, (const char *)data + at, bytes - at, (off_t)(offset + at));
        if (got <= 0)
            DIE("pwrite failed");
        at += (size_t)got;
    }
}

static void write_raw(const struct job *j)
{
    if (j->comm->rank == 0)
        close(open(j->path, O_CREAT | O_TRUNC | O_WRONLY, 0666));
    j->comm->ops->barrier(j->comm);
    int file = open(j->path, O_WRONLY);
    size_t all = (size_t)j->shape.images * j->image_bytes;
    for (int64_t done = 0, first; done < j->shape.images; done += j->slab_images * j->comm->size) {
        size_t n = (size_t)share(j, done, &first);
        write_at(file, j->u, n * j->image_bytes, (size_t)first * j->image_bytes);
        write_at(file, j->delta, n * j->image_bytes, all + (size_t)first * j->image_bytes);
        if (fsync(file))
            DIE("fsync failed");
        j->comm->ops->barrier(j->comm); /* a mark may be set only when all are done */
    }
    close(file);
    j->comm->ops->barrier(j->comm);
}

static double timed(const struct job *j, void (*write)(const struct job *j))
{
    if (j->comm->rank == 0)
        remove(j->path);
    j->comm->ops->barrier(j->comm);
    double began = timer_now_s();
    write(j);
    j->comm->ops->barrier(j->comm);
    return timer_now_s() - began;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void bench(struct job *j, const char *what)
{
    double raw[REPEATS], hdf5[REPEATS], ratio[REPEATS];
    size_t slab = (size_t)j->slab_images * j->image_bytes;
    j->u = memset(mem_alloc(slab), 1, slab);
    j->delta = memset(mem_alloc(slab), 2, slab);
    j->level = mem_zalloc((size_t)(j->slab_images * j->shape.pairs_per_image) * sizeof *j->level);
    timed(j, write_raw); /* the first use of memory is not timed */
    for (int i = 0; i < REPEATS; i++) {
        raw[i] = timed(j, write_raw);
        hdf5[i] = timed(j, write_hdf5);
        ratio[i] = hdf5[i] / raw[i];
    }
    qsort(raw, REPEATS, sizeof *raw, ascending);
    qsort(hdf5, REPEATS, sizeof *hdf5, ascending);
    qsort(ratio, REPEATS, sizeof *ratio, ascending);
    double gigabytes = 2e-9 * (double)j->shape.images * (double)j->image_bytes;
    if (j->comm->rank == 0) {
        printf("%-22s %d ranks, %.2f GB, %s: pwrite %.3f s (%.2f GB/s), HDF5 %.3f s, ratio median "
               "%.2f (%.2f to %.2f)\n",
               what, j->comm->size, gigabytes, *j->hints ? j->hints : "default", raw[2],
               gigabytes / raw[2], hdf5[2], ratio[2], ratio[0], ratio[4]);
        remove(j->path);
    }
    mem_free(j->u);
    mem_free(j->delta);
    mem_free(j->level);
}

int main(int argc, char **argv)
{
    struct comm *c = comm_world_create(&argc, &argv);
    if (!c)
        return 1;
    log_init(c->rank, c->size, 1);
    char path[4096];
    snprintf(path, sizeof path, "%s/peclet-bench-write.h5", argc > 1 ? argv[1] : "/dev/shm");
    int64_t bytes = (argc > 2 ? strtoll(argv[2], NULL, 10) : 256)
                    << 19; /* of u; delta as much again */
    const struct {
        const char *what;
        struct trajectories_shape shape;
    } cases[] = {
        {"28x28x1, 8 pairs", {0, 8, 28, 1, 50, H5_F16, 0}},
        {"128x128x3, 1 pair", {0, 1, 128, 3, 50, H5_F16, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job j = {
            .comm = c, .shape = cases[i].shape, .path = path, .hints = argc > 3 ? argv[3] : ""};
        struct trajectories_shape *s = &j.shape;
        j.image_bytes = (size_t)(s->pairs_per_image * s->side * s->side * s->channels * 2);
        s->images = bytes / (int64_t)j.image_bytes;
        int64_t chunk = trajectories_chunk_images(s);
        j.slab_images = (SLAB_BYTES / (int64_t)j.image_bytes / chunk + 1) * chunk;
        bench(&j, cases[i].what);
    }
    c->ops->destroy(c);
    return 0;
}
