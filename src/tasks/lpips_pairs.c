/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/lpips_pairs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/timer.h"
#include "files/dataset.h"
#include "tasks/judge.h"

struct pair {
    int64_t seed, sample;
    double distance;
};

/* Seed images of this rank's samples: seed [count] and the clean images [count, ...]. */
static int read_seeds(struct job *job, const struct image_set *samples, int64_t *seed, float *clean)
{
    const struct evaluate_settings *s = &job->settings.evaluate;
    int test = !strcmp(job->settings.sample.prior_split, "test"), failed;
    int64_t per_image = (int64_t)samples->side * samples->side * samples->channels;
    char path[JOB_PATH], fake[JOB_PATH];
    struct h5_file *file = NULL, *dataset = NULL;
    struct dataset_shape shape;

    if (!*s->fake)
        job_path(job, "samples.h5", fake);
    failed = h5_open(*s->fake ? s->fake : fake, NULL, 0, "", &file);
    if (!failed && !h5_dataset_exists(file, "/seed_image")) {
        log_error("%s has no /seed_image: 'lpips' pairs samples of this program with their seeds",
                  *s->fake ? s->fake : fake);
        failed = 1;
    }
    failed = failed || h5_read_rows(file, "/seed_image", samples->first, samples->count, seed) ||
             dataset_open(job_path(job, "dataset.h5", path), NULL, &shape, &dataset);
    h5_close(file);
    if (failed)
        return 1;
    int64_t stored = test ? shape.test_count : shape.count;
    int fits = shape.width == samples->side && shape.channels == samples->channels;
    for (int64_t i = 0; i < samples->count && fits; i++)
        fits = seed[i] >= 0 && seed[i] < stored;
    if (!fits)
        log_error("%s does not hold the seed images of the samples", path);
    failed = !fits;
    for (int64_t i = 0; i < samples->count && !failed; i++)
        failed = job_read_images(dataset, test, seed[i], 1, per_image, clean + i * per_image);
    h5_close(dataset);
    return failed;
}

/* The pairs of all ranks, on every rank. */
static struct pair *gather(struct comm *comm, const struct image_set *samples, const int64_t *seed,
                           const double *distance)
{
    int64_t n = samples->total;
    double *all = mem_zalloc((size_t)(2 * n) * sizeof *all);
    struct pair *pairs = mem_alloc((size_t)n * sizeof *pairs);
    for (int64_t i = 0; i < samples->count; i++) {
        all[samples->first + i] = distance[i];
        all[n + samples->first + i] = (double)seed[i];
    }
    comm->ops->sum_f64(comm, all, 2 * n);
    for (int64_t i = 0; i < n; i++)
        pairs[i] = (struct pair){(int64_t)all[n + i], i, all[i]};
    mem_free(all);
    return pairs;
}

static int by_seed(const void *a, const void *b)
{
    const struct pair *p = a, *q = b;
    if (p->seed != q->seed)
        return p->seed < q->seed ? -1 : 1;
    return (p->sample > q->sample) - (p->sample < q->sample);
}

static double deviation(double sum, double square, double n)
{
    return sqrt(fmax(0, square - sum * sum / n) / (n - 1));
}

/* What the pairs of all seeds say; pairs are sorted. */
struct summary {
    int64_t pairs, repeated; /* pairs that count; seeds with more than one */
    double mean, pair_std, std;
};
static struct summary summarise(const struct pair *pairs, int64_t n, int64_t repeats)
{
    struct summary s = {0};
    double sum = 0, square = 0;
    for (int64_t i = 0, next; i < n; i = next) {
        double own = 0, own_square = 0, count = 0;
        for (next = i; next < n && pairs[next].seed == pairs[i].seed; next++) {
            if (next - i >= repeats)
                continue;
            own += pairs[next].distance;
            own_square += pairs[next].distance * pairs[next].distance;
            count++;
        }
        s.pairs += (int64_t)count;
        sum += own;
        square += own_square;
        if (count > 1) {
            s.repeated++;
            s.std += deviation(own, own_square, count);
        }
    }
    s.mean = sum / (double)s.pairs;
    s.pair_std = s.pairs > 1 ? deviation(sum, square, (double)s.pairs) : 0;
    s.std = s.repeated ? s.std / (double)s.repeated : 0;
    return s;
}

static void write_summary(const struct summary *s, struct json *j)
{
    if (s->repeated)
        log_info(
            "  lpips    samples  mean %.4f, spread over the samples of a seed %.4f (%lld pairs)",
            s->mean, s->std, (long long)s->pairs);
    else
        log_info("  lpips    samples  mean %.4f (%lld pairs; no seed occurs twice, so no spread: "
                 "sample.count would have to exceed the number of seed images)",
                 s->mean, (long long)s->pairs);
    if (!j)
        return;
    json_real(j, "lpips_mean", s->mean);
    if (s->repeated)
        json_real(j, "lpips_std", s->std);
    json_real(j, "lpips_pair_std", s->pair_std);
    json_int(j, "lpips_pairs", s->pairs);
}

int lpips_score(struct job *job, const struct image_set *samples, struct json *j)
{
    struct judge *judge = NULL;
    int64_t n = samples->count,
            per_image = (int64_t)samples->side * samples->side * samples->channels;
    int64_t *seed = mem_alloc((size_t)n * sizeof *seed);
    double *distance = mem_alloc((size_t)n * sizeof *distance);
    float *clean = mem_alloc((size_t)(n * per_image) * sizeof *clean);
    timer_begin("evaluate/lpips");
    int failed = comm_agree(job->comm, read_seeds(job, samples, seed, clean)) ||
                 judge_lpips(job, samples->side, samples->channels, &judge);
    if (!failed) {
        judge_pairs(judge, n, samples->images, clean, distance, NULL);
        struct pair *pairs = gather(job->comm, samples, seed, distance);
        qsort(pairs, (size_t)samples->total, sizeof *pairs, by_seed);
        struct summary s = summarise(pairs, samples->total, job->settings.evaluate.lpips_repeats);
        write_summary(&s, j);
        mem_free(pairs);
    }
    judge_destroy(judge);
    timer_end("evaluate/lpips");
    mem_free(seed);
    mem_free(distance);
    mem_free(clean);
    return failed;
}
