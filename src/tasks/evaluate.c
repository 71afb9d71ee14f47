/* SPDX-License-Identifier: Apache-2.0
 * evaluate: metrics.json. Samples against real images, and, as the scale to read the numbers by,
 * the priors the samples started from and held-out real images: as many of each as there are
 * samples, or as many as there are (the Frechet distance falls with N, so such rows are marked). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "base/timer.h"
#include "files/h5io.h"
#include "tasks/evaluation.h"
#include "tasks/eye.h"

const char *const compared_name[COMPARED] = {"samples", "samples_train", "prior", "prior_train",
                                             "test"};

const char *compared_label(const struct evaluation *e, int which, char label[LABEL])
{
    int of_train = which == SAMPLES_TRAIN || which == PRIOR_TRAIN || !strcmp(e->seeds, "train");
    int prior = which == PRIOR || which == PRIOR_TRAIN;
    if (which == TEST)
        snprintf(label, LABEL, "held-out images");
    else
        snprintf(label, LABEL, "%s%s", prior ? "prior" : "samples",
                 !*e->seeds ? ""
                 : of_train ? " (train seeds)"
                            : " (test seeds)");
    return label;
}

int metric_of_deck(const struct evaluate_settings *s, const char *metric)
{
    for (int i = 0; i < s->metric_count; i++)
        if (!strcmp(s->metrics[i], metric))
            return 1;
    return 0;
}

int metric_wanted(const struct evaluation *e, const char *metric)
{
    return metric_of_deck(&e->job->settings.evaluate, metric);
}

/* Of which split the seeds are: the samples of held-out seeds come first, *held_out of them. */
static int read_seeds(struct evaluation *e, struct h5_file *file, const char *path,
                      int64_t *held_out)
{
    enum h5_type type;
    int rank, own = !*e->job->settings.evaluate.fake;
    int64_t dims[5];
    if (!h5_dataset_exists(file, "/seed_split")) {
        const char *split = e->job->settings.sample.prior_split;
        e->seeds = !own || !strcmp(split, "both") ? "" : split;
        return 0;
    }
    if (h5_dataset_info(file, "/seed_split", &type, &rank, dims) || type != H5_U8 || rank != 1)
        return 1;
    uint8_t *test = mem_alloc((size_t)dims[0]);
    int failed = h5_read_rows(file, "/seed_split", 0, dims[0], test);
    int64_t n = 0;
    while (!failed && n < dims[0] && test[n])
        n++;
    if (!failed && memchr(test + n, 1, (size_t)(dims[0] - n))) {
        log_error("%s: samples of held-out seeds stand behind others in /seed_split", path);
        failed = 1;
    }
    e->seeds = n == 0 ? "train" : n == dims[0] ? "test" : "both";
    *held_out = n;
    mem_free(test);
    return failed;
}

static int open_samples(struct evaluation *e, const char *path)
{
    struct comm *comm = e->job->comm;
    struct h5_file *file = NULL;
    int64_t most = e->job->settings.evaluate.max_fake, held_out = 0;
    int has_prior = 0, failed = 0;
    e->seeds = "";
    if (!image_set_format(path)) {
        failed = h5_open(path, NULL, 0, "", &file) || read_seeds(e, file, path, &held_out);
        has_prior = !failed && h5_dataset_exists(file, "/prior");
        h5_close(file);
    }
    if (comm_agree(comm, failed))
        return 1;
    if (!strcmp(e->seeds, "both")) {
        int64_t n = most > 0 && most < held_out ? most : held_out;
        return image_set_open(comm, path, "/images", 0, n, &e->compared[SAMPLES]) ||
               image_set_open(comm, path, "/images", held_out, most, &e->compared[SAMPLES_TRAIN]) ||
               (has_prior &&
                (image_set_open(comm, path, "/prior", 0, n, &e->compared[PRIOR]) ||
                 image_set_open(comm, path, "/prior", held_out, most, &e->compared[PRIOR_TRAIN])));
    }
    return image_set_open(comm, path, "/images", 0, most, &e->compared[SAMPLES]) ||
           (has_prior && image_set_open(comm, path, "/prior", 0, most, &e->compared[PRIOR]));
}

static int open_real(struct evaluation *e, const char *path)
{
    struct comm *comm = e->job->comm;
    struct h5_file *probe = NULL;
    int has_test = 0;
    if (image_set_open(comm, path, "/images", 0, e->job->settings.evaluate.max_real, &e->real))
        return 1;
    if (!image_set_format(path) && !h5_open(path, NULL, 0, "", &probe))
        has_test = h5_dataset_exists(probe, "/test_images");
    h5_close(probe);
    return has_test && image_set_open(comm, path, "/test_images", 0, e->compared[SAMPLES].total,
                                      &e->compared[TEST]);
}

/* Do all scores that the deck asks for take images of any size? */
static int takes_any(const struct evaluation *e)
{
    const struct evaluate_settings *s = &e->job->settings.evaluate;
    int any =
        !metric_wanted(e, "nearest") && !metric_wanted(e, "lpips") && !metric_wanted(e, "spectrum");
    for (int i = 0; i < s->feature_count; i++)
        any = any && eye_takes_any(s->features[i]);
    return any;
}

static int check_sizes(const struct evaluation *e)
{
    const struct image_set *a = &e->real;
    for (int i = 0; i < COMPARED && !takes_any(e); i++) {
        const struct image_set *b = &e->compared[i];
        if (!b->total || (a->height == a->width && a->height == b->height && a->width == b->width &&
                          a->channels == b->channels))
            continue;
        if (e->job->comm->rank == 0)
            log_error("%s has images of %dx%d px and %d channel(s), %s of %dx%d px and %d: they "
                      "cannot be compared pixel by pixel. The scores 'fd' and 'prdc' on the "
                      "features 'inception', without others, take images of any size; for the "
                      "others bring both sets to one square size and number of channels first",
                      a->path, a->width, a->height, a->channels, b->path, b->width, b->height,
                      b->channels);
        return 1;
    }
    return 0;
}

static int open_sets(struct evaluation *e)
{
    const struct evaluate_settings *s = &e->job->settings.evaluate;
    char real[JOB_PATH], fake[JOB_PATH];
    snprintf(real, sizeof real, "%s", s->real);
    snprintf(fake, sizeof fake, "%s", s->fake);
    if (!*real)
        job_path(e->job, "dataset.h5", real);
    if (!*fake)
        job_path(e->job, "samples.h5", fake);
    return open_samples(e, fake) || open_real(e, real) || check_sizes(e);
}

/* One number for the pictures of a folder, whatever their names: they may have changed without a
 * trace in the folder itself. Exact in double below 2^21 pictures. */
static int sum_of_pictures(struct comm *comm, const struct image_set *s, double *sum)
{
    int failed = 0;
    *sum = 0;
    for (int64_t i = 0; i < s->count && !failed; i++) {
        struct image image;
        failed = image_set_read_any(s, i, 1, &image);
        size_t bytes = failed ? 0
                              : (size_t)image.height * (size_t)image.width *
                                    (size_t)image.channels * sizeof(float);
        *sum += (double)crc32_z((uLong)(s->first + i), (const void *)image.x, bytes);
        images_free(1, &image);
        timer_alive();
    }
    comm->ops->sum_f64(comm, sum, 1);
    return comm_agree(comm, failed);
}

/* What tells a set from another, behind text[used]. */
static int describe_set(struct comm *comm, const struct image_set *s, char *text, size_t room)
{
    struct stat file = {0};
    double sum = 0;
    const char *format = image_set_format(s->path);
    if (format && !strcmp(format, "folder") && sum_of_pictures(comm, s, &sum))
        return 1;
    stat(s->path, &file);
    size_t used = strlen(text);
    snprintf(text + used, room - used, "%s %s %" PRId64 " %" PRId64 " %lld %lld.%09ld %.0f\n",
             s->path, s->dataset, s->from, s->total,
             S_ISDIR(file.st_mode) ? 0 : (long long)file.st_size,
             S_ISDIR(file.st_mode) ? 0 : (long long)file.st_mtim.tv_sec,
             S_ISDIR(file.st_mode) ? 0 : file.st_mtim.tv_nsec, sum);
    return 0;
}

/* All that the scores depend on: the settings, the images and the networks. */
static int open_finished(struct evaluation *e)
{
    enum { ROOM = 32 * JOB_PATH };
    const struct evaluate_settings *s = &e->job->settings.evaluate;
    const char *const weights[] = {s->weights, s->inception_weights, s->trunk_weights,
                                   s->lpips_weights};
    char *text = mem_zalloc(ROOM), path[JOB_PATH];
    struct stat data = {0};
    stat(job_path(e->job, "dataset.h5", path), &data); /* 'lpips' reads seed images there */
    snprintf(text, ROOM, "resize %s k %lld trunk %s repeats %lld seeds %s data %lld.%09ld\n",
             s->fid_resize, (long long)s->prdc_k, s->lpips_trunk, (long long)s->lpips_repeats,
             e->seeds, (long long)data.st_mtim.tv_sec, data.st_mtim.tv_nsec);
    for (int i = 0; i < 4; i++) {
        struct stat file = {0};
        size_t used = strlen(text);
        stat(weights[i], &file);
        snprintf(text + used, ROOM - used, "%s %lld %lld.%09ld\n", weights[i],
                 (long long)file.st_size, (long long)file.st_mtim.tv_sec, file.st_mtim.tv_nsec);
    }
    int failed = describe_set(e->job->comm, &e->real, text, ROOM);
    for (int i = 0; i < COMPARED && !failed; i++)
        failed = e->compared[i].total && describe_set(e->job->comm, &e->compared[i], text, ROOM);
    failed = failed || finished_open(e->job, text, &e->finished);
    mem_free(text);
    return failed;
}

int unit_found(struct evaluation *e, const char *what, int n, double *value, int64_t images)
{
    if (!finished_find(e->finished, what, n, value))
        return 0;
    e->seen += images;
    return 1;
}

int unit_finish(struct evaluation *e, const char *what, int n, const double *value, int64_t images,
                double began_s)
{
    double spent = timer_now_s() - began_s;
    e->slowest_s = spent > e->slowest_s ? spent : e->slowest_s;
    e->seen += images;
    progress_show(&e->progress, e->seen, NULL);
    if (finished_add(e->finished, what, n, value))
        return TASK_FAILED;
    if (e->seen < e->total && stop_requested(e->job, e->slowest_s) == STOP_LEAVE) {
        log_info("evaluation stopped (%s) behind %s; run again to go on", stop_reason(), what);
        return TASK_STOPPED;
    }
    return TASK_DONE;
}

/* Every pass over a set that lies ahead, in images. */
static int64_t count_images(const struct evaluation *e)
{
    int64_t compared = 0, samples = e->compared[SAMPLES].total + e->compared[SAMPLES_TRAIN].total;
    for (int i = 0; i < COMPARED; i++)
        compared += e->compared[i].total;
    int64_t scores = metric_wanted(e, "fd") + metric_wanted(e, "prdc"), features = 0;
    if (scores)
        features = e->job->settings.evaluate.feature_count;
    return features * (e->real.total + (1 + scores) * compared) +
           metric_wanted(e, "nearest") * compared + metric_wanted(e, "lpips") * samples +
           metric_wanted(e, "spectrum") * (e->real.total + compared);
}

static int evaluate_all(struct evaluation *e)
{
    const struct evaluate_settings *s = &e->job->settings.evaluate;
    int result = TASK_DONE;
    e->total = count_images(e);
    progress_start(&e->progress, "evaluate", "images", 0, e->total);
    for (int f = 0; f < s->feature_count && !result; f++)
        result = score_features(e, f);
    if (!result && metric_wanted(e, "nearest"))
        result = score_nearest(e);
    if (!result && metric_wanted(e, "lpips"))
        result = score_lpips(e);
    if (!result && metric_wanted(e, "spectrum"))
        result = score_spectra(e);
    if (!result)
        progress_end(&e->progress, e->seen);
    return result;
}

int task_evaluate(struct job *job)
{
    struct evaluation *e = mem_zalloc(sizeof *e);
    e->job = job;
    timer_begin("evaluate");
    int result = open_sets(e) || open_finished(e) ? TASK_FAILED : TASK_DONE;
    if (!result) {
        log_info("scores of %lld samples against %lld real images (%s mode):",
                 (long long)(e->compared[SAMPLES].total + e->compared[SAMPLES_TRAIN].total),
                 (long long)e->real.total, job->settings.forward.mode);
        result = evaluate_all(e);
    }
    if (!result)
        result = comm_agree(job->comm, job->comm->rank == 0 && evaluation_write(e));
    finished_close(e->finished, result == TASK_DONE);
    image_set_close(&e->real);
    for (int i = 0; i < COMPARED; i++)
        image_set_close(&e->compared[i]);
    for (int i = 0; i < 1 + COMPARED; i++)
        mem_free(e->spectrum[i]);
    mem_free(e);
    timer_end("evaluate");
    return comm_agree(job->comm, result);
}
