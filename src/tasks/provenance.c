/* SPDX-License-Identifier: Apache-2.0
 * The record of a run: which program, from which deck, on which ranks, hosts and devices, under
 * which job of the scheduler, after which earlier starts. run.json holds that of the last start;
 * HDF5 files carry that of the start that made them; history.jsonl has a line for every start. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/version.h"
#include "files/h5io.h"
#include "tasks/tasks.h"

struct seat { /* of a rank */
    char host[sizeof((struct comm *)0)->host];
    char device[sizeof((struct device *)0)->description];
};

static void write_time(struct json *j, const char *key)
{
    char now[32];
    time_t t = time(NULL);
    struct tm utc;
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &utc));
    json_string(j, key, now);
}

/* What Slurm says about the job; nothing outside of one. */
static void write_slurm(struct json *j)
{
    static const char *const names[] = {"JOB_ID",        "ARRAY_JOB_ID",  "ARRAY_TASK_ID",
                                        "RESTART_COUNT", "JOB_PARTITION", "JOB_NODELIST",
                                        "CLUSTER_NAME"};
    if (!getenv("SLURM_JOB_ID"))
        return;
    json_object(j, "slurm");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char variable[32];
        snprintf(variable, sizeof variable, "SLURM_%s", names[i]);
        const char *value = getenv(variable);
        if (value)
            json_string(j, names[i], value);
    }
    json_close(j);
}

/* Ranks one after the other with the same host and device are one line. */
static void write_seats(struct json *j, const struct seat *seat, int ranks)
{
    json_array(j, "ranks_on");
    for (int first = 0, next; first < ranks; first = next) {
        char range[32];
        for (next = first + 1; next < ranks && !memcmp(&seat[next], &seat[first], sizeof *seat);)
            next++;
        if (next - first > 1)
            snprintf(range, sizeof range, "%d-%d", first, next - 1);
        else
            snprintf(range, sizeof range, "%d", first);
        json_object(j, NULL);
        json_string(j, "ranks", range);
        json_string(j, "host", seat[first].host);
        json_string(j, "device", seat[first].device);
        json_close(j);
    }
    json_close(j);
}

/* A line for this start; then *history is the whole file, a line a start, oldest first. */
static int add_to_history(const struct job *job, const char *command, char **history)
{
    char path[JOB_PATH];
    const char *id = getenv("SLURM_JOB_ID");
    FILE *file = fopen(job_path(job, "history.jsonl", path), "ab");
    if (!file) {
        log_error("%s: cannot be written", path);
        return 1;
    }
    struct json j;
    json_begin(&j, file, 0);
    json_object(&j, NULL);
    write_time(&j, "started");
    json_string(&j, "command", command);
    json_int(&j, "ranks", job->comm->size);
    json_string(&j, "commit", version_commit());
    if (id)
        json_string(&j, "slurm_job", id);
    json_close(&j);
    if (ferror(file) | fclose(file)) {
        log_error("%s: cannot be written", path);
        return 1;
    }
    return text_read(path, history, NULL);
}

static void write_lines(struct json *j, const char *key, char *lines)
{
    json_array(j, key);
    for (char *rest, *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        json_raw(j, NULL, line);
    json_close(j);
}

static void write_record(FILE *file, const struct job *job, const char *command,
                         const struct seat *seat, char *history)
{
    struct json j;
    json_begin(&j, file, 1);
    json_object(&j, NULL);
    json_string(&j, "name", job->settings.run.name);
    json_string(&j, "command", command);
    json_string(&j, "deck", job->deck_path);
    json_array(&j, "command_line");
    for (int i = 0; i < job->argc; i++)
        json_string(&j, NULL, job->argv[i]);
    json_close(&j);
    write_time(&j, "started");
    json_string(&j, "version", version_number());
    json_string(&j, "commit", version_commit());
    json_string(&j, "build", version_build());
    json_array(&j, "libraries");
    json_string(&j, NULL, h5_library());
    if (*job->comm->library)
        json_string(&j, NULL, job->comm->library);
    json_close(&j);
    json_string(&j, "precision", job->precision == DTYPE_BF16 ? "bf16" : "fp32");
    json_int(&j, "ranks", job->comm->size);
    write_seats(&j, seat, job->comm->size);
    write_slurm(&j);
    write_lines(&j, "starts", history);
    json_string(&j, "deck_text", job->deck_text);
    json_close(&j);
}

int job_write_provenance(const struct job *job, const char *command)
{
    static char *record; /* stays: files made later carry it */
    struct comm *comm = job->comm;
    struct seat mine = {0}, *seat = mem_alloc((size_t)comm->size * sizeof *seat);
    char path[JOB_PATH], *history = NULL;
    size_t bytes = 0;
    int failed = 0;

    snprintf(mine.host, sizeof mine.host, "%s", comm->host);
    snprintf(mine.device, sizeof mine.device, "%s", job->device->description);
    comm->ops->allgather(comm, &mine, sizeof mine, seat);
    if (comm->rank == 0) {
        FILE *file = open_memstream(&record, &bytes);
        failed = !file || add_to_history(job, command, &history);
        if (!failed)
            write_record(file, job, command, seat, history);
        failed |= !file || fclose(file);
        failed = failed || text_write(job_path(job, "run.json", path), record) ||
                 text_write(job_path(job, "deck.nml", path), job->deck);
        mem_free(history);
    }
    mem_free(seat);
    if (comm_agree(comm, failed))
        return 1;
    comm->ops->bcast(comm, &bytes, sizeof bytes, 0);
    if (comm->rank)
        record = calloc(bytes + 1, 1);
    comm->ops->bcast(comm, record, bytes, 0);
    h5_describe_run(record);
    return 0;
}
