/* SPDX-License-Identifier: Apache-2.0
 * Scores against the values of the code they are published with, and against closed forms. */
#include "check.h"

#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "base/timer.h"
#include "metrics/metrics.h"

/* n rows of d independent standard normals. */
static float *normals(int64_t n, int d, uint64_t set)
{
    float *x = mem_alloc((size_t)n * (size_t)d * sizeof *x), pair[2];
    for (int64_t i = 0; i < n * d; i += 2) {
        struct rng4 r = rng_draw(7, RNG_TEST, set, (uint32_t)(i >> 32), (uint32_t)i);
        rng_normal2(r.v[0], r.v[1], pair);
        x[i] = pair[0];
        if (i + 1 < n * d)
            x[i + 1] = pair[1];
    }
    return x;
}

static double frechet_of(struct comm *comm, const float *a, int64_t n_a, const float *b,
                         int64_t n_b, int d)
{
    struct moments ma, mb;
    double fd = NAN;
    moments_of(comm, a, n_a, d, &ma);
    moments_of(comm, b, n_b, d, &mb);
    CHECK(frechet_distance(&ma, &mb, &fd) == 0);
    moments_free(&ma);
    moments_free(&mb);
    return fd;
}

/* Means and covariances of a set that sits far from the origin: naive sums of squares in double
 * would keep 4 digits of this covariance; a small exact case beside it. */
static void check_moments(struct comm *comm)
{
    static const float rows[4][2] = {{1, 2}, {3, 5}, {5, 2}, {7, 11}};
    struct moments m;
    moments_of(comm, rows[0], 4, 2, &m);
    CHECK(m.n == 4 && m.mean[0] == 4.0 && m.mean[1] == 5.0);
    CHECK_NEAR(m.covariance[0], 20.0 / 3.0, 1e-15);
    CHECK_NEAR(m.covariance[3], 54.0 / 3.0, 1e-14);
    CHECK_NEAR(m.covariance[1], 24.0 / 3.0, 1e-15);
    CHECK(m.covariance[1] == m.covariance[2]);
    moments_free(&m);

    enum { N = 3000, D = 3 };
    float *x = normals(N, D, 1);
    for (int i = 0; i < N * D; i++)
        x[i] = 1e6f + (float)(int)(16.0f * x[i]) * 0.0625f; /* the shift is exact in fp32 */
    moments_of(comm, x, N, D, &m);
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            double sum = 0, si = 0, sj = 0;
            for (int row = 0; row < N; row++) {
                double a = x[row * D + i] - 1e6, b = x[row * D + j] - 1e6;
                sum += a * b;
                si += a;
                sj += b;
            }
            CHECK_NEAR(m.covariance[i * D + j], (sum - si * sj / N) / (N - 1),
                       2e-14); /* measured 3e-15 of 1 */
        }
    moments_free(&m);
    moments_of(comm, x, 1, D, &m);
    CHECK(m.n == 1 && m.covariance[0] == 0.0 && m.mean[0] == x[0]);
    moments_free(&m);
    moments_of(comm, x, 0, D, &m);
    CHECK(m.n == 0 && m.covariance[0] == 0.0 && m.mean[0] == 0.0);
    moments_free(&m);
    mem_free(x);
}

/* Moments of full rank that need no samples: S1 = Q diag(a) Q, S2 = Q diag(b) Q with the reflection
 * Q = I - 2 v v^T / v.v, so that FD = |shift|^2 + sum (sqrt a - sqrt b)^2 whatever Q is. */
static double commuting(int d, const double *a, const double *b, double shift, double *want)
{
    size_t side = (size_t)d;
    struct moments m[2];
    double *q = mem_alloc(side * side * sizeof *q), vv = 0, got = NAN;
    for (int i = 0; i < d; i++)
        vv += sin(i + 1.0) * sin(i + 1.0);
    for (int i = 0; i < d; i++)
        for (int j = 0; j < d; j++)
            q[i * d + j] = (i == j) - 2.0 * sin(i + 1.0) * sin(j + 1.0) / vv;
    *want = 0;
    for (int s = 0; s < 2; s++) {
        const double *eigen = s ? b : a;
        m[s] = (struct moments){.d = d, .n = 100};
        m[s].mean = mem_zalloc(side * sizeof(double));
        m[s].covariance = mem_zalloc(side * side * sizeof(double));
        for (int i = 0; i < d; i++)
            for (int j = 0; j < d; j++)
                for (int k = 0; k < d; k++)
                    m[s].covariance[i * d + j] += q[i * d + k] * eigen[k] * q[j * d + k];
    }
    for (int i = 0; i < d; i++) {
        m[1].mean[i] = shift;
        *want += shift * shift + pow(sqrt(a[i]) - sqrt(b[i]), 2);
    }
    CHECK(frechet_distance(&m[0], &m[1], &got) == 0);
    moments_free(&m[0]);
    moments_free(&m[1]);
    mem_free(q);
    return got;
}

static void check_frechet_exact(void)
{
    enum { D = 60 };
    double a[D], b[D], want;
    for (int i = 0; i < D; i++) {
        a[i] = exp(-0.3 * i); /* condition 5e7 */
        b[i] = 0.5 + i % 7;
    }
    double got = commuting(D, a, b, 0.25, &want);
    CHECK_NEAR(got, want, 1e-14 * want); /* measured 5e-16 relative */
    got = commuting(D, b, a, 0.25, &want);
    CHECK_NEAR(got, want, 1e-14 * want); /* 6e-16 */
    for (int i = 0; i < D; i += 3)
        a[i] = 0.0; /* S1 singular: a third of its directions are missing */
    got = commuting(D, a, b, 0.0, &want);
    CHECK_NEAR(got, want, 1e-13 * want); /* 7e-15 */
    got = commuting(D, b, a, 0.0, &want);
    CHECK_NEAR(got, want,
               1e-8 * want); /* 6e-10: S2 singular, its zero eigenvalues give sqrt(rounding) each */
    for (int i = 0; i < D; i++)
        a[i] = 0.0; /* all rows equal */
    got = commuting(D, a, b, 1.0, &want);
    CHECK_NEAR(got, want, 1e-14 * want); /* 0 */
}

static void check_frechet_same(struct comm *comm)
{
    enum { N = 40, D = 90 }; /* fewer rows than features: singular */
    float *x = normals(N, D, 2);
    CHECK_NEAR(frechet_of(comm, x, N, x, N, D), 0.0, 1e-12); /* measured 3e-14, traces of 90 */
    for (int i = 0; i < N * D; i++)
        x[i] += 3.0f * (float)(i % D);
    CHECK_NEAR(frechet_of(comm, x, N, x, N, D), 0.0, 1e-12);
    x[5] = NAN;
    struct moments m;
    double fd = 5.0;
    moments_of(comm, x, N, D, &m);
    CHECK(frechet_distance(&m, &m, &fd) != 0 && fd == 5.0);
    moments_free(&m);
    mem_free(x);
}

/* Rows on a line, where all counts can be made by hand. k = 1.
 * real 0 1 3 7: radii 1 1 2 4;  fake 0.5 3 20 20.25: radii 2.5 2.5 0.25 0.25
 * fake 0.5: |0|<1 yes, |1|<1 yes, 3: 2.5<2 no, 7: no -> 2 balls; fake 3: ball of 1? 2<1 no; 3: 0<2
 * yes; 7: 4<4 no (strict) -> 1; the others none. */
static void check_prdc_by_hand(struct comm *comm)
{
    static const float real[4][3] = {{0, 5, 5}, {1, 5, 5}, {3, 5, 5}, {7, 5, 5}};
    static const float fake[4][3] = {{0.5, 5, 5}, {3, 5, 5}, {20, 5, 5}, {20.25, 5, 5}};
    struct prdc p;
    CHECK(prdc_compute(comm, real[0], 4, fake[0], 4, 3, 1, &p) == 0);
    CHECK(p.precision == 0.5 && p.density == 0.75);
    CHECK(p.coverage == 0.75); /* reals 0, 1, 3 */
    CHECK(p.recall == 0.75);   /* 0 and 1 through 0.5, 1 and 3 through 3; 7 is 4 away */
    CHECK(prdc_compute(comm, real[0], 4, real[0], 4, 3, 3, &p) == 0);
    CHECK(p.precision == 1.0 && p.recall == 1.0 && p.coverage == 1.0);
    p.precision = -1;
    CHECK(prdc_compute(comm, real[0], 4, fake[0], 4, 3, 4, &p) != 0 &&
          p.precision == -1); /* n <= k */

    /* five times the same image: radii 0, nothing is strictly nearer */
    static const float same[5][1] = {{2}, {2}, {2}, {2}, {2}};
    CHECK(prdc_compute(comm, same[0], 5, same[0], 5, 1, 2, &p) == 0);
    CHECK(p.precision == 0 && p.recall == 0 && p.density == 0 && p.coverage == 0);
    float broken[5] = {1, 2, INFINITY, 3, 4};
    CHECK(prdc_compute(comm, broken, 5, same[0], 5, 1, 2, &p) != 0);
}

/* All distances in double, sorted: the definition, on clustered data with exact ties and a large
 * offset where distances in fp32 by the norm expansion alone would be noise. */
static void check_prdc_brute(struct comm *comm)
{
    enum { N = 300, M = 211, D = 13, K = 4 };
    float *real = normals(N, D, 3), *fake = normals(M, D, 4);
    for (int i = 0; i < N * D; i++)
        real[i] = 1000.0f + roundf(real[i] * 2.0f) * 0.5f + (float)(i / D % 3) * 50.0f;
    for (int i = 0; i < M * D; i++)
        fake[i] = 1000.0f + roundf(fake[i] * 2.0f) * 0.5f + (float)(i / D % 2) * 50.0f;
    double radius[2][N], d2;
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < (s ? M : N); i++) {
            const float *set = s ? fake : real;
            double best[K];
            for (int q = 0; q < K; q++)
                best[q] = INFINITY;
            for (int j = 0; j < (s ? M : N); j++) {
                d2 = i == j ? INFINITY : 0;
                for (int f = 0; f < D; f++)
                    d2 += pow((double)set[i * D + f] - (double)set[j * D + f], 2);
                for (int q = 0; q < K; q++)
                    if (d2 < best[q]) {
                        double swap = best[q];
                        best[q] = d2;
                        d2 = swap;
                    }
            }
            radius[s][i] = best[K - 1];
        }
    int precise[M] = {0}, recalled[N] = {0}, covered[N] = {0}, pairs = 0, sums[3] = {0};
    for (int i = 0; i < N; i++)
        for (int j = 0; j < M; j++) {
            d2 = 0;
            for (int f = 0; f < D; f++)
                d2 += pow((double)real[i * D + f] - (double)fake[j * D + f], 2);
            precise[j] |= d2 < radius[0][i];
            covered[i] |= d2 < radius[0][i];
            pairs += d2 < radius[0][i];
            recalled[i] |= d2 < radius[1][j];
        }
    for (int j = 0; j < M; j++)
        sums[0] += precise[j];
    for (int i = 0; i < N; i++) {
        sums[1] += recalled[i];
        sums[2] += covered[i];
    }
    struct prdc p;
    CHECK(prdc_compute(comm, real, N, fake, M, D, K, &p) == 0);
    CHECK(p.precision == (double)sums[0] / M && p.recall == (double)sums[1] / N);
    CHECK(p.coverage == (double)sums[2] / N && p.density == (double)pairs / (K * (double)M));
    CHECK(sums[0] > 0 && sums[0] < M && sums[1] > 0 && sums[1] < N && sums[2] > 0 && sums[2] < N);
    mem_free(real);
    mem_free(fake);
}

static void check_nearest(struct comm *comm)
{
    enum { N = 2500, M = 130, D = 24 };
    float *real = normals(N, D, 5), *fake = normals(M, D, 6), distance[M];
    int64_t index[M];
    memcpy(real + 2000 * D, fake + 17 * D, D * sizeof(float)); /* a copied image, twice */
    memcpy(real + 2100 * D, fake + 17 * D, D * sizeof(float));
    nearest_rows(comm, real, N, fake, M, D, distance, index);
    int wrong = 0;
    for (int i = 0; i < M; i++) {
        double best = INFINITY;
        int at = -1;
        for (int j = 0; j < N; j++) {
            double d2 = 0;
            for (int f = 0; f < D; f++)
                d2 += pow((double)fake[i * D + f] - (double)real[j * D + f], 2);
            if (d2 < best) {
                best = d2;
                at = j;
            }
        }
        wrong += index[i] != at || fabs(distance[i] - sqrt(best)) > 1e-6 * sqrt(best);
    }
    CHECK(wrong == 0);
    CHECK(index[17] == 2000 && distance[17] == 0.0f);
    int64_t first = index[0];
    fake[D] = NAN; /* row 1 has no neighbour, row 0 keeps its own */
    nearest_rows(comm, real, N, fake, M, D, distance, index);
    CHECK(index[1] == -1 && isinf(distance[1]) && index[0] == first);
    mem_free(real);
    mem_free(fake);
}

/* The sanity case published with the PRDC code: 10,000 against 10,000 standard normals, dimension
 * 1000, k = 5. Both that and this are one draw: seven other draws scattered by 0.005 (precision),
 * 0.010, 0.055 and 0.005 (coverage); allowed is four times that, times the root of two. */
static void check_prdc_normals(struct comm *comm)
{
    enum { N = 10000, D = 1000 };
    float *real = normals(N, D, 8), *fake = normals(N, D, 9);
    struct prdc p;
    double start = timer_now_s();
    CHECK(prdc_compute(comm, real, N, fake, N, D, 5, &p) == 0);
    printf("normals: precision %.4f recall %.4f density %.4f coverage %.4f in %.1f s\n",
           p.precision, p.recall, p.density, p.coverage, timer_now_s() - start);
    CHECK_NEAR(p.precision, 0.477, 0.028);
    CHECK_NEAR(p.recall, 0.471, 0.057);
    CHECK_NEAR(p.density, 1.056, 0.31);
    CHECK_NEAR(p.coverage, 0.974, 0.028);
    mem_free(real);
    mem_free(fake);
}

int main(void)
{
    struct comm *comm = comm_self_create();
    log_init(0, 1, 1);
    check_moments(comm);
    check_frechet_exact();
    check_frechet_same(comm);
    check_prdc_by_hand(comm);
    check_prdc_brute(comm);
    check_nearest(comm);
    check_prdc_normals(comm);
    comm->ops->destroy(comm);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
