/* SPDX-License-Identifier: Apache-2.0
 * adr_spectrum: the tables of adr_waves.cu and of the blur, made on the host by what the CPU device uses too. */
#include <math.h>
#include <string.h>

#include "adr_cuda.h"
#include "base/mem.h"
#include "device/cpu_adr_parts.h"
#include "device/turbulence.h"

enum { ALIGN = 256 };

/* Tables are put one behind the other on the host and go up together; places are offsets until
 * then. */
struct tables {
    char *host;
    size_t bytes, room;
};

static size_t put(struct tables *t, const void *data, size_t bytes)
{
    size_t at = t->bytes, end = at + (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (end > t->room) {
        char *old = t->host;
        t->room = 2 * end;
        t->host = mem_alloc(t->room);
        if (old)
            memcpy(t->host, old, t->bytes);
        mem_free(old);
    }
    memcpy(t->host + at, data, bytes);
    t->bytes = end;
    return at;
}

static char *upload(struct device *d, struct tables *t)
{
    char *memory = d->ops->alloc(d, t->bytes);
    d->ops->upload(d, memory, t->host, t->bytes);
    d->ops->sync(d);
    mem_free(t->host);
    return memory;
}

static size_t put_waves(struct tables *t, const struct cpu_waves *w, struct adr_waves_table *out)
{
    *out = (struct adr_waves_table){.n = w->waves.n,
                                    .columns = w->waves.columns,
                                    .symmetric = w->waves.symmetric,
                                    .even = w->waves.even_count,
                                    .odd = w->waves.odd_count};
    return put(t, w->table, (size_t)w->count * (size_t)w->waves.columns * sizeof(float));
}

static size_t put_turns(struct tables *t, const struct adr_plan *plan, const struct cpu_waves *w)
{
    size_t bytes = (size_t)w->count * (size_t)w->count * sizeof(double);
    double *turns = mem_zalloc(bytes);
    cpu_waves_turns(plan, w, turns);
    size_t at = put(t, turns, bytes);
    mem_free(turns);
    return at;
}

static void spectral_tables(struct device *d, const struct adr_plan *plan, struct adr_flow *f,
                            void **memory)
{
    int side = plan->side, sine = plan->velocity == VELOCITY_STREAMFUNCTION;
    size_t cells = (size_t)side * (size_t)side;
    double *amplitude = mem_alloc(2 * cells * sizeof(double)), *kappa = amplitude + cells;
    float *rounded = mem_alloc(cells * sizeof(float));
    (sine ? turbulence_sine_modes : turbulence_full_modes)(plan, amplitude, kappa);
    for (size_t i = 0; i < cells; i++)
        rounded[i] = (float)amplitude[i];
    struct cpu_waves w;
    struct tables t = {0};
    (sine ? cpu_waves_sine : cpu_waves_full)(side, cpu_waves_highest(plan, amplitude), &w);
    f->parts = sine ? 1 : 2;
    f->count = w.count;
    f->most = w.most;
    size_t modes = (size_t)(w.most + 1) * sizeof(int);
    size_t table = put_waves(&t, &w, &f->waves), turns = put_turns(&t, plan, &w);
    size_t sizes = put(&t, rounded, cells * sizeof(float));
    size_t cosine = put(&t, w.cosine, modes), sine_at = put(&t, w.sine, modes);
    char *base = upload(d, &t);
    f->waves.table = (const float *)(base + table);
    f->turns = (const double *)(base + turns);
    f->amplitude = (const float *)(base + sizes);
    f->cosine = (const int *)(base + cosine);
    f->sine = (const int *)(base + sine_at);
    f->fft = adr_fft_create(d, sine ? FFT_SINE : FFT_FULL, &w);
    *memory = base;
    cpu_waves_free(&w);
    mem_free(amplitude);
    mem_free(rounded);
}

/* One frame, or those of the file, for V = 1. */
static void given_tables(struct device *d, const struct adr_plan *plan, struct adr_flow *f,
                         void **memory)
{
    int file = plan->velocity == VELOCITY_FILE, frames = file ? plan->file_frames : 1;
    size_t count = 2 * (size_t)plan->side * (size_t)plan->side;
    double *v = mem_alloc(count * sizeof(double)), rms = turbulence_file_rms(plan);
    float *all = mem_alloc((size_t)frames * count * sizeof(float));
    if (!file)
        turbulence_given(plan, 1, 0, rms, v);
    for (size_t i = 0; i < (size_t)frames * count; i++)
        all[i] = file ? (float)((double)plan->file_field[i] / rms) : (float)v[i];
    struct tables t = {0};
    put(&t, all, (size_t)frames * count * sizeof(float));
    *memory = upload(d, &t);
    f->given = *memory;
    mem_free(v);
    mem_free(all);
}

void adr_spectrum_create(struct device *d, const struct adr_plan *plan, struct adr_flow *f,
                         void **memory)
{
    *f = (struct adr_flow){.kind = plan->velocity,
                           .side = plan->side,
                           .seed = plan->seed,
                           .cap_speed = plan->cap_speed,
                           .cap_ratio = plan->cap_ratio};
    *memory = NULL;
    switch (plan->velocity) {
    case VELOCITY_NONE:
        break;
    case VELOCITY_STREAMFUNCTION:
    case VELOCITY_COMPRESSIBLE:
    case VELOCITY_SOLENOIDAL:
        spectral_tables(d, plan, f, memory);
        break;
    default:
        given_tables(d, plan, f, memory);
    }
}

void adr_heat_tables(struct device *d, int side, struct adr_waves_table *cosine,
                     struct adr_waves_table *analysis, void **memory)
{
    struct cpu_waves synthesis, back;
    struct tables t = {0};
    cpu_waves_cosine(side, &synthesis);
    cpu_waves_analysis(&synthesis, &back);
    size_t first = put_waves(&t, &synthesis, cosine), second = put_waves(&t, &back, analysis);
    char *base = upload(d, &t);
    cosine->table = (const float *)(base + first);
    analysis->table = (const float *)(base + second);
    *memory = base;
    cpu_waves_free(&synthesis);
    cpu_waves_free(&back);
}
