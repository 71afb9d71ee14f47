/* SPDX-License-Identifier: Apache-2.0
 * The GPU device: which card, its memory, its streams, the table of operations (cuda_ops.h).
 *
 * Uploads go through a ring of page-locked pieces: the caller may write to its memory again at once, whatever kind it
 * is, and neither side waits while less than the ring is on its way. Allocations are slow and wait for the card; they
 * happen when plans and networks are made, never in a step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "conv_cudnn.h"
#include "cuda_ops.h"

enum { RING = 8, RING_BYTES = 4 << 20, SCRATCH_GRAIN = 2 << 20, OLDEST_MAJOR = 8 };
static const double MIB = 1 << 20, GIB = 1 << 30;

struct piece {
    void *p;
    size_t bytes;
};

/* The device's state: what kernels' hosts see of it, and what only this file does. */
struct gpu {
    struct cuda_state cuda; /* first: device->state is one of these */
    struct piece *pieces;
    int piece_count, piece_room;
    struct slot {
        void *host;
        cudaEvent_t free; /* its last copy is done */
    } ring[RING];
    int next; /* slot */
};

static struct gpu *gpu_of(struct device *d)
{
    return d->state;
}

/* ---- errors ---- */

void cuda_try(cudaError_t error, const char *what, const char *file, int line)
{
    if (error != cudaSuccess)
        die_at(
            file, line,
            "%s: %s (%s). If a kernel is at fault it ran before this call: CUDA_LAUNCH_BLOCKING=1 "
            "and PECLET_CUDA_GRAPHS=0 in the environment name it",
            what, cudaGetErrorString(error), cudaGetErrorName(error));
}

void cuda_launched(struct device *d, const char *kernel, const char *file, int line)
{
    cudaError_t error = cudaGetLastError();
#ifdef CUDA_SYNC_LAUNCHES
    if (error == cudaSuccess)
        error = cudaStreamSynchronize(cuda_of(d)->stream);
#endif
    (void)d;
    if (error != cudaSuccess)
        die_at(file, line, "kernel %s: %s (%s)", kernel, cudaGetErrorString(error),
               cudaGetErrorName(error));
}

/* ---- memory ---- */

/* What would wait, or would happen once and not when the recorded work is repeated. */
static void not_recording(struct device *d)
{
    REQUIRE(!cuda_of(d)->recording);
}

/* Memory of the card, or the end of the job with all that helps to choose a smaller one. */
static void *obtain(struct device *d, size_t bytes, const char *what)
{
    void *p = NULL;
    cudaError_t error = cudaMalloc(&p, bytes);
    if (error == cudaErrorMemoryAllocation) {
        size_t unused = 0, total = 0;
        cudaGetLastError();
        cudaMemGetInfo(&unused, &total);
        DIE("out of memory on GPU %d: %.1f MiB more for %s; this rank holds %.2f GiB, %.2f of the "
            "card's %.2f GiB are "
            "free. A training needs less with a smaller train.batch, a larger train.accumulate or "
            "run.precision = 'bf16', a sampling with a smaller sample.batch",
            cuda_of(d)->gpu, (double)bytes / MIB, what,
            (double)(d->bytes + cuda_of(d)->scratch_bytes) / GIB, (double)unused / GIB,
            (double)total / GIB);
    }
    CUDA_TRY(error);
    return p;
}

static void count_peak(struct device *d)
{
    size_t now = d->bytes + cuda_of(d)->scratch_bytes;
    if (now > d->peak_bytes)
        d->peak_bytes = now;
}

static void *cuda_alloc(struct device *d, size_t bytes)
{
    struct gpu *gpu = gpu_of(d);
    not_recording(d);
    if (bytes == 0)
        return NULL;
    void *p = obtain(d, bytes, "an array");
    if (gpu->piece_count == gpu->piece_room) {
        struct piece *old = gpu->pieces;
        gpu->piece_room = 2 * gpu->piece_room + 64;
        gpu->pieces = mem_alloc((size_t)gpu->piece_room * sizeof *gpu->pieces);
        if (old)
            memcpy(gpu->pieces, old, (size_t)gpu->piece_count * sizeof *old);
        mem_free(old);
    }
    gpu->pieces[gpu->piece_count++] = (struct piece){p, bytes};
    d->bytes += bytes;
    count_peak(d);
    return p;
}

static void cuda_free(struct device *d, void *p)
{
    struct gpu *gpu = gpu_of(d);
    not_recording(d);
    if (!p)
        return;
    int i = gpu->piece_count - 1; /* what came last mostly goes first */
    while (i >= 0 && gpu->pieces[i].p != p)
        i--;
    REQUIRE(i >= 0);
    d->bytes -= gpu->pieces[i].bytes;
    gpu->pieces[i] = gpu->pieces[--gpu->piece_count];
    CUDA_TRY(cudaStreamSynchronize(gpu->cuda.stream)); /* a fault before is named here */
    CUDA_TRY(cudaFree(p));
}

static double cuda_room(struct device *d)
{
    size_t unused = 0, total = 0;
    not_recording(d);
    CUDA_TRY(cudaMemGetInfo(&unused, &total));
    return (double)unused;
}

void *cuda_scratch(struct device *d, size_t bytes)
{
    struct cuda_state *cuda = cuda_of(d);
    if (bytes > cuda->scratch_bytes) {
        not_recording(d);
        CUDA_TRY(cudaStreamSynchronize(cuda->stream));
        CUDA_TRY(cudaFree(cuda->scratch));
        cuda->scratch_bytes = 0;
        bytes = (bytes + SCRATCH_GRAIN - 1) / SCRATCH_GRAIN * SCRATCH_GRAIN;
        cuda->scratch = obtain(d, bytes, "workspace");
        cuda->scratch_bytes = bytes;
        count_peak(d);
    }
    return cuda->scratch;
}

static void cuda_upload(struct device *d, void *dst, const void *host, size_t bytes)
{
    struct gpu *gpu = gpu_of(d);
    not_recording(d);
    for (size_t done = 0; done < bytes;) {
        struct slot *slot = &gpu->ring[gpu->next];
        size_t part = bytes - done < RING_BYTES ? bytes - done : RING_BYTES;
        gpu->next = (gpu->next + 1) % RING;
        CUDA_TRY(cudaEventSynchronize(slot->free));
        memcpy(slot->host, (const char *)host + done, part);
        CUDA_TRY(cudaMemcpyAsync((char *)dst + done, slot->host, part, cudaMemcpyHostToDevice,
                                 gpu->cuda.stream));
        CUDA_TRY(cudaEventRecord(slot->free, gpu->cuda.stream));
        done += part;
    }
}

static void cuda_download_start(struct device *d, void *host, const void *src, size_t bytes)
{
    not_recording(d);
    if (bytes)
        CUDA_TRY(cudaMemcpyAsync(host, src, bytes, cudaMemcpyDeviceToHost, cuda_of(d)->stream));
}

static void cuda_download(struct device *d, void *host, const void *src, size_t bytes)
{
    cuda_download_start(d, host, src, bytes);
    CUDA_TRY(cudaStreamSynchronize(cuda_of(d)->stream));
}

static void cuda_copy(struct device *d, void *dst, const void *src, size_t bytes)
{
    if (bytes && dst != src)
        CUDA_TRY(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToDevice, cuda_of(d)->stream));
}

static void cuda_zero(struct device *d, void *dst, size_t bytes)
{
    if (bytes)
        CUDA_TRY(cudaMemsetAsync(dst, 0, bytes, cuda_of(d)->stream));
}

static void cuda_sync(struct device *d)
{
    not_recording(d);
    CUDA_TRY(cudaStreamSynchronize(cuda_of(d)->stream));
}

static void *cuda_host_alloc(struct device *d, size_t bytes)
{
    void *p = NULL;
    (void)d;
    if (bytes)
        CUDA_TRY(cudaHostAlloc(&p, bytes, cudaHostAllocDefault));
    return p;
}

static void cuda_host_free(struct device *d, void *p)
{
    (void)d;
    if (p)
        CUDA_TRY(cudaFreeHost(p));
}

/* ---- the card ---- */

static void cuda_destroy(struct device *d)
{
    struct gpu *gpu = gpu_of(d);
    struct cuda_state *cuda = &gpu->cuda;
    CUDA_TRY(cudaStreamSynchronize(cuda->comm_stream));
    CUDA_TRY(cudaStreamSynchronize(cuda->stream));
    cudnn_library_close(cuda->cudnn);
    for (int i = 0; i < RING; i++) {
        CUDA_TRY(cudaFreeHost(gpu->ring[i].host));
        CUDA_TRY(cudaEventDestroy(gpu->ring[i].free));
    }
    CUDA_TRY(cudaFree(cuda->scratch));
    CUDA_TRY(cudaStreamDestroy(cuda->comm_stream));
    CUDA_TRY(cudaStreamDestroy(cuda->stream));
    mem_free(gpu->pieces);
    mem_free(gpu);
    mem_free(d);
}

static const struct device_ops cuda_ops = {
    .alloc = cuda_alloc,
    .free = cuda_free,
    .room = cuda_room,
    .upload = cuda_upload,
    .download = cuda_download,
    .download_start = cuda_download_start,
    .copy = cuda_copy,
    .zero = cuda_zero,
    .sync = cuda_sync,
    .host_alloc = cuda_host_alloc,
    .host_free = cuda_host_free,
    .repeat_begin = cuda_repeat_begin,
    .repeat_end = cuda_repeat_end,
    .repeat_free = cuda_repeat_free,
    .adr_create = cuda_adr_create,
    .adr_destroy = cuda_adr_destroy,
    .adr_run = cuda_adr_run,
    .adr_velocity = cuda_adr_velocity,
    .conv_create = cuda_conv_create,
    .conv_destroy = cuda_conv_destroy,
    .conv_weights = cuda_conv_weights,
    .conv_forward = cuda_conv_forward,
    .conv_backward_data = cuda_conv_backward_data,
    .conv_backward_weights = cuda_conv_backward_weights,
    .norm_forward = cuda_norm_forward,
    .norm_backward = cuda_norm_backward,
    .silu_forward = cuda_silu_forward,
    .silu_backward = cuda_silu_backward,
    .embed = cuda_embed,
    .upsample_forward = cuda_upsample_forward,
    .upsample_backward = cuda_upsample_backward,
    .concat_forward = cuda_concat_forward,
    .concat_backward = cuda_concat_backward,
    .concat_norm_forward = cuda_concat_norm_forward,
    .concat_norm_backward = cuda_concat_norm_backward,
    .add = cuda_add,
    .attention_forward = cuda_attention_forward,
    .attention_backward = cuda_attention_backward,
    .dropout = cuda_dropout,
    .squared_error = cuda_squared_error,
    .adam = cuda_adam,
    .lion = cuda_lion,
    .sum_squares = cuda_sum_squares,
    .axpby = cuda_axpby,
    .add_normal = cuda_add_normal,
    .cast = cuda_cast,
    .relu = cuda_relu,
    .pool = cuda_pool,
    .pixel_mean = cuda_pixel_mean,
    .destroy = cuda_destroy,
};

/* How many GPUs this process sees; 0 with `why` filled if none can be used. */
static int count_gpus(size_t bytes, char *why)
{
    int count = 0, driver = 0, runtime = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    cudaGetLastError(); /* asking is no fault of later calls */
    if (error == cudaSuccess && count > 0)
        return count;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    cudaGetLastError();
    if (driver == 0)
        snprintf(why, bytes, "no NVIDIA driver is loaded (%s)", cudaGetErrorString(error));
    else
        snprintf(why, bytes, "%s (the driver is for CUDA %d.%d, this program needs %d.%d)",
                 cudaGetErrorString(error == cudaSuccess ? cudaErrorNoDevice : error),
                 driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    return 0;
}

int device_cuda_present(int local_rank)
{
    char why[256];
    struct cudaDeviceProp p;
    int count = count_gpus(sizeof why, why);
    return count > 0 && cudaGetDeviceProperties(&p, local_rank % count) == cudaSuccess &&
           p.major >= OLDEST_MAJOR;
}

#ifdef PECLET_HAVE_CUFFT
static const char without_cufft[] = "";
#else
static const char without_cufft[] = ", without cuFFT";
#endif

static void describe(struct device *d, const struct cudaDeviceProp *p, int count)
{
    int driver = 0, runtime = 0;
    CUDA_TRY(cudaDriverGetVersion(&driver));
    CUDA_TRY(cudaRuntimeGetVersion(&runtime));
    snprintf(d->description, sizeof d->description,
             "%.60s, GPU %d of %d, %.0f GiB, capability %d.%d, CUDA %d.%d, driver for %d.%d, %s%s",
             p->name, cuda_of(d)->gpu, count, (double)p->totalGlobalMem / GIB, p->major, p->minor,
             runtime / 1000, runtime % 1000 / 10, driver / 1000, driver % 1000 / 10,
             cuda_of(d)->cudnn ? "cuDNN" : "without cuDNN", without_cufft);
    char cudnn[sizeof d->libraries];
    memcpy(cudnn, d->libraries, sizeof cudnn); /* conv_cudnn.c has written its own */
    snprintf(d->libraries, sizeof d->libraries, "CUDA runtime %d.%d, driver for CUDA %d.%d%s%.32s",
             runtime / 1000, runtime % 1000 / 10, driver / 1000, driver % 1000 / 10,
             *cudnn ? ", " : "", cudnn);
}

int device_cuda_create(int local_rank, struct device **out)
{
    char why[256];
    int count = count_gpus(sizeof why, why), least, greatest;
    if (count == 0) {
        log_error("no GPU: %s; run.device = 'cpu' computes on the processor", why);
        return 1;
    }
    struct cudaDeviceProp p;
    int ordinal = local_rank % count;
    cudaError_t error = cudaGetDeviceProperties(&p, ordinal);
    if (error == cudaSuccess)
        error = cudaSetDevice(ordinal);
    if (error != cudaSuccess) {
        log_error("GPU %d cannot be used: %s", ordinal, cudaGetErrorString(error));
        return 1;
    }
    if (p.major < OLDEST_MAJOR) {
        log_error("GPU %d, %s, has compute capability %d.%d; %d.0 is needed (A100 or later). "
                  "run.device = 'cpu' computes on the processor",
                  ordinal, p.name, p.major, p.minor, OLDEST_MAJOR);
        return 1;
    }
    struct device *d = mem_zalloc(sizeof *d);
    struct gpu *gpu = mem_zalloc(sizeof *gpu);
    struct cuda_state *cuda = &gpu->cuda;
    cuda->gpu = ordinal;
    cuda->local_rank = local_rank;
    cuda->capability = 10 * p.major + p.minor;
    cuda->sm_count = p.multiProcessorCount;
    cuda->shared_bytes = p.sharedMemPerBlockOptin;
    CUDA_TRY(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    CUDA_TRY(cudaStreamCreateWithPriority(&cuda->stream, cudaStreamNonBlocking, least));
    CUDA_TRY(cudaStreamCreateWithPriority(&cuda->comm_stream, cudaStreamNonBlocking, greatest));
    for (int i = 0; i < RING; i++) {
        CUDA_TRY(cudaHostAlloc(&gpu->ring[i].host, RING_BYTES, cudaHostAllocDefault));
        CUDA_TRY(cudaEventCreateWithFlags(&gpu->ring[i].free, cudaEventDisableTiming));
    }
    d->ops = &cuda_ops;
    d->name = "cuda";
    d->threads = 1;
    d->bf16_fast = 1;
    d->weights_in_place = 1;
    d->residual_apart = 1;
    d->multiprocessors = p.multiProcessorCount;
    d->state = gpu;
    cuda->cudnn = cudnn_library_open(d);
#ifndef CUDA_SYNC_LAUNCHES /* which waits after every launch */
    const char *graphs = getenv("PECLET_CUDA_GRAPHS");
    cuda->graphs = !graphs || strcmp(graphs, "0") != 0;
#endif
    describe(d, &p, count);
    *out = d;
    return 0;
}
