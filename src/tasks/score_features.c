/* SPDX-License-Identifier: Apache-2.0
 * The scores 'fd' and 'prdc' of every set on one kind of features. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/timer.h"
#include "tasks/evaluation.h"
#include "tasks/feature_store.h"

enum { UNIT = 96 };

/* The real images' features, and what every comparison needs of them. */
struct real_side {
    int d;
    float *features;
    struct moments moments;
    double *radius2; /* NULL without prdc */
};

/* What is still to be computed of one kind of features. */
struct due {
    const char *feature;
    int fd[COMPARED], prdc[COMPARED], any;
};

static const char *unit_name(const char *feature, int which, const char *metric, char name[UNIT])
{
    snprintf(name, UNIT, "%s/%s/%s", feature, compared_name[which], metric);
    return name;
}

static void look_up(struct evaluation *e, struct feature_scores *out, struct due *due)
{
    char name[UNIT];
    for (int i = 0; i < COMPARED; i++) {
        int64_t n = e->compared[i].total;
        double fd[2], *prdc = &out->prdc[i].precision;
        if (n && metric_wanted(e, "fd")) {
            due->fd[i] = !unit_found(e, unit_name(due->feature, i, "fd", name), 2, fd, n);
            if (!due->fd[i]) {
                out->fd[i] = fd[0];
                out->is_fid = fd[1] > 0;
            }
        }
        if (n && metric_wanted(e, "prdc"))
            due->prdc[i] = !unit_found(e, unit_name(due->feature, i, "prdc", name), 4, prdc, n);
        due->any |= due->fd[i] || due->prdc[i];
    }
}

/* LAPACK works on rank 0, the others wait: n ranks a node would fight for the same cores. */
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

static int score_fd(struct evaluation *e, const struct real_side *real, const char *feature,
                    int which, const float *features, struct feature_scores *out)
{
    double began = timer_now_s(), value[2] = {0, out->is_fid};
    char name[UNIT];
    timer_begin("evaluate/frechet");
    int failed =
        distance_of(e->job->comm, &real->moments, features, e->compared[which].count, value);
    timer_end("evaluate/frechet");
    if (failed)
        return TASK_FAILED;
    out->fd[which] = value[0];
    return unit_finish(e, unit_name(feature, which, "fd", name), 2, value, e->compared[which].total,
                       began);
}

static int score_prdc(struct evaluation *e, const struct real_side *real, const char *feature,
                      int which, const float *features, struct feature_scores *out)
{
    double began = timer_now_s();
    char name[UNIT];
    struct prdc *p = &out->prdc[which];
    timer_begin("evaluate/prdc");
    int failed =
        prdc_compare(e->job->comm, real->features, real->radius2, e->real.count, features,
                     e->compared[which].count, real->d, (int)e->job->settings.evaluate.prdc_k, p);
    timer_end("evaluate/prdc");
    if (comm_agree(e->job->comm, failed))
        return TASK_FAILED;
    return unit_finish(e, unit_name(feature, which, "prdc", name), 4,
                       (double[]){p->precision, p->recall, p->density, p->coverage},
                       e->compared[which].total, began);
}

/* *out [count, dim], caller frees. 0, TASK_FAILED or TASK_STOPPED. */
static int features_of(struct evaluation *e, struct feature_store *store, struct eye *eye,
                       const char *name, const struct image_set *set, float **out)
{
    struct named_set named = {name, set};
    *out = mem_alloc((size_t)set->count * (size_t)eye_dim(eye) * sizeof **out);
    int result = feature_store_run(store, eye, &named, &e->progress, e->seen, *out);
    e->seen += result ? 0 : set->total;
    return result;
}

static int score_set(struct evaluation *e, const struct due *due, struct feature_store *store,
                     struct eye *eye, const struct real_side *real, int which,
                     struct feature_scores *out)
{
    float *features;
    int result = features_of(e, store, eye, compared_name[which], &e->compared[which], &features);
    if (!result && due->fd[which])
        result = score_fd(e, real, due->feature, which, features, out);
    if (!result && due->prdc[which])
        result = score_prdc(e, real, due->feature, which, features, out);
    mem_free(features);
    return result;
}

static int open_real_side(struct evaluation *e, const struct due *due, struct feature_store *store,
                          struct eye *eye, struct real_side *real)
{
    struct comm *comm = e->job->comm;
    int result = features_of(e, store, eye, "real", &e->real, &real->features);
    if (result)
        return result;
    real->d = eye_dim(eye);
    moments_of(comm, real->features, e->real.count, real->d, &real->moments);
    for (int i = 0; i < COMPARED && !real->radius2 && !result; i++)
        if (due->prdc[i]) {
            timer_begin("evaluate/prdc");
            real->radius2 = mem_alloc((size_t)e->real.count * sizeof *real->radius2);
            result =
                comm_agree(comm, prdc_radii(comm, real->features, e->real.count, real->d,
                                            (int)e->job->settings.evaluate.prdc_k, real->radius2));
            timer_end("evaluate/prdc");
        }
    return result;
}

static int score_due(struct evaluation *e, const struct due *due, struct feature_scores *out)
{
    struct eye *eye = NULL;
    struct feature_store *store = NULL;
    struct real_side real = {0};
    struct named_set sets[1 + COMPARED] = {{"real", &e->real}};
    for (int i = 0; i < COMPARED; i++)
        sets[1 + i] = (struct named_set){compared_name[i], &e->compared[i]};
    int result = eye_open(e->job, due->feature, &e->real, &eye) ||
                 feature_store_open(e->job, due->feature, eye_dim(eye), 1 + COMPARED, sets, &store);
    if (!result) {
        out->is_fid = eye_is_fid(eye);
        result = open_real_side(e, due, store, eye, &real);
    }
    for (int i = 0; i < COMPARED && !result; i++) {
        if (due->fd[i] || due->prdc[i])
            result = score_set(e, due, store, eye, &real, i, out);
        else
            e->seen += e->compared[i].total;
    }
    moments_free(&real.moments);
    mem_free(real.features);
    mem_free(real.radius2);
    feature_store_close(store, !result);
    eye_close(eye);
    return comm_agree(e->job->comm, result);
}

int score_features(struct evaluation *e, int feature)
{
    struct feature_scores *out = &e->features[feature];
    struct due due = {.feature = e->job->settings.evaluate.features[feature]};
    if (!metric_wanted(e, "fd") && !metric_wanted(e, "prdc"))
        return TASK_DONE;
    look_up(e, out, &due);
    int result = TASK_DONE;
    if (due.any) {
        result = score_due(e, &due, out);
    } else {
        e->seen += e->real.total;
        for (int i = 0; i < COMPARED; i++)
            e->seen += e->compared[i].total;
    }
    if (!result)
        evaluation_print(e, feature);
    return result;
}
