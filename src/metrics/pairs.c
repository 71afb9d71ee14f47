/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/pairs.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>

#include "base/mem.h"
#include "base/timer.h"

static void add_rows(const float *x, int64_t n, int d, double *sum)
{
    for (int64_t row = 0; row < n; row++)
        for (int i = 0; i < d; i++)
            sum[i] += x[row * d + i];
}

void pairs_centre(struct comm *comm, int d, const float *a, int64_t n_a, const float *b,
                  int64_t n_b, double *centre)
{
    int64_t n = comm_sum_int(comm, n_a + n_b);
    for (int i = 0; i < d; i++)
        centre[i] = 0.0;
    add_rows(a, n_a, d, centre);
    add_rows(b, n_b, d, centre);
    comm->ops->sum_f64(comm, centre, d);
    for (int i = 0; i < d; i++) /* one row that is not finite must not spoil the others */
        centre[i] = n > 0 && isfinite(centre[i]) ? centre[i] / (double)n : 0.0;
}

static void centre_rows(const float *x, int64_t n, int d, const double *centre, float *centred,
                        double *norm)
{
#pragma omp parallel for
    for (int64_t row = 0; row < n; row++) {
        norm[row] = 0.0;
        for (int i = 0; i < d; i++) {
            float c = (float)(x[row * d + i] - centre[i]);
            centred[row * d + i] = c;
            norm[row] += (double)c * c;
        }
    }
}

void points_init(struct points *p, struct comm *comm, const float *x, int64_t n, int d,
                 const double *centre)
{
    *p = (struct points){.comm = comm, .x = x, .centre = centre, .d = d, .n = n};
    p->counts = mem_alloc((size_t)comm->size * sizeof *p->counts);
    p->centred = mem_alloc((size_t)n * (size_t)d * sizeof *p->centred);
    p->norm = mem_alloc((size_t)n * sizeof *p->norm);
    comm->ops->allgather(comm, &n, sizeof n, p->counts);
    for (int rank = 0; rank < comm->size; rank++) {
        p->first += rank < comm->rank ? p->counts[rank] : 0;
        p->total += p->counts[rank];
    }
    centre_rows(x, n, d, centre, p->centred, p->norm);
}

void points_free(struct points *p)
{
    mem_free(p->counts);
    mem_free(p->centred);
    mem_free(p->norm);
}

void block_begin(struct block *b, const struct points *set)
{
    size_t elements = PAIRS_BLOCK * (size_t)set->d;
    *b = (struct block){.set = set};
    b->x = mem_alloc(elements * sizeof *b->x);
    b->centred = mem_alloc(elements * sizeof *b->centred);
    b->norm = mem_alloc(PAIRS_BLOCK * sizeof *b->norm);
    b->low = mem_alloc(PAIRS_BLOCK * sizeof *b->low);
}

int block_next(struct block *b)
{
    const struct points *set = b->set;
    struct comm *comm = set->comm;
    b->local += b->n;
    b->first += b->n;
    while (b->owner < comm->size && b->local == set->counts[b->owner]) {
        b->owner++;
        b->local = 0;
    }
    if (b->owner == comm->size) {
        mem_free(b->x);
        mem_free(b->centred);
        mem_free(b->norm);
        mem_free(b->low);
        return 0;
    }
    int64_t left = set->counts[b->owner] - b->local;
    b->n = left < PAIRS_BLOCK ? (int)left : PAIRS_BLOCK;
    int64_t elements = (int64_t)b->n * set->d;
    if (comm->rank == b->owner)
        for (int64_t i = 0; i < elements; i++)
            b->x[i] = set->x[b->local * set->d + i];
    comm->ops->bcast(comm, b->x, (size_t)elements * sizeof *b->x, b->owner);
    centre_rows(b->x, b->n, set->d, set->centre, b->centred, b->norm);
    for (int i = 0; i < b->n; i++)
        b->low[i] = (float)(b->norm[i] * (1.0 - pairs_slack(set->d)));
    return 1;
}

double pairs_slack(int d)
{
    return (d + 16) * 0x1p-24;
}

double pairs_exact(const float *x, const float *y, int d)
{
    double sum[8] = {0.0}; /* eight partial sums, so that the loop vectorises */
    int whole = d & ~7;
    for (int i = 0; i < whole; i += 8)
        for (int j = 0; j < 8; j++) {
            double difference = (double)x[i + j] - (double)y[i + j];
            sum[j] += difference * difference;
        }
    for (int i = whole; i < d; i++) {
        double difference = (double)x[i] - (double)y[i];
        sum[i - whole] += difference * difference;
    }
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* Each thread multiplies its own tiles, so BLAS itself runs on one. */
void pairs_visit(const struct block *b, const struct points *mine,
                 void (*visit)(const struct block *b, int64_t row, const float *dot, void *user),
                 void *user)
{
    int d = mine->d;
    int64_t tiles = (mine->n + PAIRS_TILE - 1) / PAIRS_TILE;
    openblas_set_num_threads(1);
#pragma omp parallel
    {
        float *dot = mem_alloc((size_t)PAIRS_TILE * (size_t)b->n * sizeof *dot);
#pragma omp for schedule(dynamic)
        for (int64_t tile = 0; tile < tiles; tile++) {
            timer_alive();
            int64_t first = tile * PAIRS_TILE;
            int rows = mine->n - first < PAIRS_TILE ? (int)(mine->n - first) : PAIRS_TILE;
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, b->n, d, 1.0f,
                        mine->centred + first * d, d, b->centred, d, 0.0f, dot, b->n);
            for (int row = 0; row < rows; row++)
                visit(b, first + row, dot + (size_t)row * (size_t)b->n, user);
        }
        mem_free(dot);
    }
}
