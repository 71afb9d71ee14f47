/* SPDX-License-Identifier: Apache-2.0
 * die: the end of a run that met a bug or a broken library. Faults of the outside world (deck, image, file, disk)
 * are not for die: functions return non-zero for those, after log_error has said what would fix them. */
#pragma once

/* Prints host, rank, file:line and the message, then ends every rank of the job. */
#define DIE(...) die_at(__FILE__, __LINE__, __VA_ARGS__)

/* DIE unless cond holds; for invariants of the program, never for input. */
#define REQUIRE(cond) ((cond) ? (void)0 : die_at(__FILE__, __LINE__, "broken invariant: %s", #cond))

_Noreturn void die_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Tells die who it speaks for; abort_job(code) must not return (NULL: exit). Call once, after the communicator is up. */
void die_init(int rank, void (*abort_job)(int code));

/* What else to do with the message (host, rank, file:line, what is wrong), such as keeping it in a file, before the job is
 * ended: called once, by whichever thread dies first. NULL: nothing. */
void die_tell(void (*tell)(const char *message));
