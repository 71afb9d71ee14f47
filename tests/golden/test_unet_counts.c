/* SPDX-License-Identifier: Apache-2.0
 * The published networks of the inverse-heat-dissipation code: parameters and multiply-adds,
 * counted without a device. 61,056,257 is printed by a third party's run of the one-channel
 * CIFAR-10 network; the others are rounded counts of the same source (millions, giga multiply-adds
 * a forward pass of one image). */
#include "check.h"

#include "nn/unet.h"

struct published {
    const char *name;
    int side, channels, width, multipliers[5], levels, blocks, attention[3], attention_count;
    double params, params_rounding, macs, macs_rounding;
};

static const struct published networks[] = {
    {"MNIST", 28, 1, 128, {1, 2, 2}, 3, 4, {2}, 1, 42.08e6, 0.005e6, 7.2e9, 0.05e9},
    {"MNIST small", 28, 1, 64, {1, 1, 1}, 3, 4, {2}, 1, 3.70e6, 0.005e6, 1.0e9, 0.05e9},
    {"CIFAR-10", 32, 3, 128, {1, 2, 2, 2}, 4, 4, {2, 3}, 2, 61.06e6, 0.005e6, 9.6e9, 0.05e9},
    {"CIFAR-10, one channel",
     32,
     1,
     128,
     {1, 2, 2, 2},
     4,
     4,
     {2, 3},
     2,
     61056257,
     0,
     9.6e9,
     0.05e9},
    {"AFHQ 64", 64, 3, 128, {1, 2, 3, 4}, 4, 2, {2, 3}, 2, 88.2e6, 0.05e6, 30e9, 0.5e9},
    {"FFHQ 256", 256, 3, 128, {1, 2, 3, 4, 5}, 5, 3, {2, 3, 4}, 3, 210.9e6, 0.05e6, 747e9, 0.5e9},
    {"FFHQ 256 at 128",
     128,
     3,
     128,
     {1, 2, 3, 4, 5},
     5,
     3,
     {2, 3, 4},
     3,
     210.9e6,
     0.05e6,
     168e9,
     0.5e9},
    {"FFHQ 128", 128, 3, 128, {1, 2, 3, 4, 5}, 5, 2, {2, 3, 4}, 3, 160.0e6, 0.05e6, 128e9, 0.5e9},
    {"LSUN Church 128",
     128,
     3,
     128,
     {1, 2, 3, 4, 5},
     5,
     4,
     {2, 3, 4},
     3,
     261.8e6,
     0.05e6,
     209e9,
     0.5e9},
};

int main(void)
{
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        const struct published *p = &networks[i];
        struct unet_settings s = {.channels = p->width,
                                  .multiplier_count = p->levels,
                                  .blocks = p->blocks,
                                  .attention_level_count = p->attention_count,
                                  .middle_attention = 1,
                                  .heads = 1};
        for (int j = 0; j < p->levels; j++)
            s.multipliers[j] = p->multipliers[j];
        for (int j = 0; j < p->attention_count; j++)
            s.attention_levels[j] = p->attention[j];
        CHECK(unet_check(&s, p->side) == 0);
        struct graph *g = graph_create(NULL, DTYPE_F32, 1, 0, 0.1);
        unet_build(g, &s, p->side, p->channels);
        printf("%-22s %9lld parameters, %6.2f GMAC\n", p->name, (long long)graph_param_total(g),
               graph_forward_macs(g) / 1e9);
        CHECK_NEAR(graph_param_total(g), p->params, p->params_rounding);
        CHECK_NEAR(graph_forward_macs(g), p->macs, p->macs_rounding);
        graph_destroy(g);
    }
    return check_done();
}
