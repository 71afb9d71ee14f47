/* SPDX-License-Identifier: Apache-2.0
 * The small layers of a network: activation, level embedding, resampling, joining, dropout, loss,
 * conversion. */
#include "base/rng.h"
#include "device/ref.h"

void ref_silu_forward(struct device *d, int64_t n, const float *x, float *y)
{
    (void)d;
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)(x[i] * ref_sigmoid(x[i]));
}

void ref_silu_backward(struct device *d, int64_t n, const float *x, const float *dy, float *dx,
                       int accumulate)
{
    (void)d;
    for (int64_t i = 0; i < n; i++)
        ref_put(DTYPE_F32, dx, i, dy[i] * ref_silu_slope(x[i]), accumulate);
}

void ref_embed(struct device *d, int n, int dim, const int32_t *level, float *y)
{
    (void)d;
    int half = dim / 2;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < half; j++) {
            double angle = level[i] * pow(10000, -(double)j / half);
            y[(int64_t)i * dim + j] = (float)cos(angle);
            y[(int64_t)i * dim + half + j] = (float)sin(angle);
        }
}

void ref_upsample_forward(struct device *d, int n, int h, int w, int c, enum dtype type,
                          const void *x, void *y)
{
    (void)d;
    int64_t out = 0;
    for (int i = 0; i < n; i++)
        for (int row = 0; row < 2 * h; row++)
            for (int column = 0; column < 2 * w; column++)
                for (int k = 0; k < c; k++) {
                    int64_t in = (((int64_t)i * h + row / 2) * w + column / 2) * c + k;
                    ref_store(type, y, out++, ref_load(type, x, in));
                }
}

void ref_upsample_backward(struct device *d, int n, int h, int w, int c, enum dtype type,
                           const void *dy, void *dx, int accumulate)
{
    (void)d;
    int64_t in = 0;
    for (int i = 0; i < n; i++)
        for (int row = 0; row < h; row++)
            for (int column = 0; column < w; column++)
                for (int k = 0; k < c; k++) {
                    double sum = 0;
                    for (int quarter = 0; quarter < 4; quarter++) {
                        int r = 2 * row + quarter / 2, q = 2 * column + quarter % 2;
                        sum += ref_load(type, dy, (((int64_t)i * 2 * h + r) * 2 * w + q) * c + k);
                    }
                    ref_put(type, dx, in++, sum, accumulate);
                }
}

void ref_concat_forward(struct device *d, int64_t rows, int ca, int cb, enum dtype type,
                        const void *a, const void *b, void *y)
{
    (void)d;
    for (int64_t row = 0; row < rows; row++) {
        for (int k = 0; k < ca; k++)
            ref_store(type, y, row * (ca + cb) + k, ref_load(type, a, row * ca + k));
        for (int k = 0; k < cb; k++)
            ref_store(type, y, row * (ca + cb) + ca + k, ref_load(type, b, row * cb + k));
    }
}

void ref_concat_backward(struct device *d, int64_t rows, int ca, int cb, enum dtype type,
                         const void *dy, void *da, int accumulate_a, void *db, int accumulate_b)
{
    (void)d;
    for (int64_t row = 0; row < rows; row++) {
        for (int k = 0; k < ca; k++)
            ref_put(type, da, row * ca + k, ref_load(type, dy, row * (ca + cb) + k), accumulate_a);
        for (int k = 0; k < cb; k++)
            ref_put(type, db, row * cb + k, ref_load(type, dy, row * (ca + cb) + ca + k),
                    accumulate_b);
    }
}

void ref_add(struct device *d, int64_t n, enum dtype type, const void *x, void *y)
{
    (void)d;
    for (int64_t i = 0; i < n; i++)
        ref_put(type, y, i, ref_load(type, x, i), 1);
}

void ref_dropout(struct device *d, int n, int64_t per_sample, enum dtype type, double p, int layer,
                 const struct draw_key *draw, void *x)
{
    (void)d;
    for (int i = 0; i < n; i++)
        for (int64_t e = 0; e < per_sample; e++) {
            uint64_t sample = (uint64_t)(draw->first_sample + i) + ((uint64_t)layer << 32);
            struct rng4 words =
                rng_draw(draw->seed, RNG_DROPOUT, sample, draw->step, (uint32_t)(e / 4));
            int kept = rng_uniform(words.v[e % 4]) >= (float)p;
            int64_t at = i * per_sample + e;
            ref_store(type, x, at, kept ? ref_load(type, x, at) / (1 - p) : 0);
        }
}

void ref_squared_error(struct device *d, int n, int64_t per_sample, const float *pred,
                       const float *target, double scale, float *loss, float *dpred)
{
    (void)d;
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t e = i * per_sample; e < (i + 1) * per_sample; e++) {
            double difference = (double)pred[e] - target[e];
            sum += difference * difference;
            if (dpred)
                dpred[e] = (float)(2 * scale * difference);
        }
        loss[i] = (float)sum;
    }
}

void ref_cast(struct device *d, int64_t n, enum dtype from, const void *x, enum dtype to, void *y)
{
    (void)d;
    for (int64_t i = 0; i < n; i++)
        ref_store(to, y, i, ref_load(from, x, i));
}
