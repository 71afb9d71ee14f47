/* SPDX-License-Identifier: Apache-2.0
 * adr_strip.cuh: what adr_chip.cu and adr_chip_bgk.cu share (adr_velocity.cu takes its rows of cells, too): which cells
 * a lane keeps, where neighbouring strips of rows exchange what they send each other, captures.
 *
 * A strip is a few whole rows in the registers of one warp, each lane CX neighbouring columns of them; the strips of an
 * image follow each other over the warps of a block and the blocks of a cluster. */
#pragma once
#include "adr_items.cuh"

/* Where a lane's neighbours are; at a wall what they send is replaced. */
struct lanes {
    int left, right; /* lane numbers */
    bool first, last; /* this is the first, the last with columns */
};

/* This lane's place in the image, and where the rows beyond its strip are exchanged: places in shared memory
 * [parity][warp][from above, from below][words][32 CX], of this strip and, in the block of that rank, of its
 * neighbours. words: exchanged numbers a column. */
struct strip {
    struct lanes lanes;
    int first_row, rows, column;
    bool live, first, last; /* the lane has columns of this strip; the strip is the image's first, last */
    int place, above, below, rank_above, rank_below;
};

/* rows_each: rows of every strip but the last. */
template <int CX>
static __device__ __forceinline__ struct strip strip_of(int side, int rows_each, int words, int rank, int cluster)
{
    const int pitch = 32 * CX * words;
    const int warps = (int)blockDim.x / 32, warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    const int lanes = side / CX, count = (side + rows_each - 1) / rows_each, index = rank * warps + warp;
    const int above = index ? index - 1 : count - 1, below = index + 1 < count ? index + 1 : 0;
    struct strip s;
    s.lanes.left = lane >= lanes ? lane : lane ? lane - 1 : lanes - 1;
    s.lanes.right = lane >= lanes ? lane : lane + 1 < lanes ? lane + 1 : 0;
    s.lanes.first = lane == 0;
    s.lanes.last = lane == lanes - 1;
    s.first_row = index * rows_each;
    s.rows = index >= count ? 0 : side - s.first_row < rows_each ? side - s.first_row : rows_each;
    s.column = lane * CX;
    s.live = lane < lanes && index < count;
    s.first = index == 0;
    s.last = index == count - 1;
    s.place = warp * 2 * pitch + s.column;
    s.above = (above % warps * 2 + 1) * pitch + s.column; /* its "from below" */
    s.below = below % warps * 2 * pitch + s.column;
    s.rank_above = above / warps % cluster;
    s.rank_below = below / warps % cluster;
    return s;
}

template <bool CLUSTER> static __device__ __forceinline__ float *shared_of(int rank)
{
    float *shared = SMEM(float);
    if constexpr (CLUSTER)
        shared = cluster_map(shared, (unsigned)rank);
    return shared;
}

/* CX floats in a row, by vectors. */
template <int CX> static __device__ __forceinline__ void load_row(const float *from, float (&x)[CX])
{
    if constexpr (CX % 4 == 0) {
#pragma unroll
        for (int c = 0; c < CX; c += 4) {
            float4 v = *(const float4 *)(from + c);
            x[c] = v.x, x[c + 1] = v.y, x[c + 2] = v.z, x[c + 3] = v.w;
        }
    } else if constexpr (CX == 2) {
        float2 v = *(const float2 *)from;
        x[0] = v.x, x[1] = v.y;
    } else {
        x[0] = from[0];
    }
}
template <int CX> static __device__ __forceinline__ void store_row(float *to, const float (&x)[CX])
{
    if constexpr (CX % 4 == 0) {
#pragma unroll
        for (int c = 0; c < CX; c += 4)
            *(float4 *)(to + c) = make_float4(x[c], x[c + 1], x[c + 2], x[c + 3]);
    } else if constexpr (CX == 2) {
        *(float2 *)to = make_float2(x[0], x[1]);
    } else {
        to[0] = x[0];
    }
}

/* Captures of the image u at this level, or (before) what their delta needs from the level's start. */
template <int CX, int RY>
static __device__ __forceinline__ void capture_strip(const struct adr_images *g, const struct strip *s, int image,
                                                     int channel, int level, int before, const float (&u)[RY][CX])
{
    for (int i = g->start[level * g->images + image]; i >= 0 && s->live; i = g->follow[i]) {
        int64_t row = ((g->slot[i] * g->side + s->first_row) * g->side + s->column) * g->channels + channel;
#pragma unroll
        for (int j = 0; j < RY; j++, row += g->side * g->channels) {
            if (j >= s->rows)
                break;
#pragma unroll
            for (int c = 0; c < CX; c++) {
                int64_t to = row + c * g->channels;
                if (before) {
                    g->delta[to] = u[j][c];
                } else {
                    g->u[to] = fmaf(g->scale, u[j][c], g->offset);
                    if (g->delta)
                        g->delta[to] = g->scale * (g->delta[to] - u[j][c]);
                }
            }
        }
    }
}
