/* SPDX-License-Identifier: Apache-2.0
 * Ground floor: counted memory, whole files, folders, timers. */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/timer.h"

static void check_memory(void)
{
    CHECK(mem_live_bytes() == 0);
    char *a = mem_alloc(1000), *empty = mem_alloc(0);
    int *b = mem_zalloc(100 * sizeof(int));
    CHECK((uintptr_t)a % 64 == 0 && (uintptr_t)b % 64 == 0 && empty != NULL);
    int sum = 0;
    for (int i = 0; i < 100; i++)
        sum |= b[i];
    CHECK(sum == 0);
    CHECK(mem_live_bytes() == 1000 + 100 * sizeof(int));
    mem_free(a);
    CHECK(mem_live_bytes() == 100 * sizeof(int));
    CHECK(mem_peak_bytes() == 1000 + 100 * sizeof(int));
    char *copy = mem_strdup("flow");
    CHECK(strcmp(copy, "flow") == 0);
    mem_free(copy);
    mem_free(b);
    mem_free(empty);
    mem_free(NULL);
    CHECK(mem_live_bytes() == 0);
}

static void check_text(const char *folder)
{
    char path[256], deep[256], temporary[300], *text = NULL;
    size_t bytes = 0;
    snprintf(path, sizeof path, "%s/a.txt", folder);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    snprintf(deep, sizeof deep, "%s/x/y//z/", folder);
    CHECK(text_exists(path) == 0);
    CHECK(text_write(path, "one\ntwo\n") == 0 && text_exists(path) == 1 &&
          text_exists(temporary) == 0);
    CHECK(text_read(path, &text, &bytes) == 0 && bytes == 8 && strcmp(text, "one\ntwo\n") == 0);
    mem_free(text);

    /* larger than any buffer, so that growing is met */
    char *large = mem_alloc(100001);
    memset(large, 'q', 100000);
    large[100000] = 0;
    CHECK(text_write(path, large) == 0 && text_read(path, &text, NULL) == 0 &&
          strcmp(text, large) == 0);
    mem_free(text);

    /* a full disk (played by a limit on file sizes) leaves the old file whole and nothing beside it
     */
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 5000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    large[0] = 'r';
    CHECK(text_write(path, large) != 0);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(text_exists(temporary) == 0);
    CHECK(text_read(path, &text, NULL) == 0 && text[0] == 'q' && strlen(text) == 100000);
    mem_free(text);
    mem_free(large);

    CHECK(text_make_folders(deep) == 0 && text_exists(deep) == 1 && text_make_folders(deep) == 0);
    snprintf(deep, sizeof deep, "%s/a.txt/below", folder); /* a file stands in the way */
    CHECK(text_make_folders(deep) != 0);
    snprintf(deep, sizeof deep, "%s/a.txt", folder); /* or is what should be the folder */
    CHECK(text_make_folders(deep) != 0);
    text = NULL;
    CHECK(text_read("/nonexistent/file", &text, &bytes) != 0 && text == NULL);
    CHECK(text_read(folder, &text, &bytes) != 0 && text == NULL);
    CHECK(text_write("/nonexistent/file", "x") != 0);
}

static void check_timer(void)
{
    timer_reset();
    struct timespec nap = {0, 20000000};
    double start = timer_now_s();
    for (int i = 0; i < 2; i++) {
        timer_begin("outer");
        timer_begin("outer/inner");
        nanosleep(&nap, NULL);
        timer_end("outer/inner");
        timer_end("outer");
    }
    timer_add("other", 1.5, 3);
    double spent = timer_now_s() - start;
    CHECK(timer_count() == 3);
    CHECK(strcmp(timer_name(0), "outer") == 0 && strcmp(timer_name(1), "outer/inner") == 0);
    CHECK(timer_calls(0) == 2 && timer_calls(1) == 2 && timer_calls(2) == 3);
    CHECK(timer_seconds(1) >= 0.04 && timer_seconds(0) >= timer_seconds(1) &&
          timer_seconds(0) <= spent);
    CHECK(timer_seconds(2) == 1.5);
    timer_reset();
    CHECK(timer_count() == 0);
}

int main(void)
{
    char folder[] = "/tmp/test_base_XXXXXX", command[128];
    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    check_memory();
    check_text(folder);
    check_timer();
    CHECK(mem_live_bytes() == 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return check_done();
}
