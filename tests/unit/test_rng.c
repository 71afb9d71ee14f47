/* SPDX-License-Identifier: Apache-2.0
 * Philox4x32-10 against the known answers of Random123 (kat_vectors, philox4x32 10), and the
 * distributions made of it. */
#include "check.h"

#include "base/rng.h"

static void check_known_answers(void)
{
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (int i = 0; i < 3; i++) {
        struct rng4 c;
        for (int j = 0; j < 4; j++)
            c.v[j] = known[i].counter[j];
        c = rng_philox(c, known[i].key[0], known[i].key[1]);
        for (int j = 0; j < 4; j++)
            CHECK(c.v[j] == known[i].answer[j]);
    }
}

/* rng_draw places its arguments in words of their own: the same answer by hand. */
static void check_draw(void)
{
    uint64_t seed = 0x123456789abcdef0u, sample = 0x00aabbccddeeff11u;
    struct rng4 want = {{77, 5, 0xddeeff11u, 0x00aabbccu | (uint32_t)RNG_LEVEL << 24}};
    want = rng_philox(want, 0x9abcdef0u, 0x12345678u);
    struct rng4 got = rng_draw(seed, RNG_LEVEL, sample, 5, 77);
    for (int j = 0; j < 4; j++)
        CHECK(got.v[j] == want.v[j]);
}

static void check_uniform(void)
{
    CHECK(rng_uniform(0) > 0.0f && rng_uniform(0xffffffffu) < 1.0f);
    CHECK(rng_uniform(0) == 0.5f / 8388608.0f &&
          rng_uniform(0x80000000u) == 0.5f + 0.5f / 8388608.0f);
}

/* Moments of 4,000,000 normals. Their own standard deviations are 0.0005 (mean), 0.0007 (variance),
 * 0.0012 (skew), 0.0049 (fourth moment), 0.0005 (correlation); bounds are 4.5 of them. The seed is
 * fixed, so the outcome is. */
static void check_normals(void)
{
    enum { PAIRS = 2000000 };
    double m[5] = {0}, both = 0;
    int beyond = 0;
    for (uint32_t i = 0; i < PAIRS / 2; i++) {
        struct rng4 r = rng_draw(42, RNG_TEST, i, 0, 0);
        for (int k = 0; k < 4; k += 2) {
            float n[2];
            rng_normal2(r.v[k], r.v[k + 1], n);
            both += (double)n[0] * n[1] / PAIRS;
            for (int j = 0; j < 2; j++) {
                double x = n[j], power = 1;
                beyond += fabs(x) > 3.0;
                for (int p = 0; p < 5; p++, power *= x)
                    m[p] += power / (2.0 * PAIRS);
            }
        }
    }
    CHECK_NEAR(m[1], 0.0, 0.0023);
    CHECK_NEAR(m[2], 1.0, 0.0032);
    CHECK_NEAR(m[3], 0.0, 0.0087);
    CHECK_NEAR(m[4], 3.0, 0.0220);
    CHECK_NEAR(both, 0.0, 0.0032);
    CHECK_NEAR(beyond / (2.0 * PAIRS), 0.0026998, 0.00012); /* 2 (1 - Phi(3)) */
}

int main(void)
{
    check_known_answers();
    check_draw();
    check_uniform();
    check_normals();
    return check_done();
}
