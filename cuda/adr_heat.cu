/* SPDX-License-Identifier: Apache-2.0
 * adr_heat: exact blur: orthonormal DCT-II as matrix products (adr_waves.cu), mode (i, j) times
 * exp(-(pi/L)^2 (i^2 + j^2) sigma_k^2 / 2). A difference of two levels has its own factor, so that nothing cancels.
 * Work of a capture: 2 L^3 FMA a channel for u and as much for delta; memory bound below 64 px (about 40 L^2 bytes).
 * Not measured on a GPU yet. */
#include "adr_cuda.h"
#include "kernel.cuh"

enum { THREADS = 128 };

static __global__ void heat_load(struct adr_heat h, const float *u0)
{
    int at = (int)(blockIdx.x * blockDim.x + threadIdx.x), cells = h.side * h.side;
    int image = (int)blockIdx.y / h.channels, channel = (int)blockIdx.y % h.channels;
    if (at < cells)
        h.coefficient[(int64_t)blockIdx.y * cells + at] = u0[((int64_t)image * cells + at) * h.channels + channel];
}

/* Spectra are [along y][along x] in the order of the cosine table: even waves first. */
static __device__ __forceinline__ int mode_of(const struct adr_waves_table *w, int k)
{
    return k < w->even ? 2 * k : 2 * (k - w->even) + 1;
}

static __global__ void heat_factor(struct adr_heat h, const struct adr_heat_capture *capture, int difference)
{
    const double pi = 3.14159265358979323846;
    int at = (int)(blockIdx.x * blockDim.x + threadIdx.x), cells = h.side * h.side;
    int channel = (int)blockIdx.y % h.channels;
    struct adr_heat_capture c = capture[(int)blockIdx.y / h.channels];
    if (at >= cells)
        return;
    int i = mode_of(&h.cosine, at % h.side), j = mode_of(&h.cosine, at / h.side);
    double sigma = h.sigma[c.level], before = difference && c.level ? h.sigma[c.level - 1] : 0;
    double square = pi * pi / (2.0 * h.side * h.side) * ((double)i * i + (double)j * j);
    double factor = exp(-square * sigma * sigma);
    if (difference)
        factor = -exp(-square * before * before) * expm1(-square * (sigma * sigma - before * before));
    h.coefficient[(int64_t)blockIdx.y * cells + at] =
        (float)factor * h.spectrum[((int64_t)c.image * h.channels + channel) * cells + at];
}

/* Level 0 is the image itself. */
static __global__ void heat_store(struct adr_heat h, const struct adr_heat_capture *capture, const float *u0,
                                  float *out, int difference)
{
    int at = (int)(blockIdx.x * blockDim.x + threadIdx.x), cells = h.side * h.side;
    int channel = (int)blockIdx.y % h.channels;
    struct adr_heat_capture c = capture[(int)blockIdx.y / h.channels];
    if (at >= cells)
        return;
    float value = h.coefficient[(int64_t)blockIdx.y * cells + at];
    if (c.level == 0)
        value = difference ? 0 : u0[((int64_t)c.image * cells + at) * h.channels + channel];
    out[(c.slot * cells + at) * h.channels + channel] = value;
}

/* Both axes; in and out [along y][along x] of `matrices` squares. */
static void transform_both(struct device *d, const struct adr_heat *h, const struct adr_waves_table *w,
                           int64_t matrices, float *in, float *out)
{
    int side = h->side;
    int64_t cells = (int64_t)side * side;
    struct adr_rows from = {in, cells, side, 1}, middle = {h->middle, cells, side, 1};
    struct adr_rows columns = {h->middle, cells, 1, side}, to = {out, cells, 1, side};
    cuda_adr_transform(d, w, matrices, side, from, middle);
    cuda_adr_transform(d, w, matrices, side, columns, to);
}

static dim3 grid_of(const struct adr_heat *h, int count)
{
    return dim3((unsigned)(h->side * h->side + THREADS - 1) / THREADS, (unsigned)(count * h->channels));
}

extern "C" void cuda_adr_heat_spectrum(struct device *d, const struct adr_heat *h, const float *u0)
{
    KERNEL_LAUNCH(heat_load, grid_of(h, h->images), dim3(THREADS), 0, cuda_of(d)->stream, *h, u0);
    CUDA_LAUNCHED(d, "adr_heat_load");
    transform_both(d, h, &h->analysis, (int64_t)h->images * h->channels, h->coefficient, h->spectrum);
}

extern "C" void cuda_adr_heat_images(struct device *d, const struct adr_heat *h, int captures,
                                     const struct adr_heat_capture *capture, const float *u0, float *u, float *delta)
{
    cudaStream_t stream = cuda_of(d)->stream;
    for (int first = 0, count; first < captures; first += count) {
        count = captures - first < h->batch ? captures - first : h->batch;
        for (int difference = 0; difference < (delta ? 2 : 1); difference++) {
            dim3 grid = grid_of(h, count);
            KERNEL_LAUNCH(heat_factor, grid, dim3(THREADS), 0, stream, *h, capture + first, difference);
            CUDA_LAUNCHED(d, "adr_heat_factor");
            transform_both(d, h, &h->cosine, (int64_t)count * h->channels, h->coefficient, h->coefficient);
            KERNEL_LAUNCH(heat_store, grid, dim3(THREADS), 0, stream, *h, capture + first, u0, difference ? delta : u,
                          difference);
            CUDA_LAUNCHED(d, "adr_heat_store");
        }
    }
}
