/* SPDX-License-Identifier: Apache-2.0
 * state: OUT/state.json says how the last command in a folder ended: command, reason ("done", "signal", "stop", "time limit",
 * "failed", "died", "watchdog"), exit code, a message where it failed, and how far which stage was. While a command runs
 * there is none, so a job that was killed leaves none. Scripts go by it: launchers hide exit codes. */
#pragma once
#include "tasks/tasks.h"

/* The run's folder is there and is ours. Removes what the command before left; from here on a death of any rank (die) is
 * recorded too. Collective. */
void state_begin(const struct job *job, const char *command);

/* Collective, the last act of a command. Non-zero if it cannot be written. */
int state_end(const struct job *job, const char *reason, int exit_code);

/* For a process that is about to end itself, from any thread: whoever comes first is the reason. Should the disk hang,
 * the process ends after 10 s by SIGALRM. */
void state_die(const char *reason, const char *message);
