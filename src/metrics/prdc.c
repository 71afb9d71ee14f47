/* SPDX-License-Identifier: Apache-2.0
 * Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020). With
 * R_i the distance of real row i to its k-th nearest other real row, F_j the same among the fakes:
 *   precision = share of fakes j with |i - j| < R_i for some i
 *   recall    = share of reals i with |i - j| < F_j for some j
 *   density   = number of pairs with |i - j| < R_i, over k times the number of fakes
 *   coverage  = share of reals i with |i - j| < R_i for some j
 * Each rank keeps its own fakes; the reals pass by in blocks with their radii. */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "metrics/metrics.h"
#include "metrics/nearest.h"

enum { CHUNK = 32 };

struct cross {
    const struct points *fake;         /* borrowed */
    const double *radius2;             /* [fake->n] F_j^2 */
    int64_t *inside;                   /* [fake->n] how many R_i reach this fake */
    double block_radius2[PAIRS_BLOCK]; /* R_i^2 of the travelling reals */
    float block_reach[PAIRS_BLOCK];    /* a pair with approximate low end above this is outside */
    char recalled[PAIRS_BLOCK], covered[PAIRS_BLOCK];
};

/* Is the distance below the radius? Decided by its bounds where they can, else exactly. */
static int is_inside(double low, double high, double radius2, const float *x, const float *y, int d,
                     double *exact)
{
    if (high < radius2)
        return 1;
    if (low >= radius2)
        return 0;
    if (*exact < 0.0)
        *exact = pairs_exact(x, y, d);
    return *exact < radius2;
}

static void visit(const struct block *b, int64_t row, const float *dot, void *user)
{
    struct cross *c = user;
    const struct points *fake = c->fake;
    int d = fake->d;
    double slack = pairs_slack(d), norm = fake->norm[row], radius2 = c->radius2[row];
    float low_row = (float)(norm * (1.0 - slack)), reach = (float)radius2;
    for (int first = 0; first < b->n; first += CHUNK) {
        int last = first + CHUNK < b->n ? first + CHUNK : b->n, any = 0;
        for (int j = first; j < last; j++) {
            float low = low_row + b->low[j] - 2.0f * dot[j];
            any |= (low < reach) | (low < c->block_reach[j]);
        }
        for (int j = first; any && j < last; j++) {
            double middle = norm + b->norm[j] - 2.0 * dot[j], error = slack * (norm + b->norm[j]);
            double low = middle - error, high = middle + error, exact = -1.0;
            const float *x = fake->x + row * d, *y = b->x + (int64_t)j * d;
            if (is_inside(low, high, c->block_radius2[j], x, y, d, &exact)) {
                c->inside[row]++;
#pragma omp atomic write
                c->covered[j] = 1;
            }
            if (is_inside(low, high, radius2, x, y, d, &exact)) {
#pragma omp atomic write
                c->recalled[j] = 1;
            }
        }
    }
}

/* One block of reals against this rank's fakes, then what the other ranks found for those reals. */
static void meet(struct comm *comm, const struct block *b, const double *real_radius2,
                 struct cross *c, int64_t *recalled, int64_t *covered)
{
    if (comm->rank == b->owner)
        memcpy(c->block_radius2, real_radius2 + b->local, (size_t)b->n * sizeof *real_radius2);
    comm->ops->bcast(comm, c->block_radius2, (size_t)b->n * sizeof *real_radius2, b->owner);
    for (int j = 0; j < b->n; j++)
        c->block_reach[j] = (float)c->block_radius2[j];
    memset(c->recalled, 0, sizeof c->recalled);
    memset(c->covered, 0, sizeof c->covered);
    pairs_visit(b, c->fake, visit, c);
    double flags[2 * PAIRS_BLOCK];
    for (int j = 0; j < b->n; j++) {
        flags[j] = c->recalled[j];
        flags[b->n + j] = c->covered[j];
    }
    comm->ops->max_f64(comm, flags, 2 * b->n);
    for (int j = 0; j < b->n; j++) {
        *recalled += flags[j] > 0.0;
        *covered += flags[b->n + j] > 0.0;
    }
}

static int check_set(struct comm *comm, const char *name, const float *x, int64_t n, int d, int k)
{
    int64_t total = comm_sum_int(comm, n), bad = 0;
    for (int64_t i = 0; i < n * d; i++)
        bad += !isfinite(x[i]);
    bad = comm_sum_int(comm, bad);
    if (bad && comm->rank == 0)
        log_error("precision and recall: %lld features of the %s images are not finite",
                  (long long)bad, name);
    if (total <= k && comm->rank == 0)
        log_error("precision and recall with k = %d need more than %d %s images, here are %lld", k,
                  k, name, (long long)total);
    return bad || total <= k;
}

static int radii_of(struct comm *comm, const char *name, const float *x, int64_t n, int d, int k,
                    double *radius2)
{
    if (check_set(comm, name, x, n, d, k))
        return 1;
    double *centre = mem_alloc((size_t)d * sizeof *centre);
    pairs_centre(comm, d, x, n, NULL, 0, centre);
    struct points p;
    struct nearest found;
    points_init(&p, comm, x, n, d, centre);
    nearest_find(&p, &p, k, &found);
    for (int64_t row = 0; row < n; row++)
        radius2[row] = found.distance2[row * k + k - 1];
    nearest_free(&found);
    points_free(&p);
    mem_free(centre);
    return 0;
}

int prdc_radii(struct comm *comm, const float *x, int64_t n, int d, int k, double *radius2)
{
    return radii_of(comm, "real", x, n, d, k, radius2);
}

int prdc_compare(struct comm *comm, const float *real, const double *real_radius2, int64_t n_real,
                 const float *fake, int64_t n_fake, int d, int k, struct prdc *out)
{
    struct cross *c = mem_alloc(sizeof *c);
    double *radius2 = mem_alloc((size_t)n_fake * sizeof *radius2);
    if (check_set(comm, "real", real, n_real, d, k) ||
        radii_of(comm, "generated", fake, n_fake, d, k, radius2)) {
        mem_free(radius2);
        mem_free(c);
        return 1;
    }
    double *centre = mem_alloc((size_t)d * sizeof *centre);
    pairs_centre(comm, d, real, n_real, fake, n_fake, centre);
    struct points reals, fakes;
    points_init(&reals, comm, real, n_real, d, centre);
    points_init(&fakes, comm, fake, n_fake, d, centre);
    c->fake = &fakes;
    c->radius2 = radius2;
    c->inside = mem_zalloc((size_t)n_fake * sizeof *c->inside);
    int64_t precise = 0, pairs = 0, recalled = 0, covered = 0;
    struct block b;
    for (block_begin(&b, &reals); block_next(&b);)
        meet(comm, &b, real_radius2, c, &recalled, &covered);
    for (int64_t j = 0; j < n_fake; j++) {
        precise += c->inside[j] > 0;
        pairs += c->inside[j];
    }
    out->precision = (double)comm_sum_int(comm, precise) / (double)fakes.total;
    out->recall = (double)recalled / (double)reals.total;
    out->density = (double)comm_sum_int(comm, pairs) / ((double)k * (double)fakes.total);
    out->coverage = (double)covered / (double)reals.total;
    mem_free(c->inside);
    points_free(&reals);
    points_free(&fakes);
    mem_free(centre);
    mem_free(radius2);
    mem_free(c);
    return 0;
}

int prdc_compute(struct comm *comm, const float *real, int64_t n_real, const float *fake,
                 int64_t n_fake, int d, int k, struct prdc *out)
{
    double *radius2 = mem_alloc((size_t)n_real * sizeof *radius2);
    int failed = prdc_radii(comm, real, n_real, d, k, radius2) ||
                 prdc_compare(comm, real, radius2, n_real, fake, n_fake, d, k, out);
    mem_free(radius2);
    return failed;
}
