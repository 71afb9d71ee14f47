/* SPDX-License-Identifier: Apache-2.0
 * simd_select: which of the compiled instruction sets to run. */
#include "device/simd/simd.h"
#include <stdlib.h>
#include <string.h>

#ifdef PECLET_X86_SIMD
static int processor_level(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return 0;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
               ? 2
               : 1;
}
#else
static int processor_level(void)
{
    return 0;
}
#endif

int simd_level(void)
{
    static const char *const names[] = {"generic", "avx2", "avx512"};
    int level = processor_level();
    const char *wish = getenv("PECLET_ISA");
    for (int i = 0; wish && i < level; i++)
        if (!strcmp(wish, names[i]))
            level = i;
    return level;
}
