/* SPDX-License-Identifier: Apache-2.0
 * What the network's output F means; input = x_k + noise.
 *
 *     'delta'   F -> x_{k-1} - input          mean of x_{k-1} = input + F
 *     'x0'      F -> x0                       the clean image itself: the posterior mean of x0 minimises the loss
 *
 * Beyond Blur, Algorithm 1, with the sign that its Algorithm 2 needs: loss = || input + F - x_{k-1}
 * ||^2. 'x0' is cold diffusion's (Bansal et al., arXiv 2208.09392), in the mean square. */
#include "process/process.h"

#include <string.h>

/* x_{k-1} - input = (x_{k-1} - x_k) - (input - x_k) = delta + x_k - input */
static void delta_want(struct device *d, int64_t n, const struct target_pair *p, float *want)
{
    d->ops->axpby(d, n, 1.0, p->state, 0.0, want);
    d->ops->axpby(d, n, -1.0, p->input, 1.0, want);
    d->ops->axpby(d, n, 1.0, p->delta, 1.0, want);
}

static void delta_decode(struct device *d, int64_t n, const float *x, float *f)
{
    d->ops->axpby(d, n, 1.0, x, 1.0, f);
}

static void x0_want(struct device *d, int64_t n, const struct target_pair *p, float *want)
{
    d->ops->copy(d, want, p->x0, (size_t)n * sizeof *want);
}

static void x0_decode(struct device *d, int64_t n, const float *x, float *f)
{
    (void)d;
    (void)n;
    (void)x;
    (void)f;
}

static const struct target targets[] = {{"delta", 0, delta_want, delta_decode},
                                        {"x0", 1, x0_want, x0_decode}};

const struct target *target_find(const char *name)
{
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (!strcmp(targets[i].name, name))
            return &targets[i];
    return NULL;
}
