/* SPDX-License-Identifier: Apache-2.0
 * The runtime's calls on host memory (cuda_runtime.h). */
#include "cuda_runtime.h"

#include <algorithm>
#include <deque>
#include <map>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vector>

#include "streams.h"

struct CUgraph_st {
    std::vector<std::function<void()>> work;
    std::vector<std::pair<const void *, size_t>> launches; /* kernels and their shared memory */
};
struct CUgraphExec_st {
    CUgraph_st kept;
};
struct CUstream_st {
    std::deque<std::function<void()>> work;
    uint64_t put, done;  /* pieces of work */
    cudaGraph_t capture; /* takes the work instead; NULL: none */
};
struct CUevent_st {
    cudaStream_t stream; /* NULL: never recorded, or its stream is gone */
    uint64_t after;      /* done when the stream has done as much */
};

namespace coh {
struct piece {
    char *p;
    size_t bytes;
};
/* Everything that the program holds. What is left when it ends is a leak. */
struct machine {
    std::map<uintptr_t, piece> device, pinned;
    std::map<const void *, kernel_limits> kernels;
    std::vector<cudaStream_t> streams;
    CUstream_st default_stream = {};
    size_t bytes = 0;
    int events = 0, graphs = 0, captures = 0; /* captures: that go on now */
    long long issued = 0;
    cudaError_t error = cudaSuccess;
    ~machine()
    {
        if (device.empty() && pinned.empty() && streams.empty() && !events && !graphs)
            return;
        fprintf(stderr, "cuda_on_host: left at exit: %zu pieces of device memory, %zu of page-locked, %zu streams, "
                        "%d events, %d graphs\n", device.size(), pinned.size(), streams.size(), events, graphs);
        fflush(NULL);
        _exit(1);
    }
};
static machine M;

static long long setting(const char *name, long long otherwise)
{
    const char *text = getenv(name);
    return text ? atoll(text) : otherwise;
}
static size_t memory() { return (size_t)setting("COH_MEMORY", 4LL << 30); }
static int capability() { return (int)setting("COH_CAPABILITY", 90); }
static int driver() { return (int)setting("COH_DRIVER", CUDART_VERSION); }
static size_t smem_most() { return capability() >= 90 ? 232448 : capability() == 80 ? 166912 : 101376; }

cudaError_t fault(cudaError_t error)
{
    if (error != cudaSuccess)
        M.error = error;
    return error;
}

/* Not in a capture: what waits or allocates, and the default stream. */
static bool captured() { return M.captures > 0 && fault(cudaErrorStreamCaptureUnsupported); }

kernel_limits limits_of(const void *kernel)
{
    auto found = M.kernels.find(kernel);
    if (found != M.kernels.end())
        return found->second;
    return {48 << 10, capability() >= 90 ? 8u : 1u};
}

static cudaStream_t stream_of(cudaStream_t stream) { return stream ? stream : &M.default_stream; }

/* Runs the work of a stream up to piece number `upto`. */
static void drain(cudaStream_t stream, uint64_t upto)
{
    while (stream->done < upto && !stream->work.empty()) {
        std::function<void()> work = std::move(stream->work.front());
        stream->work.pop_front();
        work();
        stream->done++;
    }
}
static void drain(cudaStream_t stream) { drain(stream, stream->put); }
static void drain_all()
{
    drain(&M.default_stream);
    for (cudaStream_t s : M.streams)
        drain(s);
}

void enqueue(cudaStream_t stream, std::function<void()> work)
{
    cudaStream_t s = stream_of(stream);
    if (s->capture) {
        s->capture->work.push_back(std::move(work));
        return;
    }
    M.issued++;
    s->work.push_back(std::move(work));
    s->put++;
    if (!stream || setting("COH_EAGER", 0))
        drain(s);
}

void note_launch(cudaStream_t stream, const void *kernel, size_t smem_bytes)
{
    if (stream_of(stream)->capture)
        stream_of(stream)->capture->launches.push_back({kernel, smem_bytes});
}

/* The piece that holds [p, p+bytes), or NULL. */
static const piece *holder(const std::map<uintptr_t, piece> &pieces, const void *p, size_t bytes)
{
    auto after = pieces.upper_bound((uintptr_t)p);
    if (after == pieces.begin())
        return NULL;
    const piece &found = (--after)->second;
    return (const char *)p + bytes <= found.p + found.bytes ? &found : NULL;
}
static bool on_device(const void *p, size_t bytes) { return holder(M.device, p, bytes) != NULL; }

static cudaError_t obtain(std::map<uintptr_t, piece> &pieces, void **p, size_t bytes)
{
    if (captured())
        return M.error;
    if (posix_memalign(p, 256, bytes))
        return fault(cudaErrorMemoryAllocation);
    memset(*p, 0xff, bytes);
    pieces[(uintptr_t)*p] = {(char *)*p, bytes};
    return cudaSuccess;
}
static cudaError_t give_up(std::map<uintptr_t, piece> &pieces, void *p)
{
    if (!p)
        return cudaSuccess;
    if (captured())
        return M.error;
    auto found = pieces.find((uintptr_t)p);
    if (found == pieces.end())
        return fault(cudaErrorInvalidValue);
    drain_all();
    pieces.erase(found);
    free(p);
    return cudaSuccess;
}
} // namespace coh

using namespace coh;

/* ---- the card ---- */

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = driver() < CUDART_VERSION / 1000 * 1000 ? 0 : (int)setting("COH_GPUS", 1);
    return fault(driver() < CUDART_VERSION / 1000 * 1000 ? cudaErrorInsufficientDriver
                 : *count == 0                           ? cudaErrorNoDevice
                                                         : cudaSuccess);
}
static int current_gpu;
cudaError_t cudaSetDevice(int gpu)
{
    if (gpu < 0 || gpu >= setting("COH_GPUS", 1))
        return fault(cudaErrorInvalidDevice);
    current_gpu = gpu;
    return cudaSuccess;
}
cudaError_t cudaGetDevice(int *gpu)
{
    *gpu = current_gpu;
    return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int gpu)
{
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "CUDA on host");
    p->totalGlobalMem = memory();
    p->sharedMemPerBlock = 48 << 10;
    p->sharedMemPerBlockOptin = smem_most();
    p->sharedMemPerMultiprocessor = smem_most() + 1024;
    p->major = capability() / 10;
    p->minor = capability() % 10;
    p->multiProcessorCount = 4;
    p->warpSize = 32;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsPerMultiProcessor = 2048;
    p->l2CacheSize = 1 << 20;
    p->pciBusID = gpu;
    memset(p->uuid.bytes, 'a' + gpu, sizeof p->uuid.bytes);
    return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int gpu)
{
    struct cudaDeviceProp p;
    cudaGetDeviceProperties(&p, gpu);
    switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = p.maxThreadsPerBlock; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = (int)p.sharedMemPerBlock; break;
    case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
    case cudaDevAttrL2CacheSize: *value = p.l2CacheSize; break;
    case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = (int)p.sharedMemPerMultiprocessor; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = (int)p.sharedMemPerBlockOptin; break;
    case cudaDevAttrClusterLaunch: *value = p.major >= 9; break;
    default: return fault(cudaErrorInvalidValue);
    }
    return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char *text, int bytes, int gpu)
{
    snprintf(text, (size_t)bytes, "0000:%02x:00.0", gpu);
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *version)
{
    *version = driver();
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize(void)
{
    if (!captured())
        drain_all();
    return M.error;
}
cudaError_t cudaGetLastError(void)
{
    cudaError_t error = M.error;
    M.error = cudaSuccess;
    return error;
}
cudaError_t cudaPeekAtLastError(void) { return M.error; }

static const struct {
    cudaError_t error;
    const char *name, *text;
} errors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorInvalidClusterSize, "cudaErrorInvalidClusterSize", "invalid cluster size"},
};
const char *cudaGetErrorName(cudaError_t error)
{
    for (const auto &e : errors)
        if (e.error == error)
            return e.name;
    return "unrecognized error code";
}
const char *cudaGetErrorString(cudaError_t error)
{
    for (const auto &e : errors)
        if (e.error == error)
            return e.text;
    return "unrecognized error code";
}

/* ---- memory ---- */

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    *total_bytes = memory();
    *free_bytes = memory() - M.bytes;
    return cudaSuccess;
}
cudaError_t cudaMalloc(void **p, size_t bytes)
{
    *p = NULL;
    if (bytes == 0)
        return cudaSuccess;
    if (bytes > memory() - M.bytes)
        return fault(cudaErrorMemoryAllocation);
    cudaError_t error = obtain(M.device, p, bytes);
    M.bytes += error ? 0 : bytes;
    return error;
}
cudaError_t cudaFree(void *p)
{
    auto found = M.device.find((uintptr_t)p);
    size_t bytes = found == M.device.end() ? 0 : found->second.bytes;
    cudaError_t error = give_up(M.device, p);
    M.bytes -= bytes;
    return error;
}
cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned) { return obtain(M.pinned, p, bytes); }
cudaError_t cudaMallocHost(void **p, size_t bytes) { return obtain(M.pinned, p, bytes); }
cudaError_t cudaFreeHost(void *p) { return give_up(M.pinned, p); }

/* Do the pointers lie where the kind of copy says? */
static cudaError_t copy_check(const void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
    bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (kind != cudaMemcpyDefault && (on_device(to, bytes) != to_device || on_device(from, bytes) != from_device))
        return fault(cudaErrorInvalidMemcpyDirection);
    return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    if (bytes == 0)
        return cudaSuccess;
    if (copy_check(to, from, bytes, kind) || ((!stream || !on_device(from, bytes) || !on_device(to, bytes)) && captured()))
        return M.error;
    if (on_device(from, bytes) || holder(M.pinned, from, bytes)) {
        enqueue(stream, [=] { memmove(to, from, bytes); });
        return cudaSuccess;
    }
    if (captured())
        return M.error;
    std::vector<char> staged((const char *)from, (const char *)from + bytes); /* pageable: read now */
    enqueue(stream, [=] { memcpy(to, staged.data(), bytes); });
    return cudaSuccess;
}
cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                              size_t height, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    for (size_t row = 0; row < height; row++) {
        cudaError_t error = cudaMemcpyAsync((char *)to + row * to_pitch, (const char *)from + row * from_pitch, width,
                                            kind, stream);
        if (error)
            return error;
    }
    return cudaSuccess;
}
cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
    return cudaMemcpyAsync(to, from, bytes, kind, NULL);
}
cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream)
{
    if (bytes == 0)
        return cudaSuccess;
    if (!on_device(p, bytes))
        return fault(cudaErrorInvalidValue);
    enqueue(stream, [=] { memset(p, value, bytes); });
    return cudaSuccess;
}
cudaError_t cudaMemset(void *p, int value, size_t bytes) { return cudaMemsetAsync(p, value, bytes, NULL); }

/* ---- streams and events ---- */

cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
    *stream = new CUstream_st();
    M.streams.push_back(*stream);
    return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) { return cudaStreamCreate(stream); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned, int) { return cudaStreamCreate(stream); }
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    *least = 0;
    *greatest = -5;
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    auto found = std::find(M.streams.begin(), M.streams.end(), stream);
    if (found == M.streams.end())
        return fault(cudaErrorInvalidValue);
    drain(stream);
    M.streams.erase(found);
    delete stream;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    if (!captured())
        drain(stream_of(stream));
    return M.error;
}
cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    return stream_of(stream)->work.empty() ? cudaSuccess : cudaErrorNotReady;
}
static void event_wait(const CUevent_st &e)
{
    if (e.stream && (e.stream == &M.default_stream ||
                     std::find(M.streams.begin(), M.streams.end(), e.stream) != M.streams.end()))
        drain(e.stream, e.after);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    if (stream_of(stream)->capture && captured()) /* forks of a capture: not here */
        return M.error;
    CUevent_st now = *event; /* as recorded last before this call */
    enqueue(stream, [=] { event_wait(now); });
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    *event = new CUevent_st();
    M.events++;
    return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) { return cudaEventCreate(event); }
cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    delete event;
    M.events--;
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    if (stream_of(stream)->capture && captured())
        return M.error;
    event->stream = stream_of(stream);
    event->after = event->stream->put;
    return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (!captured())
        event_wait(*event);
    return M.error;
}
cudaError_t cudaEventQuery(cudaEvent_t event)
{
    return event->stream && event->stream->done < event->after ? cudaErrorNotReady : cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t, cudaEvent_t)
{
    *ms = 1; /* no time passes here */
    return cudaSuccess;
}

/* ---- graphs: the work of a stream, kept ---- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode)
{
    if (!stream || stream->capture)
        return fault(cudaErrorInvalidValue);
    stream->capture = new CUgraph_st();
    M.captures++;
    M.graphs++;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    if (!stream || !stream->capture)
        return fault(cudaErrorInvalidValue);
    *graph = stream->capture;
    stream->capture = NULL;
    M.captures--;
    return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    *exec = new CUgraphExec_st{*graph};
    M.graphs++;
    return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    if (captured())
        return M.error;
    for (const auto &launch : exec->kept.launches) /* a kernel's limit may have been lowered meanwhile */
        if (launch.second > limits_of(launch.first).smem_bytes)
            return fault(cudaErrorInvalidValue);
    enqueue(stream, [exec] {
        for (const auto &work : exec->kept.work)
            work();
    });
    return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    M.graphs--;
    return cudaSuccess;
}
/* While it waits or runs: a GPU would mind it later, the address sanitizer here. */
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    delete exec;
    M.graphs--;
    return cudaSuccess;
}
long long coh_issued(void) { return M.issued; }

/* ---- kernels ---- */

cudaError_t cudaFuncSetAttribute(const void *kernel, enum cudaFuncAttribute attribute, int value)
{
    kernel_limits limits = limits_of(kernel);
    if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
        if (value < 0 || (size_t)value > smem_most())
            return fault(cudaErrorInvalidValue);
        limits.smem_bytes = std::max<size_t>((size_t)value, 48 << 10);
    } else if (attribute == cudaFuncAttributeNonPortableClusterSizeAllowed) {
        limits.cluster = capability() >= 90 ? value ? 16 : 8 : 1;
    }
    M.kernels[kernel] = limits;
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *, int threads, size_t smem_bytes)
{
    *blocks = (int)std::min<size_t>(std::min(32, 2048 / std::max(threads, 1)),
                                    (smem_most() + 1024) / (smem_bytes + 1024));
    return cudaSuccess;
}
