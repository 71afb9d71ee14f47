/* SPDX-License-Identifier: Apache-2.0
 * The sums behind 'peclet plan': what each stage allocates and how often it does what. Each function stands for the
 * allocations of one task (import.c; precompute.c; trainer.c, batch.c, heldout.c; sample.c) and changes with it.
 * Evaluate: plan_cost_evaluate.c. */
#include <math.h>
#include <string.h>

#include "files/dataset.h"
#include "tasks/import_source.h"
#include "tasks/model.h"
#include "tasks/plan.h"
#include "tasks/precompute.h"

static double per_image_of(const struct adr_plan *plan)
{
    return (double)plan->side * plan->side * plan->channels;
}

static double rounds(double items, double at_a_time)
{
    return ceil(items / at_a_time);
}

int plan_micro_batch(const struct settings *s, int64_t ranks)
{
    int64_t mine = (s->train.batch + ranks - 1) / ranks;
    return (int)((mine + s->train.accumulate - 1) / s->train.accumulate);
}

/* Activations, and gradients where training. */
static double arena_bytes(const struct job *job, const struct adr_plan *plan, int batch,
                          int training)
{
    struct graph *g =
        graph_create(job->device, job->precision, batch, training, job->settings.unet.dropout);
    unet_build(g, &job->settings.unet, plan->side, plan->channels);
    double bytes = (double)graph_layout(g);
    graph_destroy(g);
    return bytes;
}

struct plan_need plan_import(const struct job *job, const struct plan_images *images,
                             const struct adr_plan *plan, const struct plan_trial *t, int ranks)
{
    struct dataset_shape shape = {
        .height = plan->side, .width = plan->side, .channels = plan->channels};
    double room = (double)dataset_chunk_rows(&shape) * IMPORT_ROUND_CHUNKS,
           share = ceil((double)t->source_images / ranks), per = per_image_of(plan);
    double rows = share < room ? share : room;
    struct plan_need need = {.host = t->source_bytes + rows * (per + 12)};
    (void)job;
    (void)images;
    if (need.host < t->open_peak_bytes - t->program_bytes[PLAN_IMPORT])
        need.host = t->open_peak_bytes - t->program_bytes[PLAN_IMPORT];
    need.seconds = t->open_s + share * t->read_s;
    return need;
}

struct plan_need plan_precompute(const struct job *job, const struct plan_images *images,
                                 const struct adr_plan *plan, const struct plan_trial *t, int ranks)
{
    const struct store_settings *s = &job->settings.store;
    struct plan_need need = {0};
    double per = per_image_of(plan);
    if (!strcmp(s->kind, "none")) { /* only the picture: six images at eleven levels */
        double slots = 6.0 * (plan->level_count < 11 ? plan->level_count + 1 : 11);
        need.device = (slots + 6) * per * 4;
        need.host = t->process_bytes + (slots + 6) * per * 4;
        return need;
    }
    struct trajectories_shape shape = precompute_shape(s, images->count, plan);
    double slab = (double)precompute_slab_images(&shape, ranks),
           pairs = slab * (double)shape.pairs_per_image;
    double packed = pairs * per * (shape.type == H5_F16 ? 2 : 4);
    need.device = slab * per * 4 + 2 * pairs * per * 4 + packed;
    need.host =
        4 * packed + slab * per * 4 + pairs * (sizeof(struct adr_capture) + 8) + t->process_bytes;
    need.seconds = rounds((double)images->count, slab * ranks) * slab * t->slab_s;
    double share =
        ceil((double)images->count / ranks) * t->slab_s; /* the last round may be short */
    need.seconds = share < need.seconds ? share : need.seconds;
    return need;
}

/* heldout.c: its own network for inference, its own process. */
static void add_heldout(const struct job *job, const struct plan_images *images,
                        const struct adr_plan *plan, const struct plan_trial *t, int ranks,
                        int batch, struct plan_need *need)
{
    const struct train_settings *s = &job->settings.train;
    double per = per_image_of(plan), wanted = (double)s->heldout, saves = s->steps > 0;
    if (wanted > (double)images->test_count)
        wanted = (double)images->test_count;
    if (wanted == 0)
        return;
    need->device += arena_bytes(job, plan, batch, 0) + (double)t->params * 4 + 7 * batch * per * 4;
    need->host += t->forward_bytes + t->process_bytes + batch * per * 4;
    if (s->checkpoint_every > 0)
        saves = ceil((double)s->steps / (double)s->checkpoint_every);
    double network_s = t->forward_s * batch / t->forward_images;
    need->seconds += saves * rounds(ceil(wanted / ranks), batch) * (network_s + batch * t->image_s);
}

struct plan_need plan_train(const struct job *job, const struct plan_images *images,
                            const struct adr_plan *plan, const struct plan_trial *t, int ranks)
{
    const struct settings *s = &job->settings;
    const struct train_settings *train = &s->train;
    int batch = plan_micro_batch(s, ranks), stored = strcmp(s->store.kind, "none") != 0;
    int clean = target_find(train->target)->clean,
        fp16 = stored && !strcmp(s->store.precision, "fp16");
    double per = per_image_of(plan), image = batch * per * 4, params = (double)t->params * 4;
    double losses = (double)(train->log_every * train->accumulate) * batch * 4;
    double vectors =
        strcmp(train->optimizer, "lion") ? 5 : 4; /* parameters, average, moments, gradient */
    double packed = image / (fp16 ? 2 : 1);
    struct plan_need need = {0};
    need.device = arena_bytes(job, plan, batch, 1) + vectors * params + losses;
    need.device += (5 + clean) * image + (stored ? packed : image);
    need.host = t->training_bytes + t->scratch_bytes + 4 * params + losses;
    need.host += stored ? 2 * packed + clean * image : t->process_bytes + image;
    double step_s = t->step_s * batch / t->step_images + (stored ? 0 : batch * t->image_s);
    need.seconds = (double)train->steps *
                   ((double)train->accumulate * step_s + t->reduce_wait_s + t->optimizer_s);
    add_heldout(job, images, plan, t, ranks, batch, &need);
    return need;
}

struct plan_need plan_sample(const struct job *job, const struct plan_images *images,
                             const struct adr_plan *plan, const struct plan_trial *t, int ranks)
{
    const struct sample_settings *s = &job->settings.sample;
    int batch = (int)s->batch, clean = target_find(job->settings.train.target)->clean;
    double per = per_image_of(plan), image = batch * per * 4, params = (double)t->params * 4;
    double steps = (double)(s->levels ? s->levels : plan->level_count);
    struct plan_need need = {0};
    (void)images;
    need.device = arena_bytes(job, plan, batch, 0) + params + 4 * image;
    need.host = t->forward_bytes + t->scratch_bytes + t->process_bytes + 3 * image;
    if (need.host < t->forward_bytes + params) /* the weights on their way */
        need.host = t->forward_bytes + params;
    double walk_s =
        steps * (t->forward_s * batch / t->forward_images + (clean ? batch * t->image_s : 0));
    need.seconds = rounds((double)s->count, (double)batch * ranks) * walk_s;
    if (s->interpolate > 0) {
        double pairs = s->count < 16 ? (double)(s->count / 2) : 8;
        need.seconds += rounds(pairs, ranks) * rounds((double)s->interpolate + 2, batch) * walk_s;
    }
    return need;
}
