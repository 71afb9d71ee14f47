/* SPDX-License-Identifier: Apache-2.0
 * The cuda device beside its operations: which card is taken and what is said where none can be,
 * memory and its accounts, uploads that leave the caller's memory alone, errors with names. */
#define _GNU_SOURCE /* setenv, dup2, fork */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"
#include "cuda.h"

/* What `call` writes to stderr, in a process of its own because it may be the last thing it does;
 * its exit status, 0 if it comes back. */
static int said_by(void (*call)(void), size_t bytes, char *text)
{
    FILE *file = tmpfile();
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(fileno(file), STDERR_FILENO);
        call();
        fflush(NULL);
        _exit(0);
    }
    waitpid(child, &status, 0);
    rewind(file);
    text[fread(text, 1, bytes - 1, file)] = '\0';
    fclose(file);
    return status;
}

#define CHECK_SAYS(text, part)                                                                     \
    do {                                                                                           \
        int found_ = strstr(text, part) != NULL;                                                   \
        if (!found_)                                                                               \
            printf("'%s' is not in: %s\n", part, text);                                            \
        CHECK(found_);                                                                             \
    } while (0)

static void open_any(void)
{
    struct device *d;
    if (device_open("cuda", 0, 0, 1, &d) == 0)
        fprintf(stderr, "opened");
}

static void test_no_card(void)
{
    char text[1024];
    struct device *d;
    setenv("COH_GPUS", "0", 1);
    CHECK(said_by(open_any, sizeof text, text) == 0);
    CHECK_SAYS(text, "no GPU: no CUDA-capable device is detected");
    CHECK_SAYS(text, "run.device = 'cpu'");
    CHECK(device_open("auto", 1, 0, 1, &d) == 0 && strcmp(d->name, "cpu") == 0);
    device_close(d);
    unsetenv("COH_GPUS");

    setenv("COH_DRIVER", "12080", 1);
    CHECK(said_by(open_any, sizeof text, text) == 0);
    CHECK_SAYS(text, "driver version is insufficient");
    CHECK_SAYS(text, "the driver is for CUDA 12.8, this program needs 13.0");
    unsetenv("COH_DRIVER");

    setenv("COH_CAPABILITY", "75", 1);
    CHECK(said_by(open_any, sizeof text, text) == 0);
    CHECK_SAYS(text, "has compute capability 7.5; 8.0 is needed");
    CHECK(device_open("auto", 1, 0, 1, &d) == 0 && strcmp(d->name, "cpu") == 0);
    device_close(d);
    unsetenv("COH_CAPABILITY");
}

static void test_choice(void)
{
    struct device *d;
    setenv("COH_GPUS", "4", 1);
    CHECK(device_open("auto", 3, 6, 8, &d) == 0);
    CHECK(strcmp(d->name, "cuda") == 0 && d->threads == 3 && d->bf16_fast == 1);
    CHECK(cuda_of(d)->gpu == 2 && cuda_of(d)->capability == 90);
    CHECK_SAYS(d->description, "GPU 2 of 4");
    CHECK_SAYS(d->description, "4 GiB, capability 9.0, CUDA 13.0");
    CHECK_SAYS(d->libraries, "CUDA runtime 13.0, driver for CUDA ");
    device_close(d);
    unsetenv("COH_GPUS");
}

static void test_accounts(struct device *d)
{
    enum { PIECES = 200 };
    void *p[PIECES];
    CHECK(d->ops->alloc(d, 0) == NULL);
    d->ops->free(d, NULL);
    for (int i = 0; i < PIECES; i++) {
        p[i] = d->ops->alloc(d, (size_t)i + 1);
        CHECK((uintptr_t)p[i] % 64 == 0);
    }
    CHECK(d->bytes == PIECES * (PIECES + 1) / 2 && d->peak_bytes == d->bytes);
    for (int i = 0; i < PIECES; i += 2) /* not in order */
        d->ops->free(d, p[i]);
    for (int i = 1; i < PIECES; i += 2)
        d->ops->free(d, p[i]);
    CHECK(d->bytes == 0 && d->peak_bytes == PIECES * (PIECES + 1) / 2);
    char *small = cuda_scratch(d, 1000), *large = cuda_scratch(d, 5 << 20);
    CHECK((uintptr_t)large % 256 == 0 && small != NULL);
    CHECK(cuda_scratch(d, 1) == large); /* never shrinks */
    CHECK(d->bytes == 0 && d->peak_bytes >= 5 << 20);
}

static struct device *open_one;

static void ask_too_much(void)
{
    open_one->ops->alloc(open_one, 1 << 20);
    open_one->ops->alloc(open_one, (size_t)5 << 30);
}
static void launch_badly(void)
{
    cudaFuncSetAttribute((const void *)&open_one, cudaFuncAttributeMaxDynamicSharedMemorySize,
                         1 << 30);
    CUDA_LAUNCHED(open_one, "norm_forward");
}
static void copy_badly(void)
{
    char host[2] = {0};
    open_one->ops->copy(open_one, host, host + 1, 1);
}

static void test_deaths(struct device *d)
{
    char text[1024];
    open_one = d;
    CHECK(said_by(ask_too_much, sizeof text, text) != 0);
    CHECK_SAYS(text, "out of memory on GPU 0: 5120.0 MiB more for an array");
    CHECK_SAYS(text, "of the card's 4.00 GiB are free");
    CHECK_SAYS(text, "train.batch");
    CHECK(said_by(launch_badly, sizeof text, text) != 0);
    CHECK_SAYS(text, "kernel norm_forward: invalid argument (cudaErrorInvalidValue)");
    CHECK(said_by(copy_badly, sizeof text, text) != 0);
    CHECK_SAYS(text, "cudaMemcpyAsync(");
    CHECK_SAYS(text, "device_cuda.c:");
}

/* More than the ring of page-locked pieces holds, from memory that changes at once. A small upload
 * does not wait: what is on its way has not arrived. */
static void test_uploads(struct device *d)
{
    const size_t bytes = ((size_t)70 << 20) + 5;
    unsigned char *host = mem_alloc(bytes), *back = mem_alloc(bytes), *x = d->ops->alloc(d, bytes);
    size_t wrong = 0;
    for (size_t i = 0; i < bytes; i++)
        host[i] = (unsigned char)(i * 7 + i / 251);
    d->ops->upload(d, x, host, bytes);
    memset(host, 0, bytes);
    d->ops->download(d, back, x, bytes);
    for (size_t i = 0; i < bytes; i++)
        wrong += back[i] != (unsigned char)(i * 7 + i / 251);
    CHECK(wrong == 0);

    host[0] = 1;
    d->ops->upload(d, x, host, 1);
    host[0] = 2;
    d->ops->copy(d, x + 1, x, 1);
    d->ops->zero(d, x, 1);
    if (!getenv("COH_EAGER"))
        CHECK(x[1] != 1); /* the host sees the fake device's memory */
    d->ops->sync(d);
    CHECK(x[0] == 0 && x[1] == 1);

    unsigned char *locked = d->ops->host_alloc(d, 4);
    locked[0] = 3;
    d->ops->upload(d, x, locked, 1);
    locked[0] = 4; /* page-locked memory too is free at once */
    d->ops->download(d, locked + 1, x, 1);
    CHECK(locked[1] == 3);
    d->ops->host_free(d, locked);
    d->ops->free(d, x);
    mem_free(host);
    mem_free(back);
}

int main(void)
{
    struct device *d;
    test_no_card();
    test_choice();
    CHECK(device_open("cuda", 0, 0, 1, &d) == 0);
    test_accounts(d);
    test_deaths(d);
    test_uploads(d);
    CHECK(d->bytes == 0);
    device_close(d);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
