/* SPDX-License-Identifier: Apache-2.0
 * pairs: squared distances between all rows of two sharded sets, without ever holding the matrix.
 * Blocks of one set travel to every rank by broadcast and meet each rank's own rows in tiles.
 *
 * Fast and exact at once: after subtracting a common centre, |x-y|^2 = |x|^2 + |y|^2 - 2 x.y comes
 * from a matrix product in fp32 whose error is below pairs_slack(d) (|x|^2 + |y|^2); where that
 * decides nothing, pairs_exact does. The slack is (d + 16) 2^-24: d for a dot product summed in any
 * order (Higham 2002, section 3.1, with 2|x||y| <= |x|^2 + |y|^2), the rest for centring, norms and
 * comparisons in fp32. */
#pragma once
#include "comm/comm.h"

/* This rank's rows of a set. */
struct points {
    struct comm *comm;    /* borrowed */
    const float *x;       /* [n,d] as given, borrowed */
    const double *centre; /* [d] borrowed */
    int d;
    int64_t n, first, total; /* rows here, global index of the first, rows over all ranks */
    int64_t *counts;         /* [size] rows of each rank */
    float *centred;          /* [n,d] x - centre */
    double *norm;            /* [n] |centred|^2 */
};

enum { PAIRS_BLOCK = 1024, PAIRS_TILE = 256 }; /* rows that travel; rows of a thread's product with them */

/* Consecutive rows of one rank, as every rank holds them after the broadcast. */
struct block {
    const struct points *set; /* borrowed */
    int owner, n;             /* the rank they live on; rows, at most PAIRS_BLOCK */
    int64_t first, local;     /* index of row 0 in the whole set and on the owner */
    float *x, *centred;       /* [n,d] */
    double *norm;             /* [n] */
    float *low;               /* [n] norm (1 - slack) */
};

/* Collective. Mean of the rows of two sets together, over all ranks: centre [d]. */
void pairs_centre(struct comm *comm, int d, const float *a, int64_t n_a, const float *b,
                  int64_t n_b, double *centre);

/* Collective. */
void points_init(struct points *p, struct comm *comm, const float *x, int64_t n, int d,
                 const double *centre);
void points_free(struct points *p);

/* for (block_begin(&b, set); block_next(&b);) visits the rows of all ranks in global order.
 * Collective; the last block_next frees what the block owns. */
void block_begin(struct block *b, const struct points *set);
int block_next(struct block *b);

double pairs_slack(int d);
/* In double from the rows as given, bit-equal for (x,y) and (y,x). */
double pairs_exact(const float *x, const float *y, int d);

/* visit(b, row, dot, user) for each row of this rank: dot [b->n] holds the products of that centred
 * row with those of the block. Several threads visit, each row is visited by one. */
void pairs_visit(const struct block *b, const struct points *mine,
                 void (*visit)(const struct block *b, int64_t row, const float *dot, void *user),
                 void *user);
