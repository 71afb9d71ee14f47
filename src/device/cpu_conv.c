/* SPDX-License-Identifier: Apache-2.0
 * Convolutions: oneDNN does the arithmetic (conv_onednn.c); here are the residual and the
 * accumulating gradient, which need a pass of their own. */
#include <omp.h>

#include "base/mem.h"
#include "device/cpu.h"

struct conv {
    struct onednn_conv *planned;
    enum dtype type;
    int detour; /* bf16 where the library has none (no AVX-512): converted, computed in fp32, converted back */
    int64_t x_count, y_count, w_count;
    size_t y_bytes, library_bytes, spare_bytes, x32_bytes, y32_bytes, w_bytes;
};

/* The parts of the scratch arena that a call uses. */
struct room {
    char *library, *spare;  /* spare: a gradient of x before it is added */
    float *x32, *y32, *w32; /* of the detour; w32 is followed by the weights in bf16 */
};

static struct room room_of(struct device *d, const struct conv *c)
{
    char *base = cpu_scratch(d, c->spare_bytes + c->x32_bytes + c->y32_bytes + c->w_bytes +
                                    c->library_bytes);
    char *x32 = base + c->spare_bytes, *y32 = x32 + c->x32_bytes, *w32 = y32 + c->y32_bytes;
    return (struct room){w32 + c->w_bytes, base, (float *)x32, (float *)y32, (float *)w32};
}

struct conv *cpu_conv_create(struct device *d, const struct conv_shape *s)
{
    struct conv *c = mem_zalloc(sizeof *c);
    struct conv_shape planned = *s;
    struct conv_window k = conv_window_of(s);
    c->type = s->type;
    c->detour = s->type == DTYPE_BF16 && !cpu_of(d)->bf16;
    if (c->detour)
        planned.type = DTYPE_F32;
    c->planned = onednn_conv_create(cpu_of(d)->onednn, &planned);
    c->x_count = (int64_t)s->n * s->h * s->w * s->c_in;
    c->y_count = (int64_t)s->n * k.out_h * k.out_w * s->c_out;
    c->w_count = (int64_t)s->c_out * k.kernel_h * k.kernel_w * s->c_in;
    c->y_bytes = (size_t)c->y_count * dtype_bytes(s->type);
    c->library_bytes = onednn_conv_scratch(c->planned);
    c->spare_bytes = s->backward ? onednn_round_up((size_t)c->x_count * dtype_bytes(s->type)) : 0;
    c->x32_bytes = c->detour ? onednn_round_up((size_t)c->x_count * sizeof(float)) : 0;
    c->y32_bytes = c->detour ? onednn_round_up((size_t)c->y_count * sizeof(float)) : 0;
    c->w_bytes = c->detour
                     ? onednn_round_up((size_t)c->w_count * (sizeof(float) + dtype_bytes(s->type)))
                     : 0;
    room_of(d, c); /* the arena grows now, not in a step */
    return c;
}

void cpu_conv_destroy(struct device *d, struct conv *c)
{
    (void)d;
    if (!c)
        return;
    onednn_conv_destroy(c->planned);
    mem_free(c);
}

void cpu_conv_weights(struct device *d, struct conv *c, const float *w, const void *in_place)
{
    (void)in_place; /* the library wants layouts of its own */
    struct room r = room_of(d, c);
    if (c->detour) { /* the same values as in bf16 */
        cpu_cast(d, c->w_count, DTYPE_F32, w, DTYPE_BF16, r.w32 + c->w_count);
        cpu_cast(d, c->w_count, DTYPE_BF16, r.w32 + c->w_count, DTYPE_F32, r.w32);
        w = r.w32;
    }
    onednn_conv_weights(c->planned, w, r.library);
}

void cpu_conv_forward(struct device *d, struct conv *c, const void *x, const float *bias,
                      const void *residual, void *y)
{
    struct room r = room_of(d, c);
    if (c->detour) {
        cpu_cast(d, c->x_count, DTYPE_BF16, x, DTYPE_F32, r.x32);
        if (residual)
            cpu_cast(d, c->y_count, DTYPE_BF16, residual, DTYPE_F32, r.y32);
        onednn_conv_forward(c->planned, r.x32, bias, residual != NULL, r.y32, r.library);
        cpu_cast(d, c->y_count, DTYPE_F32, r.y32, DTYPE_BF16, y);
        return;
    }
    if (residual && residual != y)
        cpu_copy(d, y, residual, c->y_bytes);
    onednn_conv_forward(c->planned, x, bias, residual != NULL, y, r.library);
}

void cpu_conv_backward_data(struct device *d, struct conv *c, const void *dy, void *dx,
                            int accumulate)
{
    struct room r = room_of(d, c);
    void *out = accumulate ? r.spare : dx;
    if (c->detour) {
        cpu_cast(d, c->y_count, DTYPE_BF16, dy, DTYPE_F32, r.y32);
        onednn_conv_backward_data(c->planned, r.y32, r.x32, r.library);
        cpu_cast(d, c->x_count, DTYPE_F32, r.x32, DTYPE_BF16, out);
    } else {
        onednn_conv_backward_data(c->planned, dy, out, r.library);
    }
    if (accumulate)
        cpu_add(d, c->x_count, c->type, out, dx);
}

void cpu_conv_backward_weights(struct device *d, struct conv *c, const void *x, const void *dy,
                               float *dw, float *dbias)
{
    struct room r = room_of(d, c);
    if (c->detour) {
        cpu_cast(d, c->x_count, DTYPE_BF16, x, DTYPE_F32, r.x32);
        cpu_cast(d, c->y_count, DTYPE_BF16, dy, DTYPE_F32, r.y32);
        x = r.x32;
        dy = r.y32;
    }
    onednn_conv_backward_weights(c->planned, x, dy, dw, dbias, r.library);
}
