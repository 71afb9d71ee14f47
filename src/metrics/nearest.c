/* SPDX-License-Identifier: Apache-2.0
 * Nearest neighbours: each row keeps the k smallest exact squared distances met so far, sorted; a
 * block row whose approximate distance cannot undercut the last of them is passed over. */
#include "metrics/nearest.h"

#include <math.h>

#include "base/mem.h"
#include "metrics/metrics.h"

enum { CHUNK = 32 };

/* Puts (distance2, index) into the sorted list of k; equal ones keep the order of their arrival. */
static void insert(int k, double distance2, int64_t index, double *best, int64_t *best_index)
{
    int i = k - 1;
    for (; i > 0 && distance2 < best[i - 1]; i--) {
        best[i] = best[i - 1];
        best_index[i] = best_index[i - 1];
    }
    best[i] = distance2;
    best_index[i] = index;
}

static void visit(const struct block *b, int64_t row, const float *dot, void *user)
{
    struct nearest *s = user;
    const struct points *mine = s->mine;
    int d = mine->d;
    double low_row = mine->norm[row] * (1.0 - pairs_slack(d)), *best = s->distance2 + row * s->k;
    float limit = (float)(best[s->k - 1] - low_row);
    for (int first = 0; first < b->n; first += CHUNK) {
        int last = first + CHUNK < b->n ? first + CHUNK : b->n, any = 0;
        for (int j = first; j < last; j++)
            any |= b->low[j] - 2.0f * dot[j] < limit;
        for (int j = first; any && j < last; j++) {
            if (!(b->low[j] - 2.0f * dot[j] < limit) || b->first + j == s->self + row)
                continue;
            double distance2 = pairs_exact(mine->x + row * d, b->x + (int64_t)j * d, d);
            if (distance2 < best[s->k - 1]) {
                insert(s->k, distance2, b->first + j, best, s->index + row * s->k);
                limit = (float)(best[s->k - 1] - low_row);
            }
        }
    }
}

void nearest_find(const struct points *mine, const struct points *others, int k,
                  struct nearest *out)
{
    size_t slots = (size_t)mine->n * (size_t)k;
    struct nearest s = {.mine = mine, .k = k, .self = mine == others ? mine->first : INT64_MIN / 2};
    s.distance2 = mem_alloc(slots * sizeof *s.distance2);
    s.index = mem_alloc(slots * sizeof *s.index);
    for (size_t i = 0; i < slots; i++) {
        s.distance2[i] = INFINITY;
        s.index[i] = -1;
    }
    struct block b;
    for (block_begin(&b, others); block_next(&b);)
        pairs_visit(&b, mine, visit, &s);
    *out = s;
}

void nearest_free(struct nearest *s)
{
    mem_free(s->distance2);
    mem_free(s->index);
}

void nearest_rows(struct comm *comm, const float *real, int64_t n_real, const float *fake,
                  int64_t n_fake, int d, float *distance, int64_t *index)
{
    double *centre = mem_alloc((size_t)d * sizeof *centre);
    pairs_centre(comm, d, real, n_real, fake, n_fake, centre);
    struct points all, mine;
    points_init(&all, comm, real, n_real, d, centre);
    points_init(&mine, comm, fake, n_fake, d, centre);
    struct nearest found;
    nearest_find(&mine, &all, 1, &found);
    for (int64_t row = 0; row < n_fake; row++) {
        distance[row] = (float)sqrt(found.distance2[row]);
        index[row] = found.index[row];
    }
    nearest_free(&found);
    points_free(&mine);
    points_free(&all);
    mem_free(centre);
}
