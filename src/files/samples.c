/* SPDX-License-Identifier: Apache-2.0
 * samples.h5 through h5io; counted as trajectories are. */
#include "files/samples.h"

#include "base/log.h"
#include "files/h5_private.h"

enum { VERSION = 1 };
static const char format[] = "peclet-samples";

static int set_shape(struct h5_file *f, const int64_t dims[4], int64_t chunk_rows)
{
    return h5_set_int(f, "samples_done", 0) ||
           h5_dataset_create(f, "images", H5_F32, 4, dims, chunk_rows, "", "M,H,W,C") ||
           h5_dataset_create(f, "prior", H5_F32, 4, dims, chunk_rows, "", "M,H,W,C") ||
           h5_dataset_create(f, "seed_image", H5_I64, 1, dims, 0, "", "M");
}

static int reopen(const char *path, struct comm *comm, const int64_t dims[4], struct h5_file **out,
                  int64_t *samples_done)
{
    struct h5_file *f;
    enum h5_type type;
    int rank;
    int64_t found[H5_MAX_RANK], done;
    if (h5_open(path, comm, 1, "", &f))
        return 1;
    int failed = h5_check_format(f, format, VERSION) ||
                 h5_dataset_info(f, "images", &type, &rank, found) ||
                 h5_get_int(f, "samples_done", &done);
    if (!failed) {
        int fits = type == H5_F32 && rank == 4 && !h5_is_complete(f);
        for (int i = 0; i < 4; i++)
            fits = fits && found[i] == dims[i];
        if (!fits && h5_speaks(f))
            log_error("%s: cannot be gone on with: it is complete or has other dimensions than the "
                      "deck asks for; "
                      "remove it to have it made again",
                      path);
        failed = !fits;
    }
    failed = failed || h5_add_leg(f);
    if (failed) {
        h5_close(f);
        return 1;
    }
    *out = f;
    *samples_done = done;
    return 0;
}

int samples_create(const char *path, struct comm *comm, int64_t count, int side, int channels,
                   int64_t chunk_rows, const char *deck, const char *mode, int resume,
                   struct h5_file **out, int64_t *samples_done)
{
    int64_t dims[] = {count, side, side, channels};
    struct h5_file *f;
    if (resume)
        return reopen(path, comm, dims, out, samples_done);
    if (h5_create(path, comm, "", &f))
        return 1;
    if (h5_set_provenance(f, format, VERSION, deck, mode) || set_shape(f, dims, chunk_rows) ||
        h5_publish(f)) {
        h5_close(f);
        return 1;
    }
    *out = f;
    *samples_done = 0;
    return 0;
}

int samples_write(struct h5_file *f, int64_t first, int64_t count, const float *images,
                  const float *prior, const int64_t *seed_image)
{
    return h5_write_rows(f, "images", first, count, images) ||
           h5_write_rows(f, "prior", first, count, prior) ||
           h5_write_rows(f, "seed_image", first, count, seed_image);
}

int samples_mark(struct h5_file *f, int64_t samples_done)
{
    return h5_flush(f) || h5_set_int(f, "samples_done", samples_done) || h5_flush(f);
}

int samples_finish(struct h5_file *f)
{
    int failed = h5_set_complete(f);
    return h5_close(f) || failed;
}
