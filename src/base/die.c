/* SPDX-License-Identifier: Apache-2.0 */
#include "base/die.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int die_rank;
static void (*die_abort_job)(int code);

void die_init(int rank, void (*abort_job)(int code))
{
    die_rank = rank;
    die_abort_job = abort_job;
}

_Noreturn void die_at(const char *file, int line, const char *format, ...)
{
    char host[64] = "?", message[1024];
    va_list args;
    gethostname(host, sizeof host - 1);
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    fprintf(stderr, "peclet: fatal on %s, rank %d, %s:%d: %s\n", host, die_rank, file, line,
            message);
    fflush(NULL);
    if (die_abort_job)
        die_abort_job(1);
    exit(1);
}
