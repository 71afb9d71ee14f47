/* SPDX-License-Identifier: Apache-2.0
 * timer: where the time went. Named sections, nested by the caller's choice of names ("train/forward"). */
#pragma once
#include <stdint.h>

double timer_now_s(void); /* monotonic clock */

void timer_begin(const char *name);          /* name: a string literal */
void timer_end(const char *name);            /* adds the time since the matching begin */
void timer_add(const char *name, double s, int64_t calls);

/* For the watchdog, which asks from another thread: the section that this one is in (the innermost begun, NULL: none), whether it
 * waits for other ranks there, and how many signs of life it gave: every begin and end, every timer_alive, which loops
 * without sections of their own call. */
void timer_alive(void);
void timer_waiting(int waits); /* 1 when a wait for other ranks begins, 0 when it is over */
const char *timer_watch(int *waits, int64_t *signs);

/* Read-out, in order of first use. */
int timer_count(void);
const char *timer_name(int i);
double timer_seconds(int i);
int64_t timer_calls(int i);
void timer_reset(void);
