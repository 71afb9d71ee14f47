/* SPDX-License-Identifier: Apache-2.0
 * The reference device: memory of the host, the table, one thread. Its operations are in ref_*.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "device/concat_norm.h"
#include "device/ref.h"
#include "device/ref_adr.h"

/* An allocation is preceded by 64 bytes that hold its size, so that free can count. */
enum { HEAD = 64 };

void *ref_alloc(struct device *d, size_t bytes)
{
    if (bytes == 0)
        return NULL;
    char *block = mem_alloc(HEAD + bytes);
    memcpy(block, &bytes, sizeof bytes);
    d->bytes += bytes;
    if (d->bytes > d->peak_bytes)
        d->peak_bytes = d->bytes;
    return block + HEAD;
}

void ref_free(struct device *d, void *p)
{
    if (!p)
        return;
    size_t bytes;
    memcpy(&bytes, (char *)p - HEAD, sizeof bytes);
    d->bytes -= bytes;
    mem_free((char *)p - HEAD);
}

static void ref_copy(struct device *d, void *dst, const void *src, size_t bytes)
{
    (void)d;
    if (bytes)
        memmove(dst, src, bytes);
}

static void ref_zero(struct device *d, void *dst, size_t bytes)
{
    (void)d;
    if (bytes)
        memset(dst, 0, bytes);
}

void ref_sync(struct device *d)
{
    (void)d;
}

void *ref_host_alloc(struct device *d, size_t bytes)
{
    (void)d;
    return mem_alloc(bytes);
}

void ref_host_free(struct device *d, void *p)
{
    (void)d;
    mem_free(p);
}

int ref_repeat_begin(struct device *d, struct repeat **r)
{
    (void)d, (void)r;
    return 1;
}

void ref_repeat_end(struct device *d, struct repeat *r)
{
    (void)d, (void)r;
}

static void ref_destroy(struct device *d)
{
    mem_free(d);
}

double ref_room(struct device *d)
{
    (void)d;
    return mem_room();
}

static const struct device_ops ref_ops = {
    .alloc = ref_alloc,
    .free = ref_free,
    .room = ref_room,
    .upload = ref_copy,
    .download = ref_copy,
    .download_start = ref_copy,
    .copy = ref_copy,
    .zero = ref_zero,
    .sync = ref_sync,
    .host_alloc = ref_host_alloc,
    .host_free = ref_host_free,
    .repeat_begin = ref_repeat_begin,
    .repeat_end = ref_repeat_end,
    .repeat_free = ref_repeat_end,
    .adr_create = ref_adr_create,
    .adr_destroy = ref_adr_destroy,
    .adr_run = ref_adr_run,
    .adr_velocity = ref_adr_velocity,
    .conv_create = ref_conv_create,
    .conv_destroy = ref_conv_destroy,
    .conv_weights = ref_conv_weights,
    .conv_forward = ref_conv_forward,
    .conv_backward_data = ref_conv_backward_data,
    .conv_backward_weights = ref_conv_backward_weights,
    .norm_forward = ref_norm_forward,
    .norm_backward = ref_norm_backward,
    .silu_forward = ref_silu_forward,
    .silu_backward = ref_silu_backward,
    .embed = ref_embed,
    .upsample_forward = ref_upsample_forward,
    .upsample_backward = ref_upsample_backward,
    .concat_forward = ref_concat_forward,
    .concat_backward = ref_concat_backward,
    .concat_norm_forward = concat_norm_forward_by_parts,
    .concat_norm_backward = concat_norm_backward_by_parts,
    .add = ref_add,
    .attention_forward = ref_attention_forward,
    .attention_backward = ref_attention_backward,
    .dropout = ref_dropout,
    .squared_error = ref_squared_error,
    .adam = ref_adam,
    .lion = ref_lion,
    .sum_squares = ref_sum_squares,
    .axpby = ref_axpby,
    .add_normal = ref_add_normal,
    .cast = ref_cast,
    .relu = ref_relu,
    .pool = ref_pool,
    .pixel_mean = ref_pixel_mean,
    .destroy = ref_destroy,
};

struct device *device_ref_create(void)
{
    struct device *d = mem_zalloc(sizeof *d);
    d->ops = &ref_ops;
    d->name = "ref";
    d->threads = 1;
    snprintf(d->description, sizeof d->description,
             "reference: plain loops, sums in double, one thread");
    return d;
}
