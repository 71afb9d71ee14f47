/* SPDX-License-Identifier: Apache-2.0
 * conv_cudnn.h without the library. As a rule there is none, and every convolution takes the kernels of
 * conv_direct.cu. With COH_CUDNN=BITS plans exist for the passes whose bit is set (enum cudnn_pass), carried out by
 * those kernels, so that the detours of conv_cuda.c run: what cuDNN may not be given is refused, and the workspace is
 * filled with NaN before a plan runs, so that nothing else can lie in it. */
#include "conv_cudnn.h"

#include <stdlib.h>

#include "base/die.h"
#include "base/mem.h"
#include "conv_direct.h"

struct cudnn_plan {
    struct cudnn_plan *next;
    struct conv_shape shape;
    enum cudnn_pass pass;
};
struct cudnn_library {
    struct cudnn_plan *plans;
    int passes; /* bits */
};

struct cudnn_library *cudnn_library_open(struct device *d)
{
    const char *bits = getenv("COH_CUDNN");
    (void)d;
    if (!bits)
        return NULL;
    struct cudnn_library *l = mem_zalloc(sizeof *l);
    l->passes = atoi(bits);
    return l;
}

void cudnn_library_close(struct cudnn_library *l)
{
    while (l && l->plans) {
        struct cudnn_plan *p = l->plans;
        l->plans = p->next;
        mem_free(p);
    }
    mem_free(l);
}

const struct cudnn_plan *cudnn_plan_for(struct device *d, const struct conv_shape *s,
                                        enum cudnn_pass pass)
{
    struct cudnn_library *l = cuda_of(d)->cudnn;
    if (!l || !(l->passes >> pass & 1))
        return NULL;
    struct cudnn_plan *p = mem_alloc(sizeof *p);
    *p = (struct cudnn_plan){l->plans, *s, pass};
    l->plans = p;
    return p;
}

size_t cudnn_plan_workspace(const struct cudnn_plan *p)
{
    return conv_direct_scratch(&p->shape);
}

static int aligned(const void *p, size_t bytes)
{
    return p && (uintptr_t)p % bytes == 0;
}

void cudnn_plan_run(struct device *d, const struct cudnn_plan *p, const struct cudnn_tensors *t,
                    void *workspace)
{
    const struct conv_shape *s = &p->shape;
    struct cuda_state *cuda = cuda_of(d);
    void *scratch = cuda->scratch, *y = (void *)(uintptr_t)t->y, *x = (void *)(uintptr_t)t->x;
    float *dw = (float *)(uintptr_t)t->w;
    size_t scratch_bytes = cuda->scratch_bytes, room = cudnn_plan_workspace(p);
    REQUIRE(aligned(x, 16) && aligned(y, 16) && aligned(dw, p->pass == PASS_WEIGHTS_ADD ? 4 : 16));
    REQUIRE(aligned(workspace, 16));
    CUDA_TRY(cudaMemsetAsync(workspace, 0xff, room, cuda->stream));
    cuda->scratch = workspace; /* the kernels' own workspace */
    cuda->scratch_bytes = room;
    switch (p->pass) {
    case PASS_FORWARD:
        conv_direct_forward(d, s, x, dw, NULL, NULL, y);
        break;
    case PASS_BIAS:
        REQUIRE(t->bias && !t->residual);
        conv_direct_forward(d, s, x, dw, t->bias, NULL, y);
        break;
    case PASS_BIAS_ADD:
        REQUIRE(t->bias && aligned(t->residual, 16) && t->residual != y);
        conv_direct_forward(d, s, x, dw, t->bias, t->residual, y);
        break;
    case PASS_DATA:
    case PASS_DATA_ADD:
        conv_direct_backward_data(d, s, y, dw, x, p->pass == PASS_DATA_ADD);
        break;
    case PASS_WEIGHTS:
        REQUIRE(s->type == DTYPE_BF16 && t->old && t->old != dw);
        d->ops->copy(d, dw, t->old, (size_t)conv_weight_count(s) * sizeof(float));
        conv_direct_backward_weights(d, s, x, y, dw);
        break;
    case PASS_WEIGHTS_ADD:
        REQUIRE(s->type == DTYPE_F32);
        conv_direct_backward_weights(d, s, x, y, dw);
        break;
    case PASSES:
        DIE("no such pass");
    }
    cuda->scratch = scratch;
    cuda->scratch_bytes = scratch_bytes;
}
