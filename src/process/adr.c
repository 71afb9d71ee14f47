/* SPDX-License-Identifier: Apache-2.0
 * Processes 'adr' (advection and diffusion by lattice Boltzmann) and 'heat' (exact blur): the plan
 * says which, the device runs it. Both are deterministic given the velocity key, linear in x0, and
 * noise-free: training noise is the target's. */
#include "base/mem.h"
#include "process/process.h"

static void adr_corrupt(struct process *p, int n, const uint64_t *keys, const float *x0,
                        int captures, const struct adr_capture *capture, float *u, float *delta,
                        struct adr_stats *stats)
{
    p->device->ops->adr_run(p->device, p->state, n, keys, x0, captures, capture, u, delta, stats);
}

static void adr_process_destroy(struct process *p)
{
    p->device->ops->adr_destroy(p->device, p->state);
    mem_free(p);
}

static const struct process_ops adr_ops = {adr_corrupt, adr_process_destroy};

struct process *process_adr_create(struct device *d, const struct adr_plan *plan, int max_images)
{
    struct process *p = mem_alloc(sizeof *p);
    *p = (struct process){&adr_ops, d, plan->level_count, plan->side, plan->channels, NULL};
    p->state = d->ops->adr_create(d, plan, max_images);
    return p;
}

void process_destroy(struct process *p)
{
    if (p)
        p->ops->destroy(p);
}
