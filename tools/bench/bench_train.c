/* SPDX-License-Identifier: Apache-2.0
 * bench_train: seconds a training step of a U-Net takes on random images: forward, loss, backward,
 * clipping, Adam, average, and the convolutions' new copies of the weights (none on a GPU).
 * tools/bench/peer_train.py times the same in PyTorch; tools/bench/train.sh alternates the two.
 *
 * usage: bench_train [key=value ...] with keys device type threads batch side channels width mult
 * blocks attention middle heads dropout steps parts levels sigma serve; prints "ours TYPE SECONDS"
 * (median), with parts=1 also the share of each part. With levels=K it times what sampling a batch
 * takes instead: K evaluations of the network with noise and update, of an inference network, and
 * prints "ours TYPE-sample SECONDS".
 * sigma=S also times how a batch is corrupted on the fly up to a blur of S px (the deck's defaults
 * otherwise, Pe 8) and prints "corrupt SECONDS", and its share of the step that it would precede.
 * serve=1: "parameters N" first; what was prepared is kept, and each line of the standard input
 * asks for another measurement.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timer.h"
#include "nn/optimizer.h"
#include "nn/unet.h"
#include "tasks/corruption.h"

struct arguments {
    const char *device, *type;
    int threads, batch, side, channels, steps, parts, levels, sigma, serve;
    struct unet_settings unet;
};

static int number(const char *text, const char *key, int *out)
{
    size_t n = strlen(key);
    if (strncmp(text, key, n) != 0 || text[n] != '=')
        return 0;
    *out = atoi(text + n + 1);
    return 1;
}

static int list(const char *text, int64_t out[UNET_MAX_LEVELS])
{
    int n = 0;
    for (const char *p = text; p && n < UNET_MAX_LEVELS; p = strchr(p, ',')) {
        p += *p == ',';
        out[n++] = atoi(p);
    }
    return n;
}

static int parse(struct arguments *a, const char *text)
{
    struct unet_settings *u = &a->unet;
    int width = 0, blocks = 0, heads = 0;
    if (strncmp(text, "device=", 7) == 0)
        a->device = text + 7;
    else if (strncmp(text, "type=", 5) == 0)
        a->type = text + 5;
    else if (strncmp(text, "mult=", 5) == 0)
        u->multiplier_count = list(text + 5, u->multipliers);
    else if (strncmp(text, "attention=", 10) == 0)
        u->attention_level_count = list(text + 10, u->attention_levels);
    else if (strncmp(text, "dropout=", 8) == 0)
        u->dropout = atof(text + 8);
    else if (number(text, "width", &width))
        u->channels = width;
    else if (number(text, "blocks", &blocks))
        u->blocks = blocks;
    else if (number(text, "heads", &heads))
        u->heads = heads;
    else
        return number(text, "threads", &a->threads) || number(text, "batch", &a->batch) ||
               number(text, "side", &a->side) || number(text, "channels", &a->channels) ||
               number(text, "middle", &u->middle_attention) || number(text, "steps", &a->steps) ||
               number(text, "parts", &a->parts) || number(text, "levels", &a->levels) ||
               number(text, "sigma", &a->sigma) || number(text, "serve", &a->serve);
    return 1;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct trainer {
    struct device *d;
    struct graph *g;
    struct optimizer *o;
    int batch, parts; /* parts: wait at their ends and time them */
    int64_t per_image;
    float *image, *target, *loss, *doutput, *grads;
    int32_t *level;
    struct draw_key *draw;
    struct repeat *pass, *update; /* as in tasks/train.c; pass: also a step of a walk */
};

static void set_draw(struct trainer *t, int64_t step)
{
    struct draw_key key = {.seed = 1, .step = (uint32_t)step};
    t->d->ops->upload(t->d, t->draw, &key, sizeof key);
}

static struct trainer trainer_create(struct device *d, const struct arguments *a, int training)
{
    enum dtype type = strcmp(a->type, "bf16") == 0 ? DTYPE_BF16 : DTYPE_F32;
    struct trainer t = {
        .d = d, .batch = a->batch, .per_image = (int64_t)a->side * a->side * a->channels};
    size_t n = (size_t)a->batch, image_bytes = n * (size_t)t.per_image * sizeof(float);
    t.g = unet_create(d, &a->unet, a->side, a->channels, type, a->batch, training);
    int64_t total = graph_param_total(t.g);
    float *params = mem_alloc((size_t)total * sizeof *params);
    graph_init_params(t.g, 1, params);
    const struct optimizer_settings s = {.kind = OPTIMIZER_ADAM,
                                         .learning_rate = 1e-4,
                                         .beta1 = 0.9,
                                         .beta2 = 0.999,
                                         .epsilon = 1e-8,
                                         .clip = 1,
                                         .ema = 0.999};
    t.o = optimizer_create(d, &s, total, params);
    t.o->rounded = graph_rounded(t.g);
    mem_free(params);
    t.image = d->ops->alloc(d, image_bytes);
    t.target = d->ops->alloc(d, image_bytes);
    t.doutput = d->ops->alloc(d, image_bytes);
    t.loss = d->ops->alloc(d, n * sizeof(float));
    t.grads = d->ops->alloc(d, (size_t)total * sizeof(float));
    t.level = d->ops->alloc(d, n * sizeof(int32_t));
    int32_t *level = mem_alloc(n * sizeof *level);
    for (int i = 0; i < a->batch; i++)
        level[i] = i % 50 + 1;
    d->ops->upload(d, t.level, level, n * sizeof *level);
    mem_free(level);
    d->ops->zero(d, t.image, image_bytes);
    d->ops->zero(d, t.target, image_bytes);
    t.draw = d->ops->alloc(d, sizeof *t.draw);
    set_draw(&t, 0);
    d->ops->add_normal(d, t.batch, t.per_image, 0.3, 1, t.draw, t.image);
    set_draw(&t, 1);
    d->ops->add_normal(d, t.batch, t.per_image, 0.1, 1, t.draw, t.target);
    graph_use_params(t.g, t.o->params);
    return t;
}

static void trainer_destroy(struct trainer *t)
{
    t->d->ops->repeat_free(t->d, t->pass);
    t->d->ops->repeat_free(t->d, t->update);
    void *owned[] = {t->image, t->target, t->doutput, t->loss, t->grads, t->level, t->draw};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        t->d->ops->free(t->d, owned[i]);
    optimizer_destroy(t->o);
    graph_destroy(t->g);
}

static void part(struct trainer *t, const char *name, int begin)
{
    if (!t->parts)
        return;
    t->d->ops->sync(t->d);
    if (begin)
        timer_begin(name);
    else
        timer_end(name);
}

static void passes(struct trainer *t)
{
    struct device *d = t->d;
    struct graph_call call = {t->image, t->level, t->draw};
    part(t, "forward", 1);
    const float *y = graph_forward(t->g, &call);
    part(t, "forward", 0);
    part(t, "backward", 1);
    d->ops->zero(d, t->grads, (size_t)t->o->count * sizeof(float));
    d->ops->squared_error(d, t->batch, t->per_image, y, t->target, 1.0 / t->batch, t->loss,
                          t->doutput);
    graph_backward(t->g, &call, t->doutput, t->grads, NULL, NULL);
    part(t, "backward", 0);
}

static void update(struct trainer *t)
{
    part(t, "optimizer", 1);
    optimizer_step(t->o, t->grads);
    part(t, "optimizer", 0);
    part(t, "weights", 1);
    graph_params_moved(t->g);
    part(t, "weights", 0);
}

/* Repeated work must not wait, so parts are timed without. */
static void repeated(struct trainer *t, struct repeat **r, void (*work)(struct trainer *))
{
    if (t->parts) {
        work(t);
    } else if (t->d->ops->repeat_begin(t->d, r)) {
        work(t);
        t->d->ops->repeat_end(t->d, *r);
    }
}

static void step(struct trainer *t, int64_t number_of_step)
{
    set_draw(t, number_of_step);
    repeated(t, &t->pass, passes);
    optimizer_begin(t->o, number_of_step);
    repeated(t, &t->update, update);
}

static void guess(struct trainer *t)
{
    struct device *d = t->d;
    struct graph_call call = {.image = t->image, .level = t->level};
    d->ops->add_normal(d, t->batch, t->per_image, 0.0125, 2, t->draw, t->image);
    d->ops->axpby(d, t->batch * t->per_image, 1, graph_forward(t->g, &call), 1, t->image);
}

/* The walk of process/sampler.c with target 'delta', from level `levels` to 0. */
static void walk(struct trainer *t, int levels)
{
    int32_t *level = mem_alloc((size_t)t->batch * sizeof *level);
    for (int k = levels; k >= 1; k--) {
        for (int i = 0; i < t->batch; i++)
            level[i] = k;
        t->d->ops->upload(t->d, t->level, level, (size_t)t->batch * sizeof *level);
        set_draw(t, k);
        repeated(t, &t->pass, guess);
    }
    mem_free(level);
}

static double median(double *seconds, int n)
{
    qsort(seconds, (size_t)n, sizeof *seconds, ascending);
    return seconds[n / 2];
}

/* Seconds of a step, or of a walk. */
static double measure(struct trainer *t, const struct arguments *a)
{
    double *seconds = mem_alloc((size_t)a->steps * sizeof *seconds);
    for (int i = a->levels > 0 ? -1 : -3; i < a->steps; i++) {
        if (i == 0)
            timer_reset();
        double start = timer_now_s();
        if (a->levels > 0)
            walk(t, a->levels);
        else
            step(t, i + 4);
        t->d->ops->sync(t->d);
        if (i >= 0)
            seconds[i] = timer_now_s() - start;
    }
    double result = median(seconds, a->steps);
    mem_free(seconds);
    return result;
}

static void show_parts(struct trainer *t, const struct arguments *a, double seconds)
{
    double passes = a->levels > 0 ? 2.0 * a->levels : 6; /* flops a multiply-add */
    t->parts = 1;
    measure(t, a);
    t->parts = 0;
    for (int i = 0; i < timer_count(); i++)
        printf("  %-10s %.5f s\n", timer_name(i), timer_seconds(i) / a->steps);
    printf("  %s; %lld parameters, arena %.1f MB, %.2f TFLOP/s\n", t->d->description,
           (long long)graph_param_total(t->g), (double)graph_arena_bytes(t->g) / 1e6,
           1e-12 * passes * graph_forward_macs(t->g) * a->batch / seconds);
}

/* As tasks/batch.c corrupts a batch: every image by a flow of its own, to a level of its own. */
static void bench_corruption(struct trainer *t, const struct arguments *a, double step_s)
{
    struct forward_settings forward;
    struct velocity_settings velocity;
    struct lbm_settings lbm;
    const struct deck_group groups[] = {
        {"forward", "", forward_fields, forward_field_count, &forward},
        {"velocity", "", velocity_fields, velocity_field_count, &velocity},
        {"lbm", "", lbm_fields, lbm_field_count, &lbm}};
    struct adr_plan plan;
    struct corruption c;
    struct device *d = t->d;
    deck_defaults(groups, 3);
    forward.sigma_max = a->sigma;
    forward.pe = 8;
    if (physics_plan(&forward, &velocity, &lbm, 1, a->side, a->channels, NULL, 0, &plan))
        exit(EXIT_FAILURE);
    corruption_create(d, &plan, a->batch, a->batch, &c);
    for (int64_t i = 0; i < a->batch * c.per_image; i++)
        c.host[i] = (float)(i % 101) / 101;
    double *seconds = mem_alloc((size_t)a->steps * sizeof *seconds);
    for (int r = -1; r < a->steps; r++) {
        for (int i = 0; i < a->batch; i++) { /* other flows each time */
            int level = 1 + i * plan.level_count / a->batch;
            c.keys[i] = (uint64_t)((r + 1) * a->batch + i);
            c.captures[i] = (struct adr_capture){level, i, i};
        }
        d->ops->sync(d);
        double start = timer_now_s();
        corruption_run(&c, a->batch, a->batch, t->image, t->target);
        d->ops->sync(d);
        if (r >= 0)
            seconds[r] = timer_now_s() - start;
    }
    double s = median(seconds, a->steps);
    printf("corrupt %.6f, %d px, sigma up to %d: %.2f %% of a training step with it\n", s, a->side,
           a->sigma, 100 * s / (s + step_s));
    mem_free(seconds);
    corruption_free(&c);
    physics_plan_free(&plan);
}

int main(int argc, char **argv)
{
    struct arguments a = {.device = "cpu",
                          .type = "bf16",
                          .threads = 2,
                          .batch = 64,
                          .side = 28,
                          .channels = 1,
                          .steps = 12,
                          .unet = {.channels = 32,
                                   .multipliers = {1, 2, 2},
                                   .multiplier_count = 3,
                                   .blocks = 1,
                                   .attention_levels = {-1},
                                   .attention_level_count = 1,
                                   .heads = 1}};
    for (int i = 1; i < argc; i++)
        if (!parse(&a, argv[i])) {
            fprintf(stderr, "%s: unknown argument '%s'\n", argv[0], argv[i]);
            return 2;
        }
    struct device *d;
    if (unet_check(&a.unet, a.side) != 0 || a.steps < 1 ||
        device_open(a.device, a.threads, 0, 1, &d) != 0)
        return 1;
    struct trainer t = trainer_create(d, &a, a.levels < 1);
    char line[16];
    if (a.serve)
        printf("parameters %lld\n", (long long)graph_param_total(t.g));
    do {
        double seconds = measure(&t, &a);
        printf("ours %s%s %.5f\n", a.type, a.levels > 0 ? "-sample" : "", seconds);
        if (a.parts)
            show_parts(&t, &a, seconds);
        if (a.sigma > 0)
            bench_corruption(&t, &a, seconds);
        fflush(stdout);
    } while (a.serve && fgets(line, sizeof line, stdin));
    trainer_destroy(&t);
    device_close(d);
    return 0;
}
