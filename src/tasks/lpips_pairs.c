/* SPDX-License-Identifier: Apache-2.0
 * The score 'lpips': how far samples went from the images that seeded them. Pairs are a sample and
 * the clean image of its seed; of each seed image the first evaluate.lpips_repeats samples count. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timer.h"
#include "files/dataset.h"
#include "tasks/evaluation.h"
#include "tasks/judge.h"

struct pair {
    int64_t seed, sample;
    double distance;
};

/* Of which split: train or test. */
static int seeds_are_test(const struct evaluation *e, int which)
{
    return which == SAMPLES &&
           strcmp(*e->seeds ? e->seeds : e->job->settings.sample.prior_split, "train") != 0;
}

/* Seed images of this rank's samples: seed [count], checked against the data set, which stays open. */
static int read_seeds(struct evaluation *e, int which, int64_t *seed, struct h5_file **dataset)
{
    const struct image_set *samples = &e->compared[which];
    struct dataset_shape shape;
    char path[JOB_PATH];
    if (!samples->file || !h5_dataset_exists(samples->file, "/seed_image")) {
        log_error("%s has no /seed_image: 'lpips' pairs samples of this program with their seeds",
                  samples->path);
        return 1;
    }
    if (h5_read_rows(samples->file, "/seed_image", samples->from + samples->first, samples->count,
                     seed) ||
        dataset_open(job_path(e->job, "dataset.h5", path), NULL, &shape, dataset))
        return 1;
    int64_t stored = seeds_are_test(e, which) ? shape.test_count : shape.count;
    int fits = shape.width == samples->width && shape.channels == samples->channels;
    for (int64_t i = 0; i < samples->count && fits; i++)
        fits = seed[i] >= 0 && seed[i] < stored;
    if (!fits)
        log_error("%s does not hold the seed images of the samples", path);
    return !fits;
}

/* distance [count] of this rank's samples to their seed images. */
static int distances(struct evaluation *e, int which, struct judge *judge, struct h5_file *dataset,
                     const int64_t *seed, double *distance)
{
    const struct image_set *s = &e->compared[which];
    int64_t slab = image_set_slab(s), values = image_values(s);
    float *images = mem_alloc((size_t)(slab * values) * sizeof *images);
    float *clean = mem_alloc((size_t)(slab * values) * sizeof *clean);
    int failed = 0;
    for (int64_t first = 0, n; first < s->count && !failed; first += n) {
        n = s->count - first < slab ? s->count - first : slab;
        failed = image_set_read(s, first, n, images);
        for (int64_t i = 0; i < n && !failed; i++)
            failed = job_read_images(dataset, seeds_are_test(e, which), seed[first + i], 1, values,
                                     clean + i * values);
        if (!failed)
            judge_pairs(judge, n, images, clean, distance + first, NULL);
    }
    mem_free(images);
    mem_free(clean);
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
static struct lpips_summary summarise(const struct pair *pairs, int64_t n, int64_t repeats)
{
    struct lpips_summary s = {0};
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
        s.pairs += count;
        sum += own;
        square += own_square;
        if (count > 1) {
            s.repeated++;
            s.std += deviation(own, own_square, count);
        }
    }
    s.mean = sum / s.pairs;
    s.pair_std = s.pairs > 1 ? deviation(sum, square, s.pairs) : 0;
    s.std = s.repeated > 0 ? s.std / s.repeated : 0;
    return s;
}

static void print(const struct evaluation *e, int which)
{
    const struct lpips_summary *s = &e->lpips[which];
    char label[LABEL];
    compared_label(e, which, label);
    if (s->repeated > 0)
        log_info(
            "  lpips      %-21s mean %.4f, spread over the samples of a seed %.4f (%.0f pairs)",
            label, s->mean, s->std, s->pairs);
    else
        log_info("  lpips      %-21s mean %.4f (%.0f pairs; no seed occurs twice, so no spread: "
                 "sample.count would have to exceed the number of seed images)",
                 label, s->mean, s->pairs);
}

static int score_set(struct evaluation *e, int which, struct lpips_summary *out)
{
    struct comm *comm = e->job->comm;
    const struct image_set *samples = &e->compared[which];
    struct judge *judge = NULL;
    struct h5_file *dataset = NULL;
    int64_t *seed = mem_alloc((size_t)samples->count * sizeof *seed);
    double *distance = mem_alloc((size_t)samples->count * sizeof *distance);
    timer_begin("evaluate/lpips");
    int failed = comm_agree(comm, read_seeds(e, which, seed, &dataset)) ||
                 judge_lpips(e->job, samples->width, samples->channels, &judge) ||
                 comm_agree(comm, distances(e, which, judge, dataset, seed, distance));
    if (!failed) {
        struct pair *pairs = gather(comm, samples, seed, distance);
        qsort(pairs, (size_t)samples->total, sizeof *pairs, by_seed);
        *out = summarise(pairs, samples->total, e->job->settings.evaluate.lpips_repeats);
        mem_free(pairs);
    }
    h5_close(dataset);
    judge_destroy(judge);
    timer_end("evaluate/lpips");
    mem_free(seed);
    mem_free(distance);
    return failed;
}

int score_lpips(struct evaluation *e)
{
    int result = TASK_DONE;
    for (int which = SAMPLES; which <= SAMPLES_TRAIN && !result; which++) {
        struct lpips_summary *s = &e->lpips[which];
        double began = timer_now_s(), value[5];
        char name[64];
        if (!e->compared[which].total)
            continue;
        snprintf(name, sizeof name, "lpips/%s", compared_name[which]);
        if (unit_found(e, name, 5, value, e->compared[which].total)) {
            *s = (struct lpips_summary){value[0], value[1], value[2], value[3], value[4]};
        } else if (score_set(e, which, s)) {
            return TASK_FAILED;
        } else {
            result = unit_finish(e, name, 5,
                                 (double[]){s->pairs, s->repeated, s->mean, s->pair_std, s->std},
                                 e->compared[which].total, began);
        }
        print(e, which);
    }
    return result;
}
