/* SPDX-License-Identifier: Apache-2.0
 * A launcher that started several ranks while MPI (or a build without it) sees one is refused. */
#include "check.h"

#include "base/mem.h"
#include "comm/comm.h"

int main(int argc, char **argv)
{
    setenv("SLURM_STEP_ID", "0", 1);
    setenv("SLURM_STEP_NUM_TASKS", "4", 1);
    setenv("SLURM_PROCID", "0", 1);
    CHECK(comm_launched_ranks() == 4);
    CHECK(comm_world_create(&argc, &argv) == NULL);
    unsetenv("SLURM_STEP_ID");
    unsetenv("SLURM_STEP_NUM_TASKS");
    setenv("SLURM_NTASKS", "4", 1); /* of the job: this program may be its batch script's alone */
    CHECK(comm_launched_ranks() == 0);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
