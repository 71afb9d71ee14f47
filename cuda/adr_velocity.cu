/* SPDX-License-Identifier: Apache-2.0
 * adr_velocity: sums of waves to velocities in lattice units (definitions: device/turbulence.h): the solver's curl of
 * psi, one scale from the variance, limits, and what the statistics want to know.
 *
 * A block takes ADR_CHUNK cells of an item, a thread CX neighbouring ones at a time (16 bytes where the side is a
 * multiple of 4). A field of several chunks is measured by a first kernel and brought to size by a second, which adds
 * the sums of its chunks in order; a field of one chunk (up to 64 px) is measured and brought to size by one block.
 *
 * Bytes a cell: psi 4 in each pass and v 8 written, 16. Psi has just been made and is a fifth of what a launch makes
 * (13 of 64 MiB at 128 px), so the second cache should have it, and the first cache in a field of one chunk: 12 of main
 * memory. (One block of 256 threads a field, as this was, moved 28: v was written, read and written again.) 300 fields
 * of 128 px are 1200 blocks, of which a multiprocessor holds six (40 registers): 6 x 256 x 16 bytes = 24 KB under way
 * while psi is read, of some 40 KB that an H100 needs from main memory and less from its second cache; 2.4 KB with one
 * block a field. The curl of 4 cells takes 9 loads. Sums in double (two FMA a cell). Memory bound at every size; about
 * 70 % of the bandwidth is expected. Not measured on a GPU yet.
 *
 * Small images (expected, at 2.1 TB/s): turning, two products and this file move 12 + 16 + 12 = 40 bytes a cell and
 * hold in four launches of hundreds of fields each, 78 ns a field of 64 px, where the lattice steps of three channels
 * take some 20 ns a hold (K = 200, drifting flow): fields are most of the process there, and bandwidth their limit. One
 * block a field with everything in shared memory would move 16 bytes, 31 ns, but still issue a million instructions a
 * field (turning 0.2, products 0.4, curl, sums and limits 0.4), 60 ns at half the issue rate: a gain of 1.3. Not done
 * before a GPU has said where the time goes. */
#include "adr_strip.cuh"

enum { THREADS = 256 };

/* v_x = D_y psi, v_y = -D_x psi by the solver's stencil; psi is odd about the walls. */
template <int CX>
static __device__ __forceinline__ void curl(const float *psi, int side, float cs2, int x, int y, float (&vx)[CX],
                                            float (&vy)[CX])
{
    float s = cs2 / 2, c = 1 - cs2, g[3][CX + 2];
#pragma unroll
    for (int j = 0; j < 3; j++) {
        int row = y + j - 1, inside = row < 0 ? 0 : row >= side ? side - 1 : row;
        const float *from = psi + inside * side + x;
        float own[CX], sign = inside == row ? 1.0f : -1.0f;
        load_row<CX>(from, own);
        g[j][0] = sign * (x > 0 ? from[-1] : -own[0]);
        g[j][CX + 1] = sign * (x + CX < side ? from[CX] : -own[CX - 1]);
#pragma unroll
        for (int i = 0; i < CX; i++)
            g[j][1 + i] = sign * own[i];
    }
#pragma unroll
    for (int i = 0; i < CX; i++) {
        float along_x = c * (g[2][i + 1] - g[0][i + 1]) + s * ((g[2][i] - g[0][i]) + (g[2][i + 2] - g[0][i + 2]));
        float along_y = c * (g[1][i + 2] - g[1][i]) + s * ((g[0][i + 2] - g[0][i]) + (g[2][i + 2] - g[2][i]));
        vx[i] = 0.5f * along_x;
        vy[i] = -0.5f * along_y;
    }
}

/* Velocity of CX cells from `at` on before its scale. */
template <int CX>
static __device__ __forceinline__ void raw_velocity(const struct adr_flow *f, const struct adr_hold *hold, int item,
                                                    int at, float (&vx)[CX], float (&vy)[CX])
{
    int cells = f->side * f->side;
    if (f->parts == 1) {
        curl<CX>(f->psi + (int64_t)item * cells, f->side, hold->cs2, at % f->side, at / f->side, vx, vy);
    } else {
        const float *v = f->parts ? f->v + (int64_t)item * 2 * cells : f->given + (int64_t)hold->frame * 2 * cells;
        load_row<CX>(v + at, vx);
        load_row<CX>(v + cells + at, vy);
    }
}

static __host__ __device__ __forceinline__ int chunks_of(int side) { return (side * side + ADR_CHUNK - 1) / ADR_CHUNK; }

/* A thread's first cell of a chunk, and the chunk's end; it goes on by CX * THREADS. */
template <int CX> static __device__ __forceinline__ int first_cell(int chunk)
{
    return chunk * ADR_CHUNK + (int)threadIdx.x * CX;
}
static __device__ __forceinline__ int end_cell(int side, int chunk)
{
    return min(side * side, (chunk + 1) * ADR_CHUNK);
}

/* Sum or largest of one number a thread, the same for all; shared [THREADS / 32]. */
static __device__ double block_reduce(double value, int largest, double *shared)
{
    for (int lanes = 16; lanes > 0; lanes /= 2) {
        double other = __shfl_xor_sync(0xffffffffu, value, lanes);
        value = largest ? fmax(value, other) : value + other;
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        shared[threadIdx.x / 32] = value;
    __syncthreads();
    value = shared[0];
    for (int warp = 1; warp < THREADS / 32; warp++)
        value = largest ? fmax(value, shared[warp]) : value + shared[warp];
    return value;
}

/* Adds this thread's share of a chunk's sums of vx, vy, vx^2, vy^2. */
template <int CX>
static __device__ __forceinline__ void measure(const struct adr_flow *f, const struct adr_hold *hold, int item,
                                               int chunk, double (&sum)[4])
{
    for (int at = first_cell<CX>(chunk); at < end_cell(f->side, chunk); at += CX * THREADS) {
        float vx[CX], vy[CX];
        raw_velocity<CX>(f, hold, item, at, vx, vy);
#pragma unroll
        for (int i = 0; i < CX; i++) {
            sum[0] += vx[i], sum[1] += vy[i];
            sum[2] += (double)vx[i] * vx[i], sum[3] += (double)vy[i] * vy[i];
        }
    }
}

template <int CX>
static __global__ void __launch_bounds__(THREADS, 6) measure_fields(struct adr_flow f, struct adr_launch l)
{
    int item = (int)blockIdx.x, chunk = (int)blockIdx.y;
    double sum[4] = {0, 0, 0, 0}, *to = f.sums + ((int64_t)item * chunks_of(f.side) + chunk) * 4;
    measure<CX>(&f, &f.hold[hold_of(f.begin, &l, item)], item, chunk, sum);
    for (int k = 0; k < 4; k++) {
        sum[k] = block_reduce(sum[k], 0, SMEM(double));
        if (threadIdx.x == 0)
            to[k] = sum[k];
    }
}

/* What gives both components their size, for all threads of a block that has the sums of an item between them. */
static __device__ void factors(const struct adr_flow *f, double speed, double (&sum)[4], double *shared,
                               float factor[2])
{
    float *shared_factor = (float *)(shared + THREADS / 32);
    for (int k = 0; k < 4; k++)
        sum[k] = block_reduce(sum[k], 0, shared) / (f->side * f->side);
    if (threadIdx.x == 0) {
        double var_x = sum[2] - sum[0] * sum[0], var_y = sum[3] - sum[1] * sum[1];
        if (f->kind != VELOCITY_COMPRESSIBLE)
            var_x = var_y = (var_x + var_y) / 2;
        shared_factor[0] = var_x > 0 ? (float)(speed / sqrt(var_x)) : 0;
        shared_factor[1] = var_y > 0 ? (float)(speed / sqrt(var_y)) : 0;
    }
    __syncthreads();
    factor[0] = shared_factor[0];
    factor[1] = shared_factor[1];
}

template <int CX>
static __global__ void __launch_bounds__(THREADS, 6) finish_fields(struct adr_flow f, struct adr_launch l)
{
    double *shared = SMEM(double), sum[4] = {0, 0, 0, 0};
    int item = (int)blockIdx.x, chunk = (int)blockIdx.y, chunks = chunks_of(f.side), cells = f.side * f.side;
    const struct adr_hold *hold = &f.hold[hold_of(f.begin, &l, item)];
    float *v = f.v + (int64_t)item * 2 * cells, cap = (float)f.cap_speed, ratio = 0, speed2 = 0;
    float factor[2] = {(float)hold->speed, (float)hold->speed};
    if (f.parts && chunks == 1)
        measure<CX>(&f, hold, item, 0, sum);
    for (int i = (int)threadIdx.x; f.parts && chunks > 1 && i < chunks; i += THREADS)
        for (int k = 0; k < 4; k++)
            sum[k] += f.sums[((int64_t)item * chunks + i) * 4 + k];
    if (f.parts)
        factors(&f, hold->speed, sum, shared, factor);
    for (int at = first_cell<CX>(chunk); at < end_cell(f.side, chunk); at += CX * THREADS) {
        float vx[CX], vy[CX];
        raw_velocity<CX>(&f, hold, item, at, vx, vy);
#pragma unroll
        for (int i = 0; i < CX; i++) {
            vx[i] *= factor[0], vy[i] *= factor[1];
            float square = vx[i] * vx[i] + vy[i] * vy[i];
            if (cap > 0 && square > 0) {
                float speed = sqrtf(square), cut = cap * tanhf(speed / cap) / speed;
                vx[i] *= cut;
                vy[i] *= cut;
                square = vx[i] * vx[i] + vy[i] * vy[i];
            }
            ratio = fmaxf(ratio, fabsf(vx[i]) + fabsf(vy[i]));
            speed2 = fmaxf(speed2, square);
        }
        store_row<CX>(v + at, vx);
        store_row<CX>(v + cells + at, vy);
    }
    ratio = (float)block_reduce(ratio, 1, shared);
    speed2 = (float)block_reduce(speed2, 1, shared);
    if (threadIdx.x == 0) { /* the largest is the same in any order */
        atomicMax(&f.seen[l.begin + item].sum, __float_as_int(ratio));
        atomicMax(&f.seen[l.begin + item].square, __float_as_int(speed2));
    }
}

/* (|vx|+|vy|)/cs2 of a field before cap_ratio, and the factor that this takes. */
static __device__ __forceinline__ double cut_of(const struct adr_flow *f, const struct adr_hold *hold,
                                                const struct adr_seen *seen, double *ratio)
{
    *ratio = (double)__int_as_float(seen->sum) / (double)hold->cs2;
    return f->cap_ratio > 0 && *ratio > f->cap_ratio ? f->cap_ratio / *ratio : 1;
}

template <int CX> static __global__ void cut_fields(struct adr_flow f, struct adr_launch l)
{
    int item = (int)blockIdx.x, chunk = (int)blockIdx.y, cells = f.side * f.side;
    double ratio;
    float cut = (float)cut_of(&f, &f.hold[hold_of(f.begin, &l, item)], &f.seen[l.begin + item], &ratio);
    float *v = f.v + (int64_t)item * 2 * cells;
    if (cut == 1)
        return;
    for (int at = first_cell<CX>(chunk); at < end_cell(f.side, chunk); at += CX * THREADS)
        for (int k = 0; k < 2; k++) {
            float own[CX];
            load_row<CX>(v + k * cells + at, own);
#pragma unroll
            for (int i = 0; i < CX; i++)
                own[i] *= cut;
            store_row<CX>(v + k * cells + at, own);
        }
}

template <int CX> static void finish(struct device *d, const struct adr_flow *f, const struct adr_launch *l)
{
    cudaStream_t stream = cuda_of(d)->stream;
    size_t shared = (THREADS / 32 + 1) * sizeof(double);
    dim3 grid((unsigned)l->items, (unsigned)chunks_of(f->side));
    if (f->parts && grid.y > 1) {
        KERNEL_LAUNCH(measure_fields<CX>, grid, dim3(THREADS), shared, stream, *f, *l);
        CUDA_LAUNCHED(d, "adr_measure_fields");
    }
    KERNEL_LAUNCH(finish_fields<CX>, grid, dim3(THREADS), shared, stream, *f, *l);
    CUDA_LAUNCHED(d, "adr_finish_fields");
    if (f->cap_ratio > 0) {
        KERNEL_LAUNCH(cut_fields<CX>, grid, dim3(THREADS), 0, stream, *f, *l);
        CUDA_LAUNCHED(d, "adr_cut_fields");
    }
}

extern "C" void cuda_adr_fields(struct device *d, const struct adr_flow *f, const struct adr_launch *l)
{
    if (l->items == 0)
        return;
    if (f->parts)
        cuda_adr_sums(d, f, l);
    if (f->side % 4 == 0)
        finish<4>(d, f, l);
    else
        finish<1>(d, f, l);
}

/* One block, a warp a hold. */
static __global__ void add_seen(struct adr_flow f, int holds)
{
    double *shared = SMEM(double), over = 0, most = 0, diffusion = 0, uncut = -1;
    for (int h = (int)threadIdx.x / 32; h < holds; h += THREADS / 32) {
        const struct adr_hold *hold = &f.hold[h];
        for (int item = f.begin[h] + (int)threadIdx.x % 32; item < f.begin[h + 1]; item += 32) {
            double ratio, cut = cut_of(&f, hold, &f.seen[item], &ratio);
            ratio = cut < 1 ? f.cap_ratio : ratio;
            over += ratio > 1;
            most = fmax(most, ratio);
            diffusion = fmax(diffusion, cut * cut * (double)__int_as_float(f.seen[item].square) / 2 / hold->alpha);
            uncut = fmax(uncut, -cut);
        }
    }
    over = block_reduce(over, 0, shared);
    most = block_reduce(most, 1, shared);
    diffusion = block_reduce(diffusion, 1, shared);
    uncut = block_reduce(uncut, 1, shared);
    if (threadIdx.x == 0) {
        struct adr_seen_all *all = f.seen_all;
        all->fields += f.begin[holds];
        all->over += (int64_t)over;
        all->ratio = fmax(all->ratio, most);
        all->diffusion = fmax(all->diffusion, diffusion);
        all->cut = fmin(all->cut, -uncut);
    }
}

extern "C" void cuda_adr_seen(struct device *d, const struct adr_flow *f, int holds)
{
    KERNEL_LAUNCH(add_seen, dim3(1), dim3(THREADS), THREADS / 32 * sizeof(double), cuda_of(d)->stream, *f, holds);
    CUDA_LAUNCHED(d, "adr_seen");
}
