/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/image_set.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/split.h"

static int read_share(struct h5_file *file, const char *path, const char *dataset,
                      enum h5_type type, int64_t per_image, struct image_set *s)
{
    int64_t values = s->count * per_image;
    s->images = mem_alloc((size_t)values * sizeof *s->images);
    if (type == H5_F32)
        return h5_read_rows(file, dataset, s->first, s->count, s->images);
    if (type != H5_U8) {
        log_error("%s: %s is neither uint8 nor float32", path, dataset);
        return 1;
    }
    uint8_t *bytes = mem_alloc((size_t)values);
    int failed = h5_read_rows(file, dataset, s->first, s->count, bytes);
    for (int64_t i = 0; i < values && !failed; i++)
        s->images[i] = (float)bytes[i] * (1.0f / 255.0f);
    mem_free(bytes);
    return failed;
}

int image_set_load(struct comm *comm, const char *path, const char *dataset, int64_t limit,
                   struct image_set *out)
{
    struct image_set s = {0};
    struct h5_file *file = NULL;
    enum h5_type type;
    int rank;
    int64_t dims[5];
    int failed =
        h5_open(path, NULL, 0, "", &file) || h5_dataset_info(file, dataset, &type, &rank, dims);
    if (!failed && (rank != 4 || dims[1] != dims[2] || dims[0] < 1)) {
        log_error("%s: %s must hold square images [N,H,W,C]", path, dataset);
        failed = 1;
    }
    if (!failed) {
        s.total = limit > 0 && limit < dims[0] ? limit : dims[0];
        s.side = (int)dims[1];
        s.channels = (int)dims[3];
        struct range mine = split_even(s.total, comm->size, comm->rank);
        s.first = mine.first;
        s.count = mine.count;
        failed = read_share(file, path, dataset, type, dims[1] * dims[2] * dims[3], &s);
    }
    h5_close(file);
    if (comm_agree(comm, failed)) {
        mem_free(s.images);
        return 1;
    }
    *out = s;
    return 0;
}
