/* SPDX-License-Identifier: Apache-2.0
 * Scaled dot-product attention (Vaswani and others, "Attention is all you need", 2017) over the
 * pixels of an image:
 *
 *     P = softmax_j(q_i . k_j / sqrt(e)),   out_i = sum_j P_ij v_j,   e = c/heads
 *
 * and, with dP_ij = dout_i . v_j and dS_ij = P_ij (dP_ij - sum_l P_il dP_il) / sqrt(e),
 *
 *     dq_i = sum_j dS_ij k_j,   dk_j = sum_i dS_ij q_i,   dv_j = sum_i P_ij dout_i
 *
 * qkv [n,t,3c]: q, k, v beside each other, head h at h*e in each; P is used as stored, rounded to
 * the type. */
#include "base/mem.h"
#include "device/ref.h"

enum part { Q, K, V };

/* Place in qkv of the first number of a token's q, k or v in one head. */
static int64_t qkv_at(const struct attention_shape *s, int n, int token, enum part part, int head)
{
    return ((int64_t)n * s->t + token) * 3 * s->c + (int64_t)part * s->c +
           (int64_t)head * (s->c / s->heads);
}

static int64_t out_at(const struct attention_shape *s, int n, int token, int head)
{
    return ((int64_t)n * s->t + token) * s->c + (int64_t)head * (s->c / s->heads);
}

static int64_t probs_at(const struct attention_shape *s, int n, int head, int i)
{
    return (((int64_t)n * s->heads + head) * s->t + i) * s->t;
}

static double dot(const struct attention_shape *s, const void *a, int64_t ai, const void *b,
                  int64_t bi)
{
    double sum = 0;
    for (int e = 0; e < s->c / s->heads; e++)
        sum += ref_load(s->type, a, ai + e) * ref_load(s->type, b, bi + e);
    return sum;
}

static double scale(const struct attention_shape *s)
{
    return 1 / sqrt((double)(s->c / s->heads));
}

/* Row i of P, by way of row [t]. */
static void softmax_row(const struct attention_shape *s, const void *qkv, int n, int head, int i,
                        double *row, void *probs)
{
    double top = -INFINITY, sum = 0;
    for (int j = 0; j < s->t; j++) {
        row[j] = scale(s) * dot(s, qkv, qkv_at(s, n, i, Q, head), qkv, qkv_at(s, n, j, K, head));
        top = fmax(top, row[j]);
    }
    for (int j = 0; j < s->t; j++)
        sum += row[j] = exp(row[j] - top);
    for (int j = 0; j < s->t; j++)
        ref_store(s->type, probs, probs_at(s, n, head, i) + j, row[j] / sum);
}

void ref_attention_forward(struct device *d, const struct attention_shape *s, const void *qkv,
                           void *probs, void *out)
{
    (void)d;
    double *row = mem_alloc((size_t)s->t * sizeof *row);
    for (int n = 0; n < s->n; n++)
        for (int head = 0; head < s->heads; head++)
            for (int i = 0; i < s->t; i++) {
                softmax_row(s, qkv, n, head, i, row, probs);
                for (int e = 0; e < s->c / s->heads; e++) {
                    double sum = 0;
                    for (int j = 0; j < s->t; j++)
                        sum += ref_load(s->type, probs, probs_at(s, n, head, i) + j) *
                               ref_load(s->type, qkv, qkv_at(s, n, j, V, head) + e);
                    ref_store(s->type, out, out_at(s, n, i, head) + e, sum);
                }
            }
    mem_free(row);
}

/* ds [t,t] = dL/d(q_i . k_j) */
static void score_gradients(const struct attention_shape *s, const void *qkv, const void *probs,
                            const void *dout, int n, int head, double *ds)
{
    for (int i = 0; i < s->t; i++) {
        double *row = ds + (int64_t)i * s->t, mean = 0;
        for (int j = 0; j < s->t; j++) {
            row[j] = dot(s, dout, out_at(s, n, i, head), qkv, qkv_at(s, n, j, V, head));
            mean += ref_load(s->type, probs, probs_at(s, n, head, i) + j) * row[j];
        }
        for (int j = 0; j < s->t; j++)
            row[j] =
                scale(s) * ref_load(s->type, probs, probs_at(s, n, head, i) + j) * (row[j] - mean);
    }
}

/* dq, dk, dv of one token and one element e of a head. */
static void token_gradients(const struct attention_shape *s, const void *qkv, const void *probs,
                            const void *dout, const double *ds, int n, int head, int token, int e,
                            void *dqkv)
{
    double dq = 0, dk = 0, dv = 0;
    for (int l = 0; l < s->t; l++) {
        dq += ds[(int64_t)token * s->t + l] * ref_load(s->type, qkv, qkv_at(s, n, l, K, head) + e);
        dk += ds[(int64_t)l * s->t + token] * ref_load(s->type, qkv, qkv_at(s, n, l, Q, head) + e);
        dv += ref_load(s->type, probs, probs_at(s, n, head, l) + token) *
              ref_load(s->type, dout, out_at(s, n, l, head) + e);
    }
    ref_store(s->type, dqkv, qkv_at(s, n, token, Q, head) + e, dq);
    ref_store(s->type, dqkv, qkv_at(s, n, token, K, head) + e, dk);
    ref_store(s->type, dqkv, qkv_at(s, n, token, V, head) + e, dv);
}

void ref_attention_backward(struct device *d, const struct attention_shape *s, const void *qkv,
                            const void *probs, const void *dout, void *dqkv)
{
    (void)d;
    double *ds = mem_alloc((size_t)s->t * (size_t)s->t * sizeof *ds);
    for (int n = 0; n < s->n; n++)
        for (int head = 0; head < s->heads; head++) {
            score_gradients(s, qkv, probs, dout, n, head, ds);
            for (int token = 0; token < s->t; token++)
                for (int e = 0; e < s->c / s->heads; e++)
                    token_gradients(s, qkv, probs, dout, ds, n, head, token, e, dqkv);
        }
    mem_free(ds);
}
