/* SPDX-License-Identifier: Apache-2.0
 * spectra: the metric 'spectrum' of evaluate: the power spectrum of every set of images side by side (metrics/spectrum.h).
 */
#pragma once
#include "base/json.h"
#include "tasks/image_set.h"

/* Collective. Spectra of the first images of each set, up to k = L/2, as "spectrum": {"NAME": [E(0), E(1), ...]} into the
 * open object j (NULL: not written). Sets with total 0 are left out. */
void spectra_write(struct comm *comm, int sets, const char *const *names, const struct image_set *const *set,
                   struct json *j);
