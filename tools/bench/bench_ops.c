/* SPDX-License-Identifier: Apache-2.0
 * bench_ops: the operations of one training step of a small U-Net (28 x 28 images, multipliers
 * 1,2,2, one block a level, no attention) one by one on the `cpu` device, each beside the same
 * operation in PyTorch (peer_ops.py), and what a step adds up to.
 *
 *     bench_ops [THREADS [CHANNELS [BATCH]]]     from the project's root; THREADS 0: all CPUs of
 * the affinity mask
 *
 * A number is the median of five repeats, with the spread (largest - smallest) / median; the peer's
 * is its fastest of NCHW and channels_last in the same type, or '-' without PyTorch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timer.h"
#include "device/device.h"

enum { REPEATS = 5, MAX_RESULTS = 160 };

struct conv_row {
    int side, in, out, kernel, stride,
        count; /* channels in units of the base width; 0 = the image's one */
};
static const struct conv_row conv_rows[] = {
    {28, 0, 1, 3, 1, 1}, {28, 1, 1, 3, 1, 4}, {28, 1, 1, 3, 2, 1}, {28, 2, 2, 3, 1, 1},
    {28, 3, 1, 3, 1, 1}, {28, 3, 1, 1, 1, 1}, {28, 2, 1, 3, 1, 1}, {28, 2, 1, 1, 1, 1},
    {28, 1, 0, 3, 1, 1}, {14, 1, 2, 3, 1, 1}, {14, 1, 2, 1, 1, 1}, {14, 2, 2, 3, 1, 4},
    {14, 2, 2, 3, 2, 1}, {14, 4, 2, 3, 1, 1}, {14, 4, 2, 1, 1, 1}, {14, 3, 2, 3, 1, 1},
    {14, 3, 2, 1, 1, 1}, {7, 2, 2, 3, 1, 8},  {7, 4, 2, 3, 1, 2},  {7, 4, 2, 1, 1, 2},
};
struct norm_row {
    int side, c, count;
};
static const struct norm_row norm_rows[] = {{28, 1, 5}, {28, 2, 1}, {28, 3, 1},
                                            {14, 1, 1}, {14, 2, 3}, {14, 3, 1},
                                            {14, 4, 1}, {7, 2, 8},  {7, 4, 2}};

/* Seconds a call, and the spread. */
struct timing {
    double median, spread;
};

struct bench {
    struct device *d;
    int batch, width;
    enum dtype type;
    void *x, *y, *dx, *dy, *a, *b; /* activations, room for the largest */
    float *w, *dw, *vector, *dvector, *stats;
    char peer_name[MAX_RESULTS][80];
    double peer_s[MAX_RESULTS];
    int peers;
    double step_s, peer_step_s; /* sums over the operations that the peer has too */
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Times f(context) REPEATS times, each long enough to be seen by the clock. */
static struct timing time_calls(struct device *d, void (*f)(void *), void *context)
{
    double t[REPEATS];
    int calls = 1;
    f(context);
    d->ops->sync(d);
    for (int i = 0; i < REPEATS;) {
        double start = timer_now_s();
        for (int k = 0; k < calls; k++)
            f(context);
        d->ops->sync(d);
        double spent = timer_now_s() - start;
        if (spent < 0.01 && i == 0)
            calls *= 2;
        else
            t[i++] = spent / calls;
    }
    qsort(t, REPEATS, sizeof *t, by_value);
    return (struct timing){t[REPEATS / 2], (t[REPEATS - 1] - t[0]) / t[REPEATS / 2]};
}

static double peer_of(const struct bench *b, const char *name)
{
    for (int i = 0; i < b->peers; i++)
        if (strcmp(b->peer_name[i], name) == 0)
            return b->peer_s[i];
    return 0;
}

/* One line; work in flops or bytes, unit its name times 1e9 a second; count calls in a step. */
static void show(struct bench *b, const char *name, struct timing t, double work, const char *unit,
                 int count)
{
    double peer = peer_of(b, name);
    printf("%-46s %8.3f ms %3.0f %% %8.1f %-7s x%d", name, t.median * 1e3, t.spread * 100,
           work / t.median * 1e-9, unit, count);
    if (peer > 0) {
        printf("   peer %8.3f ms   ratio %5.2f", peer * 1e3, peer / t.median);
        b->step_s += count * t.median;
        b->peer_step_s += count * peer;
    }
    printf("\n");
    fflush(stdout);
}

struct conv_call {
    struct bench *b;
    struct conv *conv;
    int first; /* the network's first layer: no gradient of the image */
};

static void call_conv_forward(void *context)
{
    struct conv_call *c = context;
    c->b->d->ops->conv_forward(c->b->d, c->conv, c->b->x, c->b->vector, NULL, c->b->y);
}

static void call_conv_backward(void *context)
{
    struct conv_call *c = context;
    const struct device_ops *ops = c->b->d->ops;
    if (!c->first)
        ops->conv_backward_data(c->b->d, c->conv, c->b->dy, c->b->dx, 0);
    ops->conv_backward_weights(c->b->d, c->conv, c->b->x, c->b->dy, c->b->dw, c->b->dvector);
}

static void bench_conv(struct bench *b, const struct conv_row *r)
{
    struct conv_shape s = {b->batch,
                           r->side,
                           r->side,
                           r->in ? r->in * b->width : 1,
                           r->out ? r->out * b->width : 1,
                           r->kernel,
                           r->stride,
                           b->type,
                           1,
                           0,
                           0,
                           0};
    struct conv_call call = {b, b->d->ops->conv_create(b->d, &s), r->in == 0};
    int out = conv_out(s.h, s.kernel, s.stride);
    double flops = 2.0 * s.n * out * out * s.c_out * s.c_in * s.kernel * s.kernel;
    char name[80];
    b->d->ops->conv_weights(b->d, call.conv, b->w, NULL);
    for (int backward = 0; backward < 2; backward++) {
        snprintf(name, sizeof name, "conv_%s %dx%d %d->%d k%d s%d %s",
                 backward ? "backward" : "forward", s.h, s.w, s.c_in, s.c_out, s.kernel, s.stride,
                 b->type == DTYPE_F32 ? "fp32" : "bf16");
        struct timing t =
            time_calls(b->d, backward ? call_conv_backward : call_conv_forward, &call);
        show(b, name, t, backward && !call.first ? 2 * flops : flops, "GFLOP/s", r->count);
    }
    b->d->ops->conv_destroy(b->d, call.conv);
}

struct norm_call {
    struct bench *b;
    struct norm_shape s;
};

static void call_norm_forward(void *context)
{
    struct norm_call *c = context;
    struct bench *b = c->b;
    b->d->ops->norm_forward(b->d, &c->s, b->x, NULL, b->vector, b->vector, b->y, b->stats);
}

static void call_norm_backward(void *context)
{
    struct norm_call *c = context;
    struct bench *b = c->b;
    b->d->ops->norm_backward(b->d, &c->s, b->x, NULL, b->vector, b->vector, b->stats, b->dy, b->dx,
                             0, b->dvector, b->dvector, NULL);
}

static void bench_norm(struct bench *b, const struct norm_row *r)
{
    struct norm_call call = {b,
                             {b->batch, r->side * r->side, r->c * b->width, 32, b->type, 1, 1e-5}};
    double bytes =
        (double)call.s.n * call.s.hw * call.s.c * (double)dtype_bytes(b->type); /* of x */
    char name[80];
    for (int backward = 0; backward < 2; backward++) {
        snprintf(name, sizeof name, "norm_silu_%s %dx%d %d %s", backward ? "backward" : "forward",
                 r->side, r->side, call.s.c, b->type == DTYPE_F32 ? "fp32" : "bf16");
        struct timing t =
            time_calls(b->d, backward ? call_norm_backward : call_norm_forward, &call);
        show(b, name, t, bytes * (backward ? 3 : 2), "GB/s", r->count);
    }
}

/* Operations without a peer here: side 28, base width. */
struct layer_call {
    struct bench *b;
    int which;
};
enum { UPSAMPLE, UPSAMPLE_BACK, CONCAT, CONCAT_BACK, ADD, COPY, DROPOUT, LAYERS };
static const char *const layer_names[] = {"upsample_forward to 28x28",
                                          "upsample_backward 28x28",
                                          "concat_forward 28x28",
                                          "concat_backward 28x28",
                                          "add 28x28",
                                          "copy 28x28",
                                          "dropout 28x28"};

static void call_layer(void *context)
{
    struct layer_call *l = context;
    struct bench *b = l->b;
    const struct device_ops *ops = b->d->ops;
    int n = b->batch, c = b->width;
    int64_t rows = (int64_t)n * 28 * 28;
    switch (l->which) {
    case UPSAMPLE:
        ops->upsample_forward(b->d, n, 14, 14, c, b->type, b->x, b->y);
        break;
    case UPSAMPLE_BACK:
        ops->upsample_backward(b->d, n, 14, 14, c, b->type, b->dy, b->dx, 0);
        break;
    case CONCAT:
        ops->concat_forward(b->d, rows, c, c, b->type, b->a, b->b, b->y);
        break;
    case CONCAT_BACK:
        ops->concat_backward(b->d, rows, c, c, b->type, b->dy, b->a, 0, b->b, 1);
        break;
    case ADD:
        ops->add(b->d, rows * c, b->type, b->x, b->y);
        break;
    case COPY:
        ops->copy(b->d, b->y, b->x, (size_t)rows * (size_t)c * dtype_bytes(b->type));
        break;
    default:
        ops->dropout(b->d, n, 28 * 28 * c, b->type, 0.1, 0, (const void *)b->stats,
                     b->y); /* any numbers will do */
    }
}

static void bench_layers(struct bench *b)
{
    static const double passes[LAYERS] = {1.25, 1.25, 4, 5, 3, 2, 2};
    double bytes = (double)b->batch * 28 * 28 * b->width * (double)dtype_bytes(b->type);
    char name[80];
    for (int which = 0; which < LAYERS; which++) {
        struct layer_call call = {b, which};
        snprintf(name, sizeof name, "%s %d %s", layer_names[which], b->width,
                 b->type == DTYPE_F32 ? "fp32" : "bf16");
        show(b, name, time_calls(b->d, call_layer, &call), bytes * passes[which], "GB/s", 1);
    }
}

/* Lines "seconds name ..." of the peer's script. */
static void read_peer(struct bench *b)
{
    char command[128], line[160];
    snprintf(command, sizeof command, "/usr/bin/python3 tools/bench/peer_ops.py %d %d %d",
             b->d->threads, b->width, b->batch);
    FILE *f = popen(command, "r");
    while (f && b->peers < MAX_RESULTS && fgets(line, sizeof line, f)) {
        char *name;
        b->peer_s[b->peers] = strtod(line, &name);
        name[strcspn(name, "\n")] = '\0';
        snprintf(b->peer_name[b->peers++], sizeof b->peer_name[0], "%s", name + 1);
    }
    if (f)
        pclose(f);
}

static void *device_numbers(struct bench *b, int64_t n, enum dtype type)
{
    float *host = mem_alloc((size_t)n * 4);
    void *x = b->d->ops->alloc(b->d, (size_t)n * 4);
    for (int64_t i = 0; i < n; i++)
        host[i] = (float)((i * 2654435761u) % 1000) * 2e-3f - 1.0f;
    b->d->ops->upload(b->d, x, host, (size_t)n * 4);
    if (type != DTYPE_F32) {
        void *narrow = b->d->ops->alloc(b->d, (size_t)n * dtype_bytes(type));
        b->d->ops->cast(b->d, n, DTYPE_F32, x, type, narrow);
        b->d->ops->free(b->d, x);
        x = narrow;
    }
    mem_free(host);
    return x;
}

static void bench_type(struct bench *b)
{
    int64_t n = (int64_t)b->batch * 28 * 28 * 3 * b->width;
    void **arrays[] = {&b->x, &b->y, &b->dx, &b->dy, &b->a, &b->b};
    for (int i = 0; i < 6; i++)
        *arrays[i] = device_numbers(b, n, b->type);
    b->step_s = b->peer_step_s = 0;
    for (size_t i = 0; i < sizeof conv_rows / sizeof *conv_rows; i++)
        bench_conv(b, &conv_rows[i]);
    for (size_t i = 0; i < sizeof norm_rows / sizeof *norm_rows; i++)
        bench_norm(b, &norm_rows[i]);
    bench_layers(b);
    if (b->peer_step_s > 0)
        printf("convolutions and norms of a step, %s: %.1f ms, peer %.1f ms, ratio %.2f\n\n",
               b->type == DTYPE_F32 ? "fp32" : "bf16", b->step_s * 1e3, b->peer_step_s * 1e3,
               b->peer_step_s / b->step_s);
    for (int i = 0; i < 6; i++)
        b->d->ops->free(b->d, *arrays[i]);
}

int main(int argc, char **argv)
{
    struct bench b = {.width = argc > 2 ? atoi(argv[2]) : 32,
                      .batch = argc > 3 ? atoi(argv[3]) : 64};
    if (device_open("cpu", argc > 1 ? atoi(argv[1]) : 0, 0, 1, &b.d))
        return EXIT_FAILURE;
    printf("%s\nbatch %d, %d channels\n", b.d->description, b.batch, b.width);
    read_peer(&b);
    int64_t w = 9 * 8 * (int64_t)b.width * b.width;
    float **vectors[] = {&b.w, &b.dw, &b.vector, &b.dvector, &b.stats};
    for (int i = 0; i < 5; i++)
        *vectors[i] =
            device_numbers(&b, i < 2 ? w : 64 * (int64_t)b.batch + 4 * b.width, DTYPE_F32);
    for (int type = 0; type < 2; type++) {
        b.type = type ? DTYPE_BF16 : DTYPE_F32;
        bench_type(&b);
    }
    for (int i = 0; i < 5; i++)
        b.d->ops->free(b.d, *vectors[i]);
    device_close(b.d);
    return EXIT_SUCCESS;
}
