/* SPDX-License-Identifier: Apache-2.0
 * device: one typed table of operations; `ref` (plain loops, the oracle), `cpu` (OpenMP, SIMD, oneDNN) and `cuda`
 * implement it and pass the same tests.
 *
 * Pointers named x, y, w, ... are device memory unless said. Operations are asynchronous in issue order; only
 * download, sync and the calls that return a number to the host wait. Weight gradients accumulate (+=), activation
 * gradients overwrite unless `accumulate` is set. After the *_create calls and a first pass nothing allocates.
 * Activations are NHWC in fp32 or bf16; parameters, their gradients, moments and EMA are fp32; statistics, softmax and
 * losses are computed in fp32 (ref: in double). Running out of memory or a library's failure ends the job (die).
 *
 * ref rounds a stored result once, to its own type, after everything that the operation adds to it (bias, residual,
 * `accumulate`); the others may round once more on the way. Outputs do not overlap inputs unless said. Counts may be 0.
 * An operation gives the same bits again for the same inputs and thread count, and touches nothing beyond the shape.
 * Activations are 64-byte aligned, ranges of flat vectors (parameters, their gradients) to their element only.
 * Numbers below fp32's normal range (1.2e-38) may count as 0. */
#pragma once
#include "device/adr_plan.h"
#include "device/tensor.h"

struct device;
struct conv; /* a planned convolution; made by conv_create, owned by the caller */
struct adr;  /* a planned forward process; made by adr_create, owned by the caller */
struct repeat; /* work that is repeated; made by repeat_begin, owned by the caller */

struct conv_shape {
    int n, h, w, c_in, c_out; /* input size */
    int kernel, stride;       /* square kernel, 1 or 3 (others allowed), padding = kernel/2 */
    enum dtype type;          /* of x, y, dx, dy; weights and bias are fp32 masters */
    int backward;             /* also plan the backward passes */
    int kernel_w, pad_h, pad_w; /* kernel_w 0: as above; else the kernel is kernel x kernel_w with this padding */
};
static inline int conv_out(int size, int kernel, int stride)
{
    return (size + 2 * (kernel / 2) - kernel) / stride + 1;
}
struct conv_window {
    int kernel_h, kernel_w, pad_h, pad_w, out_h, out_w;
};
static inline struct conv_window conv_window_of(const struct conv_shape *s)
{
    int k = s->kernel, kw = s->kernel_w ? s->kernel_w : k;
    int ph = s->kernel_w ? s->pad_h : k / 2, pw = s->kernel_w ? s->pad_w : k / 2;
    struct conv_window window = {k, kw, ph, pw, (s->h + 2 * ph - k) / s->stride + 1,
                                 (s->w + 2 * pw - kw) / s->stride + 1};
    return window;
}

/* Square windows over fp32 images. POOL_MEAN counts the padding as zeros, POOL_MEAN_INSIDE leaves it out. */
enum pool_kind { POOL_MAX, POOL_MEAN, POOL_MEAN_INSIDE };
struct pool_shape {
    int n, h, w, c;
    enum pool_kind kind;
    int kernel, stride, pad; /* 2 pad <= kernel <= size + 2 pad */
    int ceil; /* a last window may reach over the edge (never counted), if it begins before the end of image and padding */
};
static inline int pool_out(int size, const struct pool_shape *s)
{
    int out = (size + 2 * s->pad - s->kernel + (s->ceil ? s->stride - 1 : 0)) / s->stride + 1;
    return s->ceil && (out - 1) * s->stride >= size + s->pad ? out - 1 : out;
}

struct norm_shape {
    int n, hw, c, groups; /* images, pixels, channels */
    enum dtype type;
    int silu;    /* apply SiLU after the affine map */
    double eps;  /* 1e-5 */
};
struct attention_shape {
    int n, t, c, heads; /* images, tokens (pixels), channels, heads; head dimension c/heads */
    enum dtype type;
};
/* What an optimizer moves: flat fp32 vectors [n]. */
struct optimizer_state {
    float *p, *m, *v; /* parameters and moments; v: Adam only */
    float *average;   /* exponential average of p, or NULL */
    void *rounded;    /* p in bf16, or NULL; only written */
};
struct adam_args {
    double beta1, beta2, epsilon, weight_decay;
    int decoupled; /* 0: Adam with L2 (g += wd*p), 1: AdamW */
    double clip;   /* gradient norm limit, 0 = none; the factor is min(1, clip/(norm + 1e-6)) */
};

/* What changes from step to step is read from device memory, so that a step can be repeated (repeat_begin). */
struct draw_key { /* which random numbers */
    uint64_t seed;
    int64_t first_sample;
    uint32_t step;
};
struct step_rates { /* of the optimizer's step t = 1, 2, ... */
    double learning_rate;
    double correct1, correct2; /* Adam's bias corrections, 1 - beta1^t and 1 - beta2^t */
    double ema_decay;
};

struct device_ops {
    /* memory */
    void *(*alloc)(struct device *d, size_t bytes); /* 64-byte aligned, contents undefined; bytes 0 gives NULL */
    void (*free)(struct device *d, void *p);
    double (*room)(struct device *d); /* bytes that are free, for all who use the GPU or the node; INFINITY: not known */
    void (*upload)(struct device *d, void *dst, const void *host, size_t bytes); /* host may change on return */
    void (*download)(struct device *d, void *host, const void *src, size_t bytes);
    void (*download_start)(struct device *d, void *host, const void *src, size_t bytes); /* there after sync; of host_alloc */
    void (*copy)(struct device *d, void *dst, const void *src, size_t bytes);
    void (*zero)(struct device *d, void *dst, size_t bytes);
    void (*sync)(struct device *d);
    void *(*host_alloc)(struct device *d, size_t bytes); /* page-locked where that helps */
    void (*host_free)(struct device *d, void *p);

    /* Work that is issued again and again with the same arguments takes one launch where a device can keep it (CUDA
     * graphs). What memory holds may change from time to time; pointers, shapes and numbers may not.
     *     if (d->ops->repeat_begin(d, &r)) {   r is NULL at first; 0: the device has issued the work by itself
     *         operations, but none that allocates, frees, uploads, downloads or waits
     *         d->ops->repeat_end(d, r);
     *     }
     * One within another is part of the outer one: it is issued and kept with that, and its own r stays as it was. On
     * ref and cpu begin returns 1 and the rest does nothing. */
    int (*repeat_begin)(struct device *d, struct repeat **r);
    void (*repeat_end)(struct device *d, struct repeat *r);
    void (*repeat_free)(struct device *d, struct repeat *r);

    /* forward process. keys (host): velocity key of each image, the global image index (or its realisation).
     * adr_run corrupts n <= max_images images u0 [n,L,L,C] from level 0 through the largest captured level and writes
     * u [slots,L,L,C] = u_k and, unless NULL, delta [slots,L,L,C] = u_{k-1} - u_k. An image's result does not depend
     * on which other images are in the call. Unless stats is NULL, what this run and those before it with NULL saw is
     * added to it (a GPU waits for that). */
    struct adr *(*adr_create)(struct device *d, const struct adr_plan *plan, int max_images); /* plan borrowed */
    void (*adr_destroy)(struct device *d, struct adr *a);
    void (*adr_run)(struct device *d, struct adr *a, int n, const uint64_t *keys, const float *u0, int captures,
                    const struct adr_capture *capture, float *u, float *delta, struct adr_stats *stats);
    /* The velocity held at lattice step `step` (0-based) of level `level`, lattice units: v [n,2,L,L] = v_x, v_y. */
    void (*adr_velocity)(struct device *d, struct adr *a, int n, const uint64_t *keys, int level, int step, float *v);

    /* convolution, zero padding: y = conv(x, w) + bias (+ residual); bias, residual and dbias may be NULL, residual
     * may be y itself. conv_weights takes w [c_out,k,k,c_in] fp32, rounds a copy to the plan's type and must be called
     * again whenever w changed. in_place: NULL, or the same numbers in the plan's type, kept there by the caller: a
     * device with weights_in_place reads them there, if they are aligned to 16 bytes, and copies nothing.
     * dw [c_out,k,k,c_in] and dbias [c_out] fp32 += . */
    struct conv *(*conv_create)(struct device *d, const struct conv_shape *s);
    void (*conv_destroy)(struct device *d, struct conv *c);
    void (*conv_weights)(struct device *d, struct conv *c, const float *w, const void *in_place);
    void (*conv_forward)(struct device *d, struct conv *c, const void *x, const float *bias, const void *residual, void *y);
    void (*conv_backward_data)(struct device *d, struct conv *c, const void *dy, void *dx, int accumulate);
    void (*conv_backward_weights)(struct device *d, struct conv *c, const void *x, const void *dy, float *dw, float *dbias);

    /* group norm of (x + shift) with an affine map, then SiLU if asked: y = silu(gamma*(x+shift-mean)*rstd + beta).
     * shift [n,c] fp32 or NULL (the time embedding); stats [n,groups,2] fp32 = mean, rstd, written forward, read back.
     * A group is c/groups neighbouring channels of one image; its variance is the mean squared deviation from its mean,
     * rstd = 1/sqrt(variance + eps). Variance must survive a mean far from zero: two passes, or sums about a value near
     * the mean, not E[z^2] - E[z]^2 in fp32. dgamma, dbeta += ; dx includes the gradient through mean and rstd;
     * dshift [n,c] = its sum over the pixels, before rounding and without what `accumulate` adds to. */
    void (*norm_forward)(struct device *d, const struct norm_shape *s, const void *x, const float *shift, const float *gamma,
                         const float *beta, void *y, float *stats);
    void (*norm_backward)(struct device *d, const struct norm_shape *s, const void *x, const float *shift,
                          const float *gamma, const float *beta, const float *stats, const void *dy, void *dx,
                          int accumulate, float *dgamma, float *dbeta, float *dshift); /* dshift overwritten, or NULL */

    void (*silu_forward)(struct device *d, int64_t n, const float *x, float *y);
    void (*silu_backward)(struct device *d, int64_t n, const float *x, const float *dy, float *dx, int accumulate);
    /* y [n,dim] = cos(k f_i), i < dim/2, then sin(k f_i), f_i = 10000^(-i/(dim/2)); level k [n] int32; dim even. */
    void (*embed)(struct device *d, int n, int dim, const int32_t *level, float *y);
    /* nearest, twice the size: x [n,h,w,c] -> y [n,2h,2w,c]; backward sums the four. */
    void (*upsample_forward)(struct device *d, int n, int h, int w, int c, enum dtype type, const void *x, void *y);
    void (*upsample_backward)(struct device *d, int n, int h, int w, int c, enum dtype type, const void *dy, void *dx, int accumulate);
    /* y [rows, ca+cb] = a [rows,ca] beside b [rows,cb]; rows = n*h*w. */
    void (*concat_forward)(struct device *d, int64_t rows, int ca, int cb, enum dtype type, const void *a, const void *b, void *y);
    void (*concat_backward)(struct device *d, int64_t rows, int ca, int cb, enum dtype type, const void *dy, void *da,
                            int accumulate_a, void *db, int accumulate_b);
    /* A concatenation and the norm that reads it first, in one go where a device saves memory traffic so: x = a [n,hw,ca]
     * beside b [n,hw,c-ca], both kept, y = norm_forward(x). Back: da and db (overwritten) are norm_backward's dx, to which
     * dx [n,hw,c], what others have found of it, is added if `accumulate` is set. dx is used up. */
    void (*concat_norm_forward)(struct device *d, const struct norm_shape *s, int ca, const void *a, const void *b, void *x,
                                const float *gamma, const float *beta, void *y, float *stats);
    void (*concat_norm_backward)(struct device *d, const struct norm_shape *s, int ca, const void *x, const float *gamma,
                                 const float *beta, const float *stats, const void *dy, void *dx, int accumulate, void *da,
                                 void *db, float *dgamma, float *dbeta);
    void (*add)(struct device *d, int64_t n, enum dtype type, const void *x, void *y); /* y += x */
    /* qkv [n,t,3c] = q | k | v, each split into heads; scores scaled by 1/sqrt(c/heads); probs [n,heads,t,t] of `type`
     * is kept for the backward pass; out [n,t,c]. Head h has the numbers h*c/heads and following of each of q, k, v and
     * out. With bf16 the products with v and the backward pass may use probs as stored or before rounding. dqkv
     * overwritten. */
    void (*attention_forward)(struct device *d, const struct attention_shape *s, const void *qkv, void *probs, void *out);
    void (*attention_backward)(struct device *d, const struct attention_shape *s, const void *qkv, const void *probs,
                               const void *dout, void *dqkv);
    /* in place x <- x / (1 - p) where kept, else 0; element e of sample i is kept where rng_uniform(word e%4 of the
     * draw (seed, RNG_DROPOUT, first_sample + i + ((uint64_t)layer << 32), step, e/4)) >= (float)p, so the backward
     * pass is the same call on the gradient. x [n, per_sample]; first_sample + n <= 2^32, layer < 2^24, 0 <= p < 1. */
    void (*dropout)(struct device *d, int n, int64_t per_sample, enum dtype type, double p, int layer,
                    const struct draw_key *draw, void *x);
    /* loss [n] = sum over the sample of (pred - target)^2; dpred = 2 scale (pred - target), unless NULL. */
    void (*squared_error)(struct device *d, int n, int64_t per_sample, const float *pred, const float *target, double scale,
                          float *loss, float *dpred);

    /* An optimizer's whole step: s->p and the moments, then s->average = decay average + (1 - decay) p with the new p,
     * and s->rounded. The gradient is first scaled by the clip factor, then weight decay comes in. Adam is PyTorch's
     * (torch.optim.Adam, AdamW): epsilon beside sqrt(v/(1-beta2^step)); Lion's decay is always decoupled, sign(0) = 0.
     * grad_sumsq is sum_squares of the whole gradient, not of the range that the call updates; NULL if clip is 0. */
    void (*adam)(struct device *d, int64_t n, const struct optimizer_state *s, const float *g, const double *grad_sumsq,
                 const struct adam_args *a, const struct step_rates *rates);
    void (*lion)(struct device *d, int64_t n, const struct optimizer_state *s, const float *g, const double *grad_sumsq,
                 const struct adam_args *a, const struct step_rates *rates);
    /* flat vectors, fp32 */
    /* result (device pointer) overwritten, summed in double. The order is fixed by n alone, never by threads: blocks
     * of 4096 numbers, each summed by itself in an order that the device fixes, block sums then added ascending. */
    void (*sum_squares)(struct device *d, int64_t n, const float *x, double *result);
    void (*axpby)(struct device *d, int64_t n, double a, const float *x, double b, float *y); /* y = a x + b y; b = 0 ignores old y */
    /* x [n, per_sample] += sigma * N(0,1); number e of sample i is drawn from (seed, stream, first_sample + i, step, e/4),
     * words 0,1 giving elements 0,1 and words 2,3 elements 2,3 of each four (rng_normal2; to 2e-6 of it). */
    void (*add_normal)(struct device *d, int n, int64_t per_sample, double sigma, int stream, const struct draw_key *draw,
                       float *x);
    void (*cast)(struct device *d, int64_t n, enum dtype from, const void *x, enum dtype to, void *y);

    /* networks that judge images: fp32, forward only */
    void (*relu)(struct device *d, int64_t n, const float *x, float *y);                        /* y may be x */
    void (*pool)(struct device *d, const struct pool_shape *s, const float *x, float *y);
    void (*pixel_mean)(struct device *d, int n, int hw, int c, const float *x, float *y); /* [n,hw,c] -> [n,c] */

    void (*destroy)(struct device *d);
};

struct device {
    const struct device_ops *ops;
    const char *name;      /* 'ref' 'cpu' 'cuda' */
    char description[160]; /* for the log: processor, instruction set, threads, library versions */
    char libraries[96];    /* that it computes with, and their versions: "oneDNN 2.6.3, FFTW 3.3.10"; "" for none */
    int threads;           /* of the host, where that means something */
    int bf16_fast;         /* the hardware multiplies bf16 */
    int weights_in_place;  /* convolutions read weights where conv_weights shows them */
    int residual_apart;    /* conv_forward would rather have y apart from the residual: it copies one that is y itself */
    int multiprocessors;   /* of a GPU, else 0 */
    size_t bytes, peak_bytes; /* device memory now and at most */
    void *state;           /* owned by the implementation */
};

/* name 'auto' (cuda if built and present, else cpu), 'ref', 'cpu', 'cuda'; threads 0 = CPUs of the affinity mask, or an
 * equal share of the node's where its local_size ranks cannot each have as many. local_rank chooses the GPU.
 * Returns 0, or prints why not. */
int device_open(const char *name, int threads, int local_rank, int local_size, struct device **out);
void device_close(struct device *d);

/* The implementations; device_ref_create never fails. */
struct device *device_ref_create(void);
int device_cpu_create(int threads, struct device **out);
int device_cuda_create(int local_rank, struct device **out); /* GPU local_rank % (GPUs in sight); in builds with CUDA */
int device_cuda_present(int local_rank);                     /* would it find one that will do? */
