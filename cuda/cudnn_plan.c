/* SPDX-License-Identifier: Apache-2.0
 * cudnn_plan: see cudnn_plan.h. Built and finalized for H100 and A100 by tests/cuda/test_cudnn_plan.c; the plans have
 * not been executed on a GPU yet.
 *
 * Tensors are described as N, C, H, W with the strides of NHWC, which is how the library recognises that layout;
 * weights as K, C, R, S with those of KRSC. Sums are fp32; the intermediate tensors of the fused forward pass are fp32
 * and exist in registers only. */
#include "cudnn_plan.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#if CUDNN_VERSION < 90800
#error "peclet needs cuDNN 9.8 or newer"
#endif

enum { MOST_DESCRIPTORS = 40, MOST_CONFIGS = 24 };
/* Names of the tensors of a graph: x or dx, w or dw, y or dy; what is added; what lives in registers only. */
enum { ID_X = 1, ID_W, ID_Y, ID_BIAS, ID_RESIDUAL, ID_OLD, IDS, ID_PRODUCT, ID_WITH_BIAS };

/* Descriptors of one graph, destroyed together. status: the first failure; after it nothing more is asked. */
struct builder {
    cudnnBackendDescriptor_t all[MOST_DESCRIPTORS];
    int count;
    cudnnStatus_t status;
};

static cudnnBackendDescriptor_t make(struct builder *b, cudnnBackendDescriptorType_t type)
{
    cudnnBackendDescriptor_t d = NULL;
    if (!b->status && b->count == MOST_DESCRIPTORS)
        b->status = CUDNN_STATUS_INTERNAL_ERROR;
    if (!b->status)
        b->status = cudnnBackendCreateDescriptor(type, &d);
    if (!b->status)
        b->all[b->count++] = d;
    return d;
}

static void set(struct builder *b, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    if (!b->status)
        b->status = cudnnBackendSetAttribute(d, name, type, count, values);
}

static void set_descriptor(struct builder *b, cudnnBackendDescriptor_t d,
                           cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t value)
{
    set(b, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static cudnnBackendDescriptor_t finalize(struct builder *b, cudnnBackendDescriptor_t d)
{
    if (!b->status)
        b->status = cudnnBackendFinalize(d);
    return d;
}

static void builder_free(struct builder *b)
{
    while (b->count > 0)
        cudnnBackendDestroyDescriptor(b->all[--b->count]);
}

/* dims N, C, H, W of a tensor stored as NHWC; weights: K, C, R, S of one stored as KRSC. */
static cudnnBackendDescriptor_t tensor(struct builder *b, int64_t id, cudnnDataType_t type,
                                       int64_t n, int64_t c, int64_t h, int64_t w,
                                       int64_t alignment, bool is_virtual)
{
    cudnnBackendDescriptor_t d = make(b, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    const int64_t dims[4] = {n, c, h, w}, strides[4] = {c * h * w, 1, c * w, c};
    set(b, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    set(b, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(b, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims);
    set(b, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
    set(b, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    set(b, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
    return finalize(b, d);
}

static cudnnBackendDescriptor_t window(struct builder *b, const struct conv_shape *s)
{
    struct conv_window k = conv_window_of(s);
    cudnnBackendDescriptor_t d = make(b, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    const int64_t dims = 2, pad[2] = {k.pad_h, k.pad_w}, stride[2] = {s->stride, s->stride},
                  dilation[2] = {1, 1};
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    set(b, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dims);
    set(b, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute);
    set(b, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set(b, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pad);
    set(b, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pad);
    set(b, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride);
    set(b, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilation);
    return finalize(b, d);
}

/* The attribute names of one of the three convolution operations. */
struct operation {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t window, x, w, y, alpha, beta;
};
static const struct operation forward = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
static const struct operation backward_data = {
    CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
static const struct operation backward_weights = {
    CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};

static cudnnBackendDescriptor_t convolution(struct builder *b, const struct operation *o,
                                            cudnnBackendDescriptor_t window,
                                            cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t w,
                                            cudnnBackendDescriptor_t y, float beta)
{
    cudnnBackendDescriptor_t d = make(b, o->type);
    const float alpha = 1;
    set_descriptor(b, d, o->window, window);
    set_descriptor(b, d, o->x, x);
    set_descriptor(b, d, o->w, w);
    set_descriptor(b, d, o->y, y);
    set(b, d, o->alpha, CUDNN_TYPE_FLOAT, 1, &alpha);
    set(b, d, o->beta, CUDNN_TYPE_FLOAT, 1, &beta);
    return finalize(b, d);
}

/* y = x + a, a [1,c,1,1] spread over the pixels or of x's shape. */
static cudnnBackendDescriptor_t addition(struct builder *b, cudnnBackendDescriptor_t x,
                                         cudnnBackendDescriptor_t a, cudnnBackendDescriptor_t y)
{
    cudnnBackendDescriptor_t how = make(b, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    cudnnPointwiseMode_t mode = CUDNN_POINTWISE_ADD;
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    set(b, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    set(b, how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute);
    finalize(b, how);
    cudnnBackendDescriptor_t d = make(b, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    set_descriptor(b, d, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
    set_descriptor(b, d, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    set_descriptor(b, d, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, a);
    set_descriptor(b, d, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    return finalize(b, d);
}

static cudnnBackendDescriptor_t graph_of(struct builder *b, const struct conv_shape *s,
                                         enum cudnn_pass pass)
{
    struct conv_window k = conv_window_of(s);
    cudnnDataType_t type = s->type == DTYPE_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    int gradient = pass == PASS_WEIGHTS || pass == PASS_WEIGHTS_ADD || pass == PASS_WEIGHTS_FUSED;
    cudnnBackendDescriptor_t how = window(b, s), ops[3] = {0};
    cudnnBackendDescriptor_t x = tensor(b, ID_X, type, s->n, s->c_in, s->h, s->w, ALIGNMENT, false);
    cudnnBackendDescriptor_t w =
        tensor(b, ID_W, gradient ? CUDNN_DATA_FLOAT : type, s->c_out, s->c_in, k.kernel_h,
               k.kernel_w, pass == PASS_WEIGHTS_ADD ? ALIGNMENT_FLAT : ALIGNMENT, false);
    cudnnBackendDescriptor_t y =
        tensor(b, ID_Y, type, s->n, s->c_out, k.out_h, k.out_w, ALIGNMENT, false);
    int64_t count = 0;
    if (pass == PASS_DATA || pass == PASS_DATA_ADD) {
        ops[count++] =
            convolution(b, &backward_data, how, x, w, y, pass == PASS_DATA_ADD ? 1.0f : 0.0f);
    } else if (pass == PASS_WEIGHTS_FUSED) {
        cudnnBackendDescriptor_t product = tensor(b, ID_PRODUCT, CUDNN_DATA_FLOAT, s->c_out,
                                                  s->c_in, k.kernel_h, k.kernel_w, ALIGNMENT, true);
        cudnnBackendDescriptor_t old = tensor(b, ID_OLD, CUDNN_DATA_FLOAT, s->c_out, s->c_in,
                                              k.kernel_h, k.kernel_w, ALIGNMENT_FLAT, false);
        ops[count++] = convolution(b, &backward_weights, how, x, product, y, 0);
        ops[count++] = addition(b, product, old, w);
    } else if (pass == PASS_WEIGHTS || pass == PASS_WEIGHTS_ROUNDED || pass == PASS_WEIGHTS_ADD) {
        ops[count++] =
            convolution(b, &backward_weights, how, x, w, y, pass == PASS_WEIGHTS_ADD ? 1.0f : 0.0f);
    } else if (pass == PASS_FORWARD) {
        ops[count++] = convolution(b, &forward, how, x, w, y, 0);
    } else { /* runtime-compiled engines; the compiled ones want a bias in bf16 */
        cudnnBackendDescriptor_t product = tensor(b, ID_PRODUCT, CUDNN_DATA_FLOAT, s->n, s->c_out,
                                                  k.out_h, k.out_w, ALIGNMENT, true);
        cudnnBackendDescriptor_t bias =
            tensor(b, ID_BIAS, CUDNN_DATA_FLOAT, 1, s->c_out, 1, 1, ALIGNMENT_FLAT, false);
        ops[count++] = convolution(b, &forward, how, x, w, product, 0);
        if (pass == PASS_BIAS) {
            ops[count++] = addition(b, product, bias, y);
        } else {
            cudnnBackendDescriptor_t with_bias =
                tensor(b, ID_WITH_BIAS, CUDNN_DATA_FLOAT, s->n, s->c_out, k.out_h, k.out_w,
                       ALIGNMENT, true);
            cudnnBackendDescriptor_t residual =
                tensor(b, ID_RESIDUAL, type, s->n, s->c_out, k.out_h, k.out_w, ALIGNMENT, false);
            ops[count++] = addition(b, product, bias, with_bias);
            ops[count++] = addition(b, with_bias, residual, y);
        }
    }
    cudnnBackendDescriptor_t graph = make(b, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(b, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, ops);
    return finalize(b, graph);
}

/* What a configuration's engine does to the numbers: bit i for numerical note i; all bits if it will not say. */
static unsigned notes_of(cudnnBackendDescriptor_t config, int *number)
{
    struct builder b = {0};
    cudnnBackendNumericalNote_t note[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendDescriptor_t engine = make(&b, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    int64_t count = 0, index = -1, one = 0;
    unsigned notes = 0;
    if (!b.status)
        b.status = cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE,
                                            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &one, &engine);
    if (!b.status)
        b.status = cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX,
                                            CUDNN_TYPE_INT64, 1, &one, &index);
    if (!b.status)
        b.status = cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                            CUDNN_TYPE_NUMERICAL_NOTE,
                                            CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, note);
    for (int64_t i = 0; !b.status && i < count; i++)
        notes |= 1u << note[i];
    if (b.status)
        notes = ~0u;
    builder_free(&b);
    *number = (int)index;
    return notes;
}

/* device.h: the same bits again for the same inputs, sums in fp32. Transforms (Winograd, FFT) trade accuracy for
 * speed; on fp32 tensors a tensor core multiplies TF32, 10 bits. */
static int acceptable(unsigned notes, enum dtype type)
{
    unsigned refused = 1u << CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC |
                       1u << CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS |
                       1u << CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION |
                       1u << CUDNN_NUMERICAL_NOTE_FFT | 1u << CUDNN_NUMERICAL_NOTE_WINOGRAD |
                       1u << CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4 |
                       1u << CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6 |
                       1u << CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13;
    if (type == DTYPE_F32)
        refused |= 1u << CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
    return !(notes & refused);
}

/* Finalizes the plan in b (which may compile a kernel: seconds); 0 if it can be used, else it is gone. */
static int finish_plan(struct builder *b, int64_t workspace_limit, struct cudnn_candidate *c)
{
    int64_t one = 0;
    finalize(b, c->plan);
    if (!b->status)
        b->status = cudnnBackendGetAttribute(c->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                             CUDNN_TYPE_INT64, 1, &one, &c->workspace);
    if (!b->status && c->workspace <= workspace_limit)
        return 0;
    builder_free(b);
    c->plan = NULL;
    return 1;
}

static int make_plan(cudnnBackendDescriptor_t device, cudnnBackendDescriptor_t config,
                     int64_t workspace_limit, struct cudnn_candidate *c)
{
    struct builder b = {0};
    c->plan = make(&b, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    set_descriptor(&b, c->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
    set_descriptor(&b, c->plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device);
    return finish_plan(&b, workspace_limit, c);
}

char *cudnn_plan_text(cudnnBackendDescriptor_t plan)
{
    int64_t count = 0;
    if (cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                 CUDNN_TYPE_CHAR, 0, &count, NULL) ||
        count <= 0)
        return NULL;
    char *text = mem_zalloc((size_t)count + 1);
    if (!cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                  CUDNN_TYPE_CHAR, count, &count, text))
        return text;
    mem_free(text);
    return NULL;
}

/* The text says which library and which GPU it is for; finalize refuses it elsewhere. */
int cudnn_plan_of_text(cudnnBackendDescriptor_t device, const char *text, int64_t workspace_limit,
                       struct cudnn_candidate *c)
{
    struct builder b = {0};
    *c = (struct cudnn_candidate){.plan = make(&b, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)};
    set_descriptor(&b, c->plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device);
    set(&b, c->plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
        (int64_t)strlen(text), text);
    return finish_plan(&b, workspace_limit, c);
}

/* Plans of one list of heuristics, appended to found; none of engines that an earlier list had. */
static int plans_of_mode(cudnnBackendDescriptor_t device, cudnnBackendDescriptor_t graph,
                         cudnnBackendHeurMode_t mode, enum dtype type, int64_t workspace_limit,
                         int most, struct cudnn_candidate *found, int count)
{
    struct builder b = {0};
    cudnnBackendDescriptor_t configs[MOST_CONFIGS] = {0};
    cudnnBackendDescriptor_t list = make(&b, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    int64_t returned = 0;
    int earlier = count;
    set_descriptor(&b, list, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    set(&b, list, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    set_descriptor(&b, list, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
    finalize(&b, list);
    for (int i = 0; i < MOST_CONFIGS; i++)
        configs[i] = make(&b, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    if (!b.status)
        b.status = cudnnBackendGetAttribute(list, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                            CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST_CONFIGS, &returned,
                                            configs);
    if (b.status)
        returned = 0;
    for (int64_t i = 0; i < returned && i < MOST_CONFIGS && count < most; i++) {
        struct cudnn_candidate c = {0};
        int known = 0;
        c.notes = notes_of(configs[i], &c.engine);
        for (int k = 0; k < earlier; k++)
            known |= found[k].engine == c.engine;
        if (!known && acceptable(c.notes, type) &&
            !make_plan(device, configs[i], workspace_limit, &c))
            found[count++] = c;
    }
    builder_free(&b);
    return count;
}

int cudnn_find_plans(cudnnBackendDescriptor_t device, const struct conv_shape *s,
                     enum cudnn_pass pass, int64_t workspace_limit, int most,
                     struct cudnn_candidate *found, char *why, int bytes)
{
    static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    struct builder b = {0};
    int count = 0;
    cudnnBackendDescriptor_t graph = graph_of(&b, s, pass);
    /* The second list is for want of others, except where kernels are compiled at run time: told of an H100, version
     * 9.19 has an engine there that its first list leaves out. */
    int spare = cudnn_pass_compiled(pass) && most > 1;
    for (int i = 0; !b.status && i < 2 && (count == 0 || (i == 1 && spare)); i++)
        count = plans_of_mode(device, graph, modes[i], s->type, workspace_limit,
                              i == 0 && spare ? most - 1 : most, found, count);
    if (count == 0) {
        char text[2048] = "";
        cudnnGetLastErrorString(text, sizeof text);
        snprintf(why, (size_t)bytes, "%s; %s",
                 b.status ? cudnnGetErrorString(b.status) : "no engine", text);
        for (char *c = why; *c; c++)
            if (*c == '\n')
                *c = ' ';
    }
    builder_free(&b);
    return count;
}

const char *cudnn_pass_name(enum cudnn_pass pass)
{
    static const char *const name[PASSES] = {"forward",
                                             "forward + bias",
                                             "forward + bias + residual",
                                             "backward data",
                                             "backward data, adding",
                                             "backward weights",
                                             "backward weights, adding",
                                             "backward weights, adding (fused)",
                                             "backward weights, rounded to bf16"};
    return name[pass];
}

int cudnn_pass_compiled(enum cudnn_pass pass)
{
    return pass == PASS_BIAS || pass == PASS_BIAS_ADD || pass == PASS_WEIGHTS ||
           pass == PASS_WEIGHTS_FUSED;
}

cudnnStatus_t cudnn_make_pack(enum cudnn_pass pass, const struct cudnn_tensors *t, void *workspace,
                              cudnnBackendDescriptor_t *pack)
{
    int64_t ids[IDS] = {ID_X, ID_W, ID_Y};
    const void *pointers[IDS] = {t->x, t->w, t->y};
    int n = 3;
    if (pass == PASS_BIAS || pass == PASS_BIAS_ADD) {
        ids[n] = ID_BIAS;
        pointers[n++] = t->bias;
    }
    if (pass == PASS_BIAS_ADD) {
        ids[n] = ID_RESIDUAL;
        pointers[n++] = t->residual;
    }
    if (pass == PASS_WEIGHTS_FUSED) {
        ids[n] = ID_OLD;
        pointers[n++] = t->old;
    }
    struct builder b = {0};
    *pack = make(&b, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    set(&b, *pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, ids);
    set(&b, *pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, pointers);
    set(&b, *pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
    finalize(&b, *pack);
    return b.status;
}
