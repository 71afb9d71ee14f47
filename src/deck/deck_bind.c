/* SPDX-License-Identifier: Apache-2.0
 * Assignments into the structs. Every element remembers where it was set, so a second setting can
 * name the first.
 *
 * A deck and the overrides are two layers: within a layer nothing may be set twice, a later layer
 * overrides. A list's outcome does not depend on the order of its assignments: the list assigned
 * without index, or else the former one, with the indexed elements put in, and no gap. */
#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "deck/deck_private.h"

enum { MAX_NAMES = 64, WORD_BYTES = 64 };

const struct deck_group *deck_group_find(const struct deck_group *groups, int group_count,
                                         const char *name)
{
    for (int g = 0; g < group_count; g++)
        if (strcmp(groups[g].name, name) == 0)
            return &groups[g];
    return NULL;
}

const struct deck_field *deck_field_find(const struct deck_group *group, const char *key)
{
    for (int f = 0; f < group->field_count; f++)
        if (strcmp(group->fields[f].key, key) == 0)
            return &group->fields[f];
    return NULL;
}

const struct deck_group *deck_group_of_key(const struct deck_group *groups, int group_count,
                                           const char *key)
{
    for (int g = 0; g < group_count; g++)
        if (deck_field_find(&groups[g], key))
            return &groups[g];
    return NULL;
}

static void *slot_element(const struct deck_slot *slot, int64_t i)
{
    return (char *)slot->group->settings + slot->field->offset +
           (size_t)i * deck_element_bytes(slot->field->type);
}

static void binder_create(struct deck_binder *b, const struct deck_group *groups, int group_count)
{
    *b = (struct deck_binder){.groups = groups, .group_count = group_count};
    for (int g = 0; g < group_count; g++) {
        REQUIRE(groups[g].field_count <= MAX_NAMES);
        b->slot_count += groups[g].field_count;
        for (int f = 0; f < groups[g].field_count; f++)
            b->mark_count += (size_t)groups[g].fields[f].max_count;
    }
    b->slots = mem_zalloc((size_t)b->slot_count * sizeof *b->slots);
    b->marks = mem_zalloc(b->mark_count * sizeof *b->marks);
    b->group_marks = mem_zalloc((size_t)group_count * sizeof *b->group_marks);
    struct deck_slot *slot = b->slots;
    struct deck_mark *marks = b->marks;
    for (int g = 0; g < group_count; g++)
        for (int f = 0; f < groups[g].field_count; f++, slot++) {
            *slot = (struct deck_slot){&groups[g], &groups[g].fields[f], marks, 0, 0};
            marks += groups[g].fields[f].max_count;
        }
}

static void binder_free(struct deck_binder *b)
{
    mem_free(b->slots);
    mem_free(b->marks);
    mem_free(b->group_marks);
}

/* Starts a layer: what is there now may be set again. */
static void layer_begin(struct deck_binder *b)
{
    memset(b->marks, 0, b->mark_count * sizeof *b->marks);
    memset(b->group_marks, 0, (size_t)b->group_count * sizeof *b->group_marks);
    for (int i = 0; i < b->slot_count; i++) {
        b->slots[i].whole = 0;
        b->slots[i].former_count =
            deck_field_values(b->slots[i].field, b->slots[i].group->settings);
    }
}

/* Now that all elements of a list are known: how many it has. Returns faults of the lists with a
 * gap. */
static int slot_finish(struct deck_slot *slot)
{
    const struct deck_field *field = slot->field;
    int count = slot->whole ? 0 : slot->former_count;
    if (field->max_count == 1)
        return 0;
    for (int i = 0; i < field->max_count; i++) {
        if (!slot->marks[i].source)
            continue;
        if (i > count) {
            struct deck_source source = *slot->marks[i].source;
            deck_fault(&source, slot->marks[i].at, "'%s(%d)' leaves a gap: '%s(%d)' has no value",
                       field->key, i + 1, field->key, count + 1);
            return 1;
        }
        if (i == count)
            count++;
    }
    memcpy((char *)slot->group->settings + field->count_offset, &count, sizeof count);
    return 0;
}

static int layer_end(struct deck_binder *b)
{
    int faults = 0;
    for (int i = 0; i < b->slot_count; i++)
        faults += slot_finish(&b->slots[i]);
    return faults;
}

void deck_bind_group(struct deck_binder *b, struct deck_source *s, const struct deck_token *name)
{
    char word[WORD_BYTES], hint[DECK_TEXT], place[DECK_TEXT];
    const char *names[MAX_NAMES] = {0};
    struct deck_token bare = *name;
    int ampersand = s->kind == DECK_FILE;
    bare.at += (size_t)ampersand;
    bare.bytes -= (size_t)ampersand;
    deck_token_lower(s, &bare, word, sizeof word);
    b->group = deck_group_find(b->groups, b->group_count, word);
    b->group_again = 0;
    if (!b->group && !*word) {
        deck_fault(s, name->at, "expected the name of a group right after %.*s", (int)name->bytes,
                   s->text + name->at);
        return;
    }
    if (!b->group) {
        for (int g = 0; g < b->group_count; g++)
            names[g] = b->groups[g].name;
        deck_hint(word, names, b->group_count, "&", "", hint);
        deck_fault(s, name->at, "unknown group &%s%s", word, hint);
        return;
    }
    struct deck_mark *first = &b->group_marks[b->group - b->groups];
    if (first->source && s->kind == DECK_FILE) {
        deck_place(first->source, first->at, place, sizeof place);
        deck_fault(s, name->at, "group &%s is given twice, first at %s", word, place);
        b->group_again = 1;
        return;
    }
    *first = (struct deck_mark){s, name->at};
}

static void fault_unknown_key(struct deck_binder *b, struct deck_source *s,
                              const struct deck_token *name, const char *key)
{
    char hint[DECK_TEXT];
    const char *names[MAX_NAMES] = {0};
    const struct deck_group *other = deck_group_of_key(b->groups, b->group_count, key);
    for (int f = 0; f < b->group->field_count; f++)
        names[f] = b->group->fields[f].key;
    deck_hint(key, names, b->group->field_count, "'", "'", hint);
    if (other)
        snprintf(hint, sizeof hint, "; &%s has a key of this name", other->name);
    deck_fault(s, name->at, "unknown key '%s' in &%s%s", key, b->group->name, hint);
}

int deck_bind_key(struct deck_binder *b, struct deck_source *s, const struct deck_token *name,
                  const struct deck_index *index)
{
    char key[WORD_BYTES];
    b->slot = NULL;
    b->key = *name;
    b->index = *index;
    b->said_full = b->said_twice = 0;
    b->faults_before = s->faults;
    if (!b->group)
        return 0;
    deck_token_lower(s, name, key, sizeof key);
    const struct deck_field *field = deck_field_find(b->group, key);
    if (!field) {
        fault_unknown_key(b, s, name, key);
        return 0;
    }
    if (index->given && field->max_count == 1) {
        deck_fault(s, name->at, "'%s' is a single value, it has no index", key);
        return 0;
    }
    if (index->first > field->max_count || index->last > field->max_count) {
        deck_fault(s, name->at, "'%s' holds at most %d values", key, field->max_count);
        return 0;
    }
    for (int i = 0; i < b->slot_count; i++)
        if (b->slots[i].field == field && b->slots[i].group == b->group)
            b->slot = &b->slots[i];
    b->slot->whole |= !index->given;
    b->next = index->first - 1;
    b->last = index->last ? index->last : field->max_count;
    return 1;
}

/* Notes that the next element is set here; non-zero if it was already, or if there is no room for
 * it. */
static int take_element(struct deck_binder *b, struct deck_source *s, size_t at)
{
    const struct deck_field *field = b->slot->field;
    if (b->next >= b->last) {
        if (!b->said_full && b->index.range && b->index.last)
            deck_fault(s, at, "more values than the range of '%s' has elements", field->key);
        else if (!b->said_full && field->max_count == 1)
            deck_fault(s, at, "'%s' takes one value", field->key);
        else if (!b->said_full)
            deck_fault(s, at, "'%s' holds at most %d values", field->key, field->max_count);
        b->said_full = 1;
        return 1;
    }
    struct deck_mark *mark = &b->slot->marks[b->next];
    if (mark->source && !b->said_twice && !b->group_again) {
        char place[DECK_TEXT], element[32] = "";
        if (b->index.given)
            snprintf(element, sizeof element, "(%d)", (int)b->next + 1);
        deck_place(mark->source, mark->at, place, sizeof place);
        deck_fault(s, b->key.at, "'%s%s' of &%s is set twice, first at %s", field->key, element,
                   b->slot->group->name, place);
        b->said_twice = 1;
    }
    if (!mark->source)
        *mark = (struct deck_mark){s, b->key.at};
    b->next++;
    return 0;
}

static void bind_element(struct deck_binder *b, struct deck_source *s,
                         const struct deck_token *value, int bare, int64_t repeat)
{
    for (int64_t i = 0; i < repeat; i++)
        if (take_element(b, s, value->at) ||
            deck_value_store(s, value, bare, b->slot->field, slot_element(b->slot, b->next - 1)))
            return;
}

void deck_bind_value(struct deck_binder *b, struct deck_source *s, const struct deck_token *value,
                     int64_t repeat)
{
    if (b->slot)
        bind_element(b, s, value, 0, repeat);
}

/* The value of an override: quotes may be left out, commas separate the elements of a list. */
void deck_bind_text(struct deck_binder *b, struct deck_source *s, const struct deck_token *text)
{
    size_t at = text->at, end = text->at + text->bytes;
    for (int more = 1; more;) {
        struct deck_scanner scanner = {s, at};
        struct deck_token t;
        int bare = !deck_scan_is(scanner, TOKEN_STRING, &t);
        if (t.kind == TOKEN_OPEN_STRING) {
            deck_fault(s, t.at, "this string has no closing %c", s->text[t.at]);
            return;
        }
        if (!bare)
            deck_scan(&scanner, &t);
        size_t after = bare ? at : scanner.at;
        while (after < end && s->text[after] == ' ')
            after++;
        int list = b->slot->field->max_count > 1;
        if (!bare && after < end && !(list && s->text[after] == ','))
            bare = 1; /* quotes inside a longer text are part of it */
        if (bare) {
            const char *comma = list ? memchr(s->text + at, ',', end - at) : NULL;
            after = comma ? (size_t)(comma - s->text) : end;
            t = (struct deck_token){TOKEN_WORD, at, after - at};
            for (; t.bytes && s->text[t.at] == ' '; t.at++)
                t.bytes--;
            while (t.bytes && s->text[t.at + t.bytes - 1] == ' ')
                t.bytes--;
        }
        bind_element(b, s, &t, bare, 1);
        more = after < end;
        at = after + 1;
    }
}

/* Fortran would leave the rest of a range as it was: a null value in disguise. */
void deck_bind_end(struct deck_binder *b, struct deck_source *s)
{
    if (b->slot && b->index.last && b->next < b->last && s->faults == b->faults_before)
        deck_fault(s, b->key.at, "'%s' has fewer values than its range has elements",
                   b->slot->field->key);
    b->slot = NULL;
}

void deck_defaults(const struct deck_group *groups, int group_count)
{
    struct deck_binder b;
    binder_create(&b, groups, group_count);
    for (int i = 0; i < b.slot_count; i++) {
        const struct deck_field *field = b.slots[i].field;
        struct deck_source s = {DECK_TABLE, field->key, field->defaults, strlen(field->defaults),
                                0,          0};
        struct deck_scanner scanner = {&s, 0};
        b.slot = &b.slots[i];
        b.slot->whole = 1;
        b.index = (struct deck_index){0, 0, 1, 0};
        b.key = (struct deck_token){TOKEN_WORD, 0, s.bytes};
        b.next = 0;
        b.last = field->max_count;
        deck_parse_values(&b, &scanner);
        slot_finish(b.slot);
    }
    binder_free(&b);
}

int deck_read_quietly(const char *name, const char *text, size_t bytes, char *const *overrides,
                      int override_count, const struct deck_group *groups, int group_count,
                      int quiet)
{
    struct deck_binder b;
    struct deck_source deck = {DECK_FILE, name, text, bytes, quiet, 0};
    deck_defaults(groups, group_count);
    binder_create(&b, groups, group_count);
    layer_begin(&b);
    deck_parse(&b, &deck);
    int faults = layer_end(&b) + deck.faults;
    deck_fault_end(&deck);

    struct deck_source *sources = mem_alloc((size_t)override_count * sizeof *sources);
    layer_begin(&b);
    for (int i = 0; i < override_count; i++) {
        const char *o = overrides[i];
        sources[i] = (struct deck_source){DECK_OVERRIDE, o, o, strlen(o), quiet, 0};
        deck_parse_override(&b, &sources[i]);
        faults += sources[i].faults;
    }
    faults += layer_end(&b);
    mem_free(sources);
    binder_free(&b);
    return faults;
}

int deck_read(const char *name, const char *text, size_t bytes, char *const *overrides,
              int override_count, const struct deck_group *groups, int group_count)
{
    return deck_read_quietly(name, text, bytes, overrides, override_count, groups, group_count, 0);
}
