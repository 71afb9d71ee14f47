/* SPDX-License-Identifier: Apache-2.0
 * What the network's output F means.
 *
 *     'delta'   F -> x_{k-1} - input,  input = x_k + noise          mean of x_{k-1} = input + F
 *
 * Beyond Blur, Algorithm 1, with the sign that its Algorithm 2 needs: loss = || input + F - x_{k-1}
 * ||^2. */
#include "process/process.h"

#include <string.h>

/* x_{k-1} - input = (x_{k-1} - x_k) - (input - x_k) = delta + x_k - input */
static void delta_want(struct device *d, int64_t n, const float *input, const float *clean,
                       const float *delta, float *want)
{
    d->ops->axpby(d, n, 1.0, clean, 0.0, want);
    d->ops->axpby(d, n, -1.0, input, 1.0, want);
    d->ops->axpby(d, n, 1.0, delta, 1.0, want);
}

static void delta_previous(struct device *d, int64_t n, const float *x, float *f)
{
    d->ops->axpby(d, n, 1.0, x, 1.0, f);
}

static const struct target targets[] = {{"delta", delta_want, delta_previous}};

const struct target *target_find(const char *name)
{
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (!strcmp(targets[i].name, name))
            return &targets[i];
    return NULL;
}
