/* SPDX-License-Identifier: Apache-2.0
 * log: what the user reads. Information and warnings come from rank 0 alone, errors from the rank that met them.
 * Everything goes to stderr; stdout is for what the user asked to have printed (help, check, info, plan). */
#pragma once
#include <stdint.h>

/* rank and size of the job; quiet silences information (tests). Call once at start; before it rank 0 of 1 is assumed. */
void log_init(int rank, int size, int quiet);

void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));  /* rank 0 */
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));  /* rank 0 */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2))); /* every rank; "error: " and, with size > 1, the rank */

/* The last error of this rank, as it was said; "" if there was none. For the record of a run. */
const char *log_last_error(void);

/* One progress line of rank 0: rewritten in place on a terminal, one line every 30 s in a batch log.
 * `what` and `unit` are borrowed until progress_end. */
struct progress {
    const char *what, *unit;
    int64_t total, first;
    double start_s, shown_s;
};
void progress_start(struct progress *p, const char *what, const char *unit, int64_t first, int64_t total);
void progress_show(struct progress *p, int64_t done, const char *extra); /* extra: text behind the rate, or NULL */
void progress_end(struct progress *p, int64_t done);
/* What made progress last ("train"), or NULL, and how far it is; for the record of a run. */
const char *progress_latest(int64_t *done, int64_t *total);
