/* SPDX-License-Identifier: Apache-2.0
 * split: which items of a global list belong to a rank. Contiguous, complete, nothing dropped: a rank may get none. */
#pragma once
#include <stdint.h>

struct range {
    int64_t first, count;
};

/* Whole chunks of `chunk` items (the last one may be short) dealt out evenly: the boundaries a rank sees are multiples
 * of `chunk`, whatever `size` is. split_chunks(n, 1, ...) is the plain even split. */
static inline struct range split_chunks(int64_t n, int64_t chunk, int size, int rank)
{
    int64_t chunks = (n + chunk - 1) / chunk, base = chunks / size, extra = chunks % size;
    int64_t first = rank * base + (rank < extra ? rank : extra), mine = base + (rank < extra);
    struct range r = {first * chunk, mine * chunk};
    if (r.first > n)
        r.first = n;
    if (r.first + r.count > n)
        r.count = n - r.first;
    return r;
}

static inline struct range split_even(int64_t n, int size, int rank)
{
    return split_chunks(n, 1, size, rank);
}
