/* SPDX-License-Identifier: Apache-2.0
 * Group norm with SiLU (formulas: ref_norm.c), NHWC, fp32 or bf16: how the work is cut, and the launches of norm.cuh.
 *
 * A slab is the pixels of one image in a few whole groups of channels, at least a sector of 32 bytes a pixel. Two ways
 * through memory; bytes a number with bf16, twice that with fp32 (and 2 more where backward accumulates):
 *     resident   a slab stays in the shared memory of a block or of a cluster of up to 8 blocks (sm_90): one launch;
 *                forward 4 (read x, write y), backward 6 (x, dy; dx). Holds up to 1.6 MB of x and dy: with groups of up
 *                to 16 (bf16) or 8 (fp32) channels images of 128 x 128 both ways.
 *     streaming  sums, coefficients and map as three launches: forward 6, backward 10. The map begins with the images
 *                that were summed last, whose numbers the L2 cache may still have.
 * Together with the concatenation before it: forward 2 more (a and b are read in place of x, which is written), where
 * the concatenation by itself would move 4; backward, where dx goes to da and db instead, none instead of 4.
 * Forward sums are about the mean of eight pixels of the channel, so no variance is lost far from zero, and channels
 * are merged into groups in double. Shift moves the mean of a channel and nothing else. Every sum has an order that the
 * shape and the kind of GPU fix.
 *
 * Expected: 75 to 90 % of copy bandwidth at these bytes, for tensors beyond the L2 cache. Not measured on a GPU yet.
 * nvcc 13.0, 256 threads a block, no spills. Registers on sm_90 with 16-byte loads, forward and backward: resident 118,
 * 128 (bf16), 101, 126 (fp32), so two blocks a multiprocessor; sums 102, 119, map 80, 126 (bf16). Shared memory: 16 KiB
 * (forward) or 24 KiB (backward) of sums with bf16, half of that with fp32, and the part of the slab. */
#include "device/concat_norm.h"
#include "norm.cuh"

enum { WHOLE_SECTOR = 32, STREAM_BYTES = 512, PART_BYTES = 65536, MAX_PARTS = 256 };
enum { RESERVED = 1024 }; /* bytes of shared memory of each block that the GPU keeps for itself */

static int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

/* Slabs of at least `bytes` a pixel: whole groups, whole vectors. */
static void cut_channels(struct norm *k, int vector, int size, int bytes)
{
    int unit = k->width;
    while (unit % vector)
        unit += k->width;
    k->slab = min(k->c, unit * ceil_div(bytes, unit * size));
    k->slabs = ceil_div(k->c, k->slab);
}

static void cut_pixels(struct norm *k, int parts)
{
    k->pixels = ceil_div(k->hw, parts);
    k->parts = parts;
}

static size_t resident_bytes(const struct norm *k, int vector, int size, int backward)
{
    const int sums = sums_of(backward);
    return (size_t)small_floats(k->slab, vector, sums) * sizeof(float) +
           (size_t)(1 + backward) * (size_t)k->pixels * (size_t)k->slab * (size_t)size;
}

/* Finds a cut whose slabs stay on the chip: two blocks a multiprocessor if possible, then wide slabs, then small
 * clusters; a batch too small to occupy the GPU gets larger clusters. Returns the shared memory of a block, or 0. */
static size_t cut_resident(struct norm *k, const struct cuda_state *gpu, int vector, int size, int backward)
{
    const int max_cluster = gpu->capability >= 90 ? MAX_CLUSTER : 1;
    for (int blocks_per_sm = 2; blocks_per_sm >= 1; blocks_per_sm--)
        for (int bytes = 2 * WHOLE_SECTOR; bytes >= WHOLE_SECTOR; bytes /= 2) {
            cut_channels(k, vector, size, bytes);
            for (int parts = 1; parts <= max_cluster; parts *= 2) {
                cut_pixels(k, parts);
                if (resident_bytes(k, vector, size, backward) + RESERVED > gpu->shared_bytes / (size_t)blocks_per_sm)
                    continue;
                while (k->parts < max_cluster && (int64_t)k->n * k->slabs * k->parts < gpu->sm_count && k->pixels > 32)
                    cut_pixels(k, 2 * k->parts);
                return resident_bytes(k, vector, size, backward);
            }
        }
    return 0;
}

static void cut_streaming(struct norm *k, int vector, int size)
{
    cut_channels(k, vector, size, STREAM_BYTES);
    int pixels = max(1, PART_BYTES / (k->slab * size));
    cut_pixels(k, min(MAX_PARTS, ceil_div(k->hw, pixels)));
}

/* More shared memory than 48 KiB has to be allowed first. Always all that the GPU has: the limit is the kernel's, not
 * the launch's, and a recorded launch fails if a smaller norm has lowered it since. */
template <class K> static void allow_shared(K kernel, const struct cuda_state *gpu, size_t bytes)
{
    CUDA_TRY(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  (int)(bytes > gpu->shared_bytes ? bytes : gpu->shared_bytes)));
}

template <class T, int V, int B> static void run_resident(struct device *d, const struct norm *k, size_t smem)
{
    const dim3 grid((unsigned)((int64_t)k->n * k->slabs * k->parts));
    allow_shared(resident_kernel<T, V, B>, cuda_of(d), smem);
    /* the first-level cache has nothing to do here: all of it as shared memory, for two blocks a multiprocessor */
    CUDA_TRY(cudaFuncSetAttribute(resident_kernel<T, V, B>, cudaFuncAttributePreferredSharedMemoryCarveout, 100));
    if (k->parts > 1)
        KERNEL_LAUNCH_CLUSTER((resident_kernel<T, V, B>), (unsigned)k->parts, grid, dim3(THREADS), smem,
                              cuda_of(d)->stream, *k);
    else
        KERNEL_LAUNCH((resident_kernel<T, V, B>), grid, dim3(THREADS), smem, cuda_of(d)->stream, *k);
    CUDA_LAUNCHED(d, B ? "norm_backward" : "norm_forward");
}

template <class T, int V, int B> static void run_streaming(struct device *d, const struct norm *k)
{
    const unsigned slabs = (unsigned)(k->n * k->slabs), parts = slabs * (unsigned)k->parts;
    const size_t smem = (size_t)small_floats(k->slab, V, sums_of(B)) * sizeof(float);
    allow_shared(sum_kernel<T, V, B>, cuda_of(d), smem);
    KERNEL_LAUNCH((sum_kernel<T, V, B>), dim3(parts), dim3(THREADS), smem, cuda_of(d)->stream, *k);
    CUDA_LAUNCHED(d, "norm sums");
    KERNEL_LAUNCH((coefficient_kernel<T, B>), dim3(slabs), dim3(THREADS), 0, cuda_of(d)->stream, *k);
    CUDA_LAUNCHED(d, "norm coefficients");
    KERNEL_LAUNCH((map_kernel<T, V, B>), dim3(parts), dim3(THREADS), 0, cuda_of(d)->stream, *k);
    CUDA_LAUNCHED(d, "norm map");
}

/* Cuts the work, shares out the scratch memory and runs one of the two ways. */
template <class T, int V, int B> static void run(struct device *d, struct norm *k)
{
    const int sums = sums_of(B);
    const size_t resident = cut_resident(k, cuda_of(d), V, sizeof(T), B);
    if (!resident)
        cut_streaming(k, V, sizeof(T));
    const size_t slabs = (size_t)k->n * (size_t)k->slabs, channels = (size_t)k->slab;
    const size_t image_sums = B ? 2 * (size_t)k->n * (size_t)k->c : 0;
    const size_t coefficients = resident ? 0 : slabs * COEFFICIENTS * channels;
    const size_t part_sums = resident ? 0 : slabs * (size_t)k->parts * (size_t)sums * channels;
    k->image_sums = (float *)cuda_scratch(d, (image_sums + coefficients + part_sums) * sizeof(float));
    k->coefficients = k->image_sums + image_sums;
    k->part_sums = k->coefficients + coefficients;
    if (resident)
        run_resident<T, V, B>(d, k, resident);
    else
        run_streaming<T, V, B>(d, k);
}

template <int B> static void run_type(struct device *d, enum dtype type, struct norm *k)
{
    if (type == DTYPE_F32)
        k->c % 4 ? run<float, 1, B>(d, k) : run<float, 4, B>(d, k);
    else
        k->c % 8 ? run<__nv_bfloat16, 1, B>(d, k) : run<__nv_bfloat16, 8, B>(d, k);
}

static struct norm norm_of(const struct norm_shape *s, const void *x, const float *shift, const float *gamma,
                           const float *beta, const float *stats)
{
    struct norm k = {};
    k.x = x;
    k.shift = shift;
    k.gamma = gamma;
    k.beta = beta;
    k.stats = const_cast<float *>(stats); /* backward only reads them */
    k.n = s->n;
    k.hw = s->hw;
    k.c = s->c;
    k.width = s->c / s->groups;
    k.silu = s->silu;
    k.eps = (float)s->eps;
    return k;
}

static void run_backward(struct device *d, const struct norm_shape *s, struct norm *k, const void *dy, void *dx,
                         int accumulate, float *dgamma, float *dbeta, float *dshift)
{
    if ((int64_t)s->n * s->hw * s->c == 0)
        return;
    k->dy = dy;
    k->y = dx;
    k->accumulate = accumulate;
    k->dshift = dshift;
    run_type<BACKWARD>(d, s->type, k);
    KERNEL_LAUNCH(parameter_kernel, dim3((unsigned)ceil_div(s->c, 32)), dim3(THREADS), 8 * 64 * sizeof(float),
                  cuda_of(d)->stream, *k, dgamma, dbeta);
    CUDA_LAUNCHED(d, "norm parameters");
}

static void run_forward(struct device *d, const struct norm_shape *s, struct norm *k, void *y)
{
    if ((int64_t)s->n * s->hw * s->c == 0)
        return;
    k->y = y;
    run_type<FORWARD>(d, s->type, k);
}

void cuda_norm_forward(struct device *d, const struct norm_shape *s, const void *x, const float *shift,
                       const float *gamma, const float *beta, void *y, float *stats)
{
    struct norm k = norm_of(s, x, shift, gamma, beta, stats);
    run_forward(d, s, &k, y);
}

void cuda_norm_backward(struct device *d, const struct norm_shape *s, const void *x, const float *shift,
                        const float *gamma, const float *beta, const float *stats, const void *dy, void *dx,
                        int accumulate, float *dgamma, float *dbeta, float *dshift)
{
    struct norm k = norm_of(s, x, shift, gamma, beta, stats);
    run_backward(d, s, &k, dy, dx, accumulate, dgamma, dbeta, dshift);
}

/* ---- with the concatenation before it ---- */

/* A vector must not reach from one half into the other. */
static int halves_fit(const struct norm_shape *s, int ca)
{
    const int vector = s->type == DTYPE_F32 ? 4 : 8;
    return s->c % vector || ca % vector == 0;
}

static void set_halves(struct norm *k, int ca, const void *a, const void *b)
{
    k->a = const_cast<void *>(a);
    k->b = const_cast<void *>(b);
    k->ca = ca;
}

void cuda_concat_norm_forward(struct device *d, const struct norm_shape *s, int ca, const void *a, const void *b,
                              void *x, const float *gamma, const float *beta, void *y, float *stats)
{
    if (!halves_fit(s, ca)) {
        concat_norm_forward_by_parts(d, s, ca, a, b, x, gamma, beta, y, stats);
        return;
    }
    struct norm k = norm_of(s, x, NULL, gamma, beta, stats);
    set_halves(&k, ca, a, b);
    run_forward(d, s, &k, y);
}

void cuda_concat_norm_backward(struct device *d, const struct norm_shape *s, int ca, const void *x, const float *gamma,
                               const float *beta, const float *stats, const void *dy, void *dx, int accumulate,
                               void *da, void *db, float *dgamma, float *dbeta)
{
    if (!halves_fit(s, ca)) {
        concat_norm_backward_by_parts(d, s, ca, x, gamma, beta, stats, dy, dx, accumulate, da, db, dgamma, dbeta);
        return;
    }
    struct norm k = norm_of(s, x, NULL, gamma, beta, stats);
    set_halves(&k, ca, da, db);
    run_backward(d, s, &k, dy, dx, accumulate, dgamma, dbeta, NULL);
}
