/* SPDX-License-Identifier: Apache-2.0
 * SqueezeNet 1.1 (Iandola et al. 2016), AlexNet (Krizhevsky 2014) and VGG16 (Simonyan and Zisserman
 * 2014) as tables of their layers. */
#include "nn/trunks.h"

#include <stdio.h>
#include <string.h>

#include "base/die.h"

enum kind { END, CONV, FIRE, POOL };
/* index: number in torchvision's `features`; tap: LPIPS reads behind this layer. A fire module
 * squeezes to c channels, then expands to `expand` by 1x1 beside `expand` by 3x3. A pool takes the
 * maximum, with windows over the edge where `pad` is set. */
struct row {
    enum kind kind;
    int index, c, kernel, stride, pad, expand, tap;
};

static const struct row squeeze[] = {
    {CONV, 0, 64, 3, 2, 0, 0, 1},
    {POOL, 2, 0, 3, 2, 1, 0, 0},
    {FIRE, 3, 16, 0, 0, 0, 64, 0},
    {FIRE, 4, 16, 0, 0, 0, 64, 1},
    {POOL, 5, 0, 3, 2, 1, 0, 0},
    {FIRE, 6, 32, 0, 0, 0, 128, 0},
    {FIRE, 7, 32, 0, 0, 0, 128, 1},
    {POOL, 8, 0, 3, 2, 1, 0, 0},
    {FIRE, 9, 48, 0, 0, 0, 192, 1},
    {FIRE, 10, 48, 0, 0, 0, 192, 1},
    {FIRE, 11, 64, 0, 0, 0, 256, 1},
    {FIRE, 12, 64, 0, 0, 0, 256, 1},
    {.kind = END},
};
static const struct row alex[] = {
    {CONV, 0, 64, 11, 4, 2, 0, 1},  {POOL, 2, 0, 3, 2, 0, 0, 0},
    {CONV, 3, 192, 5, 1, 2, 0, 1},  {POOL, 5, 0, 3, 2, 0, 0, 0},
    {CONV, 6, 384, 3, 1, 1, 0, 1},  {CONV, 8, 256, 3, 1, 1, 0, 1},
    {CONV, 10, 256, 3, 1, 1, 0, 1}, {.kind = END},
};
static const struct row vgg[] = {
    {CONV, 0, 64, 3, 1, 1, 0, 0},   {CONV, 2, 64, 3, 1, 1, 0, 1},   {POOL, 4, 0, 2, 2, 0, 0, 0},
    {CONV, 5, 128, 3, 1, 1, 0, 0},  {CONV, 7, 128, 3, 1, 1, 0, 1},  {POOL, 9, 0, 2, 2, 0, 0, 0},
    {CONV, 10, 256, 3, 1, 1, 0, 0}, {CONV, 12, 256, 3, 1, 1, 0, 0}, {CONV, 14, 256, 3, 1, 1, 0, 1},
    {POOL, 16, 0, 2, 2, 0, 0, 0},   {CONV, 17, 512, 3, 1, 1, 0, 0}, {CONV, 19, 512, 3, 1, 1, 0, 0},
    {CONV, 21, 512, 3, 1, 1, 0, 1}, {POOL, 23, 0, 2, 2, 0, 0, 0},   {CONV, 24, 512, 3, 1, 1, 0, 0},
    {CONV, 26, 512, 3, 1, 1, 0, 0}, {CONV, 28, 512, 3, 1, 1, 0, 1}, {.kind = END},
};
static const struct {
    const char *name;
    const struct row *rows;
    int taps, channels[TRUNK_MAX_TAPS];
} trunks[] = {{"squeeze", squeeze, 7, {64, 128, 256, 384, 384, 512, 512}},
              {"alex", alex, 5, {64, 192, 384, 256, 256}},
              {"vgg", vgg, 5, {64, 128, 256, 512, 512}}};
enum { TRUNKS = sizeof trunks / sizeof *trunks };

static int find(const char *name)
{
    for (int i = 0; i < TRUNKS; i++)
        if (!strcmp(name, trunks[i].name))
            return i;
    return -1;
}

static int add_fire(struct convnet *net, int x, const struct row *r)
{
    char name[40];
    snprintf(name, sizeof name, "features.%d.squeeze", r->index);
    x = convnet_conv(net, x, &(struct layer){r->c, 1, 1, 1, 0, 0}, name);
    snprintf(name, sizeof name, "features.%d.expand1x1", r->index);
    int a = convnet_conv(net, x, &(struct layer){r->expand, 1, 1, 1, 0, 0}, name);
    snprintf(name, sizeof name, "features.%d.expand3x3", r->index);
    int b = convnet_conv(net, x, &(struct layer){r->expand, 3, 3, 1, 1, 1}, name);
    return convnet_concat(net, a, b);
}

static int add_row(struct convnet *net, int x, const struct row *r)
{
    char name[40];
    if (r->kind == FIRE)
        return add_fire(net, x, r);
    if (r->kind == POOL)
        return convnet_pool(net, x, POOL_MAX, r->kernel, r->stride, 0, r->pad);
    snprintf(name, sizeof name, "features.%d", r->index);
    return convnet_conv(
        net, x, &(struct layer){r->c, r->kernel, r->kernel, r->stride, r->pad, r->pad}, name);
}

void trunk_build(struct convnet *net, const char *name, struct trunk *out)
{
    int which = find(name), x = 0;
    REQUIRE(which >= 0);
    *out = (struct trunk){0};
    for (const struct row *r = trunks[which].rows; r->kind != END; r++) {
        x = add_row(net, x, r);
        if (r->tap) {
            convnet_output(net, x);
            out->tap[out->taps++] = x;
        }
    }
    REQUIRE(out->taps == trunks[which].taps);
}

const int *trunk_channels(const char *name, int *taps)
{
    int which = find(name);
    *taps = which < 0 ? 0 : trunks[which].taps;
    return which < 0 ? NULL : trunks[which].channels;
}
