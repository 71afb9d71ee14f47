/* SPDX-License-Identifier: Apache-2.0
 * unet: see unet.h. One residual block is
 *     h = conv3(silu(norm(x)))
 *     h = norm(h + linear(silu(emb)))
 *     y = conv3(dropout(silu(h))) + skip(x)
 *
 * and one attention block y = x + conv1(attention(conv1(norm(x)))). Downwards each level has
 * `blocks` of them and a strided convolution, whose results the way up takes again, last first,
 * through blocks + 1 a level. */
#include "nn/unet.h"

#include <stdio.h>

#include "base/die.h"
#include "base/log.h"

enum { MAX_BLOCKS = 64, MAX_SKIPS = UNET_MAX_LEVELS * (MAX_BLOCKS + 1) };

static int attends(const struct unet_settings *s, int level)
{
    for (int i = 0; i < s->attention_level_count; i++)
        if (s->attention_levels[i] == level)
            return 1;
    return 0;
}

static int check_widths(const struct unet_settings *s)
{
    int bad = 0;
    for (int i = 0; i < s->multiplier_count; i++) {
        int64_t c = s->channels * s->multipliers[i];
        int attention = attends(s, i) || (s->middle_attention && i == s->multiplier_count - 1);
        if (c % 32 != 0) {
            log_error("&unet: level %d has %lld channels, which do not divide into the 32 groups "
                      "of its norms; "
                      "make channels a multiple of 32",
                      i, (long long)c);
            bad = 1;
        }
        if (attention && c % s->heads != 0) {
            log_error("&unet: level %d has %lld channels, which do not divide into %lld heads", i,
                      (long long)c, (long long)s->heads);
            bad = 1;
        }
    }
    return bad;
}

int unet_check(const struct unet_settings *s, int side)
{
    if (s->multiplier_count < 1) {
        log_error("&unet: multipliers needs one value a level");
        return 1;
    }
    int bad = check_widths(s), levels = s->multiplier_count, step = 1 << (levels - 1);
    for (int i = 0; i < s->attention_level_count; i++)
        if (s->attention_levels[i] >= levels) {
            log_error(
                "&unet: attention_levels names level %lld, but the levels are 0 to %d; -1 is none",
                (long long)s->attention_levels[i], levels - 1);
            bad = 1;
        }
    if (side < step || side % step != 0) {
        int below = side / step * step;
        char would_do[64];
        if (below > 0)
            snprintf(would_do, sizeof would_do, "%d or %d", below, below + step);
        else
            snprintf(would_do, sizeof would_do, "%d or %d", step, 2 * step);
        log_error("&unet: images of side %d cannot pass %d levels, each of which but the last "
                  "halves them; a side of %s "
                  "would do (multiples of %d), or fewer multipliers",
                  side, levels, would_do, step);
        bad = 1;
    }
    return bad;
}

enum { NAME = 48 };
struct builder {
    struct graph *graph;
    const struct unet_settings *settings;
    int embedding; /* tensor: silu of the embedded level, the same for all blocks */
    char block[NAME];
};

static const char *part_name(char out[64], const struct builder *b, const char *part)
{
    snprintf(out, 64, "%s.%s", b->block, part);
    return out;
}

static int residual_block(const struct builder *b, int x, int c_out)
{
    struct graph *g = b->graph;
    char name[64];
    int h_px, w_px, c;
    graph_size(g, x, &h_px, &w_px, &c);
    int h = graph_norm(g, x, -1, 1, part_name(name, b, "in_layers.0"));
    h = graph_conv(g, h, c_out, 3, 1, -1, INIT_UNIFORM_FAN_IN, part_name(name, b, "in_layers.2"));
    int shift = graph_linear(g, b->embedding, c_out, part_name(name, b, "emb_layers.1"));
    h = graph_norm(g, h, shift, 1, part_name(name, b, "out_layers.0"));
    h = graph_dropout(g, h);
    int skip = x;
    if (c != c_out)
        skip = graph_conv(g, x, c_out, 1, 1, -1, INIT_UNIFORM_FAN_IN,
                          part_name(name, b, "skip_connection"));
    return graph_conv(g, h, c_out, 3, 1, skip, INIT_ZERO, part_name(name, b, "out_layers.3"));
}

static int attention_block(const struct builder *b, int x)
{
    struct graph *g = b->graph;
    char name[64];
    int h_px, w_px, c;
    graph_size(g, x, &h_px, &w_px, &c);
    int h = graph_norm(g, x, -1, 0, part_name(name, b, "norm"));
    h = graph_conv(g, h, 3 * c, 1, 1, -1, INIT_UNIFORM_FAN_IN, part_name(name, b, "qkv"));
    h = graph_attention(g, h, (int)b->settings->heads);
    return graph_conv(g, h, c, 1, 1, x, INIT_ZERO, part_name(name, b, "proj_out"));
}

/* Names the next part: "input_blocks.3.1". */
static void name_block(struct builder *b, const char *side, int block, int part)
{
    snprintf(b->block, sizeof b->block, "%s.%d.%d", side, block, part);
}

static int build_down(struct builder *b, int x, int skips[MAX_SKIPS], int *skip_count)
{
    const struct unet_settings *s = b->settings;
    int block = 0;
    int first_c = (int)(s->channels * s->multipliers[0]);
    x = graph_conv(b->graph, x, first_c, 3, 1, -1, INIT_UNIFORM_FAN_IN, "input_blocks.0.0");
    skips[block++] = x;
    for (int level = 0; level < s->multiplier_count; level++) {
        int c = (int)(s->channels * s->multipliers[level]);
        for (int i = 0; i < s->blocks; i++) {
            name_block(b, "input_blocks", block, 0);
            x = residual_block(b, x, c);
            if (attends(s, level)) {
                name_block(b, "input_blocks", block, 1);
                x = attention_block(b, x);
            }
            skips[block++] = x;
        }
        if (level < s->multiplier_count - 1) {
            char name[64];
            name_block(b, "input_blocks", block, 0);
            x = graph_conv(b->graph, x, c, 3, 2, -1, INIT_UNIFORM_FAN_IN, part_name(name, b, "op"));
            skips[block++] = x;
        }
    }
    *skip_count = block;
    return x;
}

/* Without attention the second block keeps its number, 2. */
static int build_middle(struct builder *b, int x)
{
    const struct unet_settings *s = b->settings;
    int c = (int)(s->channels * s->multipliers[s->multiplier_count - 1]);
    snprintf(b->block, sizeof b->block, "middle_block.0");
    x = residual_block(b, x, c);
    if (s->middle_attention) {
        snprintf(b->block, sizeof b->block, "middle_block.1");
        x = attention_block(b, x);
    }
    snprintf(b->block, sizeof b->block, "middle_block.2");
    return residual_block(b, x, c);
}

static int build_up(struct builder *b, int x, const int *skips, int skip_count)
{
    const struct unet_settings *s = b->settings;
    int block = 0;
    for (int level = s->multiplier_count - 1; level >= 0; level--) {
        int c = (int)(s->channels * s->multipliers[level]);
        for (int i = 0; i <= s->blocks; i++, block++) {
            int part = 0;
            x = graph_concat(b->graph, x, skips[--skip_count]);
            name_block(b, "output_blocks", block, part++);
            x = residual_block(b, x, c);
            if (attends(s, level)) {
                name_block(b, "output_blocks", block, part++);
                x = attention_block(b, x);
            }
            if (level > 0 && i == s->blocks) {
                char name[64];
                name_block(b, "output_blocks", block, part);
                x = graph_upsample(b->graph, x);
                x = graph_conv(b->graph, x, c, 3, 1, -1, INIT_UNIFORM_FAN_IN,
                               part_name(name, b, "conv"));
            }
        }
    }
    REQUIRE(skip_count == 0);
    return x;
}

void unet_build(struct graph *g, const struct unet_settings *s, int side, int channels)
{
    int wide = 4 * (int)s->channels, skips[MAX_SKIPS], skip_count;
    struct builder b = {.graph = g, .settings = s};
    int e = graph_input_level(g, (int)s->channels);
    e = graph_linear(g, e, wide, "time_embed.0");
    e = graph_linear(g, graph_silu(g, e), wide, "time_embed.2");
    b.embedding = graph_silu(g, e);
    int x = graph_input_image(g, side, side, channels);
    x = build_down(&b, x, skips, &skip_count);
    x = build_middle(&b, x);
    x = build_up(&b, x, skips, skip_count);
    x = graph_norm(g, x, -1, 1, "out.0");
    graph_output(g, graph_conv(g, x, channels, 3, 1, -1, INIT_ZERO, "out.2"));
}

struct graph *unet_create(struct device *d, const struct unet_settings *s, int side, int channels,
                          enum dtype type, int batch, int training)
{
    struct graph *g = graph_create(d, type, batch, training, s->dropout);
    unet_build(g, s, side, channels);
    if (graph_plan(g) != 0)
        DIE("the network cannot be planned");
    return g;
}
