/* SPDX-License-Identifier: Apache-2.0
 * comm_nccl: a communicator whose sum_start and sum_wait add ranges of GPU memory over the ranks, with NCCL, beside the
 * computation. Everything else goes to the communicator below it. No nccl.h here. */
#pragma once
#include "comm/comm.h"
#include "device/device.h"

struct comm_nccl_settings {
    int share_gpu;       /* run.share_gpu: two ranks on one GPU are no error; sums then go through the host and MPI */
    enum dtype type;     /* train.reduce: what travels and is added; with bf16 each rank's summand is rounded first */
    size_t bucket_bytes; /* neighbouring ranges are collected up to this many bytes of fp32; 0: 32 MiB */
    double timeout_s;    /* a sum that takes longer ends the job; 0: 600 s */
};

/* Collective. `below` and d (a cuda device) are borrowed and must outlive the result; below must work on host memory.
 * Prints why and returns NULL on every rank if two ranks have one GPU and may not, or if NCCL cannot start.
 *
 * sum_start: the range is device memory; it is read after what was issued on the device's stream before, and must not
 * be touched until sum_wait. sum_wait does not make the host wait: what is issued on the device's stream after it sees
 * the sums. A rank that dies, an error of NCCL or a sum that does not end within timeout_s ends the job with a message
 * from a thread that watches, in at most 10 s. */
struct comm *comm_nccl_create(struct comm *below, struct device *d, const struct comm_nccl_settings *s);
