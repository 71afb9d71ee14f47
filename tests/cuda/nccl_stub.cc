/* SPDX-License-Identifier: Apache-2.0
 * See nccl.h of this folder. */
#include "nccl.h"

#define OMPI_SKIP_MPICXX 1 /* the C interface alone */
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/half.h"
#include "streams.h"

struct ncclComm {
    MPI_Comm mpi;
    int rank, sums;
    std::thread::id owner;
    std::atomic<int> polls; /* until the call in progress is done */
    std::atomic<ncclResult_t> error;
    std::function<void()> work; /* of that call */
    bool ready, finalized;
};
static int all_sums;

/* Is fault `kind` for this rank and number? */
static bool fault_at(const char *kind, int rank, int number)
{
    const char *text = getenv("NCCL_STUB");
    char word[16];
    int r, n;
    return text && sscanf(text, "%15[a-z]:%d:%d", word, &r, &n) == 3 && !strcmp(word, kind) && r == rank && n == number;
}

static ncclResult_t begin(ncclComm_t c, std::function<void()> work)
{
    c->work = std::move(work);
    c->polls = 3;
    return ncclInProgress;
}

ncclResult_t ncclGetVersion(int *version)
{
    *version = 22809;
    return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
    memset(id, 0, sizeof *id);
    snprintf(id->internal, sizeof id->internal, "made by process %d", (int)getpid());
    return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t *config)
{
    int size, mine;
    ncclUniqueId first = id;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_rank(MPI_COMM_WORLD, &mine);
    MPI_Bcast(&first, sizeof first, MPI_BYTE, 0, MPI_COMM_WORLD);
    if (size != ranks || mine != rank || config->blocking != 0 || !id.internal[0] || memcmp(&first, &id, sizeof id))
        return ncclInvalidArgument;
    ncclComm_t c = *comm = new ncclComm();
    c->rank = rank;
    c->owner = std::this_thread::get_id();
    c->error = ncclSuccess;
    begin(c, [c] {
        MPI_Comm_dup(MPI_COMM_WORLD, &c->mpi);
        c->ready = true;
    });
    if (fault_at("init", rank, 0))
        c->polls = -1;
    return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t *error)
{
    if (c->polls > 0 && std::this_thread::get_id() == c->owner && --c->polls == 0)
        c->work();
    *error = c->error != ncclSuccess ? c->error.load() : c->polls ? ncclInProgress : ncclSuccess;
    return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t c)
{
    if (!c->ready || c->polls)
        return ncclInvalidUsage;
    return begin(c, [c] { c->finalized = true; });
}

ncclResult_t ncclCommDestroy(ncclComm_t c)
{
    if (!c->finalized)
        return ncclInvalidUsage;
    MPI_Comm_free(&c->mpi);
    delete c;
    return ncclSuccess;
}

[[noreturn]] static void stand_still()
{
    for (;;)
        sleep(1);
}

static void sum(ncclComm_t c, const void *from, void *to, size_t count, ncclDataType_t type, int number)
{
    if (fault_at("error", c->rank, number)) {
        c->error = ncclRemoteError;
        stand_still();
    }
    if (fault_at("hang", c->rank, number))
        stand_still();
    std::vector<float> x(count);
    for (size_t i = 0; i < count; i++)
        x[i] = type == ncclFloat32 ? ((const float *)from)[i] : bf16_to_float(((const uint16_t *)from)[i]);
    MPI_Allreduce(MPI_IN_PLACE, x.data(), (int)count, MPI_FLOAT, MPI_SUM, c->mpi);
    for (size_t i = 0; i < count; i++)
        if (type == ncclFloat32)
            ((float *)to)[i] = x[i];
        else
            ((uint16_t *)to)[i] = bf16_from_float(x[i]);
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t c, cudaStream_t stream)
{
    if (!c->ready || c->polls || c->finalized || op != ncclSum)
        return ncclInvalidUsage;
    int number = ++c->sums;
    all_sums++;
    return begin(c, [=] { coh::enqueue(stream, [=] { sum(c, from, to, count, type, number); }); });
}

const char *ncclGetErrorString(ncclResult_t result)
{
    return result == ncclRemoteError      ? "remote process exited or there was a network error"
           : result == ncclInvalidUsage   ? "invalid usage"
           : result == ncclInvalidArgument ? "invalid argument"
                                           : "no error";
}
const char *ncclGetLastError(ncclComm_t) { return "the stub was told to fail"; }
int nccl_stub_sums(void) { return all_sums; }
void nccl_stub_enqueue(cudaStream_t stream, void (*work)(void *), void *argument)
{
    coh::enqueue(stream, [=] { work(argument); });
}
