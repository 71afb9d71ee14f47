/* SPDX-License-Identifier: Apache-2.0
 * oracles: values of a device against formulas written again in another way, PyTorch's numbers and
 * the laws of chance. */
#pragma once
#include "shapes.h"

/* Runs the forward pass of a case on d; the caller frees both. */
static void oracle_run(struct device *d, const struct op_case *c, struct values *in,
                       struct values *out)
{
    *in = *out = (struct values){0};
    pass_run(d, c, &c->pass[0], in, out);
}

/* Largest difference over the largest number wanted, within the tolerance? */
static void oracle_check(const char *what, const double *got, const double *want, int count,
                         double tolerance)
{
    double worst = 0, size = 0;
    for (int i = 0; i < count; i++) {
        worst = fmax(worst, isfinite(got[i]) ? fabs(got[i] - want[i]) : INFINITY);
        size = fmax(size, fabs(want[i]));
    }
    if (!(worst <= tolerance * size))
        printf("%s: off by %.3g of %.3g\n", what, worst, size);
    CHECK(worst <= tolerance * size);
}

/* Convolution the other way round: every input number is handed on to the outputs it reaches. */
static void oracle_conv(struct device *d)
{
    for (int stride = 1; stride <= 2; stride++) {
        struct conv_case k = {
            {2, 7, 5, 3, 4, 3, stride, DTYPE_F32, 0, 0, 0, 0}, 1, 0, RESIDUAL_APART};
        const struct conv_shape *s = &k.s;
        struct op_case c = {0};
        struct values in, out;
        conv_make(&c, &k);
        oracle_run(d, &c, &in, &out);
        int oh = conv_out(7, 3, stride), ow = conv_out(5, 3, stride);
        CHECK(oh == (stride == 1 ? 7 : 4) && ow == (stride == 1 ? 5 : 3));
        const double *x = values_find(&in, "x"), *w = values_find(&in, "w"),
                     *bias = values_find(&in, "bias");
        double want[2 * 7 * 5 * 4];
        for (int i = 0; i < 2 * oh * ow * 4; i++)
            want[i] = bias[i % 4] + values_find(&in, "residual")[i];
        for (int i = 0; i < s->n * s->h * s->w * s->c_in; i++) {
            int ci = i % 3, ix = i / 3 % 5, iy = i / 15 % 7, n = i / 105;
            for (int tap = 0; tap < 9; tap++) {
                int oy = iy + 1 - tap / 3, ox = ix + 1 - tap % 3;
                if (oy < 0 || ox < 0 || oy % stride || ox % stride || oy / stride >= oh ||
                    ox / stride >= ow)
                    continue;
                for (int o = 0; o < 4; o++)
                    want[((n * oh + oy / stride) * ow + ox / stride) * 4 + o] +=
                        x[i] * w[(o * 9 + tap) * 3 + ci];
            }
        }
        oracle_check("conv", values_find(&out, "y"), want, 2 * oh * ow * 4,
                     3e-7); /* measured 5e-8 on ref, 1e-7 on cpu */
        values_free(&in);
        values_free(&out);
    }
}

/* Group norm with the variance as E[z^2] - E[z]^2. */
static void oracle_norm(struct device *d)
{
    struct norm_case k = {{2, 9, 12, 4, DTYPE_F32, 1, 1e-5}, 1, 0, 0};
    struct op_case c = {0};
    struct values in, out;
    double want[2 * 9 * 12];
    norm_make(&c, &k);
    oracle_run(d, &c, &in, &out);
    for (int n = 0; n < 2; n++)
        for (int group = 0; group < 4; group++) {
            double first = 0, second = 0, z[27];
            for (int i = 0; i < 27; i++) {
                int channel = group * 3 + i % 3;
                z[i] = values_find(&in, "x")[(n * 9 + i / 3) * 12 + channel] +
                       values_find(&in, "shift")[n * 12 + channel];
                first += z[i] / 27;
                second += z[i] * z[i] / 27;
            }
            double deviation = sqrt(second - first * first + 1e-5);
            CHECK_NEAR(values_find(&out, "stats")[(n * 4 + group) * 2], first, 4e-7);
            CHECK_NEAR(values_find(&out, "stats")[(n * 4 + group) * 2 + 1] * deviation, 1,
                       4e-7); /* measured 1.2e-7 at most, like the mean */
            for (int i = 0; i < 27; i++) {
                int channel = group * 3 + i % 3;
                double a = values_find(&in, "gamma")[channel] * (z[i] - first) / deviation +
                           values_find(&in, "beta")[channel];
                want[(n * 9 + i / 3) * 12 + channel] = a / (1 + exp(-a));
            }
        }
    oracle_check("norm", values_find(&out, "y"), want, 2 * 9 * 12,
                 5e-7); /* measured 4e-8 on ref, 1.2e-7 on cpu */
    values_free(&in);
    values_free(&out);
}

/* Attention by whole matrices, one head after the other. */
static void oracle_attention(struct device *d)
{
    enum { T = 6, C = 8, E = 4 };
    struct attention_shape s = {2, T, C, 2, DTYPE_F32};
    struct op_case c = {0};
    struct values in, out;
    double want[2 * T * C] = {0}, want_probs[2 * 2 * T * T];
    attention_make(&c, &s);
    oracle_run(d, &c, &in, &out);
    for (int block = 0; block < 4; block++) { /* image and head */
        const double *q = values_find(&in, "qkv") + block / 2 * T * 3 * C + block % 2 * E,
                     *k = q + C, *v = q + 2 * C;
        for (int i = 0; i < T; i++) {
            double *p = want_probs + (block * T + i) * T, sum = 0;
            for (int j = 0; j < T; j++) {
                double score = 0;
                for (int e = 0; e < E; e++)
                    score += q[i * 3 * C + e] * k[j * 3 * C + e];
                sum += p[j] = exp(score / 2); /* sqrt(E) = 2 */
            }
            for (int j = 0; j < T; j++) {
                p[j] /= sum;
                for (int e = 0; e < E; e++)
                    want[(block / 2 * T + i) * C + block % 2 * E + e] += p[j] * v[j * 3 * C + e];
            }
        }
    }
    oracle_check("attention probs", values_find(&out, "probs"), want_probs, 2 * 2 * T * T,
                 5e-7); /* measured 4e-8 on ref, 1e-7 on cpu */
    oracle_check("attention", values_find(&out, "out"), want, 2 * T * C,
                 5e-7); /* measured 4e-8 on ref, 1e-7 on cpu */
    values_free(&in);
    values_free(&out);
}

/* Small layers whose results are a matter of counting, and functions at known points. */
static void oracle_layers(struct device *d)
{
    struct layer_case k = {DTYPE_F32, 2, 3, 2, 5, 4, 1};
    struct op_case c[4] = {0};
    struct values in, out;
    upsample_make(&c[0], &k);
    oracle_run(d, &c[0], &in, &out);
    int wrong = 0;
    for (int i = 0; i < 2 * 6 * 4 * 5; i++) {
        int channel = i % 5, column = i / 5 % 4, row = i / 20 % 6, n = i / 120;
        wrong += values_find(&out, "y")[i] !=
                 values_find(&in, "x")[((n * 3 + row / 2) * 2 + column / 2) * 5 + channel];
    }
    values_free(&in);
    values_free(&out);
    concat_make(&c[1], &k);
    oracle_run(d, &c[1], &in, &out);
    for (int i = 0; i < 12 * 9; i++)
        wrong +=
            values_find(&out, "y")[i] != (i % 9 < 5 ? values_find(&in, "a")[i / 9 * 5 + i % 9]
                                                    : values_find(&in, "b")[i / 9 * 4 + i % 9 - 5]);
    values_free(&in);
    values_free(&out);
    CHECK(wrong == 0);
    squared_error_make(&c[2], &k);
    oracle_run(d, &c[2], &in, &out);
    for (int n = 0; n < 2; n++) {
        double sum = 0;
        for (int i = n * 30; i < (n + 1) * 30; i++) {
            double difference = values_find(&in, "pred")[i] - values_find(&in, "target")[i];
            CHECK_NEAR(values_find(&out, "dpred")[i], 0.25 * difference, 1e-7); /* measured 3e-8 */
            sum += difference * difference;
        }
        CHECK_NEAR(values_find(&out, "loss")[n] / sum, 1, 3e-7); /* measured 3e-8 */
    }
    values_free(&in);
    values_free(&out);
    struct layer_case e = {DTYPE_F32, 1, 1, 1, 4, 0, 0};
    embed_make(&c[3], &e);
    in = out = (struct values){0};
    values_add(&in, "level", 1)[0] = 150;
    pass_run(d, &c[3], &c[3].pass[0], &in, &out);
    const double want[4] = {cos(150), cos(1.5), sin(150), sin(1.5)};
    oracle_check("embed", values_find(&out, "y"), want, 4, 1e-7); /* measured 1.6e-8 */
    values_free(&in);
    values_free(&out);
}

/* Three steps of PyTorch 1.13 in float64 on three numbers: lr 0.01, betas 0.9 and 0.99, eps 1e-3,
 * weight decay 0.1. */
static void oracle_adam(struct device *d)
{
    static const double gradient[3][3] = {{0.1, -0.3, 0.02}, {-0.2, 0.4, 0}, {0.05, 1.5, -0.7}};
    static const double want[2][3][3] = {/* p, m, v */
                                         {{0.488331000194, -1.244013017130, 1.981705364809},
                                          {0.008466814428, 0.128030169496, -0.014468303745},
                                          {0.000544365763, 0.021462428220, 0.003386346714}},
                                         {{0.493607338457, -1.244734356576, 1.984430756719},
                                          {-0.0049, 0.1617, -0.06838},
                                          {0.00051901, 0.02496609, 0.0049039204}}};
    static const char *const name[3] = {"p", "m", "v"};
    for (int decoupled = 0; decoupled < 2; decoupled++)
        for (int clip = 0; clip < 2;
             clip++) { /* a norm of twice the limit, gradients twice as large: the same steps */
            double state[3][3] = {{0.5, -1.25, 2.0}, {0}, {0}};
            for (int step = 0; step < 3; step++) {
                struct flat_case k = {
                    3, 0.01, step + 1, {0.9, 0.99, 1e-3, 0.1, decoupled, clip ? 10 : 0}, 0, 0};
                struct op_case c = {0};
                struct values in = {0}, out = {0};
                optimizer_make(&c, &k, 0);
                for (int i = 0; i < 3; i++)
                    memcpy(values_add(&in, name[i], 3), state[i], sizeof state[i]);
                double *g = values_add(&in, "g", 3);
                for (int i = 0; i < 3; i++)
                    g[i] = (clip ? 2 : 1) * gradient[step][i];
                values_add(&in, "grad_sumsq", 1)[0] = 400;
                pass_run(d, &c, &c.pass[0], &in, &out);
                for (int i = 0; i < 3; i++)
                    memcpy(state[i], values_find(&out, name[i]), sizeof state[i]);
                values_free(&in);
                values_free(&out);
            }
            for (int i = 0; i < 3; i++) /* measured 1.4e-7 */
                oracle_check("adam", state[i], want[decoupled][i], 3, 5e-7);
        }
}

/* Lion by its paper's algorithm 2, in double. */
static void oracle_lion(struct device *d)
{
    struct flat_case k = {1000, 0.01, 7, {0.9, 0.99, 0, 0.1, 1, 0.25}, 1, 1};
    struct op_case c = {0};
    struct values in, out;
    double p[1000], m[1000], average[1000], rounded[1000];
    optimizer_make(&c, &k, 1);
    oracle_run(d, &c, &in, &out);
    double norm = sqrt(values_find(&in, "grad_sumsq")[0]),
           factor = norm > 0.25 ? 0.25 / (norm + 1e-6) : 1;
    for (int i = 0; i < 1000; i++) {
        double g = factor * values_find(&in, "g")[i],
               update = 0.9 * values_find(&in, "m")[i] + 0.1 * g;
        p[i] = values_find(&in, "p")[i] -
               0.01 * (copysign(1, update) + 0.1 * values_find(&in, "p")[i]);
        m[i] = 0.99 * values_find(&in, "m")[i] + 0.01 * g;
        average[i] = 0.999 * values_find(&in, "average")[i] + 0.001 * p[i];
        rounded[i] = bf16_to_float(bf16_from_float((float)values_find(&out, "p")[i]));
    }
    oracle_check("lion p", values_find(&out, "p"), p, 1000, 3e-7); /* measured 4e-8 */
    oracle_check("lion m", values_find(&out, "m"), m, 1000, 3e-7); /* measured 4e-8 */
    oracle_check("average", values_find(&out, "average"), average, 1000, 3e-7); /* 4e-8 */
    oracle_check("rounded", values_find(&out, "rounded"), rounded, 1000, 0);
    values_free(&in);
    values_free(&out);
}

/* Which word of which draw an element gets, with Box and Muller in double. */
static void oracle_random(struct device *d)
{
    struct layer_case k = {DTYPE_F32, 3, 1, 1, 11, 0, 1};
    struct op_case normal = {0}, dropout = {0};
    struct values in, out;
    double want[33];
    add_normal_make(&normal, &k);
    oracle_run(d, &normal, &in, &out);
    for (uint32_t i = 0; i < 33; i++) {
        uint32_t e = i % 11;
        struct rng4 words = rng_draw(42, RNG_TEST, 5000 + i / 11, 17, e / 4);
        const uint32_t *pair = words.v + (e % 4 < 2 ? 0 : 2);
        double u = ((pair[0] >> 8) + 0.5) / 16777216, turn = ((pair[1] >> 8) + 0.5) / 16777216;
        double radius = 0.7 * sqrt(-2 * log(u)), angle = 2 * acos(-1) * turn;
        want[i] = values_find(&in, "x")[i] + radius * (e % 2 ? sin(angle) : cos(angle));
    }
    oracle_check("add_normal", values_find(&out, "x"), want, 33,
                 1e-6); /* measured 2.6e-7: logarithm and sine in fp32 */
    values_free(&in);
    values_free(&out);
    dropout_make(&dropout, &k);
    oracle_run(d, &dropout, &in, &out);
    for (uint32_t i = 0; i < 33; i++) {
        struct rng4 words = rng_draw(42, RNG_DROPOUT, 5000 + i / 11 + (3ull << 32), 17, i % 11 / 4);
        double u = ((words.v[i % 11 % 4] >> 8) + 0.5) / 16777216;
        want[i] = u >= 0.5 ? 2 * values_find(&in, "x")[i] : 0;
    }
    oracle_check("dropout", values_find(&out, "x"), want, 33, 0);
    values_free(&in);
    values_free(&out);
}

static void oracle_all(struct device *d)
{
    oracle_conv(d);
    oracle_norm(d);
    oracle_attention(d);
    oracle_layers(d);
    oracle_adam(d);
    oracle_lion(d);
    oracle_random(d);
}
