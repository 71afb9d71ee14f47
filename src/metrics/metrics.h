/* SPDX-License-Identifier: Apache-2.0
 * metrics: how far a set of images is from another. Feature matrices are row-major float [n,d] on the host, sharded over
 * ranks (each rank holds its own rows, possibly none); results are the same on every rank. All calls are collective. */
#pragma once
#include <stdint.h>
#include "comm/comm.h"

/* The BLAS behind them: "OpenBLAS 0.3.21 DYNAMIC_ARCH ...". */
const char *metrics_blas(void);

/* Mean and unbiased covariance by sums in double, merged over ranks; zero where there are no rows or (covariance) one. */
struct moments {
    int d;
    int64_t n;          /* rows over all ranks */
    double *mean;       /* [d] */
    double *covariance; /* [d,d] */
};
enum { MOMENTS_BLOCK = 512 }; /* rows in double at a time */
void moments_of(struct comm *comm, const float *features, int64_t n, int d, struct moments *out); /* owner frees */
void moments_free(struct moments *m);

/* Frechet distance |mu1-mu2|^2 + tr(S1 + S2 - 2 sqrt(S1 S2)) (Heusel et al. 2017) through Cholesky S1 = L L^T and the
 * eigenvalues of L^T S2 L; a singular S1 goes through the eigenvectors of its range. Not below 0. Non-zero, with a
 * message, if features are not finite or LAPACK fails. */
int frechet_distance(const struct moments *a, const struct moments *b, double *out);

/* Precision, recall (Kynkaanniemi et al. 2019), density, coverage (Naeem et al. 2020) as in clovaai/
 * generative-evaluation-prdc: Euclidean, radius = distance to the k-th neighbour excluding self, strict "<".
 * Blocks of rows travel between ranks; no n x n matrix is kept. */
struct prdc {
    double precision, recall, density, coverage;
};
/* Non-zero, with a message, when a set has no more than k rows or numbers that are not finite. */
int prdc_compute(struct comm *comm, const float *real, int64_t n_real, const float *fake, int64_t n_fake, int d, int k,
                 struct prdc *out);
/* The same in two steps, to compare several fake sets with one real set: radius2 [n] of this rank's rows. */
int prdc_radii(struct comm *comm, const float *x, int64_t n, int d, int k, double *radius2);
int prdc_compare(struct comm *comm, const float *real, const double *real_radius2, int64_t n_real, const float *fake,
                 int64_t n_fake, int d, int k, struct prdc *out);

/* Euclidean distance from each of this rank's fake rows to the nearest real row of any rank, and that row's global index
 * (real rows of rank r come before those of rank r+1; of equal distances the smaller index). Without real rows, or for a
 * fake row that is not finite: infinity and -1. */
void nearest_rows(struct comm *comm, const float *real, int64_t n_real, const float *fake, int64_t n_fake, int d,
                  float *distance, int64_t *index);
