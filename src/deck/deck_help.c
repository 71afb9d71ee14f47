/* SPDX-License-Identifier: Apache-2.0
 * Help from the tables: what `peclet help`, `peclet help GROUP` and `peclet help GROUP.KEY` print.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "deck/deck_private.h"

enum { WIDTH = 96, DEFAULT_WIDTH = 16 };

/* Prints words from `column` on; lines that follow are indented by `indent`. */
static void print_wrapped(const char *text, int column, int indent)
{
    while (*text) {
        int bytes = (int)strcspn(text, " ");
        if (column > indent && column + 1 + bytes > WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%.*s", bytes, text);
        column += bytes;
        text += bytes;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static int key_width(const struct deck_group *group)
{
    int width = 3;
    for (int f = 0; f < group->field_count; f++)
        if ((int)strlen(group->fields[f].key) > width)
            width = (int)strlen(group->fields[f].key);
    return width;
}

/* What the field takes; of a list also how many. */
static void describe_values(const struct deck_field *field, char *out, size_t out_bytes)
{
    char takes[DECK_TEXT];
    deck_takes(field, takes, sizeof takes);
    if (field->max_count > 1)
        snprintf(out, out_bytes, "up to %d values, each %s", field->max_count, takes);
    else
        snprintf(out, out_bytes, "%s", takes);
}

static void print_row(const struct deck_field *field, int width)
{
    char values[2 * DECK_TEXT];
    int indent = width + 4, column = indent + DEFAULT_WIDTH + 2,
        bytes = (int)strlen(field->defaults);
    describe_values(field, values, sizeof values);
    printf("  %-*s  %-*s", width, field->key, DEFAULT_WIDTH, field->defaults);
    if (bytes > DEFAULT_WIDTH)
        printf("\n%*s", column, "");
    else
        printf("  ");
    print_wrapped(values, column, column);
    printf("%*s", indent, "");
    print_wrapped(field->help, indent, indent);
}

static void print_group(const struct deck_group *group)
{
    int width = key_width(group);
    printf("&%s: %s\n\n  %-*s  %-*s  %s\n", group->name, group->help, width, "key", DEFAULT_WIDTH,
           "default", "values");
    for (int f = 0; f < group->field_count; f++)
        print_row(&group->fields[f], width);
}

static void print_key(const struct deck_group *group, const struct deck_field *field)
{
    char values[2 * DECK_TEXT];
    describe_values(field, values, sizeof values);
    printf("%s.%s:", group->name, field->key);
    print_wrapped(field->help, (int)(strlen(group->name) + strlen(field->key)) + 2, 4);
    printf("    values           ");
    print_wrapped(values, 21, 21);
    printf("    default          %s\n", field->defaults);
    printf("    in a deck        &%s  %s = %s /\n", group->name, field->key, field->defaults);
    printf("    on command line  %s.%s=", group->name, field->key);
    for (const char *p = field->defaults; *p; p++)
        if (*p != '\'' && *p != ' ')
            putchar(*p);
    putchar('\n');
}

static void print_groups(const struct deck_group *groups, int group_count)
{
    printf("Groups of a deck ('peclet help GROUP' lists the keys of one, 'peclet help GROUP.KEY' "
           "explains one):\n\n");
    for (int g = 0; g < group_count; g++)
        printf("  &%-10s %s\n", groups[g].name, groups[g].help);
}

/* "forward.pe", or "pe" for every key of that name. Returns how many there were. */
static int print_keys(const struct deck_group *groups, int group_count, const char *name)
{
    int printed = 0;
    for (int g = 0; g < group_count; g++)
        for (int f = 0; f < groups[g].field_count; f++) {
            const char *key = groups[g].fields[f].key;
            char full[DECK_TEXT];
            snprintf(full, sizeof full, "%s.%s", groups[g].name, key);
            if (strcmp(name, full) != 0 && strcmp(name, key) != 0)
                continue;
            if (printed++ > 0)
                putchar('\n');
            print_key(&groups[g], &groups[g].fields[f]);
        }
    return printed;
}

static int unknown_name(const struct deck_group *groups, int group_count, const char *name)
{
    char hint[DECK_TEXT];
    const char *names[64];
    int count = 0;
    const char *dot = strchr(name, '.');
    for (int g = 0; g < group_count && count < 64; g++)
        names[count++] = groups[g].name;
    deck_hint(name, names, count, "'", "'", hint);
    for (int g = 0; dot && g < group_count; g++) {
        if (strlen(groups[g].name) != (size_t)(dot - name) ||
            strncmp(groups[g].name, name, (size_t)(dot - name)) != 0)
            continue;
        count = 0;
        for (int f = 0; f < groups[g].field_count && count < 64; f++)
            names[count++] = groups[g].fields[f].key;
        deck_hint(dot + 1, names, count, "'", "'", hint);
    }
    log_error("no group or key is called '%s'%s", name, hint);
    return 1;
}

int deck_help(const struct deck_group *groups, int group_count, const char *group)
{
    char name[DECK_TEXT];
    if (!group) {
        print_groups(groups, group_count);
        return 0;
    }
    snprintf(name, sizeof name, "%s", group + (*group == '&'));
    for (char *p = name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    const struct deck_group *found = deck_group_find(groups, group_count, name);
    if (found) {
        print_group(found);
        return 0;
    }
    return print_keys(groups, group_count, name) ? 0 : unknown_name(groups, group_count, name);
}
