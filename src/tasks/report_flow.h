/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "tasks/report_html.h"

enum { FLOW_FIELDS = 16 }; /* fields looked at, at most */

/* Plot of the measured amplitudes of n fields v [n,2,L,L] of the last level against the prescribed ones, by rings of
 * modes. Kinds without a spectrum: nothing. */
void flow_spectrum(struct page *p, const struct adr_plan *plan, int n, const float *v);
