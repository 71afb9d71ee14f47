/* SPDX-License-Identifier: Apache-2.0
 * Settings back to text, and two decks compared. */
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "deck/deck_private.h"

/* Text of any length through stdio. */
struct memo {
    FILE *file;
    char *text;
    size_t bytes;
};

static void memo_open(struct memo *m)
{
    m->file = open_memstream(&m->text, &m->bytes);
    if (!m->file)
        DIE("no memory for text");
}

static void memo_close(struct memo *m)
{
    if (fclose(m->file))
        DIE("no memory for text");
}

char *deck_resolved(const struct deck_group *groups, int group_count)
{
    struct memo m;
    memo_open(&m);
    for (int g = 0; g < group_count; g++) {
        fprintf(m.file, "&%s\n", groups[g].name);
        for (int f = 0; f < groups[g].field_count; f++) {
            fprintf(m.file, "  %s = ", groups[g].fields[f].key);
            deck_value_print(m.file, &groups[g].fields[f], groups[g].settings);
            fputc('\n', m.file);
        }
        fputs("/\n", m.file);
    }
    memo_close(&m);
    char *text = mem_strdup(m.text);
    free(m.text);
    return text;
}

static char *value_text(const struct deck_field *field, const void *settings)
{
    struct memo m;
    memo_open(&m);
    deck_value_print(m.file, field, settings);
    memo_close(&m);
    char *text = mem_strdup(m.text);
    free(m.text);
    return text;
}

void deck_value_text(const struct deck_group *groups, int group_count, const char *group,
                     const char *key, char *out, size_t out_bytes)
{
    const struct deck_group *g = deck_group_find(groups, group_count, group);
    const struct deck_field *field = g ? deck_field_find(g, key) : NULL;
    char *text = field ? value_text(field, g->settings) : mem_strdup("");
    snprintf(out, out_bytes, "%s", text);
    mem_free(text);
}

/* Bytes of the settings struct as far as the table reaches. */
static size_t settings_bytes(const struct deck_group *group)
{
    size_t bytes = 1;
    for (int f = 0; f < group->field_count; f++) {
        const struct deck_field *field = &group->fields[f];
        size_t end = field->offset + (size_t)field->max_count * deck_element_bytes(field->type);
        size_t count_end = field->max_count > 1 ? field->count_offset + sizeof(int) : 0;
        end = end > count_end ? end : count_end;
        bytes = bytes > end ? bytes : end;
    }
    return bytes;
}

static int compare_field(const char *stored_name, const struct deck_field *field,
                         const struct deck_group *stored, const struct deck_group *present,
                         int quiet)
{
    char *a = value_text(field, stored->settings), *b = value_text(field, present->settings);
    int differ = strcmp(a, b) != 0;
    if (differ && !quiet)
        log_error("%s: &%s %s: file has %s, deck has %s", stored_name, present->name, field->key, a,
                  b);
    mem_free(a);
    mem_free(b);
    return differ;
}

/* One entry of `what`: "group" or "group.key". */
static int compare_named(const char *stored_name, const char *what, const struct deck_group *stored,
                         const struct deck_group *present, int group_count, int quiet)
{
    char name[DECK_TEXT];
    snprintf(name, sizeof name, "%s", what);
    char *key = strchr(name, '.');
    if (key)
        *key++ = 0;
    const struct deck_group *group = deck_group_find(present, group_count, name);
    if (!group || (key && !deck_field_find(group, key)))
        DIE("no setting is called '%s'", what);
    int differences = 0;
    for (int f = 0; f < group->field_count; f++)
        if (!key || strcmp(group->fields[f].key, key) == 0)
            differences += compare_field(stored_name, &group->fields[f], &stored[group - present],
                                         group, quiet);
    return differences;
}

int deck_differences(const char *stored_name, const char *stored, const struct deck_group *groups,
                     int group_count, const char *const *what, int what_count, int quiet)
{
    int differences = 0;
    struct deck_group *copies = mem_alloc((size_t)group_count * sizeof *copies);
    for (int g = 0; g < group_count; g++) {
        copies[g] = groups[g];
        copies[g].settings = mem_zalloc(settings_bytes(&groups[g]));
    }
    if (deck_read_quietly(stored_name, stored, strlen(stored), NULL, 0, copies, group_count,
                          quiet)) {
        if (!quiet)
            log_error("%s: the deck stored in it is not one of this version of the program",
                      stored_name);
        differences = 1;
    } else {
        for (int w = 0; w < what_count; w++)
            differences += compare_named(stored_name, what[w], copies, groups, group_count, quiet);
    }
    for (int g = 0; g < group_count; g++)
        mem_free(copies[g].settings);
    mem_free(copies);
    return differences;
}
