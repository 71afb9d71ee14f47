/* SPDX-License-Identifier: Apache-2.0
 * Half and bfloat16 against the compiler's own conversions (_Float16; bfloat16 by rounding in
 * double). */
#include "check.h"

#include <string.h>

#include "base/half.h"

__extension__ typedef _Float16 native_half;

static uint32_t bits(float x)
{
    uint32_t b;
    memcpy(&b, &x, 4);
    return b;
}

static float number(uint32_t b)
{
    float x;
    memcpy(&x, &b, 4);
    return x;
}

static uint16_t native_from(float x)
{
    native_half h = (native_half)x;
    uint16_t b;
    memcpy(&b, &h, 2);
    return b;
}

static float native_to(uint16_t b)
{
    native_half h;
    memcpy(&h, &b, 2);
    return (float)h;
}

static int half_is_nan(uint16_t h)
{
    return (h & 0x7fff) > 0x7c00;
}

/* All halves there are, both ways. */
static int count_wrong_halves(void)
{
    int wrong = 0;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t h = (uint16_t)i;
        float x = half_to_float(h);
        if (half_is_nan(h))
            wrong += !(x != x) || !half_is_nan(half_from_float(x));
        else
            wrong += bits(x) != bits(native_to(h)) || half_from_float(x) != h;
    }
    return wrong;
}

static int half_differs(float x)
{
    uint16_t got = half_from_float(x), want = native_from(x);
    return x != x ? !half_is_nan(got) : got != want;
}

/* Around every half and every midpoint between two: where rounding decides. */
static int count_wrong_boundaries(void)
{
    int wrong = 0;
    for (uint32_t i = 0; i < 0x7c00; i++) {
        uint32_t middle = bits(0.5f * (native_to((uint16_t)i) + native_to((uint16_t)(i + 1))));
        if (i + 1 == 0x7c00)
            middle = bits(65520.0f);
        for (uint32_t b = middle - 2; b <= middle + 2; b++)
            wrong += half_differs(number(b)) + half_differs(-number(b));
        for (uint32_t b = bits(native_to((uint16_t)i)), d = 0; d < 3; d++)
            wrong += half_differs(number(b + d)) + half_differs(number(b - d));
    }
    return wrong;
}

/* Nearest bfloat16, ties to even, from the definition: the 2^16 float patterns between two
 * neighbours. */
static uint16_t bf16_by_definition(float x)
{
    uint32_t b = bits(x), low = b & 0xffffu, high = b >> 16;
    return (uint16_t)(low > 0x8000u || (low == 0x8000u && high % 2) ? high + 1 : high);
}

int main(void)
{
    int wrong_random = 0, wrong_bf16 = 0;
    uint64_t state = 1;
    for (int i = 0; i < 4000000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        float x = number((uint32_t)(state >> 32));
        wrong_random += half_differs(x);
        /* the same bits with an exponent that a half can hold */
        float y = number((bits(x) & 0x807fffffu) | (100u + (uint32_t)(state >> 20) % 45u) << 23);
        wrong_random += half_differs(y);
        if (x == x)
            wrong_bf16 += bf16_from_float(x) != bf16_by_definition(x);
    }
    CHECK(count_wrong_halves() == 0);
    CHECK(count_wrong_boundaries() == 0);
    CHECK(wrong_random == 0);
    CHECK(wrong_bf16 == 0);
    CHECK(half_from_float(65519.99f) == 0x7bff && half_from_float(65520.0f) == 0x7c00);
    CHECK(half_from_float(-0.0f) == 0x8000 &&
          half_from_float(2.98023224e-8f) == 0); /* half the smallest: to even */
    CHECK(half_from_float(15.9998f) == 0x4c00);  /* up to 16, over a power of two */
    CHECK(bits(bf16_to_float(0x3f80)) == bits(1.0f) && bf16_from_float(-0.0f) == 0x8000);
    for (uint32_t low = 1; low < 65536; low += 257) { /* NaN stays NaN however its bits lie */
        float nan = number(0x7f800000u | low);
        uint16_t h = bf16_from_float(nan);
        CHECK((h & 0x7fff) > 0x7f80 && half_is_nan(half_from_float(nan)));
    }
    return check_done();
}
