/* SPDX-License-Identifier: Apache-2.0
 * A block is preceded by 64 bytes that hold its size, so that free can count. */
#include "base/mem.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"

/* The address sanitizer is to see what lies around a block, too. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

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
    ASAN_POISON_MEMORY_REGION(p, HEAD);
    ASAN_POISON_MEMORY_REGION(p + HEAD + bytes, total - HEAD - bytes);
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

double mem_room(void)
{
    char line[128];
    double kib = INFINITY;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "MemAvailable: %lf", &kib) != 1)
        ;
    if (f)
        fclose(f);
    return kib * 1024;
}

void mem_free(void *p)
{
    if (!p)
        return;
    char *block = (char *)p - HEAD;
    size_t bytes;
    ASAN_UNPOISON_MEMORY_REGION(block, HEAD);
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
