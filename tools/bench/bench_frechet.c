/* SPDX-License-Identifier: Apache-2.0
 * bench_frechet: seconds that the Frechet distance of two sets of features takes from their
 * moments. Features: 16 shared directions of falling size plus independent noise of falling size.
 * tools/bench/peer_frechet.py times scipy.linalg.sqrtm on the same moments; frechet.sh alternates.
 *
 * usage: bench_frechet make FILE [FEATURES [ROWS]]   writes d, then mean and covariance of each set
 *        bench_frechet time FILE                     prints "ours SECONDS DISTANCE"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/timer.h"
#include "metrics/metrics.h"

enum { SHARED = 16 };

static float normal(uint64_t row, uint32_t kind, uint32_t i)
{
    float pair[2];
    struct rng4 r = rng_draw(1, RNG_TEST, row, kind, i);
    rng_normal2(r.v[0], r.v[1], pair);
    return pair[0];
}

static float *features(int64_t n, int d, int set)
{
    float *x = mem_alloc((size_t)n * (size_t)d * sizeof *x);
    float *direction = mem_alloc(SHARED * (size_t)d * sizeof *direction);
    for (int q = 0; q < SHARED; q++)
        for (int i = 0; i < d; i++)
            direction[q * d + i] = normal((uint64_t)q, 2, (uint32_t)i) / (float)(q + 1 + set);
#pragma omp parallel for
    for (int64_t row = 0; row < n; row++) {
        float weight[SHARED];
        uint64_t key = (uint64_t)row + ((uint64_t)set << 32);
        for (int q = 0; q < SHARED; q++)
            weight[q] = normal(key, 1, (uint32_t)q);
        for (int i = 0; i < d; i++) {
            float sum = normal(key, 0, (uint32_t)i) * expf(-3.0f * (float)i / (float)d);
            for (int q = 0; q < SHARED; q++)
                sum += weight[q] * direction[q * d + i];
            x[row * d + i] = sum;
        }
    }
    mem_free(direction);
    return x;
}

static int make(const char *path, int d, int64_t rows)
{
    FILE *f = fopen(path, "wb");
    if (!f) {
        perror(path);
        return 1;
    }
    struct comm *comm = comm_self_create();
    double side = d;
    size_t written = fwrite(&side, sizeof side, 1, f), n = (size_t)d;
    for (int set = 0; set < 2; set++) {
        struct moments m;
        float *x = features(rows, d, set);
        double start = timer_now_s();
        moments_of(comm, x, rows, d, &m);
        printf("moments of %lld rows of %d features: %.2f s\n", (long long)rows, d,
               timer_now_s() - start);
        written += fwrite(m.mean, sizeof(double), n, f);
        written += fwrite(m.covariance, sizeof(double), n * n, f);
        moments_free(&m);
        mem_free(x);
    }
    comm->ops->destroy(comm);
    if (fclose(f) || written != 1 + 2 * (n + n * n)) {
        perror(path);
        return 1;
    }
    return 0;
}

static int time_it(const char *path)
{
    double side = 0, distance = 0;
    FILE *f = fopen(path, "rb");
    if (!f || fread(&side, sizeof side, 1, f) != 1) {
        perror(path);
        return 1;
    }
    size_t n = (size_t)side, got = 0;
    struct moments m[2];
    for (int set = 0; set < 2; set++) {
        m[set] = (struct moments){.d = (int)n};
        m[set].mean = mem_alloc(n * sizeof(double));
        m[set].covariance = mem_alloc(n * n * sizeof(double));
        got += fread(m[set].mean, sizeof(double), n, f);
        got += fread(m[set].covariance, sizeof(double), n * n, f);
    }
    fclose(f);
    double start = timer_now_s();
    int failed = frechet_distance(&m[0], &m[1], &distance);
    printf("ours %.4f %.12g\n", timer_now_s() - start, distance);
    moments_free(&m[0]);
    moments_free(&m[1]);
    return failed || got != 2 * (n + n * n);
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "make") == 0)
        return make(argv[2], argc > 3 ? atoi(argv[3]) : 2048, argc > 4 ? atoi(argv[4]) : 10000);
    if (argc == 3 && strcmp(argv[1], "time") == 0)
        return time_it(argv[2]);
    fprintf(stderr, "usage: bench_frechet make FILE [FEATURES [ROWS]] | time FILE\n");
    return 2;
}
