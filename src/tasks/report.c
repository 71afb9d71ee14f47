/* SPDX-License-Identifier: Apache-2.0
 * report: where the time went, as a table and as timings.json. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/timer.h"
#include "tasks/tasks.h"

enum { NAME_BYTES = 48 };

static double seconds_of(const char *name)
{
    for (int i = 0; i < timer_count(); i++)
        if (!strcmp(timer_name(i), name))
            return timer_seconds(i);
    return 0;
}

static FILE *open_timings(const struct job *job, struct json *j)
{
    char path[JOB_PATH];
    FILE *file = fopen(job_path(job, "timings.json", path), "wb");
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
    return (double)usage.ru_maxrss * 1024e-6;
}

void job_report(const struct job *job, const char *command, double seconds)
{
    struct comm *comm = job->comm;
    struct json j;
    int sections = timer_count();
    double memory = peak_rss_mb(), device = (double)job->device->peak_bytes * 1e-6;
    double heap = (double)mem_peak_bytes() * 1e-6;
    FILE *file = comm->rank == 0 ? open_timings(job, &j) : NULL;

    comm->ops->max_f64(comm, &memory, 1);
    comm->ops->max_f64(comm, &device, 1);
    comm->ops->max_f64(comm, &heap, 1);
    comm->ops->bcast(comm, &sections, sizeof sections, 0);
    if (file) {
        json_string(&j, "command", command);
        json_int(&j, "ranks", comm->size);
        json_real(&j, "seconds", seconds);
        json_real(&j, "peak_memory_mb", memory);
        json_real(&j, "peak_device_mb", device);
        json_real(&j, "peak_heap_mb", heap);
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
