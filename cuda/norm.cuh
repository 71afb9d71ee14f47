/* SPDX-License-Identifier: Apache-2.0
 * The kernels of norm.cu, which says how they go together.
 *
 * The work is cut into slabs: the pixels of one image, a few whole groups of channels. Forward and backward are the
 * same three steps over a slab: sums over its pixels, a channel each (sum_part, sum_rows); coefficients of each channel
 * (forward_coefficients, backward_coefficients); one map of every number (map_part). The template argument B says which
 * of the two, T is the stored type and V the numbers that one instruction moves. */
#pragma once
#include "pack.cuh"

enum { MAX_CLUSTER = 8 };
enum { IN_FLIGHT = 4 };             /* packs of numbers that a thread has asked for at once */
enum { SAMPLES = 8 };               /* pixels whose mean the sums are about; a power of two */
enum { FORWARD = 0, BACKWARD = 1 }; /* template argument B */
/* Of a channel, with d = x - MEAN: a = SCALE d + OFFSET, dx = SCALE da - LEVEL - TILT d. */
enum { MEAN, SCALE, OFFSET, LEVEL, TILT, COEFFICIENTS };
/* The sums of a channel: forward of d and d^2, while MEAN is some value near the mean; backward of d, da and da d. */
enum { SUM_D, SUM_DD, SUM_DA = 1, SUM_DA_D };
static __host__ __device__ constexpr int sums_of(int backward)
{
    return backward ? SUM_DA_D + 1 : SUM_DD + 1;
}

struct norm {
    const void *x, *dy;
    void *y; /* or dx */
    /* Unless a is NULL, x or dx lies in two, its first ca channels and the others: forward x is put together from them,
     * backward they are the results and y holds what is added to them. */
    void *a, *b;
    int ca;
    const float *shift, *gamma, *beta;
    float *stats, *dshift;
    float *image_sums;   /* [n,2,c]: of da, of da xhat */
    float *part_sums;    /* streaming: [n,slabs,parts] of SUMS x channels */
    float *coefficients; /* streaming: [n,slabs] of COEFFICIENTS x channels */
    int n, hw, c, width; /* width: channels of a group */
    int silu, accumulate;
    float eps;
    int slab, slabs, parts, pixels; /* channels of a slab, slabs of an image, parts of a slab, pixels of a part */
};

/* What a block works on: pixels [pixel, pixel + pixels) of channels [first, first + channels) of an image. */
struct place {
    int image, part, pixel, pixels, first, channels;
    int64_t slab; /* number of the slab in the batch */
};

static __device__ struct place place_of(const struct norm &k, unsigned block)
{
    struct place at;
    at.part = (int)(block % (unsigned)k.parts);
    at.slab = block / (unsigned)k.parts;
    at.image = (int)(at.slab / k.slabs);
    at.first = (int)(at.slab % k.slabs) * k.slab;
    at.channels = min(k.slab, k.c - at.first);
    at.pixel = min(at.part * k.pixels, k.hw);
    at.pixels = min(k.pixels, k.hw - at.pixel);
    return at;
}

/* With bf16 the GPU's quick exponential and division, good to 2^-20 while |a| < 10; with fp32 the library's. */
template <class T> static __device__ __forceinline__ float sigmoid(float a)
{
    if (sizeof(T) == sizeof(float))
        return 1.0f / (1.0f + expf(-a));
    return __fdividef(1.0f, 1.0f + __expf(-a));
}

/* dL/da: dy, through SiLU if there is one */
template <class T> static __device__ __forceinline__ float affine_gradient(int silu, float a, float dy)
{
    if (!silu)
        return dy;
    float s = sigmoid<T>(a);
    return dy * s * (1.0f + a * (1.0f - s));
}

/* V neighbouring floats, four at a time. */
template <int V> static __device__ __forceinline__ void load_floats(const float *p, float v[V])
{
    constexpr int W = V < 4 ? V : 4;
#pragma unroll
    for (int i = 0; i < V; i += W)
        load_pack<W>(p + i, v + i);
}

template <int V> static __device__ __forceinline__ void store_floats(float *p, const float v[V])
{
    constexpr int W = V < 4 ? V : 4;
#pragma unroll
    for (int i = 0; i < V; i += W)
        store_pack<W>(p + i, v + i);
}

/* How the threads share a part: thread `row`, `column` takes vector `column` of every rows-th pixel; those left over
 * have row >= rows and nothing to do. Slabs wider than the block are gone through in steps of `span` columns. */
struct share {
    int columns, span, rows, row, column;
};

static __device__ struct share share_of(const struct place &at, int vector)
{
    struct share t;
    t.columns = at.channels / vector;
    t.span = min(t.columns, (int)THREADS);
    t.rows = THREADS / t.span;
    t.row = (int)threadIdx.x / t.span;
    t.column = (int)threadIdx.x % t.span;
    return t;
}

/* Vector 0 of a column of the part: of p, or of the one of a and b that has it; neighbouring pixels are `pitch` apart. */
template <class T, int V>
static __device__ __forceinline__ pack<T, V> *column_of(const struct norm &k, const struct place &at, int column,
                                                        void *p, int64_t *pitch)
{
    int c = at.first + column * V, channels = k.c;
    if (k.a && c < k.ca) {
        p = k.a;
        channels = k.ca;
    } else if (k.a) {
        p = k.b;
        c -= k.ca;
        channels = k.c - k.ca;
    }
    *pitch = channels / V;
    return static_cast<pack<T, V> *>(p) + ((int64_t)at.image * k.hw + at.pixel) * *pitch + c / V;
}

/* A part's sums of each channel, one row of `buffer` [rows][SUMS][channels] a thread row. x and dy are also left in
 * stage [1 + B][k.pixels][columns], unless NULL. */
template <class T, int V, int B>
static __device__ __forceinline__ void sum_part(const struct norm &k, const struct place &at, const float *coefficients,
                                                pack<T, V> *stage, float *buffer)
{
    constexpr int SUMS = sums_of(B), BATCH = IN_FLIGHT / (1 + B);
    const struct share t = share_of(at, V);
    const int64_t pitch = k.c / V, begin = ((int64_t)at.image * k.hw + at.pixel) * pitch + at.first / V;
    const pack<T, V> *whole = static_cast<const pack<T, V> *>(k.x) + begin;
    const pack<T, V> *dys = B ? static_cast<const pack<T, V> *>(k.dy) + begin : NULL;
    for (int column = t.column; t.row < t.rows && column < t.columns; column += t.span) {
        float mean[V], scale[V] = {}, offset[V] = {}, sum[SUMS][V] = {};
        int64_t x_pitch = pitch;
        const pack<T, V> *xs =
            B ? whole + column : column_of<T, V>(k, at, column, const_cast<void *>(k.x), &x_pitch);
        pack<T, V> *put = !B && k.a ? const_cast<pack<T, V> *>(whole) + column : NULL;
        load_floats<V>(coefficients + MEAN * at.channels + column * V, mean);
        if (B) {
            load_floats<V>(coefficients + SCALE * at.channels + column * V, scale);
            load_floats<V>(coefficients + OFFSET * at.channels + column * V, offset);
        }
        for (int p = t.row; p < at.pixels; p += BATCH * t.rows) {
            pack<T, V> x[BATCH], dy[BATCH];
#pragma unroll
            for (int b = 0; b < BATCH; b++)
                if (p + b * t.rows < at.pixels) {
                    x[b] = xs[(p + b * t.rows) * x_pitch];
                    if (B)
                        dy[b] = dys[(p + b * t.rows) * pitch + column];
                }
#pragma unroll
            for (int b = 0; b < BATCH; b++) {
                if (p + b * t.rows >= at.pixels)
                    continue;
                if (put)
                    put[(p + b * t.rows) * pitch] = x[b];
                if (stage)
                    stage[(p + b * t.rows) * t.columns + column] = x[b];
                if (stage && B)
                    stage[(k.pixels + p + b * t.rows) * t.columns + column] = dy[b];
#pragma unroll
                for (int i = 0; i < V; i++) {
                    float d = load(&x[b].v[i]) - mean[i];
                    sum[SUM_D][i] += d;
                    if (B) {
                        float da = affine_gradient<T>(k.silu, scale[i] * d + offset[i], load(&dy[b].v[i]));
                        sum[SUM_DA][i] += da;
                        sum[SUMS - 1][i] += da * d;
                    } else {
                        sum[SUM_DD][i] += d * d;
                    }
                }
            }
        }
#pragma unroll
        for (int s = 0; s < SUMS; s++)
            store_floats<V>(buffer + (t.row * SUMS + s) * at.channels + column * V, sum[s]);
    }
}

/* The first row of buffer [rows][count] becomes the sum of the rows. */
static __device__ void sum_rows(float *buffer, int rows, int count)
{
    const int strips = max(1, min(rows, THREADS / count));
    __syncthreads();
    for (int e = (int)threadIdx.x; e < strips * count; e += THREADS) {
        float sum = 0; /* of the rows e/count, e/count + strips, ..., which no other thread reads */
        for (int i = e; i < rows * count; i += strips * count)
            sum += buffer[i];
        buffer[e] = sum;
    }
    __syncthreads();
    for (int e = (int)threadIdx.x; e < count; e += THREADS) {
        float sum = 0;
        for (int i = e; i < strips * count; i += count)
            sum += buffer[i];
        buffer[e] = sum;
    }
    __syncthreads();
}

/* mean and rstd of the group of the slab's channel i */
static __device__ __forceinline__ float *stat_of(const struct norm &k, const struct place &at, int i)
{
    return k.stats + 2 * ((int64_t)at.image * (k.c / k.width) + (at.first + i) / k.width);
}

static __device__ __forceinline__ float shift_of(const struct norm &k, const struct place &at, int i)
{
    return k.shift ? k.shift[(int64_t)at.image * k.c + at.first + i] : 0.0f;
}

/* What the sums need to know. Forward a value near the mean: that of a few pixels, spread so that with the usual sides
 * of images they are not all of the edge. */
template <class T, int B>
static __device__ void first_coefficients(const struct norm &k, const struct place &at, float *coefficients)
{
    for (int i = (int)threadIdx.x; i < at.channels; i += THREADS) {
        const int c = at.first + i;
        if (B) {
            const float *stat = stat_of(k, at, i);
            coefficients[MEAN * at.channels + i] = stat[0] - shift_of(k, at, i);
            coefficients[SCALE * at.channels + i] = k.gamma[c] * stat[1];
            coefficients[OFFSET * at.channels + i] = k.beta[c];
        } else {
            int64_t pitch;
            const struct place whole_image = {at.image, 0, 0, k.hw, at.first, at.channels, at.slab};
            const pack<T, 1> *x = column_of<T, 1>(k, whole_image, i, const_cast<void *>(k.x), &pitch);
            float sum = 0;
            for (int j = 0; j < SAMPLES; j++)
                sum += load(x[((int64_t)j * k.hw + k.hw / 3) / SAMPLES * pitch].v);
            coefficients[MEAN * at.channels + i] = sum / SAMPLES;
        }
    }
    __syncthreads();
}

/* Coefficients of the map from the sums of the whole slab, a group a thread. The first part's block writes results. */
static __device__ void forward_coefficients(const struct norm &k, const struct place &at, const float *sums,
                                            float *coefficients)
{
    const double per_pixel = 1.0 / k.hw;
    for (int begin = (int)threadIdx.x * k.width; begin < at.channels; begin += THREADS * k.width) {
        double mean = 0, squares = 0;
        for (int i = begin; i < begin + k.width; i++)
            mean += (double)coefficients[i] + sums[i] * per_pixel + shift_of(k, at, i);
        mean /= k.width;
        for (int i = begin; i < begin + k.width; i++) {
            double d = sums[i], off = (double)coefficients[i] + d * per_pixel + shift_of(k, at, i) - mean;
            squares += sums[SUM_DD * at.channels + i] - d * d * per_pixel + k.hw * off * off;
        }
        const float stored = (float)mean;
        const float rstd = 1.0f / sqrtf(fmaxf((float)(squares * per_pixel / k.width), 0.0f) + k.eps);
        for (int i = begin; i < begin + k.width; i++) {
            coefficients[MEAN * at.channels + i] = stored - shift_of(k, at, i);
            coefficients[SCALE * at.channels + i] = k.gamma[at.first + i] * rstd;
            coefficients[OFFSET * at.channels + i] = k.beta[at.first + i];
        }
        if (at.part == 0) {
            stat_of(k, at, begin)[0] = stored;
            stat_of(k, at, begin)[1] = rstd;
        }
    }
}

static __device__ void backward_coefficients(const struct norm &k, const struct place &at, const float *sums,
                                             float *coefficients)
{
    for (int begin = (int)threadIdx.x * k.width; begin < at.channels; begin += THREADS * k.width) {
        const double rstd = stat_of(k, at, begin)[1];
        const double count = (double)k.hw * k.width;
        double level = 0, tilt = 0; /* means over the group of gamma da and gamma da xhat, times rstd */
        for (int i = begin; i < begin + k.width; i++) {
            double scale = coefficients[SCALE * at.channels + i];
            level += scale * sums[SUM_DA * at.channels + i];
            tilt += scale * sums[SUM_DA_D * at.channels + i];
        }
        level /= count;
        tilt *= rstd * rstd / count;
        for (int i = begin; i < begin + k.width; i++) {
            const int c = at.first + i;
            coefficients[LEVEL * at.channels + i] = (float)level;
            coefficients[TILT * at.channels + i] = (float)tilt;
            if (at.part == 0) {
                double da = sums[SUM_DA * at.channels + i], scale = coefficients[SCALE * at.channels + i];
                k.image_sums[2 * (int64_t)at.image * k.c + c] = (float)da;
                k.image_sums[(2 * (int64_t)at.image + 1) * k.c + c] = (float)(sums[SUM_DA_D * at.channels + i] * rstd);
                if (k.dshift)
                    k.dshift[(int64_t)at.image * k.c + c] = (float)(scale * da - k.hw * level - tilt * sums[i]);
            }
        }
    }
}

/* y or dx of a part from x (and dy), which lie at `xs`, `dys` with `pitch` vectors from pixel to pixel. */
template <class T, int V, int B>
static __device__ __forceinline__ void map_part(const struct norm &k, const struct place &at, const float *coefficients,
                                                const pack<T, V> *xs, const pack<T, V> *dys, int64_t pitch)
{
    constexpr int BATCH = IN_FLIGHT / (1 + B);
    const struct share t = share_of(at, V);
    const int64_t whole_pitch = k.c / V;
    pack<T, V> *whole =
        static_cast<pack<T, V> *>(k.y) + ((int64_t)at.image * k.hw + at.pixel) * whole_pitch + at.first / V;
    for (int column = t.column; t.row < t.rows && column < t.columns; column += t.span) {
        float coefficient[COEFFICIENTS][V];
        int64_t y_pitch = whole_pitch;
        pack<T, V> *ys = B ? column_of<T, V>(k, at, column, k.y, &y_pitch) : whole + column;
#pragma unroll
        for (int j = 0; j < (B ? COEFFICIENTS : OFFSET + 1); j++)
            load_floats<V>(coefficients + j * at.channels + column * V, coefficient[j]);
        for (int p = t.row; p < at.pixels; p += BATCH * t.rows) {
            pack<T, V> x[BATCH], dy[BATCH], old[BATCH];
#pragma unroll
            for (int b = 0; b < BATCH; b++)
                if (p + b * t.rows < at.pixels) {
                    x[b] = xs[(p + b * t.rows) * pitch + column];
                    if (B)
                        dy[b] = dys[(p + b * t.rows) * pitch + column];
                    if (B && k.accumulate)
                        old[b] = whole[(p + b * t.rows) * whole_pitch + column];
                }
#pragma unroll
            for (int b = 0; b < BATCH; b++) {
                pack<T, V> y;
                if (p + b * t.rows >= at.pixels)
                    continue;
#pragma unroll
                for (int i = 0; i < V; i++) {
                    float d = load(&x[b].v[i]) - coefficient[MEAN][i];
                    float a = coefficient[SCALE][i] * d + coefficient[OFFSET][i];
                    if (B) {
                        float da = affine_gradient<T>(k.silu, a, load(&dy[b].v[i]));
                        float dx = coefficient[SCALE][i] * da - coefficient[LEVEL][i] - coefficient[TILT][i] * d;
                        store(&y.v[i], k.accumulate ? dx + load(&old[b].v[i]) : dx);
                    } else {
                        store(&y.v[i], k.silu ? a * sigmoid<T>(a) : a);
                    }
                }
                ys[(p + b * t.rows) * y_pitch] = y;
            }
        }
    }
}

/* ---- resident: a block, or a cluster of k.parts, has a slab in shared memory ---- */

/* Shared memory, in floats: coefficients, sums of the cluster, buffer of sum_part; behind them the numbers. */
static __host__ __device__ inline int small_floats(int slab, int vector, int sums)
{
    int floats = (COEFFICIENTS + sums) * slab + sums * (slab > THREADS * vector ? slab : THREADS * vector);
    return (floats + 3) / 4 * 4;
}

template <class T, int V, int B>
static __global__ void __launch_bounds__(THREADS, 2) resident_kernel(struct norm k)
{
    constexpr int SUMS = sums_of(B);
    const struct place at = place_of(k, blockIdx.x);
    const struct share t = share_of(at, V);
    float *coefficients = SMEM(float), *totals = coefficients + COEFFICIENTS * k.slab, *buffer = totals + SUMS * k.slab;
    pack<T, V> *stage = reinterpret_cast<pack<T, V> *>(coefficients + small_floats(k.slab, V, SUMS));

    first_coefficients<T, B>(k, at, coefficients);
    sum_part<T, V, B>(k, at, coefficients, stage, buffer);
    sum_rows(buffer, t.rows, SUMS * at.channels);
    if (k.parts > 1) {
        cluster_sync();
        for (int e = (int)threadIdx.x; e < SUMS * at.channels; e += THREADS) {
            totals[e] = 0;
            for (int rank = 0; rank < k.parts; rank++)
                totals[e] += cluster_map(buffer, (unsigned)rank)[e];
        }
        cluster_sync(); /* a block that ended would take its sums with it */
    }
    if (B)
        backward_coefficients(k, at, k.parts > 1 ? totals : buffer, coefficients);
    else
        forward_coefficients(k, at, k.parts > 1 ? totals : buffer, coefficients);
    __syncthreads();
    map_part<T, V, B>(k, at, coefficients, stage, stage + k.pixels * t.columns, t.columns);
}

/* ---- streaming ---- */

template <class T, int V, int B> static __global__ void __launch_bounds__(THREADS) sum_kernel(struct norm k)
{
    constexpr int SUMS = sums_of(B);
    const struct place at = place_of(k, blockIdx.x);
    float *coefficients = SMEM(float), *buffer = coefficients + COEFFICIENTS * k.slab;
    first_coefficients<T, B>(k, at, coefficients);
    sum_part<T, V, B>(k, at, coefficients, NULL, buffer);
    sum_rows(buffer, share_of(at, V).rows, SUMS * at.channels);
    float *out = k.part_sums + at.slab * k.parts * SUMS * k.slab + (int64_t)at.part * SUMS * at.channels;
    for (int e = (int)threadIdx.x; e < SUMS * at.channels; e += THREADS)
        out[e] = buffer[e];
}

/* A block a slab. */
template <class T, int B> static __global__ void __launch_bounds__(THREADS) coefficient_kernel(struct norm k)
{
    constexpr int SUMS = sums_of(B);
    const struct place at = place_of(k, blockIdx.x * (unsigned)k.parts);
    float *sums = k.part_sums + at.slab * k.parts * SUMS * k.slab;
    float *coefficients = k.coefficients + at.slab * COEFFICIENTS * k.slab;
    first_coefficients<T, B>(k, at, coefficients);
    sum_rows(sums, k.parts, SUMS * at.channels);
    if (B)
        backward_coefficients(k, at, sums, coefficients);
    else
        forward_coefficients(k, at, sums, coefficients);
}

template <class T, int V, int B> static __global__ void __launch_bounds__(THREADS) map_kernel(struct norm k)
{
    const struct place at = place_of(k, gridDim.x - 1 - blockIdx.x);
    const int64_t pitch = k.c / V, begin = ((int64_t)at.image * k.hw + at.pixel) * pitch + at.first / V;
    const pack<T, V> *xs = static_cast<const pack<T, V> *>(k.x), *dys = static_cast<const pack<T, V> *>(k.dy);
    const float *coefficients = k.coefficients + at.slab * COEFFICIENTS * k.slab;
    map_part<T, V, B>(k, at, coefficients, xs + begin, B ? dys + begin : NULL, pitch);
}

/* dbeta += sum over the images of da, dgamma += that of da xhat: 32 channels a block, images in 8 strips. */
static __global__ void __launch_bounds__(THREADS) parameter_kernel(struct norm k, float *dgamma, float *dbeta)
{
    float *buffer = SMEM(float); /* [8][2][32] */
    const int strip = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, c = (int)blockIdx.x * 32 + lane;
    float sum[2] = {};
    for (int image = strip; c < k.c && image < k.n; image += 8)
        for (int s = 0; s < 2; s++)
            sum[s] += k.image_sums[(2 * (int64_t)image + s) * k.c + c];
    for (int s = 0; s < 2; s++)
        buffer[(strip * 2 + s) * 32 + lane] = sum[s];
    sum_rows(buffer, 8, 64);
    if (strip == 0 && c < k.c) {
        dbeta[c] += buffer[lane];
        dgamma[c] += buffer[32 + lane];
    }
}
