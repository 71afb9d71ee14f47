/* SPDX-License-Identifier: Apache-2.0
 * trunks: the convolutional parts of published networks, parameters named as in torchvision (squeezenet1_1, alexnet,
 * vgg16: "features.0.weight") and pytorch-fid (the Inception-v3 of 2015-12-05: "Mixed_5b.branch1x1.conv.weight"). */
#pragma once
#include "nn/convnet.h"

enum { TRUNK_MAX_TAPS = 7 };
struct trunk {
    int taps, tap[TRUNK_MAX_TAPS]; /* maps that LPIPS compares; outputs of the network */
};

/* name: 'squeeze' 'alex' 'vgg'. Only as far as the last tap. Number of channels of each tap: trunk_channels. */
void trunk_build(struct convnet *net, const char *name, struct trunk *out);
const int *trunk_channels(const char *name, int *taps); /* NULL for an unknown name */

/* Input in [-1,1]; returns the map of 2048 means before the classifier, made an output. pytorch-fid's variant: average
 * pools leave the padding out, the last block's pool takes the maximum. */
int inception_build(struct convnet *net);
