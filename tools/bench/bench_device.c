/* SPDX-License-Identifier: Apache-2.0
 * bench_device: the ceilings of a device and what its kernels reach of them, in one run: copying
 * memory, a large bf16 matrix product (a convolution by one pixel), the 3x3 convolutions of a wide
 * U-Net, its group norms, alone and with the concatenation before them, its attention, the linear
 * layers of its embedding, and an optimizer's step.
 *
 *     bench_device DEVICE [BATCH [CHANNELS [GEMM]]]      default 64 128 8192
 *
 * Median of five repeats, smallest and largest in brackets. A norm's rate counts 3 passes over its
 * tensor forward (the variance takes a second look) and 5 backward, as is usual, with the
 * concatenation and its gradient 5 and 8. A kernel that keeps its part on the chip moves 2 and 3, 3
 * and 4 (cuda/norm.cu says when), so shares of the copy's rate in the same run are printed for
 * both. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/timer.h"
#include "device/device.h"

enum { REPEATS = 5, GROUPS = 32 };

struct bench {
    struct device *d;
    void *x, *y, *dx, *dy; /* activations, `bytes` each */
    size_t bytes;
    float *w, *dw, *vector, *dvector, *stats;
    double copy; /* bytes a second, read and written */
    struct conv *conv;
    struct norm_shape norm;
    struct attention_shape attention;
    int64_t params;
};

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Prints the rate of `work` a call, without a line's end; returns its median. */
static double show(struct bench *b, const char *name, void (*call)(struct bench *), double work,
                   const char *unit)
{
    double rate[REPEATS];
    int calls = 1;
    call(b);
    b->d->ops->sync(b->d);
    for (int r = 0; r < REPEATS;) {
        double start = timer_now_s();
        for (int i = 0; i < calls; i++)
            call(b);
        b->d->ops->sync(b->d);
        double spent = timer_now_s() - start;
        if (spent < 0.02 && r == 0)
            calls *= 2;
        else
            rate[r++] = work * calls / spent;
    }
    qsort(rate, REPEATS, sizeof *rate, ascending);
    printf("%-44s %9.4g %s (%.4g to %.4g)", name, rate[REPEATS / 2] * 1e-12, unit, rate[0] * 1e-12,
           rate[REPEATS - 1] * 1e-12);
    return rate[REPEATS / 2];
}

static void end_line(void)
{
    printf("\n");
    fflush(stdout);
}

static void copy(struct bench *b)
{
    b->d->ops->copy(b->d, b->y, b->x, b->bytes);
}

static void forward(struct bench *b)
{
    b->d->ops->conv_forward(b->d, b->conv, b->x, b->vector, NULL, b->y);
}

static void backward_data(struct bench *b)
{
    b->d->ops->conv_backward_data(b->d, b->conv, b->dy, b->dx, 0);
}

static void backward_weights(struct bench *b)
{
    b->d->ops->conv_backward_weights(b->d, b->conv, b->x, b->dy, b->dw, b->dvector);
}

static void norm_forward(struct bench *b)
{
    b->d->ops->norm_forward(b->d, &b->norm, b->x, NULL, b->vector, b->vector, b->y, b->stats);
}

static void norm_backward(struct bench *b)
{
    b->d->ops->norm_backward(b->d, &b->norm, b->x, NULL, b->vector, b->vector, b->stats, b->dy,
                             b->dx, 0, b->dvector, b->dvector, NULL);
}

/* Halves of dx and dy in the place of the concatenated tensor's parts. */
static void concat_norm_forward(struct bench *b)
{
    const struct norm_shape *s = &b->norm;
    size_t half = (size_t)s->n * (size_t)s->hw * (size_t)(s->c / 2) * 2;
    b->d->ops->concat_norm_forward(b->d, s, s->c / 2, b->dx, (char *)b->dx + half, b->x, b->vector,
                                   b->vector, b->y, b->stats);
}

static void concat_norm_backward(struct bench *b)
{
    const struct norm_shape *s = &b->norm;
    size_t half = (size_t)s->n * (size_t)s->hw * (size_t)(s->c / 2) * 2;
    b->d->ops->concat_norm_backward(b->d, s, s->c / 2, b->x, b->vector, b->vector, b->stats, b->dy,
                                    b->dx, 1, b->y, (char *)b->y + half, b->dvector, b->dvector);
}

static void attention_forward(struct bench *b)
{
    b->d->ops->attention_forward(b->d, &b->attention, b->x, b->dx, b->y);
}

static void attention_backward(struct bench *b)
{
    b->d->ops->attention_backward(b->d, &b->attention, b->x, b->dx, b->dy, b->y);
}

/* One decoupled Adam step with everything that it takes along. */
static void adam(struct bench *b)
{
    static const struct adam_args a = {0.9, 0.999, 1e-8, 0.01, 1, 0};
    float *at = b->x;
    struct optimizer_state s = {at, at + b->params, at + 2 * b->params, at + 3 * b->params, b->dx};
    b->d->ops->adam(b->d, b->params, &s, b->y, NULL, &a, (const void *)b->stats);
}

static void bench_conv(struct bench *b, int n, int side, int c)
{
    struct conv_shape s = {n, side, side, c, c, 3, 1, DTYPE_BF16, 1, 0, 0, 0};
    double flops = 2.0 * n * side * side * 9 * c * c;
    static const char *const pass[] = {"forward", "data", "weights"};
    static void (*const call[])(struct bench *) = {forward, backward_data, backward_weights};
    b->conv = b->d->ops->conv_create(b->d, &s);
    b->d->ops->conv_weights(b->d, b->conv, b->w, NULL);
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "conv 3x3 bf16 %d x %dx%d, %d channels, %s", n, side, side, c,
                 pass[i]);
        show(b, name, call[i], flops, "TFLOP/s");
        end_line();
    }
    b->d->ops->conv_destroy(b->d, b->conv);
}

static void bench_norm(struct bench *b, int n, int side, int c)
{
    static const struct {
        const char *name;
        void (*call)(struct bench *);
        int passes, fewest;
    } pass[] = {{"", norm_forward, 3, 2},
                {"", norm_backward, 5, 3},
                {"concat+", concat_norm_forward, 5, 3},
                {"concat+", concat_norm_backward, 8, 4}};
    double bytes = (double)n * side * side * c * 2;
    char name[64];
    b->norm = (struct norm_shape){n, side * side, c, GROUPS, DTYPE_BF16, 1, 1e-5};
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%snorm+silu bf16 %d x %dx%d, %d, %s", pass[i].name, n, side,
                 side, c, i % 2 ? "backward" : "forward");
        double rate = show(b, name, pass[i].call, pass[i].passes * bytes, "TB/s");
        double share = 100 * rate / b->copy;
        printf(", of copy %.0f %% (%d passes), %.0f %% (%d passes)", share, pass[i].passes,
               share * pass[i].fewest / pass[i].passes, pass[i].fewest);
        end_line();
    }
}

static void bench_attention(struct bench *b, int n, int t, int c)
{
    double flops = 4.0 * n * t * t * c;
    char name[64];
    b->attention = (struct attention_shape){n, t, c, 1, DTYPE_BF16};
    for (int back = 0; back < 2; back++) {
        snprintf(name, sizeof name, "attention bf16 %d x %d tokens, %d, %s", n, t, c,
                 back ? "backward" : "forward");
        show(b, name, back ? attention_backward : attention_forward, flops * (1 + back), "TFLOP/s");
        end_line();
    }
}

/* What counts is the time of a call. */
static void bench_linear(struct bench *b, int n, int c_in, int c_out)
{
    struct conv_shape s = {n, 1, 1, c_in, c_out, 1, 1, DTYPE_F32, 1, 0, 0, 0};
    static const char *const pass[] = {"forward", "data", "weights"};
    static void (*const call[])(struct bench *) = {forward, backward_data, backward_weights};
    double flops = 2.0 * n * c_in * c_out;
    char name[64];
    b->conv = b->d->ops->conv_create(b->d, &s);
    b->d->ops->conv_weights(b->d, b->conv, b->w, NULL);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "linear fp32 %d x %d -> %d, %s", n, c_in, c_out, pass[i]);
        double rate = show(b, name, call[i], flops, "TFLOP/s");
        printf(", %.1f us a call", flops / rate * 1e6);
        end_line();
    }
    b->d->ops->conv_destroy(b->d, b->conv);
}

/* Numbers that stay what they are: gradient and rate are whatever lies there, and small. */
static void bench_adam(struct bench *b)
{
    const struct step_rates rates = {1e-9, 1, 1, 0.999};
    b->params = (int64_t)(b->bytes / sizeof(float) / 4);
    b->d->ops->zero(b->d, b->x, b->bytes);
    b->d->ops->zero(b->d, b->y, b->bytes);
    b->d->ops->upload(b->d, b->stats, &rates, sizeof rates);
    double bytes = 38.0 * (double)b->params;
    double rate = show(b, "adam, average, bf16 parameters", adam, bytes, "TB/s");
    printf(", of copy %.0f %%, %.3g M parameters", 100 * rate / b->copy, (double)b->params * 1e-6);
    end_line();
}

/* [m, m] by [m, m] as a 1x1 convolution of m/64 x 64 pixels. */
static void bench_gemm(struct bench *b, int m)
{
    struct conv_shape s = {1, m / 64, 64, m, m, 1, 1, DTYPE_BF16, 0, 0, 0, 0};
    char name[64];
    b->conv = b->d->ops->conv_create(b->d, &s);
    b->d->ops->conv_weights(b->d, b->conv, b->w, NULL);
    snprintf(name, sizeof name, "matrix product bf16 %d, as a convolution", m);
    show(b, name, forward, 2.0 * m * m * m, "TFLOP/s");
    end_line();
    b->d->ops->conv_destroy(b->d, b->conv);
}

/* fp32 or bf16 (narrow) numbers of which no product is trivial. */
static void *numbers(struct device *d, int64_t n, int narrow)
{
    float *x = d->ops->alloc(d, (size_t)n * sizeof *x);
    d->ops->zero(d, x, (size_t)n * sizeof *x);
    struct draw_key key = {.seed = 1}, *draw = d->ops->alloc(d, sizeof key);
    d->ops->upload(d, draw, &key, sizeof key);
    d->ops->add_normal(d, 1, n, 0.5, 1, draw, x);
    d->ops->free(d, draw);
    if (!narrow)
        return x;
    void *y = d->ops->alloc(d, (size_t)n * dtype_bytes(DTYPE_BF16));
    d->ops->cast(d, n, DTYPE_F32, x, DTYPE_BF16, y);
    d->ops->free(d, x);
    return y;
}

int main(int argc, char **argv)
{
    static const int sides[] = {128, 64, 32, 16};
    int n = argc > 2 ? atoi(argv[2]) : 64, c = argc > 3 ? atoi(argv[3]) : 128,
        gemm = argc > 4 ? atoi(argv[4]) : 8192;
    struct bench b = {0};
    log_init(0, 1, 1);
    if (argc < 2 || n < 1 || c < GROUPS || c % GROUPS || gemm < 64 || gemm % 64 ||
        device_open(argv[1], 0, 0, 1, &b.d)) {
        printf("usage: bench_device DEVICE [BATCH [CHANNELS [GEMM]]]\n");
        return EXIT_FAILURE;
    }
    printf("%s: %s\n", b.d->name, b.d->description);
    int64_t most = (int64_t)n * 128 * 128 * c, square = (int64_t)gemm * gemm,
            weights = square > 9 * (int64_t)c * c ? square : 9 * (int64_t)c * c;
    if (most < square)
        most = square;
    int64_t small = gemm > 4 * c ? gemm : 4 * c;
    b.bytes = (size_t)most * dtype_bytes(DTYPE_BF16);
    void **activations[] = {&b.x, &b.y, &b.dx, &b.dy};
    float **floats[] = {&b.w, &b.dw, &b.vector, &b.dvector, &b.stats};
    const int64_t counts[] = {weights, 9 * (int64_t)c * c, small, small,
                              2 * (int64_t)n * GROUPS + (int64_t)sizeof(struct step_rates)};
    for (int i = 0; i < 4; i++)
        *activations[i] = numbers(b.d, most, 1);
    for (int i = 0; i < 5; i++)
        *floats[i] = numbers(b.d, counts[i], 0);
    b.copy = show(&b, "copy, read and written", copy, 2.0 * (double)b.bytes, "TB/s");
    end_line();
    bench_gemm(&b, gemm);
    for (int i = 0; i < 4; i++)
        bench_conv(&b, n, sides[i], c);
    for (int i = 0; i < 4; i++)
        bench_norm(&b, n, sides[i], c);
    bench_attention(&b, n, 256, 2 * c);
    bench_attention(&b, n, 64, 3 * c);
    bench_linear(&b, n < 256 ? n : 256, 4 * c, 2 * c);
    bench_adam(&b);
    for (int i = 0; i < 4; i++)
        b.d->ops->free(b.d, *activations[i]);
    for (int i = 0; i < 5; i++)
        b.d->ops->free(b.d, *floats[i]);
    device_close(b.d);
    return EXIT_SUCCESS;
}
