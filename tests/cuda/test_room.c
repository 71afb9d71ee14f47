/* SPDX-License-Identifier: Apache-2.0
 * tasks/room.c on cards of several sizes: what does not fit is refused before any of it is taken, the
 * message says how much is needed and what would do, and both are true. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "check.h"
#include "nn/optimizer.h"
#include "tasks/model.h"
#include "tasks/room.h"

enum { SIDE = 16, CHANNELS = 3 };
static const double GIB = 1 << 30;

int device_cuda_create(int local_rank, struct device **out);

/* A card of which so many bytes are free. */
static void leave(struct device *d, double bytes)
{
    char text[32];
    setenv("COH_MEMORY", "1000000000000", 1);
    snprintf(text, sizeof text, "%.0f", 1e12 - d->ops->room(d) + bytes);
    setenv("COH_MEMORY", text, 1);
}

/* Is there room, and what is said if not. Nothing may be taken in asking. */
static int refused(struct job *job, int training, size_t size, char *said)
{
    FILE *file = tmpfile();
    size_t bytes = job->device->bytes;
    double free_bytes = job->device->ops->room(job->device);
    fflush(NULL);
    int keep = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    int no = (training ? room_for_training : room_for_sampling)(job, SIDE, CHANNELS);
    fflush(NULL);
    dup2(keep, STDERR_FILENO);
    close(keep);
    rewind(file);
    said[fread(said, 1, size - 1, file)] = '\0';
    fclose(file);
    CHECK(job->device->bytes == bytes && job->device->ops->room(job->device) == free_bytes);
    CHECK((no != 0) == (strstr(said, "needs at least") != NULL));
    return no;
}

/* The number behind a word of the message. */
static double number(const char *said, const char *word)
{
    const char *at = strstr(said, word);
    CHECK(at);
    return at ? atof(at + strlen(word)) : 0;
}

static double training_takes(struct job *job)
{
    struct device *d = job->device;
    struct model m;
    const struct train_settings *s = &job->settings.train;
    size_t before = d->bytes;
    const struct optimizer_settings o = {.kind = OPTIMIZER_ADAM, .learning_rate = 1e-3};
    CHECK(model_create(job, SIDE, CHANNELS, (int)(s->batch / s->accumulate), 1, &m) == 0);
    float *host = mem_zalloc((size_t)m.param_count * sizeof *host);
    struct optimizer *optimizer = optimizer_create(d, &o, m.param_count, host);
    CHECK((graph_rounded(m.graph) != NULL) == (job->precision == DTYPE_BF16));
    double bytes = (double)(d->bytes - before) + 4 * (double)m.param_count; /* the gradient */
    optimizer_destroy(optimizer);
    model_free(&m);
    mem_free(host);
    return bytes;
}

static void training(struct job *job)
{
    char said[1024];
    setenv("COH_MEMORY", "1000000000000", 1);
    CHECK(!refused(job, 1, sizeof said, said) && !*said);
    double takes = training_takes(job);
    leave(job->device, 0.9 * takes);
    CHECK(refused(job, 1, sizeof said, said));
    printf("%s", said);
    double needs = number(said, "at least ") * GIB, step = 0.006 * GIB;
    CHECK(needs > takes - step && needs < 1.2 * takes + step); /* images, losses beside it */
    CHECK_NEAR(number(said, "and ") * GIB, 0.9 * takes, step);
    CHECK(strstr(said, "train.batch (128)") && strstr(said, "unet.channels (32)"));
    CHECK(strstr(said, "run.precision = 'bf16'"));
    leave(job->device, needs - step);
    CHECK(refused(job, 1, sizeof said, said));
    leave(job->device, needs + step);
    CHECK(!refused(job, 1, sizeof said, said));

    /* what would do does, half of it does not */
    leave(job->device, needs / 3);
    CHECK(refused(job, 1, sizeof said, said));
    int64_t will_do = (int64_t)number(said, "accumulate (now 1; ");
    CHECK(will_do > 1);
    if (will_do <= 1)
        return;
    job->settings.train.accumulate = will_do;
    CHECK(!refused(job, 1, sizeof said, said));
    job->settings.train.accumulate = will_do / 2;
    CHECK(refused(job, 1, sizeof said, said));
    job->settings.train.accumulate = 1;

    leave(job->device, 1e6); /* not even the parameters */
    CHECK(refused(job, 1, sizeof said, said));
    CHECK(strstr(said, "would do") == NULL);
    job->precision = DTYPE_BF16;
    CHECK(refused(job, 1, sizeof said, said));
    CHECK(strstr(said, "run.precision") == NULL);
    setenv("COH_MEMORY", "1000000000000", 1);
    takes = training_takes(job);
    leave(job->device, 0.9 * takes);
    CHECK(refused(job, 1, sizeof said, said));
    needs = number(said, "at least ") * GIB;
    CHECK(needs > takes - step && needs < 1.2 * takes + step);
    leave(job->device, 1.5 * needs); /* enough, but not for two */
    CHECK(!refused(job, 1, sizeof said, said));
    job->comm->gpu_ranks = 2;
    CHECK(refused(job, 1, sizeof said, said));
    job->comm->gpu_ranks = 1;
    job->precision = DTYPE_F32;
}

static void sampling(struct job *job)
{
    char said[1024];
    setenv("COH_MEMORY", "1000000000000", 1);
    CHECK(!refused(job, 0, sizeof said, said));
    leave(job->device, 3e7);
    CHECK(refused(job, 0, sizeof said, said));
    printf("%s", said);
    int64_t batch = job->settings.sample.batch;
    job->settings.sample.batch = (int64_t)number(said, "sample.batch (now 256; ");
    CHECK(job->settings.sample.batch > 1 && !refused(job, 0, sizeof said, said));
    job->settings.sample.batch *= 2;
    CHECK(refused(job, 0, sizeof said, said));
    job->settings.sample.batch = batch;
}

int main(void)
{
    size_t before = mem_live_bytes();
    struct job job = {.comm = comm_self_create(), .precision = DTYPE_F32};
    log_init(0, 1, 1);
    settings_init(&job.settings);
    snprintf(job.settings.run.out, sizeof job.settings.run.out, "/nonexistent");
    job.settings.train.batch = 128;
    job.settings.sample.batch = 256;
    job.settings.unet.channels = 32;
    if (device_cuda_create(0, &job.device))
        return EXIT_FAILURE;
    training(&job);
    sampling(&job);
    job.settings.unet.channels = 7; /* no network */
    CHECK(room_for_training(&job, SIDE, CHANNELS));
    job.device->ops->destroy(job.device);
    job.comm->ops->destroy(job.comm);
    CHECK(mem_live_bytes() == before);
    return check_done();
}
