/* SPDX-License-Identifier: Apache-2.0
 * Stopping early, in order: a signal, a STOP file, the wall-time limit. The handler only sets a
 * flag; ranks look at it between steps and agree, so that all of them save and leave together. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/timer.h"
#include "tasks/tasks.h"

static volatile sig_atomic_t stop_signal;
static double start_s;
static const char *reason = "";

static void on_signal(int number)
{
    (void)number;
    stop_signal = 1;
}

void stop_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    start_s = timer_now_s();
}

int stop_requested(struct job *job, double need_s)
{
    char path[JOB_PATH];
    double limit = job->settings.run.walltime;

    double cause[3] = {stop_signal != 0, 0, 0};
    if (job->comm->rank == 0) {
        cause[1] = text_exists(job_path(job, "STOP", path));
        cause[2] = limit > 0 && timer_now_s() - start_s + 2.0 * need_s > limit;
    }
    job->comm->ops->max_f64(job->comm, cause, 3);
    reason = cause[0] > 0 ? "signal" : cause[1] > 0 ? "stop" : cause[2] > 0 ? "time limit" : "";
    return *reason != 0;
}

const char *stop_reason(void)
{
    return reason;
}
