/* SPDX-License-Identifier: Apache-2.0
 * adr_pull: D2Q9 lattice steps over two lattices, one launch a step, one thread a cell (collisions: device/d2q9.h).
 * A cell pulls its nine populations from where they were after the last collision, collides and stores; walls act on
 * the single link. `equilibrium` (tau = 1) stores u alone and makes the populations that arrive from u and v of where
 * they come from. Every collision, wall and side: the fallback of adr_chip.cu and what that is tested against.
 *
 * Bytes an update: 72 and 8/channels of velocity with nine populations, 8 and as much velocity with u alone (neighbours
 * come from the first cache). 80 to 90 % of 3 TB/s, 33 to 38 GLUPS, expected of nine populations on an H100, about
 * twice that while the images of a call fit its second cache. Not measured on a GPU yet. */
#include "adr_items.cuh"
#include "device/d2q9.h"

enum { THREADS = 128 };

struct law {
    float cs2, tau, w_side, w_corner, rest_high, rest_low; /* weights; w_rest in two parts, so that all sum to one */
    int order;
    enum lbm_collision collision;
};

static __device__ struct law law_of(const struct adr_images *s, const struct adr_hold *hold)
{
    float centre = 1 - hold->cs2, side = hold->cs2 / 2;
    struct law k = {hold->cs2, hold->tau, side * centre, side * side, 0, 0, s->order, s->collision};
    double rest = 1 - 4.0 * ((double)k.w_side + (double)k.w_corner);
    k.rest_high = (float)rest;
    k.rest_low = (float)(rest - (double)k.rest_high);
    return k;
}

/* f_i^eq - w_i base, of a cell with u = base + phi. */
static __device__ __forceinline__ float equilibrium(const struct law *k, float base, int i, float phi, float vx,
                                                    float vy)
{
    float u = base + phi, cx = (float)d2q9_cx(i), cy = (float)d2q9_cy(i), a = (cx * vx + cy * vy) / k->cs2;
    if (k->order == 2)
        a += 0.5f * (a * a - (vx * vx + vy * vy) / k->cs2);
    if (i == D2Q9_REST)
        return fmaf(k->rest_high, fmaf(u, a, phi), k->rest_low * phi);
    return (d2q9_cx(i) && d2q9_cy(i) ? k->w_corner : k->w_side) * fmaf(u, a, phi);
}

/* Where the population that arrives at (x, y) along i was after the last collision: its cell, its direction there. */
static __device__ __forceinline__ int arrives_from(enum lbm_walls walls, int side, int x, int y, int i, int *cell)
{
    int from_x = x - d2q9_cx(i), from_y = y - d2q9_cy(i), from_i = i;
    int out_x = from_x < 0 || from_x >= side, out_y = from_y < 0 || from_y >= side;
    if (walls == WALLS_PERIODIC) {
        from_x = (from_x + side) % side;
        from_y = (from_y + side) % side;
    } else if (walls == WALLS_BOUNCE_BACK) {
        if (out_x || out_y) {
            from_x = x;
            from_y = y;
            from_i = d2q9_opposite(i);
        }
    } else {
        if (out_x) {
            from_x = x;
            from_i = d2q9_mirror_x(from_i);
        }
        if (out_y) {
            from_y = y;
            from_i = d2q9_mirror_y(from_i);
        }
    }
    *cell = from_y * side + from_x;
    return from_i;
}

/* The image of this block (grid.y: images and channels), -1 where it needs `level` no more; the cell of this thread. */
static __device__ __forceinline__ int image_of(const struct adr_images *s, int level)
{
    int image = (int)blockIdx.y / s->channels;
    return level > s->last[image] ? -1 : image;
}
static __device__ __forceinline__ int cell_of(const struct adr_images *s)
{
    int at = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    return at < s->side * s->side ? at : -1;
}

/* tau = 1: the next phi. */
static __global__ void step_equilibrium(struct adr_images s, struct adr_launch l, int h)
{
    const struct adr_hold *hold = &s.hold[h];
    int image = image_of(&s, hold->level), at = cell_of(&s), cells = s.side * s.side;
    if (image < 0 || at < 0)
        return;
    struct law k = law_of(&s, hold);
    const float *here = s.phi + (int64_t)blockIdx.y * cells, *vx = velocity_of(&s, &l, h, image);
    float sum = 0;
    for (int i = 0; i < D2Q9; i++) {
        int cell, from = arrives_from(s.walls, s.side, at % s.side, at / s.side, i, &cell);
        sum += equilibrium(&k, s.base, from, here[cell], vx[cell], vx[cells + cell]);
    }
    s.next[(int64_t)blockIdx.y * cells + at] = sum;
}

/* Populations in equilibrium with phi, which is what the first collision leaves. */
static __global__ void start_populations(struct adr_images s, struct adr_launch l, int h)
{
    const struct adr_hold *hold = &s.hold[h];
    int image = image_of(&s, hold->level), at = cell_of(&s), cells = s.side * s.side;
    if (image < 0 || at < 0)
        return;
    struct law k = law_of(&s, hold);
    const float *vx = velocity_of(&s, &l, h, image);
    float phi = s.phi[(int64_t)blockIdx.y * cells + at], *f = s.f + (int64_t)blockIdx.y * D2Q9 * cells + at;
    for (int i = 0; i < D2Q9; i++)
        f[i * cells] = equilibrium(&k, s.base, i, phi, vx[at], vx[cells + at]);
}

static __device__ __forceinline__ void pull(const struct adr_images *s, int at, float cell[D2Q9])
{
    int cells = s->side * s->side;
    const float *f = s->f + (int64_t)blockIdx.y * D2Q9 * cells;
    for (int i = 0; i < D2Q9; i++) {
        int where, from = arrives_from(s->walls, s->side, at % s->side, at / s->side, i, &where);
        cell[i] = f[(int64_t)from * cells + where];
    }
}

/* The sum runs over pairs of opposite directions, as whole images do when they are turned or mirrored. */
static __device__ __forceinline__ float sum_of(const float f[D2Q9])
{
    return ((f[1] + f[7]) + (f[3] + f[5])) + ((f[0] + f[8]) + (f[2] + f[6])) + f[D2Q9_REST];
}

static __global__ void step_populations(struct adr_images s, struct adr_launch l, int h)
{
    const struct adr_hold *hold = &s.hold[h];
    int image = image_of(&s, hold->level), at = cell_of(&s), cells = s.side * s.side;
    if (image < 0 || at < 0)
        return;
    struct law k = law_of(&s, hold);
    const float *vx = velocity_of(&s, &l, h, image);
    float f[D2Q9], feq[D2Q9], others = 0;
    pull(&s, at, f);
    float phi = sum_of(f);
    for (int i = 0; i < D2Q9; i++)
        feq[i] = equilibrium(&k, s.base, i, phi, vx[at], vx[cells + at]);
    if (k.collision == LBM_BGK)
        d2q9_bgk(k.tau, feq, f);
    else if (k.collision == LBM_TRT)
        d2q9_trt(k.tau, feq, f);
    else
        d2q9_regularized(k.tau, k.cs2, feq, f);
    for (int i = 0; i < D2Q9; i++)
        others += i == D2Q9_REST ? 0 : f[i];
    f[D2Q9_REST] = phi - others; /* conserves the sum where rounded weights do not */
    for (int i = 0; i < D2Q9; i++)
        s.next[((int64_t)blockIdx.y * D2Q9 + i) * cells + at] = f[i];
}

/* phi: what has arrived since the last collision. */
static __global__ void sum_populations(struct adr_images s, int level)
{
    int image = image_of(&s, level), at = cell_of(&s), cells = s.side * s.side;
    if (image < 0 || at < 0)
        return;
    float f[D2Q9];
    pull(&s, at, f);
    s.phi[(int64_t)blockIdx.y * cells + at] = sum_of(f);
}

/* Captures at the end of a level, or (before) what their delta needs from its start. */
static __global__ void capture_level(struct adr_images s, int level, int before)
{
    int image = image_of(&s, level), at = cell_of(&s), cells = s.side * s.side;
    int channel = (int)blockIdx.y % s.channels;
    if (image < 0 || at < 0)
        return;
    float phi = s.phi[(int64_t)blockIdx.y * cells + at];
    for (int c = s.start[level * s.images + image]; c >= 0; c = s.follow[c]) {
        int64_t to = (s.slot[c] * cells + at) * s.channels + channel;
        if (before) {
            s.delta[to] = phi;
        } else {
            s.u[to] = fmaf(s.scale, phi, s.offset);
            if (s.delta)
                s.delta[to] = s.scale * (s.delta[to] - phi);
        }
    }
}

static __global__ void load_images(struct adr_images s, const float *u0)
{
    int at = cell_of(&s), cells = s.side * s.side;
    int image = (int)blockIdx.y / s.channels, channel = (int)blockIdx.y % s.channels;
    if (at < 0)
        return;
    float u = u0[((int64_t)image * cells + at) * s.channels + channel];
    s.phi[(int64_t)blockIdx.y * cells + at] = (u - s.offset) / s.scale;
    for (int c = s.start[image]; c >= 0; c = s.follow[c]) {
        int64_t to = (s.slot[c] * cells + at) * s.channels + channel;
        s.u[to] = u;
        if (s.delta)
            s.delta[to] = 0;
    }
}

static dim3 grid_of(const struct adr_images *s)
{
    return dim3((unsigned)(s->side * s->side + THREADS - 1) / THREADS, (unsigned)(s->images * s->channels));
}

extern "C" void cuda_adr_load(struct device *d, const struct adr_images *s, const float *u0)
{
    KERNEL_LAUNCH(load_images, grid_of(s), dim3(THREADS), 0, cuda_of(d)->stream, *s, u0);
    CUDA_LAUNCHED(d, "adr_load");
}

static void capture(struct device *d, const struct adr_images *s, int level, int before)
{
    cudaStream_t stream = cuda_of(d)->stream;
    if (s->collision != LBM_EQUILIBRIUM && !(before && level == 1)) {
        KERNEL_LAUNCH(sum_populations, grid_of(s), dim3(THREADS), 0, stream, *s, level);
        CUDA_LAUNCHED(d, "adr_sum_populations");
    }
    KERNEL_LAUNCH(capture_level, grid_of(s), dim3(THREADS), 0, stream, *s, level, before);
    CUDA_LAUNCHED(d, "adr_capture");
}

static void swap(float **a, float **b)
{
    float *keep = *a;
    *a = *b;
    *b = keep;
}

extern "C" void cuda_adr_pull(struct device *d, struct adr_images *s, const struct adr_hold *hold,
                              const struct adr_launch *l, const unsigned char *wanted)
{
    cudaStream_t stream = cuda_of(d)->stream;
    dim3 grid = grid_of(s), block(THREADS);
    for (int h = l->first; h < l->first + l->holds; h++) {
        if (s->delta && hold[h].first_of_level && wanted[hold[h].level])
            capture(d, s, hold[h].level, 1);
        for (int step = 0; step < hold[h].steps; step++) {
            if (s->collision == LBM_EQUILIBRIUM) {
                KERNEL_LAUNCH(step_equilibrium, grid, block, 0, stream, *s, *l, h);
                swap(&s->phi, &s->next);
            } else if (h == 0 && step == 0) {
                KERNEL_LAUNCH(start_populations, grid, block, 0, stream, *s, *l, h);
            } else {
                KERNEL_LAUNCH(step_populations, grid, block, 0, stream, *s, *l, h);
                swap(&s->f, &s->next);
            }
            CUDA_LAUNCHED(d, "adr_step");
        }
        if (hold[h].last_of_level && wanted[hold[h].level])
            capture(d, s, hold[h].level, 0);
    }
}
