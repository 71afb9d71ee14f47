/* SPDX-License-Identifier: Apache-2.0
 * OUT/lock, locked by fcntl on rank 0. The system drops such a lock when the process ends, however it
 * ends; on NFS and Lustre it holds across nodes. That of a node that died may outlive it for a while:
 * the next leg of the same Slurm job goes on all the same. */
#include "tasks/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/timer.h"

enum { LINE = 256 };
static const double PATIENCE_S = 3; /* ranks of a job that was killed end one after the other */

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : "-";
}

static int try_lock(int file)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(file, F_SETLK, &all) ? errno : 0;
}

static int is_taken(int error)
{
    return error == EACCES || error == EAGAIN;
}

/* Is the holder, as it wrote itself down, an earlier leg of this Slurm job? */
static int is_our_past(const char *holder)
{
    char job[64], restart[64];
    const char *slurm = strstr(holder, "Slurm job ");
    return slurm && sscanf(slurm, "Slurm job %63s restart %63s", job, restart) == 2 &&
           strcmp(job, "-") && !strcmp(job, variable("SLURM_JOB_ID")) &&
           strcmp(restart, variable("SLURM_RESTART_COUNT"));
}

static void sign(const struct job *job, int file)
{
    char line[LINE];
    snprintf(line, sizeof line, "process %ld on %s, Slurm job %s restart %s\n", (long)getpid(),
             job->comm->host, variable("SLURM_JOB_ID"), variable("SLURM_RESTART_COUNT"));
    if (ftruncate(file, 0) || pwrite(file, line, strlen(line), 0) < 0)
        log_warn("%s/lock: cannot be written: %s", job->settings.run.out, strerror(errno));
}

static int take(const struct job *job)
{
    char path[JOB_PATH], holder[LINE] = "";
    int file = open(job_path(job, "lock", path), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) {
        log_error("%s: cannot be written: %s", path, strerror(errno));
        return 1;
    }
    int error = try_lock(file);
    for (double end = timer_now_s() + PATIENCE_S; is_taken(error) && timer_now_s() < end;) {
        nanosleep(&(struct timespec){0, 100000000}, NULL);
        error = try_lock(file);
    }
    if (!error) {
        sign(job, file);
        return 0; /* open, and thereby locked, until the end */
    }
    ssize_t got = pread(file, holder, sizeof holder - 1, 0);
    holder[got > 0 ? got : 0] = 0;
    holder[strcspn(holder, "\n")] = 0;
    close(file);
    if (!is_taken(error)) {
        log_warn("%s: this file system has no locks (%s); make sure that no other command writes "
                 "into this folder",
                 path, strerror(error));
        return 0;
    }
    if (is_our_past(holder)) {
        log_warn("%s is still held by the leg before of this job (%s); going on", path, holder);
        return 0;
    }
    log_error("another command writes into %s (%s); wait for it, or set another run.out",
              job->settings.run.out, *holder ? holder : "it does not say which");
    return 1;
}

int lock_take(const struct job *job)
{
    return comm_agree(job->comm, job->comm->rank == 0 && take(job));
}
