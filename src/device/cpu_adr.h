/* SPDX-License-Identifier: Apache-2.0
 * cpu_adr: the forward process on the CPU (the adr_* operations of device.h): one image a vector
 * lane, groups of lanes over the threads. Layout and method: cpu_adr.c. */
#pragma once
#include "device/device.h"

struct adr *cpu_adr_create(struct device *d, const struct adr_plan *plan, int max_images);
void cpu_adr_destroy(struct device *d, struct adr *a);
void cpu_adr_run(struct device *d, struct adr *a, int n, const uint64_t *keys, const float *u0,
                 int captures, const struct adr_capture *capture, float *u, float *delta,
                 struct adr_stats *stats);
void cpu_adr_velocity(struct device *d, struct adr *a, int n, const uint64_t *keys, int level,
                      int step, float *v);
