/* SPDX-License-Identifier: Apache-2.0
 * moments: two passes. First the mean over all ranks, then the products of what is left after
 * subtracting it, so that no large numbers cancel:  mean = sum x / N,  covariance = sum (x -
 * mean)(x - mean)^T / (N - 1). */
#include <cblas.h>
#include <omp.h>

#include "base/die.h"
#include "base/mem.h"
#include "metrics/metrics.h"

const char *metrics_blas(void)
{
    return openblas_get_config();
}

static void mean_of(struct comm *comm, const float *features, int64_t n, struct moments *m)
{
    size_t d = (size_t)m->d;
    for (int64_t row = 0; row < n; row++)
        for (size_t i = 0; i < d; i++)
            m->mean[i] += features[(size_t)row * d + i];
    comm->ops->sum_f64(comm, m->mean, m->d);
    for (size_t i = 0; i < d && m->n > 0; i++)
        m->mean[i] /= (double)m->n;
}

/* Upper triangle of the sum of products of this rank's centred rows. */
static void products_of(const float *features, int64_t n, struct moments *m)
{
    size_t d = (size_t)m->d;
    double *block = mem_alloc(MOMENTS_BLOCK * d * sizeof(double));
    for (int64_t first = 0; first < n; first += MOMENTS_BLOCK) {
        int rows = n - first < MOMENTS_BLOCK ? (int)(n - first) : MOMENTS_BLOCK;
        const float *x = features + (size_t)first * d;
#pragma omp parallel for
        for (int row = 0; row < rows; row++)
            for (size_t i = 0; i < d; i++)
                block[(size_t)row * d + i] = x[(size_t)row * d + i] - m->mean[i];
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, m->d, rows, 1.0, block, m->d, 1.0,
                    m->covariance, m->d);
    }
    mem_free(block);
}

void moments_of(struct comm *comm, const float *features, int64_t n, int d, struct moments *out)
{
    size_t side = (size_t)d;
    REQUIRE(d > 0 && n >= 0);
    openblas_set_num_threads(omp_get_max_threads());
    struct moments m = {.d = d, .n = comm_sum_int(comm, n)};
    m.mean = mem_zalloc(side * sizeof(double));
    m.covariance = mem_zalloc(side * side * sizeof(double));
    mean_of(comm, features, n, &m);
    products_of(features, n, &m);
    comm->ops->sum_f64(comm, m.covariance, (int64_t)d * d);
    double scale = m.n > 1 ? 1.0 / (double)(m.n - 1) : 0.0;
    for (size_t i = 0; i < side; i++)
        for (size_t j = i; j < side; j++)
            m.covariance[j * side + i] = m.covariance[i * side + j] *= scale;
    *out = m;
}

void moments_free(struct moments *m)
{
    mem_free(m->mean);
    mem_free(m->covariance);
    *m = (struct moments){0};
}
