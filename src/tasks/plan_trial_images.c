/* SPDX-License-Identifier: Apache-2.0
 * The part of the trial behind 'peclet plan' that only reads: pictures of the source as import decodes them, and images
 * through each kind of features that evaluate compares. */
#include <math.h>
#include <omp.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/timer.h"
#include "metrics/metrics.h"
#include "tasks/eye.h"
#include "tasks/import_source.h"
#include "tasks/judge.h"
#include "tasks/plan.h"

static const double enough_s = 0.25;
enum { ROUNDS = 8 }; /* of images whose features are kept */

/* Images that import will decode: choose_splits of import.c, in numbers. */
static int64_t images_to_read(const struct dataset_settings *s, const struct image_source *train,
                              const struct image_source *test)
{
    int64_t held = (int64_t)(s->test_fraction * (double)train->count + 0.5);
    int64_t n = test ? train->count : train->count - held, m = test ? test->count : held;
    return (s->limit > 0 && n > s->limit ? s->limit : n) +
           (s->test_limit > 0 && m > s->test_limit ? s->test_limit : m);
}

/* Seconds an image, all threads at work. */
static double read_some(struct image_source *source, int threads, int rank, int ranks)
{
    size_t bytes = (size_t)source->height * (size_t)source->width * (size_t)source->channels;
    int64_t first = source->count / ranks * rank, most = source->count / ranks, done = 0;
    uint8_t *pixels = mem_alloc((size_t)threads * bytes);
    double began = timer_now_s(), seconds = 0;
    most = most ? most : 1;
    while (done < most && seconds < enough_s) {
        int64_t count = most - done < 16 * threads ? most - done : 16 * threads;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
        for (int64_t i = 0; i < count; i++) {
            char fault[IMAGE_FAULT]; /* a damaged one costs time too */
            int thread = omp_get_thread_num();
            image_read(source, thread, first + done + i, pixels + (size_t)thread * bytes, fault);
        }
        done += count;
        seconds = timer_now_s() - began;
    }
    mem_free(pixels);
    return seconds / (double)done;
}

static double peak_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss * 1024;
}

void plan_try_import(struct job *job, struct plan_trial *t)
{
    const struct dataset_settings *s = &job->settings.dataset;
    struct comm *comm = job->comm;
    struct image_source *train = NULL, *test = NULL;
    int threads = job->device->threads > 0 ? job->device->threads : 1;
    double before = plan_own_bytes(job->device), program = plan_program_bytes(),
           peak = peak_bytes();
    int absent =
        !*s->path || !text_exists(s->path) || (*s->test_path && !text_exists(s->test_path));
    t->read_s = NAN;
    if (comm_agree(comm, absent))
        return;
    double began = timer_now_s();
    int failed = import_source_open(s, 0, threads, &train) ||
                 (*s->test_path && import_source_open(s, 1, threads, &test));
    t->open_s = timer_now_s() - began;
    if (!comm_agree(comm, failed)) {
        t->read_s = read_some(train, threads, comm->rank, comm->size);
        t->source_images = images_to_read(s, train, test);
        t->source_bytes = plan_own_bytes(job->device) - before;
        t->program_bytes[PLAN_IMPORT] = plan_program_bytes();
        /* a second opening would also find what malloc kept of the first (plan_look_at_images) */
        t->open_peak_bytes = peak - program > t->source_bytes ? peak : peak_bytes();
        comm->ops->max_f64(comm, &t->open_s, 1);
        comm->ops->max_f64(comm, &t->read_s, 1);
    }
    image_source_close(train);
    image_source_close(test);
    t->left_bytes = plan_program_bytes() - program;
}

/* Are the weights that a kind of features needs there? */
static int has_weights(const struct evaluate_settings *s, const char *feature)
{
    return !judge_knows(feature) || text_exists(judge_weights(s, feature));
}

/* The distances once, on few features, so that the linear algebra behind them has taken its memory. */
static int wake_distances(struct comm *comm, float *features, int64_t n, int dim)
{
    struct moments m;
    struct prdc scores;
    double distance;
    int d = dim < 512 ? dim : 512;
    moments_of(comm, features, n, d, &m);
    int failed = frechet_distance(&m, &m, &distance) ||
                 prdc_compute(comm, features, n, features, n, d, 1, &scores);
    moments_free(&m);
    return failed;
}

static int try_eye(struct job *job, const char *feature, const struct image_set *like,
                   struct plan_eye *out, double *left_bytes)
{
    struct device *d = job->device;
    struct eye *eye = NULL;
    struct image images[128];
    int64_t n = judge_knows(feature) ? 8 : image_set_slab(like), values = image_values(like);
    double device = (double)d->bytes, host = plan_own_bytes(d), seconds = 0;
    int runs = -1; /* the first does not count */
    if (eye_open(job, feature, like, &eye))
        return 1;
    out->dim = eye_dim(eye);
    out->device = (double)d->bytes - device;
    out->host = plan_own_bytes(d) - host;
    float *x = mem_alloc((size_t)(n * values) * sizeof *x);
    float *features = mem_zalloc((size_t)(ROUNDS * n) * (size_t)out->dim * sizeof *features);
    for (int64_t i = 0; i < n * values; i++)
        x[i] = (float)(i * 7919 % 1009) / 1009;
    for (int64_t i = 0; i < n; i++)
        images[i] = (struct image){like->height, like->width, like->channels, x + i * values};
    while (seconds < enough_s && runs < 20) {
        double began = timer_now_s();
        eye_run(eye, n, images, features + (runs + 1) % ROUNDS * n * out->dim);
        seconds += runs++ < 0 ? 0 : timer_now_s() - began;
    }
    out->image_s = seconds / (double)(runs * n);
    job->comm->ops->max_f64(job->comm, &out->image_s, 1);
    eye_close(eye);
    double before = plan_program_bytes();
    int failed =
        comm_agree(job->comm, n > 1 && wake_distances(job->comm, features, ROUNDS * n, out->dim));
    *left_bytes += plan_program_bytes() - before;
    mem_free(x);
    mem_free(features);
    return failed;
}

int plan_try_features(struct job *job, const struct adr_plan *plan, struct plan_trial *t)
{
    const struct evaluate_settings *s = &job->settings.evaluate;
    struct image_set like = {.height = plan->side, .width = plan->side, .channels = plan->channels};
    double left_bytes = 0;
    int failed = 0;
    for (int f = 0; f < s->feature_count && !failed; f++)
        if (!comm_agree(job->comm, !has_weights(s, s->features[f])))
            failed = try_eye(job, s->features[f], &like, &t->eye[f], &left_bytes);
    t->program_bytes[PLAN_EVALUATE] = plan_program_bytes() - t->left_bytes;
    t->left_bytes += left_bytes;
    return failed;
}
