/* SPDX-License-Identifier: Apache-2.0
 * Tokens to assignments:
 *
 *     deck        = { text outside groups | group }
 *     group       = ( '&' | '$' ) name { assignment } ( '/' | '&end' | '$end' )
 *     assignment  = name [ '(' index [ ':' [ index ] ] ')' ] '=' value { [ ',' ] value } [ ',' ]
 *     value       = [ repeat '*' ] ( word | string )
 *
 * A list of values goes on, over line ends, until a word that an '=' or '(' follows. After a fault
 * reading goes on at the next assignment, so that one run finds all faults. Fortran also has null
 * values, strides, derived types and complex numbers: each is refused by name, because a deck that
 * uses one means something that would not happen. */
#include <ctype.h>
#include <string.h>

#include "base/log.h"
#include "deck/deck_private.h"

enum { SHOWN = 40 };
#define TEXT_OF(source, token)                                                                     \
    (int)((token).bytes < SHOWN ? (token).bytes : SHOWN), (source)->text + (token).at

static int is_assignment(struct deck_scanner s)
{
    struct deck_token name, next;
    deck_scan(&s, &name);
    deck_scan(&s, &next);
    if (name.kind != TOKEN_WORD)
        return 0;
    int letter = isalpha((unsigned char)s.source->text[name.at]);
    return next.kind == '=' || (letter && (next.kind == '(' || next.kind == '%'));
}

static int is_group_end(struct deck_scanner s)
{
    struct deck_token t;
    deck_scan(&s, &t);
    return t.kind == TOKEN_CLOSE || t.kind == TOKEN_GROUP || t.kind == TOKEN_END;
}

static void fault_open_string(struct deck_scanner *s, const struct deck_token *t)
{
    deck_fault(s->source, t->at, "this string has no closing %c on its line",
               s->source->text[t->at]);
}

static void recover(struct deck_scanner *s)
{
    while (!is_group_end(*s) && !is_assignment(*s)) {
        struct deck_token t;
        deck_scan(s, &t);
        if (t.kind == TOKEN_OPEN_STRING)
            fault_open_string(s, &t);
    }
}

static void fault_unexpected(struct deck_scanner *s, const char *wanted)
{
    struct deck_token t;
    deck_scan(s, &t);
    deck_fault(s->source, t.at, "expected %s, found %.*s", wanted, TEXT_OF(s->source, t));
    if (t.kind == TOKEN_OPEN_STRING)
        fault_open_string(s, &t);
}

/* Digits with an optional sign; as large as `most` where it would be larger. Non-zero if it is
 * something else. */
static int read_integer(const struct deck_source *s, const struct deck_token *t, int64_t most,
                        int64_t *out)
{
    const char *p = s->text + t->at, *end = p + t->bytes;
    int negative = t->bytes > 0 && *p == '-';
    if (t->bytes > 0 && (*p == '-' || *p == '+'))
        p++;
    int64_t value = 0;
    if (t->kind != TOKEN_WORD || p == end)
        return 1;
    for (; p < end; p++) {
        if (!isdigit((unsigned char)*p))
            return 1;
        value = value > most / 10 ? most : value * 10 + (*p - '0');
    }
    *out = negative ? -value : value;
    return 0;
}

/* Reads one bound of an index if there is one; 1 = there is, 0 = there is not, -1 = fault. */
static int parse_bound(struct deck_scanner *s, int64_t *out)
{
    struct deck_token t;
    if (deck_scan_is(*s, ':', &t) || t.kind == ')')
        return 0;
    if (t.kind == ',')
        deck_fault(s->source, t.at, "lists have one index, not several");
    else if (read_integer(s->source, &t, 1000000, out))
        deck_fault(s->source, t.at, "expected an index such as (2) or (1:3)");
    else if (*out < 1)
        deck_fault(s->source, t.at, "index %.*s: lists start at 1", TEXT_OF(s->source, t));
    else {
        deck_scan(s, &t);
        return 1;
    }
    return -1;
}

/* Reads an index if there is one; non-zero after a fault. */
static int parse_index(struct deck_scanner *s, struct deck_index *index)
{
    struct deck_token open, t;
    *index = (struct deck_index){0, 0, 1, 0};
    if (!deck_scan_is(*s, '(', &open))
        return 0;
    deck_scan(s, &t);
    index->given = 1;
    int first = parse_bound(s, &index->first);
    if (first < 0)
        return 1;
    if (deck_scan_is(*s, ':', &t)) {
        deck_scan(s, &t);
        index->range = 1;
        if (parse_bound(s, &index->last) < 0)
            return 1;
    } else if (first == 0) {
        deck_fault(s->source, open.at, "empty index");
        return 1;
    }
    if (!deck_scan_is(*s, ')', &t)) {
        if (t.kind == ':')
            deck_fault(s->source, t.at,
                       "strides are not supported: assign the elements one by one");
        else if (t.kind == ',')
            deck_fault(s->source, t.at, "lists have one index, not several");
        else
            deck_fault(s->source, open.at, "this index has no closing )");
        return 1;
    }
    deck_scan(s, &t);
    if (index->last && index->last < index->first) {
        deck_fault(s->source, open.at, "this range is empty: its end comes before its start");
        return 1;
    }
    return 0;
}

/* "3*" right before a value. */
static int parse_repeat(struct deck_scanner *s, struct deck_token *t, int64_t *repeat)
{
    struct deck_scanner ahead = *s;
    struct deck_token star, value;
    *repeat = 1;
    if (!deck_scan_is(ahead, '*', &star))
        return 0;
    deck_scan(&ahead, &star);
    int joined = star.at == t->at + t->bytes;
    *s = ahead;
    if (!joined || read_integer(s->source, t, 1000000, repeat) || *repeat < 1) {
        deck_fault(s->source, t->at, "expected a repeat count such as 3*1.0, found %.*s",
                   TEXT_OF(s->source, *t));
        return 1;
    }
    deck_scan(&ahead, &value);
    if (value.at != star.at + 1 || is_assignment(*s) ||
        (value.kind != TOKEN_WORD && value.kind != TOKEN_STRING &&
         value.kind != TOKEN_OPEN_STRING)) {
        deck_fault(s->source, t->at,
                   "null values are not supported: say what to repeat behind %.*s*",
                   TEXT_OF(s->source, *t));
        return 1;
    }
    deck_scan(s, t);
    return 0;
}

/* One value into the binder; non-zero after a fault of the syntax. */
static int parse_value(struct deck_binder *b, struct deck_scanner *s)
{
    struct deck_token t;
    int64_t repeat = 1;
    deck_scan(s, &t);
    if (t.kind == '(') {
        deck_fault(s->source, t.at, "complex numbers are not supported");
        return 1;
    }
    if (t.kind == TOKEN_WORD && parse_repeat(s, &t, &repeat))
        return 1;
    if (t.kind == TOKEN_OPEN_STRING) {
        fault_open_string(s, &t);
        return 1;
    }
    if (t.kind != TOKEN_WORD && t.kind != TOKEN_STRING) {
        deck_fault(s->source, t.at, "expected a value, found %.*s", TEXT_OF(s->source, t));
        return 1;
    }
    deck_bind_value(b, s->source, &t, repeat);
    char next = s->at < s->source->bytes ? s->source->text[s->at] : ' ';
    if (next == '\'' || next == '"' || (t.kind == TOKEN_STRING && !strchr(" \t\r\n,/!", next))) {
        deck_fault(s->source, s->at, "expected a comma or a blank between two values");
        return 1;
    }
    return 0;
}

/* Nothing stands where a value should; a path without quotes ("= /data") looks so to Fortran. */
static void fault_no_value(struct deck_binder *b, struct deck_scanner *s)
{
    struct deck_token t;
    const struct deck_source *source = s->source;
    if (deck_scan_is(*s, TOKEN_CLOSE, &t) && source->text[t.at] == '/' &&
        t.at + 1 < source->bytes && isalnum((unsigned char)source->text[t.at + 1])) {
        deck_fault(s->source, t.at, "'%.*s' needs quotes round this path: here / ends the group",
                   TEXT_OF(source, b->key));
        s->at = t.at;
        deck_scan_line(s);
    } else {
        deck_fault(s->source, b->key.at,
                   "'%.*s' has no value; null values are not supported, leave the key out",
                   TEXT_OF(source, b->key));
    }
}

void deck_parse_values(struct deck_binder *b, struct deck_scanner *s)
{
    int values = 0, after_comma = 1;
    struct deck_token t;
    while (!is_group_end(*s) && !is_assignment(*s)) {
        if (!deck_scan_is(*s, ',', &t)) {
            values++;
            after_comma = 0;
            if (parse_value(b, s)) {
                recover(s);
                return;
            }
            continue;
        }
        if (after_comma) {
            deck_fault(s->source, t.at,
                       "null values are not supported: a value is missing before this comma");
            recover(s);
            return;
        }
        deck_scan(s, &t);
        after_comma = 1;
    }
    if (values == 0)
        fault_no_value(b, s);
}

static void parse_assignment(struct deck_binder *b, struct deck_scanner *s)
{
    struct deck_token name, t;
    struct deck_index index;
    deck_scan(s, &name);
    if (deck_scan_is(*s, '%', &t)) {
        deck_fault(s->source, t.at, "derived types (%%) are not supported");
        while (deck_scan_is(*s, '%', NULL)) { /* over all components, as an '=' follows the last */
            deck_scan(s, &t);
            deck_scan(s, &t);
        }
        recover(s);
    } else if (parse_index(s, &index)) {
        recover(s);
    } else if (!deck_scan_is(*s, '=', NULL)) {
        char wanted[SHOWN + 32];
        snprintf(wanted, sizeof wanted, "= after %.*s", TEXT_OF(s->source, name));
        if (is_group_end(*s) || is_assignment(*s))
            deck_fault(s->source, name.at, "expected %s", wanted);
        else
            fault_unexpected(s, wanted);
        recover(s);
    } else {
        deck_scan(s, &t);
        deck_bind_key(b, s->source, &name, &index);
        deck_parse_values(b, s);
        deck_bind_end(b, s->source);
    }
}

static void parse_group(struct deck_binder *b, struct deck_scanner *s)
{
    struct deck_token name, t;
    deck_scan(s, &name);
    if (name.kind == TOKEN_CLOSE) {
        deck_fault(s->source, name.at, "%.*s without a group before it", TEXT_OF(s->source, name));
        return;
    }
    if (name.bytes == 1 && deck_scan_is(*s, TOKEN_WORD, &t) && !is_assignment(*s))
        deck_scan(s, &t); /* "& toy": part of the same fault */
    deck_bind_group(b, s->source, &name);
    for (;;) {
        if (deck_scan_is(*s, TOKEN_CLOSE, &t)) {
            deck_scan(s, &t);
            return;
        }
        if (t.kind == TOKEN_END) {
            deck_fault(s->source, name.at, "%.*s has no / at its end", TEXT_OF(s->source, name));
            return;
        }
        if (t.kind == TOKEN_GROUP) {
            char place[DECK_TEXT];
            deck_place(s->source, name.at, place, sizeof place);
            deck_fault(s->source, t.at, "expected / before this group: %.*s (%s) is not ended",
                       TEXT_OF(s->source, name), place);
            return;
        }
        if (t.kind == TOKEN_WORD) {
            parse_assignment(b, s);
        } else {
            fault_unexpected(s, "a key");
            recover(s);
        }
    }
}

/* Text outside groups is comment by the standard. A key of ours there is more likely a mistake, and
 * a group of ours behind text would be read by some compilers and passed over by others. */
static void parse_outside(const struct deck_binder *b, struct deck_scanner *s)
{
    struct deck_token name;
    char word[64], place[DECK_TEXT];
    struct deck_scanner line = *s;
    size_t start = s->at;
    deck_scan(&line, &name);
    deck_token_lower(s->source, &name, word, sizeof word);
    if (name.kind == TOKEN_WORD && deck_scan_is(line, '=', NULL) && !s->source->quiet &&
        deck_group_of_key(b->groups, b->group_count, word)) {
        deck_place(s->source, name.at, place, sizeof place);
        log_warn("%s: '%s' stands outside any group and is ignored", place, word);
    }
    deck_scan_line(s);
    for (line.at = start; line.at < s->at && s->source->text[line.at] != '!'; line.at++) {
        char c = s->source->text[line.at];
        if (c != '&' && c != '$')
            continue;
        struct deck_scanner at = line;
        deck_scan(&at, &name);
        struct deck_token bare = {TOKEN_WORD, name.at + 1, name.bytes - 1};
        deck_token_lower(s->source, &bare, word, sizeof word);
        if (deck_group_find(b->groups, b->group_count, word))
            deck_fault(s->source, name.at,
                       "put this group on a line of its own: behind text it may be passed over");
    }
}

void deck_parse(struct deck_binder *b, struct deck_source *source)
{
    struct deck_scanner s = {source, 0};
    int is_group, groups = 0, others = 0;
    size_t first = 0;
    while (deck_scan_outside(&s, &is_group)) {
        if (is_group) {
            groups++;
            parse_group(b, &s);
            continue;
        }
        if (others++ == 0)
            first = s.at;
        parse_outside(b, &s);
    }
    if (others && !groups && !source->faults)
        deck_fault(source, first, "no &group in this file: it is not a deck");
}

/* group.key=value or group.key(2)=value. */
void deck_parse_override(struct deck_binder *b, struct deck_source *source)
{
    struct deck_scanner s = {source, 0};
    struct deck_token name, key, t;
    struct deck_index index;
    deck_scan(&s, &name);
    const char *dot =
        name.kind == TOKEN_WORD ? memchr(source->text + name.at, '.', name.bytes) : NULL;
    if (name.kind == TOKEN_WORD && parse_index(&s, &index))
        return;
    if (!dot || !deck_scan_is(s, '=', NULL)) {
        char word[64];
        deck_token_lower(source, &name, word, sizeof word);
        const struct deck_group *group = deck_group_of_key(b->groups, b->group_count, word);
        deck_fault(source, 0, "expected group.key=value%s%s%s%s%s", group ? "; did you mean " : "",
                   group ? group->name : "", group ? "." : "", group ? word : "", group ? "?" : "");
        return;
    }
    deck_scan(&s, &t);
    key = name;
    name.bytes = (size_t)(dot - source->text) - name.at;
    key.at += name.bytes + 1;
    key.bytes -= name.bytes + 1;
    deck_bind_group(b, source, &name);
    if (!b->group || !deck_bind_key(b, source, &key, &index))
        return;
    struct deck_token rest = {TOKEN_WORD, s.at, source->bytes - s.at};
    if (b->slot->field->type == DECK_STRING) {
        deck_bind_text(b, source, &rest);
    } else {
        deck_parse_values(b, &s);
        if (!deck_scan_is(s, TOKEN_END, &t))
            deck_fault(source, t.at, "expected nothing behind the value, found %.*s",
                       TEXT_OF(source, t));
    }
    deck_bind_end(b, source);
}
