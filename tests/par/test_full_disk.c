/* SPDX-License-Identifier: Apache-2.0
 * A disk that fills up, played by a small tmpfs (needs root; skipped otherwise): every rank learns
 * it, nobody hangs or crashes, what was marked before is whole and a run goes on once there is
 * room; checkpoints that were there stay. */
#include "check.h"

#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/split.h"
#include "base/text.h"
#include "files/checkpoint.h"
#include "files/dataset.h"
#include "files/trajectories.h"

enum { MIB = 1 << 20 };
static char folder[256];

static const char *in_folder(const char *name)
{
    static char path[2][512];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int shell(const char *format, const char *what)
{
    char command[512];
    snprintf(command, sizeof command, format, what);
    return system(command);
}

/* A file that leaves `free_bytes` of the disk; 0 bytes free: none. */
static void fill_disk(size_t free_bytes)
{
    struct statvfs disk;
    if (statvfs(folder, &disk))
        return;
    size_t n = disk.f_bavail * disk.f_frsize;
    n = n > free_bytes ? n - free_bytes : 0;
    char *zeros = mem_zalloc(n);
    FILE *f = fopen(in_folder("fill"), "wb");
    CHECK(fwrite(zeros, 1, n, f) == n);
    CHECK(!fclose(f));
    mem_free(zeros);
}

/* 12 MiB of u and as much of delta: does not fit. */
static const struct trajectories_shape shape = {768, 1, 64, 1, 50, H5_F32, 0};

static void fill(float *x, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count * 64 * 64; i++)
        x[i] = (float)(first * 64 * 64 + i);
}

/* Writes on from `done` until something fails; *done: what was marked. */
static int write_all(struct comm *c, struct h5_file *f, int64_t *done)
{
    const int64_t slab = 96;
    float *x = mem_alloc((size_t)slab * 64 * 64 * sizeof *x);
    int32_t level[96] = {0};
    int failed = 0;
    while (*done < shape.images && !failed) {
        struct range r = split_chunks(slab, 16, c->size, c->rank);
        fill(x, *done + r.first, r.count);
        failed = trajectories_write(f, &shape, *done + r.first, r.count, x, x, level) ||
                 trajectories_mark(f, *done + slab);
        *done += failed ? 0 : slab;
    }
    mem_free(x);
    return failed;
}

static void check_trajectories(struct comm *c)
{
    struct h5_file *f;
    int64_t done, found;
    char small[512];
    snprintf(small, sizeof small, "%s/t.h5", folder);
    CHECK(!trajectories_create(small, c, &shape, "", "", "", 0, &f, &done));
    int failed = write_all(c, f, &done);
    CHECK(failed && done > 0 && done < shape.images);
    CHECK(comm_agree(c, failed) == 1 && comm_agree(c, !failed) == 0);
    CHECK(h5_close(f));
    c->ops->barrier(c);
    if (c->rank == 0)
        CHECK(!shell("mount -o remount,size=64m %s", folder));
    c->ops->barrier(c);
    CHECK(!trajectories_create(small, c, &shape, "", "", "", 1, &f, &found) && found == done);
    CHECK(!write_all(c, f, &done) && done == shape.images);
    CHECK(!trajectories_finish(f));
    if (c->rank == 0) {
        struct trajectories_shape s;
        float *x = mem_alloc(768 * 64 * 64 * sizeof *x), *y = mem_alloc(768 * 64 * 64 * sizeof *y);
        fill(x, 0, 768);
        CHECK(!trajectories_open(small, NULL, &s, &f) &&
              !trajectories_read(f, 0, 768, y, NULL, NULL, NULL));
        CHECK(!memcmp(x, y, 768 * 64 * 64 * sizeof *x));
        CHECK(!trajectories_read(f, 0, 768, NULL, y, NULL, NULL) &&
              !memcmp(x, y, 768 * 64 * 64 * sizeof *x));
        CHECK(!h5_close(f));
        mem_free(x);
        mem_free(y);
        remove(small);
        CHECK(!shell("mount -o remount,size=16m %s", folder));
    }
    c->ops->barrier(c);
}

/* A file that cannot be begun, and one that cannot be finished, leave nothing behind. */
static void check_dataset(struct comm *c)
{
    const struct dataset_shape s = {4000, 0, 32, 32, 3, 0, 0}; /* 12 MB */
    struct h5_file *f;
    char path[512];
    snprintf(path, sizeof path, "%s/d.h5", folder);
    const size_t free_bytes[] = {0, 100000, 3 * MIB};
    for (int i = 0; i < 3; i++) {
        if (c->rank == 0)
            fill_disk(free_bytes[i]);
        c->ops->barrier(c);
        if (i < 2) {
            CHECK(dataset_create(path, c, &s, "", "", "", &f));
        } else {
            struct range r = split_chunks(s.count, dataset_chunk_rows(&s), c->size, c->rank);
            uint8_t *x = mem_zalloc((size_t)r.count * 32 * 32 * 3);
            CHECK(!dataset_create(path, c, &s, "", "", "", &f));
            CHECK(dataset_write(f, 0, r.first, r.count, x));
            CHECK(h5_close(f));
            mem_free(x);
        }
        c->ops->barrier(c);
        if (c->rank == 0) {
            CHECK(!text_exists(path) && !text_exists(in_folder("d.h5.new")));
            remove(in_folder("fill"));
        }
        c->ops->barrier(c);
    }
}

static void check_checkpoint(void)
{
    enum { COUNT = 3 * MIB / 4 }; /* 3 MiB an array */
    float *x = mem_zalloc(COUNT * sizeof *x);
    const struct checkpoint_array arrays[] = {{"params", x, COUNT}, {"ema", x, COUNT}};
    const struct checkpoint_param table[] = {{"weight", 0, COUNT}};
    const struct checkpoint first = {folder, 1, "", "", arrays, 2, table, 1, 1, 0},
                            second = {folder, 2, "", "", arrays, 2, table, 1, 1, 0};
    x[1] = 5;
    CHECK(!checkpoint_write(&first));
    for (size_t room = 0; room < 6 * MIB; room += MIB / 2 + 12345) {
        fill_disk(room);
        CHECK(checkpoint_write(&second));
        CHECK(!text_exists(in_folder("step-00000002.h5")) &&
              !text_exists(in_folder("step-00000002.h5.new")));
        CHECK(checkpoint_find(folder, NULL) == 1);
        remove(in_folder("fill"));
    }
    CHECK(!checkpoint_write(&second));
    CHECK(checkpoint_find(folder, NULL) == 2);
    mem_free(x);
}

int main(int argc, char **argv)
{
    struct comm *c = comm_world_create(&argc, &argv);
    if (!c)
        return 1;
    log_init(c->rank, c->size, 1);
    snprintf(folder, sizeof folder, "/tmp/peclet-test-XXXXXX");
    int mounted = 0;
    if (c->rank == 0 && geteuid() == 0 && mkdtemp(folder))
        mounted = !shell("mount -t tmpfs -o size=16m none %s 2>/dev/null", folder);
    if (c->rank == 0 && !mounted)
        rmdir(folder);
    c->ops->bcast(c, &mounted, sizeof mounted, 0);
    c->ops->bcast(c, folder, sizeof folder, 0);
    int failed = 77;
    if (mounted) {
        check_trajectories(c);
        check_dataset(c);
        if (c->rank == 0) {
            check_checkpoint();
            CHECK(!shell("umount %s", folder));
            rmdir(folder);
        }
        failed = comm_agree(c, check_done() != EXIT_SUCCESS);
    } else if (c->rank == 0) {
        printf("skipped: needs the right to mount a tmpfs\n");
    }
    c->ops->destroy(c);
    return failed ? failed : mem_live_bytes() != 0;
}
