/* SPDX-License-Identifier: Apache-2.0
 * settings: the whole deck as one struct, and its tables as one list. */
#pragma once
#include "files/trajectories.h"
#include "images/images.h"
#include "nn/unet.h"
#include "physics/physics.h"

enum { MAX_STAGES = 8, MAX_METRICS = 8 };
struct run_settings { /* &run */
    char name[DECK_TEXT], out[DECK_TEXT];
    int64_t seed;
    char device[DECK_TEXT], precision[DECK_TEXT];
    int64_t threads;
    int share_gpu;
    int64_t plan_ranks;
    char stages[MAX_STAGES][DECK_TEXT];
    int stage_count;
    double walltime;
};
struct train_settings { /* &train */
    int64_t steps, batch, accumulate;
    char target[DECK_TEXT], optimizer[DECK_TEXT];
    double beta1, beta2, epsilon, learning_rate;
    int64_t warmup;
    double weight_decay, clip, ema, noise;
    int64_t checkpoint_every, keep, keep_every;
    char reduce[DECK_TEXT];
    int64_t log_every;
    char decay[DECK_TEXT], init[DECK_TEXT];
    int64_t heldout;
};
struct sample_settings { /* &sample */
    int64_t count, batch;
    double noise;
    char prior_split[DECK_TEXT], sampler[DECK_TEXT];
    int64_t interpolate, levels;
};
struct evaluate_settings { /* &evaluate */
    char real[DECK_TEXT], fake[DECK_TEXT];
    char metrics[MAX_METRICS][DECK_TEXT];
    int metric_count;
    char features[MAX_METRICS][DECK_TEXT];
    int feature_count;
    char weights[DECK_TEXT], inception_weights[DECK_TEXT], fid_resize[DECK_TEXT];
    char lpips_trunk[DECK_TEXT], trunk_weights[DECK_TEXT], lpips_weights[DECK_TEXT];
    int64_t prdc_k, max_real, max_fake, lpips_repeats;
};
struct limits_settings { /* &limits */
    double setup, step, files;
};

struct settings {
    struct run_settings run;
    struct dataset_settings dataset;
    struct forward_settings forward;
    struct velocity_settings velocity;
    struct lbm_settings lbm;
    struct store_settings store;
    struct network_settings network;
    struct unet_settings unet;
    struct train_settings train;
    struct sample_settings sample;
    struct evaluate_settings evaluate;
    struct limits_settings limits;
    struct deck_group groups[16];
    int group_count;
};

/* How many things this deck asks for that contradict one another or are not in this version yet; each is printed. */
int settings_unsupported(const struct settings *s);

/* Binds the tables to the struct and sets every default. */
void settings_init(struct settings *s);
