/* SPDX-License-Identifier: Apache-2.0
 * report_flow: the velocity as the solver gets it: picture, spectrum against the prescribed slope, divergence, and what it
 * costs in accuracy to hold a field for several steps.
 *
 * Divergence is the solver's own: D_x v_x + D_y v_y with the stencil D of docs/physics.md (central difference along one
 * axis, (cs2/2, 1 - cs2, cs2/2) along the other), so zero means that a constant image stays constant. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/png.h"
#include "device/turbulence.h"
#include "files/dataset.h"
#include "process/process.h"
#include "tasks/report_flow.h"

enum { SHOWN = 4, GAP = 2 };

/* The fields of the first images at the first step of the last level: v [n,2,L,L]. */
static void get_fields(struct device *d, const struct adr_plan *plan, int n, float *v)
{
    size_t bytes = 2 * (size_t)n * (size_t)plan->side * (size_t)plan->side * sizeof *v;
    struct adr *adr = d->ops->adr_create(d, plan, n);
    float *device_v = d->ops->alloc(d, bytes);
    uint64_t keys[FLOW_FIELDS];
    for (int i = 0; i < n; i++)
        keys[i] = velocity_key(plan, i);
    d->ops->adr_velocity(d, adr, n, keys, plan->level_count, 0, device_v);
    d->ops->download(d, v, device_v, bytes);
    d->ops->free(d, device_v);
    d->ops->adr_destroy(d, adr);
}

/* v_c at (x,y); beyond a mirror wall the component across it turns round. */
static double at_mirrored(const float *v, int side, int component, int x, int y)
{
    double sign = 1;
    if (x < 0 || x >= side) {
        x = x < 0 ? -1 - x : 2 * side - 1 - x;
        sign *= component ? 1 : -1;
    }
    if (y < 0 || y >= side) {
        y = y < 0 ? -1 - y : 2 * side - 1 - y;
        sign *= component ? -1 : 1;
    }
    return sign * (double)v[(component * side + y) * side + x];
}

/* div [L,L]; next to walls that do not mirror it is set to 0. */
static void divergence(const struct adr_plan *plan, const float *v, float *div)
{
    int side = plan->side, rim = plan->walls != WALLS_MIRROR;
    double s = plan->levels[plan->level_count].cs2 / 2, across[3] = {s, 1 - 2 * s, s};
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            double sum = 0;
            int inside = x >= rim && y >= rim && x < side - rim && y < side - rim;
            for (int t = -1; t <= 1 && inside; t++)
                sum +=
                    across[t + 1] / 2 *
                    (at_mirrored(v, side, 0, x + 1, y + t) - at_mirrored(v, side, 0, x - 1, y + t) +
                     at_mirrored(v, side, 1, x + t, y + 1) - at_mirrored(v, side, 1, x + t, y - 1));
            div[y * side + x] = (float)sum;
        }
}

/* Colour of t in [0,1] between neighbours of a short list. */
static void colour(double t, int count, const uint8_t (*list)[3], uint8_t out[3])
{
    t = fmin(fmax(t, 0), 1) * (count - 1);
    int i = t >= count - 1 ? count - 2 : (int)t;
    for (int c = 0; c < 3; c++)
        out[c] = (uint8_t)(list[i][c] + (t - i) * (list[i + 1][c] - list[i][c]) + 0.5);
}

/* Upper row: |v|, dark to light up to 4 V; lower row: divergence, blue to white to red over -V..V a pixel. */
static void draw_fields(struct page *p, const struct adr_plan *plan, int n, const float *v,
                        const float *div)
{
    static const uint8_t speed_colours[][3] = {
        {13, 18, 49}, {62, 45, 129}, {153, 54, 128}, {233, 96, 80}, {254, 207, 146}};
    static const uint8_t sign_colours[][3] = {{33, 80, 170}, {247, 247, 247}, {190, 40, 40}};
    int side = plan->side, cells = side * side,
        zoom = side < 64    ? 4
               : side < 128 ? 2
                            : 1,
        tile = side * zoom;
    int width = n * (tile + GAP) - GAP, height = 2 * tile + GAP;
    double unit = plan->levels[plan->level_count].speed;
    uint8_t *pixels = mem_alloc((size_t)(width * height) * 3);
    size_t bytes;
    memset(pixels, 128, (size_t)(width * height) * 3);
    for (int i = 0; i < n; i++)
        for (int y = 0; y < tile; y++)
            for (int x = 0; x < tile; x++) {
                int cell = y / zoom * side + x / zoom;
                const float *vx = v + 2 * i * cells;
                double speed = hypot((double)vx[cell], (double)vx[cells + cell]) / (4 * unit);
                double sign = 0.5 + 0.5 * (double)div[i * cells + cell] / unit;
                uint8_t *top = pixels + 3 * (y * width + i * (tile + GAP) + x);
                colour(speed, 5, speed_colours, top);
                colour(sign, 3, sign_colours, top + 3 * (tile + GAP) * width);
            }
    uint8_t *png = png_encode(width, height, 3, pixels, &bytes);
    page_png(p, png, bytes,
             "The fields of the first images at the last level. Top: speed, dark to light up to 4 "
             "V. Bottom: divergence, blue where the flow converges, red where it spreads, white "
             "where it does neither; full colour at V a pixel.");
    mem_free(png);
    mem_free(pixels);
}

/* Images u0 [n,L,L,C] at the last level. */
static void corrupt(struct device *d, const struct adr_plan *plan, int n, const float *u0, float *u)
{
    size_t bytes =
        (size_t)n * (size_t)plan->side * (size_t)plan->side * (size_t)plan->channels * sizeof *u;
    struct process *process = process_adr_create(d, plan, n);
    float *x = d->ops->alloc(d, bytes), *y = d->ops->alloc(d, bytes);
    struct adr_capture captures[FLOW_FIELDS];
    struct adr_stats stats = {0};
    uint64_t keys[FLOW_FIELDS];
    for (int i = 0; i < n; i++) {
        keys[i] = velocity_key(plan, i);
        captures[i] = (struct adr_capture){plan->level_count, i, i};
    }
    d->ops->upload(d, x, u0, bytes);
    process->ops->corrupt(process, n, keys, x, n, captures, y, NULL, &stats);
    d->ops->download(d, u, y, bytes);
    d->ops->free(d, x);
    d->ops->free(d, y);
    process_destroy(process);
}

struct difference {
    double rms, worst;
};

static struct difference compare(size_t count, const float *a, const float *b)
{
    struct difference out = {0, 0};
    for (size_t i = 0; i < count; i++) {
        double x = (double)a[i] - (double)b[i];
        out.rms += x * x / (double)count;
        out.worst = fmax(out.worst, fabs(x));
    }
    out.rms = sqrt(out.rms);
    return out;
}

/* A constant image, the flow's effect, and one field a hold against one a step, on the first training images. */
static void measure_effect(struct device *d, struct page *p, const struct adr_plan *plan, int n,
                           const float *images)
{
    size_t count = (size_t)n * (size_t)plan->side * (size_t)plan->side * (size_t)plan->channels;
    float *flat = mem_alloc(count * sizeof *flat), *held = mem_alloc(count * sizeof *held),
          *other = mem_alloc(count * sizeof *other);
    struct adr_plan still = *plan, every = *plan;
    still.velocity = VELOCITY_NONE;
    every.refresh = 1;
    for (size_t i = 0; i < count; i++)
        flat[i] = 0.5f;
    corrupt(d, plan, n, flat, held);
    struct difference constant = compare(count, held, flat);
    corrupt(d, plan, n, images, held);
    corrupt(d, &still, n, images, other);
    struct difference effect = compare(count, held, other);
    corrupt(d, &every, n, images, other);
    struct difference refresh = compare(count, held, other);
    page_text(p,
              "A constant image run through all levels changes by %.2g rms, %.2g at most (black to "
              "white is 1).",
              constant.rms, constant.worst);
    page_text(p, "At the last level the flow changes images by %.3g rms against blur alone.",
              effect.rms);
    const char *hold = plan->refresh ? "held for several steps" : "held for each level";
    if (plan->refresh == 1)
        page_text(p, "The field is made anew for every lattice step.");
    else if (refresh.worst > 0)
        page_text(p,
                  "The field is %s; making it anew for every step changes the last level by %.2g "
                  "rms, %.2g at most: %.2g of the flow's effect.",
                  hold, refresh.rms, refresh.worst,
                  effect.rms > 0 ? refresh.rms / effect.rms : 0.0);
    else
        page_text(p, "The field is %s; making it anew for every step changes nothing.", hold);
    mem_free(flat);
    mem_free(held);
    mem_free(other);
}

static void describe(struct page *p, const struct adr_plan *plan, int n, const float *v,
                     const float *div)
{
    int cells = plan->side * plan->side;
    double unit = plan->levels[plan->level_count].speed, sum = 0, worst = 0, top = 0;
    for (int i = 0; i < n * cells; i++) {
        const float *vx = v + 2 * (i / cells) * cells + i % cells;
        sum += (double)div[i] * (double)div[i] / (n * cells);
        worst = fmax(worst, fabs((double)div[i]));
        top = fmax(top, hypot((double)vx[0], (double)vx[cells]));
    }
    page_text(
        p,
        "V at the last level is %.3g px a lattice step; the fastest of %d fields reaches %.2g V.",
        unit, n, top / unit);
    page_text(p, "Divergence, in V a pixel: %.2g rms, %.2g at most%s.", sqrt(sum) / unit,
              worst / unit,
              plan->walls == WALLS_MIRROR ? "" : " (cells next to the walls left out)");
}

void report_flow(struct job *job, struct page *p)
{
    struct h5_file *dataset = NULL;
    struct dataset_shape shape;
    struct adr_plan plan = {0};
    float *field = NULL;
    char path[JOB_PATH];
    if (h5_probe(job_path(job, "dataset.h5", path), "peclet-dataset", NULL) != 3 ||
        dataset_open(path, NULL, &shape, &dataset))
        return;
    if (job_plan(job, shape.width, shape.channels, &plan, &field) ||
        plan.velocity == VELOCITY_NONE) {
        h5_close(dataset);
        physics_plan_free(&plan);
        mem_free(field);
        return;
    }
    int most = shape.width <= 64    ? FLOW_FIELDS
               : shape.width <= 256 ? SHOWN
                                    : 1,
        n = shape.count < most ? (int)shape.count : most;
    int cells = plan.side * plan.side;
    int64_t per_image = (int64_t)cells * plan.channels;
    float *v = mem_alloc((size_t)(2 * n * cells) * sizeof *v),
          *div = mem_alloc((size_t)(n * cells) * sizeof *div);
    float *images = mem_alloc((size_t)(n * per_image) * sizeof *images);
    get_fields(job->device, &plan, n, v);
    for (int i = 0; i < n; i++)
        divergence(&plan, v + 2 * i * cells, div + i * cells);
    page_section(p, "The flow", "The velocity that carries the images, as the solver gets it.");
    draw_fields(p, &plan, n < SHOWN ? n : SHOWN, v, div);
    describe(p, &plan, n, v, div);
    if (!job_read_images(dataset, 0, 0, n, per_image, images))
        measure_effect(job->device, p, &plan, n, images);
    flow_spectrum(p, &plan, n, v);
    mem_free(v);
    mem_free(div);
    mem_free(images);
    mem_free(field);
    h5_close(dataset);
    physics_plan_free(&plan);
}
