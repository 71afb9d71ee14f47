/* SPDX-License-Identifier: Apache-2.0
 * Attention (formulas: ref_attention.c): a head of an image is a task of one thread, in fp32, with
 * oneDNN's matrix product. Convolutions are 94 % and more of these networks' arithmetic; this is
 * the rest. */
#include <math.h>
#include <omp.h>

#include "device/cpu.h"

/* A head of an image. */
struct head {
    const struct attention_shape *s;
    const struct simd_nn *simd;
    int64_t qkv, out, probs; /* first elements */
    int width;               /* c / heads */
    float *scores, *slopes;  /* [t,t], of the thread */
    float *matrix[4];        /* [t,width], of the thread */
};

static size_t floats_per_thread(const struct attention_shape *s)
{
    size_t t = (size_t)s->t;
    return (2 * t * t + 4 * t * (size_t)(s->c / s->heads) + 15) / 16 * 16;
}

static struct head head_of(struct device *d, const struct attention_shape *s, float *scratch,
                           int task, int thread)
{
    int64_t n = task / s->heads, h = task % s->heads, t = s->t, c = s->c;
    struct head a = {.s = s, .simd = cpu_of(d)->nn, .width = s->c / s->heads};
    a.qkv = n * t * 3 * c + h * a.width;
    a.out = n * t * c + h * a.width;
    a.probs = task * t * t;
    a.scores = scratch + (size_t)thread * floats_per_thread(s);
    a.slopes = a.scores + t * t;
    for (int i = 0; i < 4; i++)
        a.matrix[i] = a.slopes + t * t + i * t * a.width;
    return a;
}

static const void *element(const struct attention_shape *s, const void *x, int64_t i)
{
    return (const char *)x + i * (int64_t)dtype_bytes(s->type);
}

static void *element_out(const struct attention_shape *s, void *x, int64_t i)
{
    return (char *)x + i * (int64_t)dtype_bytes(s->type);
}

/* q, k or v (part 0, 1, 2) of the head as [t,width]. */
static const float *load_part(const struct head *a, const void *qkv, int part, float *to)
{
    a->simd->rows_to_float(a->s->type, a->s->t, a->width,
                           element(a->s, qkv, a->qkv + (int64_t)part * a->s->c), 3 * a->s->c, to);
    return to;
}

static void store_part(const struct head *a, const float *x, int part, void *dqkv)
{
    a->simd->rows_from_float(a->s->type, a->s->t, a->width, x,
                             element_out(a->s, dqkv, a->qkv + (int64_t)part * a->s->c),
                             3 * a->s->c);
}

static void load_probs(const struct head *a, const void *probs)
{
    a->simd->rows_to_float(a->s->type, a->s->t, a->s->t, element(a->s, probs, a->probs), a->s->t,
                           a->scores);
}

static float scale_of(const struct head *a)
{
    return (float)(1 / sqrt((double)a->width));
}

static void head_forward(const struct head *a, const void *qkv, void *probs, void *out)
{
    int t = a->s->t, e = a->width;
    const float *q = load_part(a, qkv, 0, a->matrix[0]), *k = load_part(a, qkv, 1, a->matrix[1]);
    const float *v = load_part(a, qkv, 2, a->matrix[2]);
    onednn_sgemm(0, 1, t, t, e, scale_of(a), q, e, k, e, 0, a->scores, t);
    a->simd->softmax(a->s->type, t, t, a->scores, element_out(a->s, probs, a->probs));
    load_probs(a, probs); /* as stored, rounded to the type */
    onednn_sgemm(0, 0, t, e, t, 1, a->scores, t, v, e, 0, a->matrix[3], e);
    a->simd->rows_from_float(a->s->type, t, e, a->matrix[3], element_out(a->s, out, a->out),
                             a->s->c);
}

static void head_backward(const struct head *a, const void *qkv, const void *probs,
                          const void *dout, void *dqkv)
{
    int t = a->s->t, e = a->width;
    float *dy = a->matrix[0], *result = a->matrix[3];
    const float *v = load_part(a, qkv, 2, a->matrix[1]);
    a->simd->rows_to_float(a->s->type, t, e, element(a->s, dout, a->out), a->s->c, dy);
    load_probs(a, probs);
    onednn_sgemm(0, 1, t, t, e, 1, dy, e, v, e, 0, a->slopes, t);
    onednn_sgemm(1, 0, t, e, t, 1, a->scores, t, dy, e, 0, result, e);
    store_part(a, result, 2, dqkv);
    a->simd->softmax_slope(t, t, scale_of(a), a->scores, a->slopes);
    const float *q = load_part(a, qkv, 0, a->matrix[1]), *k = load_part(a, qkv, 1, a->matrix[2]);
    onednn_sgemm(0, 0, t, e, t, 1, a->slopes, t, k, e, 0, result, e);
    store_part(a, result, 0, dqkv);
    onednn_sgemm(1, 0, t, e, t, 1, a->slopes, t, q, e, 0, result, e);
    store_part(a, result, 1, dqkv);
}

/* With fewer heads than threads the rest of the threads idle: few and large heads are better left
 * to one thread's matrix product than shared out by hand. */
void cpu_attention_forward(struct device *d, const struct attention_shape *s, const void *qkv,
                           void *probs, void *out)
{
    float *scratch = cpu_scratch(d, (size_t)d->threads * floats_per_thread(s) * sizeof(float));
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int task = 0; task < s->n * s->heads; task++) {
        struct head a = head_of(d, s, scratch, task, omp_get_thread_num());
        head_forward(&a, qkv, probs, out);
    }
}

void cpu_attention_backward(struct device *d, const struct attention_shape *s, const void *qkv,
                            const void *probs, const void *dout, void *dqkv)
{
    float *scratch = cpu_scratch(d, (size_t)d->threads * floats_per_thread(s) * sizeof(float));
#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (int task = 0; task < s->n * s->heads; task++) {
        struct head a = head_of(d, s, scratch, task, omp_get_thread_num());
        head_backward(&a, qkv, probs, dout, dqkv);
    }
}
