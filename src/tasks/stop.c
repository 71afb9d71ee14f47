/* SPDX-License-Identifier: Apache-2.0
 * Stopping early, in order: a signal, a STOP file, the wall-time limit (run.walltime or the end of
 * the Slurm job, whichever comes first). Ranks look between steps and agree, so that all of them
 * save and leave together.
 *
 * The signals are blocked and asked for, not handled: oneDNN's sgemm points the stack pointer into
 * a heap buffer of its own, so a handler on any of our threads would write its frame over the heap.
 * But a library may have made threads before main (OpenBLAS does), which block nothing and run
 * none of our code: what they are given, a handler notes (tests/unit/test_stop.c). */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "base/timer.h"
#include "tasks/tasks.h"

static atomic_int stop_signal, save_signal;
static double start_s, slurm_limit_s;
static const char *reason = "";

static sigset_t our_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    return set;
}

/* Seconds that may be used of what is left of the Slurm job, or 0 outside of one. A minute is kept
 * back (of short jobs a tenth): the first save has not been timed, and files are to be closed. A
 * time gone by is another job's, left in the environment. */
static double slurm_limit(void)
{
    const char *text = getenv("SLURM_JOB_END_TIME");
    double left = text ? strtod(text, NULL) - (double)time(NULL) : 0;
    return left <= 0 ? 0 : left - (left < 600 ? 0.1 * left : 60);
}

static void note(int number)
{
    if (number == SIGUSR2)
        atomic_store(&save_signal, 1);
    else
        atomic_store(&stop_signal, 1);
}

void stop_install(void)
{
    sigset_t set = our_signals();
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    start_s = timer_now_s();
    slurm_limit_s = slurm_limit();
}

static void collect_signals(void)
{
    sigset_t set = our_signals();
    struct timespec none = {0, 0};
    int number;
    while ((number = sigtimedwait(&set, NULL, &none)) > 0)
        note(number);
}

/* Seconds after the start by which all must be over; 0: none. */
static double time_limit(const struct job *job)
{
    double deck_s = job->settings.run.walltime;
    int slurm_first = slurm_limit_s > 0 && (deck_s <= 0 || slurm_limit_s < deck_s);
    return slurm_first ? slurm_limit_s : deck_s;
}

int stop_requested(struct job *job, double need_s)
{
    char path[JOB_PATH];
    double limit = time_limit(job);

    collect_signals();
    double cause[4] = {atomic_load(&stop_signal), 0, 0, atomic_exchange(&save_signal, 0)};
    if (job->comm->rank == 0) {
        cause[1] = text_exists(job_path(job, "STOP", path));
        cause[2] = limit > 0 && timer_now_s() - start_s + 2.0 * need_s > limit;
    }
    job->comm->ops->max_f64(job->comm, cause, 4);
    reason = cause[0] > 0 ? "signal" : cause[1] > 0 ? "stop" : cause[2] > 0 ? "time limit" : "";
    return *reason ? STOP_LEAVE : cause[3] > 0 ? STOP_SAVE : 0;
}

const char *stop_reason(void)
{
    return reason;
}
