/* SPDX-License-Identifier: Apache-2.0
 * resize: images of any size to the square that a network expects, in the two ways that published FIDs use, fp32.
 *
 * RESIZE_POINT   bilinear between the two nearest rows and columns (torch interpolate, align_corners off, no antialias)
 * RESIZE_BICUBIC Keys' cubic with a = -1/2, stretched when an image shrinks (Pillow's BICUBIC on float images) */
#pragma once

enum resize_kind { RESIZE_POINT, RESIZE_BICUBIC };

/* x [height,width,channels] -> y [side,side,channels]. Thread-safe. */
void resize(enum resize_kind kind, int height, int width, int channels, const float *x, int side, float *y);
