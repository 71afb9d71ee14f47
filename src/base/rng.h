/* SPDX-License-Identifier: Apache-2.0
 * rng: counter-based random numbers, Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). A number is a function of (seed, stream, sample, step, block) and of nothing else, so any rank
 * may draw it at any time. One header for C and CUDA. */
#pragma once
#include <math.h>
#include <stdint.h>

#ifdef __CUDACC__
#define RNG_FN static __host__ __device__ inline
#else
#define RNG_FN static inline
#endif

/* What a number is for. The order is part of every data file: append, never reorder. */
enum rng_stream {
    RNG_PHASE_X = 1,  /* sample: velocity key, step: m + 32768, block and word: (n + 32768)/4 and %4 */
    RNG_PHASE_Y,      /* the same for the second component */
    RNG_LEVEL,        /* sample: image, block: pair j -> which level of the j-th stratum */
    RNG_EPOCH,        /* round keys of the epoch's permutation */
    RNG_TRAIN_NOISE,  /* sample: pair's place in the global batch, step: training step, block: element/4 */
    RNG_SAMPLE_NOISE, /* sample: sample index, step: level, block: element/4 */
    RNG_DROPOUT,      /* sample: place in the global batch + (layer << 32), step: training step, block: element/4 */
    RNG_INIT,         /* sample: parameter's number in the table, block: element/4 */
    RNG_SEED_IMAGE,   /* which images seed the priors */
    RNG_FEATURES,     /* weights of the random feature network */
    RNG_TEST
};

struct rng4 {
    uint32_t v[4];
};

RNG_FN struct rng4 rng_philox(struct rng4 c, uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c.v[0], p1 = (uint64_t)0xCD9E8D57u * c.v[2];
        struct rng4 next = {{(uint32_t)(p1 >> 32) ^ c.v[1] ^ k0, (uint32_t)p1,
                             (uint32_t)(p0 >> 32) ^ c.v[3] ^ k1, (uint32_t)p0}};
        c = next;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

/* Four words; sample < 2^56. */
RNG_FN struct rng4 rng_draw(uint64_t seed, enum rng_stream stream, uint64_t sample, uint32_t step, uint32_t block)
{
    struct rng4 c = {{block, step, (uint32_t)sample, (uint32_t)(sample >> 32) | ((uint32_t)stream << 24)}};
    return rng_philox(c, (uint32_t)seed, (uint32_t)(seed >> 32));
}

/* Uniform in the open interval (0,1): 23 bits and a half, exact in fp32 (24 bits would round up to 1). */
RNG_FN float rng_uniform(uint32_t word)
{
    return ((float)(word >> 9) + 0.5f) * 1.1920928955078125e-7f;
}

/* Two standard normals from two words (Box and Muller). */
RNG_FN void rng_normal2(uint32_t a, uint32_t b, float out[2])
{
    float r = sqrtf(-2.0f * logf(rng_uniform(a))), t = 6.283185307179586f * rng_uniform(b);
    out[0] = r * cosf(t);
    out[1] = r * sinf(t);
}
