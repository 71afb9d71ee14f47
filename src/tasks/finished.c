/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/finished.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/text.h"

struct finished {
    struct job *job;
    char path[JOB_PATH];
    char *lines; /* rank 0: what an earlier start left */
};

/* Rank 0. What is there already, without a last line that was cut short; "" unless it belongs to these inputs. */
static char *read_lines(const char *path, const char *inputs)
{
    char *text = NULL, found[SHA256_HEX];
    if (!text_exists(path) || text_read(path, &text, NULL))
        return mem_strdup("");
    char *end = strrchr(text, '\n');
    text[end ? end + 1 - text : 0] = 0;
    if (json_find_string(text, "inputs", found, sizeof found) || strcmp(found, inputs))
        *text = 0;
    return text;
}

int finished_open(struct job *job, const char *inputs, struct finished **out)
{
    struct finished *f = mem_zalloc(sizeof *f);
    char hash[SHA256_HEX], first[SHA256_HEX + 32];
    int failed = 0;
    f->job = job;
    job_path(job, "metrics-partial.jsonl", f->path);
    if (job->comm->rank == 0) {
        sha256_of(inputs, strlen(inputs), hash);
        snprintf(first, sizeof first, "{\"inputs\": \"%s\"}\n", hash);
        f->lines = read_lines(f->path, hash);
        failed = text_write(f->path, *f->lines ? f->lines : first);
    }
    if (comm_agree(job->comm, failed)) {
        finished_close(f, 0);
        return 1;
    }
    *out = f;
    return 0;
}

static int find(const char *lines, const char *what, int n, double *value)
{
    char name[128];
    for (const char *line = lines; *line; line = strchr(line, '\n') + 1) {
        if (json_find_string(line, "what", name, sizeof name) || strcmp(name, what))
            continue;
        int failed = 0;
        for (int i = 0; i < n && !failed; i++) {
            snprintf(name, sizeof name, "values.%d", i);
            failed = json_find_real(line, name, &value[i]);
        }
        return !failed;
    }
    return 0;
}

int finished_find(const struct finished *f, const char *what, int n, double *value)
{
    struct comm *comm = f->job->comm;
    int found = comm->rank == 0 && find(f->lines, what, n, value);
    if (!comm_agree(comm, found))
        return 0;
    comm->ops->bcast(comm, value, (size_t)n * sizeof *value, 0);
    return 1;
}

int finished_add(struct finished *f, const char *what, int n, const double *value)
{
    int failed = 0;
    if (f->job->comm->rank == 0) {
        FILE *file = fopen(f->path, "ab");
        struct json j;
        if (file) {
            json_begin(&j, file, 0);
            json_object(&j, NULL);
            json_string(&j, "what", what);
            json_array(&j, "values");
            for (int i = 0; i < n; i++)
                json_real(&j, NULL, value[i]);
            json_close(&j);
            json_close(&j);
        }
        failed = !file || (ferror(file) | fclose(file));
        if (failed)
            log_error("%s: cannot be written", f->path);
    }
    return comm_agree(f->job->comm, failed);
}

void finished_close(struct finished *f, int done)
{
    if (!f)
        return;
    if (done && f->job->comm->rank == 0)
        remove(f->path);
    mem_free(f->lines);
    mem_free(f);
}
