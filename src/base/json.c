/* SPDX-License-Identifier: Apache-2.0
 * json (RFC 8259). The writer keeps only how many members each open level has; the reader walks the
 * text anew for each look-up, which is plenty for files of a few kilobytes. */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"

void json_begin(struct json *j, FILE *file, int pretty)
{
    *j = (struct json){.file = file, .pretty = pretty};
}

static void write_text(struct json *j, const char *text)
{
    fputc('"', j->file);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(j->file, "\\%c", *p);
        else if (*p == '\n')
            fputs("\\n", j->file);
        else if (*p == '\t')
            fputs("\\t", j->file);
        else if (*p < 0x20)
            fprintf(j->file, "\\u%04x", *p);
        else
            fputc(*p, j->file);
    }
    fputc('"', j->file);
}

static void new_line(struct json *j)
{
    fprintf(j->file, "\n%*s", 2 * j->depth, "");
}

/* What stands before a value: the comma after the previous one, the line break inside objects, the
 * key. */
static void before_value(struct json *j, const char *key)
{
    int in_object = j->closer[j->depth] == '}', first = j->count[j->depth]++ == 0;
    REQUIRE(in_object == (key != NULL) && (j->depth > 0 || first));
    if (!first)
        fputs(j->pretty && in_object ? "," : ", ", j->file);
    if (j->pretty && in_object)
        new_line(j);
    if (key) {
        write_text(j, key);
        fputs(": ", j->file);
    }
}

static void open_level(struct json *j, const char *key, char opener, char closer)
{
    before_value(j, key);
    REQUIRE(j->depth + 1 < (int)sizeof j->closer);
    fputc(opener, j->file);
    j->depth++;
    j->count[j->depth] = 0;
    j->closer[j->depth] = closer;
}

void json_object(struct json *j, const char *key)
{
    open_level(j, key, '{', '}');
}

void json_array(struct json *j, const char *key)
{
    open_level(j, key, '[', ']');
}

void json_close(struct json *j)
{
    REQUIRE(j->depth > 0);
    int members = j->count[j->depth];
    char closer = j->closer[j->depth--];
    if (j->pretty && closer == '}' && members)
        new_line(j);
    fputc(closer, j->file);
    if (j->depth == 0)
        fputc('\n', j->file);
}

void json_string(struct json *j, const char *key, const char *value)
{
    before_value(j, key);
    write_text(j, value);
}

void json_int(struct json *j, const char *key, int64_t value)
{
    before_value(j, key);
    fprintf(j->file, "%lld", (long long)value);
}

void json_real(struct json *j, const char *key, double value)
{
    char text[32] = "null";
    before_value(j, key);
    if (isfinite(value)) { /* the shortest that reads back equal */
        int digits = 15;
        do
            snprintf(text, sizeof text, "%.*g", digits, value);
        while (digits++ < 17 && strtod(text, NULL) != value);
    }
    fputs(text, j->file);
}

void json_bool(struct json *j, const char *key, int value)
{
    before_value(j, key);
    fputs(value ? "true" : "false", j->file);
}

void json_raw(struct json *j, const char *key, const char *value)
{
    before_value(j, key);
    fputs(value, j->file);
}

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* Behind the string that starts at p; NULL if it never ends. */
static const char *skip_string(const char *p)
{
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && !*++p)
            return NULL;
    return *p ? p + 1 : NULL;
}

static const char *skip_value(const char *p)
{
    int depth = 0;
    do {
        p = skip_space(p);
        if (*p == '"') {
            p = skip_string(p);
            if (!p)
                return NULL;
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if (depth > 0 && strchr("}],:", *p) && *p) {
            depth -= *p == '}' || *p == ']';
            p++;
        } else {
            size_t n = strcspn(p, " \t\r\n,:{}[]\"");
            if (n == 0)
                return NULL;
            p += n;
        }
    } while (depth > 0);
    return p;
}

/* One \uXXXX (or a surrogate pair of them) at *p as UTF-8. Returns the bytes written to out[4], 0
 * if malformed. */
static int decode_unicode(const char **p, char *out)
{
    unsigned code, low;
    char digits[5] = "";
    memcpy(digits, *p, strnlen(*p, 4));
    if (strspn(digits, "0123456789abcdefABCDEF") != 4)
        return 0;
    code = (unsigned)strtoul(digits, NULL, 16);
    *p += 4;
    if (code >= 0xd800 && code < 0xdc00 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        memset(digits, 0, sizeof digits);
        memcpy(digits, *p + 2, strnlen(*p + 2, 4));
        low = (unsigned)strtoul(digits, NULL, 16);
        if (strspn(digits, "0123456789abcdefABCDEF") != 4 || low < 0xdc00 || low > 0xdfff)
            return 0;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        *p += 6;
    }
    int bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int i = bytes - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(bytes == 1 ? code : (0xf00u >> bytes & 0xf0u) | code);
    return bytes;
}

/* The string at p into out, always terminated. Returns 0, or 1 if it is malformed or does not fit.
 */
static int decode_string(const char *p, char *out, size_t out_bytes)
{
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    size_t n = 0;
    for (p++; *p && *p != '"';) {
        char piece[4] = {*p++};
        int bytes = 1;
        if (piece[0] == '\\') {
            const char *which = *p ? strchr(plain, *p) : NULL;
            if (which)
                piece[0] = meant[which - plain];
            else if (*p != 'u')
                return 1;
            p++;
            if (!which && (bytes = decode_unicode(&p, piece)) == 0)
                return 1;
        }
        if (n + (size_t)bytes >= out_bytes)
            return 1;
        memcpy(out + n, piece, (size_t)bytes);
        n += (size_t)bytes;
    }
    if (*p != '"' || n >= out_bytes)
        return 1;
    out[n] = 0;
    return 0;
}

/* The value of member `name` (length bytes) of the object at p, or NULL. */
static const char *find_member(const char *p, const char *name, size_t length)
{
    char key[256];
    p = skip_space(p);
    if (*p != '{')
        return NULL;
    do {
        p = skip_space(p + 1);
        if (*p != '"')
            return NULL;
        int same = decode_string(p, key, sizeof key) == 0 && strlen(key) == length &&
                   memcmp(key, name, length) == 0;
        p = skip_string(p);
        if (!p)
            return NULL;
        p = skip_space(p);
        if (*p++ != ':')
            return NULL;
        p = skip_space(p);
        if (same)
            return p;
        p = skip_value(p);
        if (!p)
            return NULL;
        p = skip_space(p);
    } while (*p == ',');
    return NULL;
}

/* Element number `index` of the array at p, or NULL. */
static const char *find_element(const char *p, int64_t index)
{
    for (p = skip_space(p + 1); *p && *p != ']'; p = skip_space(p + 1)) {
        if (index-- == 0)
            return p;
        p = skip_value(p);
        if (!p)
            return NULL;
        p = skip_space(p);
        if (*p != ',')
            return NULL;
    }
    return NULL;
}

static const char *find(const char *text, const char *path)
{
    for (;;) {
        size_t length = strcspn(path, ".");
        text = skip_space(text);
        if (*text == '[' && length > 0 && strspn(path, "0123456789") == length)
            text = find_element(text, strtoll(path, NULL, 10));
        else
            text = find_member(text, path, length);
        if (!text || !path[length])
            return text;
        path += length + 1;
    }
}

int json_find_real(const char *text, const char *path, double *out)
{
    const char *p = find(text, path);
    if (!p || !strchr("-0123456789", *p) || !*p)
        return 1;
    char *end;
    double value = strtod(p, &end);
    if (end == p || (*end && !strchr(",}] \t\r\n", *end)))
        return 1;
    *out = value;
    return 0;
}

int json_find_string(const char *text, const char *path, char *out, size_t out_bytes)
{
    const char *p = find(text, path);
    if (!p || *p != '"' || !skip_string(p))
        return 1;
    return decode_string(p, out, out_bytes);
}

int json_find_key(const char *text, const char *path, int index, char *out, size_t out_bytes)
{
    const char *p = *path ? find(text, path) : skip_space(text);
    if (!p || *p != '{')
        return 1;
    for (;;) {
        p = skip_space(p + 1);
        if (*p != '"')
            return 1;
        if (index-- == 0)
            return decode_string(p, out, out_bytes);
        if (!(p = skip_string(p)) || *(p = skip_space(p)) != ':' || !(p = skip_value(p + 1)) ||
            *(p = skip_space(p)) != ',')
            return 1;
    }
}
