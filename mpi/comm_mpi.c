/* SPDX-License-Identifier: Apache-2.0
 * comm over MPI_COMM_WORLD, host buffers. The MPI standard (5.9.6, All-Reduce) requires that all
 * ranks receive identical results, which is what keeps the weights of all ranks equal without ever
 * sending them. */
#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/mem.h"
#include "base/timer.h"
#include "comm_mpi.h"

enum { MAX_IN_FLIGHT = 256, MAX_COUNT = 1 << 30 }; /* counts of MPI are int */

struct mpi_state {
    MPI_Comm world;
    MPI_Request requests[MAX_IN_FLIGHT];
    int in_flight;
};

#define MPI_TRY(call) try_mpi((call), #call, __LINE__)
/* A call that lasts until other ranks make theirs (the watchdog wants to know). */
#define MPI_WAIT(call) (timer_waiting(1), MPI_TRY(call), timer_waiting(0))

static void try_mpi(int code, const char *call, int line)
{
    char text[MPI_MAX_ERROR_STRING];
    int length;
    if (code == MPI_SUCCESS)
        return;
    MPI_Error_string(code, text, &length);
    die_at(__FILE__, line, "%s: %s", call, text);
}

static MPI_Comm world_of(const struct comm *c)
{
    return ((const struct mpi_state *)c->state)->world;
}

static void mpi_barrier(struct comm *c)
{
    MPI_WAIT(MPI_Barrier(world_of(c)));
}

static void mpi_bcast(struct comm *c, void *data, size_t bytes, int root)
{
    for (size_t at = 0; at < bytes; at += MAX_COUNT) {
        int n = (int)(bytes - at < MAX_COUNT ? bytes - at : MAX_COUNT);
        MPI_WAIT(MPI_Bcast((char *)data + at, n, MPI_BYTE, root, world_of(c)));
    }
}

static void reduce(struct comm *c, double *x, int64_t n, MPI_Op op)
{
    for (int64_t at = 0; at < n; at += MAX_COUNT) {
        int count = (int)(n - at < MAX_COUNT ? n - at : MAX_COUNT);
        MPI_WAIT(MPI_Allreduce(MPI_IN_PLACE, x + at, count, MPI_DOUBLE, op, world_of(c)));
    }
}

static void mpi_sum_f64(struct comm *c, double *x, int64_t n)
{
    reduce(c, x, n, MPI_SUM);
}

static void mpi_max_f64(struct comm *c, double *x, int64_t n)
{
    reduce(c, x, n, MPI_MAX);
}

static void mpi_allgather(struct comm *c, const void *mine, size_t bytes, void *all)
{
    REQUIRE(bytes <= MAX_COUNT);
    int n = (int)bytes;
    MPI_WAIT(MPI_Allgather(mine, n, MPI_BYTE, all, n, MPI_BYTE, world_of(c)));
}

static void mpi_sum_wait(struct comm *c)
{
    struct mpi_state *s = c->state;
    MPI_WAIT(MPI_Waitall(s->in_flight, s->requests, MPI_STATUSES_IGNORE));
    s->in_flight = 0;
}

static void mpi_sum_start(struct comm *c, float *x, int64_t n)
{
    struct mpi_state *s = c->state;
    for (int64_t at = 0; at < n; at += MAX_COUNT) {
        int count = (int)(n - at < MAX_COUNT ? n - at : MAX_COUNT);
        if (s->in_flight ==
            MAX_IN_FLIGHT) /* the same moment on every rank: they start the same ranges */
            mpi_sum_wait(c);
        MPI_TRY(MPI_Iallreduce(MPI_IN_PLACE, x + at, count, MPI_FLOAT, MPI_SUM, s->world,
                               &s->requests[s->in_flight++]));
    }
}

static void abort_world(int code)
{
    MPI_Abort(MPI_COMM_WORLD, code);
}

static void mpi_abort(struct comm *c, int code)
{
    (void)c;
    abort_world(code);
}

static void mpi_destroy(struct comm *c)
{
    mpi_sum_wait(c);
    die_init(c->rank, NULL);
    MPI_TRY(MPI_Finalize());
    mem_free(c->state);
    mem_free(c);
}

int comm_mpi_handle(const struct comm *c)
{
    return (int)MPI_Comm_c2f(world_of(c));
}

/* A GPU and a share of the cores go by the rank within the node. Launchers' own variables do not
 * say it reliably (SLURM_LOCALID is 0 on every rank under mpirun). */
static void find_node(struct comm *c)
{
    MPI_Comm node;
    MPI_TRY(MPI_Comm_split_type(world_of(c), MPI_COMM_TYPE_SHARED, c->rank, MPI_INFO_NULL, &node));
    MPI_TRY(MPI_Comm_rank(node, &c->local_rank));
    MPI_TRY(MPI_Comm_size(node, &c->local_size));
    MPI_TRY(MPI_Comm_free(&node));
}

struct comm *comm_mpi_create(int *argc, char ***argv)
{
    static const struct comm_ops ops = {
        .barrier = mpi_barrier,
        .bcast = mpi_bcast,
        .sum_f64 = mpi_sum_f64,
        .max_f64 = mpi_max_f64,
        .allgather = mpi_allgather,
        .sum_start = mpi_sum_start,
        .sum_wait = mpi_sum_wait,
        .abort = mpi_abort,
        .destroy = mpi_destroy,
    };
    int threads;
    MPI_TRY(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &threads));
    MPI_TRY(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    struct comm *c = mem_zalloc(sizeof *c);
    struct mpi_state *s = mem_zalloc(sizeof *s);
    s->world = MPI_COMM_WORLD;
    c->ops = &ops;
    c->state = s;
    MPI_TRY(MPI_Comm_rank(s->world, &c->rank));
    MPI_TRY(MPI_Comm_size(s->world, &c->size));
    die_init(c->rank, abort_world);
    gethostname(c->host, sizeof c->host - 1);
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    MPI_TRY(MPI_Get_library_version(library, &length));
    snprintf(c->library, sizeof c->library, "%.*s", (int)strcspn(library, ",\n"), library);
    if (threads < MPI_THREAD_FUNNELED)
        DIE("this MPI allows no threads beside it (MPI_THREAD_FUNNELED): use a build of it that "
            "does");
    find_node(c);
    return c;
}
