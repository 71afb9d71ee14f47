/* SPDX-License-Identifier: Apache-2.0
 * adr_chip_bgk: D2Q9 with nine populations (bgk, trt, regularized, any tau) in registers for all lattice steps of many
 * holds; memory is touched for a hold's velocity, captures, and the populations at both ends of a launch.
 *
 * A lane keeps 8 cells and their velocity (88 registers of 128), CX neighbouring columns of RY rows; a warp whole rows
 * (adr_strip.cuh). A step goes down the rows in place, as in device/simd/adr_populations.c: a row collides, three
 * populations of each end go to the neighbouring lane by shuffles, what goes up lands in the row above, what goes down
 * waits until the next row has collided. Three populations a column of a strip's first and last row pass through shared
 * memory, kept twice, so a step has one barrier. One channel of an image is
 *     up to  32 px   CX 1  RY 7, 8  one block of up to 4 warps, 6 KiB of shared memory; 4 blocks an SM
 *     up to  64 px   CX 2  RY 4     one block of up to 16 warps, 48 KiB: one SM
 *     up to 128 px   CX 4  RY 2     a cluster of 8 blocks of up to 8 warps, 48 KiB each; two blocks an SM, so that one
 *                                   image computes while another waits (clusters of 4: PECLET_ADR_KERNEL=16)
 *     up to 256 px   CX 8  RY 1     a cluster of 16 blocks of up to 16 warps, 192 KiB each: 16 SMs of one GPC
 * Clusters need compute capability 9.0, those of 16 also GPCs with so many SMs, which is asked for. A side must be a
 * multiple of CX and RY, since strips that end early cost the others a quarter more instructions; other sides go to
 * adr_pull.cu.
 *
 * Registers (nvcc 13, sm_80 and sm_90): all 128; 8 to 64 bytes of stores spilled at CX 1 to 4, 96 to 120 at CX 8; a
 * step of CX 2, 4, 8 reloads 2, 9, 12 words.
 *
 * Count for order 1, read from the compiled step (mirror walls): 46 FP instructions a cell, 6/CX shuffles, selects at
 * walls and moves: 78 issue slots at CX 1, 68 at CX 2 and 4, 76 at CX 8. So 132 SMs x 128 lanes x 1.755 GHz / slots =
 * 380, 436, 430, 390 GLUPS at most on an H100, 7/8 of it at 28 px where 4 lanes have no columns. Expected while a hold
 * has several steps: 180 to 220 at 28 px, 240 to 280 at 64 and 128 px; 120 to 230 at 256 px, where nothing covers a
 * cluster's barrier and at most 128 SMs work. Shared memory: 48/RY bytes a cell and step. Memory: a hold costs a cell 8
 * bytes of velocity, a launch 72 of populations, a capture 4, with its delta 16; with one step a hold and many holds a
 * launch that is 8 bytes an update, no more than 375 GLUPS at 3 TB/s. Not measured on a GPU yet. */
#include "adr_strip.cuh"
#include "device/d2q9.h"

enum { CLUSTER_MOST = 16, MOVERS = 3 }; /* blocks a cluster, populations that cross a row's edge */

/* Warps of a block, 128 registers a lane: 16 an SM. */
static constexpr __host__ __device__ int warps_most(int columns)
{
    return columns == 1 ? 4 : 16;
}

/* The opposite directions i, o of a cell taken apart into e = f_i + f_o and d = f_i - f_o:
 *     e' = keep_even e/2 + (1 - keep_even) S,   d' = keep_odd d/2 + (1 - keep_odd) A,   f_i, f_o = e' +- d'
 *     S = w_i [u + U ((c.v/cs2)^2/2 - v.v/(2 cs2))],  A = w_i U c.v/cs2,  U = u + base
 *     regularized: e' = S,  d' = A + keep_odd w_i c.J/cs2,  J = sum c_i f_i - U v */
struct relaxation {
    float base, keep_even, keep_odd; /* the latter halved, except for regularized */
    float s_side, s_corner;          /* (1 - keep_even) w_i */
    float a_side, a_corner;          /* (1 - keep_odd) w_i 2/cs2; 2 because half the velocity is given */
    float j_side, j_corner;          /* regularized: keep_odd w_i/cs2 */
    float twice_over_cs2, half_cs2;
};

static __device__ __forceinline__ struct relaxation relaxation_of(const struct adr_images *g, float cs2, float tau)
{
    const bool regularized = g->collision == LBM_REGULARIZED;
    float keep_odd = 1 - 1 / tau, keep_even = keep_odd;
    if (g->collision == LBM_TRT)
        keep_even = 1 - 1 / (0.5f + 1 / (4 * (tau - 0.5f)));
    if (regularized)
        keep_even = 0;
    float centre = 1 - cs2, side = cs2 / 2, new_even = 1 - keep_even, new_odd = regularized ? 1.0f : 1 - keep_odd;
    struct relaxation k = {g->base, keep_even / 2, keep_odd / 2, new_even * centre * side, new_even * side * side,
                           new_odd * centre, new_odd * side, keep_odd * centre / 2, keep_odd * side / 2, 2 / cs2,
                           cs2 / 2};
    return k;
}

/* Populations of column c of a row, in place; vx, vy half the velocity. */
template <int CX, int ORDER, bool REGULARIZED>
static __device__ __forceinline__ void collide(const struct relaxation *k, float vx, float vy, int c,
                                               float (&f)[D2Q9][CX])
{
    float ex = f[5][c] + f[3][c], ey = f[7][c] + f[1][c], ep = f[8][c] + f[0][c], em = f[2][c] + f[6][c];
    float dx = f[5][c] - f[3][c], dy = f[7][c] - f[1][c], dp = f[8][c] - f[0][c], dm = f[2][c] - f[6][c];
    float u = ((ex + ey) + (ep + em)) + f[D2Q9_REST][c], all = u + k->base;
    float qx = all * vx, qy = all * vy, sx = u, sy = u, sp = u, sm = u;
    if (ORDER == 2) {
        float ax = k->twice_over_cs2 * vx, ay = k->twice_over_cs2 * vy, ap = ax + ay, am = ax - ay, x2 = ax * ax;
        float less = k->half_cs2 * fmaf(ay, ay, x2);
        sx = fmaf(all, fmaf(0.5f, x2, -less), u);
        sy = fmaf(all, fmaf(0.5f, ay * ay, -less), u);
        sp = fmaf(all, fmaf(0.5f, ap * ap, -less), u);
        sm = fmaf(all, fmaf(0.5f, am * am, -less), u);
    }
    float new_x = k->a_side * qx, new_y = k->a_side * qy;
    float new_p = k->a_corner * (qx + qy), new_m = k->a_corner * (qx - qy);
    if (REGULARIZED) {
        float jx = fmaf(-2.0f, qx, dx + (dp + dm)), jy = fmaf(-2.0f, qy, dy + (dp - dm));
        dx = fmaf(k->j_side, jx, new_x);
        dy = fmaf(k->j_side, jy, new_y);
        dp = fmaf(k->j_corner, jx + jy, new_p);
        dm = fmaf(k->j_corner, jx - jy, new_m);
        ex = k->s_side * sx;
        ey = k->s_side * sy;
        ep = k->s_corner * sp;
        em = k->s_corner * sm;
    } else {
        dx = fmaf(k->keep_odd, dx, new_x);
        dy = fmaf(k->keep_odd, dy, new_y);
        dp = fmaf(k->keep_odd, dp, new_p);
        dm = fmaf(k->keep_odd, dm, new_m);
        ex = fmaf(k->keep_even, ex, k->s_side * sx);
        ey = fmaf(k->keep_even, ey, k->s_side * sy);
        ep = fmaf(k->keep_even, ep, k->s_corner * sp);
        em = fmaf(k->keep_even, em, k->s_corner * sm);
    }
    f[D2Q9_REST][c] = fmaf(-2.0f, (ex + ey) + (ep + em), u); /* conserves u where rounded weights do not */
    f[5][c] = ex + dx;
    f[3][c] = ex - dx;
    f[7][c] = ey + dy;
    f[1][c] = ey - dy;
    f[8][c] = ep + dp;
    f[0][c] = ep - dp;
    f[2][c] = em + dm;
    f[6][c] = em - dm;
}

/* A row's population that moves right, left, one column on. At the wall arrives what it turns round (`turned`). */
template <int CX>
static __device__ __forceinline__ void move_right(const struct lanes *l, float turned, float (&f)[CX])
{
    float got = __shfl_sync(0xffffffffu, f[CX - 1], l->left);
#pragma unroll
    for (int c = CX - 1; c > 0; c--)
        f[c] = f[c - 1];
    f[0] = l->first ? turned : got;
}
template <int CX>
static __device__ __forceinline__ void move_left(const struct lanes *l, float turned, float (&f)[CX])
{
    float got = __shfl_sync(0xffffffffu, f[0], l->right);
#pragma unroll
    for (int c = 0; c < CX - 1; c++)
        f[c] = f[c + 1];
    f[CX - 1] = l->last ? turned : got;
}

template <int CX> static __device__ __forceinline__ void copy_row(float (&to)[CX], const float (&from)[CX])
{
#pragma unroll
    for (int c = 0; c < CX; c++)
        to[c] = from[c];
}

/* One lattice step. Directions 0, 1, 2 go up, 6, 7, 8 down (d2q9.h). */
template <int CX, int RY, int ORDER, bool REGULARIZED, bool CLUSTER>
static __device__ __forceinline__ void step_strip(const struct relaxation *k, const struct strip *s, bool bounce,
                                                  int parity, float (&f)[RY][D2Q9][CX],
                                                  const float (&vx)[RY][CX], const float (&vy)[RY][CX])
{
    constexpr int WIDTH = 32 * CX, PITCH = MOVERS * WIDTH, e = CX - 1;
    const int other = parity ? (int)blockDim.x / 32 * 2 * PITCH : 0;
    float down[MOVERS][CX] = {};               /* what the row above has sent */
    float back_first[2] = {}, back_up[2] = {}; /* bounce back at the sides: 8, 6 of row 0; 2, 0 of the row before */
#pragma unroll
    for (int j = 0; j < RY; j++) {
        float(&row)[D2Q9][CX] = f[j];
#pragma unroll
        for (int c = 0; c < CX; c++)
            collide<CX, ORDER, REGULARIZED>(k, vx[j][c], vy[j][c], c, row);
        float up[MOVERS][CX], next[MOVERS][CX], back[4] = {}; /* back: 0, 6 at the left end, 2, 8 at the right */
#pragma unroll
        for (int i = 0; i < MOVERS; i++) {
            copy_row<CX>(up[i], row[i]);
            copy_row<CX>(next[i], row[6 + i]);
        }
        if (bounce) {
            back[0] = up[0][0], back[1] = next[0][0], back[2] = up[2][e], back[3] = next[2][e];
            if (j == 0) {
                back_first[0] = back[0], back_first[1] = back[2];
                if (s->first) {
#pragma unroll
                    for (int i = 0; i < MOVERS; i++)
                        copy_row<CX>(down[i], up[2 - i]);
                }
            }
        }
        float left = row[3][0], right = row[5][e], up_left = up[0][0], up_right = up[2][e];
        float down_left = next[0][0], down_right = next[2][e];
        move_right<CX>(&s->lanes, left, row[5]);
        move_left<CX>(&s->lanes, right, row[3]);
        move_right<CX>(&s->lanes, up_left, up[2]);
        move_left<CX>(&s->lanes, up_right, up[0]);
        move_right<CX>(&s->lanes, down_left, next[2]);
        move_left<CX>(&s->lanes, down_right, next[0]);
        if (j == 0) {
            if (!s->first && s->live) {
#pragma unroll
                for (int i = 0; i < MOVERS; i++)
                    store_row<CX>(shared_of<CLUSTER>(s->rank_above) + s->above + other + i * WIDTH, up[i]);
            } else if (!bounce) {
#pragma unroll
                for (int i = 0; i < MOVERS; i++)
                    copy_row<CX>(down[i], up[i]);
            }
        } else {
#pragma unroll
            for (int i = 0; i < MOVERS; i++)
                copy_row<CX>(f[j - 1][i], up[i]);
            if (bounce) {
                f[j - 1][2][0] = s->lanes.first ? back_up[0] : f[j - 1][2][0];
                f[j - 1][0][e] = s->lanes.last ? back_up[1] : f[j - 1][0][e];
            }
        }
#pragma unroll
        for (int i = 0; i < MOVERS; i++)
            copy_row<CX>(row[6 + i], down[i]);
        if (bounce) {
            row[8][0] = s->lanes.first ? back[0] : row[8][0];
            row[6][e] = s->lanes.last ? back[2] : row[6][e];
            back_up[0] = back[1], back_up[1] = back[3];
        }
#pragma unroll
        for (int i = 0; i < MOVERS; i++)
            copy_row<CX>(down[i], next[i]);
    }
    if (!s->last && s->live) {
#pragma unroll
        for (int i = 0; i < MOVERS; i++)
            store_row<CX>(shared_of<CLUSTER>(s->rank_below) + s->below + other + i * WIDTH, down[i]);
    }
    if (CLUSTER)
        cluster_sync();
    else
        __syncthreads();
    if (!s->live)
        return;
    const float *from = SMEM(float) + s->place + other;
    if (!s->first) {
#pragma unroll
        for (int i = 0; i < MOVERS; i++)
            load_row<CX>(from + i * WIDTH, f[0][6 + i]);
        if (bounce) {
            f[0][8][0] = s->lanes.first ? back_first[0] : f[0][8][0];
            f[0][6][e] = s->lanes.last ? back_first[1] : f[0][6][e];
        }
    }
    if (!s->last) { /* else the wall sends up what came down */
#pragma unroll
        for (int i = 0; i < MOVERS; i++)
            load_row<CX>(from + PITCH + i * WIDTH, down[i]);
    } else if (bounce) { /* into its own cell */
        float keep[CX];
        copy_row<CX>(keep, down[2]);
#pragma unroll
        for (int c = 0; c < CX; c++) {
            down[2][e - c] = c < e ? down[0][e - c - 1] : back_up[0];
            down[0][e - c] = c ? keep[e - c + 1] : back_up[1];
        }
    }
    if (bounce) {
        down[2][0] = s->lanes.first ? back_up[0] : down[2][0];
        down[0][e] = s->lanes.last ? back_up[1] : down[0][e];
    }
#pragma unroll
    for (int i = 0; i < MOVERS; i++)
        copy_row<CX>(f[RY - 1][i], down[i]);
}

/* The sum runs over pairs of opposite directions, as whole images do when they are turned or mirrored. */
template <int CX, int RY>
static __device__ __forceinline__ void sum_strip(const float (&f)[RY][D2Q9][CX], float (&u)[RY][CX])
{
#pragma unroll
    for (int j = 0; j < RY; j++)
#pragma unroll
        for (int c = 0; c < CX; c++)
            u[j][c] = ((f[j][1][c] + f[j][7][c]) + (f[j][3][c] + f[j][5][c])) +
                      ((f[j][0][c] + f[j][8][c]) + (f[j][2][c] + f[j][6][c])) + f[j][D2Q9_REST][c];
}

template <int CX, int RY, int ORDER, bool REGULARIZED, bool CLUSTER>
static __global__ void __launch_bounds__(32 * warps_most(CX), CX == 1 ? 4 : 1)
    chip_bgk(struct adr_images g, struct adr_launch l, int cluster)
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
    constexpr bool exists = true;
#else
    constexpr bool exists = !CLUSTER;
#endif
    if constexpr (exists) {
        const int which = (int)blockIdx.x / cluster, image = which / g.channels, channel = which % g.channels;
        struct strip s = strip_of<CX>(g.side, RY, MOVERS, CLUSTER ? (int)cluster_rank() : 0, cluster);
        const int cells = g.side * g.side, corner = s.first_row * g.side + s.column;
        const bool bounce = g.walls == WALLS_BOUNCE_BACK;
        float f[RY][D2Q9][CX] = {}, vx[RY][CX] = {}, vy[RY][CX] = {};
        float *state = g.f + (int64_t)which * D2Q9 * cells + corner;
        const float *phi = g.phi + (int64_t)which * cells + corner;
        int parity = 0;
        if (g.walls == WALLS_PERIODIC)
            s.first = s.last = s.lanes.first = s.lanes.last = false;
        if (g.hold[l.first].level > g.last[image])
            return;
        if (CLUSTER)
            cluster_sync(); /* the neighbours have begun, so their shared memory may be written */
#pragma unroll
        for (int j = 0; j < RY; j++) {
            if (!s.live)
                break;
            if (l.first == 0) { /* at rest, until the first collision makes it equilibrium */
                load_row<CX>(phi + j * g.side, f[j][D2Q9_REST]);
                continue;
            }
#pragma unroll
            for (int i = 0; i < D2Q9; i++)
                load_row<CX>(state + i * cells + j * g.side, f[j][i]);
        }
        for (int h = l.first; h < l.first + l.holds; h++) {
            const struct adr_hold *hold = &g.hold[h];
            const float *v = velocity_of(&g, &l, h, image) + corner;
            const int steps = hold->steps, level = hold->level;
            struct relaxation k = {};
            float u[RY][CX];
            if (level > g.last[image])
                break;
            if (g.delta && hold->first_of_level) {
                sum_strip<CX, RY>(f, u);
                capture_strip<CX, RY>(&g, &s, image, channel, level, 1, u);
            }
#pragma unroll
            for (int j = 0; j < RY; j++) {
                if (!s.live)
                    break;
                load_row<CX>(v, vx[j]);
                load_row<CX>(v + cells, vy[j]);
                v += g.side;
#pragma unroll
                for (int c = 0; c < CX; c++)
                    vx[j][c] *= 0.5f, vy[j][c] *= 0.5f;
            }
            for (int step = 0; step < steps; step++, parity ^= 1) {
                if (step <= 1) /* the very first step relaxes at once */
                    k = relaxation_of(&g, hold->cs2, h + step ? hold->tau : 1.0f);
                step_strip<CX, RY, ORDER, REGULARIZED, CLUSTER>(&k, &s, bounce, parity, f, vx, vy);
            }
            if (hold->last_of_level) {
                sum_strip<CX, RY>(f, u);
                capture_strip<CX, RY>(&g, &s, image, channel, level, 0, u);
            }
        }
#pragma unroll
        for (int j = 0; j < RY; j++) {
            if (!s.live)
                break;
#pragma unroll
            for (int i = 0; i < D2Q9; i++)
                store_row<CX>(state + i * cells + j * g.side, f[j][i]);
        }
    }
}

static size_t shared_bytes(const struct adr_chip *c)
{
    return (size_t)(2 * c->warps * 2 * MOVERS * 32 * c->columns) * sizeof(float);
}

/* The kernel's attributes; how many of its clusters the GPU holds at once. */
template <int CX, int RY, int ORDER, bool REGULARIZED> static int clusters_most(const struct adr_chip *c)
{
    const size_t shared = shared_bytes(c);
    const auto kernel = chip_bgk<CX, RY, ORDER, REGULARIZED, true>;
    CUDA_TRY(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared));
    CUDA_TRY(cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, c->cluster > 8));
    return kernel_clusters_most(kernel, (unsigned)c->cluster, dim3((unsigned)(32 * c->warps)), shared);
}

extern "C" struct adr_chip cuda_adr_chip_bgk_layout(struct device *d, int side, int warps_limit)
{
    struct adr_chip none = {0, 0, 0, 0}, c = {1, 0, 0, 1};
    while (c.columns <= 8 && (side > 32 * c.columns || side % c.columns))
        c.columns *= 2;
    c.rows = c.columns == 1 && side % 7 == 0 ? 7 : 8 / c.columns;
    if (c.columns > 8 || side % c.rows)
        return none;
    int strips = side / c.rows, most = c.columns == 4 ? 8 : warps_most(c.columns);
    if (c.columns >= 4 && warps_limit > 0) /* narrower ones have no cluster form */
        most = warps_limit < warps_most(c.columns) ? warps_limit : warps_most(c.columns);
    while (strips > c.cluster * most)
        c.cluster *= 2;
    if (c.cluster > CLUSTER_MOST || (c.cluster > 1 && cuda_of(d)->capability < 90))
        return none;
    c.warps = (strips + c.cluster - 1) / c.cluster;
    if (c.cluster > 1 && (c.columns == 4 ? clusters_most<4, 2, 2, false>(&c) : clusters_most<8, 1, 2, false>(&c)) < 1)
        return none;
    return c;
}

template <int CX, int RY, int ORDER, bool REGULARIZED>
static void launch(struct device *d, const struct adr_images *s, const struct adr_chip *c, const struct adr_launch *l)
{
    cudaStream_t stream = cuda_of(d)->stream;
    dim3 grid((unsigned)(s->images * s->channels * c->cluster)), block((unsigned)(32 * c->warps));
    if constexpr (CX >= 4) {
        clusters_most<CX, RY, ORDER, REGULARIZED>(c);
        CUDA_TRY(KERNEL_LAUNCH_CLUSTER((chip_bgk<CX, RY, ORDER, REGULARIZED, true>), (unsigned)c->cluster, grid, block,
                                       shared_bytes(c), stream, *s, *l, c->cluster));
    } else {
        KERNEL_LAUNCH((chip_bgk<CX, RY, ORDER, REGULARIZED, false>), grid, block, shared_bytes(c), stream, *s, *l, 1);
    }
    CUDA_LAUNCHED(d, "adr_chip_bgk");
}

template <int CX, int RY>
static void choose(struct device *d, const struct adr_images *s, const struct adr_chip *c, const struct adr_launch *l)
{
    if (s->order == 1 && s->collision == LBM_REGULARIZED)
        launch<CX, RY, 1, true>(d, s, c, l);
    else if (s->order == 1)
        launch<CX, RY, 1, false>(d, s, c, l);
    else if (s->collision == LBM_REGULARIZED)
        launch<CX, RY, 2, true>(d, s, c, l);
    else
        launch<CX, RY, 2, false>(d, s, c, l);
}

extern "C" void cuda_adr_chip_bgk(struct device *d, const struct adr_images *s, const struct adr_chip *c,
                                  const struct adr_launch *l)
{
    if (c->columns == 1 && c->rows == 7)
        choose<1, 7>(d, s, c, l);
    else if (c->columns == 1)
        choose<1, 8>(d, s, c, l);
    else if (c->columns == 2)
        choose<2, 4>(d, s, c, l);
    else if (c->columns == 4)
        choose<4, 2>(d, s, c, l);
    else
        choose<8, 1>(d, s, c, l);
}
