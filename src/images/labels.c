/* SPDX-License-Identifier: Apache-2.0
 * dataset.json, the labels of NVlabs data sets:
 *
 *     {"labels": [["00000/img00000000.png", 3], ...], ...}      or      {"labels": null}
 *
 * A cursor walks the text once; what is not "labels" is skipped. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "images/readers.h"

enum { MAX_NAME = 4096, MAX_DEPTH = 64 };

struct cursor {
    const char *at;
};

static char next(struct cursor *c)
{
    while (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')
        c->at++;
    return *c->at;
}

/* 1 and past it if `wanted` comes next. */
static int accept(struct cursor *c, char wanted)
{
    if (next(c) != wanted)
        return 0;
    c->at++;
    return 1;
}

static int accept_word(struct cursor *c, const char *word)
{
    next(c);
    size_t n = strlen(word);
    if (strncmp(c->at, word, n) != 0)
        return 0;
    c->at += n;
    return 1;
}

/* A code point up to FFFF as UTF-8. */
static size_t put_code(unsigned code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 63));
        return 2;
    }
    out[0] = (char)(0xE0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 63));
    out[2] = (char)(0x80 | (code & 63));
    return 3;
}

static int hex4(const char *text, unsigned *code)
{
    char digits[5] = {0};
    for (int i = 0; i < 4; i++) {
        if (!isxdigit((unsigned char)text[i]))
            return 1;
        digits[i] = text[i];
    }
    *code = (unsigned)strtoul(digits, NULL, 16);
    return 0;
}

static int read_string(struct cursor *c, char out[MAX_NAME])
{
    static const char escapes[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
    size_t n = 0;
    if (!accept(c, '"'))
        return 1;
    for (; *c->at && *c->at != '"'; c->at++) {
        unsigned code;
        const char *found;
        if (n + 4 > MAX_NAME)
            return 1;
        if (*c->at != '\\') {
            out[n++] = *c->at;
            continue;
        }
        c->at++;
        if (*c->at == 'u' && !hex4(c->at + 1, &code) && code) {
            n += put_code(code, out + n);
            c->at += 4;
        } else if (*c->at && (found = strchr(escapes, *c->at))) {
            out[n++] = meaning[found - escapes];
        } else {
            return 1;
        }
    }
    out[n] = 0;
    return !accept(c, '"');
}

/* Past any value. */
static int skip_value(struct cursor *c)
{
    char text[MAX_NAME];
    int depth = 0;
    do {
        char first = next(c);
        if (first == '"') {
            if (read_string(c, text))
                return 1;
        } else if (first == '[' || first == '{') {
            if (++depth > MAX_DEPTH)
                return 1;
            c->at++;
            continue;
        } else if (first == ']' || first == '}' || first == ',' || first == ':') {
            if (depth == 0)
                return 1;
            depth -= first == ']' || first == '}';
            c->at++;
            continue;
        } else {
            size_t n = strcspn(c->at, ",:]} \t\r\n\"[{");
            if (n == 0)
                return 1;
            c->at += n;
        }
    } while (depth > 0);
    return 0;
}

/* To the value of "labels" in the outermost object; 0 if found, 1 malformed, -1 not there. */
static int find_labels(struct cursor *c)
{
    char key[MAX_NAME];
    if (!accept(c, '{'))
        return 1;
    if (accept(c, '}'))
        return -1;
    do {
        if (read_string(c, key) || !accept(c, ':'))
            return 1;
        if (!strcmp(key, "labels"))
            return 0;
        if (skip_value(c))
            return 1;
    } while (accept(c, ','));
    return accept(c, '}') ? -1 : 1;
}

static int compare(const void *key, const void *entry)
{
    return strcmp(key, *(char *const *)entry);
}

/* One ["name", label]; *whole becomes 0 for a label that is not a whole number. */
static int read_pair(struct cursor *c, char *const *names, int64_t count, int32_t *labels,
                     uint8_t *seen, int *whole)
{
    char name[MAX_NAME], *end;
    if (!accept(c, '[') || read_string(c, name) || !accept(c, ','))
        return 1;
    next(c);
    double value = strtod(c->at, &end);
    if (end == c->at || !(value > -2147483649.0 && value < 2147483648.0) ||
        value != (double)(int32_t)value) {
        *whole = 0;
        if (skip_value(c))
            return 1;
        return !accept(c, ']');
    }
    c->at = end;
    char *const *found = bsearch(name, names, (size_t)count, sizeof *names, compare);
    if (found) {
        labels[found - names] = (int32_t)value;
        seen[found - names] = 1;
    }
    return !accept(c, ']');
}

static int read_pairs(struct cursor *c, char *const *names, int64_t count, int32_t *labels,
                      uint8_t *seen, int *whole)
{
    if (!accept(c, '['))
        return 1;
    if (accept(c, ']'))
        return 0;
    do
        if (read_pair(c, names, count, labels, seen, whole))
            return 1;
    while (accept(c, ','));
    return !accept(c, ']');
}

int json_labels(const char *path, const char *text, char *const *names, int64_t count,
                int32_t **labels)
{
    struct cursor c = {text};
    int whole = 1, found = find_labels(&c);
    if (found < 0 || (found == 0 && accept_word(&c, "null")))
        return 0;
    int32_t *list = mem_zalloc((size_t)count * sizeof *list);
    uint8_t *seen = mem_zalloc((size_t)count);
    int failed = found || read_pairs(&c, names, count, list, seen, &whole);
    if (failed)
        log_error("%s: dataset.json is malformed after its first %lld bytes", path,
                  (long long)(c.at - text));
    for (int64_t i = 0; i < count && !failed && whole; i++)
        if (!seen[i]) {
            log_error("%s: dataset.json has no label for '%s'", path, names[i]);
            failed = 1;
        }
    if (!whole && !failed)
        log_warn("%s: the labels in dataset.json are not whole numbers and are left out", path);
    mem_free(seen);
    if (failed || !whole)
        mem_free(list);
    else
        *labels = list;
    return failed;
}
