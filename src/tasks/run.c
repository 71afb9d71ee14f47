/* SPDX-License-Identifier: Apache-2.0
 * run: the stages of a deck in their order. Each stage itself knows when its output is complete. */
#include <string.h>

#include "tasks/tasks.h"

static const struct {
    const char *name;
    int (*task)(struct job *job);
} stages[] = {{"import", task_import},
              {"precompute", task_precompute},
              {"train", task_train},
              {"sample", task_sample},
              {"evaluate", task_evaluate}};

static int switched_on(const struct run_settings *run, const char *stage)
{
    for (int i = 0; i < run->stage_count; i++)
        if (!strcmp(run->stages[i], stage))
            return 1;
    return 0;
}

int task_run(struct job *job)
{
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        if (!switched_on(&job->settings.run, stages[i].name))
            continue;
        int result = stages[i].task(job);
        if (result != TASK_DONE)
            return result;
    }
    return TASK_DONE;
}
