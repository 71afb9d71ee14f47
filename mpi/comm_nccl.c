/* SPDX-License-Identifier: Apache-2.0
 * comm_nccl: see comm_nccl.h. Executed over the stand-in of tests/cuda/nccl_stub.cc, not yet over NCCL on GPUs.
 *
 *     compute stream   ... backward of layers 9..7 | record `ready` | layers 6..4 | ...  | wait `done` | optimizer
 *     comm stream      ...                           wait `ready`, all-reduce bucket 1, bucket 2, record `done`
 *
 * Collectives of NCCL have no time limit, and one that has failed never completes: whoever synchronises with its
 * stream hangs. So a thread of our own looks twice a second at the communicator's error and at the age of the oldest
 * unfinished sum, and ends the job. The communicator is non-blocking, because a blocking one hangs in the calls
 * themselves; every call may answer "in progress" and is then polled until it is done. (While a stream is captured
 * into a CUDA graph, the thread's cudaEventQuery is legal in the thread-local capture mode only.) */
#include <nccl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/timer.h"
#include "comm_nccl.h"
#include "cuda.h"

enum { MOST_BUCKETS = 512, MOST_PENDING = 64 };
static const double WATCH_S = 0.5, TIMEOUT_S = 600;
static const size_t BUCKET_BYTES = (size_t)32 << 20;

struct bucket {
    float *x;
    int64_t n;
    void *rounded; /* bf16: what travels; grows in the first step, kept */
    int64_t room;  /* numbers that fit into it */
};

/* Sums between one sum_wait and the next, for the watching thread. */
struct pending {
    cudaEvent_t done;
    double since_s;
};

struct nccl_state {
    struct comm *below;
    struct device *d;
    struct comm_nccl_settings settings;
    ncclComm_t nccl; /* NULL: GPUs are shared, sums go through the host */
    cudaEvent_t ready;
    struct bucket
        buckets[MOST_BUCKETS]; /* started since the last sum_wait; the last one may still grow */
    int bucket_count, open;    /* open: the last one has not been handed to NCCL */
    float *host;               /* shared GPUs: one bucket, page-locked */

    pthread_t watcher;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int watching, leave;
    struct pending pending[MOST_PENDING]; /* ring, oldest first */
    int first_pending, pending_count;
};

static struct nccl_state *state_of(struct comm *c)
{
    return c->state;
}

/* ---- errors ---- */

_Noreturn static void fail(struct nccl_state *s, ncclResult_t result, const char *call)
{
    const struct comm *b = s->below;
    DIE("NCCL on rank %d of %d (%s, GPU %d): %s from %s: %s. NCCL_DEBUG=INFO in the environment "
        "says more",
        b->rank, b->size, b->host, cuda_of(s->d)->gpu, ncclGetErrorString(result), call,
        s->nccl ? ncclGetLastError(s->nccl) : "");
}

static void nap(double seconds)
{
    struct timespec t = {0, (long)(seconds * 1e9)};
    nanosleep(&t, NULL);
}

/* Until a call that said "in progress" is done. */
static void settle(struct nccl_state *s, ncclResult_t result, const char *call)
{
    double began = timer_now_s();
    while (result == ncclInProgress) {
        ncclResult_t asked = ncclCommGetAsyncError(s->nccl, &result);
        if (asked != ncclSuccess)
            result = asked;
        if (result == ncclInProgress && timer_now_s() - began > s->settings.timeout_s)
            DIE("NCCL on rank %d (%s): %s has not ended after %.0f s: another rank is missing or "
                "its network hangs. "
                "NCCL_DEBUG=INFO in the environment says more",
                s->below->rank, s->below->host, call, s->settings.timeout_s);
        if (result == ncclInProgress)
            nap(20e-6);
    }
    if (result != ncclSuccess)
        fail(s, result, call);
}
#define NCCL_TRY(s, call) settle((s), (call), #call)

/* ---- the watching thread ---- */

/* Forgets the sums that are done; the age of the oldest that is not, or 0. */
static double oldest_age(struct nccl_state *s)
{
    while (s->pending_count > 0) {
        struct pending *p = &s->pending[s->first_pending];
        cudaError_t error = cudaEventQuery(p->done);
        if (error == cudaErrorNotReady)
            return timer_now_s() - p->since_s;
        CUDA_TRY(error);
        s->first_pending = (s->first_pending + 1) % MOST_PENDING;
        s->pending_count--;
        s->pending[s->first_pending].since_s =
            timer_now_s(); /* it began when the one before ended */
    }
    return 0;
}

static void look(struct nccl_state *s)
{
    ncclResult_t error = ncclSuccess;
    ncclResult_t asked = ncclCommGetAsyncError(s->nccl, &error);
    if (asked != ncclSuccess)
        error = asked;
    if (error != ncclSuccess && error != ncclInProgress)
        fail(s, error, "a sum over ranks");
    if (oldest_age(s) > s->settings.timeout_s)
        DIE("rank %d (%s, GPU %d): a sum over ranks has not ended after %.0f s. A rank or a link "
            "hangs, or a step takes "
            "longer than that; NCCL_DEBUG=INFO in the environment says more",
            s->below->rank, s->below->host, cuda_of(s->d)->gpu, s->settings.timeout_s);
}

static void *watch(void *argument)
{
    struct nccl_state *s = argument;
    CUDA_TRY(cudaSetDevice(cuda_of(s->d)->gpu));
    pthread_mutex_lock(&s->lock);
    while (!s->leave) {
        struct timespec until;
        look(s);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += (long)(WATCH_S * 1e9);
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&s->wake, &s->lock, &until);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void watch_start(struct nccl_state *s)
{
    for (int i = 0; i < MOST_PENDING; i++)
        CUDA_TRY(cudaEventCreateWithFlags(&s->pending[i].done, cudaEventDisableTiming));
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    if (pthread_create(&s->watcher, NULL, watch, s))
        DIE("no thread can be started to watch NCCL");
    s->watching = 1;
}

static void watch_stop(struct nccl_state *s)
{
    if (!s->watching)
        return;
    pthread_mutex_lock(&s->lock);
    s->leave = 1;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->watcher, NULL);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    for (int i = 0; i < MOST_PENDING; i++)
        CUDA_TRY(cudaEventDestroy(s->pending[i].done));
}

/* The comm stream has been given all sums of a step. With a full ring the host is far ahead: it
 * waits for the oldest. */
static void watch_add(struct nccl_state *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->pending_count == MOST_PENDING)
        oldest_age(s);
    while (s->pending_count == MOST_PENDING) {
        cudaEvent_t oldest = s->pending[s->first_pending].done;
        pthread_mutex_unlock(&s->lock);
        CUDA_TRY(cudaEventSynchronize(oldest));
        pthread_mutex_lock(&s->lock);
        oldest_age(s);
    }
    struct pending *p = &s->pending[(s->first_pending + s->pending_count++) % MOST_PENDING];
    p->since_s = timer_now_s();
    CUDA_TRY(cudaEventRecord(p->done, cuda_of(s->d)->comm_stream));
    CUDA_TRY(cudaStreamWaitEvent(cuda_of(s->d)->stream, p->done, 0));
    pthread_mutex_unlock(&s->lock);
}

/* ---- the sums ---- */

static void round_bucket(struct nccl_state *s, struct bucket *b)
{
    if (b->n > b->room) {
        s->d->ops->free(s->d, b->rounded);
        b->rounded = s->d->ops->alloc(s->d, (size_t)b->n * dtype_bytes(DTYPE_BF16));
        b->room = b->n;
    }
    s->d->ops->cast(s->d, b->n, DTYPE_F32, b->x, DTYPE_BF16, b->rounded);
}

/* Through the host and the communicator below, in pieces of one bucket; the host waits. */
static void sum_on_host(struct nccl_state *s, const struct bucket *b)
{
    int64_t piece = (int64_t)(s->settings.bucket_bytes / sizeof(float));
    for (int64_t at = 0; at < b->n; at += piece) {
        int64_t n = b->n - at < piece ? b->n - at : piece;
        s->d->ops->download(s->d, s->host, b->x + at, (size_t)n * sizeof(float));
        s->below->ops->sum_start(s->below, s->host, n);
        s->below->ops->sum_wait(s->below);
        s->d->ops->upload(s->d, b->x + at, s->host, (size_t)n * sizeof(float));
    }
}

/* Hands the open bucket over. */
static void send_bucket(struct nccl_state *s)
{
    if (!s->open)
        return;
    struct bucket *b = &s->buckets[s->bucket_count - 1];
    const struct cuda_state *cuda = cuda_of(s->d);
    s->open = 0;
    if (!s->nccl) {
        sum_on_host(s, b);
        return;
    }
    int bf16 = s->settings.type == DTYPE_BF16;
    if (bf16)
        round_bucket(s, b);
    void *x = bf16 ? b->rounded : b->x;
    CUDA_TRY(cudaEventRecord(s->ready, cuda->stream));
    CUDA_TRY(cudaStreamWaitEvent(cuda->comm_stream, s->ready, 0));
    NCCL_TRY(s, ncclAllReduce(x, x, (size_t)b->n, bf16 ? ncclBfloat16 : ncclFloat32, ncclSum,
                              s->nccl, cuda->comm_stream));
}

static void nccl_sum_wait(struct comm *c)
{
    struct nccl_state *s = state_of(c);
    send_bucket(s);
    if (s->nccl && s->bucket_count > 0)
        watch_add(s);
    for (int i = 0; s->nccl && s->settings.type == DTYPE_BF16 && i < s->bucket_count; i++)
        s->d->ops->cast(s->d, s->buckets[i].n, DTYPE_BF16, s->buckets[i].rounded, DTYPE_F32,
                        s->buckets[i].x);
    s->bucket_count = 0;
}

/* Ranges of a backward pass come one below the other; they grow the open bucket while they touch it. */
static void nccl_sum_start(struct comm *c, float *x, int64_t n)
{
    struct nccl_state *s = state_of(c);
    if (n == 0)
        return;
    struct bucket *b = s->open ? &s->buckets[s->bucket_count - 1] : NULL;
    if (b && x + n == b->x) {
        b->x = x;
        b->n += n;
    } else if (b && b->x + b->n == x) {
        b->n += n;
    } else {
        send_bucket(s);
        if (s->bucket_count ==
            MOST_BUCKETS) /* the same moment on every rank: they start the same ranges */
            nccl_sum_wait(c);
        b = &s->buckets[s->bucket_count++];
        b->x = x;
        b->n = n;
        s->open = 1;
    }
    if ((size_t)b->n * sizeof(float) >= s->settings.bucket_bytes)
        send_bucket(s);
}

/* ---- what goes below ---- */

static void nccl_barrier(struct comm *c)
{
    state_of(c)->below->ops->barrier(state_of(c)->below);
}

static void nccl_bcast(struct comm *c, void *data, size_t bytes, int root)
{
    state_of(c)->below->ops->bcast(state_of(c)->below, data, bytes, root);
}

static void nccl_sum_f64(struct comm *c, double *x, int64_t n)
{
    state_of(c)->below->ops->sum_f64(state_of(c)->below, x, n);
}

static void nccl_max_f64(struct comm *c, double *x, int64_t n)
{
    state_of(c)->below->ops->max_f64(state_of(c)->below, x, n);
}

static void nccl_allgather(struct comm *c, const void *mine, size_t bytes, void *all)
{
    state_of(c)->below->ops->allgather(state_of(c)->below, mine, bytes, all);
}

static void nccl_abort(struct comm *c, int code)
{
    state_of(c)->below->ops->abort(state_of(c)->below, code);
}

/* ---- start and end ---- */

struct card {
    char host[64], bus[32];
    cudaUUID_t uuid;
};

/* Whether two ranks have one GPU; rank 0 says which, unless they may. The same answer on every rank, and how many have
 * this rank's. */
static int cards_shared(struct comm *below, int gpu, int allowed, int *on_mine)
{
    struct card mine = {0}, *all = mem_alloc((size_t)below->size * sizeof *all);
    struct cudaDeviceProp p;
    int shared = 0;
    CUDA_TRY(cudaGetDeviceProperties(&p, gpu));
    CUDA_TRY(cudaDeviceGetPCIBusId(mine.bus, sizeof mine.bus, gpu));
    mine.uuid = p.uuid;
    snprintf(mine.host, sizeof mine.host, "%s", below->host);
    below->ops->allgather(below, &mine, sizeof mine, all);
    *on_mine = 0;
    for (int i = 0; i < below->size; i++)
        *on_mine += memcmp(&all[i].uuid, &mine.uuid, sizeof mine.uuid) == 0;
    for (int i = 0; i < below->size && !shared; i++)
        for (int j = 0; j < i && !shared; j++) {
            if (memcmp(&all[i].uuid, &all[j].uuid, sizeof all[i].uuid))
                continue;
            shared = 1;
            if (below->rank == 0 && !allowed)
                log_error("ranks %d and %d on %s share one GPU (%s). Start as many ranks on a node "
                          "as it has GPUs, "
                          "let every rank see all of them (Slurm: --gpus-per-node, no "
                          "--gpus-per-task), or set "
                          "run.share_gpu = .true. if sharing is meant",
                          j, i, all[i].host, all[i].bus);
        }
    mem_free(all);
    return shared;
}

static void nccl_open(struct nccl_state *s)
{
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    ncclUniqueId id;
    struct comm *below = s->below;
    memset(&id, 0, sizeof id);
    config.blocking = 0;
    if (below->rank == 0) {
        ncclResult_t result = ncclGetUniqueId(&id);
        if (result != ncclSuccess)
            fail(s, result, "ncclGetUniqueId");
    }
    below->ops->bcast(below, &id, sizeof id, 0);
    NCCL_TRY(s, ncclCommInitRankConfig(&s->nccl, below->size, id, below->rank, &config));
    CUDA_TRY(cudaEventCreateWithFlags(&s->ready, cudaEventDisableTiming));
    watch_start(s);
}

static void nccl_destroy(struct comm *c)
{
    struct nccl_state *s = state_of(c);
    nccl_sum_wait(c);
    if (s->nccl) {
        CUDA_TRY(cudaStreamSynchronize(cuda_of(s->d)->comm_stream)); /* still watched */
        s->d->ops->sync(s->d);
        watch_stop(s);
        NCCL_TRY(s, ncclCommFinalize(s->nccl));
        ncclResult_t result = ncclCommDestroy(s->nccl);
        s->nccl = NULL;
        if (result != ncclSuccess && result != ncclInProgress)
            fail(s, result, "ncclCommDestroy");
        CUDA_TRY(cudaEventDestroy(s->ready));
    }
    for (int i = 0; i < MOST_BUCKETS; i++)
        s->d->ops->free(s->d, s->buckets[i].rounded);
    s->d->ops->host_free(s->d, s->host);
    mem_free(s);
    mem_free(c);
}

struct comm *comm_nccl_create(struct comm *below, struct device *d,
                              const struct comm_nccl_settings *settings)
{
    static const struct comm_ops ops = {
        .barrier = nccl_barrier,
        .bcast = nccl_bcast,
        .sum_f64 = nccl_sum_f64,
        .max_f64 = nccl_max_f64,
        .allgather = nccl_allgather,
        .sum_start = nccl_sum_start,
        .sum_wait = nccl_sum_wait,
        .abort = nccl_abort,
        .destroy = nccl_destroy,
    };
    int version = 0, on_mine;
    int shared = cards_shared(below, cuda_of(d)->gpu, settings->share_gpu, &on_mine);
    if (shared && !settings->share_gpu)
        return NULL;
    struct comm *c = mem_alloc(sizeof *c);
    struct nccl_state *s = mem_zalloc(sizeof *s);
    *c = *below;
    c->ops = &ops;
    c->state = s;
    c->gpu_ranks = on_mine;
    s->below = below;
    s->d = d;
    s->settings = *settings;
    if (s->settings.bucket_bytes == 0)
        s->settings.bucket_bytes = BUCKET_BYTES;
    if (s->settings.timeout_s <= 0)
        s->settings.timeout_s = TIMEOUT_S;
    if (shared) {
        s->host = d->ops->host_alloc(d, s->settings.bucket_bytes);
        log_info("ranks share GPUs: sums over ranks go through the host and MPI, in fp32");
        return c;
    }
    nccl_open(s);
    ncclGetVersion(&version);
    snprintf(c->library, sizeof c->library, "%.64s, NCCL %d.%d.%d", below->library, version / 10000,
             version / 100 % 100, version % 100);
    log_info("sums over ranks through NCCL %d.%d.%d, %s, buckets of %.0f MiB", version / 10000,
             version / 100 % 100, version % 100, s->settings.type == DTYPE_BF16 ? "bf16" : "fp32",
             (double)s->settings.bucket_bytes / (1 << 20));
    return c;
}
