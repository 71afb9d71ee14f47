/* SPDX-License-Identifier: Apache-2.0
 * train_log: log.jsonl, one line a report: {"step","loss","grad_norm","learning_rate","images_per_s"}, and with a
 * checkpoint "heldout" and "heldout_by_level". Rank 0 writes; the others' calls do nothing. */
#pragma once
#include <stdint.h>
#include <stdio.h>

struct train_log {
    FILE *file;
};
struct heldout_loss;
struct train_report {
    int64_t step;
    double loss, grad_norm, learning_rate, images_per_s;
    const struct heldout_loss *heldout; /* or NULL */
};
/* Opens for appending behind the lines of steps up to `step`; later lines (of a run that was killed after its last
 * checkpoint) are dropped. */
int train_log_open(struct train_log *log, int rank, const char *path, int64_t step);
void train_log_write(struct train_log *log, const struct train_report *report);
void train_log_close(struct train_log *log);
