/* SPDX-License-Identifier: Apache-2.0
 * Frechet distance of two normal distributions (Dowson and Landau 1982; Heusel et al. 2017 for
 * images) |mu1 - mu2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2). S1 S2 is similar to F^T S2 F for any
 * factor S1 = F F^T, which is symmetric, so the last trace is the sum of the roots of symmetric
 * eigenvalues, without the matrix root of a nonsymmetric product. F is the Cholesky factor, or,
 * where S1 is singular (fewer rows than features, constant features), the scaled eigenvectors of
 * its range. */
#include <cblas.h>
#include <float.h>
#include <lapacke.h>
#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "metrics/metrics.h"

static double *copy_of(const double *x, size_t n)
{
    return memcpy(mem_alloc(n * sizeof(double)), x, n * sizeof(double));
}

/* Sum of the roots of the eigenvalues of the symmetric matrix a [n,n] (lower triangle, destroyed).
 */
static int sum_of_roots(int n, double *a, double *out)
{
    double *eigenvalues = mem_alloc((size_t)n * sizeof(double)), sum = 0.0;
    int info = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'N', 'L', n, a, n, eigenvalues);
    for (int i = 0; i < n && info == 0; i++)
        sum += eigenvalues[i] > 0.0 ? sqrt(eigenvalues[i]) : 0.0; /* below zero only by rounding */
    mem_free(eigenvalues);
    *out = sum;
    return info;
}

/* 0: done; > 0: S1 is singular to working precision; < 0: LAPACK refused the input. */
static int root_trace_cholesky(int d, const double *s1, const double *s2, double *out)
{
    size_t side = (size_t)d;
    double *l = copy_of(s1, side * side), *product = copy_of(s2, side * side);
    int info = LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', d, l, d);
    double least = DBL_MAX, most = 0.0;
    for (size_t i = 0; i < side && info == 0; i++) {
        least = fmin(least, l[i * side + i]);
        most = fmax(most, l[i * side + i]);
    }
    if (info == 0 && least * least <= d * DBL_EPSILON * most * most)
        info = 1;
    if (info == 0)
        info = LAPACKE_dsygst(LAPACK_COL_MAJOR, 2, 'L', d, product, d, l, d); /* L^T S2 L */
    if (info == 0)
        info = sum_of_roots(d, product, out);
    mem_free(l);
    mem_free(product);
    return info;
}

static int root_trace_eigen(int d, const double *s1, const double *s2, double *out)
{
    size_t side = (size_t)d;
    double *vectors = copy_of(s1, side * side), *values = mem_alloc(side * sizeof(double));
    int info = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', d, vectors, d, values); /* ascending */
    int null = 0;
    while (info == 0 && null < d && values[null] <= d * DBL_EPSILON * values[d - 1])
        null++;
    int rank = d - null;
    *out = 0.0;
    if (info == 0 && rank > 0) {
        double *f = vectors + (size_t)null * side;
        double *s2f = mem_alloc(side * (size_t)rank * sizeof(double));
        double *product = mem_alloc((size_t)rank * (size_t)rank * sizeof(double));
        for (int i = 0; i < rank; i++)
            cblas_dscal(d, sqrt(values[null + i]), f + (size_t)i * side, 1);
        cblas_dsymm(CblasColMajor, CblasLeft, CblasLower, d, rank, 1.0, s2, d, f, d, 0.0, s2f, d);
        cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, rank, rank, d, 1.0, f, d, s2f, d, 0.0,
                    product, rank);
        info = sum_of_roots(rank, product, out);
        mem_free(s2f);
        mem_free(product);
    }
    mem_free(vectors);
    mem_free(values);
    return info;
}

int frechet_distance(const struct moments *a, const struct moments *b, double *out)
{
    REQUIRE(a->d == b->d);
    size_t d = (size_t)a->d;
    openblas_set_num_threads(omp_get_max_threads());
    double sum = 0.0, root = 0.0;
    for (size_t i = 0; i < d; i++) {
        double shift = a->mean[i] - b->mean[i];
        sum += shift * shift + a->covariance[i * d + i] + b->covariance[i * d + i];
    }
    if (!isfinite(sum)) {
        log_error("Frechet distance: the features hold numbers that are not finite");
        return 1;
    }
    int info = root_trace_cholesky(a->d, a->covariance, b->covariance, &root);
    if (info > 0)
        info = root_trace_eigen(a->d, a->covariance, b->covariance, &root);
    if (info != 0) {
        log_error("Frechet distance: LAPACK stopped with code %d", info);
        return 1;
    }
    *out = fmax(0.0, sum - 2.0 * root);
    return 0;
}
