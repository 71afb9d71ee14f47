/* SPDX-License-Identifier: Apache-2.0
 * Every call of a communicator, against sums that each rank can form alone. Values are small whole
 * numbers, whose sums are exact in any order; the test that ranks agree to the bit uses values
 * whose sums are not. */
#include "check.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "comm/comm.h"

static void check_shape(const struct comm *c)
{
    CHECK(c->size >= 1 && c->rank >= 0 && c->rank < c->size);
    CHECK(c->local_rank >= 0 && c->local_rank < c->local_size && c->local_size <= c->size);
    CHECK(c->host[0] != 0);
}

static void check_bcast_and_gather(struct comm *c)
{
    int32_t *all = mem_alloc((size_t)c->size * sizeof *all), mine = 1000 + c->rank;
    for (int root = 0; root < c->size; root++) {
        char text[77];
        memset(text, c->rank == root ? 'a' + root : '?', sizeof text);
        c->ops->bcast(c, text, sizeof text, root);
        for (size_t i = 0; i < sizeof text; i++)
            CHECK(text[i] == 'a' + root);
    }
    c->ops->bcast(c, NULL, 0, 0);
    c->ops->allgather(c, &mine, sizeof mine, all);
    for (int r = 0; r < c->size; r++)
        CHECK(all[r] == 1000 + r);
    mem_free(all);
}

static void check_reductions(struct comm *c)
{
    int ranks = c->size * (c->size + 1) / 2; /* sum of (rank+1) */
    for (int64_t n = 0; n < 40; n += 13) {
        double *x = mem_alloc((size_t)n * sizeof *x), *y = mem_alloc((size_t)n * sizeof *y);
        for (int64_t i = 0; i < n; i++) {
            x[i] = (double)((c->rank + 1) * (i + 1));
            y[i] = (double)(i % 2 ? -c->rank : c->rank);
        }
        c->ops->sum_f64(c, x, n);
        c->ops->max_f64(c, y, n);
        for (int64_t i = 0; i < n; i++) {
            CHECK(x[i] == (double)(ranks * (i + 1)));
            CHECK(y[i] == (double)(i % 2 ? 0 : c->size - 1));
        }
        mem_free(x);
        mem_free(y);
    }
    CHECK(comm_agree(c, 0) == 0);
    CHECK(comm_agree(c, c->rank == c->size - 1 ? -3 : 0) == 3);
    CHECK(comm_sum_int(c, ((int64_t)1 << 40) + c->rank) ==
          ((int64_t)c->size << 40) + c->size * (c->size - 1) / 2);
}

/* More ranges in flight than the pool holds, of odd lengths, some empty. */
static void check_sums_in_flight(struct comm *c)
{
    enum { RANGES = 700, TOTAL = RANGES * (RANGES - 1) / 2 };
    float *x = mem_alloc(TOTAL * sizeof *x);
    for (int i = 0; i < TOTAL; i++)
        x[i] = (float)((c->rank + 1) * (i % 1000));
    for (int round = 0; round < 2; round++) {
        float *at = x;
        for (int n = 0; n < RANGES; at += n++)
            c->ops->sum_start(c, at, n);
        c->ops->sum_wait(c);
    }
    c->ops->sum_wait(c); /* nothing in flight: nothing to wait for */
    int ranks = c->size * (c->size + 1) / 2, wrong = 0;
    for (int i = 0; i < TOTAL; i++)
        wrong += x[i] != (float)(ranks * c->size * (i % 1000));
    CHECK(wrong == 0);
    mem_free(x);
}

static void check_equal_to_the_bit(struct comm *c)
{
    enum { N = 100003 };
    float *x = mem_alloc(N * sizeof *x);
    double *d = mem_alloc(N * sizeof *d);
    uint32_t state = 12345u + (uint32_t)c->rank;
    for (int i = 0; i < N; i++) {
        state = state * 1664525u + 1013904223u;
        d[i] = (double)state * 1e-7 / (1.0 + c->rank);
        x[i] = (float)d[i];
    }
    for (int first = 0; first < N; first += 1 << 14)
        c->ops->sum_start(c, x + first, N - first < 1 << 14 ? N - first : 1 << 14);
    c->ops->sum_wait(c);
    c->ops->sum_f64(c, d, N);
    float *x0 = mem_alloc(N * sizeof *x0);
    double *d0 = mem_alloc(N * sizeof *d0);
    memcpy(x0, x, N * sizeof *x);
    memcpy(d0, d, N * sizeof *d);
    c->ops->bcast(c, x0, N * sizeof *x0, 0);
    c->ops->bcast(c, d0, N * sizeof *d0, 0);
    CHECK(!memcmp(x, x0, N * sizeof *x));
    CHECK(!memcmp(d, d0, N * sizeof *d));
    mem_free(x);
    mem_free(d);
    mem_free(x0);
    mem_free(d0);
}

int main(int argc, char **argv)
{
    struct comm *c = comm_world_create(&argc, &argv), *self = comm_self_create();
    if (!c)
        return 1;
    log_init(c->rank, c->size, 1);
    struct comm *both[] = {c, self};
    for (int i = 0; i < 2; i++) {
        check_shape(both[i]);
        check_bcast_and_gather(both[i]);
        check_reductions(both[i]);
        check_sums_in_flight(both[i]);
        check_equal_to_the_bit(both[i]);
        both[i]->ops->barrier(both[i]);
    }
    int failed = comm_agree(c, check_done() != EXIT_SUCCESS);
    self->ops->destroy(self);
    c->ops->destroy(c);
    if (mem_live_bytes())
        printf("%zu bytes were not freed\n", mem_live_bytes());
    return failed || mem_live_bytes() ? EXIT_FAILURE : EXIT_SUCCESS;
}
