/* SPDX-License-Identifier: Apache-2.0
 * safetensors files: opening, reading and writing arrays. Hosts are little-endian. */
#include "files/safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/half.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

enum { MOST_HEADER = 100 * 1000 * 1000 };

/* Header length and size of the file; both are checked against each other. */
static int read_sizes(const char *path, FILE *file, uint64_t *header, int64_t *data)
{
    uint64_t length = 0;
    if (fread(&length, sizeof length, 1, file) != 1) {
        log_error("%s: too short for a safetensors file", path);
        return 1;
    }
    if (length > MOST_HEADER) {
        log_error("%s: its header is said to have %llu bytes, more than 100 MB: this is no "
                  "safetensors file",
                  path, (unsigned long long)length);
        return 1;
    }
    if (fseeko(file, 0, SEEK_END)) {
        log_error("%s: %s", path, strerror(errno));
        return 1;
    }
    *data = (int64_t)ftello(file) - (int64_t)sizeof length - (int64_t)length;
    *header = length;
    if (*data < 0) {
        log_error("%s: truncated: its header is said to have %llu bytes", path,
                  (unsigned long long)length);
        return 1;
    }
    return 0;
}

int safetensors_open(const char *path, struct safetensors **out)
{
    FILE *file = fopen(path, "rb");
    uint64_t bytes;
    int64_t data;
    if (!file) {
        log_error("%s: %s", path, strerror(errno));
        return 1;
    }
    if (read_sizes(path, file, &bytes, &data)) {
        fclose(file);
        return 1;
    }
    char *text = mem_alloc((size_t)bytes + 1);
    int failed =
        fseeko(file, sizeof bytes, SEEK_SET) || fread(text, 1, (size_t)bytes, file) != bytes;
    if (failed)
        log_error("%s: cannot be read: %s", path, strerror(errno));
    failed = failed || safetensors_parse(path, text, (size_t)bytes, data, out);
    mem_free(text);
    if (failed) {
        fclose(file);
        return 1;
    }
    (*out)->file = file;
    (*out)->data_at = (int64_t)(sizeof bytes + bytes);
    return 0;
}

static int compare_name(const void *name, const void *tensor)
{
    return strcmp(name, ((const struct safetensors_tensor *)tensor)->name);
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *f, const char *name)
{
    return f->count ? bsearch(name, f->tensors, (size_t)f->count, sizeof *f->tensors, compare_name)
                    : NULL;
}

const char *safetensors_metadata(const struct safetensors *f, const char *key)
{
    for (int i = 0; i < f->metadata_count; i++)
        if (!strcmp(f->metadata[i].key, key))
            return f->metadata[i].value;
    return NULL;
}

static void print_shape(int rank, const int64_t *dims, size_t bytes, char *text)
{
    size_t used = (size_t)snprintf(text, bytes, "[");
    for (int i = 0; i < rank && used < bytes; i++)
        used +=
            (size_t)snprintf(text + used, bytes - used, "%s%lld", i ? "," : "", (long long)dims[i]);
    if (used < bytes)
        snprintf(text + used, bytes - used, "]");
}

static const struct safetensors_tensor *find_shaped(const struct safetensors *f, const char *name,
                                                    int rank, const int64_t *dims)
{
    const struct safetensors_tensor *t = safetensors_find(f, name);
    char wanted[200], found[200];
    print_shape(rank, dims, sizeof wanted, wanted);
    if (!t) {
        log_error("%s: there is no tensor '%s' %s", f->path, name, wanted);
        return NULL;
    }
    int fits = t->rank == rank;
    for (int i = 0; fits && i < rank; i++)
        fits = t->dims[i] == dims[i];
    if (!fits) {
        print_shape(t->rank, t->dims, sizeof found, found);
        log_error("%s: tensor '%s' has the shape %s, wanted is %s", f->path, name, found, wanted);
        return NULL;
    }
    if (strcmp(t->dtype, "F32") && strcmp(t->dtype, "F16") && strcmp(t->dtype, "BF16")) {
        log_error("%s: tensor '%s' has the type %s, wanted is F32, F16 or BF16", f->path, name,
                  t->dtype);
        return NULL;
    }
    return t;
}

int safetensors_read(struct safetensors *f, const char *name, int rank, const int64_t *dims,
                     float *out)
{
    const struct safetensors_tensor *t = find_shaped(f, name, rank, dims);
    if (!t)
        return 1;
    size_t bytes = (size_t)(t->end - t->first), size = strcmp(t->dtype, "F32") ? 2 : 4,
           count = bytes / size;
    int bf16 = !strcmp(t->dtype, "BF16");
    uint16_t *halves = size == 2 ? mem_alloc(bytes) : NULL;
    void *target = halves ? (void *)halves : (void *)out;
    int failed = fseeko(f->file, (off_t)(f->data_at + t->first), SEEK_SET) ||
                 fread(target, 1, bytes, f->file) != bytes;
    if (failed)
        log_error("%s: tensor '%s' cannot be read", f->path, name);
    for (size_t i = 0; halves && !failed && i < count; i++)
        out[i] = bf16 ? bf16_to_float(halves[i]) : half_to_float(halves[i]);
    mem_free(halves);
    return failed;
}

static int64_t item_bytes(const struct safetensors_item *item)
{
    int64_t bytes = sizeof *item->data;
    for (int i = 0; i < item->rank; i++)
        bytes *= item->dims[i];
    return bytes;
}

static void write_header(FILE *out, const struct safetensors_item *items, int count,
                         const struct safetensors_note *metadata, int metadata_count)
{
    struct json j;
    int64_t first = 0;
    json_begin(&j, out, 0);
    json_object(&j, NULL);
    if (metadata_count) {
        json_object(&j, "__metadata__");
        for (int i = 0; i < metadata_count; i++)
            json_string(&j, metadata[i].key, metadata[i].value);
        json_close(&j);
    }
    for (int i = 0; i < count; i++) {
        json_object(&j, items[i].name);
        json_string(&j, "dtype", "F32");
        json_array(&j, "shape");
        for (int k = 0; k < items[i].rank; k++)
            json_int(&j, NULL, items[i].dims[k]);
        json_close(&j);
        json_array(&j, "data_offsets");
        json_int(&j, NULL, first);
        json_int(&j, NULL, first += item_bytes(&items[i]));
        json_close(&j);
        json_close(&j);
    }
    json_close(&j);
}

static int write_all(FILE *file, const char *header, uint64_t header_bytes,
                     const struct safetensors_item *items, int count)
{
    uint64_t padded = (header_bytes + 7) / 8 * 8; /* arrays begin at multiples of 8 */
    int bad = fwrite(&padded, sizeof padded, 1, file) != 1 ||
              fwrite(header, 1, header_bytes, file) != header_bytes;
    for (uint64_t i = header_bytes; i < padded; i++)
        bad |= fputc(' ', file) == EOF;
    for (int i = 0; i < count && !bad; i++) {
        size_t bytes = (size_t)item_bytes(&items[i]);
        bad = fwrite(items[i].data, 1, bytes, file) != bytes;
    }
    return bad || fflush(file) || fsync(fileno(file));
}

int safetensors_write(const char *path, const struct safetensors_item *items, int count,
                      const struct safetensors_note *metadata, int metadata_count)
{
    char *header = NULL, *temporary = mem_alloc(strlen(path) + 5);
    size_t bytes = 0;
    FILE *text = open_memstream(&header, &bytes), *file = NULL;
    int failed = !text;
    sprintf(temporary, "%s.tmp", path);
    if (text) {
        write_header(text, items, count, metadata, metadata_count);
        failed = fclose(text) != 0;
    }
    while (!failed && bytes && header[bytes - 1] == '\n')
        bytes--;
    failed =
        failed || !(file = fopen(temporary, "wb")) || write_all(file, header, bytes, items, count);
    if (file)
        failed = fclose(file) || failed;
    failed = failed || rename(temporary, path);
    if (failed) {
        log_error("%s: cannot be written: %s", path, strerror(errno));
        remove(temporary);
    }
    free(header);
    mem_free(temporary);
    return failed;
}
