/* SPDX-License-Identifier: Apache-2.0
 * nearest: the k nearest rows of one set for each row of another, exact. */
#pragma once
#include "metrics/pairs.h"

struct nearest {
    const struct points *mine; /* borrowed */
    int k;
    int64_t self; /* mine->first where a row must not find itself */
    double
        *distance2; /* [mine->n, k] ascending squared distances; infinite where there are fewer */
    int64_t *index; /* [mine->n, k] global index; of equal distances the smaller comes first */
};

/* Collective. Where both sets are the same object, a row is not its own neighbour. */
void nearest_find(const struct points *mine, const struct points *others, int k,
                  struct nearest *out); /* owner frees */
void nearest_free(struct nearest *s);
