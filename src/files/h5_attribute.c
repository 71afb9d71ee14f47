/* SPDX-License-Identifier: Apache-2.0
 * Attributes of the root group: the settings, counters and marks of a file. Texts have variable
 * length, as h5py reads and writes them. Provenance: which program, from which deck, made this
 * file. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/version.h"
#include "files/h5_private.h"

static hid_t text_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type < 0 || H5Tset_size(type, H5T_VARIABLE) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0)
        return -1;
    return type;
}

/* Writes in place where the attribute is there already: a counter that moves costs no new space in
 * the file. */
static int write_scalar(hid_t object, const char *name, hid_t file_type, hid_t memory_type,
                        const void *value)
{
    htri_t there = H5Aexists(object, name);
    if (there < 0)
        return -1;
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t a = there ? H5Aopen(object, name, H5P_DEFAULT)
                    : H5Acreate2(object, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (a < 0 || H5Awrite(a, memory_type, value) < 0)
        return -1;
    return H5Aclose(a) < 0 || H5Sclose(space) < 0 ? -1 : 0;
}

int h5_attribute_text(hid_t object, const char *name, const char *text)
{
    hid_t type = text_type();
    if (type < 0 || write_scalar(object, name, type, type, &text))
        return -1;
    return H5Tclose(type) < 0 ? -1 : 0;
}

int h5_set_text(struct h5_file *f, const char *name, const char *text)
{
    f->unwritten_structure = 1;
    return h5_conclude(f, h5_attribute_text(f->id, name, text), "write the attribute", name);
}

int h5_set_int(struct h5_file *f, const char *name, int64_t value)
{
    return h5_conclude(f, write_scalar(f->id, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value),
                       "write the attribute", name);
}

int h5_set_real(struct h5_file *f, const char *name, double value)
{
    return h5_conclude(f, write_scalar(f->id, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value),
                       "write the attribute", name);
}

/* Every text attribute of any program: fixed or variable length. */
static int read_text(hid_t object, const char *name, char **out)
{
    hid_t a = H5Aopen(object, name, H5P_DEFAULT);
    if (a < 0)
        return -1;
    hid_t type = H5Aget_type(a), space = H5Aget_space(a);
    int failed = 0,
        fits = H5Tget_class(type) == H5T_STRING && H5Sget_simple_extent_npoints(space) == 1;
    if (fits && H5Tis_variable_str(type) > 0) {
        char *text = NULL;
        failed = H5Aread(a, type, &text) < 0;
        if (!failed)
            *out = mem_strdup(text ? text : "");
        if (text)
            H5Dvlen_reclaim(type, space, H5P_DEFAULT, &text);
    } else if (fits) {
        char *text = mem_zalloc(H5Tget_size(type) + 1);
        failed = H5Aread(a, type, text) < 0;
        if (failed)
            mem_free(text);
        else
            *out = text;
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(a);
    return !fits ? h5_reason("it is not a text") : failed ? -1 : 0;
}

static int read_scalar(hid_t object, const char *name, H5T_class_t class, hid_t memory_type,
                       void *out)
{
    hid_t a = H5Aopen(object, name, H5P_DEFAULT);
    if (a < 0)
        return -1;
    hid_t type = H5Aget_type(a), space = H5Aget_space(a);
    int fits = H5Tget_class(type) == class && H5Sget_simple_extent_npoints(space) == 1;
    int failed = fits && H5Aread(a, memory_type, out) < 0;
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(a);
    return !fits ? h5_reason("it is not a number of this kind") : failed ? -1 : 0;
}

int h5_get_text(struct h5_file *f, const char *name, char **out)
{
    char *text = NULL;
    if (h5_conclude(f, read_text(f->id, name, &text), "read the attribute", name)) {
        mem_free(text);
        return 1;
    }
    *out = text;
    return 0;
}

int h5_get_int(struct h5_file *f, const char *name, int64_t *out)
{
    int64_t value = 0;
    if (h5_conclude(f, read_scalar(f->id, name, H5T_INTEGER, H5T_NATIVE_INT64, &value),
                    "read the attribute", name))
        return 1;
    *out = value;
    return 0;
}

int h5_get_real(struct h5_file *f, const char *name, double *out)
{
    double value = 0;
    if (h5_conclude(f, read_scalar(f->id, name, H5T_FLOAT, H5T_NATIVE_DOUBLE, &value),
                    "read the attribute", name))
        return 1;
    *out = value;
    return 0;
}

int h5_has_attribute(struct h5_file *f, const char *name)
{
    return H5Aexists(f->id, name) > 0;
}

enum { LEGS_BYTES = 32 << 10 };
static const char *run_record, *run_leg;

void h5_describe_run(const char *run, const char *leg)
{
    run_record = run;
    run_leg = leg;
}

/* Text of a fixed length, so that it can grow in place. */
static int write_legs(struct h5_file *f, const char *legs)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    int failed = type < 0 || H5Tset_size(type, LEGS_BYTES) < 0 ||
                 H5Tset_cset(type, H5T_CSET_UTF8) < 0 ||
                 write_scalar(f->id, "legs", type, type, legs);
    H5Tclose(type);
    return h5_conclude(f, failed, "write the attribute", "legs");
}

static int start_legs(struct h5_file *f)
{
    char *legs = mem_zalloc(LEGS_BYTES);
    snprintf(legs, LEGS_BYTES, "%s", run_leg);
    f->unwritten_structure = 1;
    int failed = write_legs(f, legs);
    mem_free(legs);
    return failed;
}

int h5_add_leg(struct h5_file *f)
{
    char *old = NULL, *legs = mem_zalloc(LEGS_BYTES), *second;
    int failed = 0;
    if (run_leg && h5_has_attribute(f, "legs") && !h5_get_text(f, "legs", &old)) {
        while (strlen(old) + strlen(run_leg) + 2 > LEGS_BYTES && (second = strchr(old, '\n'))) {
            char *third = strchr(second + 1, '\n');
            memmove(second, third ? third : "", third ? strlen(third) + 1 : 1);
        }
        snprintf(legs, LEGS_BYTES, "%s\n%s", old, run_leg);
        failed = write_legs(f, legs);
    }
    mem_free(old);
    mem_free(legs);
    return failed;
}

const char *h5_library(void)
{
    static char text[32];
    unsigned major, minor, release;
    H5get_libversion(&major, &minor, &release);
    snprintf(text, sizeof text, "HDF5 %u.%u.%u", major, minor, release);
    return text;
}

int h5_set_provenance(struct h5_file *f, const char *format, int version, const char *deck,
                      const char *mode)
{
    char program[64];
    snprintf(program, sizeof program, "peclet %s", version_number());
    return h5_set_int(f, "complete", 0) || h5_set_text(f, "format", format) ||
           h5_set_int(f, "version", version) || h5_set_text(f, "program", program) ||
           h5_set_text(f, "commit", version_commit()) || h5_set_text(f, "mode", mode) ||
           h5_set_text(f, "deck", deck) || (run_record && h5_set_text(f, "run", run_record)) ||
           (run_leg && start_legs(f));
}

int h5_check_format(struct h5_file *f, const char *format, int version)
{
    char *found = NULL;
    int64_t number = 0;
    if (!h5_has_attribute(f, "format") || read_text(f->id, "format", &found)) {
        if (h5_speaks(f))
            log_error("%s: not a file of this program (no attribute 'format'), wanted a %s",
                      f->path, format);
        return 1;
    }
    int differs = strcmp(found, format);
    if (differs && h5_speaks(f))
        log_error("%s: this is a %s, wanted a %s", f->path, found, format);
    mem_free(found);
    if (differs || h5_get_int(f, "version", &number))
        return 1;
    if (number != version && h5_speaks(f))
        log_error(
            "%s: version %lld of %s, this program knows version %d; make the file again with it",
            f->path, (long long)number, format, version);
    return number != version;
}

int h5_set_complete(struct h5_file *f)
{
    return h5_flush(f) || h5_set_int(f, "complete", 1) || h5_flush(f);
}

int h5_is_complete(struct h5_file *f)
{
    int64_t complete = 0;
    return h5_has_attribute(f, "complete") &&
           !read_scalar(f->id, "complete", H5T_INTEGER, H5T_NATIVE_INT64, &complete) &&
           complete == 1;
}

int h5_probe(const char *path, const char *format, char **deck)
{
    H5dont_atexit();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    if (!text_exists(path))
        return 0;
    hid_t access =
        H5Pcreate(H5P_FILE_ACCESS); /* HDF5 opens a file twice only if both close alike */
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    hid_t id = H5Fopen(path, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    if (id < 0)
        return 1;
    char *found = NULL;
    int64_t complete = 0;
    int state = 1;
    if (H5Aexists(id, "format") > 0 && !read_text(id, "format", &found) && !strcmp(found, format)) {
        if (H5Aexists(id, "complete") > 0)
            read_scalar(id, "complete", H5T_INTEGER, H5T_NATIVE_INT64, &complete);
        state = complete == 1 ? 3 : 2;
    }
    mem_free(found);
    if (state > 1 && deck) {
        *deck = NULL;
        if (H5Aexists(id, "deck") > 0 && read_text(id, "deck", deck))
            *deck = NULL;
    }
    H5Fclose(id);
    return state;
}
