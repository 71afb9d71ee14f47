/* SPDX-License-Identifier: Apache-2.0
 * report: run.out/report.html, one page that shows a whole run. It is made from the files of the run alone, so it can be
 * made at any time; what is not there yet is left out. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "files/dataset.h"
#include "tasks/report_html.h"

enum { CELL = 128 };

/* NULL if the file is not there. Caller frees. */
static char *read_text(const struct job *job, const char *name)
{
    char path[JOB_PATH], *text = NULL;
    if (!text_exists(job_path(job, name, path)) || text_read(path, &text, NULL))
        return NULL;
    return text;
}

static void picture(struct job *job, struct page *p, const char *name, const char *title,
                    const char *what, const char *caption)
{
    char path[JOB_PATH];
    if (!text_exists(job_path(job, name, path)))
        return;
    page_section(p, title, what);
    page_png_file(p, path, caption);
}

static void timings(struct job *job, struct page *p)
{
    static const char *const heads[] = {"stage", "mean, s", "slowest rank, s", "share"};
    char *text = read_text(job, "timings.json"), name[CELL], path[CELL + 32];
    double seconds = 0, memory = 0, ranks = 0;
    if (!text)
        return;
    if (!json_find_real(text, "seconds", &seconds) &&
        !json_find_key(text, "sections", 0, name, sizeof name)) {
        page_section(p, "Where the time went",
                     "Wall-clock time of the last command, by stage; indented rows are parts of "
                     "the stage above.");
        page_table_begin(p, 4, heads);
        for (int i = 0; !json_find_key(text, "sections", i, name, sizeof name); i++) {
            char label[CELL + 8], mean_text[CELL], top_text[CELL], share[CELL];
            const char *cells[] = {label, mean_text, top_text, share};
            double mean = 0, top = 0;
            const char *part = strchr(name, '/');
            snprintf(path, sizeof path, "sections.%s.mean_s", name);
            json_find_real(text, path, &mean);
            snprintf(path, sizeof path, "sections.%s.slowest_s", name);
            json_find_real(text, path, &top);
            snprintf(label, sizeof label, "%s%s", part ? "\xc2\xa0\xc2\xa0\xc2\xa0" : "",
                     part ? part + 1 : name);
            snprintf(mean_text, sizeof mean_text, "%.2f", mean);
            snprintf(top_text, sizeof top_text, "%.2f", top);
            snprintf(share, sizeof share, "%.1f %%", seconds > 0 ? 100 * top / seconds : 0.0);
            page_row(p, 4, cells, !part);
        }
        page_table_end(p);
        json_find_real(text, "peak_memory_mb", &memory);
        json_find_real(text, "ranks", &ranks);
        page_text(p, "%.1f s in all on %.0f rank%s, at most %.0f MB of memory a rank.", seconds,
                  ranks, ranks == 1 ? "" : "s", memory);
    }
    mem_free(text);
}

/* Which ranks on which hosts: the first lines of run.json's table. */
static void list_hosts(const char *run, char *out, size_t out_bytes)
{
    enum { LINES = 8 };
    char host[CELL], ranks[CELL], path[32];
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; used < out_bytes; i++) {
        snprintf(path, sizeof path, "ranks_on.%d.host", i);
        if (json_find_string(run, path, host, sizeof host))
            return;
        snprintf(path, sizeof path, "ranks_on.%d.ranks", i);
        json_find_string(run, path, ranks, sizeof ranks);
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", used ? ", " : "",
                                 i == LINES ? "..." : host);
        if (i == LINES)
            return;
        if (used < out_bytes)
            used += (size_t)snprintf(out + used, out_bytes - used, " (%s)", ranks);
    }
}

static void provenance(struct job *job, struct page *p)
{
    static const char *const keys[][2] = {{"deck", "deck"},
                                          {"started", "started"},
                                          {"command", "command"},
                                          {"ranks_on.0.device", "device"},
                                          {"precision", "arithmetic of the network"},
                                          {"version", "version"},
                                          {"commit", "commit"},
                                          {"build", "build"}};
    char *text = read_text(job, "run.json"), value[512], hosts[512];
    if (text) {
        page_section(
            p, "What ran where",
            "The program, the machine and the command line of the last command in this folder.");
        page_table_begin(p, 2, NULL);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            const char *cells[] = {keys[i][1], value};
            if (!json_find_string(text, keys[i][0], value, sizeof value))
                page_row(p, 2, cells, 0);
        }
        list_hosts(text, hosts, sizeof hosts);
        page_row(p, 2, (const char *const[]){"hosts (ranks)", hosts}, 0);
        page_table_end(p);
        page_fold(p, "run.json", text);
    }
    page_section(
        p, "The deck",
        "Every setting of this run, defaults included; 'peclet help GROUP' explains them.");
    page_fold(p, "deck.nml, resolved", job->deck);
    mem_free(text);
}

static void subtitle(struct job *job, char *out, size_t out_bytes)
{
    const struct settings *s = &job->settings;
    struct dataset_shape shape;
    struct h5_file *file = NULL;
    char path[JOB_PATH], images[CELL] = "";
    if (h5_probe(job_path(job, "dataset.h5", path), "peclet-dataset", NULL) == 3 &&
        !dataset_open(path, NULL, &shape, &file))
        snprintf(images, sizeof images, "%lld images of %d x %d px. ", (long long)shape.count,
                 shape.width, shape.height);
    h5_close(file);
    if (!strcmp(s->forward.process, "heat"))
        snprintf(out, out_bytes, "%sPure blur (process 'heat') in %lld levels.", images,
                 (long long)s->forward.levels);
    else
        snprintf(out, out_bytes,
                 "%sCarried by a flow at Peclet number %g and blurred, mode '%s', in %lld levels.",
                 images, s->forward.pe, s->forward.mode, (long long)s->forward.levels);
}

/* Says so, in the log and on the page, if a file of the folder is of another deck. */
static void warn_foreign(struct job *job, struct page *p, enum job_file kind, const char *name,
                         const char *format)
{
    char path[JOB_PATH], *stored = NULL;
    int state = h5_probe(job_path(job, name, path), format, &stored);
    if (state >= 2 && stored && !job_matches(job, kind, path, stored, 0)) {
        log_warn("%s was made with another deck (above) than the one that is reported", path);
        page_text(p, "Beware: %s was made with another deck than the one below.", name);
    }
    mem_free(stored);
}

static void write_page(struct job *job, struct page *p)
{
    warn_foreign(job, p, FILE_DATASET, "dataset.h5", "peclet-dataset");
    warn_foreign(job, p, FILE_TRAJECTORIES, "trajectories.h5", "peclet-trajectories");
    char *metrics = read_text(job, "metrics.json");
    picture(
        job, p, "corruption.png", "Corruption",
        "What the forward process does to images: clean on the left, the last level on the right.",
        "One training image a row; the levels are evenly spread.");
    picture(job, p, "samples.png", "Samples",
            "New images, in the order they were drawn; none is left out or chosen.",
            "Drawn with the averaged weights of the network.");
    report_nearest(job, p);
    picture(
        job, p, "chain.png", "The way back",
        "How samples come about: fully corrupted on the left, the finished sample on the right.",
        "One sample a row; the levels are evenly spread.");
    report_learning(job, p);
    if (metrics) {
        report_scores(job, p, metrics);
        report_spectra(p, metrics);
    }
    report_flow(job, p);
    timings(job, p);
    provenance(job, p);
    mem_free(metrics);
}

int task_report(struct job *job)
{
    char path[JOB_PATH], temporary[JOB_PATH + 8], line[1024];
    int failed = 0;
    if (job->comm->rank == 0) {
        struct page page;
        job_path(job, "report.html", path);
        snprintf(temporary, sizeof temporary, "%s.tmp", path);
        FILE *file = fopen(temporary, "wb");
        if (file) {
            subtitle(job, line, sizeof line);
            page_begin(&page, file, job->settings.run.name, line);
            write_page(job, &page);
            page_end(&page);
            failed = ferror(file);
            failed |= fclose(file) != 0;
        }
        failed = !file || failed || rename(temporary, path);
        if (failed) {
            log_error("%s: cannot be written; is the folder there, and room on the disk?", path);
            remove(temporary);
        } else {
            log_info("%s: the run on one page", path);
        }
    }
    return comm_agree(job->comm, failed) ? TASK_FAILED : TASK_DONE;
}
