/* SPDX-License-Identifier: Apache-2.0
 * In place of comm_nccl.c where there is no NCCL: one rank may use a GPU, several may not. */
#include "base/log.h"
#include "base/mem.h"
#include "comm_nccl.h"

static void start_nothing(struct comm *c, float *x, int64_t n)
{
    (void)c, (void)x, (void)n; /* its own summand, and not in host memory */
}

static void wait_nothing(struct comm *c)
{
    (void)c;
}

static void destroy(struct comm *c)
{
    mem_free((void *)(uintptr_t)c->ops);
    mem_free(c); /* state is that of the communicator below */
}

struct comm *comm_nccl_create(struct comm *below, struct device *d,
                              const struct comm_nccl_settings *s)
{
    (void)d, (void)s;
    if (below->size > 1) {
        if (below->rank == 0)
            log_error("this build has no NCCL, without which several ranks cannot use GPUs: build "
                      "with NCCL, run one rank, or set run.device = 'cpu'");
        return NULL;
    }
    struct comm *c = mem_alloc(sizeof *c);
    struct comm_ops *ops = mem_alloc(sizeof *ops);
    *c = *below;
    *ops = *below->ops;
    ops->sum_start = start_nothing;
    ops->sum_wait = wait_nothing;
    ops->destroy = destroy;
    c->ops = ops;
    return c;
}
