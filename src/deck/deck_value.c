/* SPDX-License-Identifier: Apache-2.0
 * One value: text to int64_t, double, int or char[DECK_TEXT] within the field's range and choices,
 * and back.
 *
 * Numbers: [sign] digits; reals also [sign] digits [.digits] [exponent], exponent =
 * (e|d|q)[sign]digits or a bare sign and digits (1+2 = 100). Logicals: [.] t or f, then anything.
 * Strings: ' or ", the quote doubled inside. */
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "deck/deck_private.h"

enum { NUMBER_BYTES = 64, SHOWN = 40 };

size_t deck_element_bytes(enum deck_type type)
{
    static const size_t bytes[] = {sizeof(int64_t), sizeof(double), sizeof(int), DECK_TEXT};
    return bytes[type];
}

int deck_field_values(const struct deck_field *field, const void *settings)
{
    int count = 1;
    if (field->max_count > 1)
        memcpy(&count, (const char *)settings + field->count_offset, sizeof count);
    return count;
}

int deck_choices(const char *choices, char buffer[DECK_TEXT], const char *names[DECK_CHOICES])
{
    int count = 0;
    REQUIRE(strlen(choices) < DECK_TEXT);
    strcpy(buffer, choices);
    for (char *p = buffer; p; count++) {
        REQUIRE(count < DECK_CHOICES);
        names[count] = p;
        p = strchr(p, '|');
        if (p)
            *p++ = 0;
    }
    return count;
}

static void print_bound(double bound, char out[32])
{
    double exponent = round(log10(fabs(bound)));
    if (bound == pow(10.0, exponent) && exponent >= 6)
        snprintf(out, 32, "1e%.0f", exponent);
    else
        snprintf(out, 32, "%.16g", bound);
}

static void print_range(const struct deck_field *field, char *out, size_t out_bytes)
{
    char low[32], high[32];
    const char *gap = *field->unit ? " " : "";
    print_bound(field->min, low);
    print_bound(field->max, high);
    if (field->min == field->max)
        snprintf(out, out_bytes, "%s%s", *field->unit ? " in " : "", field->unit);
    else if (isfinite(field->min) && isfinite(field->max))
        snprintf(out, out_bytes, " from %s to %s%s%s", low, high, gap, field->unit);
    else
        snprintf(out, out_bytes, " of at %s %s%s%s", isfinite(field->min) ? "least" : "most",
                 isfinite(field->min) ? low : high, gap, field->unit);
}

void deck_takes(const struct deck_field *field, char *out, size_t out_bytes)
{
    char range[128], buffer[DECK_TEXT];
    const char *names[DECK_CHOICES];
    out[0] = 0;
    if (field->type == DECK_BOOL) {
        snprintf(out, out_bytes, ".true. or .false.");
    } else if (field->type == DECK_STRING && !field->choices) {
        snprintf(out, out_bytes, "a string in quotes");
    } else if (field->type == DECK_STRING) {
        int count = deck_choices(field->choices, buffer, names);
        for (int i = 0; i < count; i++) {
            size_t used = strlen(out);
            snprintf(out + used, out_bytes - used, "%s'%s'",
                     i == 0          ? ""
                     : i + 1 < count ? ", "
                                     : " or ",
                     names[i]);
        }
    } else {
        print_range(field, range, sizeof range);
        snprintf(out, out_bytes, "%s%s", field->type == DECK_INT ? "an integer" : "a real number",
                 range);
    }
}

/* 'key' takes ..., found ...: the one message about a value. */
static int fault_value(struct deck_source *s, const struct deck_token *t,
                       const struct deck_field *field, const char *hint)
{
    char takes[DECK_TEXT];
    deck_takes(field, takes, sizeof takes);
    int shown = t->bytes < SHOWN ? (int)t->bytes : SHOWN;
    if (t->bytes == 0)
        deck_fault(s, t->at, "'%s' takes %s, found nothing", field->key, takes);
    else
        deck_fault(s, t->at, "'%s' takes %s, found %.*s%s%s", field->key, takes, shown,
                   s->text + t->at, t->bytes > SHOWN ? "..." : "", hint);
    return 1;
}

static const char *skip_digits(const char *p)
{
    while (isdigit((unsigned char)*p))
        p++;
    return p;
}

/* The word as C would write it, or non-zero if it is no number; *real: it has a point or an
 * exponent. */
static int read_number(const char *word, char c_form[NUMBER_BYTES + 2], int *real)
{
    const char *p = word + (*word == '+' || *word == '-'), *digits = p;
    p = skip_digits(p);
    int count = (int)(p - digits);
    *real = *p != 0;
    if (*p == '.') {
        digits = ++p;
        p = skip_digits(p);
        count += (int)(p - digits);
    }
    size_t mantissa = (size_t)(p - word);
    if (count == 0)
        return 1;
    memcpy(c_form, word, mantissa);
    c_form[mantissa] = 0;
    if (*p == 0)
        return 0;
    if (*p && strchr("eEdDqQ", *p))
        p++;
    else if (*p != '+' && *p != '-')
        return 1;
    const char *exponent = p;
    p += *p == '+' || *p == '-';
    if (!isdigit((unsigned char)*p) || *skip_digits(p))
        return 1;
    c_form[mantissa] = 'e';
    strcpy(c_form + mantissa + 1, exponent);
    return 0;
}

static int store_integer(struct deck_source *s, const struct deck_token *t,
                         const struct deck_field *field, const char *c_form, void *element)
{
    uint64_t magnitude = 0, most = (uint64_t)INT64_MAX + (*c_form == '-');
    for (const char *p = c_form + (*c_form == '+' || *c_form == '-'); *p; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (magnitude > (most - digit) / 10)
            return fault_value(s, t, field, ", which does not fit 64 bits");
        magnitude = magnitude * 10 + digit;
    }
    int64_t value = *c_form == '-' ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    /* bounds beyond 2^62 are as good as none, and would overflow as integers */
    int low = field->min > -0x1p62 && value < (int64_t)field->min;
    int high = field->max < 0x1p62 && value > (int64_t)field->max;
    if (field->min != field->max && (low || high))
        return fault_value(s, t, field, "");
    memcpy(element, &value, sizeof value);
    return 0;
}

static int store_real(struct deck_source *s, const struct deck_token *t,
                      const struct deck_field *field, const char *c_form, void *element)
{
    double value = strtod(c_form, NULL);
    if (!isfinite(value))
        return fault_value(s, t, field, ", which is too large");
    if (value == 0.0 && strcspn(c_form, "123456789") < strcspn(c_form, "e"))
        return fault_value(s, t, field, ", which is too small to differ from 0");
    if (field->min != field->max && (value < field->min || value > field->max))
        return fault_value(s, t, field, "");
    memcpy(element, &value, sizeof value);
    return 0;
}

static int store_number(struct deck_source *s, const struct deck_token *t,
                        const struct deck_field *field, void *element)
{
    char word[NUMBER_BYTES], c_form[NUMBER_BYTES + 2];
    int real;
    if (t->bytes >= sizeof word || memchr(s->text + t->at, 0, t->bytes))
        return fault_value(s, t, field, "");
    memcpy(word, s->text + t->at, t->bytes);
    word[t->bytes] = 0;
    if (t->kind == TOKEN_STRING || read_number(word, c_form, &real) ||
        (real && field->type == DECK_INT))
        return fault_value(s, t, field, "");
    return field->type == DECK_INT ? store_integer(s, t, field, c_form, element)
                                   : store_real(s, t, field, c_form, element);
}

static int store_logical(struct deck_source *s, const struct deck_token *t,
                         const struct deck_field *field, void *element)
{
    size_t letter = t->at + (t->bytes > 1 && s->text[t->at] == '.');
    int c = tolower((unsigned char)s->text[letter]), value = c == 't';
    if (t->kind != TOKEN_WORD || (c != 't' && c != 'f'))
        return fault_value(s, t, field, "");
    memcpy(element, &value, sizeof value);
    return 0;
}

static int store_string(struct deck_source *s, const struct deck_token *t, int bare,
                        const struct deck_field *field, char *element)
{
    char value[DECK_TEXT], buffer[DECK_TEXT], hint[DECK_TEXT] = "";
    const char *names[DECK_CHOICES];
    size_t n = 0, from = t->at + !bare, to = t->at + t->bytes - !bare;
    if (t->kind != TOKEN_STRING && !bare)
        return fault_value(s, t, field, "; strings need quotes");
    for (size_t i = from; i < to; i++) {
        if (n == DECK_TEXT - 1) {
            deck_fault(s, t->at, "'%s' takes a string of at most %d bytes, found %zu", field->key,
                       DECK_TEXT - 1, to - from);
            return 1;
        }
        if (iscntrl((unsigned char)s->text[i]) && s->text[i] != '\t') {
            deck_fault(s, i, "control character %d in a string", (unsigned char)s->text[i]);
            return 1;
        }
        value[n++] = s->text[i];
        if (!bare && s->text[i] == s->text[t->at])
            i++; /* a doubled quote */
    }
    value[n] = 0;
    int count = field->choices ? deck_choices(field->choices, buffer, names) : 0,
        known = count == 0;
    for (int i = 0; i < count; i++)
        known |= strcmp(value, names[i]) == 0;
    if (!known) {
        deck_hint(value, names, count, "'", "'", hint);
        return fault_value(s, t, field, hint);
    }
    memcpy(element, value, n + 1);
    return 0;
}

int deck_value_store(struct deck_source *s, const struct deck_token *t, int bare,
                     const struct deck_field *field, void *element)
{
    if (field->type == DECK_BOOL)
        return store_logical(s, t, field, element);
    if (field->type == DECK_STRING)
        return store_string(s, t, bare, field, element);
    return store_number(s, t, field, element);
}

/* As few digits as read back to the same double, with a point so that it looks like a real. */
static void print_real(FILE *out, double value)
{
    char text[32];
    for (int digits = DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fprintf(out, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static void print_string(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'')
            fputc('\'', out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

void deck_value_print(FILE *out, const struct deck_field *field, const void *settings)
{
    int count = deck_field_values(field, settings);
    for (int i = 0; i < count; i++) {
        const char *element =
            (const char *)settings + field->offset + (size_t)i * deck_element_bytes(field->type);
        int64_t integer;
        double real;
        int truth;
        if (i > 0)
            fputs(", ", out);
        switch (field->type) {
        case DECK_INT:
            memcpy(&integer, element, sizeof integer);
            fprintf(out, "%lld", (long long)integer);
            break;
        case DECK_REAL:
            memcpy(&real, element, sizeof real);
            print_real(out, real);
            break;
        case DECK_BOOL:
            memcpy(&truth, element, sizeof truth);
            fputs(truth ? ".true." : ".false.", out);
            break;
        case DECK_STRING:
            print_string(out, element);
            break;
        }
    }
}
