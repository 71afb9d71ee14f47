/* SPDX-License-Identifier: Apache-2.0
 * watchdog: ends a job that hangs, and says who hung in what. A dead process is the launcher's business; a stopped or
 * hung one is nobody's, and the other ranks would wait for it until the wall time is over.
 *
 * A thread on every rank looks whether the program gives signs of life (timer.h). A rank that computes or moves data
 * and gives none for longer than the limit of its section (&limits: setup, step, files) reports itself. One that waits
 * for others asks them, through files in OUT/late/, what they are doing: who does not answer is stopped or gone, and
 * is named; if all answer and one is within its own limit, the wait begins anew; if all wait, the program is at fault.
 * Whoever finds out writes state.json (reason "watchdog") and ends its process, and thereby the job, even if the disk
 * hangs. No clock of another node matters. */
#pragma once
#include "tasks/tasks.h"

/* Collective. Nothing happens if all limits are 0. */
void watchdog_start(const struct job *job);
void watchdog_stop(void);
