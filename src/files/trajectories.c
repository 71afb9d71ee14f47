/* SPDX-License-Identifier: Apache-2.0
 * trajectories.h5 through h5io. Each slab is written, flushed and only then counted in images_done,
 * so whatever the counter says is on disk. */
#include "files/trajectories.h"

#include "base/log.h"
#include "base/mem.h"
#include "files/h5_private.h"

enum { VERSION = 1, CHUNK_BYTES = 1 << 20, GROUP = 16, MIN_CHUNKS = 64 };
static const char format[] = "peclet-trajectories";

static int64_t type_bytes(enum h5_type type)
{
    return type == H5_F16 ? 2 : 4;
}

/* About a megabyte, but chunks enough for many ranks to share; whole groups of 16 images, because
 * the solvers work on such groups and a group must not depend on where a rank's share begins. */
int64_t trajectories_chunk_images(const struct trajectories_shape *s)
{
    int64_t image_bytes =
        s->pairs_per_image * s->side * s->side * s->channels * type_bytes(s->type);
    int64_t n = CHUNK_BYTES / image_bytes, most = s->images / MIN_CHUNKS;
    if (n > most)
        n = most;
    return n < GROUP ? GROUP : n / GROUP * GROUP;
}

static int set_shape(struct h5_file *f, const struct trajectories_shape *s)
{
    int64_t pairs = s->images * s->pairs_per_image, chunk = trajectories_chunk_images(s);
    int64_t dims[] = {pairs, s->side, s->side, s->channels};
    int64_t all[] = {s->images, s->levels, s->side, s->side, s->channels};
    if (h5_set_int(f, "images", s->images) ||
        h5_set_int(f, "pairs_per_image", s->pairs_per_image) ||
        h5_set_int(f, "levels", s->levels) || h5_set_int(f, "images_done", 0))
        return 1;
    if (s->all_levels)
        return h5_dataset_create(f, "u", s->type, 5, all, chunk, "", "N,K,H,W,C") ||
               h5_dataset_create(f, "delta", s->type, 5, all, chunk, "", "N,K,H,W,C");
    chunk *= s->pairs_per_image;
    return h5_dataset_create(f, "u", s->type, 4, dims, chunk, "", "P,H,W,C") ||
           h5_dataset_create(f, "delta", s->type, 4, dims, chunk, "", "P,H,W,C") ||
           h5_dataset_create(f, "image", H5_I64, 1, dims, 0, "", "P") ||
           h5_dataset_create(f, "level", H5_I32, 1, dims, 0, "", "P");
}

/* Whether dimensions and types of u and delta are what the attributes promise. */
static int shape_fits(const struct trajectories_shape *s, enum h5_type delta_type, int rank,
                      int delta_rank, const int64_t *dims, const int64_t *delta_dims)
{
    int64_t rows = rank == 5 ? s->images : s->images * s->pairs_per_image;
    int fits = (rank == 4 || (rank == 5 && dims[1] == s->levels)) && rank == delta_rank &&
               s->type == delta_type && (s->type == H5_F16 || s->type == H5_F32) &&
               dims[0] == rows && dims[rank - 3] == dims[rank - 2];
    for (int i = 0; i < rank && fits; i++)
        fits = dims[i] == delta_dims[i];
    return fits;
}

static int get_shape(struct h5_file *f, struct trajectories_shape *s)
{
    enum h5_type delta_type;
    int rank, delta_rank;
    int64_t dims[H5_MAX_RANK], delta_dims[H5_MAX_RANK], levels;
    if (h5_get_int(f, "images", &s->images) ||
        h5_get_int(f, "pairs_per_image", &s->pairs_per_image) || h5_get_int(f, "levels", &levels) ||
        h5_dataset_info(f, "u", &s->type, &rank, dims) ||
        h5_dataset_info(f, "delta", &delta_type, &delta_rank, delta_dims))
        return 1;
    s->levels = (int)levels;
    s->all_levels = rank == 5;
    int fits = shape_fits(s, delta_type, rank, delta_rank, dims, delta_dims);
    if (!fits && h5_speaks(f))
        log_error("%s: 'u' and 'delta' are neither float pairs "
                  "[images*pairs_per_image,side,side,channels] nor [images,levels,side,...]",
                  f->path);
    if (fits) {
        s->side = (int)dims[rank - 2];
        s->channels = (int)dims[rank - 1];
    }
    return !fits;
}

static int same_shape(const struct trajectories_shape *a, const struct trajectories_shape *b)
{
    return a->images == b->images && a->pairs_per_image == b->pairs_per_image &&
           a->side == b->side && a->channels == b->channels && a->levels == b->levels &&
           a->type == b->type && a->all_levels == b->all_levels;
}

static int reopen(const char *path, struct comm *comm, const struct trajectories_shape *s,
                  const char *hints, struct h5_file **out, int64_t *images_done)
{
    struct h5_file *f;
    struct trajectories_shape found;
    int64_t done;
    if (h5_open(path, comm, 1, hints, &f))
        return 1;
    int failed = h5_check_format(f, format, VERSION) || get_shape(f, &found) ||
                 h5_get_int(f, "images_done", &done);
    if (!failed && (h5_is_complete(f) || !same_shape(s, &found))) {
        if (h5_speaks(f))
            log_error("%s: cannot be gone on with: %s; remove it to have it made again", path,
                      same_shape(s, &found) ? "it is complete"
                                            : "it has other dimensions than the deck asks for");
        failed = 1;
    }
    failed = failed || h5_add_leg(f);
    if (failed) {
        h5_close(f);
        return 1;
    }
    *out = f;
    *images_done = done;
    return 0;
}

int trajectories_create(const char *path, struct comm *comm, const struct trajectories_shape *s,
                        const char *deck, const char *mode, const char *hints, int resume,
                        struct h5_file **out, int64_t *images_done)
{
    struct h5_file *f;
    if (resume)
        return reopen(path, comm, s, hints, out, images_done);
    if (h5_create(path, comm, hints, &f))
        return 1;
    if (h5_set_provenance(f, format, VERSION, deck, mode) || set_shape(f, s) || h5_publish(f)) {
        h5_close(f);
        return 1;
    }
    *out = f;
    *images_done = 0;
    return 0;
}

int trajectories_write(struct h5_file *f, const struct trajectories_shape *s, int64_t first,
                       int64_t count, const void *u, const void *delta, const int32_t *level)
{
    int64_t per = s->pairs_per_image, row = first * per, rows = count * per;
    if (s->all_levels)
        return h5_write_rows(f, "u", first, count, u) ||
               h5_write_rows(f, "delta", first, count, delta);
    int64_t *image = mem_alloc((size_t)rows * sizeof *image);
    for (int64_t p = 0; p < rows; p++)
        image[p] = (row + p) / per;
    int failed =
        h5_write_rows(f, "u", row, rows, u) || h5_write_rows(f, "delta", row, rows, delta) ||
        h5_write_rows(f, "image", row, rows, image) || h5_write_rows(f, "level", row, rows, level);
    mem_free(image);
    return failed;
}

int trajectories_mark(struct h5_file *f, int64_t images_done)
{
    return h5_flush(f) || h5_set_int(f, "images_done", images_done) || h5_flush(f);
}

int trajectories_finish(struct h5_file *f)
{
    int failed = h5_set_complete(f);
    return h5_close(f) || failed;
}

int trajectories_open(const char *path, struct comm *comm, struct trajectories_shape *s,
                      struct h5_file **out)
{
    struct h5_file *f;
    struct trajectories_shape found;
    int64_t done;
    if (h5_open(path, comm, 0, "", &f))
        return 1;
    int failed = h5_check_format(f, format, VERSION) || get_shape(f, &found) ||
                 h5_get_int(f, "images_done", &done);
    if (!failed && !h5_is_complete(f)) {
        if (h5_speaks(f))
            log_error("%s: unfinished, %lld of %lld images are done: run the precompute command "
                      "again, it goes on there",
                      path, (long long)done, (long long)found.images);
        failed = 1;
    }
    if (failed) {
        h5_close(f);
        return 1;
    }
    *s = found;
    *out = f;
    return 0;
}

int trajectories_read(struct h5_file *f, int64_t first, int64_t count, void *u, void *delta,
                      int64_t *image, int32_t *level)
{
    return (u && h5_read_rows(f, "u", first, count, u)) ||
           (delta && h5_read_rows(f, "delta", first, count, delta)) ||
           (image && h5_read_rows(f, "image", first, count, image)) ||
           (level && h5_read_rows(f, "level", first, count, level));
}

int trajectories_read_pair(struct h5_file *f, const struct trajectories_shape *s, int64_t pair,
                           void *u, void *delta, int32_t *level)
{
    if (!s->all_levels)
        return trajectories_read(f, pair, 1, u, delta, NULL, level);
    int64_t image = pair / s->levels, k = pair % s->levels;
    *level = (int32_t)(k + 1);
    return h5_read_part(f, "u", image, k, 1, u) || h5_read_part(f, "delta", image, k, 1, delta);
}
