/* SPDX-License-Identifier: Apache-2.0
 * precompute: what the plan of a run has to know about the task of that name: how much it does at a time. */
#pragma once
#include "files/trajectories.h"
#include "tasks/corruption.h"

/* What trajectories.h5 of `images` images will hold. Its store kind is not 'none'. */
struct trajectories_shape precompute_shape(const struct store_settings *s, int64_t images, const struct adr_plan *plan);

/* Images that a rank corrupts and writes at a time. */
int64_t precompute_slab_images(const struct trajectories_shape *t, int ranks);
