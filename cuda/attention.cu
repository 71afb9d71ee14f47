/* SPDX-License-Identifier: Apache-2.0
 * Attention over the pixels of an image (formulas: ref_attention.c). Six products of matrices, each batched over images
 * and heads, which read q, k, v, out and their gradients where they lie, as they are or transposed
 * (attention_product.cuh); and two kernels that work a row of the t x t matrix a warp.
 *
 *     forward    S = q k^T / sqrt(e)           P = softmax(S)                     out = P v
 *     backward   dP = dout v^T   dv = P^T dout   dS = P (dP - <P, dP>) / sqrt(e)   dq = dS k   dk = dS^T q
 *
 * S, dP and dS are fp32 in scratch memory, for as many images at a time as keeps them in the L2 cache. They are not
 * fused into one kernel, as cuDNN and flash attention do: those end at e = 256; here e is up to 640, t only 64 to 1024.
 *
 * Per number of the t x t matrix: 4 e operations forward, 8 e backward; with bf16 16 bytes forward (S written, read
 * twice; P written, read) and 28 backward (P; dP; P, dP read twice, dS written; dS twice), of which P's 2 must go
 * to memory and the rest stays in caches. An operand of a product is read from L2 once for each 64 rows or columns of
 * the result, 32 operations a byte with bf16 (dq, dk: 21): 160 TFLOP/s (100) where L2 gives 5 TB/s, as an H100's does.
 * Expected: half of that at t = e = 256 and 16 images, where a block's four steps are mostly waiting; 40 to 60 % of the
 * fp32 peak with fp32. Not measured on a GPU yet. */
#include "attention_product.cuh"

enum { WARPS = THREADS / 32 };
enum { SLICE_NUMBERS = 8 << 20, MAX_BATCH = MOST_GRID_Y }; /* of the t x t matrices at a time; of a grid's z */

/* Over the 32 lanes, the same result in each. */
static __device__ __forceinline__ float warp_sum(float v)
{
    for (int step = 16; step; step /= 2)
        v += __shfl_xor_sync(~0u, v, step);
    return v;
}

static __device__ __forceinline__ float warp_max(float v)
{
    for (int step = 16; step; step /= 2)
        v = fmaxf(v, __shfl_xor_sync(~0u, v, step));
    return v;
}

/* probs [rows,t] = softmax of each row of scores [rows,t]; a warp a row. */
template <class T>
static __global__ void __launch_bounds__(THREADS) softmax_kernel(int64_t rows, int t, const float *scores, T *probs)
{
    const int lane = (int)threadIdx.x % 32;
    const int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    if (row >= rows)
        return;
    const float *s = scores + row * t;
    float top = -INFINITY, sum = 0;
    for (int j = lane; j < t; j += 32)
        top = fmaxf(top, s[j]);
    top = warp_max(top);
    for (int j = lane; j < t; j += 32)
        sum += expf(s[j] - top);
    const float over = 1.0f / warp_sum(sum);
    for (int j = lane; j < t; j += 32)
        store(probs + row * t + j, expf(s[j] - top) * over);
}

/* dS = scale P (dP - <P, dP>) in the place of dP, a warp a row. */
template <class T>
static __global__ void __launch_bounds__(THREADS)
score_gradient_kernel(int64_t rows, int t, float scale, const T *probs, float *dp)
{
    const int lane = (int)threadIdx.x % 32;
    const int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    if (row >= rows)
        return;
    float sum = 0;
    for (int j = lane; j < t; j += 32)
        sum += load(probs + row * t + j) * dp[row * t + j];
    sum = warp_sum(sum);
    for (int j = lane; j < t; j += 32)
        dp[row * t + j] = scale * load(probs + row * t + j) * (dp[row * t + j] - sum);
}

/* ---- launches ---- */

/* The matrices of images [first, first + images). */
struct slice {
    int images;
    struct matrix q, k, v, dq, dk, dv, out, probs, scores;
};

/* c numbers a token and image, of which a head's e begin at h * e, inside rows of `pitch`. */
template <class T>
static struct matrix tokens(const struct attention_shape *s, const void *p, int first, int pitch, int offset)
{
    const int e = s->c / s->heads;
    struct matrix m;
    m.image = (int64_t)s->t * pitch;
    m.head = e;
    m.pitch = pitch;
    m.packs = (pitch | offset | e) % (16 / (int)sizeof(T)) == 0;
    m.p = static_cast<T *>(const_cast<void *>(p)) + first * m.image + offset;
    return m;
}

template <class T> static struct matrix squares(const struct attention_shape *s, const void *p, int first)
{
    const int64_t square = (int64_t)s->t * s->t;
    struct matrix m;
    m.image = s->heads * square;
    m.head = square;
    m.pitch = s->t;
    m.packs = s->t % (16 / (int)sizeof(T)) == 0;
    m.p = static_cast<T *>(const_cast<void *>(p)) + first * m.image;
    return m;
}

static int slice_images(const struct attention_shape *s)
{
    const int64_t numbers = (int64_t)s->heads * s->t * s->t;
    int64_t images = SLICE_NUMBERS / numbers;
    images = images < MAX_BATCH / s->heads ? images : MAX_BATCH / s->heads;
    images = images < s->n ? images : s->n;
    return images > 1 ? (int)images : 1;
}

static float *scratch_of(struct device *d, const struct attention_shape *s)
{
    const size_t numbers = (size_t)slice_images(s) * (size_t)s->heads * (size_t)s->t * (size_t)s->t;
    return (float *)cuda_scratch(d, numbers * sizeof(float));
}

template <class T>
static struct slice slice_at(const struct attention_shape *s, int first, const void *qkv, const void *probs,
                             const void *out, const void *dqkv, const float *scratch)
{
    struct slice l;
    l.images = min(slice_images(s), s->n - first);
    l.q = tokens<T>(s, qkv, first, 3 * s->c, 0);
    l.k = tokens<T>(s, qkv, first, 3 * s->c, s->c);
    l.v = tokens<T>(s, qkv, first, 3 * s->c, 2 * s->c);
    l.dq = tokens<T>(s, dqkv, first, 3 * s->c, 0);
    l.dk = tokens<T>(s, dqkv, first, 3 * s->c, s->c);
    l.dv = tokens<T>(s, dqkv, first, 3 * s->c, 2 * s->c);
    l.out = tokens<T>(s, out, first, s->c, 0);
    l.probs = squares<T>(s, probs, first);
    l.scores = squares<float>(s, scratch, 0);
    return l;
}

/* Of activations T; A and c may be fp32 scratch. */
template <class T, class TA, class TC, int A_BY_ROW, int B_BY_COLUMN>
static void product(struct device *d, const struct attention_shape *s, int images, int columns, int depth, double alpha,
                    const struct matrix &a, const struct matrix &b, const struct matrix &c)
{
    const dim3 grid(blocks_of(columns, TILE), blocks_of(s->t, TILE), (unsigned)(images * s->heads));
    if constexpr (sizeof(T) == sizeof(float))
        KERNEL_LAUNCH((product_kernel<A_BY_ROW, B_BY_COLUMN>), grid, dim3(THREADS), TILE_BYTES, cuda_of(d)->stream,
                      s->heads, s->t, columns, depth, (float)alpha, a, b, c);
    else
        KERNEL_LAUNCH((tensor_product_kernel<TA, TC, A_BY_ROW, B_BY_COLUMN>), grid, dim3(TENSOR_THREADS),
                      tensor_bytes<TA>(), cuda_of(d)->stream, s->heads, s->t, columns, depth, (float)alpha, a, b, c);
    CUDA_LAUNCHED(d, "attention product");
}

static double score_scale(const struct attention_shape *s)
{
    return 1 / sqrt((double)s->c / s->heads);
}

template <class T>
static void forward(struct device *d, const struct attention_shape *s, const void *qkv, void *probs, void *out)
{
    float *scratch = scratch_of(d, s);
    const int e = s->c / s->heads;
    for (int first = 0; first < s->n; first += slice_images(s)) {
        const struct slice l = slice_at<T>(s, first, qkv, probs, out, NULL, scratch);
        const int64_t rows = (int64_t)l.images * s->heads * s->t;
        product<T, T, float, 1, 1>(d, s, l.images, s->t, e, score_scale(s), l.q, l.k, l.scores);
        KERNEL_LAUNCH((softmax_kernel<T>), dim3(blocks_of(rows, WARPS)), dim3(THREADS), 0,
                      cuda_of(d)->stream, rows, s->t, scratch, static_cast<T *>(l.probs.p));
        CUDA_LAUNCHED(d, "softmax");
        product<T, T, T, 1, 0>(d, s, l.images, e, s->t, 1, l.probs, l.v, l.out);
    }
}

template <class T>
static void backward(struct device *d, const struct attention_shape *s, const void *qkv, const void *probs,
                     const void *dout, void *dqkv)
{
    float *scratch = scratch_of(d, s);
    const int e = s->c / s->heads;
    for (int first = 0; first < s->n; first += slice_images(s)) {
        const struct slice l = slice_at<T>(s, first, qkv, probs, dout, dqkv, scratch);
        const int64_t rows = (int64_t)l.images * s->heads * s->t;
        product<T, T, T, 0, 0>(d, s, l.images, e, s->t, 1, l.probs, l.out, l.dv);
        product<T, T, float, 1, 1>(d, s, l.images, s->t, e, 1, l.out, l.v, l.scores);
        KERNEL_LAUNCH((score_gradient_kernel<T>), dim3(blocks_of(rows, WARPS)), dim3(THREADS), 0,
                      cuda_of(d)->stream, rows, s->t, (float)score_scale(s), static_cast<const T *>(l.probs.p),
                      scratch);
        CUDA_LAUNCHED(d, "score gradient");
        product<T, float, T, 1, 0>(d, s, l.images, e, s->t, 1, l.scores, l.k, l.dq);
        product<T, float, T, 0, 0>(d, s, l.images, e, s->t, 1, l.scores, l.q, l.dk);
    }
}

void cuda_attention_forward(struct device *d, const struct attention_shape *s, const void *qkv, void *probs, void *out)
{
    if ((int64_t)s->n * s->t * s->c == 0)
        return;
    if (s->type == DTYPE_F32)
        forward<float>(d, s, qkv, probs, out);
    else
        forward<__nv_bfloat16>(d, s, qkv, probs, out);
}

void cuda_attention_backward(struct device *d, const struct attention_shape *s, const void *qkv, const void *probs,
                             const void *dout, void *dqkv)
{
    if ((int64_t)s->n * s->t * s->c == 0)
        return;
    if (s->type == DTYPE_F32)
        backward<float>(d, s, qkv, probs, dout, dqkv);
    else
        backward<__nv_bfloat16>(d, s, qkv, probs, dout, dqkv);
}
