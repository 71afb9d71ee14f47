/* SPDX-License-Identifier: Apache-2.0
 * deck: Fortran namelists against field tables. Each module keeps a settings struct and beside it a table of its fields;
 * parsing, defaults, range checks, help, and the resolved deck in every output file all come from the tables.
 * Syntax: Fortran 2018 namelist input; derived types, complex values, strides and null values are refused by name.
 * Every fault of a deck is reported at once: "file:line:column: error: ...", the source line and a caret. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum deck_type {
    DECK_INT,    /* int64_t */
    DECK_REAL,   /* double */
    DECK_BOOL,   /* int, 0 or 1 */
    DECK_STRING, /* char[DECK_TEXT]; with `choices` it must be one of them */
};
enum { DECK_TEXT = 512 };

struct deck_field {
    const char *key; /* lower case */
    enum deck_type type;
    size_t offset;        /* of the value in the settings struct: a scalar, or the first of `max_count` elements */
    const char *defaults; /* as in a deck: "0.5", "'a', 'b'", ".true." */
    double min, max;      /* inclusive, DECK_INT and DECK_REAL; min == max means any */
    const char *choices;  /* strings: "idx|folder|zip", NULL = any text */
    const char *unit;     /* "px", "s", "" */
    const char *help;     /* one sentence */
    int max_count;        /* 1 = scalar; more = list */
    size_t count_offset;  /* lists: offset of the int that receives the number of values given */
};

struct deck_group {
    const char *name; /* lower case, no & */
    const char *help;
    const struct deck_field *fields;
    int field_count;
    void *settings; /* the struct that the offsets refer to; borrowed */
};

/* Sets every field of every group to its default. Dies on a broken table. */
void deck_defaults(const struct deck_group *groups, int group_count);

/* Sets the defaults, then parses text[bytes] (called `name` in messages) and then the overrides "group.key=value"
 * (strings need no quotes there, lists are comma-separated) into the settings of the groups. A list assigned without
 * index replaces the default list whole; an override may change what the deck set, but within the deck and within the
 * overrides nothing may be set twice. Returns 0, or the number of faults, all of them printed to stderr by the calling
 * rank (so let rank 0 read first); after a fault the settings are not to be used. */
int deck_read(const char *name, const char *text, size_t bytes, char *const *overrides, int override_count,
              const struct deck_group *groups, int group_count);

/* The resolved deck: every group and key with its value, a form that deck_read and gfortran read back to the same
 * values (reals with 17 significant digits where needed). Caller frees with mem_free. */
char *deck_resolved(const struct deck_group *groups, int group_count);

/* The value of one field as it stands in a resolved deck ("0.5", "'a', 'b'"); "" if there is no such key.
 * out_bytes should be DECK_TEXT * 4. */
void deck_value_text(const struct deck_group *groups, int group_count, const char *group, const char *key, char *out,
                     size_t out_bytes);

/* Compares a resolved deck stored in a file with the present settings on the named things: each entry of `what` is
 * "group" (all its keys) or "group.key". Prints one log_error line per difference ("&forward pe: file has 4.0, deck has
 * 6.0"), or none if quiet. A key unknown to the stored deck compares with its default. Returns the number of differences. */
int deck_differences(const char *stored_name, const char *stored, const struct deck_group *groups, int group_count,
                     const char *const *what, int what_count, int quiet);

/* Help on stdout: all groups with a line each (group NULL), one group as a table of key, default, range or choices,
 * unit, sentence; "group.key" for one key. Returns non-zero (with a did-you-mean) for an unknown name. */
int deck_help(const struct deck_group *groups, int group_count, const char *group);

/* The nearest of `count` names to a mistyped word by edit distance, or NULL if none is near. */
const char *deck_nearest(const char *word, const char *const *names, int count);
