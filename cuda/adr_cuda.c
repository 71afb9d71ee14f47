/* SPDX-License-Identifier: Apache-2.0
 * adr_cuda: the forward process on the GPU (the adr_* operations of device.h): plan and memory, the
 * loop over holds of the velocity, which kernel takes the lattice steps. Files and method:
 * adr_cuda.h.
 *
 * PECLET_ADR_KERNEL=pull takes the pull kernel where a chip kernel would do, PECLET_ADR_KERNEL=N
 * gives a block of the chip kernels at most N warps; PECLET_ADR_FIELDS: adr_fft.c;
 * PECLET_ADR_ITEMS=N: a launch has room for N items, and those of one more hold, not for
 * batch_bytes. For tests and comparisons. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "adr_cuda.h"
#include "base/die.h"
#include "base/mem.h"
#include "device/turbulence.h"

/* Velocities made at once, and images at once, go up to these many bytes. */
static const size_t batch_bytes = (size_t)64 << 20, state_bytes = (size_t)4 << 30;
static const struct adr_seen_all nothing_seen = {.cut = 1};
enum { IMAGES_MOST = 16384, ALIGN = 256, POPULATIONS = 9 };

/* What a call tells the kernels; one copy on the host, one on the device. */
struct call {
    uint64_t *key;
    int64_t *slot;
    struct adr_heat_capture *heat;
    int *field, *begin, *last, *start, *follow;
};

struct adr {
    const struct adr_plan *plan; /* borrowed */
    int most, holds, items;      /* images at once; holds of the plan; items of a launch */
    struct adr_hold *hold;       /* [holds] */
    unsigned char *wanted;       /* [levels + 1] */
    int *ends, *next; /* [levels + 1], [most]: the images with this last level; -1 ends */
    int *fields;      /* [levels + 1]: that the level needs */
    struct adr_flow flow;
    struct adr_images images;
    struct adr_heat heat;
    struct adr_chip chip;
    void *tables, *memory;
    int capture_room;
    size_t call_bytes;
    char *call_host, *call_device;
    int64_t unread_images; /* of runs that nobody asked about yet */
};

/* Pieces of one allocation: with base NULL only counts. */
struct pieces {
    char *base;
    size_t bytes;
};
static void *piece(struct pieces *p, size_t bytes)
{
    size_t at = p->bytes;
    p->bytes += (bytes + ALIGN - 1) / ALIGN * ALIGN;
    return p->base ? p->base + at : NULL;
}

static struct call call_pieces(const struct adr *a, int captures, char *base, size_t *bytes)
{
    struct pieces p = {base, 0};
    size_t images = (size_t)a->most, all = (size_t)captures;
    size_t states = images * (size_t)(a->plan->level_count + 1);
    struct call c = {0};
    c.key = piece(&p, images * sizeof *c.key);
    c.slot = piece(&p, all * sizeof *c.slot);
    c.field = piece(&p, images * sizeof *c.field);
    c.last = piece(&p, images * sizeof *c.last);
    c.begin = piece(&p, ((size_t)a->holds + 1) * sizeof *c.begin);
    c.follow = piece(&p, all * sizeof *c.follow);
    if (a->plan->kind == FORWARD_HEAT)
        c.heat = piece(&p, all * sizeof *c.heat);
    else
        c.start = piece(&p, states * sizeof *c.start);
    *bytes = p.bytes;
    return c;
}

static void call_room(struct device *d, struct adr *a, int captures)
{
    mem_free(a->call_host);
    d->ops->free(d, a->call_device);
    a->capture_room = captures;
    call_pieces(a, captures, NULL, &a->call_bytes);
    a->call_host = mem_zalloc(a->call_bytes);
    a->call_device = d->ops->alloc(d, a->call_bytes);
}

static void holds_create(struct adr *a)
{
    const struct adr_plan *plan = a->plan;
    for (int pass = 0; pass < 2; pass++) {
        int count = 0, first, steps;
        for (int k = 1; k <= plan->level_count; k++) {
            const struct adr_level *l = &plan->levels[k];
            for (int step = 0; step < l->steps; step += steps, count++) {
                double theta = turbulence_theta(plan, k, step, &first, &steps);
                if (pass)
                    a->hold[count] = (struct adr_hold){
                        .level = k,
                        .steps = steps,
                        .first_of_level = step == 0,
                        .last_of_level = step + steps == l->steps,
                        .frame =
                            plan->velocity == VELOCITY_FILE ? turbulence_frame(plan, k, step) : 0,
                        .cs2 = (float)l->cs2,
                        .tau = (float)l->tau,
                        .theta = theta,
                        .speed = l->speed,
                        .alpha = l->alpha};
            }
        }
        a->holds = count;
        if (!pass)
            a->hold = mem_alloc((size_t)count * sizeof *a->hold);
    }
}

/* Fields that one hold of a full call makes. */
static size_t fields_most(const struct adr *a)
{
    return a->flow.parts ? (size_t)a->most : 1;
}

/* Items of a launch: one hold of a full call and as many more as batch_bytes hold, in whole batches
 * of transforms. */
static int items_most(const struct adr *a)
{
    const struct adr_flow *f = &a->flow;
    const char *asked = getenv("PECLET_ADR_ITEMS");
    size_t side = (size_t)a->plan->side, cells = side * side, count = (size_t)f->count;
    size_t part = (f->fft ? 0 : count * (count + side)) + cells;
    size_t bytes = (2 * cells + (size_t)f->parts * part) * sizeof(float);
    size_t fields = fields_most(a), all = (size_t)a->holds * fields;
    size_t more = !asked ? batch_bytes / bytes : atoi(asked) > 0 ? (size_t)atoi(asked) : 0;
    size_t items = fields + more;
    size_t batch = (size_t)adr_fft_batch(f->fft), parts = f->parts == 2 ? 2 : 1;
    REQUIRE(all <= INT_MAX);
    items = f->kind == VELOCITY_NONE ? 1 : items < all ? items : all;
    return (int)((items * parts + batch - 1) / batch * batch / parts);
}

static void lbm_pieces(struct adr *a, struct pieces *p)
{
    struct adr_flow *f = &a->flow;
    struct adr_images *s = &a->images;
    size_t cells = (size_t)a->plan->side * (size_t)a->plan->side, fields = fields_most(a);
    size_t parts = fields * (size_t)f->parts, count = (size_t)f->count, items = (size_t)a->items;
    size_t products = f->fft ? 0 : items * (size_t)f->parts * count;
    size_t chunks = (cells + ADR_CHUNK - 1) / ADR_CHUNK;
    size_t values = (size_t)a->most * (size_t)a->plan->channels * cells;
    int populations = a->plan->collision != LBM_EQUILIBRIUM;
    struct adr_hold *hold = piece(p, (size_t)a->holds * sizeof *hold);
    f->hold = s->hold = hold;
    f->part_a = piece(p, parts * count * count * sizeof(float));
    f->part_b = piece(p, parts * count * count * sizeof(float));
    f->coefficient = piece(p, products * count * sizeof(float));
    f->middle = piece(p, products * (size_t)a->plan->side * sizeof(float));
    f->psi = piece(p, f->parts == 1 ? items * cells * sizeof(float) : 0);
    f->v = piece(p, 2 * items * cells * sizeof(float));
    f->sums = piece(p, f->parts && chunks > 1 ? items * chunks * 4 * sizeof *f->sums : 0);
    f->seen = piece(p, (size_t)a->holds * fields * sizeof *f->seen);
    f->seen_all = piece(p, sizeof *f->seen_all);
    s->phi = piece(p, values * sizeof(float));
    s->f = piece(p, populations ? POPULATIONS * values * sizeof(float) : 0);
    s->next =
        piece(p, a->chip.columns ? 0 : (populations ? POPULATIONS : 1) * values * sizeof(float));
}

static void heat_pieces(struct adr *a, struct pieces *p)
{
    struct adr_heat *h = &a->heat;
    size_t cells = (size_t)a->plan->side * (size_t)a->plan->side;
    size_t values = (size_t)a->most * (size_t)a->plan->channels * cells;
    double *sigma = piece(p, (size_t)(a->plan->level_count + 1) * sizeof *sigma);
    h->sigma = sigma;
    h->spectrum = piece(p, values * sizeof(float));
    h->coefficient = piece(p, values * sizeof(float));
    h->middle = piece(p, values * sizeof(float));
}

static void pieces_create(struct device *d, struct adr *a,
                          void (*pieces)(struct adr *, struct pieces *))
{
    struct pieces p = {NULL, 0};
    pieces(a, &p);
    a->memory = p.base = d->ops->alloc(d, p.bytes);
    p.bytes = 0;
    pieces(a, &p);
}

static void lbm_create(struct device *d, struct adr *a)
{
    const struct adr_plan *plan = a->plan;
    const char *kernel = getenv("PECLET_ADR_KERNEL");
    size_t side = (size_t)plan->side, cells = side * side;
    adr_spectrum_create(d, plan, &a->flow, &a->tables);
    holds_create(a);
    if (!kernel || strcmp(kernel, "pull") != 0) {
        int warps = kernel ? atoi(kernel) : 0;
        a->chip = plan->collision == LBM_EQUILIBRIUM
                      ? cuda_adr_chip_layout(d, plan->side, warps)
                      : cuda_adr_chip_bgk_layout(d, plan->side, warps);
    }
    a->items = items_most(a);
    pieces_create(d, a, lbm_pieces);
    double range = plan->value_high - plan->value_low, base = 0;
    if (plan->value_low > 0 || plan->collision != LBM_EQUILIBRIUM)
        base = (plan->value_low + plan->value_high) / 2;
    struct adr_images *s = &a->images;
    s->side = plan->side;
    s->channels = plan->channels;
    s->order = plan->order;
    s->walls = plan->walls;
    s->collision = plan->collision;
    s->base = (float)base;
    s->scale = (float)(1 / range);
    s->offset = (float)((base - plan->value_low) / range);
    s->v = a->flow.v;
    d->ops->upload(d, (void *)a->flow.hold, a->hold, (size_t)a->holds * sizeof *a->hold);
    d->ops->upload(d, a->flow.seen_all, &nothing_seen, sizeof nothing_seen);
    if (plan->velocity == VELOCITY_NONE)
        d->ops->zero(d, a->flow.v, 2 * cells * sizeof(float));
}

static void heat_create(struct device *d, struct adr *a)
{
    const struct adr_plan *plan = a->plan;
    double *sigma = mem_alloc((size_t)(plan->level_count + 1) * sizeof *sigma);
    adr_heat_tables(d, plan->side, &a->heat.cosine, &a->heat.analysis, &a->tables);
    pieces_create(d, a, heat_pieces);
    a->heat.side = plan->side;
    a->heat.channels = plan->channels;
    a->heat.batch = a->most;
    for (int k = 0; k <= plan->level_count; k++)
        sigma[k] = plan->levels[k].sigma;
    d->ops->upload(d, (void *)a->heat.sigma, sigma,
                   (size_t)(plan->level_count + 1) * sizeof *sigma);
    d->ops->sync(d);
    mem_free(sigma);
}

struct adr *cuda_adr_create(struct device *d, const struct adr_plan *plan, int max_images)
{
    struct adr *a = mem_zalloc(sizeof *a);
    size_t values = (size_t)plan->side * (size_t)plan->side * (size_t)plan->channels;
    size_t most = state_bytes / (24 * values * sizeof(float)) + 1;
    REQUIRE(plan->side >= 2);
    most =
        most < IMAGES_MOST / (size_t)plan->channels ? most : IMAGES_MOST / (size_t)plan->channels;
    a->plan = plan;
    a->most = (size_t)max_images < most ? max_images : (int)most;
    a->most = a->most > 0 ? a->most : 1;
    a->wanted = mem_alloc((size_t)plan->level_count + 1);
    a->ends = mem_alloc(((size_t)plan->level_count + 1) * sizeof *a->ends);
    a->fields = mem_alloc(((size_t)plan->level_count + 1) * sizeof *a->fields);
    a->next = mem_alloc((size_t)a->most * sizeof *a->next);
    if (plan->kind == FORWARD_HEAT)
        heat_create(d, a);
    else
        lbm_create(d, a);
    call_room(d, a, a->most * (plan->level_count + 1));
    return a;
}

void cuda_adr_destroy(struct device *d, struct adr *a)
{
    d->ops->sync(d);
    adr_fft_destroy(d, a->flow.fft);
    mem_free(a->call_host);
    d->ops->free(d, a->call_device);
    d->ops->free(d, a->tables);
    d->ops->free(d, a->memory);
    mem_free(a->hold);
    mem_free(a->wanted);
    mem_free(a->ends);
    mem_free(a->fields);
    mem_free(a->next);
    mem_free(a);
}

/* Numbers fields and items (adr_cuda.h) by the images' last levels: fills field, key and begin;
 * returns how many holds are needed. */
static int number_items(struct adr *a, int n, const uint64_t *keys, struct call *c)
{
    int fields = 0, levels = a->plan->level_count, hold = 0;
    for (int level = 0; level <= levels; level++)
        a->ends[level] = -1;
    for (int i = n - 1; i >= 0; i--) {
        a->next[i] = a->ends[c->last[i]];
        a->ends[c->last[i]] = i;
    }
    for (int level = levels; level > 0; level--) {
        for (int i = a->ends[level]; i >= 0; i = a->next[i]) {
            int j = a->plan->realisations > 0 ? 0 : fields;
            while (j < fields && c->key[j] != keys[i])
                j++;
            if (a->flow.parts == 0)
                j = 0;
            c->key[j] = keys[i];
            c->field[i] = j;
            fields += j == fields;
        }
        a->fields[level] = fields;
    }
    c->begin[0] = 0;
    for (; hold < a->holds && a->fields[a->hold[hold].level] > 0; hold++) {
        int made = a->plan->velocity == VELOCITY_NONE ? 0 : a->fields[a->hold[hold].level];
        c->begin[hold + 1] = c->begin[hold] + made;
    }
    return hold;
}

/* Captures of the images [first, first + n) into lists; returns how many there are. */
static int list_captures(struct adr *a, int first, int n, int captures,
                         const struct adr_capture *capture, struct call *c)
{
    int count = 0, levels = a->plan->level_count;
    for (int i = 0; i < n; i++)
        c->last[i] = 0;
    for (int i = 0; c->start && i < n * (levels + 1); i++)
        c->start[i] = -1;
    memset(a->wanted, 0, (size_t)levels + 1);
    for (int i = captures - 1; i >= 0; i--) {
        int image = capture[i].image - first, level = capture[i].level;
        if (image < 0 || image >= n)
            continue;
        if (c->heat) {
            c->heat[count] = (struct adr_heat_capture){capture[i].slot, image, level};
        } else {
            c->slot[count] = capture[i].slot;
            c->follow[count] = c->start[level * n + image];
            c->start[level * n + image] = count;
        }
        c->last[image] = level > c->last[image] ? level : c->last[image];
        a->wanted[level] = 1;
        count++;
    }
    return count;
}

/* The launch that begins with hold `first`: as many of the `end` holds as its memory takes. */
static struct adr_launch next_launch(const struct adr *a, const int *begin, int first, int end)
{
    int holds = 1;
    while (first + holds < end && begin[first + holds + 1] - begin[first] <= a->items)
        holds++;
    return (struct adr_launch){first, holds, begin[first], begin[first + holds] - begin[first]};
}

/* What the velocities of this call are made from, up to hold `end`. */
static void start_fields(struct device *d, struct adr *a, const struct call *c,
                         const struct call *on_device, int end)
{
    struct adr_flow *f = &a->flow;
    f->fields = end > 0 ? a->fields[a->hold[0].level] : 0;
    f->key = on_device->key;
    f->begin = a->images.begin = on_device->begin;
    d->ops->zero(d, f->seen, (size_t)c->begin[end] * sizeof *f->seen);
    cuda_adr_phases(d, f);
}

/* Velocities and lattice steps of the holds [0, end). */
static void run_holds(struct device *d, struct adr *a, const int *begin, int end)
{
    struct adr_launch l;
    for (int first = 0; first < end; first += l.holds) {
        l = next_launch(a, begin, first, end);
        cuda_adr_fields(d, &a->flow, &l);
        if (a->chip.columns && a->plan->collision == LBM_EQUILIBRIUM)
            cuda_adr_chip(d, &a->images, &a->chip, &l);
        else if (a->chip.columns)
            cuda_adr_chip_bgk(d, &a->images, &a->chip, &l);
        else
            cuda_adr_pull(d, &a->images, a->hold, &l, a->wanted);
    }
}

/* What the card saw since the last time. */
static void read_stats(struct device *d, struct adr *a, struct adr_stats *stats)
{
    struct adr_seen_all all;
    stats->images += a->unread_images;
    a->unread_images = 0;
    if (!a->flow.seen_all || a->plan->velocity == VELOCITY_NONE)
        return;
    d->ops->download(d, &all, a->flow.seen_all, sizeof all);
    d->ops->upload(d, a->flow.seen_all, &nothing_seen, sizeof nothing_seen);
    if (all.fields > 0)
        adr_stats_add(stats, &(struct adr_stats){.fields = all.fields,
                                                 .fields_over = all.over,
                                                 .worst_ratio = all.ratio,
                                                 .worst_speed2 = all.diffusion,
                                                 .worst_cap = all.cut});
}

void cuda_adr_run(struct device *d, struct adr *a, int n, const uint64_t *keys, const float *u0,
                  int captures, const struct adr_capture *capture, float *u, float *delta,
                  struct adr_stats *stats)
{
    size_t values = (size_t)a->plan->side * (size_t)a->plan->side * (size_t)a->plan->channels;
    size_t bytes;
    if (captures > a->capture_room)
        call_room(d, a, captures);
    for (int first = 0; first < n; first += a->most) {
        int images = n - first < a->most ? n - first : a->most;
        struct call c = call_pieces(a, a->capture_room, a->call_host, &bytes);
        struct call on_device = call_pieces(a, a->capture_room, a->call_device, &bytes);
        int count = list_captures(a, first, images, captures, capture, &c);
        int end = number_items(a, images, keys + first, &c);
        d->ops->upload(d, a->call_device, a->call_host, a->call_bytes);
        if (a->plan->kind == FORWARD_HEAT) {
            a->heat.images = images;
            cuda_adr_heat_spectrum(d, &a->heat, u0 + (size_t)first * values);
            cuda_adr_heat_images(d, &a->heat, count, on_device.heat, u0 + (size_t)first * values, u,
                                 delta);
            continue;
        }
        struct adr_images *s = &a->images;
        s->images = images;
        s->field = on_device.field;
        s->last = on_device.last;
        s->start = on_device.start;
        s->follow = on_device.follow;
        s->slot = on_device.slot;
        s->u = u;
        s->delta = delta;
        cuda_adr_load(d, s, u0 + (size_t)first * values);
        start_fields(d, a, &c, &on_device, end);
        run_holds(d, a, c.begin, end);
        if (c.begin[end] > 0)
            cuda_adr_seen(d, &a->flow, end);
    }
    a->unread_images += n;
    if (stats)
        read_stats(d, a, stats);
}

void cuda_adr_velocity(struct device *d, struct adr *a, int n, const uint64_t *keys, int level,
                       int step, float *v)
{
    size_t field = 2 * (size_t)a->plan->side * (size_t)a->plan->side * sizeof(float), bytes;
    int hold = 0;
    REQUIRE(a->plan->kind == FORWARD_LBM);
    while (a->hold[hold].level < level)
        hold++;
    for (; step >= a->hold[hold].steps; hold++)
        step -= a->hold[hold].steps;
    for (int first = 0; first < n; first += a->most) {
        int images = n - first < a->most ? n - first : a->most;
        struct call c = call_pieces(a, a->capture_room, a->call_host, &bytes);
        struct call on_device = call_pieces(a, a->capture_room, a->call_device, &bytes);
        for (int i = 0; i < images; i++)
            c.last[i] = level;
        int end = number_items(a, images, keys + first, &c);
        struct adr_launch one = next_launch(a, c.begin, hold, hold + 1);
        d->ops->upload(d, a->call_device, a->call_host, a->call_bytes);
        start_fields(d, a, &c, &on_device, end);
        cuda_adr_fields(d, &a->flow, &one);
        for (int i = 0; i < images; i++)
            d->ops->copy(d, (char *)v + (size_t)(first + i) * field,
                         (const char *)a->flow.v + (size_t)c.field[i] * field, field);
    }
}
