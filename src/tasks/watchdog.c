/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/watchdog.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/timer.h"
#include "tasks/state.h"

enum { HOST = sizeof((struct comm *)0)->host, LINE = 256, TOKEN = 48 };

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int over; /* under lock */
    int running, rank, size;
    char *hosts;        /* [size][HOST] */
    char out[JOB_PATH]; /* the folder of questions and answers */
    struct limits_settings limits;
    double tick_s;     /* between two looks */
    double patience_s; /* for answers */
} dog = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

struct look {
    const char *section; /* NULL: none begun */
    int waits;
    double quiet_s, limit_s; /* limit 0: for ever */
};

/* Sections that move data end in what they do; a stage's own section holds what comes before and
 * after its steps. */
static const char *limit_name(const char *section)
{
    const char *last = section ? strrchr(section, '/') : NULL;
    if (!last)
        return "setup";
    if (!strcmp(last, "/read") || !strcmp(last, "/write") || !strcmp(last, "/checkpoint"))
        return "files";
    return "step";
}

static double limit_of(const char *section)
{
    const char *name = limit_name(section);
    return *name == 'f'           ? dog.limits.files
           : strcmp(name, "step") ? dog.limits.setup
                                  : dog.limits.step;
}

static void describe(const struct look *l, char line[LINE])
{
    snprintf(line, LINE, "%s in '%s' for %.0f s (limits.%s = %.0f)",
             l->waits ? "waits for other ranks" : "is", l->section ? l->section : "the start",
             l->quiet_s, limit_name(l->section), l->limit_s);
}

_Noreturn static void end_job(const char *reason)
{
    fprintf(stderr,
            "error: watchdog: %s; the job is ended. Checkpoints and finished slabs are "
            "kept: the same command goes on from there\n",
            reason);
    fflush(stderr);
    state_die("watchdog", reason);
    _exit(TASK_FAILED); /* the launcher ends the other ranks; MPI_Abort could wait for this one */
}

static void answer_path(int rank, char path[JOB_PATH])
{
    snprintf(path, JOB_PATH, "%.*s/rank-%05d", JOB_PATH - 32, dog.out, rank);
}

/* The question, OUT/late/ask, is a word that was never there before, and an answer repeats it: file times of several
 * nodes need not agree, and are seen late. */
struct question {
    char token[TOKEN]; /* "": never seen */
    double noticed_s;  /* on our clock */
};

static void ask_path(char path[JOB_PATH])
{
    snprintf(path, JOB_PATH, "%.*s/ask", JOB_PATH - 8, dog.out);
}

/* The beginning of a file; non-zero, and nothing said, if there is none. */
static int peek(const char *path, char *text, size_t bytes)
{
    int file = open(path, O_RDONLY);
    ssize_t got = file < 0 ? -1 : read(file, text, bytes - 1);
    if (file >= 0)
        close(file);
    text[got > 0 ? got : 0] = 0;
    return got <= 0;
}

static int read_question(char token[TOKEN])
{
    char path[JOB_PATH];
    ask_path(path);
    return peek(path, token, TOKEN);
}

/* Someone asked since the last look: say what this rank does. 'W': waits, 'B': busy. */
static void answer(const struct look *l, struct question *q, double now)
{
    char path[JOB_PATH], token[TOKEN], line[LINE], text[TOKEN + LINE + 4];
    if (read_question(token) || !strcmp(token, q->token))
        return;
    memcpy(q->token, token, TOKEN);
    q->noticed_s = now;
    describe(l, line);
    snprintf(text, sizeof text, "%s %c %s\n", token, l->waits ? 'W' : 'B', line);
    answer_path(dog.rank, path);
    text_write(path, text);
}

static void ask(void)
{
    char path[JOB_PATH], token[TOKEN];
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    snprintf(token, sizeof token, "%d-%lld.%09ld", dog.rank, (long long)t.tv_sec, t.tv_nsec);
    ask_path(path);
    if (!text_make_folders(dog.out))
        text_write(path, token);
}

_Noreturn static void report_self(const struct look *l)
{
    char line[LINE], reason[LINE + HOST + 32];
    describe(l, line);
    snprintf(reason, sizeof reason, "rank %d on %s %s", dog.rank,
             dog.hosts + (size_t)dog.rank * HOST, line);
    end_job(reason);
}

/* What the others answered. Returns if one of them is busy within its limit. */
static void judge(const struct look *mine, const struct question *q)
{
    char path[JOB_PATH], reason[4 * LINE], line[LINE], text[TOKEN + 4], token[TOKEN];
    int missing = 0, busy = 0;
    size_t used = 0, length = strlen(q->token);
    reason[0] = 0;
    for (int r = 0; r < dog.size; r++) {
        answer_path(r, path);
        if (!peek(path, text, sizeof text) && !strncmp(text, q->token, length) &&
            text[length] == ' ')
            busy += text[length + 1] == 'B';
        else if (missing++ < 4)
            used += (size_t)snprintf(reason + used, LINE, "%srank %d on %s", used ? ", " : "", r,
                                     dog.hosts + (size_t)r * HOST);
    }
    describe(mine, line);
    if (missing && !read_question(token) && strcmp(token, q->token))
        return; /* asked anew, and answered anew: the next look sees it */
    if (missing) {
        snprintf(reason + used, LINE + 128, "%s %s: stopped, or the node is gone (rank %d %s)",
                 missing > 4 ? ", ..." : "", missing > 1 ? "do not answer" : "does not answer",
                 dog.rank, line);
        end_job(reason);
    }
    if (!busy) {
        snprintf(reason, sizeof reason, "all ranks wait for each other (rank %d %s): a bug",
                 dog.rank, line);
        end_job(reason);
    }
}

/* Sleeps for a tick; non-zero when the run is over. */
static int rest(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    double end = (double)until.tv_nsec * 1e-9 + dog.tick_s;
    until.tv_sec += (time_t)end;
    until.tv_nsec = (long)(fmod(end, 1) * 1e9);
    pthread_mutex_lock(&dog.lock);
    while (!dog.over && !pthread_cond_timedwait(&dog.wake, &dog.lock, &until))
        ;
    int over = dog.over;
    pthread_mutex_unlock(&dog.lock);
    return over;
}

static void *watch(void *unused)
{
    (void)unused;
    int64_t signs = -1;
    double now = timer_now_s(), quiet_since = now;
    struct question question = {"", 0};
    while (!rest()) {
        struct look l;
        int64_t signs_now;
        double before = now;
        now = timer_now_s();
        l.section = timer_watch(&l.waits, &signs_now);
        if (signs_now != signs) {
            signs = signs_now;
            quiet_since = now;
        } else if (now - before > 3 * dog.tick_s + 1) {
            quiet_since += now - before; /* this process was suspended itself */
        }
        l.quiet_s = now - quiet_since;
        l.limit_s = limit_of(l.section);
        answer(&l, &question, now);
        if (l.limit_s <= 0 || l.quiet_s <= l.limit_s)
            continue;
        if (!l.waits)
            report_self(&l);
        if (question.noticed_s < quiet_since) {
            ask();
        } else if (now - question.noticed_s > dog.patience_s) {
            judge(&l, &question);
            quiet_since = now;
        }
    }
    return NULL;
}

static double shortest_limit(const struct limits_settings *l)
{
    double limit[] = {l->setup, l->step, l->files}, least = 0;
    for (int i = 0; i < 3; i++)
        if (limit[i] > 0 && (least == 0 || limit[i] < least))
            least = limit[i];
    return least;
}

void watchdog_start(const struct job *job)
{
    char path[JOB_PATH];
    double least = shortest_limit(&job->settings.limits);
    struct comm *comm = job->comm;
    if (least == 0)
        return;
    dog.rank = comm->rank;
    dog.size = comm->size;
    dog.limits = job->settings.limits;
    dog.tick_s = fmin(15, fmax(0.1, least / 10));
    dog.patience_s =
        2 + 3 * dog.tick_s + fmin(60, least / 4); /* NFS shows a new file up to 60 s late */
    dog.hosts = mem_alloc((size_t)comm->size * HOST);
    comm->ops->allgather(comm, comm->host, HOST, dog.hosts);
    job_path(job, "late", dog.out);
    if (comm->rank == 0) { /* what an earlier end left */
        ask_path(path);
        remove(path);
    }
    comm->ops->barrier(comm);
    dog.over = 0;
    dog.running = !pthread_create(&dog.thread, NULL, watch, NULL);
}

void watchdog_stop(void)
{
    if (dog.running) {
        pthread_mutex_lock(&dog.lock);
        dog.over = 1;
        pthread_cond_signal(&dog.wake);
        pthread_mutex_unlock(&dog.lock);
        pthread_join(dog.thread, NULL);
    }
    mem_free(dog.hosts);
    dog.running = 0;
    dog.hosts = NULL;
}
