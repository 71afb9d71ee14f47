/* SPDX-License-Identifier: Apache-2.0
 * samples_nearest.png: samples, and to the right of each the training image nearest to it in pixel values. Ranks share
 * the search; each looks through its part of the training images in blocks, so any number of them fits. */
#include <math.h>

#include "base/mem.h"
#include "base/png.h"
#include "base/split.h"
#include "base/timer.h"
#include "files/h5io.h"
#include "tasks/drawing.h"

enum { ROWS = 4, COLUMNS = 8, SHOWN = ROWS * COLUMNS, LANES = 16, BLOCK = 64 };

struct best {
    double distance2;
    int64_t image;
};

/* Until it exceeds `limit`. */
static double distance2(int64_t n, const float *a, const float *b, double limit)
{
    double sum = 0;
    for (int64_t at = 0; at < n && sum <= limit; at += 64 * LANES) {
        float part[LANES] = {0};
        for (int64_t i = at; i < n && i < at + 64 * LANES; i++)
            part[i % LANES] += (a[i] - b[i]) * (a[i] - b[i]);
        for (int l = 0; l < LANES; l++)
            sum += (double)part[l];
    }
    return sum;
}

/* The nearest of this rank's training images for each of `shown` samples. */
static int search(struct drawing *w, const float *samples, int shown, struct best best[SHOWN])
{
    struct comm *comm = w->job->comm;
    struct range mine = split_even(w->shape.count, comm->size, comm->rank);
    float *block = mem_alloc((size_t)(BLOCK * w->per_image) * sizeof *block);
    int failed = 0;
    for (int64_t done = 0; done < mine.count && !failed; done += BLOCK) {
        int64_t n = mine.count - done < BLOCK ? mine.count - done : BLOCK;
        failed = job_read_images(w->dataset, 0, mine.first + done, n, w->per_image, block);
        for (int s = 0; s < shown && !failed; s++)
            for (int64_t i = 0; i < n; i++) {
                double d2 = distance2(w->per_image, samples + s * w->per_image,
                                      block + i * w->per_image, best[s].distance2);
                if (d2 < best[s].distance2)
                    best[s] = (struct best){d2, mine.first + done + i};
            }
    }
    mem_free(block);
    return failed;
}

static int draw_grid(struct drawing *w, const float *samples, int shown, const struct best *best)
{
    char path[JOB_PATH];
    int columns = shown < COLUMNS ? shown : COLUMNS, rows = shown / columns, failed = 0;
    float *grid = mem_alloc((size_t)(2 * shown * w->per_image) * sizeof *grid);
    for (int s = 0; s < rows * columns && !failed; s++) {
        for (int64_t p = 0; p < w->per_image; p++)
            grid[2 * s * w->per_image + p] = samples[s * w->per_image + p];
        failed = job_read_images(w->dataset, 0, best[s].image, 1, w->per_image,
                                 grid + (2 * s + 1) * w->per_image);
    }
    if (!failed)
        failed = png_write_grid(job_path(w->job, "samples_nearest.png", path), rows, 2 * columns,
                                w->plan.side, w->plan.channels, w->plan.side < 64 ? 2 : 1, grid);
    mem_free(grid);
    return failed;
}

int draw_nearest(struct drawing *w, const char *samples_path)
{
    struct comm *comm = w->job->comm;
    int64_t count = w->job->settings.sample.count;
    int shown = count < SHOWN ? (int)count : SHOWN;
    float *samples = mem_alloc((size_t)(shown * w->per_image) * sizeof *samples);
    struct best mine[SHOWN], *all = mem_alloc((size_t)comm->size * sizeof mine);
    struct h5_file *file = NULL;

    timer_begin("sample/nearest");
    int failed = comm->rank == 0 && (h5_open(samples_path, NULL, 0, "", &file) ||
                                     h5_read_rows(file, "/images", 0, shown, samples));
    h5_close(file);
    if (!(failed = comm_agree(comm, failed))) {
        comm->ops->bcast(comm, samples, (size_t)(shown * w->per_image) * sizeof *samples, 0);
        for (int s = 0; s < SHOWN; s++)
            mine[s] = (struct best){INFINITY, 0};
        failed = comm_agree(comm, search(w, samples, shown, mine));
        comm->ops->allgather(comm, mine, sizeof mine, all);
    }
    if (!failed && comm->rank == 0) {
        for (int s = 0; s < SHOWN; s++)
            for (int r = 0; r < comm->size; r++)
                if (all[r * SHOWN + s].distance2 < mine[s].distance2)
                    mine[s] = all[r * SHOWN + s];
        failed = draw_grid(w, samples, shown, mine);
    }
    timer_end("sample/nearest");
    mem_free(samples);
    mem_free(all);
    return failed;
}
