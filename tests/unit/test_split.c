/* SPDX-License-Identifier: Apache-2.0
 * Shares of a list: complete, in order, disjoint, aligned to chunks, even to one chunk. */
#include "check.h"

#include "base/split.h"

int main(void)
{
    int wrong = 0;
    for (int64_t n = 0; n <= 70; n++)
        for (int64_t chunk = 1; chunk <= 20; chunk++)
            for (int size = 1; size <= 9; size++) {
                int64_t next = 0, least = n + 1, most = 0;
                for (int rank = 0; rank < size; rank++) {
                    struct range r = split_chunks(n, chunk, size, rank);
                    int64_t chunks = (r.count + chunk - 1) / chunk;
                    wrong += r.first != next || r.count < 0;
                    wrong += r.count > 0 && r.first % chunk != 0;
                    wrong += r.count % chunk != 0 && r.first + r.count != n;
                    least = chunks < least ? chunks : least;
                    most = chunks > most ? chunks : most;
                    next = r.first + r.count;
                }
                wrong += next != n || most - least > 1;
            }
    CHECK(wrong == 0);
    struct range big = split_even((int64_t)3 << 40, 3, 2);
    CHECK(big.first == (int64_t)2 << 40 && big.count == (int64_t)1 << 40);
    return check_done();
}
