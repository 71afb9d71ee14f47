/* SPDX-License-Identifier: Apache-2.0
 * conv_cudnn: see conv_cudnn.h. NOT YET EXECUTED ON A GPU: the graphs and plans (cudnn_plan.c) are built by the real
 * library in tests/cuda/test_cudnn_plan.c, but timing and execution below need a card; `test_ops cuda` is their test.
 *
 * Nothing is chosen by speed alone: cudnn_find_plans leaves out what is not deterministic or not fp32 in its sums. */
#include "conv_cudnn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "cudnn_plan.h"

enum { MOST_PLANS = 16, PLANS = 4, REPEATS = 3 };
static const int64_t WORKSPACE_LIMIT = (int64_t)512 << 20;

struct cudnn_plan {
    struct cudnn_plan *next; /* list of the library */
    struct conv_shape shape;
    enum cudnn_pass pass;
    struct cudnn_candidate chosen; /* plan NULL: the library has none */
};

struct cudnn_library {
    cudnnHandle_t handle;
    cudnnBackendDescriptor_t device; /* properties of the GPU, for heuristics and plans */
    struct cudnn_plan *plans;
    int most; /* plans to try */
};

static void try_cudnn(cudnnStatus_t status, const char *call, int line)
{
    char text[1024] = "";
    if (status == CUDNN_STATUS_SUCCESS)
        return;
    cudnnGetLastErrorString(text, sizeof text);
    die_at(__FILE__, line, "cuDNN: %s from %s: %s", cudnnGetErrorString(status), call, text);
}
#define CUDNN_TRY(call) try_cudnn((call), #call, __LINE__)

static cudnnStatus_t describe_gpu(int gpu, cudnnBackendDescriptor_t *device)
{
    int32_t id = gpu;
    cudnnStatus_t status =
        cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, device);
    if (!status)
        status = cudnnBackendSetAttribute(*device, CUDNN_ATTR_DEVICEPROP_DEVICE_ID,
                                          CUDNN_TYPE_INT32, 1, &id);
    if (!status)
        status = cudnnBackendFinalize(*device);
    return status;
}

struct cudnn_library *cudnn_library_open(struct device *d)
{
    struct cudnn_library *l = mem_zalloc(sizeof *l);
    const char *most = getenv("PECLET_CUDNN_PLANS");
    l->most = most ? atoi(most) : PLANS;
    l->most = l->most < 1 ? 1 : l->most > MOST_PLANS ? MOST_PLANS : l->most;
    cudnnStatus_t status = cudnnCreate(&l->handle);
    if (!status)
        status = cudnnSetStream(l->handle, cuda_of(d)->stream);
    if (!status)
        status = describe_gpu(cuda_of(d)->gpu, &l->device);
    if (!status)
        return l;
    log_warn("cuDNN %zu cannot be used (%s): convolutions go through slower kernels of our own",
             cudnnGetVersion(), cudnnGetErrorString(status));
    cudnn_library_close(l);
    return NULL;
}

void cudnn_library_close(struct cudnn_library *l)
{
    if (!l)
        return;
    while (l->plans) {
        struct cudnn_plan *p = l->plans;
        l->plans = p->next;
        if (p->chosen.plan)
            cudnnBackendDestroyDescriptor(p->chosen.plan);
        mem_free(p);
    }
    if (l->device)
        cudnnBackendDestroyDescriptor(l->device);
    if (l->handle)
        cudnnDestroy(l->handle);
    mem_free(l);
}

static cudnnStatus_t execute(struct cudnn_library *l, const struct cudnn_candidate *c,
                             enum cudnn_pass pass, const struct cudnn_tensors *t, void *workspace)
{
    cudnnBackendDescriptor_t pack = NULL;
    cudnnStatus_t status = cudnn_make_pack(pass, t, workspace, &pack);
    if (!status)
        status = cudnnBackendExecute(l->handle, c->plan, pack);
    if (pack)
        cudnnBackendDestroyDescriptor(pack);
    return status;
}

/* ---- the choice ---- */

static size_t round_up(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

/* Memory for one pass, at least as large as its tensors; NULL where there is no room. */
static char *trial_memory(const struct conv_shape *s, int64_t workspace, struct cudnn_tensors *t,
                          void **work)
{
    struct conv_window k = conv_window_of(s);
    size_t x = round_up((size_t)s->n * (size_t)s->h * (size_t)s->w * (size_t)s->c_in *
                        dtype_bytes(s->type));
    size_t y = round_up((size_t)s->n * (size_t)k.out_h * (size_t)k.out_w * (size_t)s->c_out *
                        dtype_bytes(s->type));
    size_t w = round_up((size_t)s->c_out * (size_t)k.kernel_h * (size_t)k.kernel_w *
                        (size_t)s->c_in * sizeof(float));
    size_t bias = round_up((size_t)s->c_out * sizeof(float)),
           all = x + 2 * y + 2 * w + bias + (size_t)workspace;
    void *memory = NULL;
    if (cudaMalloc(&memory, all) != cudaSuccess) {
        cudaGetLastError(); /* that was no fault of what follows */
        return NULL;
    }
    CUDA_TRY(
        cudaMemset(memory, 0x3c,
                   all)); /* 0.0115 in bf16 and fp32: zeros would draw less power than real data */
    char *at = memory;
    *t = (struct cudnn_tensors){
        at, at + x, at + x + w, at + x + w + y, at + x + w + y + bias, at + x + w + 2 * y + bias};
    *work = at + x + 2 * w + 2 * y + bias;
    return memory;
}

/* Milliseconds of one execution, the first (which may load code) not counted; negative if it fails. */
static float time_plan(struct device *d, const struct cudnn_candidate *c, enum cudnn_pass pass,
                       const struct cudnn_tensors *t, void *workspace)
{
    struct cudnn_library *l = cuda_of(d)->cudnn;
    cudaStream_t stream = cuda_of(d)->stream;
    cudaEvent_t begin, end;
    float ms = -1;
    cudnnStatus_t status = execute(l, c, pass, t, workspace);
    CUDA_TRY(cudaEventCreate(&begin));
    CUDA_TRY(cudaEventCreate(&end));
    CUDA_TRY(cudaEventRecord(begin, stream));
    for (int i = 0; !status && i < REPEATS; i++)
        status = execute(l, c, pass, t, workspace);
    CUDA_TRY(cudaEventRecord(end, stream));
    CUDA_TRY(cudaEventSynchronize(end));
    if (!status) {
        CUDA_TRY(cudaEventElapsedTime(&ms, begin, end));
        ms /= REPEATS;
    }
    CUDA_TRY(cudaEventDestroy(begin));
    CUDA_TRY(cudaEventDestroy(end));
    return ms;
}

/* The place of the fastest candidate; the first where there is no memory to try. */
static int fastest(struct device *d, const struct conv_shape *s, enum cudnn_pass pass, int count,
                   const struct cudnn_candidate *c)
{
    struct cudnn_tensors t;
    void *work;
    int64_t workspace = 0;
    int best = 0;
    float best_ms = -1;
    for (int i = 0; i < count; i++)
        workspace = c[i].workspace > workspace ? c[i].workspace : workspace;
    char *memory = count > 1 ? trial_memory(s, workspace, &t, &work) : NULL;
    if (!memory)
        return 0;
    for (int i = 0; i < count; i++) {
        float ms = time_plan(d, &c[i], pass, &t, work);
        if (ms >= 0 && (best_ms < 0 || ms < best_ms)) {
            best = i;
            best_ms = ms;
        }
    }
    CUDA_TRY(cudaFree(memory));
    return best;
}

static int same_shape(const struct conv_shape *a, const struct conv_shape *b)
{
    struct conv_window k = conv_window_of(a), m = conv_window_of(b);
    return a->n == b->n && a->h == b->h && a->w == b->w && a->c_in == b->c_in &&
           a->c_out == b->c_out && a->stride == b->stride && a->type == b->type &&
           !memcmp(&k, &m, sizeof k);
}

static void choose(struct device *d, struct cudnn_plan *p)
{
    struct cudnn_library *l = cuda_of(d)->cudnn;
    struct cudnn_candidate found[MOST_PLANS];
    char why[512];
    const struct conv_shape *s = &p->shape;
    int most = cudnn_pass_compiled(p->pass) ? (l->most + 1) / 2 : l->most;
    int count =
        cudnn_find_plans(l->device, s, p->pass, WORKSPACE_LIMIT, most, found, why, sizeof why);
    if (count == 0) {
        log_info("cuDNN has no plan for %s of a convolution of %d images %dx%d, %d -> %d channels, "
                 "kernel %d, "
                 "stride %d, %s: %s",
                 cudnn_pass_name(p->pass), s->n, s->h, s->w, s->c_in, s->c_out, s->kernel,
                 s->stride, s->type == DTYPE_BF16 ? "bf16" : "fp32", why);
        return;
    }
    int best = fastest(d, s, p->pass, count, found);
    p->chosen = found[best];
    for (int i = 0; i < count; i++)
        if (i != best)
            cudnnBackendDestroyDescriptor(found[i].plan);
}

const struct cudnn_plan *cudnn_plan_for(struct device *d, const struct conv_shape *s,
                                        enum cudnn_pass pass)
{
    struct cudnn_library *l = cuda_of(d)->cudnn;
    if (!l)
        return NULL;
    struct cudnn_plan *p = l->plans;
    while (p && !(p->pass == pass && same_shape(&p->shape, s)))
        p = p->next;
    if (!p) {
        p = mem_zalloc(sizeof *p);
        p->shape = *s;
        p->pass = pass;
        choose(d, p);
        p->next = l->plans;
        l->plans = p;
    }
    return p->chosen.plan ? p : NULL;
}

size_t cudnn_plan_workspace(const struct cudnn_plan *p)
{
    return (size_t)p->chosen.workspace;
}

void cudnn_plan_run(struct device *d, const struct cudnn_plan *p, const struct cudnn_tensors *t,
                    void *workspace)
{
    CUDNN_TRY(execute(cuda_of(d)->cudnn, &p->chosen, p->pass, t, workspace));
}
