/* SPDX-License-Identifier: Apache-2.0
 * report_learning: log.jsonl as curves: loss in training, loss on held-out images, and that by level. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "tasks/report_html.h"

enum { MOST_BINS = 64, SHOWN = 4, NAME = 48 };

/* Values of `key` in the lines of the log that have it, beside their steps. */
struct series {
    int n;
    double *step, *value; /* owned */
};

static void series_read(const char *log, const char *key, struct series *s)
{
    size_t lines = 1;
    for (const char *c = log; *c; c++)
        lines += *c == '\n';
    s->n = 0;
    s->step = mem_alloc(lines * sizeof *s->step);
    s->value = mem_alloc(lines * sizeof *s->value);
    for (const char *line = log; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!json_find_real(line, "step", &s->step[s->n]) &&
            !json_find_real(line, key, &s->value[s->n]))
            s->n++;
    }
}

static void series_free(struct series *s)
{
    mem_free(s->step);
    mem_free(s->value);
}

static void loss_curves(struct page *p, const struct series *loss, const struct series *held)
{
    struct plot plot = {"optimiser step", "loss", 0, 1, 0, {{0}}};
    plot.curves[plot.count++] = (struct curve){"training", loss->step, loss->value, loss->n, 0};
    if (held->n)
        plot.curves[plot.count++] = (struct curve){"held-out images, averaged weights", held->step,
                                                   held->value, held->n, 0};
    page_section(p, "Learning",
                 "How far the network's step back is from the true one while it learns: squared "
                 "error summed over the pixels of an image, lower is better.");
    page_plot(p, &plot, "Logarithmic. Training: mean since the point before.");
    page_text(p, "After step %.0f: loss %.4g in training.", loss->step[loss->n - 1],
              loss->value[loss->n - 1]);
    if (held->n)
        page_text(p,
                  "On held-out images %.4g. If it rises while the training loss falls, the network "
                  "learns its images by heart.",
                  held->value[held->n - 1]);
}

/* The held-out loss over the levels, at up to SHOWN moments from the first to the last. */
static void loss_by_level(struct job *job, struct page *p, const char *log)
{
    struct series bin[MOST_BINS];
    int bins = 0, moments = 0;
    for (int b = 0; b < MOST_BINS; b++) { /* a bin without images has no numbers */
        char key[NAME];
        snprintf(key, sizeof key, "heldout_by_level.%d", b);
        series_read(log, key, &bin[b]);
        if (bin[b].n)
            bins = b + 1;
        moments = bin[b].n > moments ? bin[b].n : moments;
    }
    int shown = moments < SHOWN ? moments : SHOWN;
    double level[MOST_BINS], loss[SHOWN][MOST_BINS];
    char name[SHOWN][NAME];
    struct plot plot = {"level", "held-out loss", 0, 1, 0, {{0}}};
    for (int s = 0; s < shown; s++) {
        int at = shown > 1 ? s * (moments - 1) / (shown - 1) : 0;
        snprintf(name[s], sizeof name[s], "after step %.0f", bin[bins - 1].step[at]);
        for (int b = 0; b < bins; b++) {
            level[b] = 0.5 + (b + 0.5) * (double)job->settings.forward.levels / bins;
            loss[s][b] = at < bin[b].n ? bin[b].value[at] : NAN;
        }
        plot.curves[plot.count++] = (struct curve){name[s], level, loss[s], bins, 0};
    }
    if (plot.count)
        page_plot(
            p, &plot,
            "Loss on held-out images by level, from clean (left) to fully corrupted (right).");
    for (int b = 0; b < MOST_BINS; b++)
        series_free(&bin[b]);
}

void report_learning(struct job *job, struct page *p)
{
    char path[JOB_PATH], *log = NULL;
    struct series loss, held, rate;
    if (!text_exists(job_path(job, "log.jsonl", path)) || text_read(path, &log, NULL))
        return;
    series_read(log, "loss", &loss);
    series_read(log, "heldout", &held);
    series_read(log, "images_per_s", &rate);
    if (loss.n) {
        loss_curves(p, &loss, &held);
        loss_by_level(job, p, log);
        if (rate.n)
            page_text(p, "%.0f pairs of images a second.", rate.value[rate.n - 1]);
    }
    series_free(&loss);
    series_free(&held);
    series_free(&rate);
    mem_free(log);
}
