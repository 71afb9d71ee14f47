/* SPDX-License-Identifier: Apache-2.0
 * Faults in the form of compilers, so that editors can jump to them, and the nearest name to a
 * mistyped one. */
#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "base/die.h"
#include "deck/deck_private.h"

enum { MOST_PRINTED = 100, NAME_BYTES = 64, SHOWN_BEFORE = 120, SHOWN_BYTES = 200 };

/* Columns count characters, not the bytes of UTF-8. */
static int is_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static void find_place(const struct deck_source *s, size_t at, int *line, int *column,
                       size_t *line_start)
{
    *line = *column = 1;
    *line_start = 0;
    for (size_t i = 0; i < at && i < s->bytes; i++) {
        *column += is_character(s->text[i]);
        if (s->text[i] == '\n') {
            ++*line;
            *column = 1;
            *line_start = i + 1;
        }
    }
}

/* The line and a caret under byte `at`; of a very long line the part around it. */
static void print_line(const struct deck_source *s, size_t at, size_t start)
{
    if (at - start > SHOWN_BEFORE)
        start = at - SHOWN_BEFORE;
    while (start < at && !is_character(s->text[start]))
        start++;
    char line[SHOWN_BYTES + 1], caret[SHOWN_BYTES + 2];
    size_t n = 0, c = 0;
    for (size_t i = start; i < s->bytes && s->text[i] != '\n' && n < SHOWN_BYTES; i++) {
        char shown = s->text[i];
        line[n++] = shown == '\t' || !iscntrl((unsigned char)shown) ? shown
                    : shown == '\r'                                 ? ' '
                                                                    : '?';
        if (i < at && is_character(shown))
            caret[c++] = shown == '\t' ? '\t' : ' ';
    }
    while (n > 0 && line[n - 1] == ' ')
        n--;
    caret[c++] = '^';
    fprintf(stderr, "%.*s\n%.*s\n", (int)n, line, (int)c, caret);
}

void deck_fault(struct deck_source *s, size_t at, const char *format, ...)
{
    char message[4 * DECK_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    for (char *p = message; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = '?';
    if (s->kind == DECK_TABLE)
        DIE("broken default %.*s of '%s': %s", (int)s->bytes, s->text, s->name, message);
    s->faults++;
    if (s->quiet || s->faults > MOST_PRINTED)
        return;
    if (s->kind == DECK_OVERRIDE) {
        fprintf(stderr, "override '%s': error: %s\n", s->name, message);
        return;
    }
    int line, column;
    size_t line_start;
    find_place(s, at, &line, &column, &line_start);
    fprintf(stderr, "%s:%d:%d: error: %s\n", s->name, line, column, message);
    print_line(s, at, line_start);
}

void deck_fault_end(const struct deck_source *s)
{
    if (!s->quiet && s->faults > MOST_PRINTED)
        fprintf(stderr, "%s: %d more errors\n", s->name, s->faults - MOST_PRINTED);
}

void deck_place(const struct deck_source *s, size_t at, char *out, size_t out_bytes)
{
    int line, column;
    size_t line_start;
    find_place(s, at, &line, &column, &line_start);
    if (s->kind == DECK_FILE)
        snprintf(out, out_bytes, "%s:%d", s->name, line);
    else
        snprintf(out, out_bytes, "override '%s'", s->name);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, substitutions and swaps of neighbours that turn a into b (optimal string
 * alignment). */
static int edit_distance(const char *a, const char *b)
{
    int rows[3][NAME_BYTES + 1], n = (int)strlen(b);
    int *before = rows[0], *above = rows[1], *row = rows[2];
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int *oldest = before;
        before = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                y == tolower((unsigned char)a[i - 2]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return row[n];
}

const char *deck_nearest(const char *word, const char *const *names, int count)
{
    const char *nearest = NULL;
    size_t bytes = strlen(word);
    int best = least(3, bytes < 3 ? 1 : 1 + (int)bytes / 4) + 1;
    if (bytes == 0 || bytes > NAME_BYTES)
        return NULL;
    for (int i = 0; i < count; i++) {
        int distance = strlen(names[i]) > NAME_BYTES ? best : edit_distance(word, names[i]);
        if (distance < best && distance < (int)bytes) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

void deck_hint(const char *word, const char *const *names, int count, const char *left,
               const char *right, char out[DECK_TEXT])
{
    const char *nearest = deck_nearest(word, names, count);
    out[0] = 0;
    if (nearest)
        snprintf(out, DECK_TEXT, "; did you mean %s%s%s?", left, nearest, right);
}
