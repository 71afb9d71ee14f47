/* SPDX-License-Identifier: Apache-2.0
 * The one battery for every device: test_ops [DEVICE].
 *
 * With `ref` the reference alone: gradients against finite differences, values against independent
 * formulas. With another name that device against the reference at odd and ordinary shapes, in fp32
 * and bf16. Without argument: ref, then cpu. `test_ops perf DEVICE [THREADS]` prints speeds at the
 * sizes of small U-Nets. */
#include "adr.h"
#include "chance.h"
#include "compare.h"
#include "judges.h"
#include "oracles.h"
#include "perf.h"
#include "shapes.h"

const struct tolerance tolerances[] = {
    /* reference against finite differences: the rounding of results over the step, 0.01 */
    {"gradient conv_backward_data.dx", 2e-5, 0},       /* measured 6.3e-6 */
    {"gradient conv_backward_weights.dw", 2e-5, 0},    /* 3.5e-6 */
    {"gradient conv_backward_weights.dbias", 2e-5, 0}, /* 4.2e-6 */
    {"gradient norm_backward.dx", 3e-4, 0},     /* 9.1e-5: groups of three numbers close together */
    {"gradient norm_backward.dgamma", 3e-5, 0}, /* 1.0e-5 */
    {"gradient norm_backward.dbeta", 2e-5, 0},  /* 4.0e-6 */
    {"gradient norm_backward.dshift", 3e-4, 0}, /* 9.1e-5 */
    {"gradient norm_backward_far.dx", 4e-3, 0}, /* 1.2e-3: fp32 knows 300 to 1.5e-5 */
    {"gradient norm_backward_far.dgamma", 2e-5, 0},    /* 5.8e-6 */
    {"gradient norm_backward_far.dbeta", 2e-5, 0},     /* 5.4e-6 */
    {"gradient concat_norm_backward.da", 3e-5, 0},     /* 4.3e-6 */
    {"gradient concat_norm_backward.db", 3e-5, 0},     /* 8.5e-6 */
    {"gradient concat_norm_backward.dgamma", 2e-5, 0}, /* 4.6e-6 */
    {"gradient concat_norm_backward.dbeta", 2e-5, 0},  /* 4.1e-6 */
    {"gradient norm_backward_far.dshift", 2e-3, 0},    /* 6.8e-4 */
    {"gradient attention_backward.dqkv", 2e-5, 0},     /* 6.1e-6 */
    {"gradient upsample_backward.dx", 2e-5, 0},        /* 3.5e-6 */
    {"gradient concat_backward.da", 2e-5, 0},          /* 3.7e-6 */
    {"gradient concat_backward.db", 2e-5, 0},          /* 4.3e-6 */
    {"gradient silu_backward.dx", 2e-5, 0},            /* 6.6e-6 */

    /* Device against reference, measured on the cpu device with AVX-512: fp32, bf16. One rounding
     * to bf16 that falls the other way is 1/128 at most, just above a power of two. `one` are
     * groups of a single number, where rstd is 316 and what follows is rounding times that; `far`
     * is x about 300. */
    {"conv_forward.y", 5e-6, 8e-3},              /* 2.5e-6, 3.0e-3; rounded twice: 5.9e-3 */
    {"conv_backward_data.dx", 6e-6, 8e-3},       /* 3.2e-6, 6.0e-3: += rounds twice */
    {"conv_backward_weights.dw", 4e-6, 4e-6},    /* 1.1e-6, 4.1e-7 */
    {"conv_backward_weights.dbias", 2e-5, 4e-6}, /* 5.4e-6 (one sum of 1568 numbers), 6.6e-8 */
    {"norm_forward.y", 4e-6, 5e-3},              /* 1.1e-6, 1.4e-3 */
    {"norm_forward.stats", 3e-7, 3e-7},          /* 7.0e-8, 7.0e-8 */
    {"norm_backward.dx", 4e-6, 5e-3},            /* 1.2e-6, 2.5e-3 */
    {"norm_backward.dgamma", 3e-6, 4e-6},        /* 5.3e-7, 9.3e-7 */
    {"norm_backward.dbeta", 3e-6, 3e-6},         /* 3.6e-7, 6.7e-7 */
    {"norm_backward.dshift", 1e-5, 1.5e-5},      /* 1.9e-6, 3.8e-6 */
    {"norm_forward_one.y", 1e-4, 5e-3},          /* 2.2e-5, 0 */
    {"norm_forward_one.stats", 3e-7, 3e-7},      /* 0, 0 */
    {"norm_backward_one.dx", 1.5e-4, 5e-3},      /* 3.9e-5, 6.0e-5 */
    {"norm_backward_one.dgamma", 5e-5, 3e-5},    /* 1.4e-5, 6.4e-6 */
    {"norm_backward_one.dbeta", 8e-6, 6e-6},     /* 2.1e-6, 1.5e-6 */
    {"norm_backward_one.dshift", 2e-6,
     2e-6},                                 /* 9.7e-8, 1.5e-7; 5.8e-7 without fused multiply-add */
    {"norm_forward_far.y", 8e-4, 0},        /* 2.3e-4 */
    {"norm_forward_far.stats", 4e-7, 0},    /* 1.2e-7 */
    {"norm_backward_far.dx", 3e-3, 0},      /* 9.3e-4 */
    {"norm_backward_far.dgamma", 4e-4, 0},  /* 1.2e-4 */
    {"norm_backward_far.dbeta", 1.5e-4, 0}, /* 4.1e-5 */
    {"norm_backward_far.dshift", 5e-3, 0},  /* 1.5e-3 */
    {"concat_norm_forward.x", 0, 0},
    {"concat_norm_forward.y", 1.5e-6, 8e-3},     /* 3.2e-7, 4.0e-8 */
    {"concat_norm_forward.stats", 3e-7, 3e-7},   /* 7.0e-8, 6.9e-8 */
    {"concat_norm_backward.da", 1.5e-6, 8e-3},   /* 3.9e-7, 7.7e-6 */
    {"concat_norm_backward.db", 1.5e-6, 8e-3},   /* 4.0e-7, 1.8e-3 */
    {"concat_norm_backward.to_a", 1.5e-6, 8e-3}, /* 4.3e-7, 3.2e-4 */
    {"concat_norm_backward.to_b", 1.5e-6, 8e-3}, /* 3.9e-7, 1.6e-3 */
    {"concat_norm_backward.dgamma", 2e-6, 3e-6}, /* 5.1e-7, 7.1e-7 */
    {"concat_norm_backward.dbeta", 2e-6, 2e-6},  /* 3.8e-7, 3.7e-7 */
    {"attention_forward.probs", 4e-6, 8e-3},     /* 1.1e-6, 1.6e-3 */
    {"attention_forward.out", 5e-6, 8e-3},       /* 1.7e-6, 2.6e-3 */
    {"attention_backward.dqkv", 4e-6, 8e-3},     /* 1.2e-6, 3.4e-3 */
    {"upsample_forward.y", 0, 0},
    {"upsample_backward.dx", 4e-7, 5e-3}, /* 1.3e-7, 0 */
    {"concat_forward.y", 0, 0},
    {"concat_backward.da", 2e-7, 4e-3}, /* 0, 0 */
    {"concat_backward.db", 2e-7, 4e-3}, /* 0, 0 */
    {"add.y", 2e-7, 4e-3},              /* 0, 0 */
    {"dropout.x", 3e-7, 4e-3},          /* 9.4e-8, 0 */
    {"silu_forward.y", 4e-7, 0},        /* 1.0e-7 */
    {"silu_backward.dx", 2e-6, 0},      /* 5.9e-7 */
    {"embed.y", 2e-6, 0},               /* 0 */
    {"squared_error.loss", 3e-7, 0},    /* 5.8e-8 */
    {"squared_error.dpred", 3e-7, 0},   /* 0 */
    {"add_normal.x", 2e-6, 0},          /* 2.0e-7 */
    {"adam.p", 2e-6, 0},                /* 7.9e-7 */
    {"adam.m", 3e-7, 0},                /* 8.2e-8 */
    {"adam.v", 3e-7, 0},                /* 9.8e-8 */
    {"lion.p", 3e-7, 0},                /* 8.0e-8 */
    {"lion.m", 3e-7, 0},                /* 8.0e-8 */
    {"adam.average", 3e-7, 0},          /* 9.4e-8 */
    {"lion.average", 3e-7, 0},          /* 8.0e-8 */
    {"adam.rounded", 4e-3, 0},          /* 0: one unit in bf16's last place where p differs */
    {"lion.rounded", 4e-3, 0},          /* 2.1e-3, the same */
    {"sum_squares.result", 1e-12, 0},   /* 2.8e-14 */
    {"axpby.y", 4e-7, 0},               /* 1.3e-7 */
    {"ax.y", 3e-7, 0},                  /* 9.1e-8 */
    {"adr_run.u", 1.5e-6, 0},           /* 4.2e-7 */
    {"adr_run.delta", 1.5e-5, 0},       /* 4.2e-6 */
    {"adr_velocity.v", 1.2e-5, 0},      /* 3.9e-6 */
    {"heat_run.u", 1e-6, 0},            /* 2.4e-7 */
    {"heat_run.delta", 4e-6, 0},        /* 1.1e-6 */
    {"pool.y", 5e-7, 0},                /* 1.5e-7 */
    {"pixel_mean.y", 0, 0},
    {"relu.y", 0, 0},
    {"relu.x", 0, 0},

    /* A GPU's sums for dw, up to n = 1568 pixels here, are other ones, and the bound is derived. fp32:
     * one chain of n terms is off by 2^-24 sqrt(n) / 2.4 = 1e-6 rms of the result's size, the worst of
     * 10^5 results by 5 of that (cpu: 16 chains). bf16: a tensor core of an H100 adds 16 products at a
     * time to an fp32 number and cuts off, 2^-23 of it in each of n / 16 = 98 additions, 1.2e-5
     * together; but where cuDNN has no engine with fp32 results, dw is rounded to bf16 before it is
     * added: 2^-8. Sharp bounds for our own kernels: tests/cuda/test_conv_cuda.c. */
    {"cuda conv_backward_weights.dw", 1e-5, 4e-3},
};
const int tolerance_count = (int)(sizeof tolerances / sizeof *tolerances);

static void visit_gradients(const struct visitor *v, const struct op_case *c)
{
    check_gradients(v->ref, c, v->state);
}

/* Slow devices (a GPU's kernels on the host) leave out what is larger than $PECLET_OPS_MFLOP, and say
 * how much that was. */
static int left_out;
static int too_large(const struct op_case *c)
{
    const char *limit = getenv("PECLET_OPS_MFLOP");
    int large = limit && c->pass[0].flops > 1e6 * atof(limit);
    left_out += large;
    return large;
}

/* $PECLET_OPS_ONLY: what the name of the operations begins with, where nothing else can depend on the
 * environment of this run. */
static int wanted(const struct op_case *c)
{
    const char *only = getenv("PECLET_OPS_ONLY");
    return !only || strncmp(c->pass[0].name, only, strlen(only)) == 0;
}

static void visit_compare(const struct visitor *v, const struct op_case *c)
{
    if (wanted(c) && !too_large(c))
        compare_devices(v->d, v->ref, c, v->state);
}

static void oracles(const char *name, struct device *d)
{
    oracle_all(d);
    oracle_pool(d);
    chance_normal(d);
    chance_dropout(d);
    chance_cast(d);
    chance_threads(name);
}

static void test_device(const char *name)
{
    struct device *ref = device_ref_create(), *d;
    if (device_open(name, 0, 0, 1, &d))
        exit(EXIT_FAILURE);
    int is_ref = strcmp(name, "ref") == 0;
    struct report report = {.cuda = strcmp(name, "cuda") == 0};
    struct visitor v = {is_ref ? visit_gradients : visit_compare, d, ref, &report};
    printf("%s: %s\n", d->name, d->description);
    visit_all(&v);
    visit_judges(&v);
    if (!getenv("PECLET_OPS_ONLY")) {
        visit_adr(&v);
        oracles(name, d);
    }
    report_print(&report);
    CHECK(report.count > 0);
    if (left_out)
        printf("%d cases left out: larger than %s MFLOP\n", left_out, getenv("PECLET_OPS_MFLOP"));
    CHECK(d->bytes == 0 && ref->bytes == 0);
    device_close(d);
    device_close(ref);
    CHECK(mem_live_bytes() == 0);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "perf") == 0) {
        struct device *d;
        if (device_open(argv[2], argc > 3 ? atoi(argv[3]) : 0, 0, 1, &d))
            return EXIT_FAILURE;
        perf_all(d);
        device_close(d);
        return check_done();
    }
    if (argc > 1) {
        test_device(argv[1]);
    } else {
        test_device("ref");
        test_device("cpu");
    }
    return check_done();
}
