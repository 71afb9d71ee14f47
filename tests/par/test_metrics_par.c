/* SPDX-License-Identifier: Apache-2.0
 * Scores of sets that are spread unevenly over ranks, one rank without real rows and one without
 * generated rows, equal the scores of the whole sets on one rank; and every rank gets the same. */
#include "check.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/split.h"
#include "metrics/metrics.h"

enum { N_REAL = 2700, N_FAKE = 1301, D = 37, K = 5 };

static float *rows(int n, uint64_t set, float scale)
{
    float *x = mem_alloc((size_t)(n * D + 1) * sizeof *x);
    for (int i = 0; i < n * D; i += 2) {
        struct rng4 r = rng_draw(11, RNG_TEST, set, 0, (uint32_t)i);
        rng_normal2(r.v[0], r.v[1], x + i);
        x[i] = 100.0f + scale * x[i];
        x[i + 1] = 100.0f + scale * x[i + 1];
    }
    return x;
}

/* Of n rows, those of this rank: rank `empty` gets none. */
static struct range share(int n, const struct comm *comm, int empty)
{
    if (comm->size == 1)
        return (struct range){0, n};
    int place = comm->rank - (comm->rank > empty);
    struct range r = split_even(n, comm->size - 1, place);
    return comm->rank == empty ? (struct range){0, 0} : r;
}

/* Rank 0's bytes, compared with ours. */
static int same_everywhere(struct comm *comm, const void *mine, size_t bytes)
{
    void *first = mem_alloc(bytes);
    memcpy(first, mine, bytes);
    comm->ops->bcast(comm, first, bytes, 0);
    int same = memcmp(first, mine, bytes) == 0;
    mem_free(first);
    return same;
}

static void check_frechet(struct comm *comm, struct comm *self, const float *real,
                          struct range my_real, const float *fake, struct range my_fake)
{
    struct moments whole[2], parts[2];
    double want = NAN, got = NAN, worst = 0;
    moments_of(self, real, N_REAL, D, &whole[0]);
    moments_of(self, fake, N_FAKE, D, &whole[1]);
    moments_of(comm, real + my_real.first * D, my_real.count, D, &parts[0]);
    moments_of(comm, fake + my_fake.first * D, my_fake.count, D, &parts[1]);
    CHECK(parts[0].n == N_REAL && parts[1].n == N_FAKE);
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < D * D; i++)
            worst = fmax(worst, fabs(parts[s].covariance[i] - whole[s].covariance[i]));
    CHECK_NEAR(worst, 0.0, 1e-14); /* of variances 1 and 1.2; measured 9e-16 */
    CHECK(same_everywhere(comm, parts[0].mean, D * sizeof(double)));
    CHECK(same_everywhere(comm, parts[1].covariance, D * D * sizeof(double)));
    CHECK(frechet_distance(&whole[0], &whole[1], &want) == 0);
    CHECK(frechet_distance(&parts[0], &parts[1], &got) == 0);
    CHECK_NEAR(got, want, 1e-12); /* measured 3e-14 */
    for (int s = 0; s < 2; s++) {
        moments_free(&whole[s]);
        moments_free(&parts[s]);
    }
}

static void check_prdc(struct comm *comm, struct comm *self, const float *real,
                       struct range my_real, const float *fake, struct range my_fake)
{
    struct prdc want = {0}, got = {0};
    CHECK(prdc_compute(self, real, N_REAL, fake, N_FAKE, D, K, &want) == 0);
    CHECK(prdc_compute(comm, real + my_real.first * D, my_real.count, fake + my_fake.first * D,
                       my_fake.count, D, K, &got) == 0);
    CHECK(got.precision == want.precision && got.recall == want.recall);
    CHECK(got.density == want.density && got.coverage == want.coverage);
    CHECK(want.precision > 0.05 && want.precision < 0.95);
    CHECK(same_everywhere(comm, &got, sizeof got));
    /* too few rows: the same refusal on every rank, whatever it holds */
    CHECK(prdc_compute(comm, real, comm->rank == 0 ? K : 0, fake, N_FAKE, D, K, &got) != 0);
}

static void check_nearest(struct comm *comm, struct comm *self, const float *real,
                          struct range my_real, const float *fake, struct range my_fake)
{
    float *want = mem_alloc(N_FAKE * sizeof *want), *got = mem_alloc(N_FAKE * sizeof *got);
    int64_t *want_index = mem_alloc(N_FAKE * sizeof *want_index);
    int64_t *got_index = mem_alloc(N_FAKE * sizeof *got_index);
    nearest_rows(self, real, N_REAL, fake, N_FAKE, D, want, want_index);
    nearest_rows(comm, real + my_real.first * D, my_real.count, fake + my_fake.first * D,
                 my_fake.count, D, got, got_index);
    int wrong = 0;
    for (int64_t i = 0; i < my_fake.count; i++)
        wrong += got[i] != want[my_fake.first + i] || got_index[i] != want_index[my_fake.first + i];
    CHECK(wrong == 0);
    mem_free(want);
    mem_free(got);
    mem_free(want_index);
    mem_free(got_index);
}

int main(int argc, char **argv)
{
    struct comm *comm = comm_world_create(&argc, &argv), *self = comm_self_create();
    if (!comm)
        return EXIT_FAILURE;
    log_init(comm->rank, comm->size, 1);
    float *real = rows(N_REAL, 1, 1.0f), *fake = rows(N_FAKE, 2, 1.1f);
    struct range my_real = share(N_REAL, comm, comm->size - 1), my_fake = share(N_FAKE, comm, 0);
    check_frechet(comm, self, real, my_real, fake, my_fake);
    check_prdc(comm, self, real, my_real, fake, my_fake);
    check_nearest(comm, self, real, my_real, fake, my_fake);
    mem_free(real);
    mem_free(fake);
    self->ops->destroy(self);
    comm->ops->destroy(comm);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
