/* SPDX-License-Identifier: Apache-2.0
 * lpips_pairs: how far samples went from the images that seeded them: the metric 'lpips' of evaluate. Pairs are a sample
 * and the clean image of its seed. Of each seed image the first evaluate.lpips_repeats samples count. */
#pragma once
#include "base/json.h"
#include "tasks/image_set.h"

/* Collective. lpips_mean, lpips_pairs, lpips_pair_std (over all pairs) and, where seeds occur more than once, lpips_std
 * (over the samples of a seed, averaged over the seeds) into the open object j (NULL: not written). samples: /images of
 * the file evaluate.fake names. */
int lpips_score(struct job *job, const struct image_set *samples, struct json *j);
