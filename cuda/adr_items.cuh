/* SPDX-License-Identifier: Apache-2.0
 * adr_items.cuh: which hold an item of a launch belongs to, and where a field's velocity is (struct adr_launch). */
#pragma once
#include "adr_cuda.h"
#include "kernel.cuh"

/* The last hold of the launch that begins at this item or before it. */
static __device__ __forceinline__ int hold_of(const int *begin, const struct adr_launch *l, int item)
{
    int low = l->first, high = l->first + l->holds - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (begin[middle] <= l->begin + item)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* [2, L, L] of an image that needs hold h of the launch. */
static __device__ __forceinline__ const float *velocity_of(const struct adr_images *s, const struct adr_launch *l,
                                                           int h, int image)
{
    int item = s->begin[h] - l->begin + s->field[image];
    return s->v + (int64_t)item * 2 * s->side * s->side;
}
