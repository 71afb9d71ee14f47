/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/spectra.h"

#include "base/mem.h"
#include "base/timer.h"
#include "metrics/spectrum.h"

enum {
    MOST_IMAGES = 4096
}; /* of a set: a ring holds many modes, so spectra settle long before scores do */

void spectra_write(struct comm *comm, int sets, const char *const *names,
                   const struct image_set *const *set, struct json *j)
{
    timer_begin("evaluate/spectrum");
    if (j)
        json_object(j, "spectrum");
    for (int i = 0; i < sets; i++) {
        if (!set[i]->total)
            continue;
        int side = set[i]->side;
        double *energy = mem_alloc((size_t)spectrum_rings(side) * sizeof *energy);
        int64_t count = set[i]->first >= MOST_IMAGES ? 0 : MOST_IMAGES - set[i]->first;
        spectrum_of(comm, set[i]->images, count < set[i]->count ? count : set[i]->count, side,
                    set[i]->channels, energy);
        if (j)
            json_array(j, names[i]);
        for (int k = 0; j && k <= side / 2; k++)
            json_real(j, NULL, energy[k]);
        if (j)
            json_close(j);
        mem_free(energy);
    }
    if (j)
        json_close(j);
    timer_end("evaluate/spectrum");
}
