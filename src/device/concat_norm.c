/* SPDX-License-Identifier: Apache-2.0 */
#include "device/concat_norm.h"

void concat_norm_forward_by_parts(struct device *d, const struct norm_shape *s, int ca,
                                  const void *a, const void *b, void *x, const float *gamma,
                                  const float *beta, void *y, float *stats)
{
    d->ops->concat_forward(d, (int64_t)s->n * s->hw, ca, s->c - ca, s->type, a, b, x);
    d->ops->norm_forward(d, s, x, NULL, gamma, beta, y, stats);
}

void concat_norm_backward_by_parts(struct device *d, const struct norm_shape *s, int ca,
                                   const void *x, const float *gamma, const float *beta,
                                   const float *stats, const void *dy, void *dx, int accumulate,
                                   void *da, void *db, float *dgamma, float *dbeta)
{
    d->ops->norm_backward(d, s, x, NULL, gamma, beta, stats, dy, dx, accumulate, dgamma, dbeta,
                          NULL);
    d->ops->concat_backward(d, (int64_t)s->n * s->hw, ca, s->c - ca, s->type, dx, da, 0, db, 0);
}
