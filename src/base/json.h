/* SPDX-License-Identifier: Apache-2.0
 * json: writes and reads the small JSON files of a run (run.json, state.json, metrics.json, timings.json, log.jsonl). */
#pragma once
#include <stdint.h>
#include <stdio.h>

/* Writer: calls must nest; key is NULL inside arrays and at the top. Numbers are written so that they read back equal;
 * non-finite numbers become null. Write errors stay on the file: ask ferror before or fclose at the end. */
struct json {
    FILE *file;
    int depth, pretty; /* pretty 0: one line (log.jsonl) */
    int count[32];     /* members written so far at each depth */
    char closer[32];   /* what ends the object or array at each depth */
};
void json_begin(struct json *j, FILE *file, int pretty);
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_close(struct json *j); /* of the innermost object or array; the last one ends the line */
void json_string(struct json *j, const char *key, const char *value);
void json_int(struct json *j, const char *key, int64_t value);
void json_real(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, int value);
void json_raw(struct json *j, const char *key, const char *value); /* value: JSON already */

/* Reader for flat look-ups in a small document: path is "a.b.c" through objects, numbers from 0 through arrays. Return 0 when found with that type,
 * silently non-zero otherwise (malformed text, null, a string longer than out_bytes - 1). */
int json_find_real(const char *text, const char *path, double *out);
int json_find_string(const char *text, const char *path, char *out, size_t out_bytes);
/* Key number `index` (from 0) of the object at path ("" is the whole document). */
int json_find_key(const char *text, const char *path, int index, char *out, size_t out_bytes);
