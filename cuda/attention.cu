/* SPDX-License-Identifier: Apache-2.0
 * Attention over the pixels of an image (formulas: ref_attention.c), fp32 arithmetic. Six products of matrices, each
 * batched over images and heads, by one tiled kernel that reads q, k, v, out and their gradients where they lie, as
 * they are or transposed; and two kernels that work a row of the t x t matrix a warp.
 *
 *     forward    S = q k^T / sqrt(e)           P = softmax(S)                     out = P v
 *     backward   dP = dout v^T   dv = P^T dout   dS = P (dP - <P, dP>) / sqrt(e)   dq = dS k   dk = dS^T q
 *
 * S, dP and dS are fp32 in scratch memory, for as many images at a time as keeps them in the L2 cache. Attention is
 * less than 1 % of a U-Net's arithmetic; here it runs on the ordinary fp32 units, not on the tensor cores.
 * Per number of the t x t matrix: 4 e operations forward, 8 e backward; with bf16 16 bytes forward (S written, read
 * twice; P written, read) and 28 backward (P; dP; P, dP read twice, dS written; dS twice), of which P's 2 must go
 * to memory and the rest stays in caches. Expected: 40 to 60 % of the fp32 peak in the products. Not measured on a GPU
 * yet. nvcc 13.0, sm_90: products 64 registers, rows 32 to 48, no spills; 8.5 KiB of shared memory. */
#include "pack.cuh"

enum { TILE = 64, DEPTH = 16, PITCH = TILE + 4, WARPS = THREADS / 32 };
enum { TILE_BYTES = 2 * DEPTH * PITCH * sizeof(float) };
enum { SLICE_NUMBERS = 8 << 20, MAX_BATCH = MOST_GRID_Y }; /* of the t x t matrices at a time; of a grid's z */

/* A matrix of each head of each image: row r of image i, head h begins at p + i * image + h * head + r * pitch. */
struct matrix {
    void *p;
    int64_t image, head;
    int pitch, quads; /* quads: every row begins at a multiple of four numbers */
};

template <class T> static __device__ __forceinline__ T *matrix_of(const struct matrix &m, int heads, unsigned batch)
{
    const unsigned image = batch / (unsigned)heads, head = batch % (unsigned)heads;
    return static_cast<T *>(m.p) + image * m.image + head * m.head;
}

/* Four neighbouring numbers, those past `left` as zeros. */
template <class T> static __device__ __forceinline__ void load4(const T *p, int left, int quads, float v[4])
{
    if (quads && left >= 4) {
        load_pack<4>(p, v);
    } else {
        for (int i = 0; i < 4; i++)
            v[i] = i < left ? load(p + i) : 0.0f;
    }
}

template <class T> static __device__ __forceinline__ void store4(T *p, int left, int quads, const float v[4])
{
    if (quads && left >= 4) {
        store_pack<4>(p, v);
    } else {
        for (int i = 0; i < 4; i++)
            if (i < left)
                store(p + i, v[i]);
    }
}

/* An operand's tile: TILE of its `count` rows (of A; columns of B) from `first`, DEPTH of the `depth` terms of the sum
 * from k0. Numbers of a row are neighbours in memory (BY_ROW), or those of the same k are. Each thread fetches four
 * neighbours, then puts them where tile[k][row] wants them. */
template <class T, int BY_ROW>
static __device__ __forceinline__ void fetch(const T *p, const struct matrix &m, int first, int count, int k0,
                                             int depth, float v[4])
{
    const int row = first + (BY_ROW ? (int)threadIdx.x / 4 : 4 * ((int)threadIdx.x % 16));
    const int k = k0 + (BY_ROW ? 4 * ((int)threadIdx.x % 4) : (int)threadIdx.x / 16);
    const int left = BY_ROW ? (row < count ? depth - k : 0) : (k < depth ? count - row : 0);
    load4(p + (BY_ROW ? (int64_t)row * m.pitch + k : (int64_t)k * m.pitch + row), left, m.quads, v);
}

template <int BY_ROW> static __device__ __forceinline__ void put(float *tile, const float v[4])
{
    const int row = BY_ROW ? (int)threadIdx.x / 4 : 4 * ((int)threadIdx.x % 16);
    const int k = BY_ROW ? 4 * ((int)threadIdx.x % 4) : (int)threadIdx.x / 16;
    for (int i = 0; i < 4; i++)
        tile[BY_ROW ? (k + i) * PITCH + row : k * PITCH + row + i] = v[i];
}

/* c [rows,columns] = alpha * sum over k < depth of A(row, k) B(k, column); A is stored [rows][depth] (A_BY_ROW) or
 * [depth][rows], B [columns][depth] (B_BY_COLUMN) or [depth][columns]. A block makes 64 x 64 of them, a thread 4 x 4.
 */
template <class TA, class TB, class TC, int A_BY_ROW, int B_BY_COLUMN>
static __global__ void __launch_bounds__(THREADS)
product_kernel(int heads, int rows, int columns, int depth, float alpha, struct matrix a, struct matrix b,
               struct matrix c)
{
    float *a_tile = SMEM(float), *b_tile = a_tile + DEPTH * PITCH;
    const TA *ap = matrix_of<TA>(a, heads, blockIdx.z);
    const TB *bp = matrix_of<TB>(b, heads, blockIdx.z);
    TC *cp = matrix_of<TC>(c, heads, blockIdx.z);
    const int row0 = (int)blockIdx.y * TILE, column0 = (int)blockIdx.x * TILE;
    const int row = 4 * ((int)threadIdx.x / 16), column = 4 * ((int)threadIdx.x % 16);
    float next_a[4], next_b[4], sum[4][4] = {};

    fetch<TA, A_BY_ROW>(ap, a, row0, rows, 0, depth, next_a);
    fetch<TB, B_BY_COLUMN>(bp, b, column0, columns, 0, depth, next_b);
    for (int k0 = 0; k0 < depth; k0 += DEPTH) {
        put<A_BY_ROW>(a_tile, next_a);
        put<B_BY_COLUMN>(b_tile, next_b);
        __syncthreads();
        if (k0 + DEPTH < depth) { /* on their way while this tile is worked on */
            fetch<TA, A_BY_ROW>(ap, a, row0, rows, k0 + DEPTH, depth, next_a);
            fetch<TB, B_BY_COLUMN>(bp, b, column0, columns, k0 + DEPTH, depth, next_b);
        }
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            float x[4], y[4];
            load_pack<4>(a_tile + k * PITCH + row, x);
            load_pack<4>(b_tile + k * PITCH + column, y);
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    sum[i][j] += x[i] * y[j];
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++)
            sum[i][j] *= alpha;
        const int r = row0 + row + i, left = columns - column0 - column;
        if (r < rows)
            store4(cp + (int64_t)r * c.pitch + column0 + column, left, c.quads, sum[i]);
    }
}

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
    m.quads = pitch % 4 == 0 && offset % 4 == 0 && e % 4 == 0;
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
    m.quads = s->t % 4 == 0;
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

template <class TA, class TB, class TC, int A_BY_ROW, int B_BY_COLUMN>
static void product(struct device *d, const struct attention_shape *s, int images, int columns, int depth, double alpha,
                    const struct matrix &a, const struct matrix &b, const struct matrix &c)
{
    const dim3 grid(blocks_of(columns, TILE), blocks_of(s->t, TILE), (unsigned)(images * s->heads));
    KERNEL_LAUNCH((product_kernel<TA, TB, TC, A_BY_ROW, B_BY_COLUMN>), grid, dim3(THREADS), TILE_BYTES,
                  cuda_of(d)->stream, s->heads, s->t, columns, depth, (float)alpha, a, b, c);
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
        product<float, T, T, 1, 0>(d, s, l.images, e, s->t, 1, l.scores, l.k, l.dq);
        product<float, T, T, 0, 0>(d, s, l.images, e, s->t, 1, l.scores, l.q, l.dk);
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
