/* SPDX-License-Identifier: Apache-2.0
 * report: what a run leaves for people and scripts: the table of where the time went, timings.json,
 * state.json, run.json. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/timer.h"
#include "base/version.h"
#include "tasks/tasks.h"

enum { NAME_BYTES = 48 };

static double seconds_of(const char *name)
{
    for (int i = 0; i < timer_count(); i++)
        if (!strcmp(timer_name(i), name))
            return timer_seconds(i);
    return 0;
}

static FILE *open_json(const struct job *job, const char *name, struct json *j)
{
    char path[JOB_PATH];
    FILE *file = fopen(job_path(job, name, path), "wb");
    if (!file) {
        log_warn("%s: cannot be written", path);
        return NULL;
    }
    json_begin(j, file, 1);
    json_object(j, NULL);
    return file;
}

/* Peak resident memory of this process, MB. */
static double peak_rss_mb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024.0;
}

void job_report(const struct job *job, const char *command, double seconds)
{
    struct comm *comm = job->comm;
    struct json j;
    int sections = timer_count();
    double memory = peak_rss_mb();
    FILE *file = comm->rank == 0 ? open_json(job, "timings.json", &j) : NULL;

    comm->ops->max_f64(comm, &memory, 1);
    comm->ops->bcast(comm, &sections, sizeof sections, 0);
    if (file) {
        json_string(&j, "command", command);
        json_int(&j, "ranks", comm->size);
        json_real(&j, "seconds", seconds);
        json_real(&j, "peak_memory_mb", memory);
        json_object(&j, "sections");
    }
    log_info("%-24s %10s %10s %7s", "where the time went", "mean s", "slowest s", "share");
    for (int i = 0; i < sections; i++) {
        char name[NAME_BYTES] = "";
        if (comm->rank == 0)
            snprintf(name, sizeof name, "%s", timer_name(i));
        comm->ops->bcast(comm, name, sizeof name, 0);
        double sum = seconds_of(name), top = sum;
        comm->ops->sum_f64(comm, &sum, 1);
        comm->ops->max_f64(comm, &top, 1);
        log_info("%s%-*s %10.2f %10.2f %6.1f%%", strchr(name, '/') ? "  " : "",
                 strchr(name, '/') ? 22 : 24, name, sum / comm->size, top, 100.0 * top / seconds);
        if (file) {
            json_object(&j, name);
            json_real(&j, "mean_s", sum / comm->size);
            json_real(&j, "slowest_s", top);
            json_close(&j);
        }
    }
    log_info("%-24s %10.2f %28.0f MB peak memory a rank", "total", seconds, memory);
    if (file) {
        json_close(&j);
        json_close(&j);
        fclose(file);
    }
}

int job_write_state(const struct job *job, const char *command, const char *reason, int exit_code)
{
    struct json j;
    if (job->comm->rank)
        return 0;
    FILE *file = open_json(job, "state.json", &j);
    if (!file)
        return 1;
    json_string(&j, "command", command);
    json_string(&j, "reason", reason);
    json_int(&j, "exit", exit_code);
    json_close(&j);
    return fclose(file) != 0;
}

int job_write_provenance(const struct job *job, const char *command)
{
    enum { HOST = sizeof((struct comm *)0)->host };
    struct comm *comm = job->comm;
    char *hosts = mem_alloc((size_t)comm->size * HOST), path[JOB_PATH], now[32];
    struct json j;
    time_t t = time(NULL);
    struct tm utc;

    comm->ops->allgather(comm, comm->host, HOST, hosts);
    int failed = 0;
    if (comm->rank == 0) {
        FILE *file = open_json(job, "run.json", &j);
        failed = !file || text_write(job_path(job, "deck.nml", path), job->deck);
        if (file) {
            strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &utc));
            json_string(&j, "name", job->settings.run.name);
            json_string(&j, "command", command);
            json_string(&j, "deck", job->deck_path);
            json_array(&j, "command_line");
            for (int i = 0; i < job->argc; i++)
                json_string(&j, NULL, job->argv[i]);
            json_close(&j);
            json_string(&j, "started", now);
            json_string(&j, "version", version_number());
            json_string(&j, "commit", version_commit());
            json_string(&j, "build", version_build());
            json_string(&j, "device", job->device->description);
            json_string(&j, "precision", job->precision == DTYPE_BF16 ? "bf16" : "fp32");
            json_array(&j, "hosts");
            for (int r = 0; r < comm->size; r++)
                json_string(&j, NULL, hosts + (size_t)r * HOST);
            json_close(&j);
            json_close(&j);
            failed |= fclose(file) != 0;
        }
    }
    mem_free(hosts);
    return comm_agree(comm, failed);
}
