/* SPDX-License-Identifier: Apache-2.0
 * tasks: the stages of a run. Each reads like the algorithm it runs; files, kernels and formulas
 * are in the rooms below. Every task is collective and returns 0, TASK_FAILED (the reason was
 * printed) or TASK_STOPPED (a stop was asked for, everything done so far is on disk, run again to
 * go on); all ranks return the same. */
#pragma once
#include "comm/comm.h"
#include "device/device.h"
#include "tasks/settings.h"

enum { TASK_DONE = 0, TASK_FAILED = 1, TASK_USAGE = 2, TASK_STOPPED = 75 };

struct job {
    struct settings settings;
    char *deck;            /* resolved, owned */
    char *deck_text;       /* as read, without the overrides; owned */
    const char *deck_path; /* as given */
    int argc;              /* the command line, for the record */
    char **argv;
    struct comm *comm; /* borrowed */
    struct device *device;
    enum dtype precision; /* of the network's activations */
};

int task_import(struct job *job);
int task_precompute(struct job *job);
int task_train(struct job *job);
int task_sample(struct job *job);
int task_evaluate(struct job *job);
int task_run(struct job *job);  /* all stages of run.stages, skipping what is complete */
int task_plan(struct job *job); /* prints storage, arithmetic, memory and time, see plan.h */
int task_check(
    struct job *job); /* the deck against the data it names and the limits of physics and network */
int task_deck(struct job *job);   /* prints the resolved deck; needs no device */
int task_report(struct job *job); /* report.html: the run on one page, from the files there are */
int task_export(struct job *job); /* the network as safetensors, the samples as PNGs */
int task_info(const char *path); /* says what a file is; one rank */

/* What a file of a run depends on, for deck_differences. */
enum job_file { FILE_DATASET, FILE_TRAJECTORIES, FILE_CHECKPOINT };
/* 1 if a stored resolved deck fits the present one; otherwise 0, with the keys that differ unless
 * quiet. */
int job_matches(const struct job *job, enum job_file kind, const char *path, const char *stored,
                int quiet);

/* What stands at path, of that format and this deck: something to go on with, something to reuse,
 * or nothing of use (a warning says why). Collective. */
enum job_found { JOB_NOTHING, JOB_UNFINISHED, JOB_COMPLETE };
enum job_found job_look(const struct job *job, enum job_file kind, const char *path,
                        const char *format);

/* Non-zero, with the reason and the command that makes it, unless path is complete and of this
 * deck. Collective. */
int job_require(const struct job *job, enum job_file kind, const char *path, const char *format,
                const char *maker);

/* run.out/name; returns buffer. */
enum { JOB_PATH = 1024 };
const char *job_path(const struct job *job, const char *name, char buffer[JOB_PATH]);

/* The images of the run's data set as the network sees them: rows first..first+count of a split as
 * fp32 in [0,1], host [count,H,W,C]. */
struct h5_file;
int job_read_images(struct h5_file *dataset, int test, int64_t first, int64_t count,
                    int64_t per_image, float *out);

/* The plan of the forward process for images of this side. Reads the velocity file if there is one
 * (owned by *field, mem_free). Free the plan with physics_plan_free. */
int job_plan(const struct job *job, int side, int channels, struct adr_plan *plan, float **field);

/* Velocity keys. Training trajectories use the image's own number (or its shared realisation),
 * priors of samples numbers that no training image has. */
static inline uint64_t velocity_key(const struct adr_plan *plan, int64_t image)
{
    return plan->realisations > 0 ? (uint64_t)image % (uint64_t)plan->realisations
                                  : (uint64_t)image;
}
static inline uint64_t prior_velocity_key(int64_t sample)
{
    return ((uint64_t)1 << 48) | (uint64_t)sample;
}

/* Was a stop asked for (signal USR1 or TERM, a file STOP in run.out, the wall-time limit), or only
 * a checkpoint (USR2)? 0, STOP_SAVE or STOP_LEAVE; the ranks agree, so all get the same answer.
 * need_s: how long the caller needs to save its state. Collective. */
enum { STOP_SAVE = 1, STOP_LEAVE = 2 };
void stop_install(void); /* first act of main: threads started later inherit the blocked signals */
int stop_requested(struct job *job, double need_s);
const char *stop_reason(void); /* "" "signal" "stop" "time limit" */

/* Which pair or image comes at place i of epoch e: a keyed permutation of 0..n-1 (Feistel network
 * with cycle walking), the same for every rank count. */
int64_t permuted(uint64_t seed, int stream, uint32_t epoch, int64_t n, int64_t i);

/* End of run: table of where the time went (rank 0), timings.json. */
void job_report(const struct job *job, const char *command, double seconds);
/* run.json: what runs where from what, and the starts before (history.jsonl); goes into every HDF5 file that is made from
 * now on as its attribute "run" (provenance.c). */
int job_write_provenance(const struct job *job, const char *command);
