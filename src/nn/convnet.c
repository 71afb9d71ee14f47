/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/convnet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"

enum kind { INPUT, CONV, POOL, CONCAT, MEAN };

/* A map and the step that makes it; maps are in the order of the steps. */
struct step {
    enum kind kind;
    int a, b; /* maps it is made from */
    int h, w, c;
    struct conv *conv; /* owned */
    float *bias;       /* device, owned */
    struct pool_shape pool;
    int last;   /* the last step that reads it */
    int buffer; /* where it lies */
};

struct convnet {
    struct device *device;               /* borrowed */
    const struct weight_source *weights; /* borrowed */
    int batch, count, failed, buffer_count;
    struct step *steps;
    float **buffers;    /* device, owned */
    struct repeat *run; /* owned: all that follows the upload */
};

static int add(struct convnet *net, struct step step)
{
    REQUIRE(!net->buffers);
    if (!net->failed && (step.h < 1 || step.w < 1)) {
        log_error("images of %d x %d pixels are too small for this network", net->steps[0].w,
                  net->steps[0].h);
        net->failed = 1;
    }
    if (!(net->count & (net->count - 1))) {
        size_t bytes = (size_t)net->count * sizeof step;
        struct step *larger = mem_alloc(net->count ? 2 * bytes : sizeof step);
        if (net->count)
            memcpy(larger, net->steps, bytes);
        mem_free(net->steps);
        net->steps = larger;
    }
    net->steps[net->count] = step;
    return net->count++;
}

struct convnet *convnet_create(struct device *d, const struct weight_source *weights, int batch,
                               int h, int w)
{
    struct convnet *net = mem_zalloc(sizeof *net);
    net->device = d;
    net->weights = weights;
    net->batch = batch;
    add(net, (struct step){.kind = INPUT, .h = h, .w = w, .c = 3});
    return net;
}

static float *read_weights(struct convnet *net, const char *name, const char *part, int rank,
                           const int64_t *dims)
{
    char full[160];
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= dims[i];
    float *values = mem_zalloc((size_t)count * sizeof *values);
    snprintf(full, sizeof full, "%s.%s", name, part);
    if (!net->failed)
        net->failed = net->weights->read(net->weights->state, full, rank, dims, values);
    return values;
}

/* Convolution, then batch norm: (w x - mean) gamma / sqrt(variance + eps) + beta is a convolution
 * with other weights and a bias. */
static void fold_norm(struct convnet *net, const char *name, int c_out, int64_t taps, float *w,
                      float *bias)
{
    static const char *const part[] = {"bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"};
    const double eps = 1e-3;
    float *v[4];
    for (int i = 0; i < 4; i++)
        v[i] = read_weights(net, name, part[i], 1, (int64_t[]){c_out});
    for (int o = 0; o < c_out; o++) {
        double scale = (double)v[0][o] / sqrt((double)v[3][o] + eps);
        for (int64_t i = 0; i < taps; i++)
            w[o * taps + i] = (float)((double)w[o * taps + i] * scale);
        bias[o] = (float)((double)v[1][o] - (double)v[2][o] * scale);
    }
    for (int i = 0; i < 4; i++)
        mem_free(v[i]);
}

/* w: OIHW, handed to the plan as OHWI. */
static struct conv *make_conv(struct device *d, const struct conv_shape *s, const float *w)
{
    int taps = s->kernel * s->kernel_w;
    size_t count = (size_t)s->c_out * (size_t)taps * (size_t)s->c_in;
    float *turned = mem_alloc(count * sizeof *turned), *on_device;
    for (int64_t o = 0; o < s->c_out; o++)
        for (int64_t i = 0; i < s->c_in; i++)
            for (int64_t t = 0; t < taps; t++)
                turned[(o * taps + t) * s->c_in + i] = w[(o * s->c_in + i) * taps + t];
    struct conv *conv = d->ops->conv_create(d, s);
    on_device = d->ops->alloc(d, count * sizeof *turned);
    d->ops->upload(d, on_device, turned, count * sizeof *turned);
    d->ops->conv_weights(d, conv, on_device, NULL);
    d->ops->sync(d);
    d->ops->free(d, on_device);
    mem_free(turned);
    return conv;
}

static int add_conv(struct convnet *net, int x, const struct layer *l, const char *name, int norm)
{
    struct device *d = net->device;
    struct step in = net->steps[x];
    struct conv_shape s = {.n = net->batch,
                           .h = in.h,
                           .w = in.w,
                           .c_in = in.c,
                           .c_out = l->c_out,
                           .kernel = l->kernel_h,
                           .stride = l->stride,
                           .type = DTYPE_F32,
                           .kernel_w = l->kernel_w,
                           .pad_h = l->pad_h,
                           .pad_w = l->pad_w};
    struct conv_window k = conv_window_of(&s);
    int64_t dims[4] = {s.c_out, s.c_in, k.kernel_h, k.kernel_w};
    if (in.h + 2 * l->pad_h < l->kernel_h || in.w + 2 * l->pad_w < l->kernel_w)
        k.out_h = k.out_w = 0;
    int out =
        add(net,
            (struct step){.kind = CONV, .a = x, .b = x, .h = k.out_h, .w = k.out_w, .c = l->c_out});
    size_t bias_bytes = (size_t)s.c_out * sizeof(float);
    float *w = read_weights(net, name, norm ? "conv.weight" : "weight", 4, dims);
    float *bias = norm ? mem_alloc(bias_bytes) : read_weights(net, name, "bias", 1, dims);
    if (norm)
        fold_norm(net, name, s.c_out, dims[1] * dims[2] * dims[3], w, bias);
    if (!net->failed) {
        net->steps[out].conv = make_conv(d, &s, w);
        net->steps[out].bias = d->ops->alloc(d, bias_bytes);
        d->ops->upload(d, net->steps[out].bias, bias, bias_bytes);
        d->ops->sync(d);
    }
    mem_free(w);
    mem_free(bias);
    return out;
}

int convnet_conv(struct convnet *net, int x, const struct layer *l, const char *name)
{
    return add_conv(net, x, l, name, 0);
}

int convnet_conv_norm(struct convnet *net, int x, const struct layer *l, const char *name)
{
    return add_conv(net, x, l, name, 1);
}

int convnet_pool(struct convnet *net, int x, enum pool_kind kind, int kernel, int stride, int pad,
                 int ceil)
{
    struct step in = net->steps[x];
    struct pool_shape s = {net->batch, in.h, in.w, in.c, kind, kernel, stride, pad, ceil};
    int fits = in.h + 2 * pad >= kernel && in.w + 2 * pad >= kernel;
    return add(net, (struct step){.kind = POOL,
                                  .a = x,
                                  .b = x,
                                  .h = fits ? pool_out(in.h, &s) : 0,
                                  .w = fits ? pool_out(in.w, &s) : 0,
                                  .c = in.c,
                                  .pool = s});
}

int convnet_concat(struct convnet *net, int a, int b)
{
    struct step left = net->steps[a], right = net->steps[b];
    REQUIRE(left.h == right.h && left.w == right.w);
    return add(
        net, (struct step){
                 .kind = CONCAT, .a = a, .b = b, .h = left.h, .w = left.w, .c = left.c + right.c});
}

int convnet_mean(struct convnet *net, int x)
{
    return add(net,
               (struct step){.kind = MEAN, .a = x, .b = x, .h = 1, .w = 1, .c = net->steps[x].c});
}

void convnet_output(struct convnet *net, int x)
{
    net->steps[x].last = INT32_MAX;
}

void convnet_size(const struct convnet *net, int x, int *h, int *w, int *c)
{
    *h = net->steps[x].h;
    *w = net->steps[x].w;
    *c = net->steps[x].c;
}

static int64_t numbers(const struct convnet *net, const struct step *s)
{
    return (int64_t)net->batch * s->h * s->w * s->c;
}

/* Map i takes the buffer of a map that nobody reads from step i on; the largest map that a buffer
 * ever holds decides its size. */
static void assign(struct convnet *net, int *taken, int64_t *room)
{
    for (int i = 0; i < net->count; i++) {
        struct step *s = &net->steps[i];
        int at = 0;
        while (at < net->buffer_count && taken[at] >= i)
            at++;
        if (at == net->buffer_count)
            room[net->buffer_count++] = 0;
        s->buffer = at;
        taken[at] = s->last > i ? s->last : i;
        if (numbers(net, s) > room[at])
            room[at] = numbers(net, s);
    }
}

int convnet_plan(struct convnet *net)
{
    struct device *d = net->device;
    if (net->failed)
        return 1;
    for (int i = 1; i < net->count; i++) {
        int *read[] = {&net->steps[net->steps[i].a].last, &net->steps[net->steps[i].b].last};
        for (int k = 0; k < 2; k++)
            *read[k] = *read[k] > i ? *read[k] : i;
    }
    int *taken = mem_alloc((size_t)net->count * sizeof *taken);
    int64_t *room = mem_alloc((size_t)net->count * sizeof *room);
    assign(net, taken, room);
    net->buffers = mem_alloc((size_t)net->buffer_count * sizeof *net->buffers);
    for (int i = 0; i < net->buffer_count; i++)
        net->buffers[i] = d->ops->alloc(d, (size_t)room[i] * sizeof(float));
    mem_free(taken);
    mem_free(room);
    return 0;
}

static float *map_of(const struct convnet *net, int x)
{
    return net->buffers[net->steps[x].buffer];
}

static void run_step(struct convnet *net, int i)
{
    struct device *d = net->device;
    struct step *s = &net->steps[i], *a = &net->steps[s->a];
    float *x = map_of(net, s->a), *y = map_of(net, i);
    switch (s->kind) {
    case INPUT:
        break;
    case CONV:
        d->ops->conv_forward(d, s->conv, x, s->bias, NULL, y);
        d->ops->relu(d, numbers(net, s), y, y);
        break;
    case POOL:
        d->ops->pool(d, &s->pool, x, y);
        break;
    case CONCAT:
        d->ops->concat_forward(d, (int64_t)net->batch * s->h * s->w, a->c, net->steps[s->b].c,
                               DTYPE_F32, x, map_of(net, s->b), y);
        break;
    case MEAN:
        d->ops->pixel_mean(d, net->batch, a->h * a->w, a->c, x, y);
        break;
    }
}

void convnet_run(struct convnet *net, const float *images)
{
    struct device *d = net->device;
    d->ops->upload(d, map_of(net, 0), images,
                   (size_t)numbers(net, &net->steps[0]) * sizeof *images);
    if (!d->ops->repeat_begin(d, &net->run))
        return;
    for (int i = 1; i < net->count; i++)
        run_step(net, i);
    d->ops->repeat_end(d, net->run);
}

void convnet_map(struct convnet *net, int x, float *out)
{
    struct device *d = net->device;
    REQUIRE(net->steps[x].last == INT32_MAX);
    d->ops->download(d, out, map_of(net, x), (size_t)numbers(net, &net->steps[x]) * sizeof *out);
}

void convnet_destroy(struct convnet *net)
{
    if (!net)
        return;
    struct device *d = net->device;
    d->ops->repeat_free(d, net->run);
    for (int i = 0; i < net->count; i++) {
        if (net->steps[i].conv)
            d->ops->conv_destroy(d, net->steps[i].conv);
        d->ops->free(d, net->steps[i].bias);
    }
    for (int i = 0; i < net->buffer_count; i++)
        d->ops->free(d, net->buffers[i]);
    mem_free(net->buffers);
    mem_free(net->steps);
    mem_free(net);
}
