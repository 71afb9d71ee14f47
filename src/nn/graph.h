/* SPDX-License-Identifier: Apache-2.0
 * graph: a network as a list of operations, planned once and run flat. Building adds operations and named parameters;
 * graph_plan lays out every activation in one arena by lifetime; forward and backward walk the list and allocate nothing.
 *
 * Parameters live in flat fp32 vectors in the order they were added (params, grads, m, v, ema are the caller's); a
 * parameter is a named range. The backward pass accumulates into grads and reports each finished range, last layers
 * first, so that its reduction over ranks can start. */
#pragma once
#include "device/device.h"

enum param_init {
    INIT_ZERO,
    INIT_ONE,
    INIT_UNIFORM_FAN_IN, /* PyTorch's default of convolutions and linear layers: U(-1/sqrt(fan_in), +1/sqrt(fan_in)) */
};
struct param {
    char name[64];      /* as in the inverse-heat-dissipation code: "input_blocks.1.0.in_layers.2.weight" */
    int64_t first, count;
    int dims[4];        /* OHWI for convolutions; [O,I] as O,1,1,I; [C] as C,1,1,1 */
    enum param_init init;
    int fan_in;
};

struct graph;

/* type: of the activations inside; batch: the fixed number of images of a call; training: plan the backward pass. */
struct graph *graph_create(struct device *d, enum dtype type, int batch, int training, double dropout);
void graph_destroy(struct graph *g);

/* Builders return the number of the tensor they produce. Convolution weights are `name`.weight and `name`.bias.
 * residual, shift: a tensor number or -1. */
int graph_input_image(struct graph *g, int h, int w, int c);   /* fp32 [batch,h,w,c], converted to the graph's type */
int graph_input_level(struct graph *g, int dim);               /* int32 [batch] -> sinusoidal embedding fp32 [batch,dim] */
int graph_linear(struct graph *g, int x, int c_out, const char *name);  /* fp32, x [batch,c] */
int graph_silu(struct graph *g, int x);                                 /* fp32 */
int graph_conv(struct graph *g, int x, int c_out, int kernel, int stride, int residual, enum param_init weight_init, const char *name);
int graph_norm(struct graph *g, int x, int shift, int silu, const char *name); /* 32 groups */
int graph_dropout(struct graph *g, int x);                      /* in place, of a fresh norm; returns x; nothing unless training */
int graph_attention(struct graph *g, int qkv, int heads);
int graph_upsample(struct graph *g, int x);
int graph_concat(struct graph *g, int a, int b);
void graph_output(struct graph *g, int x);                      /* the result, converted to fp32 */
void graph_size(const struct graph *g, int x, int *h, int *w, int *c);

/* Ends building: liveness, arena, convolution plans. Returns 0. graph_layout is its first half, for counting without
 * computing: it needs no device and returns the bytes of the arena. Call one of the two, once. */
int graph_plan(struct graph *g);
size_t graph_layout(struct graph *g);

int graph_param_count(const struct graph *g);
const struct param *graph_param(const struct graph *g, int i);
int64_t graph_param_total(const struct graph *g);      /* floats in the flat vector */
size_t graph_arena_bytes(const struct graph *g);       /* planned activations and gradients */
double graph_forward_macs(const struct graph *g);      /* multiply-adds of one image, convolutions and attention */

/* Host: fills params [total] by the table, from (seed, RNG_INIT). */
void graph_init_params(const struct graph *g, uint64_t seed, float *params);

/* Call after params (device) changed: convolutions take copies of their own, in the graph's type. Where the device
 * reads them from one vector of it (device.h: weights_in_place), that is graph_rounded, bf16 [total], else NULL. An
 * optimizer that writes params and graph_rounded itself says graph_params_moved instead, which may be part of a repeat. */
void graph_use_params(struct graph *g, const float *params);
void *graph_rounded(const struct graph *g);
void graph_params_moved(struct graph *g);

struct graph_call { /* all on the device */
    const float *image;          /* [batch,h,w,c] */
    const int32_t *level;        /* [batch] */
    const struct draw_key *draw; /* of dropout; first_sample: global place of image 0 in the batch. NULL without dropout */
};
/* Forward and backward are repeats (device.h), alone or as part of a larger one; with other addresses than in the last
 * call they are recorded anew, which a larger one must not see.
 * Returns the output, device fp32 [batch,h,w,c_out], always in the same place, valid until the next call. */
const float *graph_forward(struct graph *g, const struct graph_call *call);

/* After a forward of a training graph: doutput [batch,h,w,c_out] fp32 device; grads (device) += ; done(context, first,
 * count) after the last kernel of each finished range is issued, ranges in descending order covering everything. */
void graph_backward(struct graph *g, const struct graph_call *call, const float *doutput, float *grads,
                    void (*done)(void *context, int64_t first, int64_t count), void *context);
