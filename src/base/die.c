/* SPDX-License-Identifier: Apache-2.0 */
#include "base/die.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int die_rank;
static void (*die_abort_job)(int code);
static void (*die_tells)(const char *message);
static atomic_int dying;             /* a thread is telling */
static _Thread_local int this_tells; /* this one */

void die_init(int rank, void (*abort_job)(int code))
{
    die_rank = rank;
    die_abort_job = abort_job;
}

void die_tell(void (*tell)(const char *message))
{
    die_tells = tell;
}

/* The second thread to die gives the first one time to tell. */
static void tell_once(const char *message)
{
    if (!atomic_exchange(&dying, 1)) {
        this_tells = 1;
        if (die_tells)
            die_tells(message);
    } else if (!this_tells) {
        sleep(10);
    }
}

_Noreturn void die_at(const char *file, int line, const char *format, ...)
{
    char host[64] = "?", message[1024], all[1280];
    va_list args;
    gethostname(host, sizeof host - 1);
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    snprintf(all, sizeof all, "fatal on %s, rank %d, %s:%d: %s", host, die_rank, file, line,
             message);
    fprintf(stderr, "peclet: %s\n", all);
    fflush(NULL);
    tell_once(all);
    if (die_abort_job)
        die_abort_job(1);
    exit(1);
}
