/* SPDX-License-Identifier: Apache-2.0
 * The record of a run: which program, from which deck, on which ranks, hosts and devices, under
 * which job of the scheduler, after which earlier starts. run.json holds that of the last start,
 * history.jsonl a line for every start in this folder. HDF5 files carry the record of the start that
 * made them and a line for each that went on with them. */
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
#include "metrics/metrics.h"
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

static void write_commit(struct json *j)
{
    json_string(j, "version", version_number());
    json_string(j, "commit", version_commit());
    json_bool(j, "dirty", strstr(version_commit(), "-dirty") != NULL);
}

static void write_overrides(struct json *j, const struct job *job)
{
    json_array(j, "overrides");
    for (int i = 3; i < job->argc; i++)
        json_string(j, NULL, job->argv[i]);
    json_close(j);
}

/* "n1 x 4, n2 x 4, ...": short, for there is a line for every start. */
static void list_hosts(char *text, size_t bytes, const struct seat *seat, int ranks)
{
    size_t used = 0;
    for (int first = 0, next; first < ranks && used < bytes; first = next) {
        for (next = first + 1; next < ranks && !strcmp(seat[next].host, seat[first].host);)
            next++;
        if (used + sizeof seat->host + 32 > bytes) {
            snprintf(text + used, bytes - used, ", ...");
            return;
        }
        used += (size_t)snprintf(text + used, bytes - used, "%s%s x %d", used ? ", " : "",
                                 seat[first].host, next - first);
    }
}

/* One line about this start (free), or NULL. */
static char *describe_leg(const struct job *job, const char *command, const struct seat *seat)
{
    char *line = NULL, hosts[512];
    size_t bytes;
    struct json j;
    FILE *file = open_memstream(&line, &bytes);
    if (!file)
        return NULL;
    list_hosts(hosts, sizeof hosts, seat, job->comm->size);
    json_begin(&j, file, 0);
    json_object(&j, NULL);
    write_time(&j, "started");
    json_string(&j, "command", command);
    write_overrides(&j, job);
    write_commit(&j);
    json_int(&j, "ranks", job->comm->size);
    json_string(&j, "hosts", hosts);
    json_string(&j, "device", seat->device);
    write_slurm(&j);
    json_close(&j);
    if (fclose(file))
        return NULL;
    line[strcspn(line, "\n")] = 0;
    return line;
}

/* Adds this start's line; then *history is the whole file, a line a start, oldest first. */
static int add_to_history(const struct job *job, const char *leg, char **history)
{
    char path[JOB_PATH];
    FILE *file = fopen(job_path(job, "history.jsonl", path), "ab");
    if (!file || fprintf(file, "%s\n", leg) < 0 || fclose(file)) {
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

static void write_libraries(struct json *j, const struct job *job)
{
    const char *const names[] = {h5_library(), job->comm->library, job->device->libraries,
                                 metrics_blas()};
    json_array(j, "libraries");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (*names[i])
            json_string(j, NULL, names[i]);
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
    write_overrides(&j, job);
    write_time(&j, "started");
    write_commit(&j);
    json_string(&j, "build", version_build());
    write_libraries(&j, job);
    json_string(&j, "device", job->device->name);
    json_string(&j, "precision", job->precision == DTYPE_BF16 ? "bf16" : "fp32");
    json_int(&j, "ranks", job->comm->size);
    write_seats(&j, seat, job->comm->size);
    write_slurm(&j);
    write_lines(&j, "starts", history);
    json_string(&j, "deck_text", job->deck_text);
    json_string(&j, "deck_resolved", job->deck);
    json_close(&j);
}

/* Rank 0's text on every rank; it stays, for files made later carry it. */
static char *share(struct comm *comm, char *text)
{
    size_t bytes = text ? strlen(text) : 0;
    comm->ops->bcast(comm, &bytes, sizeof bytes, 0);
    if (comm->rank)
        text = calloc(bytes + 1, 1);
    comm->ops->bcast(comm, text, bytes, 0);
    return text;
}

int job_write_provenance(const struct job *job, const char *command)
{
    static char *record, *leg;
    struct comm *comm = job->comm;
    struct seat mine = {0}, *seat = mem_alloc((size_t)comm->size * sizeof *seat);
    char path[JOB_PATH], *history = NULL;
    size_t bytes = 0;
    int failed = 0;

    snprintf(mine.host, sizeof mine.host, "%s", comm->host);
    snprintf(mine.device, sizeof mine.device, "%s", job->device->description);
    comm->ops->allgather(comm, &mine, sizeof mine, seat);
    if (comm->rank == 0) {
        leg = describe_leg(job, command, seat);
        FILE *file = leg ? open_memstream(&record, &bytes) : NULL;
        failed = !file || add_to_history(job, leg, &history);
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
    record = share(comm, record);
    leg = share(comm, leg);
    h5_describe_run(record, leg);
    return 0;
}
