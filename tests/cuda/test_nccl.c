/* SPDX-License-Identifier: Apache-2.0
 * mpi/comm_nccl.c over a stand-in for NCCL (nccl.h of this folder) and the runtime of this folder, on several ranks:
 * test_nccl [sums | shared | refused | fault SECONDS]
 *
 * sums: every rank's summands are written by work on the compute stream and the sums are read by work on it, both
 *   later than the calls (nothing runs before something waits), so a missing wait between the streams shows.
 * shared, refused: all ranks have one GPU. fault: a sum goes wrong (NCCL_STUB); the job must end by itself. */
#include "check.h"

#include <nccl.h>
#include <string.h>

#include "base/half.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm_nccl.h"
#include "cuda.h"

enum {
    N = 24000,
    RANGE = 60,
    BUCKET = 600,
    ROUNDS = 70
}; /* rounds: more than may be unfinished at once */

/* ---- a device of what comm_nccl uses ---- */

void cuda_try(cudaError_t error, const char *what, const char *file, int line)
{
    if (error == cudaSuccess)
        return;
    fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, cudaGetErrorString(error));
    exit(EXIT_FAILURE);
}

static void *test_alloc(struct device *d, size_t bytes)
{
    void *p;
    (void)d;
    CUDA_TRY(cudaMalloc(&p, bytes));
    return p;
}
static void test_free(struct device *d, void *p)
{
    (void)d;
    CUDA_TRY(cudaFree(p));
}
static void test_upload(struct device *d, void *to, const void *from, size_t bytes)
{
    CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, cuda_of(d)->stream));
    CUDA_TRY(cudaStreamSynchronize(cuda_of(d)->stream));
}
static void test_download(struct device *d, void *to, const void *from, size_t bytes)
{
    CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, cuda_of(d)->stream));
    CUDA_TRY(cudaStreamSynchronize(cuda_of(d)->stream));
}
static void test_sync(struct device *d)
{
    CUDA_TRY(cudaStreamSynchronize(cuda_of(d)->stream));
}
static void *test_host_alloc(struct device *d, size_t bytes)
{
    void *p;
    (void)d;
    CUDA_TRY(cudaMallocHost(&p, bytes));
    return p;
}
static void test_host_free(struct device *d, void *p)
{
    (void)d;
    CUDA_TRY(cudaFreeHost(p));
}

/* Work of the compute stream. Freed when it has run. */
struct work {
    int64_t n;
    enum dtype from, to;
    const void *x;
    void *y;
    float scale;
};
static void do_cast(void *argument)
{
    struct work *w = argument;
    for (int64_t i = 0; i < w->n; i++)
        if (w->to == DTYPE_BF16)
            ((uint16_t *)w->y)[i] = bf16_from_float(((const float *)w->x)[i]);
        else
            ((float *)w->y)[i] = bf16_to_float(((const uint16_t *)w->x)[i]);
    mem_free(w);
}
static void do_fill(void *argument) /* y[i] = scale * (i % 40), 257 at the end */
{
    struct work *w = argument;
    for (int64_t i = 0; i < w->n; i++)
        ((float *)w->y)[i] = w->scale * (float)(i % 40);
    ((float *)w->y)[w->n - 1] = 257;
    mem_free(w);
}
static void do_double(void *argument) /* y = 2 x */
{
    struct work *w = argument;
    for (int64_t i = 0; i < w->n; i++)
        ((float *)w->y)[i] = 2 * ((const float *)w->x)[i];
    mem_free(w);
}
static void enqueue(struct device *d, void (*what)(void *), struct work work)
{
    struct work *w = mem_alloc(sizeof *w);
    *w = work;
    nccl_stub_enqueue(cuda_of(d)->stream, what, w);
}
static void test_cast(struct device *d, int64_t n, enum dtype from, const void *x, enum dtype to,
                      void *y)
{
    enqueue(d, do_cast, (struct work){n, from, to, x, y, 0});
}

static const struct device_ops ops = {.alloc = test_alloc,
                                      .free = test_free,
                                      .upload = test_upload,
                                      .download = test_download,
                                      .sync = test_sync,
                                      .host_alloc = test_host_alloc,
                                      .host_free = test_host_free,
                                      .cast = test_cast};

static void device_make(struct device *d, struct cuda_state *cuda, int local_rank)
{
    int gpus = 0;
    CUDA_TRY(cudaGetDeviceCount(&gpus));
    memset(d, 0, sizeof *d);
    memset(cuda, 0, sizeof *cuda);
    d->ops = &ops;
    d->state = cuda;
    cuda->gpu = local_rank % gpus;
    CUDA_TRY(cudaSetDevice(cuda->gpu));
    CUDA_TRY(cudaStreamCreate(&cuda->stream));
    CUDA_TRY(cudaStreamCreate(&cuda->comm_stream));
}

static void device_unmake(struct cuda_state *cuda)
{
    CUDA_TRY(cudaStreamDestroy(cuda->stream));
    CUDA_TRY(cudaStreamDestroy(cuda->comm_stream));
}

/* ---- the checks ---- */

/* The ranges of a backward pass: from the end, one below the other; then a gap, and some upwards. */
static void start_sums(struct comm *c, float *x)
{
    int at = N;
    while (at > N / 2) {
        at -= RANGE;
        c->ops->sum_start(c, x + at, RANGE);
    }
    c->ops->sum_start(c, x, 0);
    for (at = 0; at + RANGE < N / 2; at += RANGE)
        c->ops->sum_start(c, x + at, RANGE);
    c->ops->sum_start(c, x + at, N / 2 - at);
}

/* Rounds of: fill, sum, twice the sums; nothing waits before the end of a round, or of all where `late`. */
static void check_sums(struct comm *below, struct device *d, enum dtype type, int share, int rounds,
                       int late)
{
    struct comm_nccl_settings s = {share, type, BUCKET * sizeof(float), 20};
    if (below->size == 1)
        share = 0; /* there is nobody to share with */
    struct comm *c = comm_nccl_create(below, d, &s);
    CHECK(c != NULL);
    if (!c)
        return;
    CHECK(c->gpu_ranks == (share ? c->size : 1));
    int ranks = c->size * (c->size + 1) / 2, before = nccl_stub_sums(), wrong = 0;
    float *x = test_alloc(d, N * sizeof *x), *y = test_alloc(d, N * sizeof *y),
          *got = mem_alloc(N * sizeof *got);
    for (int round = 0; round < rounds; round++) {
        enqueue(d, do_fill, (struct work){.n = N, .y = x, .scale = (float)(c->rank + 1)});
        start_sums(c, x);
        c->ops->sum_wait(c);
        enqueue(d, do_double, (struct work){.n = N, .x = x, .y = y});
        if (late && round + 1 < rounds)
            continue;
        if (!share && !getenv("COH_EAGER"))
            CHECK(cudaStreamQuery(cuda_of(d)->stream) ==
                  cudaErrorNotReady); /* the host has not waited */
        if (round % 2)                /* whichever stream runs first */
            CUDA_TRY(cudaStreamSynchronize(cuda_of(d)->comm_stream));
        test_download(d, got, y, N * sizeof *got);
        for (int i = 0; i < N - 1; i++)
            wrong += got[i] != (float)(2 * ranks * (i % 40));
        float summand = type == DTYPE_BF16 && !share ? bf16_to_float(bf16_from_float(257)) : 257;
        float last = (float)c->size * summand;
        CHECK(got[N - 1] ==
              2 * (type == DTYPE_BF16 && !share ? bf16_to_float(bf16_from_float(last)) : last));
    }
    CHECK(wrong == 0);
    c->ops->sum_wait(c); /* nothing started: nothing to wait for */
    CHECK(nccl_stub_sums() - before == (share ? 0 : rounds * N / BUCKET));
    double sum = 1;
    c->ops->sum_f64(c, &sum, 1); /* goes below */
    CHECK(sum == c->size);
    test_free(d, x);
    test_free(d, y);
    mem_free(got);
    c->ops->destroy(c);
}

static void check_refused(struct comm *below, struct device *d)
{
    struct comm_nccl_settings s = {0, DTYPE_F32, 0, 0};
    struct comm *c = comm_nccl_create(below, d, &s);
    CHECK((c == NULL) == (below->size > 1));
    if (c)
        c->ops->destroy(c);
}

/* Must not come back: the watching thread ends the job. */
static void run_fault(struct comm *below, struct device *d, double timeout_s)
{
    struct comm_nccl_settings s = {0, DTYPE_F32, BUCKET * sizeof(float), timeout_s};
    struct comm *c = comm_nccl_create(below, d, &s);
    float *x = test_alloc(d, N * sizeof *x);
    enqueue(d, do_fill, (struct work){.n = N, .y = x, .scale = 1});
    start_sums(c, x);
    c->ops->sum_wait(c);
    test_sync(d);
    printf("the fault went unnoticed\n");
    fflush(stdout);
    below->ops->abort(below, 3);
}

int main(int argc, char **argv)
{
    struct comm *world = comm_world_create(&argc, &argv);
    struct device d;
    struct cuda_state cuda;
    const char *mode = argc > 1 ? argv[1] : "sums";
    if (!world)
        return EXIT_FAILURE;
    log_init(world->rank, world->size, 1);
    device_make(&d, &cuda, world->local_rank);
    if (!strcmp(mode, "fault")) {
        run_fault(world, &d, atof(argv[2]));
    } else if (!strcmp(mode, "refused")) {
        check_refused(world, &d);
    } else if (!strcmp(mode, "shared")) {
        check_sums(world, &d, DTYPE_F32, 1, 2, 0);
        check_sums(world, &d, DTYPE_BF16, 1, 2, 0);
    } else {
        check_sums(world, &d, DTYPE_F32, 0, 2, 0);
        check_sums(world, &d, DTYPE_BF16, 0, 2, 0);
        check_sums(world, &d, DTYPE_F32, 0, ROUNDS, 1);
        check_sums(world, &d, DTYPE_BF16, 0, ROUNDS, 1);
    }
    device_unmake(&cuda);
    CHECK(d.bytes == 0);
    int failed = comm_agree(world, check_done() != EXIT_SUCCESS);
    world->ops->destroy(world);
    return failed || mem_live_bytes() ? EXIT_FAILURE : EXIT_SUCCESS;
}
