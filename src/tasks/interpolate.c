/* SPDX-License-Identifier: Apache-2.0
 * interpolate: walks from mixtures of two samples' starts. With t from 0 to 1 between samples a and b,
 *
 *     prior = (1-t) u_K^a + t u_K^b,        noise of every step = cos(pi t/2) n_a + sin(pi t/2) n_b
 *
 * (spherical mixing keeps the noise's size; Beyond Blur, section 5). The ends are the samples themselves. */
#include "base/log.h"
#include "base/mem.h"
#include "base/png.h"
#include "base/timer.h"
#include "files/h5io.h"
#include "tasks/drawing.h"

enum { PAIRS_MOST = 8 };

/* Images first..first+count of the way from sample 2 pair to the next, to out. count 0: takes part only. */
static int walk_part(struct drawing *w, const float *ends, int64_t pair, int first, int count,
                     int steps, float *out)
{
    struct device *d = w->job->device;
    size_t bytes = (size_t)(count * w->per_image) * sizeof(float);
    struct sampler_mix *mix = mem_alloc((size_t)count * sizeof *mix);
    uint64_t *keys = mem_alloc(2 * (size_t)count * sizeof *keys), *mix_keys = keys + count;
    for (int i = 0; i < count; i++) {
        double t = (double)(first + i) / (steps - 1);
        mix[i] = (struct sampler_mix){2 * pair, 2 * pair + 1, t};
        keys[i] = prior_velocity_key(2 * pair);
        mix_keys[i] = prior_velocity_key(2 * pair + 1);
        for (int64_t p = 0; p < w->per_image; p++)
            w->prior[i * w->per_image + p] =
                (float)((1 - t) * (double)ends[p] + t * (double)ends[w->per_image + p]);
    }
    struct sampler_args args = {.noise = w->job->settings.sample.noise,
                                .seed = (uint64_t)w->job->settings.run.seed,
                                .steps = w->steps,
                                .keys = keys,
                                .mix_keys = mix_keys,
                                .mix = mix};
    d->ops->upload(d, w->x, w->prior, bytes);
    int failed =
        w->sampler(w->priors.process, w->target, w->network, count, w->x, w->scratch, &args);
    d->ops->download(d, out, w->x, bytes);
    mem_free(mix);
    mem_free(keys);
    return failed;
}

/* The pair of this rank and round (none if pair >= pairs), from the priors in the file to /interpolation. */
static int walk_pair(struct drawing *w, struct h5_file *file, int64_t pair, int64_t pairs,
                     int steps, float *ends, float *out)
{
    struct comm *comm = w->job->comm;
    int mine = pair < pairs, batch = (int)w->job->settings.sample.batch;
    int failed = h5_read_rows(file, "/prior", mine ? 2 * pair : 0, mine ? 2 : 0, ends);
    if (comm_agree(comm, failed))
        return 1;
    for (int first = 0; first < steps; first += batch) {
        int count = !mine ? 0 : steps - first < batch ? steps - first : batch;
        if (count || w->network->collective)
            failed |= walk_part(w, ends, pair, first, count, steps, out + first * w->per_image);
    }
    failed = comm_agree(comm, failed);
    return failed || h5_write_rows(file, "/interpolation", mine ? pair : 0, mine, out);
}

int draw_interpolation(struct drawing *w, struct h5_file *file)
{
    struct comm *comm = w->job->comm;
    const struct sample_settings *s = &w->job->settings.sample;
    int64_t pairs = s->count / 2 < PAIRS_MOST ? s->count / 2 : PAIRS_MOST;
    int steps = (int)s->interpolate + 2, failed = 0;
    int64_t dims[] = {pairs, steps, w->plan.side, w->plan.side, w->plan.channels};
    if (pairs == 0) {
        log_warn("&sample interpolate needs count >= 2: nothing to go between");
        return 0;
    }
    if (!h5_dataset_exists(file, "/interpolation") &&
        h5_dataset_create(file, "interpolation", H5_F32, 5, dims, 0, "", "P,S,H,W,C"))
        return 1;
    timer_begin("sample/interpolate");
    float *ends = mem_alloc((size_t)(2 * w->per_image) * sizeof *ends);
    float *out = mem_alloc((size_t)(steps * w->per_image) * sizeof *out);
    for (int64_t done = 0; done < pairs && !failed; done += comm->size)
        failed = walk_pair(w, file, done + comm->rank, pairs, steps, ends, out);
    mem_free(ends);
    mem_free(out);
    failed = failed || h5_flush(file);
    timer_end("sample/interpolate");
    return failed;
}

int draw_interpolation_picture(struct drawing *w, struct h5_file *file)
{
    enum h5_type type;
    int rank;
    int64_t dims[5];
    char path[JOB_PATH];
    if (h5_dataset_info(file, "/interpolation", &type, &rank, dims))
        return 1;
    float *grid = mem_alloc((size_t)(dims[0] * dims[1] * w->per_image) * sizeof *grid);
    int failed = h5_read_rows(file, "/interpolation", 0, dims[0], grid);
    if (!failed)
        failed =
            png_write_grid(job_path(w->job, "interpolation.png", path), (int)dims[0], (int)dims[1],
                           w->plan.side, w->plan.channels, w->plan.side < 64 ? 2 : 1, grid);
    mem_free(grid);
    return failed;
}
