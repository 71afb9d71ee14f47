/* SPDX-License-Identifier: Apache-2.0
 * plan: prints what a run of the deck will take: storage, arithmetic, memory a rank, and time a stage at the speed that a
 * short trial on this machine shows. */
#include "tasks/plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tasks/model.h"
#include "tasks/precompute.h"

static void print_files(const struct job *job, const struct plan_images *images,
                        const struct adr_plan *plan)
{
    const struct store_settings *s = &job->settings.store;
    double pixels = (double)images->side * images->side * images->channels, steps = 0;
    printf("dataset      %lld images of %dx%dx%d, %.1f MB\n", (long long)images->count,
           images->side, images->side, images->channels, (double)images->count * pixels * 1e-6);
    for (int k = 1; k <= plan->level_count; k++)
        steps += plan->levels[k].steps;
    if (!strcmp(s->kind, "none")) {
        printf("trajectories none stored");
    } else {
        struct trajectories_shape t = precompute_shape(s, images->count, plan);
        double pairs = (double)t.images * (double)t.pairs_per_image;
        printf("trajectories %.0f pairs, %.1f MB", pairs,
               pairs * 2 * pixels * (t.type == H5_F16 ? 2 : 4) * 1e-6);
    }
    printf("; %.0f lattice steps an image, %.3g site updates\n", steps,
           steps * pixels * (double)images->count);
}

static void print_network(const struct job *job, const struct plan_images *images, int ranks,
                          int batch)
{
    const struct settings *s = &job->settings;
    struct graph *g = graph_create(NULL, job->precision, batch, 1, s->unet.dropout);
    unet_build(g, &s->unet, images->side, images->channels);
    double arena = (double)graph_layout(g), total = (double)graph_param_total(g),
           macs = graph_forward_macs(g);
    double steps = (double)(s->sample.levels ? s->sample.levels : s->forward.levels);
    printf("network      %.2f M parameters, %.3g GMAC forward an image\n", total * 1e-6,
           macs * 1e-9);
    printf("train        %d images a rank and micro-batch; %.0f MB activations and gradients, %.0f "
           "MB parameters, "
           "moments and averages\n",
           batch, arena * 1e-6, total * 5 * 4e-6);
    printf("             %.3g GFLOP a step over all ranks, %.1f MB to reduce a rank and step, %.1f "
           "MB a checkpoint\n",
           6e-9 * macs * (double)s->train.batch, ranks > 1 ? total * 4e-6 : 0.0, total * 16e-6);
    printf("sample       %.3g TFLOP for %lld images\n",
           2e-12 * macs * steps * (double)s->sample.count, (long long)s->sample.count);
    graph_destroy(g);
}

/* "2 h 05 min", "3.2 s" */
static const char *duration(double s, char text[32])
{
    if (isnan(s))
        snprintf(text, 32, "unknown");
    else if (s < 120)
        snprintf(text, 32, "%.*f s", s < 10 ? 2 : 0, s);
    else if (s < 7200)
        snprintf(text, 32, "%.0f min", s / 60);
    else
        snprintf(text, 32, "%.0f h %02.0f min", (double)(int64_t)(s / 3600),
                 (s - 3600 * (double)(int64_t)(s / 3600)) / 60);
    return text;
}

/* What the row of evaluate leaves out. */
static void print_left_out(const struct job *job, const struct plan_trial *t)
{
    const struct evaluate_settings *s = &job->settings.evaluate;
    printf("             evaluate: time of features, without distances");
    for (int i = 0; i < s->metric_count; i++)
        if (!strcmp(s->metrics[i], "lpips"))
            printf("; all without 'lpips'");
    for (int f = 0; f < s->feature_count; f++)
        if (!t->eye[f].dim)
            printf("; all without '%s', whose weights are not here", s->features[f]);
    printf("\n");
}

static void print_needs(const struct job *job, const struct plan_images *images,
                        const struct adr_plan *plan, const struct plan_trial *t, int ranks)
{
    static const struct {
        const char *name;
        struct plan_need (*of)(const struct job *, const struct plan_images *,
                               const struct adr_plan *, const struct plan_trial *, int);
    } stages[PLAN_STAGES] = {[PLAN_IMPORT] = {"import", plan_import},
                             [PLAN_PRECOMPUTE] = {"precompute", plan_precompute},
                             [PLAN_TRAIN] = {"train", plan_train},
                             [PLAN_SAMPLE] = {"sample", plan_sample},
                             [PLAN_EVALUATE] = {"evaluate", plan_evaluate}};
    const struct evaluate_settings *e = &job->settings.evaluate;
    int apart = !strcmp(job->device->name, "cuda"),
        unet = !strcmp(job->settings.network.kind, "unet");
    const int shown[PLAN_STAGES] = {[PLAN_IMPORT] = !isnan(t->read_s),
                                    [PLAN_PRECOMPUTE] = 1,
                                    [PLAN_TRAIN] = unet,
                                    [PLAN_SAMPLE] = unet,
                                    [PLAN_EVALUATE] = !*e->real && !*e->fake};
    double least = INFINITY, most = 0;
    char text[32];
    printf("%-12s %12s %12s %14s\n", "a rank", "device MB", apart ? "host MB" : "all MB", "time");
    for (int i = 0; i < PLAN_STAGES; i++) {
        if (!shown[i])
            continue;
        struct plan_need need = stages[i].of(job, images, plan, t, ranks);
        double host = need.host + (apart ? 0 : need.device) + t->program_bytes[i];
        printf("  %-10s %12.1f %12.1f %14s\n", stages[i].name, need.device * 1e-6, host * 1e-6,
               duration(need.seconds, text));
        least = fmin(least, t->program_bytes[i]);
        most = fmax(most, t->program_bytes[i]);
    }
    if (shown[PLAN_EVALUATE])
        print_left_out(job, t);
    printf("             %.0f to %.0f MB of it are the program itself; time is without files%s, at "
           "the speed of %d rank(s) here:\n"
           "             %s\n",
           least * 1e-6, most * 1e-6, ranks == job->comm->size ? "" : " and sums over ranks",
           job->comm->size, job->device->description);
    printf("             tried:");
    if (!isnan(t->step_s))
        printf(" training on %d images, %.3g s; the network on %d, %.3g s;", t->step_images,
               t->step_s, t->forward_images, t->forward_s);
    printf(" an image's %s, %.3g s\n", t->slab_s > 0 ? "pairs" : "corruption",
           t->slab_s > 0 ? t->slab_s : t->image_s);
}

int task_plan(struct job *job)
{
    const struct settings *s = &job->settings;
    struct comm *comm = job->comm;
    struct plan_images images = {0};
    struct plan_trial trial;
    struct adr_plan plan = {0};
    float *field = NULL;
    int ranks = s->run.plan_ranks > 0 ? (int)s->run.plan_ranks : comm->size;
    int unet = !strcmp(s->network.kind, "unet"), batch = plan_micro_batch(s, ranks);

    int failed = comm->rank == 0 && plan_look_at_images(job, &images);
    if (comm_agree(comm, failed))
        return TASK_FAILED;
    comm->ops->bcast(comm, &images, sizeof images, 0);
    failed = job_plan(job, images.side, images.channels, &plan, &field) ||
             (unet && unet_check(&s->unet, images.side));
    if (!(failed = comm_agree(comm, failed))) {
        if (comm->rank == 0) {
            printf("ranks        %d\n", ranks);
            print_files(job, &images, &plan);
            if (unet)
                print_network(job, &images, ranks, batch);
            fflush(stdout);
        }
        failed = comm_agree(comm, plan_try(job, &plan, batch, &trial));
        if (!failed && comm->rank == 0)
            print_needs(job, &images, &plan, &trial, ranks);
    }
    physics_plan_free(&plan);
    mem_free(field);
    return failed ? TASK_FAILED : TASK_DONE;
}
