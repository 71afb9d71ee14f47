/* SPDX-License-Identifier: Apache-2.0
 * The score 'nearest': how far the images of a set are from the nearest real one, in pixel values;
 * and the share of copies, nearer to a real image than half the mean distance of a held-out one.
 * All meet all in tiles, so that two tiles and two slabs of images are in memory at most. */
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/timer.h"
#include "tasks/evaluation.h"

/* Rows of this rank that are held at a time. */
struct tile {
    int64_t most, count;
    float *x; /* [most, values] */
};

static struct tile tile_create(const struct image_set *s)
{
    int64_t fit = NEAREST_TILE_BYTES / (image_values(s) * (int64_t)sizeof(float));
    struct tile t = {.most = fit < 1 ? 1 : fit < s->count ? fit : s->count};
    t.most = t.most ? t.most : 1;
    t.x = mem_alloc((size_t)(t.most * image_values(s)) * sizeof *t.x);
    return t;
}

/* Tiles on the rank that has most of them. */
static int64_t tiles_of(struct comm *comm, const struct tile *t, const struct image_set *s)
{
    double tiles = (double)((s->count + t->most - 1) / t->most);
    comm->ops->max_f64(comm, &tiles, 1);
    return (int64_t)tiles;
}

static int tile_read(struct tile *t, const struct image_set *s, int64_t number)
{
    int64_t first = number * t->most, left = s->count - first;
    t->count = left <= 0 ? 0 : left < t->most ? left : t->most;
    return t->count && image_set_read(s, first, t->count, t->x);
}

/* Euclidean distances from this rank's images to the nearest real one: distance [count]. */
static int nearest_distances(struct evaluation *e, const struct image_set *set, float *distance)
{
    struct comm *comm = e->job->comm;
    struct tile mine = tile_create(set), real = tile_create(&e->real);
    float *near = mem_alloc((size_t)mine.most * sizeof *near);
    int64_t *index = mem_alloc((size_t)mine.most * sizeof *index);
    int64_t tiles = tiles_of(comm, &mine, set), real_tiles = tiles_of(comm, &real, &e->real);
    int d = (int)image_values(set), failed = 0;
    for (int64_t t = 0; t < tiles && !failed; t++) {
        failed = comm_agree(comm, tile_read(&mine, set, t));
        for (int64_t i = 0; i < mine.count; i++)
            distance[t * mine.most + i] = INFINITY;
        for (int64_t r = 0; r < real_tiles && !failed; r++) {
            failed = comm_agree(comm, tile_read(&real, &e->real, r));
            if (!failed)
                nearest_rows(comm, real.x, real.count, mine.x, mine.count, d, near, index);
            for (int64_t i = 0; i < mine.count && !failed; i++)
                distance[t * mine.most + i] = fminf(distance[t * mine.most + i], near[i]);
        }
    }
    mem_free(mine.x);
    mem_free(real.x);
    mem_free(near);
    mem_free(index);
    return failed;
}

static int score_set(struct evaluation *e, int which, const char *name)
{
    struct comm *comm = e->job->comm;
    const struct image_set *set = &e->compared[which];
    double began = timer_now_s(), sum[2] = {0, 0}; /* of distances; copies */
    float *distance = mem_alloc((size_t)set->count * sizeof *distance);
    timer_begin("evaluate/nearest");
    int failed = nearest_distances(e, set, distance);
    timer_end("evaluate/nearest");
    for (int64_t i = 0; i < set->count && !failed; i++) {
        sum[0] += (double)distance[i];
        sum[1] += (double)distance[i] < 0.5 * e->nearest[TEST];
    }
    mem_free(distance);
    comm->ops->sum_f64(comm, sum, 2);
    e->nearest[which] = sum[0] / (double)set->total;
    int known = e->compared[TEST].total && (which == SAMPLES || which == SAMPLES_TRAIN);
    e->memorised[which] = known ? sum[1] / (double)set->total : -1;
    if (failed)
        return TASK_FAILED;
    return unit_finish(e, name, 2, (double[]){e->nearest[which], e->memorised[which]}, set->total,
                       began);
}

int score_nearest(struct evaluation *e)
{
    static const int order[COMPARED] = {TEST, SAMPLES, SAMPLES_TRAIN, PRIOR, PRIOR_TRAIN};
    int result = TASK_DONE;
    for (int i = 0; i < COMPARED && !result; i++) {
        int which = order[i];
        double found[2];
        char name[64], label[LABEL];
        e->memorised[which] = -1;
        if (!e->compared[which].total)
            continue;
        snprintf(name, sizeof name, "nearest/%s", compared_name[which]);
        if (unit_found(e, name, 2, found, e->compared[which].total)) {
            e->nearest[which] = found[0];
            e->memorised[which] = found[1];
        } else {
            result = score_set(e, which, name);
        }
        compared_label(e, which, label);
        log_info("  nearest    %-21s mean distance to the nearest real image %.3f", label,
                 e->nearest[which]);
        if (e->memorised[which] >= 0)
            log_info("  nearest    %-21s share within half that distance of held-out images %.3f",
                     label, e->memorised[which]);
    }
    return result;
}
