/* SPDX-License-Identifier: Apache-2.0
 * evaluate: metrics.json. Samples against real images, and, as the scale to
 * read the numbers by, the priors the samples started from and held-out real
 * images (as many of each as there are samples: the Frechet distance falls with
 * N). */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/timer.h"
#include "files/h5io.h"
#include "metrics/features.h"
#include "metrics/metrics.h"
#include "tasks/feature_store.h"
#include "tasks/lpips_pairs.h"
#include "tasks/spectra.h"

enum { FAKE, PRIOR, TEST, COMPARED, FEATURE_BATCH = 256 };
static const char *const compared_name[COMPARED] = {"samples", "prior", "test"};

struct scores {
    int has_fd, has_prdc, is_fid;
    double fd;
    struct prdc prdc;
};

struct evaluation {
    struct job *job;
    struct image_set real, compared[COMPARED]; /* an absent set has total 0 */
};

static int wanted(const struct evaluate_settings *s, const char *metric)
{
    for (int i = 0; i < s->metric_count; i++)
        if (!strcmp(s->metrics[i], metric))
            return 1;
    return 0;
}

static int load_sets(struct evaluation *e)
{
    struct job *job = e->job;
    const struct evaluate_settings *s = &job->settings.evaluate;
    char real[JOB_PATH], fake[JOB_PATH];
    struct h5_file *probe = NULL;
    int has_test = 0, has_prior = 0;

    snprintf(real, sizeof real, "%s", s->real);
    snprintf(fake, sizeof fake, "%s", s->fake);
    if (!*real)
        job_path(job, "dataset.h5", real);
    if (!*fake)
        job_path(job, "samples.h5", fake);
    if (image_set_load(job->comm, real, "/images", s->max_real, &e->real) ||
        image_set_load(job->comm, fake, "/images", s->max_fake, &e->compared[FAKE]))
        return 1;
    if (!image_set_format(fake) && !h5_open(fake, NULL, 0, "", &probe))
        has_prior = h5_dataset_exists(probe, "/prior");
    h5_close(probe);
    probe = NULL;
    if (!image_set_format(real) && !h5_open(real, NULL, 0, "", &probe))
        has_test = h5_dataset_exists(probe, "/test_images");
    h5_close(probe);
    int64_t n = e->compared[FAKE].total;
    if ((has_prior && image_set_load(job->comm, fake, "/prior", n, &e->compared[PRIOR])) ||
        (has_test && image_set_load(job->comm, real, "/test_images", n, &e->compared[TEST])))
        return 1;
    if (e->real.side != e->compared[FAKE].side || e->real.channels != e->compared[FAKE].channels) {
        log_error("%s has images of %d px and %d channel(s), %s of %d px and %d: "
                  "they cannot be compared",
                  real, e->real.side, e->real.channels, fake, e->compared[FAKE].side,
                  e->compared[FAKE].channels);
        return 1;
    }
    return 0;
}

/* What turns images into features: one of the two. */
struct eye {
    struct feature_net *net;
    struct judge *judge;
    struct feature_store *store; /* of the judge: its features take long */
};

static int eye_open(const struct evaluation *e, const char *feature, struct eye *eye)
{
    *eye = (struct eye){0};
    if (!judge_knows(feature))
        return features_create(e->job->device, feature, e->real.side, e->real.channels,
                               FEATURE_BATCH, &eye->net);
    struct named_set sets[1 + COMPARED] = {{"real", &e->real}};
    for (int i = 0; i < COMPARED; i++)
        sets[1 + i] = (struct named_set){compared_name[i], &e->compared[i]};
    return judge_features(e->job, feature, e->real.side, e->real.channels, &eye->judge) ||
           feature_store_open(e->job, feature, judge_dim(eye->judge), 1 + COMPARED, sets,
                              &eye->store);
}

static void eye_close(struct eye *eye, int done)
{
    if (eye->net)
        features_destroy(eye->net);
    feature_store_close(eye->store, done);
    judge_destroy(eye->judge);
}

static int eye_dim(const struct eye *eye)
{
    return eye->judge ? judge_dim(eye->judge) : features_dim(eye->net);
}

/* *out [count, dim], caller frees. 0, TASK_FAILED or TASK_STOPPED. */
static int features_of(const struct eye *eye, const char *name, const struct image_set *set,
                       float **out)
{
    struct named_set named = {name, set};
    *out = mem_alloc((size_t)set->count * (size_t)eye_dim(eye) * sizeof **out);
    if (eye->judge)
        return feature_store_run(eye->store, eye->judge, &named, *out);
    timer_begin("evaluate/features");
    features_run(eye->net, set->count, set->images, *out);
    timer_end("evaluate/features");
    return TASK_DONE;
}

/* The real images' features, and what every comparison needs of them. */
struct real_side {
    int d;
    float *features;
    struct moments moments;
    double *radius2; /* NULL without prdc */
};

/* LAPACK works on rank 0, the others wait: n ranks a node would fight for the
 * same cores. */
static int distance_of(struct comm *comm, const struct moments *real, const float *features,
                       int64_t n, double *out)
{
    struct moments moments;
    int failed = 0;
    moments_of(comm, features, n, real->d, &moments);
    if (comm->rank == 0)
        failed = frechet_distance(real, &moments, out);
    moments_free(&moments);
    comm->ops->bcast(comm, out, sizeof *out, 0);
    return comm_agree(comm, failed);
}

static int score_set(struct evaluation *e, const struct eye *eye, const struct real_side *real,
                     int which, struct scores *out)
{
    struct comm *comm = e->job->comm;
    const struct image_set *set = &e->compared[which];
    float *features;
    int failed = features_of(eye, compared_name[which], set, &features);
    if (failed) {
        mem_free(features);
        return failed;
    }
    out->is_fid = eye->judge && judge_is_fid(eye->judge);
    if (wanted(&e->job->settings.evaluate, "fd")) {
        timer_begin("evaluate/frechet");
        failed = distance_of(comm, &real->moments, features, set->count, &out->fd);
        timer_end("evaluate/frechet");
        out->has_fd = 1;
    }
    if (real->radius2 && !failed) {
        timer_begin("evaluate/prdc");
        failed =
            prdc_compare(comm, real->features, real->radius2, e->real.count, features, set->count,
                         real->d, (int)e->job->settings.evaluate.prdc_k, &out->prdc);
        timer_end("evaluate/prdc");
        out->has_prdc = 1;
    }
    mem_free(features);
    return failed;
}

/* Scores of every compared set against the real one on one kind of features. 0, TASK_FAILED or TASK_STOPPED. */
static int score(struct evaluation *e, const char *feature, struct scores out[COMPARED])
{
    struct job *job = e->job;
    const struct evaluate_settings *s = &job->settings.evaluate;
    struct eye eye;
    struct real_side real = {0};
    int failed = comm_agree(job->comm, eye_open(e, feature, &eye));
    if (failed) {
        eye_close(&eye, 0);
        return TASK_FAILED;
    }
    real.d = eye_dim(&eye);
    failed = features_of(&eye, "real", &e->real, &real.features);
    if (failed) {
        mem_free(real.features);
        eye_close(&eye, 0);
        return failed;
    }
    moments_of(job->comm, real.features, e->real.count, real.d, &real.moments);
    if (wanted(s, "prdc")) {
        timer_begin("evaluate/prdc");
        real.radius2 = mem_alloc((size_t)e->real.count * sizeof *real.radius2);
        failed = prdc_radii(job->comm, real.features, e->real.count, real.d, (int)s->prdc_k,
                            real.radius2);
        timer_end("evaluate/prdc");
    }
    for (int i = 0; i < COMPARED && !failed; i++)
        if (e->compared[i].total)
            failed = score_set(e, &eye, &real, i, &out[i]);
    moments_free(&real.moments);
    mem_free(real.features);
    mem_free(real.radius2);
    eye_close(&eye, !failed);
    return comm_agree(job->comm, failed);
}

/* Euclidean distances in pixel values from this rank's images to the nearest real one; owner frees. */
static float *nearest_distances(struct evaluation *e, const struct image_set *set)
{
    int d = set->side * set->side * set->channels;
    float *distance = mem_alloc((size_t)set->count * sizeof *distance);
    int64_t *index = mem_alloc((size_t)set->count * sizeof *index);
    timer_begin("evaluate/nearest");
    nearest_rows(e->job->comm, e->real.images, e->real.count, set->images, set->count, d, distance,
                 index);
    timer_end("evaluate/nearest");
    mem_free(index);
    return distance;
}

/* Means over each compared set, and the share of samples that are copies: nearer to a real image
 * than half the mean distance of a held-out one. */
static void nearest_scores(struct evaluation *e, struct json *j)
{
    static const char *const key[COMPARED] = {"nearest_mean", "nearest_mean_prior",
                                              "nearest_mean_test"};
    struct comm *comm = e->job->comm;
    float *distance[COMPARED] = {NULL};
    double mean[COMPARED] = {0}, copies = 0;
    for (int i = 0; i < COMPARED; i++) {
        const struct image_set *set = &e->compared[i];
        if (!set->total)
            continue;
        distance[i] = nearest_distances(e, set);
        for (int64_t n = 0; n < set->count; n++)
            mean[i] += (double)distance[i][n];
        comm->ops->sum_f64(comm, &mean[i], 1);
        mean[i] /= (double)set->total;
        log_info("  nearest  %-8s mean distance to the nearest real image %.3f", compared_name[i],
                 mean[i]);
        if (j)
            json_real(j, key[i], mean[i]);
    }
    if (e->compared[TEST].total) {
        for (int64_t n = 0; n < e->compared[FAKE].count; n++)
            copies += (double)distance[FAKE][n] < 0.5 * mean[TEST];
        comm->ops->sum_f64(comm, &copies, 1);
        copies /= (double)e->compared[FAKE].total;
        log_info("  nearest  samples  share within half that distance of held-out images %.3f",
                 copies);
        if (j)
            json_real(j, "memorised", copies);
    }
    for (int i = 0; i < COMPARED; i++)
        mem_free(distance[i]);
}

static void write_scores(struct json *j, const struct scores *s)
{
    if (s->has_fd)
        json_real(j, "fd", s->fd);
    if (s->has_fd && s->is_fid)
        json_real(j, "fid", s->fd);
    if (s->has_prdc) {
        json_real(j, "precision", s->prdc.precision);
        json_real(j, "recall", s->prdc.recall);
        json_real(j, "density", s->prdc.density);
        json_real(j, "coverage", s->prdc.coverage);
    }
}

static void print_scores(const char *feature, const char *set, const struct scores *s)
{
    char fd[32] = "-", prdc[80] = "";
    if (s->has_fd)
        snprintf(fd, sizeof fd, "%.4g", s->fd);
    if (s->has_prdc)
        snprintf(prdc, sizeof prdc, "   P %.3f   R %.3f   D %.3f   C %.3f", s->prdc.precision,
                 s->prdc.recall, s->prdc.density, s->prdc.coverage);
    log_info("  %-8s %-8s %s%s %-9s%s", feature, set, s->is_fid ? "FID" : "FD-",
             s->is_fid ? "" : feature, fd, prdc);
}

/* Everything that is scored, into an open object of metrics.json (j: rank 0's,
 * else NULL). */
static int evaluate_all(struct evaluation *e, struct json *j)
{
    const struct evaluate_settings *s = &e->job->settings.evaluate;
    for (int f = 0; f < s->feature_count; f++) {
        struct scores scores[COMPARED] = {{0}};
        int result = score(e, s->features[f], scores);
        if (result)
            return result;
        for (int i = 0; i < COMPARED; i++)
            if (e->compared[i].total)
                print_scores(s->features[f], compared_name[i], &scores[i]);
        if (!j)
            continue;
        json_object(j, s->features[f]);
        write_scores(j, &scores[FAKE]);
        for (int i = PRIOR; i < COMPARED; i++) {
            if (!e->compared[i].total)
                continue;
            json_object(j, compared_name[i]);
            write_scores(j, &scores[i]);
            json_close(j);
        }
        json_close(j);
    }
    if (wanted(s, "nearest"))
        nearest_scores(e, j);
    if (wanted(s, "lpips") && lpips_score(e->job, &e->compared[FAKE], j))
        return 1;
    if (wanted(s, "spectrum")) {
        static const char *const names[] = {"real", "samples", "prior", "test"};
        const struct image_set *const sets[] = {&e->real, &e->compared[FAKE], &e->compared[PRIOR],
                                                &e->compared[TEST]};
        spectra_write(e->job->comm, 4, names, sets, j);
    }
    return 0;
}

int task_evaluate(struct job *job)
{
    struct evaluation e = {.job = job};
    char path[JOB_PATH], temporary[JOB_PATH + 8];
    FILE *file = NULL;
    struct json j;

    timer_begin("evaluate");
    int failed = load_sets(&e);
    if (!failed && job->comm->rank == 0) {
        snprintf(temporary, sizeof temporary, "%s.tmp", job_path(job, "metrics.json", path));
        file = fopen(temporary, "wb");
        if (!file)
            log_error("%s: cannot be written", temporary);
        failed = !file;
    }
    if (!(failed = comm_agree(job->comm, failed))) {
        log_info("scores of %lld samples against %lld real images (%s mode):",
                 (long long)e.compared[FAKE].total, (long long)e.real.total,
                 job->settings.forward.mode);
        if (file) {
            json_begin(&j, file, 1);
            json_object(&j, NULL);
            json_int(&j, "n_real", e.real.total);
            json_int(&j, "n_fake", e.compared[FAKE].total);
            json_string(&j, "mode", job->settings.forward.mode);
        }
        failed = evaluate_all(&e, file ? &j : NULL);
        if (file && !failed)
            json_close(&j);
    }
    if (file && (fclose(file) || (!failed && rename(temporary, path)))) {
        log_error("%s: cannot be written", path);
        failed = TASK_FAILED;
    }
    if (file && failed)
        remove(temporary);
    mem_free(e.real.images);
    for (int i = 0; i < COMPARED; i++)
        mem_free(e.compared[i].images);
    timer_end("evaluate");
    return comm_agree(job->comm, failed);
}
