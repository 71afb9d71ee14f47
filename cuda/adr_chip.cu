/* SPDX-License-Identifier: Apache-2.0
 * adr_chip: D2Q9 at tau = 1, where u is the whole state, with the image in registers for all lattice steps of many
 * holds; memory is touched for a hold's velocity, captures, and the image at both ends of a launch.
 *
 * What the rows of the image send to each other: adr_chip.cuh; who keeps which cells: adr_strip.cuh.
 *
 * A warp holds RY whole rows, each lane CX neighbouring columns of them, 32 cells and their velocity (96 registers): so
 * neighbours along x are shuffles of a row's ends, neighbours along y one word a column through shared memory, once a
 * step and with one barrier, since it is kept twice. One channel of an image is
 *     up to  32 px   CX 1  RY 32    one warp, nothing shared
 *     up to  64 px   CX 2  RY 16    up to 4 warps, 4 KiB of shared memory
 *     up to 128 px   CX 4  RY 8     up to 16 warps, 32 KiB: one SM (clusters of less only in tests)
 *     up to 256 px   CX 8  RY 4     a cluster of 8 blocks of up to 8 warps, 32 KiB each, strips exchanged through
 *                                   distributed shared memory (compute capability 9.0)
 * so a 128 px image needs no cluster; channels are separate, since a hold's velocity is read once, not once a step.
 * A side must be a multiple of its CX; other sides, and wider ones, go to adr_pull.cu.
 *
 * Registers (nvcc 13, sm_90): CX 1 and 2 160 to 168 (12 warps an SM), CX 8 175 to 247 (8 warps), none spilled; CX 4
 * all 128 that 16 warps can have, with 52 to 112 bytes of stores spilled (order 2: to 184), of which a lattice step of
 * 32 cells reloads about 6 words among its 512 instructions.
 *
 * Count for order 1, CX 4, read from the compiled step: 14 FP, 1 shuffle and 1 other instruction a cell: 16 issue
 * slots, so 132 SMs x 128 lanes x 1.755 GHz / 16 = 1850 GLUPS at most on an H100; 800 to 1200 expected while a hold
 * has several steps. A hold costs a cell 8 bytes of velocity, a launch 8 more, so with one step a hold memory bounds
 * it: 190 to 370 GLUPS at 3 TB/s. Not measured on a GPU yet. */
#include "adr_chip.cuh"

enum { CELLS = 32, CLUSTER_MOST = 8 }; /* cells a lane, blocks a cluster */

/* Warps of a block: 128 registers a lane for 16 warps an SM, 255 for 8. */
static constexpr __host__ __device__ int warps_most(int columns)
{
    return columns == 1 ? 1 : columns == 2 ? 4 : columns == 4 ? 16 : 8;
}

/* One lattice step. */
template <int CX, int ORDER, int WALLS, bool CLUSTER>
static __device__ __forceinline__ void step_strip(const struct weights *w, const struct strip *s, int parity,
                                                  float (&u)[CELLS / CX][CX], const float (&vx)[CELLS / CX][CX],
                                                  const float (&vy)[CELLS / CX][CX])
{
    constexpr int RY = CELLS / CX;
    constexpr int PITCH = 32 * CX;
    const int other = parity ? (int)blockDim.x / 32 * 2 * PITCH : 0;
    const bool wall_first = WALLS != WALLS_PERIODIC && s->first, wall_last = WALLS != WALLS_PERIODIC && s->last;
    float before[CX] = {}; /* what the row above has sent */
#pragma unroll
    for (int j = 0; j < RY; j++) {
        if (j >= s->rows)
            break;
        struct terms<CX> t;
        float above[CX], own[CX], below[CX];
        terms_of<CX, ORDER>(w, u[j], vx[j], vy[j], &t);
        send_row<CX, ORDER, WALLS>(w, &s->lanes, &t, above, own, below);
        if (WALLS == WALLS_BOUNCE_BACK && j == 0 && wall_first)
            bounce_row<CX, ORDER>(w, &s->lanes, &t, -1.0f, own);
        if (WALLS == WALLS_BOUNCE_BACK && wall_last && j == s->rows - 1)
            bounce_row<CX, ORDER>(w, &s->lanes, &t, 1.0f, own);
#pragma unroll
        for (int c = 0; c < CX; c++) {
            u[j][c] = own[c] + before[c];
            if (j)
                u[j - 1][c] += above[c];
            before[c] = below[c];
        }
        if (j == 0 && wall_first) {
#pragma unroll
            for (int c = 0; c < CX && WALLS == WALLS_MIRROR; c++)
                u[0][c] += above[c];
        } else if (j == 0 && s->live) {
            store_row<CX>(shared_of<CLUSTER>(s->rank_above) + s->above + other, above);
        }
    }
    if (!wall_last && s->live)
        store_row<CX>(shared_of<CLUSTER>(s->rank_below) + s->below + other, before);
    if (CLUSTER)
        cluster_sync();
    else if (CX > 1)
        __syncthreads();
    else
        __syncwarp();
    if (!s->live)
        return;
    float outside[CX];
    if (!wall_first) {
        load_row<CX>(SMEM(float) + s->place + other, outside);
#pragma unroll
        for (int c = 0; c < CX; c++)
            u[0][c] += outside[c];
    }
    if (!wall_last)
        load_row<CX>(SMEM(float) + s->place + PITCH + other, before);
    if (WALLS == WALLS_BOUNCE_BACK && wall_last)
        return;
    if (s->rows == RY) {
#pragma unroll
        for (int c = 0; c < CX; c++)
            u[RY - 1][c] += before[c];
        return;
    }
#pragma unroll
    for (int j = 0; j < RY - 1; j++)
#pragma unroll
        for (int c = 0; c < CX; c++)
            u[j][c] += j == s->rows - 1 ? before[c] : 0.0f;
}

template <int CX, int ORDER, int WALLS, bool CLUSTER>
static __global__ void __launch_bounds__(32 * warps_most(CX), CX > 2 ? 1 : 12 / warps_most(CX))
    chip(struct adr_images g, struct adr_launch l, int cluster)
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
    constexpr bool exists = true;
#else
    constexpr bool exists = !CLUSTER;
#endif
    if constexpr (exists) {
        constexpr int RY = CELLS / CX;
        const int which = (int)blockIdx.x / cluster, image = which / g.channels, channel = which % g.channels;
        const struct strip s = strip_of<CX>(g.side, RY, 1, CLUSTER ? (int)cluster_rank() : 0, cluster);
        const int cells = g.side * g.side, corner = s.first_row * g.side + s.column;
        float u[RY][CX] = {}, vx[RY][CX] = {}, vy[RY][CX] = {}, *phi = g.phi + (int64_t)which * cells + corner;
        int parity = 0;
        if (g.hold[l.first].level > g.last[image])
            return;
        if (CLUSTER)
            cluster_sync(); /* the neighbours have begun, so their shared memory may be written */
#pragma unroll
        for (int j = 0; j < RY; j++)
            if (s.live && j < s.rows)
                load_row<CX>(phi + j * g.side, u[j]);
        for (int h = l.first; h < l.first + l.holds; h++) {
            const struct adr_hold *hold = &g.hold[h];
            const float *v = velocity_of(&g, &l, h, image) + corner, cs2 = hold->cs2;
            const float w0 = 1 - cs2;
            const struct weights w = {(1 - w0) / 2, w0, g.base, w0 / cs2, 2 / cs2}; /* w0 + 2 h is one exactly */
            const int steps = hold->steps, level = hold->level;
            if (level > g.last[image])
                break;
            if (g.delta && hold->first_of_level)
                capture_strip<CX, RY>(&g, &s, image, channel, level, 1, u);
#pragma unroll
            for (int j = 0; j < RY; j++) {
                if (!s.live || j >= s.rows)
                    break;
                load_row<CX>(v, vx[j]);
                load_row<CX>(v + cells, vy[j]);
                v += g.side;
#pragma unroll
                for (int c = 0; c < CX; c++)
                    vx[j][c] *= 0.5f, vy[j][c] *= 0.5f;
            }
            for (int step = 0; step < steps; step++, parity ^= 1)
                step_strip<CX, ORDER, WALLS, CLUSTER>(&w, &s, parity, u, vx, vy);
            if (hold->last_of_level)
                capture_strip<CX, RY>(&g, &s, image, channel, level, 0, u);
        }
#pragma unroll
        for (int j = 0; j < RY; j++, phi += g.side) {
            if (!s.live || j >= s.rows)
                break;
            store_row<CX>(phi, u[j]);
        }
    }
}

extern "C" struct adr_chip cuda_adr_chip_layout(struct device *d, int side, int warps_limit)
{
    struct adr_chip none = {0, 0, 0, 0}, c = {1, 0, 0, 1};
    while (c.columns <= 8 && (side > 32 * c.columns || side % c.columns))
        c.columns *= 2;
    if (c.columns > 8)
        return none;
    c.rows = CELLS / c.columns;
    int strips = (side + c.rows - 1) / c.rows;
    int most = warps_most(c.columns);
    if (c.columns >= 4 && warps_limit > 0 && warps_limit < most)
        most = warps_limit; /* narrower ones have no cluster form */
    while (strips > c.cluster * most)
        c.cluster *= 2;
    if (c.cluster > CLUSTER_MOST || (c.cluster > 1 && cuda_of(d)->capability < 90))
        return none;
    c.warps = (strips + c.cluster - 1) / c.cluster;
    return c;
}

template <int CX, int ORDER, int WALLS>
static void launch(struct device *d, const struct adr_images *s, const struct adr_chip *c, const struct adr_launch *l)
{
    cudaStream_t stream = cuda_of(d)->stream;
    dim3 grid((unsigned)(s->images * s->channels * c->cluster)), block((unsigned)(32 * c->warps));
    size_t shared = (size_t)(2 * c->warps * 2 * 32 * CX) * sizeof(float);
    if constexpr (CX >= 4) {
        if (c->cluster > 1) {
            CUDA_TRY(cudaFuncSetAttribute(chip<CX, ORDER, WALLS, true>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          (int)shared));
            CUDA_TRY(KERNEL_LAUNCH_CLUSTER((chip<CX, ORDER, WALLS, true>), (unsigned)c->cluster, grid, block, shared,
                                           stream, *s, *l, c->cluster));
        }
    }
    if constexpr (CX <= 4)
        if (c->cluster == 1)
            KERNEL_LAUNCH((chip<CX, ORDER, WALLS, false>), grid, block, shared, stream, *s, *l, 1);
    CUDA_LAUNCHED(d, "adr_chip");
}

template <int CX, int ORDER>
static void choose_walls(struct device *d, const struct adr_images *s, const struct adr_chip *c,
                         const struct adr_launch *l)
{
    if (s->walls == WALLS_BOUNCE_BACK)
        launch<CX, ORDER, WALLS_BOUNCE_BACK>(d, s, c, l);
    else if (s->walls == WALLS_MIRROR)
        launch<CX, ORDER, WALLS_MIRROR>(d, s, c, l);
    else
        launch<CX, ORDER, WALLS_PERIODIC>(d, s, c, l);
}

template <int CX>
static void choose_order(struct device *d, const struct adr_images *s, const struct adr_chip *c,
                         const struct adr_launch *l)
{
    if (s->order == 1)
        choose_walls<CX, 1>(d, s, c, l);
    else
        choose_walls<CX, 2>(d, s, c, l);
}

extern "C" void cuda_adr_chip(struct device *d, const struct adr_images *s, const struct adr_chip *c,
                              const struct adr_launch *l)
{
    if (c->columns == 1)
        choose_order<1>(d, s, c, l);
    else if (c->columns == 2)
        choose_order<2>(d, s, c, l);
    else if (c->columns == 4)
        choose_order<4>(d, s, c, l);
    else
        choose_order<8>(d, s, c, l);
}
