/* SPDX-License-Identifier: Apache-2.0
 * The header of a safetensors file: a JSON object of one known form, scanned by descent, then
 * checked as a whole. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "files/safetensors.h"

enum { LONGEST_STRING = 65535, MOST_TENSORS = 1 << 20 };

struct scan {
    const char *path, *start, *at, *end;
};

static int fault(const struct scan *s, const char *what)
{
    log_error("%s: byte %zu of its safetensors header: %s", s->path, (size_t)(s->at - s->start),
              what);
    return 1;
}

/* The next character that is not white space, not consumed; 0 at the end. */
static char peek(struct scan *s)
{
    while (s->at < s->end && strchr(" \t\r\n", *s->at) && *s->at)
        s->at++;
    return s->at < s->end ? *s->at : (char)0;
}

static int expect(struct scan *s, char wanted)
{
    char text[] = "'?' expected";
    if (peek(s) == wanted && wanted) {
        s->at++;
        return 0;
    }
    text[1] = wanted;
    return fault(s, text);
}

/* Four hexadecimal digits as UTF-8 into out; how many bytes, or 0. Surrogates are refused. */
static int unescape(struct scan *s, char *out)
{
    unsigned code = 0;
    if (s->end - s->at < 4)
        return 0;
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef";
        char c = *s->at++;
        const char *digit = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
        if (!digit)
            return 0;
        code = code * 16 + (unsigned)(digit - digits);
    }
    if (code == 0 || (code >= 0xd800 && code < 0xe000))
        return 0;
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 63));
        return 2;
    }
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 63));
    out[2] = (char)(0x80 | (code & 63));
    return 3;
}

static int escaped(struct scan *s, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = s->at < s->end ? *s->at++ : (char)0;
    if (c == 'u')
        return unescape(s, out);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        return 0;
    *out = to[found - from];
    return 1;
}

/* *out is the caller's. */
static int string(struct scan *s, char **out)
{
    if (expect(s, '"'))
        return 1;
    size_t room = 0, used = 0;
    for (const char *p = s->at; p < s->end && *p != '"'; p += *p == '\\' && s->end - p > 1 ? 2 : 1)
        room += 3;
    if (room > 3 * LONGEST_STRING)
        return fault(s, "a string is too long");
    char *text = mem_alloc(room + 4);
    while (s->at < s->end && *s->at != '"') {
        char c = *s->at++;
        int n = 1;
        if (c == '\\')
            n = escaped(s, text + used);
        else if ((unsigned char)c < 0x20)
            n = 0;
        else
            text[used] = c;
        if (n == 0) {
            mem_free(text);
            return fault(s, "a string holds what JSON does not allow");
        }
        used += (size_t)n;
    }
    text[used] = 0;
    if (s->at == s->end) {
        mem_free(text);
        return fault(s, "a string does not end");
    }
    s->at++;
    *out = text;
    return 0;
}

static int whole_number(struct scan *s, int64_t *out)
{
    int64_t value = 0;
    peek(s);
    const char *first = s->at;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
        if (value > (INT64_MAX - 9) / 10)
            return fault(s, "a number is too large");
        value = value * 10 + (*s->at - '0');
    }
    if (s->at == first)
        return fault(s, "a whole number expected");
    *out = value;
    return 0;
}

/* [a, b, ...] of at most `most` numbers */
static int numbers(struct scan *s, int most, int64_t *out, int *count)
{
    *count = 0;
    if (expect(s, '['))
        return 1;
    if (peek(s) == ']')
        return expect(s, ']');
    for (;;) {
        if (*count == most)
            return fault(s, "too many numbers in a list");
        if (whole_number(s, &out[(*count)++]))
            return 1;
        if (peek(s) != ',')
            return expect(s, ']');
        s->at++;
    }
}

/* The next key of an object that was opened: 1 found, 0 the object ended, -1 fault. */
static int next_key(struct scan *s, int *members, char **key)
{
    if (peek(s) == '}') {
        s->at++;
        return 0;
    }
    if ((*members)++ && expect(s, ','))
        return -1;
    if (string(s, key))
        return -1;
    if (expect(s, ':')) {
        mem_free(*key);
        return -1;
    }
    return 1;
}

static int tensor_member(struct scan *s, const char *key, struct safetensors_tensor *t, int *has)
{
    int64_t offsets[2];
    int count, bit = !strcmp(key, "dtype")          ? 1
                     : !strcmp(key, "shape")        ? 2
                     : !strcmp(key, "data_offsets") ? 4
                                                    : 0;
    if (!bit || (*has & bit))
        return fault(s, "a tensor has exactly dtype, shape and data_offsets");
    *has |= bit;
    if (bit == 1)
        return string(s, &t->dtype);
    if (bit == 2)
        return numbers(s, SAFETENSORS_RANK, t->dims, &t->rank);
    if (numbers(s, 2, offsets, &count))
        return 1;
    if (count != 2)
        return fault(s, "data_offsets needs two numbers");
    t->first = offsets[0];
    t->end = offsets[1];
    return 0;
}

static int tensor(struct scan *s, struct safetensors_tensor *t)
{
    int members = 0, has = 0, found, failed = expect(s, '{');
    char *key;
    while (!failed && (found = next_key(s, &members, &key)) != 0) {
        failed = found < 0 || tensor_member(s, key, t, &has);
        if (found > 0)
            mem_free(key);
    }
    if (!failed && has != 7)
        failed = fault(s, "a tensor needs dtype, shape and data_offsets");
    return failed;
}

/* array [count] with room for one more, zero; its memory doubles. */
static void *one_more(void *array, int count, size_t item_bytes)
{
    if (count & (count - 1)) /* no power of two and not 0: there is room */
        return array;
    char *larger = mem_zalloc((size_t)(count ? 2 * count : 1) * item_bytes);
    if (count)
        memcpy(larger, array, (size_t)count * item_bytes);
    mem_free(array);
    return larger;
}

static int metadata(struct scan *s, struct safetensors *f)
{
    int members = 0, found, failed = expect(s, '{');
    char *key;
    while (!failed && (found = next_key(s, &members, &key)) != 0) {
        if (found < 0)
            return 1;
        f->metadata = one_more(f->metadata, f->metadata_count, sizeof *f->metadata);
        struct safetensors_note *note = &f->metadata[f->metadata_count++];
        *note = (struct safetensors_note){.key = key};
        failed = string(s, &note->value);
    }
    return failed;
}

static int header(struct scan *s, struct safetensors *f)
{
    int members = 0, notes = 0, found, failed = expect(s, '{');
    char *key;
    while (!failed && (found = next_key(s, &members, &key)) != 0) {
        if (found < 0)
            return 1;
        if (!strcmp(key, "__metadata__")) {
            mem_free(key);
            failed = notes++ ? fault(s, "__metadata__ stands twice") : metadata(s, f);
            continue;
        }
        f->tensors = one_more(f->tensors, f->count, sizeof *f->tensors);
        struct safetensors_tensor *t = &f->tensors[f->count++];
        *t = (struct safetensors_tensor){.name = key};
        failed = f->count > MOST_TENSORS ? fault(s, "too many tensors") : tensor(s, t);
    }
    peek(s);
    if (!failed && s->at != s->end)
        failed = fault(s, "something follows the object");
    return failed;
}

/* Bytes of one number of this type, 0 = unknown. */
static int64_t dtype_size(const char *dtype)
{
    static const struct {
        const char *name;
        int64_t bytes;
    } known[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8}, {"I64", 8},
                 {"I32", 4}, {"I16", 2}, {"I8", 1},   {"U8", 1},  {"U16", 2},
                 {"U32", 4}, {"U64", 8}, {"BOOL", 1}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(dtype, known[i].name))
            return known[i].bytes;
    return 0;
}

static int check_tensor(const char *path, const struct safetensors_tensor *t, int64_t data_bytes)
{
    int64_t bytes = dtype_size(t->dtype);
    if (!bytes) {
        log_error("%s: tensor '%s' has the unknown type '%s'", path, t->name, t->dtype);
        return 1;
    }
    if (t->first > t->end || t->end > data_bytes) {
        log_error("%s: tensor '%s' is said to have bytes %lld to %lld, the file holds %lld (is it "
                  "truncated?)",
                  path, t->name, (long long)t->first, (long long)t->end, (long long)data_bytes);
        return 1;
    }
    for (int i = 0; i < t->rank; i++)
        bytes = t->dims[i] && bytes > data_bytes / t->dims[i] ? data_bytes + 1 : bytes * t->dims[i];
    if (bytes != t->end - t->first) {
        log_error("%s: tensor '%s' has %lld bytes, which do not fit its shape and type", path,
                  t->name, (long long)(t->end - t->first));
        return 1;
    }
    return 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct safetensors_tensor *s = a, *t = b;
    if (s->first != t->first)
        return s->first < t->first ? -1 : 1;
    return (s->end > t->end) - (s->end < t->end);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct safetensors_tensor *)a)->name,
                  ((const struct safetensors_tensor *)b)->name);
}

static int check_layout(struct safetensors *f, int64_t data_bytes)
{
    int64_t end = 0;
    for (int i = 0; i < f->count; i++)
        if (check_tensor(f->path, &f->tensors[i], data_bytes))
            return 1;
    if (f->count)
        qsort(f->tensors, (size_t)f->count, sizeof *f->tensors, by_offset);
    for (int i = 0; i < f->count; i++) {
        const struct safetensors_tensor *t = &f->tensors[i];
        if (t->first != end) {
            log_error("%s: tensor '%s' %s", f->path, t->name,
                      t->first < end ? "overlaps another one" : "follows a gap");
            return 1;
        }
        end = t->end;
    }
    if (end != data_bytes) {
        log_error("%s: %lld bytes at its end belong to no tensor", f->path,
                  (long long)(data_bytes - end));
        return 1;
    }
    if (f->count)
        qsort(f->tensors, (size_t)f->count, sizeof *f->tensors, by_name);
    for (int i = 1; i < f->count; i++)
        if (!strcmp(f->tensors[i - 1].name, f->tensors[i].name)) {
            log_error("%s: two tensors are called '%s'", f->path, f->tensors[i].name);
            return 1;
        }
    return 0;
}

int safetensors_parse(const char *path, const char *text, size_t bytes, int64_t data_bytes,
                      struct safetensors **out)
{
    struct scan s = {path, text, text, text + bytes};
    struct safetensors *f = mem_zalloc(sizeof *f);
    f->path = mem_strdup(path);
    if (header(&s, f) || check_layout(f, data_bytes)) {
        safetensors_close(f);
        return 1;
    }
    *out = f;
    return 0;
}

void safetensors_close(struct safetensors *f)
{
    if (!f)
        return;
    for (int i = 0; i < f->count; i++) {
        mem_free(f->tensors[i].name);
        mem_free(f->tensors[i].dtype);
    }
    for (int i = 0; i < f->metadata_count; i++) {
        mem_free(f->metadata[i].key);
        mem_free(f->metadata[i].value);
    }
    if (f->file)
        fclose(f->file);
    mem_free(f->tensors);
    mem_free(f->metadata);
    mem_free(f->path);
    mem_free(f);
}
