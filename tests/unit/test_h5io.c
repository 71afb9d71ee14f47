/* SPDX-License-Identifier: Apache-2.0
 * HDF5 through h5io, one process: every type and rank of array, attributes, names on disk, faults;
 * and that other programs see what we mean (h5dump, when it is installed). */
#include "check.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "files/h5io.h"

static char folder[64], path[128];

static const size_t type_bytes[] = {1, 4, 8, 2, 4, 8};

/* [rows, 3, 2, ...] of every type, chunked and not, written in two pieces and read in others. */
static void check_arrays(void)
{
    enum { ROWS = 11 };
    static uint8_t data[ROWS * 3 * 2 * 1 * 2 * 8], got[sizeof data];
    const int64_t dims[5] = {ROWS, 3, 2, 1, 2};
    struct h5_file *f;
    char name[32];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37 + i / 256);
    for (int chunk = 0; chunk <= 22;
         chunk += 4) { /* 0: contiguous; 12 and up: more than there are */
        CHECK(!h5_create(path, NULL, "", &f));
        for (int rank = 1; rank <= 5; rank += 2)
            for (enum h5_type t = H5_U8; t <= H5_F64; t++) {
                size_t row = type_bytes[t] * (rank > 1 ? 6 : 1) * (rank > 3 ? 2 : 1);
                snprintf(name, sizeof name, "a%d%d", rank, t);
                if (rank == 5 && t > H5_I64) /* there are more names than one file keeps open */
                    continue;
                CHECK(!h5_dataset_create(f, name, t, rank, dims, chunk, "px", "N,H,W,C,D"));
                CHECK(!h5_write_rows(f, name, 4, 7, data + 4 * row));
                CHECK(!h5_write_rows(f, name, 0, 4, data));
                CHECK(!h5_write_rows(f, name, ROWS, 0, NULL));
            }
        CHECK(!h5_close(f));
        CHECK(!h5_open(path, NULL, 0, "", &f));
        for (int rank = 1; rank <= 3; rank += 2)
            for (enum h5_type t = H5_U8; t <= H5_F64; t++) {
                size_t row = type_bytes[t] * (rank > 1 ? 6 : 1);
                enum h5_type type;
                int r;
                int64_t d[5];
                snprintf(name, sizeof name, "/a%d%d", rank, t);
                CHECK(h5_dataset_exists(f, name));
                CHECK(!h5_dataset_info(f, name, &type, &r, d) && type == t && r == rank &&
                      d[0] == ROWS);
                memset(got, 0, sizeof got);
                CHECK(!h5_read_rows(f, name, 0, 1, got) &&
                      !h5_read_rows(f, name, 1, 10, got + row));
                CHECK(!memcmp(got, data, ROWS * row));
            }
        CHECK(!h5_dataset_exists(f, "absent"));
        CHECK(!h5_close(f));
    }
}

/* Arrays larger than one call to HDF5 may be (512 MiB): 8-byte rows, with the pieces' edges looked
 * at. */
static void check_large(void)
{
    struct h5_file *f;
    const int64_t rows = (1 << 27) / 8 * 5 / 4;
    int64_t *data = mem_alloc((size_t)rows * sizeof *data);
    for (int64_t i = 0; i < rows; i++)
        data[i] = i * 3;
    CHECK(!h5_create(path, NULL, "", &f));
    CHECK(!h5_dataset_create(f, "x", H5_I64, 1, &rows, 0, "", "N"));
    CHECK(!h5_write_rows(f, "x", 0, rows, data));
    memset(data, 0, (size_t)rows * sizeof *data);
    CHECK(!h5_read_rows(f, "x", 0, rows, data));
    int wrong = 0;
    for (int64_t i = 0; i < rows; i++)
        wrong += data[i] != i * 3;
    CHECK(wrong == 0);
    CHECK(!h5_close(f));
    mem_free(data);
}

static void check_attributes(void)
{
    struct h5_file *f;
    char *text, *deck = NULL, *long_text = mem_alloc(200001);
    int64_t i;
    double x;
    memset(long_text, 'x', 200000);
    long_text[200000] = 0;
    remove(path);
    CHECK(!h5_create(path, NULL, "", &f));
    CHECK(!text_exists(path)); /* no name before it is closed */
    CHECK(!h5_set_provenance(f, "peclet-test", 3, "&run\n name = 'caf\303\251'\n/\n", "faithful"));
    CHECK(!h5_set_int(f, "count", 5) && !h5_set_int(f, "count", -((int64_t)1 << 62)));
    CHECK(!h5_set_real(f, "pe", 0.1) && !h5_set_text(f, "long", long_text));
    CHECK(!h5_publish(f) && text_exists(path));
    CHECK(!h5_close(f));
    CHECK(h5_probe(path, "peclet-test", NULL) == 2);
    CHECK(!h5_open(path, NULL, 1, "", &f) && !h5_is_complete(f));
    CHECK(!h5_set_complete(f) && !h5_close(f));
    CHECK(h5_probe(path, "peclet-test", &deck) == 3 &&
          !strcmp(deck, "&run\n name = 'caf\303\251'\n/\n"));
    mem_free(deck);
    CHECK(h5_probe(path, "peclet-other", NULL) == 1);
    CHECK(!h5_open(path, NULL, 0, "", &f));
    CHECK(h5_is_complete(f) && h5_has_attribute(f, "pe") && !h5_has_attribute(f, "pi"));
    CHECK(h5_probe(path, "peclet-test", NULL) == 3); /* also while it is open */
    CHECK(h5_has_attribute(f, "pe"));                /* which closes nothing of ours */
    CHECK(!h5_get_int(f, "count", &i) && i == -((int64_t)1 << 62));
    CHECK(!h5_get_real(f, "pe", &x) && x == 0.1);
    CHECK(!h5_get_text(f, "long", &text) && !strcmp(text, long_text));
    mem_free(text);
    CHECK(!h5_get_text(f, "mode", &text) && !strcmp(text, "faithful"));
    mem_free(text);
    CHECK(h5_get_text(f, "count", &text) && h5_get_int(f, "mode", &i) &&
          h5_get_real(f, "absent", &x));
    CHECK(!h5_check_format(f, "peclet-test", 3));
    CHECK(h5_check_format(f, "peclet-test", 2) && h5_check_format(f, "peclet-other", 3));
    CHECK(!h5_close(f) && !h5_close(NULL));
    mem_free(long_text);
}

/* Legs: one a start that works on a file; when the room is full the first and the last ones stay. */
static void check_legs(void)
{
    struct h5_file *f;
    char *text = NULL, line[2048];
    CHECK(!h5_create(path, NULL, "", &f));
    h5_describe_run("{}", "leg 0");
    CHECK(!h5_set_provenance(f, "peclet-test", 1, "", "") && !h5_close(f));
    for (int i = 1; i <= 30; i++) {
        snprintf(line, sizeof line, "leg %-2000d", i);
        h5_describe_run("{}", line);
        CHECK(!h5_open(path, NULL, 1, "", &f) && !h5_add_leg(f) && !h5_close(f));
    }
    h5_describe_run(NULL, NULL);
    CHECK(!h5_open(path, NULL, 0, "", &f) && !h5_get_text(f, "legs", &text) && !h5_close(f));
    int lines = 1, last = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++, lines++)
        last = atoi(at + strlen("\nleg "));
    CHECK(!strncmp(text, "leg 0\nleg ", 10) && last == 30);
    CHECK(lines == 1 + 32762 / 2005); /* 32 KiB: lines of 2004 and a newline behind the first */
    mem_free(text);
}

static void check_names(void)
{
    struct h5_file *f;
    char temporary[160];
    int64_t n = 4;
    snprintf(temporary, sizeof temporary, "%s.new", path);
    remove(path);
    CHECK(!h5_create(path, NULL, "", &f));
    CHECK(text_exists(temporary) && !text_exists(path));
    CHECK(!h5_dataset_create(f, "x", H5_F32, 1, &n, 0, "", "N"));
    CHECK(h5_dataset_create(f, "x", H5_F32, 1, &n, 0, "",
                            "N")); /* a failed call: no name for this file */
    CHECK(h5_close(f));
    CHECK(!text_exists(temporary) && !text_exists(path));
    CHECK(!h5_create(path, NULL, "", &f) && !h5_publish(f));
    CHECK(text_exists(path) && !text_exists(temporary));
    CHECK(!h5_close(f));
    CHECK(h5_open("/nonexistent.h5", NULL, 0, "", &f));
    CHECK(h5_probe("/nonexistent.h5", "peclet-test", NULL) == 0);
}

/* h5dump reads half floats, texts and counters as they were meant. */
static void check_h5dump(void)
{
    struct h5_file *f;
    char command[512], out[8192];
    const uint16_t halfs[4] = {0x3c00, 0xc000, 0x7bff, 0x0001}; /* 1, -2, 65504, 2^-24 */
    int64_t n = 4;
    CHECK(!h5_create(path, NULL, "", &f));
    CHECK(!h5_dataset_create(f, "half", H5_F16, 1, &n, 0, "1", "N") &&
          !h5_write_rows(f, "half", 0, 4, halfs));
    CHECK(!h5_set_text(f, "deck", "&run /") && !h5_close(f));
    snprintf(command, sizeof command, "h5dump -m %%.9g %s 2>/dev/null", path);
    FILE *p = popen(command, "r");
    size_t got = fread(out, 1, sizeof out - 1, p);
    out[got] = 0;
    if (pclose(p) != 0)
        return; /* not installed */
    CHECK(strstr(out, "(0): 1,") && strstr(out, "(1): -2,") && strstr(out, "(2): 65504,"));
    CHECK(strstr(out, "(3): 5.96046448e-08") != NULL);
    CHECK(strstr(out, "\"&run /\"") != NULL);
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/peclet-test-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/file.h5", folder);
    check_arrays();
    check_large();
    check_attributes();
    check_h5dump();
    remove(path);
    check_legs();
    check_names();
    remove(path);
    CHECK(!rmdir(folder));
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
