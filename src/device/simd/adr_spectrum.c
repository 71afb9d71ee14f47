/* SPDX-License-Identifier: Apache-2.0
 * adr_spectrum: random phases of all lanes' images at once, their drift, and the sums over modes as
 * two small matrix products a field. The phases of a lane differ by its key alone; the drift kappa
 * theta is the same for all lanes, so it turns a pair (cosine part, sine part) by one angle a
 * mode. */
#include <math.h>

#include "device/simd/adr_math.h"
#include "device/simd/adr_parts.h"
#include "device/simd/simd_random.h"

/* rng_philox for all lanes: counter words c, key of the generator k0, k1. */
SIMD_INLINE void philox(vnu c[4], uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        vnu high0, low0, high1, low1;
        v_multiply(c[0], 0xD2511F53u, &high0, &low0);
        v_multiply(c[2], 0xCD9E8D57u, &high1, &low1);
        c[0] = high1 ^ c[1] ^ k0;
        c[1] = low1;
        c[2] = high0 ^ c[3] ^ k1;
        c[3] = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

void SIMD_NAME(adr_phases)(uint64_t seed, const uint64_t *keys, int draws,
                           const struct adr_draw *draw, const struct adr_target *target,
                           float *cosine_part, float *sine_part)
{
    vn *a = (vn *)cosine_part, *b = (vn *)sine_part;
    vnu key_low, key_high, zero = {0};
    for (int l = 0; l < LANES; l++) {
        key_low[l] = (uint32_t)keys[l];
        key_high[l] = (uint32_t)(keys[l] >> 32);
    }
    for (int i = 0; i < draws; i++) {
        vnu c[4] = {zero + draw[i].block, zero + draw[i].step, key_low,
                    key_high | (draw[i].stream << 24)};
        philox(c, (uint32_t)seed, (uint32_t)(seed >> 32));
        for (int word = 0; word < 4; word++) {
            vn sine, cosine;
            v_sincos(v_uniform(c[word]) * 6.283185307179586f, &sine, &cosine);
            for (int t = 0; t < draw[i].count[word]; t++, target++) {
                vn alpha = v_all(target->alpha), beta = v_all(target->beta);
                vn *to_a = &a[target->index], *to_b = &b[target->index];
                *to_a = madd(alpha, cosine, madd(beta, sine, *to_a));
                *to_b = madd(beta, cosine, *to_b) - alpha * sine;
            }
        }
    }
}

void SIMD_NAME(adr_angles)(int n, double theta, const double *turns, float *cosine, float *sine)
{
    for (int i = 0; i < n; i += LANES) {
        int count = n - i < LANES ? n - i : LANES;
        float part[LANES] = {0};
        for (int l = 0; l < count; l++) {
            double turn = turns[i + l] * theta;
            part[l] = (float)(turn - floor(turn));
        }
        vn s, c;
        v_sincos(v_loadf(part, 0, LANES) * 6.283185307179586f, &s, &c);
        v_storef(sine, i, count, s);
        v_storef(cosine, i, count, c);
    }
}

void SIMD_NAME(adr_rotate)(int n, const float *a, const float *b, const float *cosine,
                           const float *sine, float *out)
{
    for (int i = 0; i < n; i++)
        ((vn *)out)[i] =
            madd(v_all(cosine[i]), ((const vn *)a)[i], v_all(sine[i]) * ((const vn *)b)[i]);
}

/* A tile of results held in registers, for the even and the odd waves at once. */
enum { ROWS = LANES == 16 ? 4 : 2, COLUMNS = ADR_SLACK };
struct tile {
    vn even[ROWS][COLUMNS], odd[ROWS][COLUMNS];
};

/* sum[r][c] += in[row[r]] table[c]. */
SIMD_INLINE void add_wave(const float *table, const vn *in, const int row[ROWS],
                          vn sum[ROWS][COLUMNS])
{
    vn x[ROWS];
    for (int r = 0; r < ROWS; r++)
        x[r] = in[row[r]];
    for (int c = 0; c < COLUMNS; c++)
        for (int r = 0; r < ROWS; r++)
            sum[r][c] = madd(v_all(table[c]), x[r], sum[r][c]);
}

/* Columns c .. c + COLUMNS - 1 of the rows that begin at in[row[r]]; even_count >= odd_count. */
SIMD_INLINE struct tile sum_waves(const struct adr_waves *w, int c, const vn *in,
                                  const int row[ROWS], int stride)
{
    struct tile t = {0};
    const vn *odd = in + w->even_count * stride;
    int k = 0;
    for (; k < w->odd_count; k++) {
        add_wave(w->even + k * w->columns + c, in + k * stride, row, t.even);
        add_wave(w->odd + k * w->columns + c, odd + k * stride, row, t.odd);
    }
    for (; k < w->even_count; k++)
        add_wave(w->even + k * w->columns + c, in + k * stride, row, t.even);
    return t;
}

/* The last tile repeats the last row where rows end before it. */
void SIMD_NAME(adr_transform)(const struct adr_waves *w, int rows, struct adr_view in,
                              struct adr_view out)
{
    int wanted = w->symmetric ? (w->n + 1) / 2 : w->n;
    for (int first = 0; first < rows; first += ROWS) {
        int from[ROWS];
        vn *to[ROWS];
        for (int r = 0; r < ROWS; r++) {
            int row = first + r < rows ? first + r : rows - 1;
            from[r] = row * in.row;
            to[r] = (vn *)out.at + row * out.row;
        }
        for (int c = 0; c < wanted; c += COLUMNS) {
            struct tile t = sum_waves(w, c, (const vn *)in.at, from, in.column);
            for (int i = 0; i < COLUMNS && c + i < wanted; i++)
                for (int r = 0; r < ROWS; r++) {
                    to[r][(c + i) * out.column] = t.even[r][i] + t.odd[r][i];
                    if (w->symmetric)
                        to[r][(w->n - 1 - c - i) * out.column] = t.even[r][i] - t.odd[r][i];
                }
        }
    }
}
