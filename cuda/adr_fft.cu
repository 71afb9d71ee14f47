/* SPDX-License-Identifier: Apache-2.0
 * adr_fft: what stands before and behind a batch of complex-to-real transforms (adr_fft.c, which has the counts): random
 * phases turned to a hold's time and put together to half spectra (device/half_spectrum.h), and, for sine waves, cells
 * brought into order.
 *
 * Bytes a cell: fill reads parts a and b, 8, and writes 4; the coefficients' frequencies come from the caches, once for
 * ITEMS fields. Unfold reads 4 and writes 4, both in runs of half a row. Memory bound, 70 % of the bandwidth expected.
 * Not measured on a GPU yet. */
#include "adr_items.cuh"

enum { THREADS = 128, ITEMS = 4 };

static __device__ __forceinline__ int place_of(int count, int along_y, int along_x)
{
    return along_y < 0 || along_x < 0 ? -1 : along_y * count + along_x;
}

/* A thread has frequency m along x and rows n and -n of ITEMS half spectra: both need the same four coefficients. */
static __global__ void fill_half(struct adr_flow f, struct adr_half h, struct adr_launch l, int from)
{
    int columns = h.side / 2 + 1, cell = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    int column = cell % columns, row = cell / columns, turned = -1;
    if (row >= columns)
        return;
    struct wave_frequency x = h.frequency[column], y = h.frequency[row];
    int place[4] = {place_of(f.count, y.even, x.even), place_of(f.count, y.odd, x.odd),
                    place_of(f.count, y.even, x.odd), place_of(f.count, y.odd, x.even)};
    float cosine[4], sine[4];
    int first = (int)blockIdx.y * ITEMS, hold = hold_of(f.begin, &l, (from + first) / f.parts);
    for (int i = first; i < first + ITEMS && i < h.batch; i++) {
        int item = (from + i) / f.parts;
        float w[4] = {0, 0, 0, 0};
        if (item < l.items) {
            hold += l.begin + item >= f.begin[hold + 1];
            int64_t part = (int64_t)(l.begin + item - f.begin[hold]) * f.parts + (from + i) % f.parts;
            const float *part_a = f.part_a + part * f.count * f.count, *part_b = f.part_b + part * f.count * f.count;
            for (int k = 0; k < 4 && hold != turned; k++) {
                double t = place[k] < 0 ? 0 : f.turns[place[k]] * f.hold[hold].theta;
                sincospif(2.0f * (float)(t - rint(t)), &sine[k], &cosine[k]);
            }
            turned = hold;
            for (int k = 0; k < 4; k++)
                if (place[k] >= 0)
                    w[k] = part_a[place[k]] * cosine[k] + part_b[place[k]] * sine[k];
        }
        float2 *to = h.spectrum + (int64_t)i * h.side * columns + column;
        for (int s = 1; s >= -1; s -= 2) {
            float sign = (float)s, re = x.re * y.re - sign * x.im * y.im, im = sign * x.re * y.im + x.im * y.re;
            float even = w[0] - sign * w[1], odd = w[2] + sign * w[3];
            int at = s > 0 ? row : h.side - row;
            if (s > 0 || (row > 0 && 2 * row != h.side))
                to[(int64_t)at * columns] = make_float2(re * even + im * odd, im * even - re * odd);
        }
    }
}

extern "C" void cuda_adr_half_fill(struct device *d, const struct adr_flow *f, const struct adr_half *h,
                                   const struct adr_launch *l, int from)
{
    int columns = h->side / 2 + 1;
    dim3 grid((unsigned)(columns * columns + THREADS - 1) / THREADS, (unsigned)(h->batch + ITEMS - 1) / ITEMS);
    KERNEL_LAUNCH(fill_half, grid, dim3(THREADS), 0, cuda_of(d)->stream, *f, *h, *l, from);
    CUDA_LAUNCHED(d, "adr_half_fill");
}

static __device__ __forceinline__ int fold_place(int i, int side) { return i % 2 ? side - 1 - i / 2 : i / 2; }

static __global__ void unfold(struct adr_half h, float *out)
{
    int cells = h.side * h.side, at = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    int x = at % h.side, y = at / h.side;
    int64_t item = (int64_t)blockIdx.y * cells;
    if (at >= cells)
        return;
    float value = h.cells[item + fold_place(y, h.side) * h.side + fold_place(x, h.side)];
    out[item + at] = (x + y) % 2 ? -value : value;
}

extern "C" void cuda_adr_half_unfold(struct device *d, const struct adr_half *h, int count, float *out)
{
    dim3 grid((unsigned)(h->side * h->side + THREADS - 1) / THREADS, (unsigned)count);
    KERNEL_LAUNCH(unfold, grid, dim3(THREADS), 0, cuda_of(d)->stream, *h, out);
    CUDA_LAUNCHED(d, "adr_half_unfold");
}
