/* SPDX-License-Identifier: Apache-2.0
 * The tensor cores as <mma.h> names them (nvcuda::wmma), on the host: 16 x 16 x 16, bf16 with fp32 sums. Like
 * cuda_on_host.h it knows no more than a kernel may know: what a lane holds of a matrix is nobody's business, all 32
 * lanes must come to the same operation with the same arguments, addresses and leading dimensions must be aligned as
 * the card wants them, and a fragment is NaN until it is filled or loaded. The card adds 16 products to the sum so far
 * and cuts off what fp32 cannot hold; so is it done here. */
#pragma once
#include "cuda_on_host.h"

namespace coh {
enum { MATRIX = 16 };

/* The 32 lanes meet. The first to go on, while the others still wait where they were, does the work of all: call[lane]
 * is what each brought. */
template <class Call, class Work> static inline void together(Call *mine, Work work)
{
    static char kind; /* its address: one for each operation and type */
    Call *call[32];
    me->slot = (uint64_t)(uintptr_t)mine;
    me->matrix_operation = &kind;
    wait_for(WARP, ~0u);
    for (unsigned lane = 0; me->offered && lane < 32; lane++) {
        const unsigned i = me->warp * 32 + lane;
        if (i >= R->threads || !me->b->t[i].there || me->b->t[i].matrix_operation != &kind)
            die("a matrix operation to which not all 32 lanes of the warp come", me);
        call[lane] = (Call *)(uintptr_t)me->b->t[i].offered;
    }
    if (me->offered) {
        work(call);
        for (unsigned lane = 0; lane < 32; lane++)
            me->b->t[me->warp * 32 + lane].offered = 0;
    }
    me->matrix_operation = NULL;
}

/* Where a matrix lies: a lane's fragment, the first number, the leading dimension. */
template <class Fragment, class T> struct matrix_place {
    Fragment *f;
    T *p;
    unsigned ld;
};
template <class Place> static inline void check_place(Place *const *call)
{
    const Place &c = *call[0];
    const uintptr_t first = (uintptr_t)c.p, end = (uintptr_t)(c.p + (MATRIX - 1) * (size_t)c.ld + MATRIX);
    const uintptr_t shared = (uintptr_t)me->b->smem, shared_end = shared + R->smem_bytes;
    for (int lane = 1; lane < 32; lane++)
        if (call[lane]->p != c.p || call[lane]->ld != c.ld)
            die("a matrix operation whose lanes name different places", me);
    if (first % 32)
        die("a matrix that does not begin at a multiple of 32 bytes", me);
    if (c.ld < MATRIX || c.ld * sizeof *c.p % 16)
        die("a matrix whose leading dimension is less than 16 or no multiple of 16 bytes", me);
    if (first < shared_end && end > shared && (first < shared || end > shared_end))
        die("a matrix that reaches beyond the shared memory", me);
}

static inline float cut_off(double v)
{
    const float f = (float)v;
    return fabs((double)f) > fabs(v) ? nextafterf(f, 0) : f;
}

/* sum += a b; the sanitizers would take most of the time of a test here */
__attribute__((no_sanitize("address", "undefined"))) static inline void add_product(const double a[MATRIX][MATRIX],
                                                                                    const double b[MATRIX][MATRIX],
                                                                                    double sum[MATRIX][MATRIX])
{
    for (int row = 0; row < MATRIX; row++)
        for (int k = 0; k < MATRIX; k++)
            for (int column = 0; column < MATRIX; column++)
                sum[row][column] += a[row][k] * b[k][column];
}
} // namespace coh

namespace nvcuda {
namespace wmma {
struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major, mem_col_major };

template <class Use, int M, int N, int K, class T, class Layout = void> struct fragment {
    static_assert(M == coh::MATRIX && N == M && K == M, "of the card's shapes this one is here");
    static_assert(std::is_same<T, typename std::conditional<std::is_same<Use, accumulator>::value, float,
                                                            __nv_bfloat16>::type>::value,
                  "bf16 with fp32 sums");
    fragment() { memset(lane_holds, 0xff, sizeof lane_holds); }
    float lane_holds[8]; /* of the 256 numbers, row by row, from 8 lane on */
};

static inline void fill_fragment(fragment<accumulator, 16, 16, 16, float> &f, float v)
{
    typedef fragment<accumulator, 16, 16, 16, float> F;
    coh::together(&f, [v](F *const *lane) {
        for (int i = 0; i < 256; i++)
            lane[i / 8]->lane_holds[i % 8] = v;
    });
}

template <class Use, class Layout>
static inline void load_matrix_sync(fragment<Use, 16, 16, 16, __nv_bfloat16, Layout> &f, const __nv_bfloat16 *p,
                                    unsigned ld)
{
    typedef coh::matrix_place<fragment<Use, 16, 16, 16, __nv_bfloat16, Layout>, const __nv_bfloat16> Place;
    Place mine = {&f, p, ld};
    coh::together(&mine, [p, ld](Place *const *lane) {
        const int by_row = std::is_same<Layout, row_major>::value;
        coh::check_place(lane);
        for (unsigned i = 0; i < 256; i++)
            lane[i / 8]->f->lane_holds[i % 8] =
                __bfloat162float(p[by_row ? i / 16 * ld + i % 16 : i % 16 * ld + i / 16]);
    });
}

static inline void store_matrix_sync(float *p, const fragment<accumulator, 16, 16, 16, float> &f, unsigned ld,
                                     layout_t layout)
{
    typedef coh::matrix_place<const fragment<accumulator, 16, 16, 16, float>, float> Place;
    Place mine = {&f, p, ld};
    coh::together(&mine, [p, ld, layout](Place *const *lane) {
        coh::check_place(lane);
        for (unsigned i = 0; i < 256; i++)
            p[layout == mem_row_major ? i / 16 * ld + i % 16 : i % 16 * ld + i / 16] =
                lane[i / 8]->f->lane_holds[i % 8];
    });
}

/* d = a b + c */
template <class LayoutA, class LayoutB>
static inline void mma_sync(fragment<accumulator, 16, 16, 16, float> &d,
                            const fragment<matrix_a, 16, 16, 16, __nv_bfloat16, LayoutA> &a,
                            const fragment<matrix_b, 16, 16, 16, __nv_bfloat16, LayoutB> &b,
                            const fragment<accumulator, 16, 16, 16, float> &c)
{
    struct operands {
        float *d;
        const float *a, *b, *c;
    } mine = {d.lane_holds, a.lane_holds, b.lane_holds, c.lane_holds};
    coh::together(&mine, [](operands *const *lane) {
        double left[16][16], right[16][16], sum[16][16];
        for (int i = 0; i < 256; i++) {
            left[i / 16][i % 16] = (double)lane[i / 8]->a[i % 8];
            right[i / 16][i % 16] = (double)lane[i / 8]->b[i % 8];
            sum[i / 16][i % 16] = (double)lane[i / 8]->c[i % 8];
        }
        coh::add_product(left, right, sum);
        for (int i = 0; i < 256; i++)
            lane[i / 8]->d[i % 8] = coh::cut_off(sum[i / 16][i % 16]);
    });
}
} // namespace wmma
} // namespace nvcuda
