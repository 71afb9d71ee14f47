/* SPDX-License-Identifier: Apache-2.0
 * The score 'spectrum': the power spectrum of every set of images side by side (metrics/spectrum.h). */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/timer.h"
#include "metrics/spectrum.h"
#include "tasks/evaluation.h"

/* Of a set; a ring holds many modes, so spectra settle long before scores do. */
enum { MOST_IMAGES = 4096 };

/* energy [rings] over the first images of a set, slab by slab: every slab's mean counts by its images. */
static int spectrum_of_set(struct comm *comm, const struct image_set *s, int rings, double *energy)
{
    int64_t slab = image_set_slab(s), seen = 0;
    int64_t count = s->first >= MOST_IMAGES ? 0 : MOST_IMAGES - s->first;
    count = count < s->count ? count : s->count;
    double rounds = (double)((count + slab - 1) / slab),
           *part = mem_alloc((size_t)rings * sizeof *part);
    float *images = mem_alloc((size_t)(slab * image_values(s)) * sizeof *images);
    int failed = 0;
    comm->ops->max_f64(comm, &rounds, 1);
    memset(energy, 0, (size_t)rings * sizeof *energy);
    for (int64_t r = 0; r < (int64_t)rounds && !failed; r++) {
        int64_t first = r * slab < count ? r * slab : count;
        int64_t n = count - first < slab ? count - first : slab;
        failed = comm_agree(comm, n && image_set_read(s, first, n, images));
        if (failed)
            break;
        spectrum_of(comm, images, n, s->width, s->channels, part);
        n = comm_sum_int(comm, n);
        for (int k = 0; k < rings; k++)
            energy[k] += part[k] * (double)n;
        seen += n;
    }
    for (int k = 0; k < rings && seen; k++)
        energy[k] /= (double)seen;
    mem_free(part);
    mem_free(images);
    return failed;
}

static int score_set(struct evaluation *e, const char *set_name, const struct image_set *s,
                     double **out)
{
    int rings = spectrum_rings(s->width), shown = s->width / 2 + 1;
    double began = timer_now_s(), *energy = mem_zalloc((size_t)rings * sizeof *energy);
    char name[64];
    *out = energy;
    snprintf(name, sizeof name, "spectrum/%s", set_name);
    if (unit_found(e, name, shown, energy, s->total))
        return TASK_DONE;
    timer_begin("evaluate/spectrum");
    int failed = spectrum_of_set(e->job->comm, s, rings, energy);
    timer_end("evaluate/spectrum");
    return failed ? TASK_FAILED : unit_finish(e, name, shown, energy, s->total, began);
}

int score_spectra(struct evaluation *e)
{
    int result = score_set(e, "real", &e->real, &e->spectrum[0]);
    for (int i = 0; i < COMPARED && !result; i++)
        if (e->compared[i].total)
            result = score_set(e, compared_name[i], &e->compared[i], &e->spectrum[1 + i]);
    return result;
}
