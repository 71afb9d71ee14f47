/* SPDX-License-Identifier: Apache-2.0
 * Convolutions: oneDNN does the arithmetic (conv_onednn.c); here are the residual and the
 * accumulating gradient, which need a pass of their own. */
#include <omp.h>

#include "base/mem.h"
#include "device/cpu.h"

struct conv {
    struct onednn_conv *planned;
    enum dtype type;
    size_t x_bytes, y_bytes, scratch_bytes;
};

/* So that a view of the arena behind a buffer of these bytes is aligned. */
static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

struct conv *cpu_conv_create(struct device *d, const struct conv_shape *s)
{
    struct conv *c = mem_alloc(sizeof *c);
    int ho = conv_out(s->h, s->kernel, s->stride), wo = conv_out(s->w, s->kernel, s->stride);
    omp_set_num_threads(d->threads); /* oneDNN plans for this number */
    c->planned = onednn_conv_create(cpu_of(d)->onednn, s);
    c->type = s->type;
    c->x_bytes =
        (size_t)s->n * (size_t)s->h * (size_t)s->w * (size_t)s->c_in * dtype_bytes(s->type);
    c->y_bytes = (size_t)s->n * (size_t)ho * (size_t)wo * (size_t)s->c_out * dtype_bytes(s->type);
    c->scratch_bytes = onednn_conv_scratch(c->planned) + (s->backward ? round_up(c->x_bytes) : 0);
    cpu_scratch(d, c->scratch_bytes);
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

void cpu_conv_weights(struct device *d, struct conv *c, const float *w)
{
    onednn_conv_weights(c->planned, w, cpu_scratch(d, c->scratch_bytes));
}

void cpu_conv_forward(struct device *d, struct conv *c, const void *x, const float *bias,
                      const void *residual, void *y)
{
    if (residual && residual != y)
        cpu_copy(d, y, residual, c->y_bytes);
    onednn_conv_forward(c->planned, x, bias, residual != NULL, y, cpu_scratch(d, c->scratch_bytes));
}

void cpu_conv_backward_data(struct device *d, struct conv *c, const void *dy, void *dx,
                            int accumulate)
{
    char *scratch = cpu_scratch(d, c->scratch_bytes);
    if (!accumulate) {
        onednn_conv_backward_data(c->planned, dy, dx, scratch);
        return;
    }
    onednn_conv_backward_data(c->planned, dy, scratch, scratch + round_up(c->x_bytes));
    cpu_add(d, (int64_t)(c->x_bytes / dtype_bytes(c->type)), c->type, scratch, dx);
}

void cpu_conv_backward_weights(struct device *d, struct conv *c, const void *x, const void *dy,
                               float *dw, float *dbias)
{
    onednn_conv_backward_weights(c->planned, x, dy, dw, dbias, cpu_scratch(d, c->scratch_bytes));
}
