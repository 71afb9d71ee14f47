/* SPDX-License-Identifier: Apache-2.0
 * deck_private: what the files of the reader share. Characters become tokens (deck_scan.c), tokens
 * become assignments (deck_parse.c), assignments go into the structs by the tables (deck_bind.c,
 * deck_value.c); faults are printed where they are found (deck_fault.c). A token is a range of
 * bytes of its source: nothing is copied until a value is stored, and line and column are counted
 * only for a fault. */
#pragma once
#include <stdio.h>

#include "deck/deck.h"

enum deck_source_kind {
    DECK_FILE,     /* "name:line:column: error: ...", source line, caret */
    DECK_OVERRIDE, /* "override 'forward.pe=abc': error: ..." */
    DECK_TABLE,    /* a default: a fault is a bug of the table */
};
struct deck_source {
    enum deck_source_kind kind;
    const char *name, *text; /* borrowed; text need not end in 0 */
    size_t bytes;
    int quiet; /* count the faults, print none */
    int faults;
};

/* Prints a fault at byte `at` of the source and counts it. */
void deck_fault(struct deck_source *s, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Says how many faults were not printed because there were too many. */
void deck_fault_end(const struct deck_source *s);
/* Where byte `at` is: "inputs/x.nml:12" or "override 'forward.pe=4'". */
void deck_place(const struct deck_source *s, size_t at, char *out, size_t out_bytes);
/* "; did you mean 'pe'?", each side of the word in quotes as given, or "" if no name is near. */
void deck_hint(const char *word, const char *const *names, int count, const char *left,
               const char *right, char out[DECK_TEXT]);

enum deck_token_kind { /* or the character itself: , = ( ) : * % */
                       TOKEN_END = 256,
                       TOKEN_WORD,        /* name, number, logical: told apart by where it stands */
                       TOKEN_STRING,      /* with its quotes */
                       TOKEN_OPEN_STRING, /* no closing quote on its line */
                       TOKEN_GROUP,       /* &name or $name */
                       TOKEN_CLOSE,       /* / or &end or $end */
};
struct deck_token {
    int kind;
    size_t at, bytes;
};
struct deck_scanner { /* copy it to look ahead */
    struct deck_source *source;
    size_t at;
};
void deck_scan(struct deck_scanner *s, struct deck_token *t);
int deck_scan_is(struct deck_scanner s, int kind,
                 struct deck_token *t); /* is the next token of this kind? */
/* Moves to the first '&', '$' or other text that a line outside the groups begins with; 0 at the
 * end of the source. */
int deck_scan_outside(struct deck_scanner *s, int *is_group);
void deck_scan_line(struct deck_scanner *s); /* moves to the end of the line */
/* The token's text in lower case, cut to fit. */
void deck_token_lower(const struct deck_source *s, const struct deck_token *t, char *out,
                      size_t out_bytes);

struct deck_index { /* a(2) or a(1:3) behind a name */
    int given, range;
    int64_t first, last; /* last 0: open, as in a(2:) or a(2) = 5, 6 */
};

/* Where an element was set: source NULL means it was not. */
struct deck_mark {
    const struct deck_source *source;
    size_t at;
};
struct deck_slot { /* one field of one group */
    const struct deck_group *group;
    const struct deck_field *field;
    struct deck_mark *marks; /* [max_count] */
    int whole;               /* assigned without index: the former list is dropped */
    int former_count;        /* of values, before this deck or these overrides */
};
struct deck_binder {
    const struct deck_group *groups;
    int group_count, slot_count;
    struct deck_slot *slots;
    struct deck_mark *marks, *group_marks; /* owned, all slots' and one a group */
    size_t mark_count;

    const struct deck_group *group; /* being read; NULL = unknown, passed over */
    int group_again; /* the group was there before: check its keys, but not for being set twice */
    struct deck_slot *slot; /* being assigned; NULL = unknown, passed over */
    struct deck_token key;
    struct deck_index index;
    int64_t next, last; /* elements, from 0; last is exclusive */
    int said_full, said_twice, faults_before;
};

void deck_parse(struct deck_binder *b, struct deck_source *s);
void deck_parse_override(struct deck_binder *b, struct deck_source *s);
void deck_parse_values(struct deck_binder *b, struct deck_scanner *s);

/* The parser calls these in order: group, then for each assignment key, value..., end. */
void deck_bind_group(struct deck_binder *b, struct deck_source *s, const struct deck_token *name);
int deck_bind_key(
    struct deck_binder *b, struct deck_source *s, const struct deck_token *name,
    const struct deck_index *index); /* 0: there is no such key, or it cannot be indexed so */
void deck_bind_value(struct deck_binder *b, struct deck_source *s, const struct deck_token *value,
                     int64_t repeat);
void deck_bind_text(struct deck_binder *b, struct deck_source *s,
                    const struct deck_token *text); /* a bare string */
void deck_bind_end(struct deck_binder *b, struct deck_source *s);
const struct deck_group *deck_group_find(const struct deck_group *groups, int group_count,
                                         const char *name);
const struct deck_field *deck_field_find(const struct deck_group *group, const char *key);
const struct deck_group *deck_group_of_key(const struct deck_group *groups, int group_count,
                                           const char *key);
/* deck_read with the choice of printing nothing. */
int deck_read_quietly(const char *name, const char *text, size_t bytes, char *const *overrides,
                      int override_count, const struct deck_group *groups, int group_count,
                      int quiet);

/* Stores a token as an element of the field; bare: the token is a string without quotes. Non-zero
 * after a fault. */
int deck_value_store(struct deck_source *s, const struct deck_token *t, int bare,
                     const struct deck_field *field, void *element);
size_t deck_element_bytes(enum deck_type type);
int deck_field_values(const struct deck_field *field,
                      const void *settings); /* how many the list holds; scalars: 1 */
void deck_value_print(FILE *out, const struct deck_field *field, const void *settings);
/* "a real number from 0 to 1 px", "'idx' or 'zip'", ... */
void deck_takes(const struct deck_field *field, char *out, size_t out_bytes);
enum { DECK_CHOICES = 32 };
/* Splits "a|b|c" in buffer; the names point into it. */
int deck_choices(const char *choices, char buffer[DECK_TEXT], const char *names[DECK_CHOICES]);
