/* SPDX-License-Identifier: Apache-2.0
 * Opens a device by name. Which devices a build has is decided here and nowhere else. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "device/device.h"

/* The CPUs this process may use. Ranks of a node that are not bound apart see the same CPUs: where
 * the node has too few for every rank to have as many as this one sees, each takes an equal share.
 */
static int own_threads(int local_size)
{
    cpu_set_t mask;
    int node = (int)sysconf(_SC_NPROCESSORS_ONLN), mine = node;
    if (sched_getaffinity(0, sizeof mask, &mask) == 0)
        mine = CPU_COUNT(&mask);
    if (local_size > 1 && mine > node / local_size)
        mine = node / local_size;
    return mine > 1 ? mine : 1;
}

#ifdef PECLET_HAVE_CUDA
static int has_gpu(int local_rank)
{
    return device_cuda_present(local_rank);
}

static int open_gpu(int threads, int local_rank, struct device **out)
{
    if (device_cuda_create(local_rank, out))
        return 1;
    (*out)->threads = threads; /* what runs on the host beside it */
    return 0;
}
#else
static int has_gpu(int local_rank)
{
    (void)local_rank;
    return 0;
}

static int open_gpu(int threads, int local_rank, struct device **out)
{
    (void)threads;
    (void)local_rank;
    (void)out;
    log_error("this build has no CUDA device; run.device = 'cpu' computes on the processor");
    return 1;
}
#endif

int device_open(const char *name, int threads, int local_rank, int local_size, struct device **out)
{
    if (threads <= 0)
        threads = own_threads(local_size);
    if (strcmp(name, "ref") == 0) {
        *out = device_ref_create();
        return 0;
    }
    if (strcmp(name, "cuda") == 0 || (strcmp(name, "auto") == 0 && has_gpu(local_rank)))
        return open_gpu(threads, local_rank, out);
    if (strcmp(name, "cpu") == 0 || strcmp(name, "auto") == 0)
        return device_cpu_create(threads, out);
    log_error("unknown device '%s'; there are 'auto', 'cpu', 'cuda' and 'ref'", name);
    return 1;
}

void device_close(struct device *d)
{
    if (d)
        d->ops->destroy(d);
}
