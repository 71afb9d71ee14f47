/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/train_log.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "tasks/heldout.h"

/* Keeps the lines of steps <= step. */
static int prune(const char *path, int64_t step)
{
    char *old = NULL, *kept;
    size_t bytes = 0, used = 0;
    if (!text_exists(path))
        return 0;
    if (text_read(path, &old, &bytes))
        return 1;
    kept = mem_alloc(bytes + 1);
    for (char *line = old, *end; *line; line = end + 1) {
        double at;
        end = strchr(line, '\n');
        if (!end)
            break; /* a line cut off by a kill */
        *end = 0;
        if (!json_find_real(line, "step", &at) && at <= (double)step) {
            size_t n = (size_t)(end - line);
            memcpy(kept + used, line, n);
            kept[used + n] = '\n';
            used += n + 1;
        }
    }
    kept[used] = 0;
    int failed = text_write(path, kept);
    mem_free(old);
    mem_free(kept);
    return failed;
}

int train_log_open(struct train_log *log, int rank, const char *path, int64_t step)
{
    log->file = NULL;
    if (rank)
        return 0;
    if (prune(path, step))
        return 1;
    log->file = fopen(path, "ab");
    if (!log->file)
        log_error("%s: %s", path, strerror(errno));
    return !log->file;
}

void train_log_write(struct train_log *log, const struct train_report *r)
{
    struct json j;
    if (!log->file)
        return;
    json_begin(&j, log->file, 0);
    json_object(&j, NULL);
    json_int(&j, "step", r->step);
    json_real(&j, "loss", r->loss);
    json_real(&j, "grad_norm", r->grad_norm);
    json_real(&j, "learning_rate", r->learning_rate);
    if (r->heldout) {
        json_real(&j, "heldout", r->heldout->mean);
        json_array(&j, "heldout_by_level");
        for (int b = 0; b < r->heldout->bins; b++)
            json_real(&j, NULL, r->heldout->by_level[b]);
        json_close(&j);
    }
    json_real(&j, "images_per_s", r->images_per_s);
    json_close(&j);
    fflush(log->file);
}

void train_log_close(struct train_log *log)
{
    if (log->file)
        fclose(log->file);
}
