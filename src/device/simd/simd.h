/* SPDX-License-Identifier: Apache-2.0
 * simd: one source, three instruction sets. Every .c file of this folder is compiled once for each
 * of generic, avx2 and avx512 (CMakeLists.txt) with SIMD_ISA set to that word, and exports its
 * functions through one table of pointers whose name carries the word: `const struct simd_norm
 * SIMD_NAME(simd_norm) = {...}`. A family (adr, norm, flat) declares its struct in simd_FAMILY.h,
 * which files outside this folder include too, says SIMD_DECLARE(FAMILY) there, and says
 * SIMD_DEFINE_BEST(FAMILY) in one file outside this folder: that is the choice at run time. */
#pragma once
#include <stdint.h>

/* 0 generic, 1 avx2, 2 avx512: the best that this build has and the processor runs; the environment
 * variable PECLET_ISA=generic|avx2|avx512 may lower it (simd_select.c). */
int simd_level(void);

#define SIMD_DECLARE(family)                                                                       \
    struct simd_##family;                                                                          \
    extern const struct simd_##family simd_##family##_generic, simd_##family##_avx2,               \
        simd_##family##_avx512;                                                                    \
    const struct simd_##family *simd_##family##_at(int level); /* level <= simd_level() */         \
    const struct simd_##family *simd_##family##_best(void)

#ifdef PECLET_X86_SIMD
#define SIMD_AT(family, level)                                                                     \
    ((level) == 2   ? &simd_##family##_avx512                                                      \
     : (level) == 1 ? &simd_##family##_avx2                                                        \
                    : &simd_##family##_generic)
#else
#define SIMD_AT(family, level) ((void)(level), &simd_##family##_generic)
#endif
#define SIMD_DEFINE_BEST(family)                                                                   \
    const struct simd_##family *simd_##family##_at(int level)                                      \
    {                                                                                              \
        return SIMD_AT(family, level);                                                             \
    }                                                                                              \
    const struct simd_##family *simd_##family##_best(void)                                         \
    {                                                                                              \
        return simd_##family##_at(simd_level());                                                   \
    }

#ifdef SIMD_ISA

#define SIMD_JOIN_(a, b) a##_##b
#define SIMD_JOIN(a, b)  SIMD_JOIN_(a, b)
#define SIMD_NAME(name)  SIMD_JOIN(name, SIMD_ISA)

/* Sixteen lanes on every instruction set; the narrow ones do an operation in pieces. */
typedef float vf __attribute__((vector_size(64), aligned(64)));
typedef int32_t vi __attribute__((vector_size(64), aligned(64)));
typedef uint32_t vu __attribute__((vector_size(64), aligned(64)));

/* One register of this instruction set. */
#if defined(__AVX512F__)
#define SIMD_LANES 16
#elif defined(__AVX2__)
#define SIMD_LANES 8
#else
#define SIMD_LANES 4
#endif
typedef float vn __attribute__((vector_size(SIMD_LANES * 4), aligned(SIMD_LANES * 4)));
typedef int32_t vni __attribute__((vector_size(SIMD_LANES * 4), aligned(SIMD_LANES * 4)));
typedef uint32_t vnu __attribute__((vector_size(SIMD_LANES * 4), aligned(SIMD_LANES * 4)));

#endif
