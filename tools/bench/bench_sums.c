/* SPDX-License-Identifier: Apache-2.0
 * bench_sums: the sum of a gradient over ranks as training asks for it (mpi/comm_nccl.h), by the one
 * rank that this is: ranges from the end of the parameters to their beginning, collected into
 * buckets. On the cuda device they go through NCCL, whose sum over one rank must leave every bit:
 * this executes the library, its streams and its watching thread where there is one GPU.
 *
 *     bench_sums DEVICE [millions]      parameters, default 64
 *
 * Ends with 1 if a number has changed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/timer.h"
#include "comm/comm.h"
#include "comm_nccl.h"
#include "device/device.h"

enum { RANGES = 50, ROUNDS = 20 };

/* Whole numbers that bf16 holds exactly, then the sums of ROUNDS steps; how many have changed. */
static int64_t sum(struct device *d, struct comm *c, int64_t n, const char *name)
{
    float *host = mem_alloc((size_t)n * sizeof *host), *x = d->ops->alloc(d, (size_t)n * sizeof *x);
    int64_t wrong = 0;
    double seconds = 0;
    for (int64_t i = 0; i < n; i++)
        host[i] = (float)(i % 251 - 125);
    d->ops->upload(d, x, host, (size_t)n * sizeof *x);
    for (int round = -1; round < ROUNDS; round++) { /* the first warms up */
        d->ops->sync(d);
        double start = timer_now_s();
        for (int64_t end = n, i = RANGES - 1; i >= 0; i--) {
            int64_t first = n * i / RANGES;
            c->ops->sum_start(c, x + first, end - first);
            end = first;
        }
        c->ops->sum_wait(c);
        d->ops->sync(d);
        if (round >= 0)
            seconds += (timer_now_s() - start) / ROUNDS;
    }
    memset(host, 0, (size_t)n * sizeof *host);
    d->ops->download(d, host, x, (size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        wrong += host[i] != (float)(i % 251 - 125);
    printf("sum over %d rank, %s, %.1f M numbers: %.3f ms, %lld changed\n", c->size, name,
           1e-6 * (double)n, 1e3 * seconds, (long long)wrong);
    d->ops->free(d, x);
    mem_free(host);
    return wrong;
}

int main(int argc, char **argv)
{
    static const enum dtype types[] = {DTYPE_F32, DTYPE_BF16};
    struct device *d;
    double millions = argc > 2 ? atof(argv[2]) : 64;
    int64_t n = (int64_t)(1e6 * millions), wrong = 0;
    log_init(0, 1, 1);
    if (argc < 2 || n < RANGES || device_open(argv[1], 0, 0, 1, &d)) {
        printf("usage: bench_sums DEVICE [millions]\n");
        return EXIT_FAILURE;
    }
    struct comm *self = comm_self_create();
    if (strcmp(d->name, "cuda") == 0) {
        for (int i = 0; i < 2; i++) {
            struct comm_nccl_settings s = {.type = types[i]};
            struct comm *c = comm_nccl_create(self, d, &s);
            if (!c)
                return EXIT_FAILURE;
            wrong += sum(d, c, n, i ? "NCCL bf16" : "NCCL fp32");
            c->ops->destroy(c);
        }
    } else {
        wrong = sum(d, self, n, "no NCCL");
    }
    self->ops->destroy(self);
    device_close(d);
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
