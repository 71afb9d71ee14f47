/* SPDX-License-Identifier: Apache-2.0
 * eye: whatever turns images into the features of one name: fixed ones (metrics/features.h) or a trained network's
 * (judge.h). */
#pragma once
#include "tasks/image_set.h"

struct eye;

/* 1 if images of any size will do. */
int eye_takes_any(const char *feature);
/* For images like those of the set. Collective; 0, or the reason is printed. */
int eye_open(struct job *job, const char *feature, const struct image_set *like, struct eye **out);
int eye_dim(const struct eye *eye);
int eye_is_fid(const struct eye *eye); /* as judge_is_fid */
/* out [n, dim] of n images, which lie one behind the other in memory unless any size will do. */
void eye_run(struct eye *eye, int64_t n, const struct image *images, float *out);
void eye_close(struct eye *eye); /* NULL is fine */
