/* SPDX-License-Identifier: Apache-2.0
 * Signals that arrive while the CPU device multiplies matrices do no harm, and are seen after. A
 * handler would not do: oneDNN's sgemm moves the stack pointer into a heap buffer. Nor do those
 * that go to a thread which was there before the signals were blocked. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/timer.h"
#include "tasks/tasks.h"

static atomic_int over;

static void *send_signals(void *number)
{
    while (!atomic_load(&over)) {
        kill(getpid(), *(int *)number);
        struct timespec pause = {0, 100000};
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* Attention of 14 x 14 places, as in a small network, for `seconds` under fire. */
static void multiply_under_fire(struct device *d, int number, double seconds)
{
    struct attention_shape s = {.n = 4, .t = 196, .c = 32, .heads = 1, .type = DTYPE_F32};
    size_t rows = (size_t)(s.n * s.t), qkv = rows * 3 * (size_t)s.c, probs = rows * (size_t)s.t;
    float *in = d->ops->alloc(d, qkv * sizeof(float)), *out = d->ops->alloc(d, qkv * sizeof(float));
    float *p = d->ops->alloc(d, probs * sizeof(float));
    d->ops->zero(d, in, qkv * sizeof(float));
    pthread_t sender;
    pthread_create(&sender, NULL, send_signals, &number);
    for (double end = timer_now_s() + seconds; timer_now_s() < end;)
        d->ops->attention_forward(d, &s, in, p, out);
    atomic_store(&over, 1);
    pthread_join(sender, NULL);
    atomic_store(&over, 0);
    d->ops->free(d, in);
    d->ops->free(d, out);
    d->ops->free(d, p);
}

/* In a Slurm job that ends in left_s seconds, does a run whose saving takes need_s stop? */
static int stops(struct job *job, double left_s, double need_s)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)time(NULL) + (long long)left_s);
    setenv("SLURM_JOB_END_TIME", text, 1);
    stop_install();
    int stop = stop_requested(job, need_s);
    unsetenv("SLURM_JOB_END_TIME");
    return stop;
}

/* Twice the time to save must be left, and a minute, of short jobs a tenth. */
static void check_slurm_limit(struct job *job)
{
    CHECK(stops(job, 3600, 1760) == 0);
    CHECK(stops(job, 3600, 1775) == STOP_LEAVE);
    CHECK(!strcmp(stop_reason(), "time limit"));
    CHECK(stops(job, 100, 40) == 0);
    CHECK(stops(job, 100, 46) == STOP_LEAVE);
    CHECK(stops(job, -10, 1e6) == 0); /* of a job that is over */
    job->settings.run.walltime = 5000;
    CHECK(stops(job, 3600, 1775) == STOP_LEAVE); /* Slurm ends it before the deck's own limit */
    CHECK(stops(job, 7200, 1775) == 0);
    CHECK(stops(job, 7200, 2510) == STOP_LEAVE); /* the deck's own limit comes first */
    CHECK(stops(job, -10, 2510) == STOP_LEAVE);
    job->settings.run.walltime = 0;
    unsetenv("SLURM_JOB_END_TIME");
    stop_install();
    CHECK(stop_requested(job, 1e6) == 0);
}

/* Like the threads that OpenBLAS makes before main. */
static void *idle(void *unused)
{
    while (!atomic_load(&over)) {
        struct timespec pause = {0, 1000000};
        nanosleep(&pause, NULL);
    }
    return unused;
}

/* The only thread that does not block them gets them. */
static void check_foreign_thread(struct job *job, pthread_t foreign)
{
    kill(getpid(), SIGUSR2);
    int got = 0;
    for (double end = timer_now_s() + 10; !got && timer_now_s() < end;)
        got = stop_requested(job, 0);
    CHECK(got == STOP_SAVE);
    CHECK(stop_requested(job, 0) == 0);
    atomic_store(&over, 1);
    pthread_join(foreign, NULL);
    atomic_store(&over, 0);
}

int main(void)
{
    struct job *job = calloc(1, sizeof *job);
    pthread_t foreign;
    pthread_create(&foreign, NULL, idle, NULL);
    unsetenv("SLURM_JOB_END_TIME");
    stop_install();
    job->comm = comm_self_create();
    snprintf(job->settings.run.out, sizeof job->settings.run.out, "/nonexistent");
    check_foreign_thread(job, foreign);
    check_slurm_limit(job);
    CHECK(!device_open("cpu", 2, 0, 1, &job->device));
    CHECK(stop_requested(job, 0) == 0);

    multiply_under_fire(job->device, SIGUSR2, 0.7);
    CHECK(stop_requested(job, 0) == STOP_SAVE);
    CHECK(stop_requested(job, 0) == 0); /* once for each request */

    multiply_under_fire(job->device, SIGUSR1, 0.7);
    CHECK(stop_requested(job, 0) == STOP_LEAVE);
    CHECK(stop_requested(job, 0) == STOP_LEAVE); /* a stop stays asked for */

    device_close(job->device);
    job->comm->ops->destroy(job->comm);
    free(job);
    return check_done();
}
