/* SPDX-License-Identifier: Apache-2.0
 * tensor: element types and the one layout. Activations are NHWC (image, row, column, channel; channel fastest).
 * Convolution weights are OHWI (output channel, kernel row, kernel column, input channel). */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum dtype { DTYPE_F32, DTYPE_BF16, DTYPE_F16 };

static inline size_t dtype_bytes(enum dtype t)
{
    return t == DTYPE_F32 ? 4 : 2;
}
