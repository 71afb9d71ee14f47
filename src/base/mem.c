/* SPDX-License-Identifier: Apache-2.0
 * A block is preceded by 64 bytes that hold its size, so that free can count. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"

enum { HEAD = 64 };
static atomic_size_t live, peak;

void *mem_alloc(size_t bytes)
{
    size_t total = (HEAD + bytes + HEAD - 1) / HEAD * HEAD;
    char *p = total < bytes ? NULL : aligned_alloc(HEAD, total);
    if (!p)
        DIE("no memory for %.1f MB (%.1f MB in use); fewer images a batch or fewer ranks a node "
            "would need less",
            (double)bytes * 1e-6, (double)atomic_load(&live) * 1e-6);
    memcpy(p, &bytes, sizeof bytes);
    size_t now = atomic_fetch_add(&live, bytes) + bytes, top = atomic_load(&peak);
    while (now > top && !atomic_compare_exchange_weak(&peak, &top, now))
        ;
    return p + HEAD;
}

void *mem_zalloc(size_t bytes)
{
    return memset(mem_alloc(bytes), 0, bytes);
}

char *mem_strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    return memcpy(mem_alloc(n), text, n);
}

void mem_free(void *p)
{
    if (!p)
        return;
    char *block = (char *)p - HEAD;
    size_t bytes;
    memcpy(&bytes, block, sizeof bytes);
    atomic_fetch_sub(&live, bytes);
    free(block);
}

size_t mem_live_bytes(void)
{
    return atomic_load(&live);
}

size_t mem_peak_bytes(void)
{
    return atomic_load(&peak);
}
