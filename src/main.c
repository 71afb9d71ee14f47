/* SPDX-License-Identifier: Apache-2.0
 * peclet COMMAND DECK [group.key=value ...]: command line -> deck -> communicator -> device ->
 * task. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/timer.h"
#include "base/version.h"
#include "comm_nccl.h"
#include "tasks/lock.h"
#include "tasks/state.h"
#include "tasks/watchdog.h"

static const struct command {
    const char *name;
    int (*task)(struct job *job); /* NULL: needs no deck */
    int light; /* needs one rank, leaves no record of itself in the folder, and a signal ends it */
    const char *help;
} commands[] = {
    {"run", task_run, 0, "all stages that the deck switches on, skipping what is complete"},
    {"import", task_import, 0, "pictures -> dataset.h5"},
    {"precompute", task_precompute, 0, "corrupt the images: dataset.h5 -> trajectories.h5"},
    {"train", task_train, 0, "learn the way back: trajectories.h5 -> checkpoints/"},
    {"sample", task_sample, 0, "draw new images: samples.h5, samples.png, chain.png"},
    {"evaluate", task_evaluate, 0, "score samples against real images: metrics.json"},
    {"report", task_report, 1, "show the run on one page: report.html"},
    {"export", task_export, 0,
     "for other programs: the network as safetensors, the samples as PNGs"},
    {"deck", task_deck, 1, "print the deck with overrides and defaults filled in"},
    {"check", task_check, 1, "validate a deck without computing"},
    {"plan", task_plan, 1,
     "storage, memory and time of a deck, after a short trial on this machine"},
    {"info", NULL, 1, "say what a file is: peclet info FILE"},
    {"help", NULL, 1, "all groups of a deck, one group, or one key: peclet help [GROUP[.KEY]]"},
    {"version", NULL, 1, "version, commit, build"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static struct comm *world; /* for die alone */

static void abort_world(int code)
{
    world->ops->abort(world, code);
}

static void usage(FILE *out)
{
    fprintf(out, "usage: peclet COMMAND DECK [group.key=value ...]\n\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].help);
    fprintf(out,
            "\nSeveral ranks: mpirun -n 2 peclet run inputs/demo.nml\n"
            "Exit: 0 done, 1 failed, 2 bad usage or deck, 75 stopped early, run again to go on\n");
}

static const struct command *find_command(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (name && !strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static void report_unknown(const char *name)
{
    const char *names[COMMANDS];
    for (int i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    const char *near = deck_nearest(name, names, COMMANDS);
    log_error("unknown command '%s'%s%s%s", name, near ? "; did you mean '" : "", near ? near : "",
              near ? "'?" : "");
}

/* help, version, info: no deck, rank 0 alone. */
static int run_bare(const struct command *command, int argc, char **argv, struct settings *s)
{
    if (!strcmp(command->name, "version")) {
        printf("peclet %s, commit %s, %s\n", version_number(), version_commit(), version_build());
        return TASK_DONE;
    }
    if (!strcmp(command->name, "info")) {
        if (argc == 3)
            return task_info(argv[2]);
        log_error("usage: peclet info FILE");
        return TASK_USAGE;
    }
    if (argc > 2)
        return deck_help(s->groups, s->group_count, argv[2]) ? TASK_USAGE : TASK_DONE;
    usage(stdout);
    printf("\n");
    return deck_help(s->groups, s->group_count, NULL) ? TASK_USAGE : TASK_DONE;
}

/* Rank 0 reads the deck and parses it first, so that faults are printed once; then all parse the
 * same bytes. */
static int read_deck(struct job *job, int override_count, char **overrides)
{
    struct comm *comm = job->comm;
    char *text = NULL;
    size_t bytes = 0;
    int failed = comm->rank == 0 && text_read(job->deck_path, &text, &bytes);
    if (comm_agree(comm, failed))
        return 1;
    comm->ops->bcast(comm, &bytes, sizeof bytes, 0);
    if (comm->rank)
        text = mem_alloc(bytes + 1);
    comm->ops->bcast(comm, text, bytes + 1, 0);
    settings_init(&job->settings);
    const struct settings *s = &job->settings;
    failed = comm->rank == 0 && (deck_read(job->deck_path, text, bytes, overrides, override_count,
                                           s->groups, s->group_count) ||
                                 settings_unsupported(s));
    failed = comm_agree(comm, failed);
    if (!failed && comm->rank)
        failed = deck_read(job->deck_path, text, bytes, overrides, override_count, s->groups,
                           s->group_count);
    job->deck_text = text;
    if (comm_agree(comm, failed))
        return 1;
    job->deck = deck_resolved(job->settings.groups, job->settings.group_count);
    return 0;
}

static int open_device(struct job *job)
{
    const struct run_settings *run = &job->settings.run;
    int failed = device_open(run->device, (int)run->threads, job->comm->local_rank,
                             job->comm->local_size, &job->device);
    if (comm_agree(job->comm, failed))
        return 1;
    int bf16 = !strcmp(run->precision, "bf16") ||
               (!strcmp(run->precision, "auto") && job->device->bf16_fast);
    job->precision = bf16 ? DTYPE_BF16 : DTYPE_F32;
    return 0;
}

/* From here on sums over ranks are of GPU memory, where the device is a GPU. */
static int join_gpus(struct job *job)
{
    const struct settings *s = &job->settings;
    struct comm_nccl_settings how = {.share_gpu = s->run.share_gpu,
                                     .type =
                                         strcmp(s->train.reduce, "bf16") ? DTYPE_F32 : DTYPE_BF16,
                                     .timeout_s = s->limits.step};
    if (strcmp(job->device->name, "cuda"))
        return 0;
    struct comm *comm = comm_nccl_create(world, job->device, &how);
    if (!comm)
        return 1;
    job->comm = comm;
    return 0;
}

static const char *reason_of(int result)
{
    return result == TASK_DONE ? "done" : result == TASK_STOPPED ? stop_reason() : "failed";
}

/* A command that writes into the run's folder, from the device to the record of what ran. */
static int run_stage(struct job *job, const struct command *command)
{
    double began = timer_now_s();
    if (open_device(job) || join_gpus(job) || job_write_provenance(job, command->name))
        return TASK_FAILED;
    log_info("peclet %s: %s, %d rank(s), %s", command->name, job->settings.run.name,
             job->comm->size, job->device->description);
    watchdog_start(job);
    int result = command->task(job);
    watchdog_stop();
    job_report(job, command->name, timer_now_s() - began);
    if (result == TASK_DONE && command->task == task_run)
        result = task_report(job);
    return result;
}

static int run_task(struct job *job, const struct command *command)
{
    if (command->task == task_deck) /* also where the deck's device is not */
        return task_deck(job);
    if (command->light)
        return open_device(job) ? TASK_FAILED : command->task(job);
    int failed = job->comm->rank == 0 && text_make_folders(job->settings.run.out);
    if (comm_agree(job->comm, failed) || lock_take(job))
        return TASK_FAILED;
    state_begin(job, command->name);
    int result = run_stage(job, command);
    if (state_end(job, reason_of(result), result) && result == TASK_DONE)
        result = TASK_FAILED;
    return comm_agree(job->comm, result);
}

static int run_deck(const struct command *command, struct job *job)
{
    if (job->argc < 3) {
        if (job->comm->rank == 0)
            log_error("peclet %s needs a deck: peclet %s DECK [group.key=value ...]", command->name,
                      command->name);
        return TASK_USAGE;
    }
    job->deck_path = job->argv[2];
    int result = read_deck(job, job->argc - 3, job->argv + 3) ? TASK_USAGE : run_task(job, command);
    if (job->comm != world)
        job->comm->ops->destroy(job->comm);
    job->comm = world;
    device_close(job->device);
    mem_free(job->deck);
    mem_free(job->deck_text);
    return result;
}

int main(int argc, char **argv)
{
    const struct command *command = find_command(argc > 1 ? argv[1] : NULL);
    int light = !command || command->light;
    /* plan counts the memory of MPI too */
    int alone = light && (!command || command->task != task_plan);
    if (!light) /* the others end at once, as usual */
        stop_install();
    world =
        alone && comm_launched_ranks() <= 1 ? comm_self_create() : comm_world_create(&argc, &argv);
    if (!world)
        return TASK_FAILED;
    die_init(world->rank, abort_world);
    log_init(world->rank, world->size, 0);

    struct job *job = mem_zalloc(sizeof *job);
    job->comm = world;
    job->argc = argc;
    job->argv = argv;
    int result = TASK_USAGE;
    if (!command) {
        if (world->rank == 0 && argc < 2)
            usage(stderr);
        else if (world->rank == 0)
            report_unknown(argv[1]);
    } else if (command->task) {
        result = run_deck(command, job);
    } else {
        settings_init(&job->settings);
        result = world->rank == 0 ? run_bare(command, argc, argv, &job->settings) : TASK_DONE;
        result = comm_agree(world, result);
    }
    mem_free(job);
    fflush(NULL);
    world->ops->destroy(world);
    if (mem_live_bytes() != 0)
        log_warn("%zu bytes were not freed (a bug)", mem_live_bytes());
    return result;
}
