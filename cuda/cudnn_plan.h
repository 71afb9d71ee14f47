/* SPDX-License-Identifier: Apache-2.0
 * cudnn_plan: the passes of a convolution as operation graphs of cuDNN, and the execution plans that the library has
 * for them, through its C interface (backend API, cuDNN 9.8 or later). Only this file and conv_cudnn.c see cudnn.h.
 *
 * Everything here works without a GPU if the library is told what the GPU would be ("deviceless ahead-of-time
 * compilation" in its documentation): that is how tests/cuda/test_cudnn_plan.c tries every shape on machines that have
 * none. */
#pragma once
#include <cudnn.h>

#include "conv_cudnn.h"

const char *cudnn_pass_name(enum cudnn_pass pass);
int cudnn_pass_compiled(enum cudnn_pass pass); /* fusions: their engines are compiled at run time, a second each */

enum { ALIGNMENT = 16, ALIGNMENT_FLAT = 4 }; /* bytes: activations; parts of the flat vectors of parameters */

struct cudnn_candidate {
    cudnnBackendDescriptor_t plan; /* the caller destroys it */
    int64_t workspace;             /* bytes */
    int engine;                    /* number of the library's engine, for the log */
    unsigned notes;                /* bit i: numerical note i */
};
/* At most `most` plans, the first of the library's heuristics that are deterministic, keep the arithmetic that device.h
 * asks for and need at most workspace_limit bytes. Returns how many; `device` is a device property descriptor. With 0,
 * why [bytes] holds the last complaint of the library. */
int cudnn_find_plans(cudnnBackendDescriptor_t device, const struct conv_shape *s, enum cudnn_pass pass,
                     int64_t workspace_limit, int most, struct cudnn_candidate *found, char *why, int bytes);

/* A finished plan as text, for cudnn_plan_of_text of the same library on the same kind of GPU; NULL: it cannot be
 * written. The caller frees it with mem_free. Text that is not its own can make the library fault: check it first. */
char *cudnn_plan_text(cudnnBackendDescriptor_t plan);
/* 0, or the text is of no use here. notes and engine stay empty. */
int cudnn_plan_of_text(cudnnBackendDescriptor_t device, const char *text, int64_t workspace_limit,
                       struct cudnn_candidate *c);

/* The pointers of one execution, as the library takes them. *pack is the caller's to destroy, also after an error
 * (unless it is NULL). */
cudnnStatus_t cudnn_make_pack(enum cudnn_pass pass, const struct cudnn_tensors *t, void *workspace,
                              cudnnBackendDescriptor_t *pack);
