/* SPDX-License-Identifier: Apache-2.0
 * Characters to tokens, by the rules of namelist input (Fortran 2018, 13.11): blanks, tabs and line
 * ends separate,
 * '!' outside a string starts a comment, '/' ends a group. What a word is (name, number, logical)
 * depends on where it stands, which is the parser's business. */
#include <ctype.h>
#include <string.h>

#include "deck/deck_private.h"

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int is_word(char c)
{
    return !is_blank(c) && (c == 0 || !strchr(",=():*%/!'\"", c));
}

static char peek(const struct deck_scanner *s, size_t at)
{
    return at < s->source->bytes ? s->source->text[at] : ' ';
}

void deck_scan_line(struct deck_scanner *s)
{
    while (s->at < s->source->bytes && s->source->text[s->at] != '\n')
        s->at++;
}

static void skip_blanks(struct deck_scanner *s)
{
    while (s->at < s->source->bytes) {
        char c = s->source->text[s->at];
        if (c == '!')
            deck_scan_line(s);
        else if (is_blank(c))
            s->at++;
        else
            break;
    }
}

static void scan_string(struct deck_scanner *s, struct deck_token *t)
{
    const char *text = s->source->text, quote = text[s->at++];
    t->kind = TOKEN_STRING;
    for (;; s->at++) {
        if (s->at == s->source->bytes || text[s->at] == '\n') {
            t->kind = TOKEN_OPEN_STRING;
            return;
        }
        if (text[s->at] != quote)
            continue;
        s->at++;
        if (peek(s, s->at) != quote)
            return;
    }
}

static void scan_group(struct deck_scanner *s, struct deck_token *t)
{
    char name[4];
    s->at++;
    struct deck_token word = {TOKEN_WORD, s->at, 0};
    while (s->at < s->source->bytes && is_word(s->source->text[s->at]))
        s->at++;
    word.bytes = s->at - word.at;
    deck_token_lower(s->source, &word, name, sizeof name);
    t->kind = word.bytes == 3 && strcmp(name, "end") == 0 ? TOKEN_CLOSE : TOKEN_GROUP;
}

/* A path without quotes (data/x.gz) is one faulty word, not a value, the end of the group and text
 * outside it. */
static int is_path_slash(const struct deck_scanner *s, const struct deck_token *t)
{
    char first = s->source->text[t->at], next = peek(s, s->at + 1);
    return peek(s, s->at) == '/' &&
           (isalpha((unsigned char)first) || first == '.' || first == '~') && is_word(next) &&
           next != '&' && next != '$';
}

void deck_scan(struct deck_scanner *s, struct deck_token *t)
{
    skip_blanks(s);
    *t = (struct deck_token){TOKEN_END, s->at, 0};
    if (s->at >= s->source->bytes)
        return;
    char c = s->source->text[s->at];
    if (c == '\'' || c == '"') {
        scan_string(s, t);
    } else if (c == '&' || c == '$') {
        scan_group(s, t);
    } else if (!is_word(c)) {
        t->kind = c == '/' ? TOKEN_CLOSE : c;
        s->at++;
    } else {
        t->kind = TOKEN_WORD;
        while (is_word(peek(s, s->at)) || is_path_slash(s, t))
            s->at++;
    }
    t->bytes = s->at - t->at;
}

int deck_scan_is(struct deck_scanner s, int kind, struct deck_token *t)
{
    struct deck_token next;
    deck_scan(&s, &next);
    if (t)
        *t = next;
    return next.kind == kind;
}

int deck_scan_outside(struct deck_scanner *s, int *is_group)
{
    if (s->at == 0 && s->source->bytes >= 3 && memcmp(s->source->text, "\xef\xbb\xbf", 3) == 0)
        s->at = 3; /* the mark that some editors put before UTF-8 text */
    skip_blanks(s);
    char c = peek(s, s->at);
    *is_group = c == '&' || c == '$';
    return s->at < s->source->bytes;
}

void deck_token_lower(const struct deck_source *s, const struct deck_token *t, char *out,
                      size_t out_bytes)
{
    size_t n = t->bytes < out_bytes - 1 ? t->bytes : out_bytes - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = (char)tolower((unsigned char)s->text[t->at + i]);
    out[n] = 0;
}
