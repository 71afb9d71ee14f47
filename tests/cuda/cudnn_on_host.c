/* SPDX-License-Identifier: Apache-2.0
 * cuDNN's stand-in (cudnn.h of this folder) and, over it, what cuda/cudnn_plan.c does over the real library. */
#include "cudnn_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "conv_direct.h"
#include "cuda_ops.h"

enum { PLANS = 3 }; /* that a search finds */

struct cudnn_stand_in {
    cudaStream_t stream;
};
struct descriptor { /* a plan, a pack or the properties of the GPU */
    struct conv_shape shape;
    enum cudnn_pass pass;
    int number; /* of the plan among those found */
    struct cudnn_tensors tensors;
    void *workspace;
};

static int setting(const char *name)
{
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
}

static int searches;
int coh_cudnn_searches(void)
{
    return searches;
}

/* ---- cudnn.h ---- */

size_t cudnnGetVersion(void)
{
    return 90000;
}
const char *cudnnGetErrorString(cudnnStatus_t status)
{
    return status == CUDNN_STATUS_SUCCESS            ? "CUDNN_STATUS_SUCCESS"
           : status == CUDNN_STATUS_EXECUTION_FAILED ? "CUDNN_STATUS_EXECUTION_FAILED"
                                                     : "CUDNN_STATUS_NOT_INITIALIZED";
}
void cudnnGetLastErrorString(char *text, size_t bytes)
{
    snprintf(text, bytes, "no more is known");
}
cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    if (!getenv("COH_CUDNN"))
        return CUDNN_STATUS_NOT_INITIALIZED;
    *handle = mem_zalloc(sizeof **handle);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    mem_free(handle);
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t *d)
{
    (void)type;
    *d = mem_zalloc(sizeof(struct descriptor));
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void *values)
{
    (void)name, (void)type;
    return d && count == 1 && values ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t d)
{
    return d ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d)
{
    mem_free(d);
    return CUDNN_STATUS_SUCCESS;
}

static int aligned(const void *p, size_t bytes)
{
    return p && (uintptr_t)p % bytes == 0;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack)
{
    const struct descriptor *p = plan, *arguments = pack;
    const struct conv_shape *s = &p->shape;
    const struct cudnn_tensors *t = &arguments->tensors;
    void *y = (void *)(uintptr_t)t->y, *x = (void *)(uintptr_t)t->x;
    float *dw = (float *)(uintptr_t)t->w;
    const size_t room = conv_direct_scratch(s), w_count = (size_t)conv_weight_count(s);
    /* the kernels' own device: this stream, and the workspace as scratch */
    struct cuda_state state = {
        .stream = handle->stream, .scratch = arguments->workspace, .scratch_bytes = room};
    struct device d = {.state = &state};
    REQUIRE(arguments->pass == p->pass);
    REQUIRE(aligned(x, 16) && aligned(y, 16) && aligned(dw, p->pass == PASS_WEIGHTS_ADD ? 4 : 16));
    REQUIRE(aligned(state.scratch, 16));
    if (setting("COH_CUDNN_BROKEN") >> p->number & 1)
        return CUDNN_STATUS_EXECUTION_FAILED;
    CUDA_TRY(cudaMemsetAsync(state.scratch, 0xff, room, state.stream));
    switch (p->pass) {
    case PASS_FORWARD:
        conv_direct_forward(&d, s, x, dw, NULL, NULL, y);
        break;
    case PASS_BIAS:
        REQUIRE(t->bias);
        conv_direct_forward(&d, s, x, dw, t->bias, NULL, y);
        break;
    case PASS_BIAS_ADD:
        REQUIRE(t->bias && aligned(t->residual, 16) && t->residual != y);
        conv_direct_forward(&d, s, x, dw, t->bias, t->residual, y);
        break;
    case PASS_DATA:
    case PASS_DATA_ADD:
        conv_direct_backward_data(&d, s, y, dw, x, p->pass == PASS_DATA_ADD);
        break;
    case PASS_WEIGHTS:
        REQUIRE(s->type == DTYPE_BF16);
        CUDA_TRY(cudaMemsetAsync(dw, 0, w_count * sizeof(float), state.stream));
        conv_direct_backward_weights(&d, s, x, y, dw);
        break;
    case PASS_WEIGHTS_ADD:
        REQUIRE(s->type == DTYPE_F32);
        conv_direct_backward_weights(&d, s, x, y, dw);
        break;
    case PASS_WEIGHTS_FUSED:
        REQUIRE(s->type == DTYPE_BF16 && t->old && t->old != dw);
        CUDA_TRY(cudaMemcpyAsync(dw, t->old, w_count * sizeof(float), cudaMemcpyDeviceToDevice,
                                 state.stream));
        conv_direct_backward_weights(&d, s, x, y, dw);
        break;
    case PASS_WEIGHTS_ROUNDED: { /* summed behind the kernels' own workspace, then rounded */
        float *sums = (float *)(void *)((char *)state.scratch + room);
        REQUIRE(s->type == DTYPE_BF16);
        CUDA_TRY(cudaMemsetAsync(sums, 0, w_count * sizeof(float), state.stream));
        conv_direct_backward_weights(&d, s, x, y, sums);
        cuda_cast(&d, (int64_t)w_count, DTYPE_F32, sums, s->type, dw);
        break;
    }
    case PASSES:
        DIE("no such pass");
    }
    return CUDNN_STATUS_SUCCESS;
}

/* ---- cudnn_plan.h ---- */

const char *cudnn_pass_name(enum cudnn_pass pass)
{
    static const char *const name[PASSES] = {"forward",     "bias",     "bias add",
                                             "data",        "data add", "weights",
                                             "weights add", "fused",    "rounded"};
    return name[pass];
}

int cudnn_pass_compiled(enum cudnn_pass pass)
{
    return pass == PASS_BIAS;
}

static void plan_make(const struct conv_shape *s, enum cudnn_pass pass, int number,
                      struct cudnn_candidate *c)
{
    struct descriptor *p = mem_zalloc(sizeof *p);
    *p = (struct descriptor){.shape = *s, .pass = pass, .number = number};
    size_t sums = (size_t)conv_weight_count(s) * sizeof(float);
    *c = (struct cudnn_candidate){.plan = p, .engine = number};
    c->workspace = (int64_t)(conv_direct_scratch(s) + (pass == PASS_WEIGHTS_ROUNDED ? sums : 0));
}

int cudnn_find_plans(cudnnBackendDescriptor_t device, const struct conv_shape *s,
                     enum cudnn_pass pass, int64_t workspace_limit, int most,
                     struct cudnn_candidate *found, char *why, int bytes)
{
    int count = most < PLANS ? most : PLANS;
    REQUIRE(device && workspace_limit > 0);
    searches++;
    snprintf(why, (size_t)bytes, "no engine");
    if (!(setting("COH_CUDNN") >> pass & 1))
        return 0;
    for (int i = 0; i < count; i++)
        plan_make(s, pass, i, &found[i]);
    return count;
}

char *cudnn_plan_text(cudnnBackendDescriptor_t plan)
{
    const struct descriptor *p = plan;
    char text[256];
    snprintf(text, sizeof text, "%d %d  %d %d %d %d %d %d %d %d %d %d %d", (int)p->pass, p->number,
             p->shape.n, p->shape.h, p->shape.w, p->shape.c_in, p->shape.c_out, p->shape.kernel,
             p->shape.stride, (int)p->shape.type, p->shape.kernel_w, p->shape.pad_h,
             p->shape.pad_w);
    return mem_strdup(text);
}

int cudnn_plan_of_text(cudnnBackendDescriptor_t device, const char *text, int64_t workspace_limit,
                       struct cudnn_candidate *c)
{
    struct conv_shape s = {0};
    int pass, number, type;
    REQUIRE(device && workspace_limit > 0);
    if (sscanf(text, "%d %d %d %d %d %d %d %d %d %d %d %d %d", &pass, &number, &s.n, &s.h, &s.w,
               &s.c_in, &s.c_out, &s.kernel, &s.stride, &type, &s.kernel_w, &s.pad_h,
               &s.pad_w) != 13)
        return 1;
    s.type = (enum dtype)type;
    plan_make(&s, (enum cudnn_pass)pass, number, c);
    return 0;
}

cudnnStatus_t cudnn_make_pack(enum cudnn_pass pass, const struct cudnn_tensors *t, void *workspace,
                              cudnnBackendDescriptor_t *pack)
{
    struct descriptor *p = mem_zalloc(sizeof *p);
    *p = (struct descriptor){.pass = pass, .tensors = *t, .workspace = workspace};
    *pack = p;
    return CUDNN_STATUS_SUCCESS;
}
