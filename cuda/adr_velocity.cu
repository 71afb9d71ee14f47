/* SPDX-License-Identifier: Apache-2.0
 * adr_velocity: sums of waves to velocities in lattice units (definitions: device/turbulence.h): the solver's curl of
 * psi, one scale from the variance, limits, and what the statistics want to know. One block a field of one hold.
 *
 * Bytes a cell: psi 4 read, v 8 written, then read and written once more; a block's cells come back from the second
 * cache, so 12 of main memory. Sums in double (two FMA a cell). Memory bound at every size; about 70 % of the bandwidth
 * is expected. Not measured on a GPU yet.
 *
 * Small images (expected, at 2.1 TB/s): turning, two products and this pass move 12 + 16 + 12 = 40 bytes a cell and hold
 * in four launches of hundreds of fields each, 78 ns a field of 64 px, where the lattice steps of three channels take
 * some 20 ns a hold (K = 200, drifting flow): fields are most of the process there, and bandwidth their limit. One block
 * a field with everything in shared memory would move 16 bytes, 31 ns, but still issue a million instructions a field
 * (turning 0.2, products 0.4, curl, sums and limits 0.4), 60 ns at half the issue rate: a gain of 1.3. Not done before a
 * GPU has said where the time goes. */
#include "adr_cuda.h"
#include "kernel.cuh"

enum { THREADS = 256 };

/* psi at any cell of the ring around the image: odd about the walls. */
static __device__ __forceinline__ float psi_at(const float *psi, int side, int x, int y)
{
    int in_x = x < 0 ? 0 : x >= side ? side - 1 : x, in_y = y < 0 ? 0 : y >= side ? side - 1 : y;
    float value = psi[in_y * side + in_x];
    return (in_x != x) != (in_y != y) ? -value : value;
}

/* v_x = D_y psi, v_y = -D_x psi by the solver's stencil. */
static __device__ void curl(const float *psi, int side, float cs2, int x, int y, float *vx, float *vy)
{
    float s = cs2 / 2, c = 1 - cs2, g[3][3];
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < 3; i++)
            g[j][i] = psi_at(psi, side, x + i - 1, y + j - 1);
    float along_x = c * (g[2][1] - g[0][1]) + s * ((g[2][0] - g[0][0]) + (g[2][2] - g[0][2]));
    float along_y = c * (g[1][2] - g[1][0]) + s * ((g[0][2] - g[0][0]) + (g[2][2] - g[2][0]));
    *vx = 0.5f * along_x;
    *vy = -0.5f * along_y;
}

/* Sum or largest of one number a thread, the same for all; shared [THREADS]. */
static __device__ double block_reduce(double value, int largest, double *shared)
{
    int t = (int)threadIdx.x;
    __syncthreads();
    shared[t] = value;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (t < half)
            shared[t] = largest ? fmax(shared[t], shared[t + half]) : shared[t] + shared[t + half];
    }
    __syncthreads();
    return shared[0];
}

/* First pass: raw velocity to v, and the factors that give it its size. */
static __device__ void raw_velocity(const struct adr_flow *f, const struct adr_hold *hold, const float *psi, float *v,
                                    double *shared, float factor[2])
{
    int cells = f->side * f->side;
    double square_x = 0, square_y = 0, sum_x = 0, sum_y = 0;
    for (int at = (int)threadIdx.x; at < cells; at += THREADS) {
        float vx = v[at], vy = v[cells + at];
        if (f->parts == 1) {
            curl(psi, f->side, hold->cs2, at % f->side, at / f->side, &vx, &vy);
            v[at] = vx;
            v[cells + at] = vy;
        }
        square_x += (double)vx * vx, square_y += (double)vy * vy;
        sum_x += vx, sum_y += vy;
    }
    double mean_x = block_reduce(sum_x, 0, shared) / cells, mean_y = block_reduce(sum_y, 0, shared) / cells;
    double var_x = block_reduce(square_x, 0, shared) / cells - mean_x * mean_x;
    double var_y = block_reduce(square_y, 0, shared) / cells - mean_y * mean_y;
    if (f->kind != VELOCITY_COMPRESSIBLE)
        var_x = var_y = (var_x + var_y) / 2;
    factor[0] = var_x > 0 ? (float)(hold->speed / sqrt(var_x)) : 0;
    factor[1] = var_y > 0 ? (float)(hold->speed / sqrt(var_y)) : 0;
}

static __global__ void finish_fields(struct adr_flow f, int first)
{
    double *shared = SMEM(double);
    int step = (int)blockIdx.x, field = (int)blockIdx.y, cells = f.side * f.side;
    const struct adr_hold *hold = &f.hold[first + step];
    if (hold->level > f.last[field])
        return;
    int64_t item = (int64_t)step * f.fields + field;
    float *v = f.v + 2 * item * cells, factor[2] = {(float)hold->speed, (float)hold->speed}, cap = (float)f.cap_speed;
    const float *raw = v;
    if (f.parts)
        raw_velocity(&f, hold, f.psi + item * cells, v, shared, factor);
    else
        raw = f.given + (int64_t)hold->frame * 2 * cells;
    float ratio = 0, speed2 = 0;
    for (int at = (int)threadIdx.x; at < cells; at += THREADS) {
        float vx = factor[0] * raw[at], vy = factor[1] * raw[cells + at], square = vx * vx + vy * vy;
        if (cap > 0 && square > 0) {
            float speed = sqrtf(square), cut = cap * tanhf(speed / cap) / speed;
            vx *= cut;
            vy *= cut;
            square = vx * vx + vy * vy;
        }
        v[at] = vx;
        v[cells + at] = vy;
        ratio = fmaxf(ratio, fabsf(vx) + fabsf(vy));
        speed2 = fmaxf(speed2, square);
    }
    double most = block_reduce(ratio, 1, shared) / (double)hold->cs2, fast = block_reduce(speed2, 1, shared), cut = 1;
    if (f.cap_ratio > 0 && most > f.cap_ratio) {
        cut = f.cap_ratio / most;
        most = f.cap_ratio;
        for (int at = (int)threadIdx.x; at < 2 * cells; at += THREADS)
            v[at] *= (float)cut;
    }
    if (threadIdx.x == 0) {
        struct adr_seen seen = {(float)most, (float)(cut * cut * fast / 2 / hold->alpha), (float)cut};
        f.seen[(int64_t)(first + step) * f.fields + field] = seen;
    }
}

extern "C" void cuda_adr_fields(struct device *d, const struct adr_flow *f, int first, int holds)
{
    if (f->kind == VELOCITY_NONE || f->fields == 0 || holds == 0)
        return;
    if (f->parts)
        cuda_adr_sums(d, f, first, holds);
    KERNEL_LAUNCH(finish_fields, dim3((unsigned)holds, (unsigned)f->fields), dim3(THREADS), THREADS * sizeof(double),
                  cuda_of(d)->stream, *f, first);
    CUDA_LAUNCHED(d, "adr_finish_fields");
}

/* One block. */
static __global__ void add_seen(struct adr_flow f, int holds)
{
    double *shared = SMEM(double), fields = 0, over = 0, ratio = 0, diffusion = 0, uncut = -1;
    for (int64_t at = threadIdx.x; at < (int64_t)holds * f.fields; at += THREADS) {
        struct adr_seen one = f.seen[at];
        if (f.hold[at / f.fields].level > f.last[at % f.fields])
            continue;
        fields += 1;
        over += one.ratio > 1;
        ratio = fmax(ratio, (double)one.ratio);
        diffusion = fmax(diffusion, (double)one.diffusion);
        uncut = fmax(uncut, -(double)one.cut);
    }
    fields = block_reduce(fields, 0, shared);
    over = block_reduce(over, 0, shared);
    ratio = block_reduce(ratio, 1, shared);
    diffusion = block_reduce(diffusion, 1, shared);
    uncut = block_reduce(uncut, 1, shared);
    if (threadIdx.x == 0) {
        struct adr_seen_all *all = f.seen_all;
        all->fields += (int64_t)fields;
        all->over += (int64_t)over;
        all->ratio = fmax(all->ratio, ratio);
        all->diffusion = fmax(all->diffusion, diffusion);
        all->cut = fmin(all->cut, -uncut);
    }
}

extern "C" void cuda_adr_seen(struct device *d, const struct adr_flow *f, int holds)
{
    KERNEL_LAUNCH(add_seen, dim3(1), dim3(THREADS), THREADS * sizeof(double), cuda_of(d)->stream, *f, holds);
    CUDA_LAUNCHED(d, "adr_seen");
}
