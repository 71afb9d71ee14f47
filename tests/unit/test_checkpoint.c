/* SPDX-License-Identifier: Apache-2.0
 * Checkpoints: what is written is read back; a damaged one, wherever the damage is, is reported and
 * the one before it used; old ones go, the right ones stay; a full disk (played by a limit on the
 * size of files) leaves the others whole. */
#include "check.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "files/checkpoint.h"

enum { COUNT = 1234567 }; /* no multiple of anything */
static char folder[64], path[128];
static float *params, *ema, *got_params, *got_ema;
static const struct checkpoint_param table[] = {{"in.conv.weight", 0, 1000},
                                                {"out", 1000, COUNT - 1000}};

static void fill(int64_t step)
{
    for (int i = 0; i < COUNT; i++) {
        params[i] = (float)(i % 1000) + (float)step * 1e-3f;
        ema[i] = -params[i] * 0.5f;
    }
}

static int write_step(int64_t step, int64_t keep, int64_t keep_every)
{
    const struct checkpoint_array arrays[] = {{"params", params, COUNT}, {"ema", ema, COUNT}};
    fill(step);
    const struct checkpoint c = {folder, step,  "&run /\n", "transport", arrays,
                                 2,      table, 2,          keep,        keep_every};
    return checkpoint_write(&c);
}

/* Does the checkpoint of this step hold what write_step wrote? */
static int holds(int64_t step)
{
    const struct checkpoint_array arrays[] = {{"ema", got_ema, COUNT},
                                              {"params", got_params, COUNT}};
    fill(step);
    memset(got_params, 0, COUNT * sizeof *got_params);
    memset(got_ema, 0, COUNT * sizeof *got_ema);
    return !checkpoint_read(folder, step, arrays, 2) &&
           !memcmp(params, got_params, COUNT * sizeof *params) &&
           !memcmp(ema, got_ema, COUNT * sizeof *ema);
}

static const char *file_of(int64_t step)
{
    snprintf(path, sizeof path, "%s/step-%08lld.h5", folder, (long long)step);
    return path;
}

static int count_files(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void empty_folder(void)
{
    char name[512];
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') {
            snprintf(name, sizeof name, "%s/%s", folder, e->d_name);
            remove(name);
        }
    closedir(d);
}

static void flip_byte(const char *name, long at)
{
    FILE *f = fopen(name, "r+b");
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    int byte = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(byte ^ 0x10, f);
    CHECK(!fclose(f));
}

static void check_round_trip(void)
{
    char *deck = NULL, *latest = NULL;
    CHECK(checkpoint_find("/nonexistent/folder", &deck) == -1 && deck == NULL);
    CHECK(checkpoint_find(folder, NULL) == -1);
    CHECK(!write_step(1000, 0, 0) && !write_step(2000, 0, 0));
    CHECK(checkpoint_find(folder, &deck) == 2000 && deck && !strcmp(deck, "&run /\n"));
    mem_free(deck);
    snprintf(path, sizeof path, "%s/LATEST", folder);
    CHECK(!text_read(path, &latest, NULL) && !strcmp(latest, "step-00002000.h5\n"));
    mem_free(latest);
    CHECK(holds(2000) && holds(1000));
    struct checkpoint_array part = {"ema", got_ema, COUNT}, shorter = {"ema", got_ema, COUNT - 1},
                            none = {"v", got_ema, 1};
    CHECK(!checkpoint_read(folder, 1000, &part, 1));
    CHECK(checkpoint_read(folder, 1000, &shorter, 1)); /* another network */
    CHECK(checkpoint_read(folder, 1000, &none, 1));
    CHECK(checkpoint_read(folder, 3000, &part, 1));
    CHECK(!write_step(1000, 0, 0) && count_files() == 3); /* again, over itself */
}

static void check_damage(void)
{
    const long places[] = {1200000, 8000000, -1000};
    for (int i = 0; i < 3; i++) { /* in the first array, in the second, near the end */
        CHECK(!write_step(2000, 0, 0) && checkpoint_find(folder, NULL) == 2000);
        flip_byte(file_of(2000), places[i]);
        CHECK(checkpoint_find(folder, NULL) == 1000);
        CHECK(!holds(2000) && holds(1000));
    }
    const long lengths[] = {0, 1, 96, 800, 4096, 100000, 9000000};
    for (int i = 0; i < 7; i++) { /* cut short */
        CHECK(!write_step(2000, 0, 0));
        CHECK(!truncate(file_of(2000), lengths[i]));
        CHECK(checkpoint_find(folder, NULL) == 1000);
    }
    CHECK(!text_write(file_of(2000), "no HDF5"));
    CHECK(checkpoint_find(folder, NULL) == 1000);
    struct h5_file *f; /* HDF5, but not a checkpoint; a checkpoint, but not complete */
    for (int i = 0; i < 2; i++) {
        CHECK(!h5_create(file_of(2000), NULL, "", &f));
        CHECK(!h5_set_provenance(f, i ? "peclet-checkpoint" : "peclet-samples", 1 + i, "", ""));
        CHECK(!h5_close(f));
        CHECK(checkpoint_find(folder, NULL) == 1000);
    }
    flip_byte(file_of(1000), 1200000);
    CHECK(checkpoint_find(folder, NULL) == -1);
    empty_folder();
}

/* While one is written the one before it is found and read; half-written ones have no name. */
static void check_background(void)
{
    const struct checkpoint_array arrays[] = {{"params", params, COUNT}, {"ema", ema, COUNT}};
    const struct checkpoint c = {folder, 9, "", "", arrays, 2, table, 2, 0, 0};
    struct checkpoint_writer *w;
    double seconds = -1;
    CHECK(!write_step(8, 0, 0));
    fill(9);
    CHECK(!checkpoint_begin(&c, &w));
    int64_t found = checkpoint_find(folder, NULL);
    CHECK(found == 8 || found == 9);
    CHECK(!checkpoint_end(w, &seconds) && seconds > 0);
    CHECK(checkpoint_find(folder, NULL) == 9 && holds(9) && holds(8));
    CHECK(!checkpoint_end(NULL, NULL));
    empty_folder();
}

static int exists(int64_t step)
{
    return text_exists(file_of(step));
}

static void check_keep(void)
{
    char leftover[160];
    snprintf(leftover, sizeof leftover, "%s.new", file_of(7));
    CHECK(!text_write(leftover, "of a killed run"));
    for (int64_t step = 10; step <= 70; step += 10)
        CHECK(!write_step(step, 2, 30));
    CHECK(exists(30) && exists(60) && exists(70) && !exists(10) && !exists(20) && !exists(40) &&
          !exists(50));
    CHECK(count_files() == 4); /* and LATEST */
    CHECK(!write_step(65, 1,
                      0)); /* newer ones (of another history) are neither counted nor removed */
    CHECK(exists(70) && exists(65) && !exists(60) && !exists(30));
    CHECK(checkpoint_find(folder, NULL) == 70);
    CHECK(!text_write(file_of(123), "x") && count_files() == 4);
    CHECK(!write_step(80, 0, 0) && count_files() == 5); /* 0 keeps all */
    empty_folder();
}

static void check_no_room(void)
{
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN);
    CHECK(!write_step(1, 1, 0));
    const rlim_t limits[] = {0, 100, 3000};
    for (int i = 0; i < 3; i++) {
        small = old;
        small.rlim_cur = limits[i];
        setrlimit(RLIMIT_FSIZE, &small);
        CHECK(write_step(2, 1, 0));
        setrlimit(RLIMIT_FSIZE, &old);
        CHECK(count_files() == 2); /* nothing half-made stays */
        CHECK(checkpoint_find(folder, NULL) == 1 && holds(1));
    }
    CHECK(!write_step(2, 1, 0) && holds(2) && !exists(1));
    empty_folder();
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/peclet-test-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    float **buffers[] = {&params, &ema, &got_params, &got_ema};
    for (int i = 0; i < 4; i++)
        *buffers[i] = mem_alloc(COUNT * sizeof(float));
    check_round_trip();
    check_damage();
    check_background();
    check_keep();
    check_no_room();
    for (int i = 0; i < 4; i++)
        mem_free(*buffers[i]);
    CHECK(!rmdir(folder));
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
