/* SPDX-License-Identifier: Apache-2.0
 * Antialiased resize with the Lanczos filter of three lobes, w(x) = sinc(x) sinc(x/3) for |x| < 3,
 * stretched by the scale where the image shrinks:
 *
 *     out[i] = sum_j w((j + 1/2 - c_i)/s) in[j] / sum_j w(...),   c_i = (i + 1/2) in/out,  s = max(1, in/out)
 *
 * first along rows, then along columns. Between the passes the image is 8 bits deep and weights have
 * 22 fractional bits, as in Pillow (Image.resize with LANCZOS, libImaging/Resample.c), with which it
 * agrees to the last bit. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "images/readers.h"

#define PI 3.14159265358979323846

enum { LOBES = 3, BITS = 32 - 8 - 2 };

struct filter {
    int in, out, room;  /* room: weights of one output pixel */
    int *first, *count; /* [out] input pixels that an output pixel sees */
    int32_t *weight;    /* [out,room] */
};

struct lanczos {
    struct filter across, down;
    uint8_t *middle; /* [height,side,channels] */
    size_t middle_bytes;
    int32_t *sums; /* [side,channels] */
    size_t sum_count;
};

static double sinc(double x)
{
    return x == 0.0 ? 1.0 : sin(x * PI) / (x * PI);
}

static double lanczos(double x)
{
    return -LOBES <= x && x < LOBES ? sinc(x) * sinc(x / LOBES) : 0.0;
}

static void filter_free(struct filter *f)
{
    mem_free(f->first);
    mem_free(f->count);
    mem_free(f->weight);
    *f = (struct filter){0};
}

static void make_weights(struct filter *f, int i, double scale, double stretch)
{
    double center = (i + 0.5) * scale, support = LOBES * stretch, sum = 0.0;
    int first = (int)(center - support + 0.5), end = (int)(center + support + 0.5);
    first = first < 0 ? 0 : first;
    end = end > f->in ? f->in : end;
    int32_t *weight = f->weight + (size_t)i * (size_t)f->room;
    for (int j = first; j < end; j++)
        sum += lanczos((j - center + 0.5) * (1.0 / stretch));
    for (int j = first; j < end; j++) {
        double w = lanczos((j - center + 0.5) * (1.0 / stretch)) / sum;
        weight[j - first] = (int32_t)(w * (1 << BITS) + (w < 0 ? -0.5 : 0.5));
    }
    f->first[i] = first;
    f->count[i] = end - first;
}

/* Weights for a change of length; those of the last change are kept. */
static void filter_make(struct filter *f, int in, int out)
{
    if (f->in == in && f->out == out)
        return;
    filter_free(f);
    double scale = (double)in / out, stretch = scale < 1.0 ? 1.0 : scale;
    f->in = in;
    f->out = out;
    f->room = (int)ceil(LOBES * stretch) * 2 + 1;
    f->first = mem_alloc((size_t)out * sizeof *f->first);
    f->count = mem_alloc((size_t)out * sizeof *f->count);
    f->weight = mem_alloc((size_t)out * (size_t)f->room * sizeof *f->weight);
    for (int i = 0; i < out; i++)
        make_weights(f, i, scale, stretch);
}

static inline uint8_t round_off(int32_t sum)
{
    sum >>= BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static inline void resize_row(const struct filter *f, const uint8_t *in, int channels, uint8_t *out)
{
    for (int i = 0; i < f->out; i++) {
        const int32_t *weight = f->weight + (size_t)i * (size_t)f->room;
        const uint8_t *p = in + (size_t)f->first[i] * (size_t)channels;
        int32_t sum[3] = {1 << (BITS - 1), 1 << (BITS - 1), 1 << (BITS - 1)};
        for (int j = 0; j < f->count[i]; j++)
            for (int c = 0; c < channels; c++)
                sum[c] += weight[j] * p[j * channels + c];
        for (int c = 0; c < channels; c++)
            *out++ = round_off(sum[c]);
    }
}

static void resize_rows(const struct filter *f, const uint8_t *in, int height, size_t stride,
                        int channels, uint8_t *out)
{
    size_t out_stride = (size_t)f->out * (size_t)channels;
    for (int y = 0; y < height; y++, in += stride, out += out_stride) {
        if (channels == 3)
            resize_row(f, in, 3, out);
        else
            resize_row(f, in, 1, out);
    }
}

static void resize_columns(const struct filter *f, const uint8_t *in, size_t stride, size_t length,
                           int32_t *sums, uint8_t *out)
{
    for (int i = 0; i < f->out; i++, out += length) {
        const int32_t *weight = f->weight + (size_t)i * (size_t)f->room;
        for (size_t x = 0; x < length; x++)
            sums[x] = 1 << (BITS - 1);
        for (int j = 0; j < f->count[i]; j++) {
            const uint8_t *row = in + (size_t)(f->first[i] + j) * stride;
            int32_t w = weight[j];
            for (size_t x = 0; x < length; x++)
                sums[x] += w * row[x];
        }
        for (size_t x = 0; x < length; x++)
            out[x] = round_off(sums[x]);
    }
}

struct lanczos *lanczos_create(void)
{
    return mem_zalloc(sizeof(struct lanczos));
}

void lanczos_destroy(struct lanczos *l)
{
    if (!l)
        return;
    filter_free(&l->across);
    filter_free(&l->down);
    mem_free(l->middle);
    mem_free(l->sums);
    mem_free(l);
}

static void reserve(struct lanczos *l, size_t height, size_t length)
{
    if (l->middle_bytes < height * length) {
        mem_free(l->middle);
        l->middle_bytes = height * length;
        l->middle = mem_alloc(l->middle_bytes);
    }
    if (l->sum_count < length) {
        mem_free(l->sums);
        l->sum_count = length;
        l->sums = mem_alloc(length * sizeof *l->sums);
    }
}

void lanczos_resize(struct lanczos *l, const uint8_t *in, int width, int height, size_t stride,
                    int channels, int side, uint8_t *out)
{
    size_t length = (size_t)side * (size_t)channels;
    reserve(l, (size_t)height, length);
    if (width != side) { /* a pass that changes nothing is left out, as in Pillow */
        filter_make(&l->across, width, side);
        uint8_t *to = height == side ? out : l->middle;
        resize_rows(&l->across, in, height, stride, channels, to);
        in = to;
        stride = length;
    }
    if (height != side) {
        filter_make(&l->down, height, side);
        resize_columns(&l->down, in, stride, length, l->sums, out);
    } else if (in != out) {
        for (int y = 0; y < side; y++)
            memcpy(out + (size_t)y * length, in + (size_t)y * stride, length);
    }
}
