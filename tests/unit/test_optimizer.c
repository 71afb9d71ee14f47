/* SPDX-License-Identifier: Apache-2.0
 * Six optimizer steps against PyTorch's Adam and AdamW (clip_grad_norm_ 2, warm-up over 4 steps)
 * and Lion by its formulas; the numbers are printed by tools/golden/optimizer_golden.py. */
#include "check.h"

#include "base/mem.h"
#include "nn/optimizer.h"

struct expected {
    const char *name;
    double params[4], average[4];
};

static const struct expected expected[] = {
    {"adam",
     {0.5765846011158956, -0.06470517439225257, -0.18352267461479335, -0.42268366663611884},
     {0.6425079320380918, -0.12921796003977307, -0.11998120145492708, -0.36054805469871487}},
    {"adamw",
     {0.5634119651788659, -0.05771535452754306, -0.19829385598710086, -0.4192934704829657},
     {0.6312146329869355, -0.12291177157238373, -0.12924523983651628, -0.35798249759711165}},
    {"lion",
     {0.5317783902294252, -0.04292652379539133, -0.20149940942162564, -0.44592534263864264},
     {0.6033608426822146, -0.11280463214216196, -0.1324734731278644, -0.37775157839789075}},
};

static void run(struct device *d, const struct expected *e)
{
    static const float start[4] = {1.0f, -0.5f, 0.25f, 0.0f};
    struct optimizer_settings s = {.kind = optimizer_kind_from(e->name),
                                   .learning_rate = 0.1,
                                   .beta1 = 0.9,
                                   .beta2 = 0.99,
                                   .epsilon = 1e-8,
                                   .weight_decay = 0.05,
                                   .clip = 2,
                                   .warmup = 4,
                                   .ema = 0.6};
    struct optimizer *o = optimizer_create(d, &s, 4, start);
    float *grads = d->ops->alloc(d, 4 * sizeof *grads), p[4], a[4];
    for (int64_t step = 1; step <= 6; step++) {
        double t = (double)step;
        float g[4] = {(float)(0.3 * t), (float)(-1.5 + 0.2 * t), 0.01f, (float)(4 / t)};
        d->ops->upload(d, grads, g, sizeof g);
        optimizer_begin(o, step);
        optimizer_step(o, grads);
    }
    d->ops->download(d, p, o->params, sizeof p);
    d->ops->download(d, a, o->average, sizeof a);
    for (int i = 0; i < 4; i++) { /* 6.8e-8 measured: fp32 storage */
        CHECK_NEAR(p[i], e->params[i], 3e-7);
        CHECK_NEAR(a[i], e->average[i], 3e-7);
    }
    CHECK_NEAR(optimizer_grad_norm(o), 1.942818685427038, 1e-6);
    d->ops->free(d, grads);
    optimizer_destroy(o);
}

int main(void)
{
    static const char *const devices[] = {"ref", "cpu"};
    for (int i = 0; i < 2; i++) {
        struct device *d;
        CHECK(device_open(devices[i], 2, 0, 1, &d) == 0);
        for (size_t j = 0; j < sizeof expected / sizeof *expected; j++)
            run(d, &expected[j]);
        device_close(d);
    }
    struct optimizer_settings s = {.learning_rate = 1, .warmup = 0, .ema = 0.5};
    CHECK(optimizer_learning_rate(&s, 1) == 1);
    s.warmup = 10;
    s.steps = 110;
    CHECK(optimizer_learning_rate(&s, 60) == 1);
    s.decay = optimizer_decay_from("linear");
    CHECK_NEAR(optimizer_learning_rate(&s, 5), 0.5, 1e-15);
    CHECK(optimizer_learning_rate(&s, 10) == 1);
    CHECK_NEAR(optimizer_learning_rate(&s, 35), 0.75, 1e-15);
    CHECK(optimizer_learning_rate(&s, 110) == 0 && optimizer_learning_rate(&s, 200) == 0);
    s.decay = optimizer_decay_from("cosine");
    CHECK(optimizer_learning_rate(&s, 10) == 1);
    CHECK_NEAR(optimizer_learning_rate(&s, 35), 0.5 + sqrt(0.125), 1e-15);
    CHECK_NEAR(optimizer_learning_rate(&s, 60), 0.5, 1e-15);
    CHECK_NEAR(optimizer_learning_rate(&s, 110), 0, 1e-15);
    s.steps = 5; /* all of the run is warm-up */
    CHECK_NEAR(optimizer_learning_rate(&s, 5), 0.5, 1e-15);
    CHECK_NEAR(optimizer_ema_decay(&s, 1), 2.0 / 11, 1e-12);
    CHECK_NEAR(optimizer_ema_decay(&s, 1000), 0.5, 1e-12);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
