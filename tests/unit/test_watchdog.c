/* SPDX-License-Identifier: Apache-2.0
 * Two processes as two ranks that share nothing but the run's folder. One waits for longer than its limit, the other one
 * works: it must not be ended, though the clock of its node is an hour behind. One that hangs beside it must be. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/timer.h"
#include "tasks/watchdog.h"

enum { LIMIT_S = 1, LONGEST_S = 20 };
static char folder[] = "/tmp/peclet-watch-XXXXXX";

static void pause_s(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

static void barrier(struct comm *c)
{
    (void)c;
}

static void allgather(struct comm *c, const void *mine, size_t bytes, void *all)
{
    for (int rank = 0; rank < c->size; rank++)
        memcpy((char *)all + (size_t)rank * bytes, mine, bytes);
}

/* Rank `rank` under the watchdog; 'w': waits, 'b': busy, 's': stopped. */
static pid_t start(struct job *job, int rank, char what)
{
    static const struct comm_ops ops = {.barrier = barrier, .allgather = allgather};
    pid_t pid = fork();
    if (pid)
        return pid;
    struct comm comm = {.ops = &ops, .rank = rank, .size = 2, .host = "here"};
    job->comm = &comm;
    job->settings.limits = (struct limits_settings){.setup = LIMIT_S, .step = 0, .files = 0};
    if (!freopen("/dev/null", "w", stderr))
        exit(98);
    watchdog_start(job);
    timer_waiting(what == 'w');
    if (what == 's')
        raise(SIGSTOP);
    for (double end = timer_now_s() + LONGEST_S; timer_now_s() < end; pause_s(0.02))
        if (what == 'b')
            timer_alive();
    exit(0);
}

static void set_back(const char *name)
{
    char path[128];
    struct timespec hour_ago[2];
    clock_gettime(CLOCK_REALTIME, &hour_ago[0]);
    hour_ago[0].tv_sec -= 3600;
    hour_ago[1] = hour_ago[0];
    snprintf(path, sizeof path, "%s/late/%s", folder, name);
    utimensat(AT_FDCWD, path, hour_ago, 0); /* not there yet: later */
}

/* Seconds until rank 0, which waits, is ended; 0: it lives for `seconds`. */
static double life(struct job *job, char other, double seconds)
{
    pid_t waits = start(job, 0, 'w'), second = start(job, 1, other);
    double began = timer_now_s(), ended = 0;
    int status;
    while (ended == 0 && timer_now_s() - began < seconds) {
        set_back("rank-00001");
        pause_s(0.01);
        if (waitpid(waits, &status, WNOHANG) == waits)
            ended = timer_now_s() - began;
    }
    pid_t all[] = {waits, second};
    for (int i = 0; i < 2; i++) {
        kill(all[i], SIGKILL);
        waitpid(all[i], NULL, 0);
    }
    return ended;
}

static void clean(void)
{
    static const char *const names[] = {"late/ask", "late/rank-00000", "late/rank-00001",
                                        "late",     "state.json",      ""};
    char path[128];
    for (int i = 0; i < 6; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        remove(path);
    }
}

int main(void)
{
    struct job *job = calloc(1, sizeof *job);
    CHECK(mkdtemp(folder) != NULL);
    snprintf(job->settings.run.out, sizeof job->settings.run.out, "%s", folder);

    double ended = life(job, 'b', 5);
    printf("beside a busy rank: %s after %.1f s\n", ended > 0 ? "ended" : "alive",
           ended > 0 ? ended : 5);
    CHECK(ended == 0);
    ended = life(job, 's', 10);
    printf("beside a stopped rank: ended after %.1f s\n", ended);
    CHECK(ended > LIMIT_S);
    ended = life(job, 'w', 10);
    printf("beside one that waits, too: ended after %.1f s\n", ended);
    CHECK(ended > LIMIT_S);

    clean();
    free(job);
    return check_done();
}
