/* SPDX-License-Identifier: Apache-2.0
 * optimizer: the training state of a network as flat device vectors (parameters, two moments,
 * exponential average) and the step that moves them: gradient-norm clipping, linear warm-up, decay of
 * the rate to zero, Adam, AdamW or Lion, then the average a <- d a + (1-d) p with d = min(ema, (1+n)/(10+n)) at step n.
 * Nothing allocates after create. */
#pragma once
#include "device/device.h"

enum optimizer_kind { OPTIMIZER_ADAM, OPTIMIZER_ADAMW, OPTIMIZER_LION };
enum optimizer_decay { DECAY_NONE, DECAY_COSINE, DECAY_LINEAR };

struct optimizer_settings {
    enum optimizer_kind kind;
    double learning_rate, beta1, beta2, epsilon, weight_decay;
    double clip;    /* largest gradient norm, 0 = none */
    int64_t warmup; /* steps over which the rate rises linearly */
    double ema;     /* decay of the average */
    enum optimizer_decay
        decay; /* of the rate, from the end of the warm-up to zero at step `steps` */
    int64_t steps;
};
/* "adam", "adamw", "lion"; dies on another word (the deck's table checks it). */
enum optimizer_kind optimizer_kind_from(const char *name);
/* "none", "cosine", "linear"; likewise. */
enum optimizer_decay optimizer_decay_from(const char *name);

struct optimizer {
    struct device *device; /* borrowed */
    struct optimizer_settings settings;
    int64_t count;
    float *params, *average; /* device [count], owned; written by create and step, or by the caller
                                on resume */
    float *m, *v;            /* device [count], owned; v is NULL for Lion */
    void *rounded; /* device bf16 [count] or NULL, borrowed: every step leaves the parameters there too (graph_rounded) */
    double *grad_sumsq;      /* device, the last step's sum of squared gradients before clipping */
    struct step_rates *rates; /* device, of the step that optimizer_begin named */
};

/* params: host [count], the start of both the parameters and their average; moments start at zero.
 */
struct optimizer *optimizer_create(struct device *d, const struct optimizer_settings *s,
                                   int64_t count, const float *params);
void optimizer_destroy(struct optimizer *o);

/* Step number 1, 2, ...: begin sends its numbers to the device (an upload), step does it, with grads device [count],
 * already averaged over ranks. The second is always the same work and may be repeated (device.h). */
void optimizer_begin(struct optimizer *o, int64_t step);
void optimizer_step(struct optimizer *o, const float *grads);

/* Norm of the last step's gradient before clipping; waits for the device. Not finite: the step did
 * harm. */
double optimizer_grad_norm(struct optimizer *o);

double optimizer_learning_rate(const struct optimizer_settings *s, int64_t step);
double optimizer_ema_decay(const struct optimizer_settings *s, int64_t step);
