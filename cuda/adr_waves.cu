/* SPDX-License-Identifier: Apache-2.0
 * adr_waves: random phases, their turning with time, and sums of waves over a square as two matrix products a field.
 * A field is sum over (ky, kx) of coefficient[ky, kx] wave_kx(x) wave_ky(y); the waves of full modes are cos and sin of
 * 2 pi m x, so that a sum over modes of either sign is real products of the same kind (device/cpu_adr_waves.c).
 *
 * Work of a field of L px with all its modes, for each part: the two products, thanks to the waves' symmetry L^3 FMA
 * each over 2, are L^3 FMA; rotate moves 12 L^2 bytes (4 while the second cache keeps parts a and b
 * from hold to hold), the products 4 x 4 L^2. The product's tile is 4 x 4 outputs a thread, twice for even and odd
 * waves, with 2 shared vector loads for 16 FMA: half of the fp32 peak is expected of it at 128 px, memory bound below
 * 64 px. Not measured on a GPU yet. */
#include "adr_items.cuh"
#include "base/rng.h"

/* cos and sin of 2 pi t. */
static __device__ __forceinline__ void turn(float t, float *c, float *s)
{
    sincospif(2.0f * t, s, c);
}

static __device__ float phase_turns(uint64_t seed, enum rng_stream stream, uint64_t key, int m, int n)
{
    uint32_t column = (uint32_t)(n + 32768);
    struct rng4 word = rng_draw(seed, stream, key, (uint32_t)(m + 32768), column / 4);
    return rng_uniform(word.v[column % 4]);
}

/* Mode (m, n), m along x: a cos(phi + kappa theta) = (a cos phi) cos - (a sin phi) sin. */
static __global__ void sine_phases(struct adr_flow f)
{
    int at = (int)(blockIdx.x * blockDim.x + threadIdx.x), field = (int)blockIdx.y;
    if (at >= f.most * f.most)
        return;
    int m = at % f.most + 1, n = at / f.most + 1;
    float c, s, a = f.amplitude[(m - 1) * f.side + n - 1];
    turn(phase_turns(f.seed, RNG_PHASE_X, f.key[field], m, n), &c, &s);
    int64_t to = (int64_t)field * f.count * f.count + f.cosine[n] * f.count + f.cosine[m];
    f.part_a[to] = a * c;
    f.part_b[to] = -a * s;
}

/* Modes (+-m, +-n): the sum of (wr + i wi) e^(i phi) e^(2 pi i (m x + n y)), real part, as coefficients of
 * cos cos, sin sin, sin cos, cos sin (along x, along y). Every wave pair belongs to one thread. */
static __global__ void full_phases(struct adr_flow f)
{
    const float two_pi = 6.28318530717958647693f;
    int at = (int)(blockIdx.x * blockDim.x + threadIdx.x), field = (int)blockIdx.y, part = (int)blockIdx.z;
    int wide = f.most + 1, low = (f.side + 1) / 2 - f.side, high = (f.side + 1) / 2 - 1;
    if (at >= wide * wide)
        return;
    int m = at % wide, n = at / wide, solenoidal = f.kind == VELOCITY_SOLENOIDAL;
    enum rng_stream stream = part && !solenoidal ? RNG_PHASE_Y : RNG_PHASE_X;
    float a[4] = {0, 0, 0, 0}, b[4] = {0, 0, 0, 0};
    for (int sign = 0; sign < 4; sign++) {
        int sm = sign & 1 ? -1 : 1, sn = sign & 2 ? -1 : 1, mode_m = sm * m, mode_n = sn * n;
        if ((m == 0 && sm < 0) || (n == 0 && sn < 0) || mode_m < low || mode_m > high || mode_n < low || mode_n > high)
            continue;
        float w = f.amplitude[(mode_n + f.side) % f.side * f.side + (mode_m + f.side) % f.side], c, s;
        if (w == 0)
            continue;
        turn(phase_turns(f.seed, stream, f.key[field], mode_m, mode_n), &c, &s);
        float re = w * c, im = w * s;
        if (solenoidal) { /* v_x = d psi/dy, v_y = -d psi/dx: times i 2 pi n, -i 2 pi m */
            float k = part ? -two_pi * (float)mode_m : two_pi * (float)mode_n, keep = re;
            re = -k * im;
            im = k * keep;
        }
        float fm = (float)sm, fn = (float)sn;
        a[0] += re, b[0] -= im;
        a[1] -= fm * fn * re, b[1] += fm * fn * im;
        a[2] -= fm * im, b[2] -= fm * re;
        a[3] -= fn * im, b[3] -= fn * re;
    }
    int cm = f.cosine[m], cn = f.cosine[n], zm = f.sine[m], zn = f.sine[n];
    int along_x[4] = {cm, zm, zm, cm}, along_y[4] = {cn, zn, cn, zn};
    int64_t from = ((int64_t)field * f.parts + part) * f.count * f.count;
    for (int i = 0; i < 4; i++)
        if (along_x[i] >= 0 && along_y[i] >= 0) {
            f.part_a[from + along_y[i] * f.count + along_x[i]] = a[i];
            f.part_b[from + along_y[i] * f.count + along_x[i]] = b[i];
        }
}

extern "C" void cuda_adr_phases(struct device *d, const struct adr_flow *f)
{
    enum { THREADS = 128 };
    if (f->parts == 0 || f->fields == 0)
        return;
    int sine = f->parts == 1, wide = sine ? f->most : f->most + 1;
    dim3 grid((unsigned)(wide * wide + THREADS - 1) / THREADS, (unsigned)f->fields, (unsigned)f->parts);
    KERNEL_LAUNCH((sine ? sine_phases : full_phases), grid, dim3(THREADS), 0, cuda_of(d)->stream, *f);
    CUDA_LAUNCHED(d, "adr_phases");
}

/* coefficient = a cos(kappa theta) + b sin(kappa theta) of TURNED items; the angle in double, once for those of one
 * hold. */
enum { TURNED = 8 };
static __global__ void rotate(struct adr_flow f, struct adr_launch l)
{
    int at = (int)(blockIdx.y * blockDim.x + threadIdx.x), waves = f.count * f.count, turned = -1;
    if (at >= waves)
        return;
    int item = (int)blockIdx.x * TURNED, end = item + TURNED < l.items ? item + TURNED : l.items;
    float c = 0, s = 0;
    for (int hold = hold_of(f.begin, &l, item); item < end; item++) {
        hold += l.begin + item >= f.begin[hold + 1];
        if (hold != turned) {
            double t = f.turns[at] * f.hold[hold].theta;
            turn((float)(t - rint(t)), &c, &s);
            turned = hold;
        }
        int64_t from = (int64_t)(l.begin + item - f.begin[hold]) * f.parts * waves + at;
        float *to = f.coefficient + (int64_t)item * f.parts * waves + at;
        for (int part = 0; part < f.parts; part++)
            to[part * waves] = f.part_a[from + part * waves] * c + f.part_b[from + part * waves] * s;
    }
}

/* One tile of TR rows and TC columns (of one half of the cells), 4 x 4 of each a thread: K is gone through in pieces of
 * TK, first the even waves, then the odd ones into a second sum. `across`: neighbouring rows, not columns, are
 * neighbours in memory (in and out). */
enum { TK = 16 };
template <int TR, int TC>
static __global__ void transform(struct adr_waves_table w, int64_t rows, int rows_each, int across, struct adr_rows in,
                                 struct adr_rows out)
{
    constexpr int THREADS = TR * TC / 16;
    float *row_tile = SMEM(float), *wave_tile = row_tile + TK * (TR + 4); /* [TK][TR + 4], [TK][TC] */
    int thread = (int)threadIdx.x, tr = across ? thread % (TR / 4) : thread / (TC / 4);
    int tc = across ? thread / (TR / 4) : thread % (TC / 4);
    int half = w.symmetric ? (w.n + 1) / 2 : w.n, first_column = (int)blockIdx.y * TC;
    int64_t first_row = (int64_t)blockIdx.x * TR;
    float sum[2][4][4] = {};
#pragma unroll
    for (int parity = 0; parity < 2; parity++) {
        int k0 = parity ? w.even : 0, k1 = parity ? w.even + w.odd : w.even;
        for (int k = k0; k < k1; k += TK) {
            __syncthreads();
            for (int e = thread; e < TR * TK; e += THREADS) {
                int i = across ? e % TR : e / TK, j = across ? e / TR : e % TK;
                int64_t r = first_row + i;
                float value = 0;
                if (r < rows && k + j < k1)
                    value = in.at[r / rows_each * in.matrix + r % rows_each * in.row + (int64_t)(k + j) * in.column];
                row_tile[j * (TR + 4) + i] = value;
            }
            for (int e = thread; e < TC * TK; e += THREADS) {
                int i = e % TC, j = e / TC;
                wave_tile[j * TC + i] =
                    k + j < k1 && first_column + i < half ? w.table[(k + j) * w.columns + first_column + i] : 0.0f;
            }
            __syncthreads();
#pragma unroll 4
            for (int j = 0; j < TK; j++) {
                float4 a = *(const float4 *)&row_tile[j * (TR + 4) + 4 * tr];
                float4 b = *(const float4 *)&wave_tile[j * TC + 4 * tc];
                float x[4] = {a.x, a.y, a.z, a.w}, y[4] = {b.x, b.y, b.z, b.w};
                for (int i = 0; i < 4; i++)
                    for (int c = 0; c < 4; c++)
                        sum[parity][i][c] = fmaf(x[i], y[c], sum[parity][i][c]);
            }
        }
    }
    for (int i = 0; i < 4; i++)
        for (int c = 0; c < 4; c++) {
            int64_t r = first_row + 4 * tr + i;
            int column = first_column + 4 * tc + c;
            if (r >= rows || column >= half)
                continue;
            float *to = out.at + r / rows_each * out.matrix + r % rows_each * out.row;
            float even = sum[0][i][c], odd = sum[1][i][c];
            to[(int64_t)column * out.column] = even + odd;
            if (w.symmetric && 2 * column + 1 != w.n)
                to[(int64_t)(w.n - 1 - column) * out.column] = even - odd;
        }
}

extern "C" void cuda_adr_transform(struct device *d, const struct adr_waves_table *w, int64_t matrices, int rows,
                                   struct adr_rows in, struct adr_rows out)
{
    int half = w->symmetric ? (w->n + 1) / 2 : w->n, across = in.row == 1, narrow = half <= 16;
    int tr = narrow ? 128 : 64, tc = narrow ? 16 : 32;
    int64_t all = matrices * rows;
    if (all == 0)
        return;
    dim3 grid((unsigned)((all + tr - 1) / tr), (unsigned)((half + tc - 1) / tc));
    size_t smem = (size_t)TK * (size_t)(tr + 4 + tc) * sizeof(float);
    if (narrow)
        KERNEL_LAUNCH((transform<128, 16>), grid, dim3(128), smem, cuda_of(d)->stream, *w, all, rows, across, in, out);
    else
        KERNEL_LAUNCH((transform<64, 32>), grid, dim3(128), smem, cuda_of(d)->stream, *w, all, rows, across, in, out);
    CUDA_LAUNCHED(d, "adr_transform");
}

static void sums_by_products(struct device *d, const struct adr_flow *f, const struct adr_launch *l)
{
    enum { THREADS = 128 };
    int side = f->side, count = f->count, waves = count * count;
    int64_t matrices = (int64_t)l->items * f->parts;
    dim3 grid((unsigned)(l->items + TURNED - 1) / TURNED, (unsigned)(waves + THREADS - 1) / THREADS);
    KERNEL_LAUNCH(rotate, grid, dim3(THREADS), 0, cuda_of(d)->stream, *f, *l);
    CUDA_LAUNCHED(d, "adr_rotate");
    struct adr_rows coefficient = {f->coefficient, waves, count, 1};
    struct adr_rows middle = {f->middle, (int64_t)count * side, side, 1};
    struct adr_rows columns = {f->middle, (int64_t)count * side, 1, side};
    struct adr_rows sums = {f->parts == 1 ? f->psi : f->v, (int64_t)side * side, 1, side};
    cuda_adr_transform(d, &f->waves, matrices, count, coefficient, middle);
    cuda_adr_transform(d, &f->waves, matrices, side, columns, sums);
}

extern "C" void cuda_adr_sums(struct device *d, const struct adr_flow *f, const struct adr_launch *l)
{
    if (f->fft)
        adr_fft_sums(d, f, l);
    else
        sums_by_products(d, f, l);
}
