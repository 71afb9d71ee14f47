/* SPDX-License-Identifier: Apache-2.0
 * lock: one command at a time writes into a folder. */
#pragma once
#include "tasks/tasks.h"

/* Takes OUT/lock for this process until it ends; the file says who has it. Non-zero and a message on every rank if
 * another command has it. Where the file system knows no locks, a warning. Collective. */
int lock_take(const struct job *job);
