/* SPDX-License-Identifier: Apache-2.0
 * network_file: the U-Net as safetensors with the parameter names and layouts of the inverse-heat-dissipation code:
 * convolutions [O,I,H,W], the 1x1 ones of attention (qkv, proj_out; conv1d there) [O,I,1], linear layers [O,I], the rest
 * [C]. Serial. Functions return 0, or non-zero after a message. */
#pragma once
#include "files/safetensors.h"
#include "nn/graph.h"

/* params: host, all of the graph's. */
int network_file_write(const char *path, const struct graph *g, const float *params,
                       const struct safetensors_note *notes, int note_count);
int network_file_read(const char *path, const struct graph *g, float *params);
