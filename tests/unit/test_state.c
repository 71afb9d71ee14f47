/* SPDX-License-Identifier: Apache-2.0
 * state.json: after an end in order, after a death (die) on any thread, and never half a file. */
#include "check.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/die.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "tasks/state.h"

static char folder[] = "/tmp/peclet-state-XXXXXX";
static char path[64];

static void end_in_order(struct job *job)
{
    state_begin(job, "train");
    exit(state_end(job, "time limit", TASK_STOPPED) ? 99 : TASK_STOPPED);
}

static void fail_in_order(struct job *job)
{
    state_begin(job, "import");
    log_error("no \"such\" picture");
    exit(state_end(job, "failed", TASK_FAILED) ? 99 : TASK_FAILED);
}

static void *die_here(void *number)
{
    DIE("library %s is broken", (const char *)number);
}

static void die_on_thread(struct job *job)
{
    pthread_t thread;
    state_begin(job, "train");
    pthread_create(&thread, NULL, die_here, "seven");
    pthread_join(thread, NULL);
}

static void
die_twice(struct job *job) /* a rank that dies because another one did is not the reason */
{
    state_begin(job, "train");
    state_die("watchdog", "rank 3 hangs");
    die_here("eight");
}

static void die_after_end(struct job *job)
{
    state_begin(job, "train");
    state_end(job, "done", TASK_DONE);
    die_here("nine");
}

static void begin_only(struct job *job)
{
    state_begin(job, "train");
    exit(0);
}

/* How a child that does this ends; *text: state.json then, or NULL. */
static int child(void (*act)(struct job *job), struct job *job, char **text)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        if (!freopen("/dev/null", "w", stderr))
            exit(98);
        act(job);
    }
    waitpid(pid, &status, 0);
    *text = NULL;
    if (text_exists(path))
        CHECK(!text_read(path, text, NULL));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void check_state(const char *text, const char *command, const char *reason, int code,
                        const char *message)
{
    char found[512] = "";
    double exit_code = -1;
    CHECK(text && !json_find_string(text, "command", found, sizeof found) &&
          !strcmp(found, command));
    CHECK(text && !json_find_string(text, "reason", found, sizeof found) && !strcmp(found, reason));
    CHECK(text && !json_find_real(text, "exit", &exit_code) && (int)exit_code == code);
    found[0] = 0;
    if (text)
        json_find_string(text, "message", found, sizeof found);
    CHECK(*message ? strstr(found, message) != NULL : !*found);
}

int main(void)
{
    struct job *job = calloc(1, sizeof *job);
    char *text;
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/state.json", folder);
    snprintf(job->settings.run.out, sizeof job->settings.run.out, "%s", folder);
    job->comm = comm_self_create();

    CHECK(child(end_in_order, job, &text) == TASK_STOPPED);
    check_state(text, "train", "time limit", TASK_STOPPED, "");
    mem_free(text);
    CHECK(child(begin_only, job, &text) == 0); /* that of the command before is not left */
    CHECK(text == NULL);
    CHECK(child(fail_in_order, job, &text) == TASK_FAILED);
    check_state(text, "import", "failed", TASK_FAILED, "no \"such\" picture");
    mem_free(text);
    CHECK(child(die_on_thread, job, &text) == 1);
    check_state(text, "train", "died", TASK_FAILED, "library seven is broken");
    mem_free(text);
    CHECK(child(die_twice, job, &text) == 1);
    check_state(text, "train", "watchdog", TASK_FAILED, "rank 3 hangs");
    mem_free(text);
    CHECK(child(die_after_end, job, &text) == 1);
    check_state(text, "train", "done", TASK_DONE, "");
    mem_free(text);

    remove(path);
    CHECK(!rmdir(folder)); /* no other file is left */
    job->comm->ops->destroy(job->comm);
    free(job);
    return check_done();
}
