/* SPDX-License-Identifier: Apache-2.0
 * resize: square images to the size that a network expects, in the two ways that published FIDs use, fp32.
 *
 * RESIZE_POINT   bilinear between the two nearest rows and columns (torch interpolate, align_corners off, no antialias)
 * RESIZE_BICUBIC Keys' cubic with a = -1/2, stretched when an image shrinks (Pillow's BICUBIC on float images) */
#pragma once

enum resize_kind { RESIZE_POINT, RESIZE_BICUBIC };
struct resize {
    int in, out, taps; /* sides; inputs that an output needs at most */
    int *first;        /* [out] */
    float *weights;    /* [out, taps], 0 where there is none */
    float *rows;       /* [in, out, channels]: scratch */
};

struct resize resize_create(enum resize_kind kind, int in, int out, int channels);
void resize_free(struct resize *r);
/* x [in,in,channels] -> y [out,out,channels] */
void resize_run(const struct resize *r, int channels, const float *x, float *y);
