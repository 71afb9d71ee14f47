/* SPDX-License-Identifier: Apache-2.0
 * The choice of a communicator, the check that it is the one the launcher meant, and small helpers.
 *
 * A launcher and an MPI library that do not know each other start N programs of one rank each, and
 * all of them would write the same files. The launcher's environment gives that away. */
#include "comm/comm.h"

#include <stdlib.h>

#include "base/log.h"

static long env_number(const char *name)
{
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : 0;
}

/* How many ranks the innermost launcher started (0: none in sight), and which of them this one is.
 */
static long launched_ranks(const char **launcher, long *rank)
{
    static const struct {
        const char *launcher, *only_if, *size, *rank;
    } known[] = {
        {"mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
        {"mpiexec", "PMI_SIZE", "PMI_SIZE", "PMI_RANK"},
        {"srun", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
        {"srun", "SLURM_STEP_ID", "SLURM_NTASKS", "SLURM_PROCID"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (getenv(known[i].only_if)) {
            *launcher = known[i].launcher;
            *rank = env_number(known[i].rank);
            return env_number(known[i].size);
        }
    return 0;
}

long comm_launched_ranks(void)
{
    const char *launcher;
    long rank;
    return launched_ranks(&launcher, &rank);
}

struct comm *comm_world_create(int *argc, char ***argv)
{
#ifdef PECLET_HAVE_MPI
    struct comm *c = comm_mpi_create(argc, argv);
    const char *cure = "MPI sees only one: they do not fit together; with srun try --mpi=pmix "
                       "(srun --mpi=list shows "
                       "what there is), or use the mpirun of the MPI this program was built with";
#else
    struct comm *c = comm_self_create();
    const char *cure =
        "this program was built without MPI: build it with -DPECLET_MPI=ON, or start one rank";
    (void)argc, (void)argv;
#endif
    const char *launcher = "";
    long rank = 0, ranks = launched_ranks(&launcher, &rank);
    if (c->size > 1 || ranks <= 1)
        return c;
    if (rank == 0)
        log_error("%s started %ld ranks, but %s", launcher, ranks, cure);
    c->ops->destroy(c);
    return NULL;
}

int comm_agree(struct comm *c, int status)
{
    double x = status < 0 ? -(double)status : (double)status;
    c->ops->max_f64(c, &x, 1);
    return (int)x;
}

int64_t comm_sum_int(struct comm *c, int64_t x)
{
    double sum = (double)x;
    c->ops->sum_f64(c, &sum, 1);
    return (int64_t)sum;
}
