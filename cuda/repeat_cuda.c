/* SPDX-License-Identifier: Apache-2.0
 * Repeated work as CUDA graphs. A step of a small network is 600 to 900 launches, each of which costs the host 3 to 5 us
 * (published figures; not measured on a GPU yet), more than the work itself; a graph costs one.
 *
 * The first time the work is issued as it is: convolutions choose their plans, workspaces grow, kernels are loaded, none
 * of which a graph may do. The second time it is recorded (stream capture). A graph knows the address of the workspace,
 * so when that has moved it is recorded again. What changes from step to step is read from device memory, so that whole
 * steps can be kept: training is a graph a micro-batch and one for the update (tasks/train.c), sampling is a graph a
 * step of the walk (process/sampler.c). The parts of a step are repeats of their own (nn/graph_run.c) for callers that
 * issue something in between; within a larger one they have no graphs. */
#include "base/die.h"
#include "base/mem.h"
#include "cuda_ops.h"

struct repeat {
    cudaGraphExec_t graph; /* NULL: not recorded yet */
    void *scratch;         /* where it was then */
};

static void discard(struct device *d, struct repeat *r)
{
    if (!r->graph)
        return;
    CUDA_TRY(cudaStreamSynchronize(cuda_of(d)->stream)); /* it may be running */
    CUDA_TRY(cudaGraphExecDestroy(r->graph));
    r->graph = NULL;
}

int cuda_repeat_begin(struct device *d, struct repeat **r)
{
    struct cuda_state *cuda = cuda_of(d);
    if (!cuda->graphs)
        return 1;
    if (cuda->repeats > 0) {
        cuda->repeats++;
        return 1;
    }
    if (!*r) {
        *r = mem_zalloc(sizeof **r);
        cuda->repeats = 1;
        return 1;
    }
    if ((*r)->graph && (*r)->scratch == cuda->scratch) {
        CUDA_TRY(cudaGraphLaunch((*r)->graph, cuda->stream));
        return 0;
    }
    discard(d, *r);
    (*r)->scratch = cuda->scratch;
    cuda->repeats = 1;
    cuda->recording = *r;
    /* thread-local: the thread that watches NCCL (mpi/comm_nccl.c) goes on asking for its events */
    CUDA_TRY(cudaStreamBeginCapture(cuda->stream, cudaStreamCaptureModeThreadLocal));
    return 1;
}

void cuda_repeat_end(struct device *d, struct repeat *r)
{
    struct cuda_state *cuda = cuda_of(d);
    cudaGraph_t graph;
    if (!cuda->graphs)
        return;
    REQUIRE(cuda->repeats > 0);
    if (--cuda->repeats > 0 || !cuda->recording)
        return;
    REQUIRE(cuda->recording == r);
    cuda->recording = NULL;
    CUDA_TRY(cudaStreamEndCapture(cuda->stream, &graph));
    CUDA_TRY(cudaGraphInstantiate(&r->graph, graph, 0));
    CUDA_TRY(cudaGraphDestroy(graph));
    CUDA_TRY(cudaGraphLaunch(r->graph, cuda->stream));
}

void cuda_repeat_free(struct device *d, struct repeat *r)
{
    if (!r)
        return;
    discard(d, r);
    mem_free(r);
}
