/* SPDX-License-Identifier: Apache-2.0
 * finished: OUT/metrics-partial.jsonl, the scores that an evaluation has so far, a line each, so that one that was stopped
 * or killed does not compute them again. It belongs to its inputs: made from others, it is begun anew. Only there while
 * an evaluation is under way. All calls are collective. */
#pragma once
#include "tasks/tasks.h"

struct finished;

/* inputs: all that the scores depend on, as text. 0, or the reason is printed. */
int finished_open(struct job *job, const char *inputs, struct finished **out);
/* 1, with its n numbers (the same on every rank), if this score was finished before; n 0: is it there? */
int finished_find(const struct finished *f, const char *what, int n, double *value);
/* On disk when it returns; 0, or the reason is printed. */
int finished_add(struct finished *f, const char *what, int n, const double *value);
/* done: metrics.json has it all, the file goes. NULL is fine. */
void finished_close(struct finished *f, int done);
