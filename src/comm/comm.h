/* SPDX-License-Identifier: Apache-2.0
 * comm: what ranks say to each other. One-rank form in comm_self.c, MPI in mpi/comm_mpi.c, device buffers over NCCL in
 * mpi/comm_nccl.c. All calls but comm_abort are collective: every rank makes them in the same order. Faults of the
 * library end the job (die). */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct comm;
struct comm_ops {
    void (*barrier)(struct comm *c);
    void (*bcast)(struct comm *c, void *data, size_t bytes, int root);
    void (*sum_f64)(struct comm *c, double *x, int64_t n);  /* in place, same result on every rank */
    void (*max_f64)(struct comm *c, double *x, int64_t n);  /* in place */
    void (*allgather)(struct comm *c, const void *mine, size_t bytes, void *all); /* all: size*bytes, rank order */
    /* Starts the sum of a float range over ranks, in place; several may be in flight; the range must not be touched
     * until sum_wait, which completes all of them. Ranges are started in the same order on every rank. */
    void (*sum_start)(struct comm *c, float *x, int64_t n);
    void (*sum_wait)(struct comm *c);
    void (*abort)(struct comm *c, int code); /* not collective; ends every rank */
    void (*destroy)(struct comm *c);
};

struct comm {
    const struct comm_ops *ops;
    int rank, size;             /* of the job */
    int local_rank, local_size; /* among the ranks of this node */
    int gpu_ranks;              /* that compute on this rank's GPU; 0: none is known to */
    char host[64];
    char library[96]; /* name and version of the MPI library (and NCCL), "" without */
    void *state; /* owned by the implementation */
};

struct comm *comm_self_create(void);
/* MPI_Init_thread and MPI_COMM_WORLD; in builds without MPI comm_self_create. Prints a message and returns NULL if a
 * launcher says there are N ranks and MPI (or a build without it) sees one. Tells die how to end the whole job. */
struct comm *comm_world_create(int *argc, char ***argv);
/* How many ranks the launcher says it started, 0 if none is in sight. What one rank can do alone needs no MPI then, whose
 * start many login nodes refuse. */
long comm_launched_ranks(void);
struct comm *comm_mpi_create(int *argc, char ***argv); /* mpi/comm_mpi.c, for comm_world_create */

/* Largest |status| over ranks: every rank learns whether any failed, before the next collective. */
int comm_agree(struct comm *c, int status);
/* Sum of one integer, exact below 2^53. */
int64_t comm_sum_int(struct comm *c, int64_t x);
