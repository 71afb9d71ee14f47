/* SPDX-License-Identifier: Apache-2.0
 * convnet: forward-only convolutional networks that judge images (features, LPIPS), fp32, with the weights of published
 * networks. Building adds layers and takes their weights at once; convnet_plan gives the maps their memory, maps that are
 * no longer needed sharing it; convnet_run walks the list and allocates nothing. */
#pragma once
#include "device/device.h"

/* Where weights come from: fills out with tensor `name`, shape dims[rank] in PyTorch's order (OIHW). Non-zero after a
 * message. */
struct weight_source {
    int (*read)(void *state, const char *name, int rank, const int64_t *dims, float *out);
    void *state;
};

struct convnet;
/* batch images of h x w x 3 a call. weights is borrowed until convnet_plan. */
struct convnet *convnet_create(struct device *d, const struct weight_source *weights, int batch, int h, int w);
void convnet_destroy(struct convnet *net); /* NULL is fine */

/* Builders return the number of the map they make; map 0 is the input. A fault (missing weights, an image that the
 * layers shrink to nothing) is printed once, convnet_plan tells. */
struct layer {
    int c_out, kernel_h, kernel_w, stride, pad_h, pad_w;
};
/* Convolution by `name`.weight and `name`.bias, then ReLU. */
int convnet_conv(struct convnet *net, int x, const struct layer *l, const char *name);
/* `name`.conv.weight without bias, then batch norm by `name`.bn.{weight,bias,running_mean,running_var} with eps 1e-3
 * (folded into the convolution), then ReLU. */
int convnet_conv_norm(struct convnet *net, int x, const struct layer *l, const char *name);
int convnet_pool(struct convnet *net, int x, enum pool_kind kind, int kernel, int stride, int pad, int ceil);
int convnet_concat(struct convnet *net, int a, int b);
int convnet_mean(struct convnet *net, int x); /* over all pixels: 1 x 1 */
void convnet_output(struct convnet *net, int x); /* stays readable after a run */

/* Ends building. Non-zero if a builder failed. */
int convnet_plan(struct convnet *net);
void convnet_size(const struct convnet *net, int x, int *h, int *w, int *c);

/* images: host [batch,h,w,3]. Afterwards convnet_map downloads output x: host [batch,h,w,c]. */
void convnet_run(struct convnet *net, const float *images);
void convnet_map(struct convnet *net, int x, float *out);
