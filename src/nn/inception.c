/* SPDX-License-Identifier: Apache-2.0
 * Inception-v3 (Szegedy et al. 2015) as the FID uses it: the network of 2015-12-05 in the layout of
 * mseitzer/pytorch-fid, which differs from torchvision's: average pools leave the padding out, and
 * the pool of the last block takes the maximum. Branches are convolved one after another and joined
 * in the order they are written here. */
#include <stdio.h>

#include "nn/trunks.h"

/* One convolution of a chain: suffix of its name, channels, kernel, stride, padding. */
struct link {
    const char *suffix;
    struct layer layer;
};
#define K1(c)                                                                                      \
    {                                                                                              \
        (c), 1, 1, 1, 0, 0                                                                         \
    }
#define K3(c)                                                                                      \
    {                                                                                              \
        (c), 3, 3, 1, 1, 1                                                                         \
    }
#define K3_STRIDE(c)                                                                               \
    {                                                                                              \
        (c), 3, 3, 2, 0, 0                                                                         \
    }
#define K5(c)                                                                                      \
    {                                                                                              \
        (c), 5, 5, 1, 2, 2                                                                         \
    }
#define ROW(c, k)                                                                                  \
    {                                                                                              \
        (c), 1, (k), 1, 0, (k) / 2                                                                 \
    }
#define COLUMN(c, k)                                                                               \
    {                                                                                              \
        (c), (k), 1, 1, (k) / 2, 0                                                                 \
    }

static int conv(struct convnet *net, int x, const char *block, const char *suffix,
                struct layer layer)
{
    char name[80];
    snprintf(name, sizeof name, "%s%s%s", block, *suffix ? "." : "", suffix);
    return convnet_conv_norm(net, x, &layer, name);
}

static int chain(struct convnet *net, int x, const char *block, int count, const struct link *links)
{
    for (int i = 0; i < count; i++)
        x = conv(net, x, block, links[i].suffix, links[i].layer);
    return x;
}
#define CHAIN(...)                                                                                 \
    chain(net, x, block, (int)(sizeof(struct link[]){__VA_ARGS__} / sizeof(struct link)),          \
          (struct link[]){__VA_ARGS__})

static int pooled(struct convnet *net, int x, const char *block, enum pool_kind kind, int channels)
{
    x = convnet_pool(net, x, kind, 3, 1, 1, 0);
    return conv(net, x, block, "branch_pool", (struct layer)K1(channels));
}

static int join(struct convnet *net, int a, int b, int c)
{
    return convnet_concat(net, convnet_concat(net, a, b), c);
}

static int block_a(struct convnet *net, int x, const char *block, int pool_channels)
{
    int a = CHAIN({"branch1x1", K1(64)});
    int b = CHAIN({"branch5x5_1", K1(48)}, {"branch5x5_2", K5(64)});
    int c =
        CHAIN({"branch3x3dbl_1", K1(64)}, {"branch3x3dbl_2", K3(96)}, {"branch3x3dbl_3", K3(96)});
    return convnet_concat(net, join(net, a, b, c),
                          pooled(net, x, block, POOL_MEAN_INSIDE, pool_channels));
}

static int block_b(struct convnet *net, int x, const char *block)
{
    int a = CHAIN({"branch3x3", K3_STRIDE(384)});
    int b = CHAIN({"branch3x3dbl_1", K1(64)}, {"branch3x3dbl_2", K3(96)},
                  {"branch3x3dbl_3", K3_STRIDE(96)});
    return join(net, a, b, convnet_pool(net, x, POOL_MAX, 3, 2, 0, 0));
}

static int block_c(struct convnet *net, int x, const char *block, int c7)
{
    int a = CHAIN({"branch1x1", K1(192)});
    int b = CHAIN({"branch7x7_1", K1(c7)}, {"branch7x7_2", ROW(c7, 7)},
                  {"branch7x7_3", COLUMN(192, 7)});
    int c = CHAIN({"branch7x7dbl_1", K1(c7)}, {"branch7x7dbl_2", COLUMN(c7, 7)},
                  {"branch7x7dbl_3", ROW(c7, 7)}, {"branch7x7dbl_4", COLUMN(c7, 7)},
                  {"branch7x7dbl_5", ROW(192, 7)});
    return convnet_concat(net, join(net, a, b, c), pooled(net, x, block, POOL_MEAN_INSIDE, 192));
}

static int block_d(struct convnet *net, int x, const char *block)
{
    int a = CHAIN({"branch3x3_1", K1(192)}, {"branch3x3_2", K3_STRIDE(320)});
    int b = CHAIN({"branch7x7x3_1", K1(192)}, {"branch7x7x3_2", ROW(192, 7)},
                  {"branch7x7x3_3", COLUMN(192, 7)}, {"branch7x7x3_4", K3_STRIDE(192)});
    return join(net, a, b, convnet_pool(net, x, POOL_MAX, 3, 2, 0, 0));
}

/* Both ends of a fork, side by side. */
static int fork_of(struct convnet *net, int x, const char *block, const char *row,
                   const char *column)
{
    int a = conv(net, x, block, row, (struct layer)ROW(384, 3));
    return convnet_concat(net, a, conv(net, x, block, column, (struct layer)COLUMN(384, 3)));
}

static int block_e(struct convnet *net, int x, const char *block, enum pool_kind kind)
{
    int a = CHAIN({"branch1x1", K1(320)});
    int b = CHAIN({"branch3x3_1", K1(384)});
    b = fork_of(net, b, block, "branch3x3_2a", "branch3x3_2b");
    int c = CHAIN({"branch3x3dbl_1", K1(448)}, {"branch3x3dbl_2", K3(384)});
    c = fork_of(net, c, block, "branch3x3dbl_3a", "branch3x3dbl_3b");
    return convnet_concat(net, join(net, a, b, c), pooled(net, x, block, kind, 192));
}

int inception_build(struct convnet *net)
{
    int x = conv(net, 0, "Conv2d_1a_3x3", "", (struct layer)K3_STRIDE(32));
    x = conv(net, x, "Conv2d_2a_3x3", "", (struct layer){32, 3, 3, 1, 0, 0});
    x = conv(net, x, "Conv2d_2b_3x3", "", (struct layer)K3(64));
    x = convnet_pool(net, x, POOL_MAX, 3, 2, 0, 0);
    x = conv(net, x, "Conv2d_3b_1x1", "", (struct layer)K1(80));
    x = conv(net, x, "Conv2d_4a_3x3", "", (struct layer){192, 3, 3, 1, 0, 0});
    x = convnet_pool(net, x, POOL_MAX, 3, 2, 0, 0);
    x = block_a(net, x, "Mixed_5b", 32);
    x = block_a(net, x, "Mixed_5c", 64);
    x = block_a(net, x, "Mixed_5d", 64);
    x = block_b(net, x, "Mixed_6a");
    x = block_c(net, x, "Mixed_6b", 128);
    x = block_c(net, x, "Mixed_6c", 160);
    x = block_c(net, x, "Mixed_6d", 160);
    x = block_c(net, x, "Mixed_6e", 192);
    x = block_d(net, x, "Mixed_7a");
    x = block_e(net, x, "Mixed_7b", POOL_MEAN_INSIDE);
    x = block_e(net, x, "Mixed_7c", POOL_MAX);
    x = convnet_mean(net, x);
    convnet_output(net, x);
    return x;
}
