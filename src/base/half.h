/* SPDX-License-Identifier: Apache-2.0
 * half: IEEE half and bfloat16 as storage types. Round to nearest, ties to even; subnormals kept, NaN stays NaN. */
#pragma once
#include <stdint.h>
#include <string.h>

static inline uint16_t half_from_float(float x)
{
    uint32_t b;
    memcpy(&b, &x, 4);
    uint32_t sign = (b >> 16) & 0x8000u, mag = b & 0x7fffffffu;
    if (mag >= 0x7f800000u)
        return (uint16_t)(sign | (mag > 0x7f800000u ? 0x7e00u : 0x7c00u));
    if (mag >= 0x477ff000u)
        return (uint16_t)(sign | 0x7c00u);
    if (mag < 0x38800000u) { /* below 2^-14: subnormal; adding 0.5 rounds at the last bit of a half */
        float f;
        memcpy(&f, &mag, 4);
        f += 0.5f;
        memcpy(&mag, &f, 4);
        return (uint16_t)(sign | (mag - 0x3f000000u));
    }
    mag += 0xc8000fffu + ((mag >> 13) & 1u);
    return (uint16_t)(sign | (mag >> 13));
}

static inline float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exp = (h >> 10) & 31u, man = h & 0x3ffu, b;
    float f;
    if (exp == 0) {
        f = (float)man * 5.9604644775390625e-8f;
        memcpy(&b, &f, 4);
        b |= sign;
    } else {
        b = sign | ((exp == 31 ? 255u : exp + 112u) << 23) | (man << 13);
    }
    memcpy(&f, &b, 4);
    return f;
}

static inline uint16_t bf16_from_float(float x)
{
    uint32_t b;
    memcpy(&b, &x, 4);
    if ((b & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((b >> 16) | 0x40u);
    return (uint16_t)((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
}

static inline float bf16_to_float(uint16_t h)
{
    uint32_t b = (uint32_t)h << 16;
    float f;
    memcpy(&f, &b, 4);
    return f;
}
