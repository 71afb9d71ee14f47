/* SPDX-License-Identifier: Apache-2.0
 * process: the four small interfaces of a generative process. A forward process turns a clean image x0 into x_k; a
 * target says what the network learns; a network guesses; a sampler walks back from level K to 0.
 *
 *     process   x_k = A_k x0 (+ noise of the process)              'adr' 'heat'
 *     target    what the network's output F means                   'delta': x_{k-1} = x_k + F     'x0': x0 = F
 *     network   F = network(x, k)                                   'unet' 'exact' (exact.h)
 *     sampler   x_s = A_s x0h + G (x_t - A_t x0h) + N n             'chain': G = 0; A_s x0h = x_t + F, or x0h = F corrupted anew
 *
 * Images are device arrays [n,L,L,C] fp32 in [0,1]. Samplers see a schedule only through the process. */
#pragma once
#include "device/device.h"

struct process {
    const struct process_ops *ops;
    struct device *device; /* borrowed */
    int levels;            /* K; level 0 is the clean image */
    int side, channels;
    void *state;
};
struct process_ops {
    /* u [slots] = x_k of the captures, delta [slots] or NULL = x_{k-1} - x_k; noise-free. keys on the host. */
    void (*corrupt)(struct process *p, int n, const uint64_t *keys, const float *x0, int captures,
                    const struct adr_capture *capture, float *u, float *delta, struct adr_stats *stats);
    void (*destroy)(struct process *p);
};

/* 'adr' and 'heat': both run the plan. The plan is borrowed and must outlive the process. */
struct process *process_adr_create(struct device *d, const struct adr_plan *plan, int max_images);
void process_destroy(struct process *p);

/* A network as the sampler sees it: out [n,L,L,C] fp32 = F(x, level), n <= max batch. set_levels takes the levels of the
 * images that eval is given from then on, level [n] on the host; eval then only issues operations and may be repeated
 * (device.h), unless it is collective. */
struct network {
    void (*set_levels)(struct network *net, int n, const int32_t *level);
    void (*eval)(struct network *net, int n, const float *x, float *out);
    void *state;
    int collective; /* all ranks must call eval together, with n = 0 where they have no samples; the host takes part */
};

/* What the network learns from a pair, all device [n, per_sample]: input = x_k + training noise, state = x_k, delta =
 * x_{k-1} - x_k, x0 the clean image (NULL unless the target says clean). */
struct target_pair {
    const float *input, *state, *delta, *x0;
};
struct target {
    const char *name;
    int clean; /* F tells of x0, so that a walk may jump to any lower level; else of x_{k-1} */
    /* want = what F should be; n: values in all */
    void (*want)(struct device *d, int64_t n, const struct target_pair *pair, float *want);
    /* f in place: F -> the estimate of x0 or of x_{k-1}; x the network's input */
    void (*decode)(struct device *d, int64_t n, const float *x, float *f);
};
const struct target *target_find(const char *name); /* NULL if there is none */

/* The noise of sample i of a call in each step: its own, of number first_sample + i, or where `mix` is given a rotation
 * between the noises of two samples, cos(pi t/2) n_a + sin(pi t/2) n_b, which is as large as either. */
struct sampler_mix {
    int64_t a, b;
    double t;
};

/* Draws samples: x [n,L,L,C] holds noise-free priors on entry and the last mean on return. first_sample: global index of
 * the first, for the noise. keys: velocities with which guesses of x0 are corrupted, those of the priors; where samples
 * are mixed, a's, and mix_keys b's. after_step, if not NULL, is called after each step with how many are done and the
 * mean (device). */
struct sampler_args {
    double noise; /* sigma_S */
    uint64_t seed;
    int64_t first_sample;
    int steps;            /* 1..K; K unless the target says clean */
    const uint64_t *keys; /* host [n]; these two only where the target says clean */
    const uint64_t *mix_keys;
    const struct sampler_mix *mix; /* [n], or NULL */
    void (*after_step)(void *context, int done, const float *mean);
    void *context;
};
/* The level that a walk of `steps` has reached after `done` of them: K at first, 0 at last, evenly spaced numbers. */
static inline int sampler_level(int levels, int steps, int done)
{
    return levels - (int)((int64_t)levels * done / steps);
}
typedef int (*sampler_fn)(struct process *p, const struct target *target, struct network *net, int n, float *x,
                          float *scratch, const struct sampler_args *a);
sampler_fn sampler_find(const char *name); /* 'chain'; NULL if there is none */
