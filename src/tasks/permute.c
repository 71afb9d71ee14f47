/* SPDX-License-Identifier: Apache-2.0
 * A keyed permutation of 0..n-1 without a table: a balanced Feistel network over the smallest
 * 2b-bit range that holds n, walked until the value falls below n (Black and Rogaway, "Ciphers with
 * arbitrary finite domains", CT-RSA 2002). */
#include "base/rng.h"
#include "tasks/tasks.h"

int64_t permuted(uint64_t seed, int stream, uint32_t epoch, int64_t n, int64_t i)
{
    enum { ROUNDS = 8 };
    int half = 1;
    while (((uint64_t)1 << (2 * half)) < (uint64_t)n)
        half++;
    uint64_t mask = ((uint64_t)1 << half) - 1, x = (uint64_t)i;
    do {
        uint64_t left = x >> half, right = x & mask;
        for (uint32_t round = 0; round < ROUNDS; round++) {
            uint64_t f = rng_draw(seed, (enum rng_stream)stream, right, epoch, round).v[0];
            uint64_t next = left ^ (f & mask);
            left = right;
            right = next;
        }
        x = left << half | right;
    } while (x >= (uint64_t)n);
    return (int64_t)x;
}
