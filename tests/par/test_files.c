/* SPDX-License-Identifier: Apache-2.0
 * Files written by all ranks: read back by one, and equal to the last byte to a file that one rank
 * wrote alone. Values are a function of the global index, so that a row at the wrong place shows.
 * Also: a run that is cut short between two marks goes on and ends with the same bytes; fewer
 * images than ranks; both ways of moving data. */
#include "check.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/half.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/split.h"
#include "base/text.h"
#include "files/dataset.h"
#include "files/samples.h"
#include "files/trajectories.h"

static const char deck[] = "&run\n  name = 'test'\n/\n";
static char folder[256];

static const char *in_folder(const char *name)
{
    static char path[2][512];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static uint32_t mix(uint64_t x)
{
    x = (x + 1) * 0x9E3779B97F4A7C15u;
    return (uint32_t)((x ^ (x >> 29)) >> 16);
}

/* Rank 0: are two files equal, byte for byte? */
static int same_bytes(const char *a, const char *b)
{
    char *x = NULL, *y = NULL;
    size_t n = 0, m = 0;
    int same = !text_read(a, &x, &n) && !text_read(b, &y, &m) && n == m && !memcmp(x, y, n);
    if (!same)
        printf("%s (%zu bytes) and %s (%zu bytes) differ\n", a, n, b, m);
    mem_free(x);
    mem_free(y);
    return same;
}

static void check_same_bytes(const struct comm *c, const char *a, const char *b)
{
    char path[512];
    snprintf(path, sizeof path, "%s", in_folder(a));
    if (c->rank == 0)
        CHECK(same_bytes(path, in_folder(b)));
}

/* ---- dataset.h5 ---- */

static const struct dataset_shape shape = {53, 3, 7, 5, 3, 1, 0};
enum { PIXELS = 7 * 5 * 3 };

static void fill_images(uint8_t *x, int test, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count * PIXELS; i++)
        x[i] = (uint8_t)mix((uint64_t)(first * PIXELS + i + test * 1000000));
}

static int write_dataset(struct comm *c, const char *path, const char *hints)
{
    struct h5_file *f;
    uint8_t images[53 * PIXELS];
    int32_t labels[53];
    if (dataset_create(path, c, &shape, deck, "transport", hints, &f))
        return 1;
    CHECK(!text_exists(path)); /* not before it is complete */
    for (int test = 0; test < 2; test++) {
        struct range r = split_even(test ? shape.test_count : shape.count, c->size, c->rank);
        fill_images(images, test, r.first, r.count);
        CHECK(!dataset_write(f, test, r.first, r.count, images));
        for (int64_t i = 0; i < r.count; i++)
            labels[i] = (int32_t)(r.first + i) * 3 - 7;
        CHECK(test || !dataset_write_labels(f, test, r.first, r.count, labels));
    }
    return dataset_finish(f);
}

static void check_dataset(struct comm *c, struct comm *self)
{
    struct h5_file *f;
    struct dataset_shape s;
    uint8_t got[53 * PIXELS], want[53 * PIXELS];
    int32_t labels[53];
    CHECK(!write_dataset(c, in_folder("dataset.h5"), ""));
    CHECK(!write_dataset(c, in_folder("dataset-collective.h5"), "transfer:collective"));
    if (c->rank == 0)
        CHECK(!write_dataset(self, in_folder("dataset-alone.h5"), ""));
    c->ops->barrier(c);
    check_same_bytes(c, "dataset.h5", "dataset-alone.h5");
    check_same_bytes(c, "dataset-collective.h5", "dataset-alone.h5");
    for (int serial = 0; serial < 2; serial++) {
        CHECK(!dataset_open(in_folder("dataset.h5"), serial ? NULL : c, &s, &f));
        CHECK(s.count == 53 && s.test_count == 3 && s.height == 7 && s.width == 5 &&
              s.channels == 3);
        CHECK(s.labels == 1 && s.test_labels == 0);
        for (int test = 0; test < 2; test++) {
            int64_t n = test ? s.test_count : s.count;
            CHECK(!dataset_read(f, test, 0, n, got));
            fill_images(want, test, 0, n);
            CHECK(!memcmp(got, want, (size_t)(n * PIXELS)));
        }
        CHECK(!dataset_read_labels(f, 0, 10, 43, labels));
        CHECK(labels[0] == 23 && labels[42] == 149);
        CHECK(!h5_close(f));
    }
}

/* ---- trajectories.h5 ---- */

struct pairs {
    void *u, *delta;
    int32_t *level;
};

static struct pairs pairs_of(const struct trajectories_shape *s, int64_t first, int64_t count)
{
    int64_t row = s->side * s->side * s->channels, rows = count * s->pairs_per_image;
    struct pairs p = {mem_alloc((size_t)(rows * row) * 4), mem_alloc((size_t)(rows * row) * 4),
                      mem_alloc((size_t)rows * 4)};
    for (int64_t i = 0; i < rows * row; i++) {
        float a = (float)mix((uint64_t)(first * s->pairs_per_image * row + i)) * 1e-9f,
              b = 1.0f - a;
        if (s->type == H5_F16) {
            ((uint16_t *)p.u)[i] = half_from_float(a);
            ((uint16_t *)p.delta)[i] = half_from_float(b);
        } else {
            ((float *)p.u)[i] = a;
            ((float *)p.delta)[i] = b;
        }
    }
    for (int64_t i = 0; i < rows; i++)
        p.level[i] = (int32_t)(first * s->pairs_per_image + i) % s->levels + 1;
    return p;
}

static void pairs_free(struct pairs p)
{
    mem_free(p.u);
    mem_free(p.delta);
    mem_free(p.level);
}

/* Slabs from `done` on; stop_at < images: the run is cut short there, with an unmarked slab behind
 * it. */
static int write_slabs(struct comm *c, const struct trajectories_shape *s, struct h5_file *f,
                       int64_t done, int64_t stop_at)
{
    int64_t chunk = trajectories_chunk_images(s), slab = 2 * chunk;
    for (; done < s->images; done += slab) {
        int64_t n = s->images - done < slab ? s->images - done : slab;
        struct range r = split_chunks(n, chunk, c->size, c->rank);
        struct pairs p = pairs_of(s, done + r.first, r.count);
        CHECK(!trajectories_write(f, s, done + r.first, r.count, p.u, p.delta, p.level));
        pairs_free(p);
        if (done >= stop_at)
            return h5_close(f);
        CHECK(!trajectories_mark(f, done + n));
    }
    return trajectories_finish(f);
}

static void check_pairs(const char *path, const struct trajectories_shape *s)
{
    struct trajectories_shape got;
    struct h5_file *f;
    int64_t rows = s->images * s->pairs_per_image, bytes = rows * s->side * s->side * s->channels;
    bytes *= s->type == H5_F16 ? 2 : 4;
    struct pairs want = pairs_of(s, 0, s->images), read = pairs_of(s, 0, s->images);
    int64_t *image = mem_alloc((size_t)rows * sizeof *image);
    memset(read.u, 0, (size_t)bytes);
    memset(read.delta, 0, (size_t)bytes);
    CHECK(!trajectories_open(path, NULL, &got, &f));
    CHECK(got.images == s->images && got.pairs_per_image == s->pairs_per_image &&
          got.side == s->side);
    CHECK(got.channels == s->channels && got.levels == s->levels && got.type == s->type);
    CHECK(got.all_levels == s->all_levels);
    if (!s->all_levels) {
        CHECK(!trajectories_read(f, 0, rows, read.u, read.delta, image, read.level));
        CHECK(!memcmp(read.u, want.u, (size_t)bytes) &&
              !memcmp(read.delta, want.delta, (size_t)bytes));
        CHECK(!memcmp(read.level, want.level, (size_t)rows * 4));
        for (int64_t p = 0; p < rows; p++)
            CHECK(image[p] == p / s->pairs_per_image);
    }
    memset(read.u, 0, (size_t)bytes);
    memset(read.delta, 0, (size_t)bytes);
    for (int64_t p = 0; p < rows; p++) { /* one by one, as training does */
        char *u = (char *)read.u + p * (bytes / rows),
             *delta = (char *)read.delta + p * (bytes / rows);
        CHECK(!trajectories_read_pair(f, &got, p, u, delta, read.level + p));
        CHECK(read.level[p] == (s->all_levels ? p % s->levels + 1 : want.level[p]));
    }
    CHECK(!memcmp(read.u, want.u, (size_t)bytes) && !memcmp(read.delta, want.delta, (size_t)bytes));
    CHECK(!h5_close(f));
    mem_free(image);
    pairs_free(want);
    pairs_free(read);
}

static void check_trajectories(struct comm *c, struct comm *self,
                               const struct trajectories_shape *s, const char *hints)
{
    struct h5_file *f;
    struct trajectories_shape other = *s;
    int64_t done;
    const char *path = in_folder("trajectories.h5");
    int64_t slab = 2 * trajectories_chunk_images(s), cut = s->images > slab ? slab : 0;
    CHECK(!trajectories_create(path, c, s, deck, "transport", hints, 0, &f, &done) && done == 0);
    CHECK(!write_slabs(c, s, f, 0, cut));
    CHECK(h5_probe(path, "peclet-trajectories", NULL) == 2);
    CHECK(trajectories_open(path, c, &other, &f));
    other.levels++;
    CHECK(trajectories_create(path, c, &other, deck, "transport", hints, 1, &f, &done));
    c->ops->barrier(c);
    CHECK(!trajectories_create(path, c, s, deck, "transport", hints, 1, &f, &done) && done == cut);
    CHECK(!write_slabs(c, s, f, done, s->images));
    CHECK(h5_probe(path, "peclet-trajectories", NULL) == 3);
    c->ops->barrier(c);
    if (c->rank == 0) {
        check_pairs(path, s);
        CHECK(!trajectories_create(in_folder("alone.h5"), self, s, deck, "transport", "", 0, &f,
                                   &done));
        CHECK(!write_slabs(self, s, f, 0, s->images));
    }
    check_same_bytes(c, "trajectories.h5", "alone.h5");
    c->ops->barrier(c);
}

/* ---- samples.h5 ---- */

enum { SAMPLES = 23, SAMPLE_VALUES = 4 * 4 };

static void write_samples(struct comm *c, struct h5_file *f, int64_t from, int64_t to)
{
    struct range r = split_even(to - from, c->size, c->rank);
    float x[SAMPLES * SAMPLE_VALUES], y[SAMPLES * SAMPLE_VALUES];
    int64_t seed[SAMPLES];
    for (int64_t i = 0; i < r.count * SAMPLE_VALUES; i++) {
        x[i] = (float)mix((uint64_t)((from + r.first) * SAMPLE_VALUES + i));
        y[i] = -x[i];
    }
    for (int64_t i = 0; i < r.count; i++)
        seed[i] = 7 * (from + r.first + i);
    CHECK(!samples_write(f, from + r.first, r.count, x, y, seed));
    CHECK(!samples_mark(f, to));
}

static void check_samples(struct comm *c, struct comm *self)
{
    struct h5_file *f;
    int64_t done;
    const char *path = in_folder("samples.h5");
    CHECK(!samples_create(path, c, SAMPLES, 4, 1, 8, deck, "transport", 0, &f, &done) && done == 0);
    write_samples(c, f, 0, 8);
    CHECK(!h5_close(f));
    CHECK(samples_create(path, c, SAMPLES + 1, 4, 1, 8, deck, "transport", 1, &f, &done));
    c->ops->barrier(c);
    CHECK(!samples_create(path, c, SAMPLES, 4, 1, 8, deck, "transport", 1, &f, &done) && done == 8);
    write_samples(c, f, 8, 16);
    write_samples(c, f, 16, SAMPLES);
    CHECK(!samples_finish(f));
    if (c->rank == 0) {
        CHECK(!samples_create(in_folder("alone.h5"), self, SAMPLES, 4, 1, 8, deck, "transport", 0,
                              &f, &done));
        write_samples(self, f, 0, 8);
        write_samples(self, f, 8, 16);
        write_samples(self, f, 16, SAMPLES);
        CHECK(!samples_finish(f));
    }
    check_same_bytes(c, "samples.h5", "alone.h5");
    c->ops->barrier(c);
}

/* What goes wrong on one rank is known to all, and nobody waits for ever. */
static void check_faults(struct comm *c)
{
    struct h5_file *f = NULL;
    struct dataset_shape s;
    CHECK(h5_create(in_folder("no/such/folder/x.h5"), c, "", &f));
    CHECK(h5_open(in_folder("absent.h5"), c, 0, "", &f));
    CHECK(h5_create(in_folder("x.h5"), c, "striping_factor 8", &f));
    CHECK(h5_create(in_folder("x.h5"), c, "transfer:sideways", &f));
    CHECK(!h5_create(in_folder("x.h5"), c, "'striping_factor:4', 'transfer:collective'", &f));
    CHECK(h5_write_rows(f, "absent", 0, 0, NULL));
    CHECK(h5_close(f)); /* a file in which a call failed gets no name */
    CHECK(!text_exists(in_folder("x.h5")));
    if (c->rank == 0)
        CHECK(!text_write(in_folder("foreign.h5"), "no HDF5 at all"));
    c->ops->barrier(c);
    CHECK(h5_probe(in_folder("foreign.h5"), "peclet-dataset", NULL) == 1);
    CHECK(dataset_open(in_folder("foreign.h5"), c, &s, &f));
    CHECK(dataset_open(in_folder("samples.h5"), c, &s, &f));
}

int main(int argc, char **argv)
{
    struct comm *c = comm_world_create(&argc, &argv), *self = comm_self_create();
    if (!c)
        return 1;
    log_init(c->rank, c->size, 1);
    snprintf(folder, sizeof folder, "%s/peclet-test-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (c->rank == 0 && !mkdtemp(folder))
        return 1;
    c->ops->bcast(c, folder, sizeof folder, 0);

    check_dataset(c, self);
    const struct trajectories_shape halves = {70, 3, 6, 3, 50, H5_F16, 0},
                                    few = {2, 1, 8, 1, 4, H5_F32, 0},
                                    all = {70, 5, 6, 3, 5, H5_F16, 1};
    check_trajectories(c, self, &halves, "");
    check_trajectories(c, self, &halves, "transfer:collective");
    check_trajectories(c, self, &all, "");
    check_trajectories(c, self, &all, "transfer:collective");
    check_trajectories(c, self, &few, "");
    check_trajectories(c, self, &few, "transfer:collective");
    check_samples(c, self);
    check_faults(c);

    int failed = comm_agree(c, check_done() != EXIT_SUCCESS);
    if (c->rank == 0 && !failed) {
        const char *made[] = {"dataset.h5",       "dataset-collective.h5",
                              "dataset-alone.h5", "trajectories.h5",
                              "alone.h5",         "samples.h5",
                              "foreign.h5"};
        for (size_t i = 0; i < sizeof made / sizeof *made; i++)
            remove(in_folder(made[i]));
        CHECK(!rmdir(folder)); /* nothing else was left there */
        failed = check_failed > 0;
    }
    self->ops->destroy(self);
    c->ops->destroy(c);
    if (mem_live_bytes())
        printf("%zu bytes were not freed\n", mem_live_bytes());
    return failed || mem_live_bytes() ? EXIT_FAILURE : EXIT_SUCCESS;
}
