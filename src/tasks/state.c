/* SPDX-License-Identifier: Apache-2.0
 * state.json. It appears whole or not at all: a temporary name, fsync, and then its own. */
#include "tasks/state.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

enum { MESSAGE = 512, DISK_S = 10 };

static struct {
    const char *command;
    char path[JOB_PATH], mine[JOB_PATH + 16]; /* state.json; the name under which this rank dies */
} record;

/* The text of state.json (free), or NULL. */
static char *compose(const char *reason, const char *message, int exit_code)
{
    char *text = NULL;
    size_t bytes;
    int64_t done, total;
    const char *stage = progress_latest(&done, &total);
    FILE *file = open_memstream(&text, &bytes);
    struct json j;
    if (!file)
        return NULL;
    json_begin(&j, file, 1);
    json_object(&j, NULL);
    json_string(&j, "command", record.command);
    json_string(&j, "reason", reason);
    json_int(&j, "exit", exit_code);
    if (*message)
        json_string(&j, "message", message);
    if (stage) {
        json_string(&j, "stage", stage);
        json_int(&j, "done", done);
        json_int(&j, "total", total);
    }
    json_close(&j);
    return fclose(file) ? NULL : text;
}

static void died(const char *message)
{
    state_die("died", message);
}

void state_begin(const struct job *job, const char *command)
{
    record.command = command;
    job_path(job, "state.json", record.path);
    snprintf(record.mine, sizeof record.mine, "%s.%d", record.path, job->comm->rank);
    if (job->comm->rank == 0)
        remove(record.path);
    job->comm->ops->barrier(job->comm);
    die_tell(died);
}

/* The last error of the lowest rank that had one. */
static void what_failed(const struct job *job, char message[MESSAGE])
{
    struct comm *comm = job->comm;
    char *all = mem_zalloc((size_t)comm->size * MESSAGE), mine[MESSAGE] = "";
    snprintf(mine, sizeof mine, "%s", log_last_error());
    comm->ops->allgather(comm, mine, MESSAGE, all);
    for (int rank = comm->size - 1; rank >= 0; rank--)
        if (all[(size_t)rank * MESSAGE])
            snprintf(message, MESSAGE, "%s", all + (size_t)rank * MESSAGE);
    mem_free(all);
}

int state_end(const struct job *job, const char *reason, int exit_code)
{
    char message[MESSAGE] = "";
    if (exit_code == TASK_FAILED)
        what_failed(job, message);
    die_tell(NULL);
    if (job->comm->rank)
        return 0;
    char *text = compose(reason, message, exit_code);
    int failed = !text || text_write(record.path, text);
    free(text);
    return failed;
}

/* The alarm must reach a process that waits for a disk. */
static void set_alarm(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    signal(SIGALRM, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    alarm(DISK_S);
}

void state_die(const char *reason, const char *message)
{
    set_alarm();
    char *text = compose(reason, message, TASK_FAILED);
    if (!text || text_write(record.mine, text))
        return;
    if (link(record.mine, record.path) && errno != EEXIST) /* a disk without links */
        rename(record.mine, record.path);
    remove(record.mine);
}
