/* SPDX-License-Identifier: Apache-2.0
 * conv_onednn: oneDNN behind plain functions. Activations are plain NHWC, which costs the library's
 * kernels nothing; only weights take the layout it asks for: one copy for the forward and one for
 * the backward pass, made from the fp32 master once a step, and a gradient in a third layout that
 * is added to the master gradient by a reorder. All primitives are created with the plan (that is
 * when machine code is generated) and work in the caller's scratch. */
#include "device/conv_onednn.h"

#include <dnnl.h>
#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"

#if DNNL_VERSION_MAJOR < 2 || (DNNL_VERSION_MAJOR == 2 && DNNL_VERSION_MINOR < 6)
#error "peclet needs oneDNN 2.6 or newer (Debian: libdnnl-dev)"
#endif

#define CALL(call)                                                                                 \
    do {                                                                                           \
        dnnl_status_t status_ = (call);                                                            \
        if (status_ != dnnl_success)                                                               \
            DIE("oneDNN: status %d from %s", (int)status_, #call);                                 \
    } while (0)

/* Version 3 made memory descriptors opaque and dropped the operation descriptors; the rest of this
 * file sees neither. */
#if DNNL_VERSION_MAJOR >= 3
#define DESC(d) ((d).desc)
#else
#define DESC(d)                  (&(d).desc)
#define const_dnnl_memory_desc_t const dnnl_memory_desc_t *
#endif
struct desc {
    dnnl_memory_desc_t desc;
};

struct onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

/* A primitive and the scratch it works in. */
struct planned {
    dnnl_primitive_t primitive;
    dnnl_memory_t scratchpad;
    size_t scratchpad_bytes;
};

enum plan {
    FORWARD,
    FORWARD_SUM,
    BACKWARD_DATA,
    BACKWARD_WEIGHTS,
    TO_FORWARD, /* reorders from and to OHWI */
    TO_BACKWARD,
    TO_GRADIENT,
    PLANS
};

struct onednn_conv {
    struct onednn *library; /* borrowed */
    struct conv_shape shape;
    struct planned plan[PLANS];
    dnnl_memory_t x, y, bias, dbias; /* views: the pointer is set at each call */
    dnnl_memory_t master, w_forward, w_backward, dw;
    void *w_forward_data, *w_backward_data;
    float *bias_data; /* [c_out], zeros or a copy: the SSE kernels want it aligned */
    size_t dw_bytes, scratch_bytes;
    char kernels[192];
};

static struct desc desc_strided(int ndims, const dnnl_dims_t dims, const dnnl_dims_t strides,
                                dnnl_data_type_t type)
{
    struct desc d;
#if DNNL_VERSION_MAJOR >= 3
    CALL(dnnl_memory_desc_create_with_strides(&d.desc, ndims, dims, type, strides));
#else
    CALL(dnnl_memory_desc_init_by_strides(&d.desc, ndims, dims, type, strides));
#endif
    return d;
}

static struct desc desc_any(const dnnl_dims_t dims, dnnl_data_type_t type)
{
    struct desc d;
#if DNNL_VERSION_MAJOR >= 3
    CALL(dnnl_memory_desc_create_with_tag(&d.desc, 4, dims, type, dnnl_format_tag_any));
#else
    CALL(dnnl_memory_desc_init_by_tag(&d.desc, 4, dims, type, dnnl_format_tag_any));
#endif
    return d;
}

static void desc_free(struct desc *d)
{
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_destroy(d->desc);
#else
    (void)d;
#endif
}

/* What a convolution's three passes are described by. */
struct descs {
    struct desc x, y, w, dw, bias, master;
    dnnl_dims_t strides, dilates, padding;
};

static dnnl_primitive_desc_t describe_forward(dnnl_engine_t engine, const struct descs *d,
                                              const_dnnl_memory_desc_t w, int backward,
                                              dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t pd;
    dnnl_prop_kind_t kind = backward ? dnnl_forward_training : dnnl_forward_inference;
#if DNNL_VERSION_MAJOR >= 3
    CALL(dnnl_convolution_forward_primitive_desc_create(
        &pd, engine, kind, dnnl_convolution_direct, DESC(d->x), w, DESC(d->bias), DESC(d->y),
        d->strides, d->dilates, d->padding, d->padding, attr));
#else
    dnnl_convolution_desc_t op;
    CALL(dnnl_convolution_forward_desc_init(&op, kind, dnnl_convolution_direct, DESC(d->x), w,
                                            DESC(d->bias), DESC(d->y), d->strides, d->padding,
                                            d->padding));
    CALL(dnnl_primitive_desc_create(&pd, &op, attr, engine, NULL));
#endif
    return pd;
}

static dnnl_primitive_desc_t describe_backward_data(dnnl_engine_t engine, const struct descs *d,
                                                    dnnl_primitive_desc_t hint,
                                                    dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t pd;
#if DNNL_VERSION_MAJOR >= 3
    CALL(dnnl_convolution_backward_data_primitive_desc_create(
        &pd, engine, dnnl_convolution_direct, DESC(d->x), DESC(d->w), DESC(d->y), d->strides,
        d->dilates, d->padding, d->padding, hint, attr));
#else
    dnnl_convolution_desc_t op;
    CALL(dnnl_convolution_backward_data_desc_init(&op, dnnl_convolution_direct, DESC(d->x),
                                                  DESC(d->w), DESC(d->y), d->strides, d->padding,
                                                  d->padding));
    CALL(dnnl_primitive_desc_create(&pd, &op, attr, engine, hint));
#endif
    return pd;
}

static dnnl_primitive_desc_t describe_backward_weights(dnnl_engine_t engine, const struct descs *d,
                                                       dnnl_primitive_desc_t hint,
                                                       dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t pd;
#if DNNL_VERSION_MAJOR >= 3
    CALL(dnnl_convolution_backward_weights_primitive_desc_create(
        &pd, engine, dnnl_convolution_direct, DESC(d->x), DESC(d->dw), DESC(d->bias), DESC(d->y),
        d->strides, d->dilates, d->padding, d->padding, hint, attr));
#else
    dnnl_convolution_desc_t op;
    CALL(dnnl_convolution_backward_weights_desc_init(&op, dnnl_convolution_direct, DESC(d->x),
                                                     DESC(d->dw), DESC(d->bias), DESC(d->y),
                                                     d->strides, d->padding, d->padding));
    CALL(dnnl_primitive_desc_create(&pd, &op, attr, engine, hint));
#endif
    return pd;
}

/* sum: the result is added to what the destination holds. */
static dnnl_primitive_attr_t make_attr(int sum)
{
    dnnl_primitive_attr_t attr;
    CALL(dnnl_primitive_attr_create(&attr));
    CALL(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
    if (sum) {
        dnnl_post_ops_t post;
        CALL(dnnl_post_ops_create(&post));
#if DNNL_VERSION_MAJOR >= 3
        CALL(dnnl_post_ops_append_sum(post, 1.0f, 0, dnnl_data_type_undef));
#else
        CALL(dnnl_post_ops_append_sum(post, 1.0f));
#endif
        CALL(dnnl_primitive_attr_set_post_ops(attr, post));
        CALL(dnnl_post_ops_destroy(post));
    }
    return attr;
}

static struct planned make_planned(const struct onednn *o, dnnl_primitive_desc_t pd)
{
    struct planned p;
    CALL(dnnl_primitive_create(&p.primitive, pd));
    const_dnnl_memory_desc_t scratchpad =
        dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    p.scratchpad_bytes = dnnl_memory_desc_get_size(scratchpad);
    CALL(dnnl_memory_create(&p.scratchpad, scratchpad, o->engine, DNNL_MEMORY_NONE));
    return p;
}

static struct planned make_reorder(const struct onednn *o, const_dnnl_memory_desc_t from,
                                   const_dnnl_memory_desc_t to, int sum)
{
    dnnl_primitive_desc_t pd;
    dnnl_primitive_attr_t attr = make_attr(sum);
    CALL(dnnl_reorder_primitive_desc_create(&pd, from, o->engine, to, o->engine, attr));
    struct planned p = make_planned(o, pd);
    CALL(dnnl_primitive_desc_destroy(pd));
    CALL(dnnl_primitive_attr_destroy(attr));
    return p;
}

static void planned_destroy(struct planned *p)
{
    if (p->primitive) {
        dnnl_primitive_destroy(p->primitive);
        dnnl_memory_destroy(p->scratchpad);
    }
}

static void run(const struct onednn_conv *c, const struct planned *p, void *scratch, int count,
                dnnl_exec_arg_t *arg)
{
    CALL(dnnl_memory_set_data_handle(p->scratchpad, scratch));
    arg[count] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, p->scratchpad};
    CALL(dnnl_primitive_execute(p->primitive, c->library->stream, count + 1, arg));
    CALL(dnnl_stream_wait(c->library->stream));
}

/* The library's interface has no const. */
static dnnl_memory_t view(dnnl_memory_t m, const void *p)
{
    CALL(dnnl_memory_set_data_handle(m, (void *)(uintptr_t)p));
    return m;
}

struct onednn *onednn_open(void)
{
    struct onednn *o = mem_alloc(sizeof *o);
    CALL(dnnl_engine_create(&o->engine, dnnl_cpu, 0));
    CALL(dnnl_stream_create(&o->stream, o->engine, dnnl_stream_default_flags));
    return o;
}

void onednn_close(struct onednn *o)
{
    CALL(dnnl_stream_destroy(o->stream));
    CALL(dnnl_engine_destroy(o->engine));
    mem_free(o);
}

int onednn_describe(size_t bytes, char *text)
{
    const dnnl_version_t *v = dnnl_version();
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    const char *name = "sse4.1";
    static const struct {
        unsigned isa;
        const char *name;
    } known[] = {{dnnl_cpu_isa_avx2, "avx2"},
                 {dnnl_cpu_isa_avx512_core, "avx512"},
                 {dnnl_cpu_isa_avx512_core_vnni, "avx512 vnni"},
                 {dnnl_cpu_isa_avx512_core_bf16, "avx512 bf16"},
                 {dnnl_cpu_isa_avx512_core_amx, "amx"}};
    int bf16 = (isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if ((isa & known[i].isa) == known[i].isa) {
            name = known[i].name;
            bf16 += known[i].isa == dnnl_cpu_isa_avx512_core_bf16;
        }
    snprintf(text, bytes, "oneDNN %d.%d.%d %s", v->major, v->minor, v->patch, name);
    return bf16;
}

static struct desc desc_nhwc(int n, int c, int h, int w, dnnl_data_type_t type)
{
    dnnl_dims_t dims = {n, c, h, w}, strides = {(dnnl_dim_t)h * w * c, 1, (dnnl_dim_t)w * c, c};
    return desc_strided(4, dims, strides, type);
}

static struct descs make_descs(const struct conv_shape *s)
{
    dnnl_data_type_t type = s->type == DTYPE_F32 ? dnnl_f32 : dnnl_bf16;
    struct conv_window k = conv_window_of(s);
    dnnl_dim_t row = (dnnl_dim_t)k.kernel_w * s->c_in;
    dnnl_dims_t dims = {s->c_out, s->c_in, k.kernel_h, k.kernel_w};
    dnnl_dims_t ohwi = {k.kernel_h * row, 1, row, s->c_in};
    dnnl_dims_t c_out = {s->c_out}, one = {1};
    struct descs d = {
        .x = desc_nhwc(s->n, s->c_in, s->h, s->w, type),
        .y = desc_nhwc(s->n, s->c_out, k.out_h, k.out_w, type),
        .w = desc_any(dims, type),
        .dw = desc_any(dims, dnnl_f32),
        .bias = desc_strided(1, c_out, one, dnnl_f32),
        .master = desc_strided(4, dims, ohwi, dnnl_f32),
        .strides = {s->stride, s->stride},
        .padding = {k.pad_h, k.pad_w},
    };
    return d;
}

static void descs_free(struct descs *d)
{
    desc_free(&d->x);
    desc_free(&d->y);
    desc_free(&d->w);
    desc_free(&d->dw);
    desc_free(&d->bias);
    desc_free(&d->master);
}

static void note_kernel(struct onednn_conv *c, const char *pass, dnnl_primitive_desc_t pd)
{
    const char *name = "?";
    size_t used = strlen(c->kernels);
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
    snprintf(c->kernels + used, sizeof c->kernels - used, "%s%s %s", used ? ", " : "", pass, name);
}

static dnnl_memory_t make_view(const struct onednn *o, const_dnnl_memory_desc_t desc)
{
    dnnl_memory_t m;
    CALL(dnnl_memory_create(&m, desc, o->engine, DNNL_MEMORY_NONE));
    return m;
}

/* Weights in the layout that pd wants, and the reorder that fills them. */
static dnnl_memory_t make_weights(const struct onednn *o, const struct descs *d,
                                  dnnl_primitive_desc_t pd, void **data, struct planned *reorder)
{
    const_dnnl_memory_desc_t desc = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    *data = mem_zalloc(dnnl_memory_desc_get_size(desc));
    *reorder = make_reorder(o, DESC(d->master), desc, 0);
    dnnl_memory_t m = make_view(o, desc);
    return view(m, *data);
}

static dnnl_primitive_desc_t plan_forward(struct onednn_conv *c, const struct descs *d)
{
    dnnl_engine_t engine = c->library->engine;
    dnnl_primitive_attr_t attr = make_attr(0), attr_sum = make_attr(1);
    dnnl_primitive_desc_t plain = describe_forward(engine, d, DESC(d->w), c->shape.backward, attr);
    c->plan[FORWARD] = make_planned(c->library, plain);
    c->w_forward = make_weights(c->library, d, plain, &c->w_forward_data, &c->plan[TO_FORWARD]);
    note_kernel(c, "forward", plain);

    /* one copy of the weights serves both */
    dnnl_primitive_desc_t sum =
        describe_forward(engine, d, dnnl_primitive_desc_query_md(plain, dnnl_query_weights_md, 0),
                         c->shape.backward, attr_sum);
    c->plan[FORWARD_SUM] = make_planned(c->library, sum);
    note_kernel(c, "sum", sum);
    CALL(dnnl_primitive_desc_destroy(sum));
    CALL(dnnl_primitive_attr_destroy(attr));
    CALL(dnnl_primitive_attr_destroy(attr_sum));
    return plain;
}

static void plan_backward(struct onednn_conv *c, const struct descs *d, dnnl_primitive_desc_t hint)
{
    const struct onednn *o = c->library;
    dnnl_primitive_attr_t attr = make_attr(0);
    dnnl_primitive_desc_t pd = describe_backward_data(o->engine, d, hint, attr);
    c->plan[BACKWARD_DATA] = make_planned(o, pd);
    c->w_backward = make_weights(o, d, pd, &c->w_backward_data, &c->plan[TO_BACKWARD]);
    note_kernel(c, "backward data", pd);
    CALL(dnnl_primitive_desc_destroy(pd));

    pd = describe_backward_weights(o->engine, d, hint, attr);
    c->plan[BACKWARD_WEIGHTS] = make_planned(o, pd);
    note_kernel(c, "backward weights", pd);
    const_dnnl_memory_desc_t dw = dnnl_primitive_desc_query_md(pd, dnnl_query_diff_weights_md, 0);
    c->dw_bytes = dnnl_memory_desc_get_size(dw);
    c->dw = make_view(o, dw);
    c->plan[TO_GRADIENT] = make_reorder(o, dw, DESC(d->master), 1);
    CALL(dnnl_primitive_desc_destroy(pd));
    CALL(dnnl_primitive_attr_destroy(attr));
}

static size_t largest_scratchpad(const struct onednn_conv *c)
{
    size_t most = 0;
    for (int i = 0; i < PLANS; i++)
        if (c->plan[i].scratchpad_bytes > most)
            most = c->plan[i].scratchpad_bytes;
    return most;
}

struct onednn_conv *onednn_conv_create(struct onednn *o, const struct conv_shape *s)
{
    struct onednn_conv *c = mem_zalloc(sizeof *c);
    c->library = o;
    c->shape = *s;
    if (s->kernel == 1 && s->kernel_w == 0 && s->stride == 1 &&
        s->h * s->w == 1) { /* a linear layer: images are pixels */
        c->shape.n = 1;
        c->shape.w = s->n;
    }
    struct descs d = make_descs(&c->shape);
    c->x = make_view(o, DESC(d.x));
    c->y = make_view(o, DESC(d.y));
    c->bias = make_view(o, DESC(d.bias));
    c->dbias = make_view(o, DESC(d.bias));
    c->master = make_view(o, DESC(d.master));
    c->bias_data = mem_zalloc((size_t)s->c_out * sizeof(float));
    dnnl_primitive_desc_t forward = plan_forward(c, &d);
    if (s->backward)
        plan_backward(c, &d, forward);
    CALL(dnnl_primitive_desc_destroy(forward));
    descs_free(&d);
    c->scratch_bytes = onednn_round_up(c->dw_bytes) +
                       onednn_round_up((size_t)s->c_out * sizeof(float)) + largest_scratchpad(c);
    return c;
}

void onednn_conv_destroy(struct onednn_conv *c)
{
    for (int i = 0; i < PLANS; i++)
        planned_destroy(&c->plan[i]);
    dnnl_memory_t m[] = {c->x,      c->y,         c->bias,       c->dbias,
                         c->master, c->w_forward, c->w_backward, c->dw};
    for (size_t i = 0; i < sizeof m / sizeof m[0]; i++)
        if (m[i])
            dnnl_memory_destroy(m[i]);
    mem_free(c->w_forward_data);
    mem_free(c->w_backward_data);
    mem_free(c->bias_data);
    mem_free(c);
}

size_t onednn_conv_scratch(const struct onednn_conv *c)
{
    return c->scratch_bytes;
}

const char *onednn_conv_kernels(const struct onednn_conv *c)
{
    return c->kernels;
}

void onednn_conv_weights(struct onednn_conv *c, const float *w, void *scratch)
{
    dnnl_memory_t master = view(c->master, w);
    dnnl_exec_arg_t arg[3] = {{DNNL_ARG_FROM, master}, {DNNL_ARG_TO, c->w_forward}};
    run(c, &c->plan[TO_FORWARD], scratch, 2, arg);
    if (c->shape.backward) {
        arg[1].memory = c->w_backward;
        run(c, &c->plan[TO_BACKWARD], scratch, 2, arg);
    }
}

void onednn_conv_forward(struct onednn_conv *c, const void *x, const float *bias, int add, void *y,
                         void *scratch)
{
    for (int i = 0; i < c->shape.c_out; i++)
        c->bias_data[i] = bias ? bias[i] : 0;
    dnnl_exec_arg_t arg[5] = {{DNNL_ARG_SRC, view(c->x, x)},
                              {DNNL_ARG_WEIGHTS, c->w_forward},
                              {DNNL_ARG_BIAS, view(c->bias, c->bias_data)},
                              {DNNL_ARG_DST, view(c->y, y)}};
    run(c, &c->plan[add ? FORWARD_SUM : FORWARD], scratch, 4, arg);
}

void onednn_conv_backward_data(struct onednn_conv *c, const void *dy, void *dx, void *scratch)
{
    dnnl_exec_arg_t arg[4] = {{DNNL_ARG_DIFF_DST, view(c->y, dy)},
                              {DNNL_ARG_WEIGHTS, c->w_backward},
                              {DNNL_ARG_DIFF_SRC, view(c->x, dx)}};
    run(c, &c->plan[BACKWARD_DATA], scratch, 3, arg);
}

void onednn_conv_backward_weights(struct onednn_conv *c, const void *x, const void *dy, float *dw,
                                  float *dbias, void *scratch)
{
    char *dw_library = scratch, *dbias_library = dw_library + onednn_round_up(c->dw_bytes);
    char *rest = dbias_library + onednn_round_up((size_t)c->shape.c_out * sizeof(float));
    dnnl_exec_arg_t arg[5] = {{DNNL_ARG_SRC, view(c->x, x)},
                              {DNNL_ARG_DIFF_DST, view(c->y, dy)},
                              {DNNL_ARG_DIFF_WEIGHTS, view(c->dw, dw_library)},
                              {DNNL_ARG_DIFF_BIAS, view(c->dbias, dbias_library)}};
    if (c->shape.w < c->shape.stride) /* bf16 kernels multiply scratch that nobody wrote by 0 */
        memset(rest, 0, c->plan[BACKWARD_WEIGHTS].scratchpad_bytes);
    run(c, &c->plan[BACKWARD_WEIGHTS], rest, 4, arg);
    dnnl_exec_arg_t sum[3] = {{DNNL_ARG_FROM, c->dw}, {DNNL_ARG_TO, view(c->master, dw)}};
    run(c, &c->plan[TO_GRADIENT], rest, 2, sum);
    for (int i = 0; dbias && i < c->shape.c_out; i++)
        dbias[i] += ((float *)dbias_library)[i];
}

/* The library is column-major in spirit but takes row-major leading dimensions as they are. */
void onednn_sgemm(int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                  const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
    CALL(dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, alpha, a, lda, b,
                    ldb, beta, c, ldc));
}
