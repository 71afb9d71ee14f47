/* SPDX-License-Identifier: Apache-2.0
 * conv_cudnn: see conv_cudnn.h. NOT YET EXECUTED ON A GPU: the graphs and plans (cudnn_plan.c) are built by the real
 * library in tests/cuda/test_cudnn_plan.c, the choice below was executed over a stand-in (tests/cuda/cudnn_on_host.c);
 * `test_ops cuda` is the test on a card.
 *
 * Nothing is chosen by speed alone: cudnn_find_plans leaves out what is not deterministic or not fp32 in its sums, and
 * a plan is kept only after it has been executed once (unless the card has no memory left to try it). */
#include "conv_cudnn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "conv_cache.h"
#include "cudnn_plan.h"

enum { MOST_PLANS = 16, PLANS = 4, REPEATS = 3, KEY = 512 };
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
    int most;          /* plans to try */
    char folder[4096]; /* where plans are kept from run to run; "": nowhere */
    char gpu_name[256];
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
    const char *use = getenv("PECLET_CUDNN"), *most = getenv("PECLET_CUDNN_PLANS");
    if (use && strcmp(use, "0") == 0) {
        log_info("cuDNN is not used (PECLET_CUDNN=0): convolutions go through our own kernels");
        return NULL;
    }
    struct cudnn_library *l = mem_zalloc(sizeof *l);
    struct cudaDeviceProp gpu;
    l->most = most ? atoi(most) : PLANS;
    l->most = l->most < 1 ? 1 : l->most > MOST_PLANS ? MOST_PLANS : l->most;
    conv_cache_folder(l->folder, sizeof l->folder);
    CUDA_TRY(cudaGetDeviceProperties(&gpu, cuda_of(d)->gpu));
    snprintf(l->gpu_name, sizeof l->gpu_name, "%s", gpu.name);
    cudnnStatus_t status = cudnnCreate(&l->handle);
    if (!status)
        status = cudnnSetStream(l->handle, cuda_of(d)->stream);
    if (!status)
        status = describe_gpu(cuda_of(d)->gpu, &l->device);
    size_t version = cudnnGetVersion();
    if (!status) {
        snprintf(d->libraries, sizeof d->libraries, "cuDNN %zu.%zu.%zu", version / 10000,
                 version / 100 % 100, version % 100);
        return l;
    }
    log_warn("cuDNN %zu cannot be used (%s): convolutions go through slower kernels of our own",
             version, cudnnGetErrorString(status));
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
    CUDA_TRY(cudaEventSynchronize(end)); /* what went wrong on the card itself ends the job here */
    if (!status) {
        CUDA_TRY(cudaEventElapsedTime(&ms, begin, end));
        ms /= REPEATS;
    } else {
        cudaGetLastError(); /* a launch that the library was refused is no fault of what follows */
        log_info("cuDNN's engine %d for %s cannot be executed: %s", c->engine,
                 cudnn_pass_name(pass), cudnnGetErrorString(status));
    }
    CUDA_TRY(cudaEventDestroy(begin));
    CUDA_TRY(cudaEventDestroy(end));
    return ms;
}

/* The place of the fastest candidate, -1 if none can be executed; the first where there is no memory to try. */
static int fastest(struct device *d, const struct conv_shape *s, enum cudnn_pass pass, int count,
                   const struct cudnn_candidate *c)
{
    struct cudnn_tensors t;
    void *work;
    int64_t workspace = 0;
    int best = -1;
    float best_ms = -1;
    for (int i = 0; i < count; i++)
        workspace = c[i].workspace > workspace ? c[i].workspace : workspace;
    char *memory = count > 0 ? trial_memory(s, workspace, &t, &work) : NULL;
    if (!memory)
        return count > 0 ? 0 : -1;
    for (int i = 0; i < count; i++) {
        float ms = time_plan(d, &c[i], pass, &t, work);
        if (ms >= 0 && (best < 0 || ms < best_ms)) {
            best = i;
            best_ms = ms;
        }
    }
    CUDA_TRY(cudaFree(memory));
    return best;
}

/* Keeps the fastest of the candidates, if one can be executed; the others are given back. */
static int keep_fastest(struct device *d, struct cudnn_plan *p, int count,
                        struct cudnn_candidate *found)
{
    int best = fastest(d, &p->shape, p->pass, count, found);
    for (int i = 0; i < count; i++)
        if (i != best)
            cudnnBackendDestroyDescriptor(found[i].plan);
    if (best >= 0)
        p->chosen = found[best];
    return best >= 0;
}

/* ---- plans of earlier runs ---- */

static void describe_shape(char *text, size_t bytes, const struct conv_shape *s,
                           enum cudnn_pass pass)
{
    struct conv_window k = conv_window_of(s);
    snprintf(text, bytes,
             "%s of a convolution of %d images %dx%d, %d -> %d channels, kernel %dx%d, padding "
             "%d %d, stride %d, %s",
             cudnn_pass_name(pass), s->n, s->h, s->w, s->c_in, s->c_out, k.kernel_h, k.kernel_w,
             k.pad_h, k.pad_w, s->stride, s->type == DTYPE_BF16 ? "bf16" : "fp32");
}

/* Everything that the choice depends on. */
static void key_of(char key[KEY], const struct cudnn_library *l, const struct cudnn_plan *p)
{
    char shape[KEY / 2];
    describe_shape(shape, sizeof shape, &p->shape, p->pass);
    snprintf(key, KEY, "cuDNN %zu, %.40s, best of %d, %s", cudnnGetVersion(), l->gpu_name, l->most,
             shape);
}

static int recall(struct device *d, struct cudnn_plan *p)
{
    struct cudnn_library *l = cuda_of(d)->cudnn;
    struct cudnn_candidate c = {0};
    char key[KEY];
    key_of(key, l, p);
    char *text = l->folder[0] ? conv_cache_read(l->folder, key) : NULL;
    if (!text)
        return 0;
    int failed =
        cudnn_plan_of_text(l->device, text, WORKSPACE_LIMIT, &c) || !keep_fastest(d, p, 1, &c);
    if (failed)
        log_warn("a plan of an earlier run is of no use any more and is looked for again: %s", key);
    mem_free(text);
    return !failed;
}

/* One rank of a node is enough; the others may have chosen otherwise, which is not kept. */
static void remember(struct device *d, const struct cudnn_plan *p)
{
    struct cudnn_library *l = cuda_of(d)->cudnn;
    char key[KEY], *text = NULL;
    if (!l->folder[0] || cuda_of(d)->local_rank > 0)
        return;
    text = cudnn_plan_text(p->chosen.plan);
    key_of(key, l, p);
    if (text && conv_cache_write(l->folder, key, text))
        l->folder[0] = 0; /* said once */
    mem_free(text);
}

/* ---- the list ---- */

static int same_shape(const struct conv_shape *a, const struct conv_shape *b)
{
    struct conv_window k = conv_window_of(a), m = conv_window_of(b);
    return a->n == b->n && a->h == b->h && a->w == b->w && a->c_in == b->c_in &&
           a->c_out == b->c_out && a->stride == b->stride && a->type == b->type &&
           !memcmp(&k, &m, sizeof k);
}

/* After these there are only our own kernels. */
static int last_resort(enum cudnn_pass pass)
{
    return pass == PASS_FORWARD || pass == PASS_DATA || pass == PASS_WEIGHTS_ADD ||
           pass == PASS_WEIGHTS_ROUNDED;
}

static void choose(struct device *d, struct cudnn_plan *p)
{
    struct cudnn_library *l = cuda_of(d)->cudnn;
    struct cudnn_candidate found[MOST_PLANS];
    char why[512], what[KEY / 2];
    if (recall(d, p))
        return;
    int most = cudnn_pass_compiled(p->pass) ? l->most / 2 + 1 : l->most;
    int count = cudnn_find_plans(l->device, &p->shape, p->pass, WORKSPACE_LIMIT, most, found, why,
                                 sizeof why);
    if (keep_fastest(d, p, count, found)) {
        remember(d, p);
        return;
    }
    if (count > 0)
        snprintf(why, sizeof why, "none of its %d could be executed", count);
    describe_shape(what, sizeof what, &p->shape, p->pass);
    if (last_resort(p->pass))
        log_warn("cuDNN has no plan for %s: a kernel of our own does it, about ten times slower "
                 "(%s)",
                 what, why);
    else
        log_info("cuDNN has no plan for %s: done another way (%s)", what, why);
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
