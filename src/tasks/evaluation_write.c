/* SPDX-License-Identifier: Apache-2.0
 * The scores for the reader: metrics.json, and a table on the terminal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/text.h"
#include "tasks/evaluation.h"
#include "tasks/judge.h"

/* Is the Frechet distance of this set on the same footing as that of the samples? It falls as N grows. */
static int same_n(const struct evaluation *e, int which)
{
    return e->compared[which].total == e->compared[SAMPLES].total;
}

void evaluation_print(const struct evaluation *e, int feature)
{
    const struct feature_scores *s = &e->features[feature];
    const char *name = e->job->settings.evaluate.features[feature];
    int unequal = 0;
    for (int i = 0; i < COMPARED; i++) {
        char fd[64] = "", prdc[80] = "", label[LABEL];
        if (!e->compared[i].total)
            continue;
        if (metric_wanted(e, "fd"))
            snprintf(fd, sizeof fd, "   %s%s %.4g%s", s->is_fid ? "FID" : "FD-",
                     s->is_fid ? "" : name, s->fd[i], same_n(e, i) ? "" : "*");
        if (metric_wanted(e, "prdc"))
            snprintf(prdc, sizeof prdc, "   P %.3f   R %.3f   D %.3f   C %.3f",
                     s->prdc[i].precision, s->prdc[i].recall, s->prdc[i].density,
                     s->prdc[i].coverage);
        log_info("  %-10s %-21s n %-7lld%s%s", name, compared_label(e, i, label),
                 (long long)e->compared[i].total, fd, prdc);
        unequal |= !same_n(e, i);
    }
    if (unequal && metric_wanted(e, "fd"))
        log_info("  * of another n than the samples: a Frechet distance falls as n grows, so the "
                 "two do not compare");
}

static void write_set(struct json *j, const struct evaluation *e, const struct feature_scores *s,
                      int which)
{
    const struct prdc *p = &s->prdc[which];
    if (metric_wanted(e, "fd"))
        json_real(j, "fd", s->fd[which]);
    if (metric_wanted(e, "fd") && s->is_fid)
        json_real(j, "fid", s->fd[which]);
    if (metric_wanted(e, "prdc")) {
        json_real(j, "precision", p->precision);
        json_real(j, "recall", p->recall);
        json_real(j, "density", p->density);
        json_real(j, "coverage", p->coverage);
    }
}

static void write_hash(struct json *j, const char *key, const char *path)
{
    char hex[SHA256_HEX];
    if (*path && !sha256_of_file(path, hex))
        json_string(j, key, hex);
}

static void write_features(struct json *j, const struct evaluation *e, int feature)
{
    const struct evaluate_settings *s = &e->job->settings.evaluate;
    const char *name = s->features[feature];
    int inception = !strcmp(name, "inception");
    json_object(j, name);
    if (judge_knows(name))
        write_hash(j, "weights_sha256", judge_weights(s, name));
    if (inception)
        json_string(j, "resize", s->fid_resize);
    write_set(j, e, &e->features[feature], SAMPLES);
    for (int i = SAMPLES + 1; i < COMPARED; i++) {
        if (!e->compared[i].total)
            continue;
        json_object(j, compared_name[i]);
        write_set(j, e, &e->features[feature], i);
        json_close(j);
    }
    json_close(j);
}

/* The samples' own values have the plain key, those of other sets "KEY_SET". */
static const char *key_of(const char *key, int which, char name[64])
{
    snprintf(name, 64, "%s%s%s", key, which == SAMPLES ? "" : "_",
             which == SAMPLES ? "" : compared_name[which]);
    return name;
}

static void write_nearest(struct json *j, const struct evaluation *e)
{
    char name[64];
    for (int i = 0; i < COMPARED; i++) {
        if (!e->compared[i].total)
            continue;
        json_real(j, key_of("nearest_mean", i, name), e->nearest[i]);
        if (e->memorised[i] >= 0)
            json_real(j, key_of("memorised", i, name), e->memorised[i]);
    }
}

static void write_lpips(struct json *j, const struct evaluation *e)
{
    const struct evaluate_settings *s = &e->job->settings.evaluate;
    char name[64];
    json_string(j, "lpips_trunk", s->lpips_trunk);
    write_hash(j, "lpips_trunk_sha256", *s->trunk_weights ? s->trunk_weights : s->weights);
    write_hash(j, "lpips_weights_sha256", s->lpips_weights);
    for (int i = SAMPLES; i <= SAMPLES_TRAIN; i++) {
        const struct lpips_summary *l = &e->lpips[i];
        if (!e->compared[i].total)
            continue;
        json_real(j, key_of("lpips_mean", i, name), l->mean);
        if (l->repeated > 0)
            json_real(j, key_of("lpips_std", i, name), l->std);
        json_real(j, key_of("lpips_pair_std", i, name), l->pair_std);
        json_int(j, key_of("lpips_pairs", i, name), (int64_t)l->pairs);
    }
}

static void write_spectra(struct json *j, const struct evaluation *e)
{
    json_object(j, "spectrum");
    for (int i = 0; i < 1 + COMPARED; i++) {
        if (!e->spectrum[i])
            continue;
        json_array(j, i ? compared_name[i - 1] : "real");
        for (int k = 0; k <= e->real.width / 2; k++)
            json_real(j, NULL, e->spectrum[i][k]);
        json_close(j);
    }
    json_close(j);
}

static void write_all(struct json *j, const struct evaluation *e)
{
    const struct evaluate_settings *s = &e->job->settings.evaluate;
    char name[64];
    json_object(j, NULL);
    json_int(j, "n_real", e->real.total);
    json_int(j, "n_fake", e->compared[SAMPLES].total);
    for (int i = SAMPLES; i < COMPARED; i++)
        if (e->compared[i].total) {
            snprintf(name, sizeof name, "n_%s", compared_name[i]);
            json_int(j, name, e->compared[i].total);
        }
    if (*e->seeds)
        json_string(j, "seeds", e->seeds);
    json_string(j, "mode", e->job->settings.forward.mode);
    if (metric_wanted(e, "prdc"))
        json_int(j, "prdc_k", s->prdc_k);
    for (int f = 0; f < s->feature_count; f++)
        if (metric_wanted(e, "fd") || metric_wanted(e, "prdc"))
            write_features(j, e, f);
    if (metric_wanted(e, "nearest"))
        write_nearest(j, e);
    if (metric_wanted(e, "lpips"))
        write_lpips(j, e);
    if (metric_wanted(e, "spectrum"))
        write_spectra(j, e);
    json_close(j);
}

int evaluation_write(const struct evaluation *e)
{
    char path[JOB_PATH], *text = NULL;
    size_t bytes = 0;
    struct json j;
    FILE *memory = open_memstream(&text, &bytes);
    if (!memory)
        return TASK_FAILED;
    json_begin(&j, memory, 1);
    write_all(&j, e);
    int failed = fclose(memory) || text_write(job_path(e->job, "metrics.json", path), text);
    free(text);
    return failed ? TASK_FAILED : TASK_DONE;
}
