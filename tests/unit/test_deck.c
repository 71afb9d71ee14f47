/* SPDX-License-Identifier: Apache-2.0
 * The deck reader: what it accepts, with the values Fortran gives (Fortran 2018, 13.11, and the
 * categories that the test files of f90nml cover), what it refuses, with the exact message, and
 * what it writes. */
#include "check.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "deck/deck.h"
#include "tasks/settings.h"

struct toy {
    int64_t n;
    double x;
    int flag;
    char s[DECK_TEXT], mode[DECK_TEXT];
    int64_t v[6];
    int v_count;
    double r[4];
    int r_count;
    char words[3][DECK_TEXT];
    int word_count;
    int flags[4];
    int flag_count;
};
struct other {
    double speed;
    int64_t wide;
};

#define AT(member) offsetof(struct toy, member)
static const struct deck_field toy_fields[] = {
    {"n", DECK_INT, AT(n), "7", -1000, 1000, NULL, "", "A number.", 1, 0},
    {"x", DECK_REAL, AT(x), "0.5", 0, 0, NULL, "px", "Any real.", 1, 0},
    {"flag", DECK_BOOL, AT(flag), ".false.", 0, 0, NULL, "", "A switch.", 1, 0},
    {"s", DECK_STRING, AT(s), "'it''s'", 0, 0, NULL, "", "Any text.", 1, 0},
    {"mode", DECK_STRING, AT(mode), "'slow'", 0, 0, "slow|fast|faster", "", "A choice.", 1, 0},
    {"v", DECK_INT, AT(v), "1, 2, 3", 0, 0, NULL, "", "A list.", 6, AT(v_count)},
    {"r", DECK_REAL, AT(r), "1.5", 0, 100, NULL, "", "Reals.", 4, AT(r_count)},
    {"words", DECK_STRING, AT(words), "'a', 'b'", 0, 0, NULL, "", "Strings.", 3, AT(word_count)},
    {"flags", DECK_BOOL, AT(flags), "t, f", 0, 0, NULL, "", "Switches.", 4, AT(flag_count)},
};
static const struct deck_field other_fields[] = {
    {"speed", DECK_REAL, offsetof(struct other, speed), "1.0", 0, INFINITY, NULL, "px/s",
     "A speed.", 1, 0},
    {"wide", DECK_INT, offsetof(struct other, wide), "0", 0, 0, NULL, "", "Any integer.", 1, 0},
};

static struct toy toy;
static struct other other;
static const struct deck_group groups[] = {
    {"toy", "a group", toy_fields, sizeof toy_fields / sizeof *toy_fields, &toy},
    {"other", "another group", other_fields, sizeof other_fields / sizeof *other_fields, &other},
};
enum { GROUPS = 2 };

/* Redirects a stream into a file, and gives back what went there. */
static int capture_begin(FILE *stream, FILE **into)
{
    fflush(stream);
    int saved = dup(fileno(stream));
    *into = tmpfile();
    dup2(fileno(*into), fileno(stream));
    return saved;
}

static const char *capture_end(FILE *stream, FILE *into, int saved)
{
    static char text[65536];
    fflush(stream);
    dup2(saved, fileno(stream));
    close(saved);
    rewind(into);
    text[fread(text, 1, sizeof text - 1, into)] = 0;
    fclose(into);
    return text;
}

static int read_text(const char *text, char *const *overrides, int count)
{
    return deck_read("x.nml", text, strlen(text), overrides, count, groups, GROUPS);
}

struct reading {
    const char *deck, *key, *value;
};

static void check_reading(const struct reading *c)
{
    char value[DECK_TEXT * 4];
    const char *dot = strchr(c->key, '.');
    char group[32] = "toy";
    if (dot)
        snprintf(group, sizeof group, "%.*s", (int)(dot - c->key), c->key);
    int faults = read_text(c->deck, NULL, 0);
    deck_value_text(groups, GROUPS, group, dot ? dot + 1 : c->key, value, sizeof value);
    if (faults || strcmp(value, c->value) != 0)
        printf("deck <%s>: %d faults, %s = <%s>, wanted <%s>\n", c->deck, faults, c->key, value,
               c->value);
    CHECK(faults == 0 && strcmp(value, c->value) == 0);
}

static const struct reading readings[] = {
    /* defaults */
    {"", "n", "7"},
    {"&toy /", "s", "'it''s'"},
    {"&toy /", "v", "1, 2, 3"},
    {"&toy /", "flags", ".true., .false."},
    /* integers */
    {"&toy n = 5 /", "n", "5"},
    {"&toy n = -5 /", "n", "-5"},
    {"&toy n = +5 /", "n", "5"},
    {"&toy n = 007 /", "n", "7"},
    {"&other wide = 9223372036854775807 /", "other.wide", "9223372036854775807"},
    {"&other wide = -9223372036854775808 /", "other.wide", "-9223372036854775808"},
    /* reals */
    {"&toy x = .1 /", "x", "0.1"},
    {"&toy x = 1. /", "x", "1.0"},
    {"&toy x = -1. /", "x", "-1.0"},
    {"&toy x = +.01 /", "x", "0.01"},
    {"&toy x = 3 /", "x", "3.0"},
    {"&toy x = 1e3 /", "x", "1000.0"},
    {"&toy x = 1.0d0 /", "x", "1.0"},
    {"&toy x = 1.0D+02 /", "x", "100.0"},
    {"&toy x = 2.5q-1 /", "x", "0.25"},
    {"&toy x = 2Q1 /", "x", "20.0"},
    {"&toy x = 1+2 /", "x", "100.0"},
    {"&toy x = 1.-2 /", "x", "0.01"},
    {"&toy x = -1.5+1 /", "x", "-15.0"},
    {"&toy x = 4.9e-324 /", "x", "4.94065645841247e-324"},
    {"&toy x = 1.7976931348623157e308 /", "x", "1.7976931348623157e+308"},
    {"&toy x = 0.1000000000000000055511151231257827 /", "x", "0.1"},
    {"&toy x = 0e99 /", "x", "0.0"},
    /* logicals */
    {"&toy flag = .true. /", "flag", ".true."},
    {"&toy flag = T /", "flag", ".true."},
    {"&toy flag = .t. /", "flag", ".true."},
    {"&toy flag = t /", "flag", ".true."},
    {"&toy flag = true /", "flag", ".true."},
    {"&toy flag = .TRUE /", "flag", ".true."},
    {"&toy flag = .T /", "flag", ".true."},
    {"&toy flag = tomorrow /", "flag", ".true."},
    {"&toy flags = T F .false. f /", "flags", ".true., .false., .false., .false."},
    /* strings */
    {"&toy s = 'hello' /", "s", "'hello'"},
    {"&toy s = \"hello\" /", "s", "'hello'"},
    {"&toy s = '' /", "s", "''"},
    {"&toy s = '''' /", "s", "''''"},
    {"&toy s = 'a ''single'' quote' /", "s", "'a ''single'' quote'"},
    {"&toy s = \"a \"\"double\"\" quote\" /", "s", "'a \"double\" quote'"},
    {"&toy s = \"''x'' \"\"y\"\"\" /", "s", "'''''x'''' \"y\"'"},
    {"&toy s = 'back\\slash' /", "s", "'back\\slash'"},
    {"&toy s = ' a / b ! c & d = 1, ' /", "s", "' a / b ! c & d = 1, '"},
    {"&toy s = 'na\xc3\xafve' /", "s", "'na\xc3\xafve'"},
    {"&toy s='a'/", "s", "'a'"},
    /* lists */
    {"&toy v = 4 /", "v", "4"},
    {"&toy v = 1,2,3,4,5 /", "v", "1, 2, 3, 4, 5"},
    {"&toy v = 1 2  3\t4 /", "v", "1, 2, 3, 4"},
    {"&toy v = 1 , 2 ,3 /", "v", "1, 2, 3"},
    {"&toy v = 1, 2, 3, /", "v", "1, 2, 3"},
    {"&toy v = 1,\n 2,\n\n 3\n n = 4\n/", "v", "1, 2, 3"},
    {"&toy v = 1,\n 2, ! two\n ! nothing\n 3\n/", "v", "1, 2, 3"},
    {"&toy v = 1, 2,\n n = 4 /", "v", "1, 2"},
    {"&toy v = 1, 2,\n n = 4 /", "n", "4"},
    {"&toy words = 'x','y''z','' /", "words", "'x', 'y''z', ''"},
    {"&toy words = 'x' 'y' /", "words", "'x', 'y'"},
    /* repeat counts */
    {"&toy r = 2*2.0 /", "r", "2.0, 2.0"},
    {"&toy v = 3*1, 2, 3 /", "v", "1, 1, 1, 2, 3"},
    {"&toy v = 3*1, 2*2, 3 /", "v", "1, 1, 1, 2, 2, 3"},
    {"&toy v = 1*-4, /", "v", "-4"},
    {"&toy flags = 4*.true. /", "flags", ".true., .true., .true., .true."},
    {"&toy words = 2*'a b' /", "words", "'a b', 'a b'"},
    {"&toy n = 1*9 /", "n", "9"},
    /* elements and ranges */
    {"&toy v(2) = 9 /", "v", "1, 9, 3"},
    {"&toy v(4) = 9 /", "v", "1, 2, 3, 9"},
    {"&toy v(1) = 4 v(2) = 5 v(3) = 6 v(4) = 7 /", "v", "4, 5, 6, 7"},
    {"&toy v(5) = 5 v(4) = 4 /", "v", "1, 2, 3, 4, 5"},
    {"&toy v(1:3) = 7, 8, 9 /", "v", "7, 8, 9"},
    {"&toy v(2:3) = 2*0 /", "v", "1, 0, 0"},
    {"&toy v(:2) = 5, 6 /", "v", "5, 6, 3"},
    {"&toy v(3:) = 5, 6 /", "v", "1, 2, 5, 6"},
    {"&toy v(:) = 8 /", "v", "8, 2, 3"},
    {"&toy v(2) = 4, 5, 6 /", "v", "1, 4, 5, 6"},
    {"&toy v ( 2 ) = 4 /", "v", "1, 4, 3"},
    {"&toy v( 2 : 3 )=4,5 /", "v", "1, 4, 5"},
    {"&toy v(+2) = 4 /", "v", "1, 4, 3"},
    {"&toy v = 1 v(2) = 2 /", "v", "1, 2"},
    {"&toy v(2) = 2 v = 1 /", "v", "1, 2"},
    {"&toy words(2) = 'z' /", "words", "'a', 'z'"},
    /* groups, layout, legacy forms */
    {"&TOY N = 5 /", "n", "5"},
    {"&Toy\n\tn=5,x=2.\n/", "x", "2.0"},
    {"&toy n = 5, x = 2.0 flag = t s = 'a' /", "s", "'a'"},
    {"&toy n = 5 &end", "n", "5"},
    {"$toy n = 5 $end", "n", "5"},
    {"$TOY N = 5 $END\n", "n", "5"},
    {"$toy n = 5 /", "n", "5"},
    {"&toy n = 5\n&END\n&other wide = 2 /", "other.wide", "2"},
    {"&toy\r\n  n = 5\r\n  s = 'a'\r\n/\r\n", "s", "'a'"},
    {"&toy\n  n = 5\n/", "n", "5"},
    {"\n\n&toy n = 5 /\n\n", "n", "5"},
    {"&toy n = 5 / &other wide = 3 /", "other.wide", "3"},
    {"&toy n = 5/text n = 6\n&other wide = 3 /", "other.wide", "3"},
    {"a\n123\n&toy n = 5 /\n456 & more\nz 'open\n", "n", "5"},
    {"! one\n&toy ! two\n n = 5 ! three / n = 6\n! four\n/ ! five\n", "n", "5"},
    {"! comment only", "n", "7"},
    {"\xef\xbb\xbf&toy n = 5 /", "n", "5"},
    {"&other / &toy n = 5 /", "n", "5"},
    {"&toy n\n=\n5 /", "n", "5"},
    {"&toy n=5!comment\n/", "n", "5"},
};

struct refusal {
    const char *deck, *errors;
};

static void check_refusal(const struct refusal *c)
{
    FILE *into;
    int saved = capture_begin(stderr, &into), faults = read_text(c->deck, NULL, 0);
    const char *errors = capture_end(stderr, into, saved);
    if (faults == 0 || strcmp(errors, c->errors) != 0)
        printf("deck <%s>: %d faults, printed\n%swanted\n%s", c->deck, faults, errors, c->errors);
    CHECK(faults > 0 && strcmp(errors, c->errors) == 0);
}

/* The message, the source line and the caret of a deck of one line. */
#define AT_COLUMN(column, message, line, spaces)                                                   \
    "x.nml:1:" column ": error: " message "\n" line "\n" spaces "^\n"

static const struct refusal refusals[] = {
    /* names */
    {"&toy nn = 1 /",
     AT_COLUMN("6", "unknown key 'nn' in &toy; did you mean 'n'?", "&toy nn = 1 /", "     ")},
    {"&toy zzzzz = 1 /",
     AT_COLUMN("6", "unknown key 'zzzzz' in &toy", "&toy zzzzz = 1 /", "     ")},
    {"&toy speed = 1 /",
     AT_COLUMN("6", "unknown key 'speed' in &toy; &other has a key of this name",
               "&toy speed = 1 /", "     ")},
    {"&otter wide = 1 /",
     AT_COLUMN("1", "unknown group &otter; did you mean &other?", "&otter wide = 1 /", "")},
    {"& /", AT_COLUMN("1", "expected the name of a group right after &", "& /", "")},
    {"& toy n = 1 /",
     AT_COLUMN("1", "expected the name of a group right after &", "& toy n = 1 /", "")},
    {"&end", AT_COLUMN("1", "&end without a group before it", "&end", "")},
    /* types and ranges */
    {"&toy n = 2.5 /", AT_COLUMN("10", "'n' takes an integer from -1000 to 1000, found 2.5",
                                 "&toy n = 2.5 /", "         ")},
    {"&toy n = 1e2 /", AT_COLUMN("10", "'n' takes an integer from -1000 to 1000, found 1e2",
                                 "&toy n = 1e2 /", "         ")},
    {"&toy n = 1001 /", AT_COLUMN("10", "'n' takes an integer from -1000 to 1000, found 1001",
                                  "&toy n = 1001 /", "         ")},
    {"&toy n = 'a' /", AT_COLUMN("10", "'n' takes an integer from -1000 to 1000, found 'a'",
                                 "&toy n = 'a' /", "         ")},
    {"&toy n = 1_8 /", AT_COLUMN("10", "'n' takes an integer from -1000 to 1000, found 1_8",
                                 "&toy n = 1_8 /", "         ")},
    {"&other wide = 9223372036854775808 /",
     AT_COLUMN("15",
               "'wide' takes an integer, found 9223372036854775808, which does not fit 64 bits",
               "&other wide = 9223372036854775808 /", "              ")},
    {"&other speed = -1 /",
     AT_COLUMN("16", "'speed' takes a real number of at least 0 px/s, found -1",
               "&other speed = -1 /", "               ")},
    {"&toy x = abc /",
     AT_COLUMN("10", "'x' takes a real number in px, found abc", "&toy x = abc /", "         ")},
    {"&toy x = 1e /",
     AT_COLUMN("10", "'x' takes a real number in px, found 1e", "&toy x = 1e /", "         ")},
    {"&toy x = . /",
     AT_COLUMN("10", "'x' takes a real number in px, found .", "&toy x = . /", "         ")},
    {"&toy x = 1.0_8 /", AT_COLUMN("10", "'x' takes a real number in px, found 1.0_8",
                                   "&toy x = 1.0_8 /", "         ")},
    {"&toy x = 0x10 /",
     AT_COLUMN("10", "'x' takes a real number in px, found 0x10", "&toy x = 0x10 /", "         ")},
    {"&toy x = 1;2 /",
     AT_COLUMN("10", "'x' takes a real number in px, found 1;2", "&toy x = 1;2 /", "         ")},
    {"&toy x = -inf /",
     AT_COLUMN("10", "'x' takes a real number in px, found -inf", "&toy x = -inf /", "         ")},
    {"&toy x = NaN /",
     AT_COLUMN("10", "'x' takes a real number in px, found NaN", "&toy x = NaN /", "         ")},
    {"&toy x = 1d309 /",
     AT_COLUMN("10", "'x' takes a real number in px, found 1d309, which is too large",
               "&toy x = 1d309 /", "         ")},
    {"&toy x = 1e-400 /",
     AT_COLUMN("10",
               "'x' takes a real number in px, found 1e-400, which is too small to differ from 0",
               "&toy x = 1e-400 /", "         ")},
    {"&toy flag = 1 /",
     AT_COLUMN("13", "'flag' takes .true. or .false., found 1", "&toy flag = 1 /", "            ")},
    {"&toy flag = 'T' /", AT_COLUMN("13", "'flag' takes .true. or .false., found 'T'",
                                    "&toy flag = 'T' /", "            ")},
    {"&toy mode = 'fats' /",
     AT_COLUMN("13", "'mode' takes 'slow', 'fast' or 'faster', found 'fats'; did you mean 'fast'?",
               "&toy mode = 'fats' /", "            ")},
    {"&toy mode = 'Fast' /",
     AT_COLUMN("13", "'mode' takes 'slow', 'fast' or 'faster', found 'Fast'; did you mean 'fast'?",
               "&toy mode = 'Fast' /", "            ")},
    {"&toy r = 1, 101 /", AT_COLUMN("13", "'r' takes a real number from 0 to 100, found 101",
                                    "&toy r = 1, 101 /", "            ")},
    /* strings */
    {"&toy s = hello /",
     AT_COLUMN("10", "'s' takes a string in quotes, found hello; strings need quotes",
               "&toy s = hello /", "         ")},
    {"&toy s = dir/file.gz /",
     AT_COLUMN("10", "'s' takes a string in quotes, found dir/file.gz; strings need quotes",
               "&toy s = dir/file.gz /", "         ")},
    {"&toy s = /dir/file\n n = 1 /",
     AT_COLUMN("10", "'s' needs quotes round this path: here / ends the group",
               "&toy s = /dir/file", "         ")},
    {"&toy s = 'abc\n n = 1 /",
     AT_COLUMN("10", "this string has no closing ' on its line", "&toy s = 'abc", "         ")},
    {"&toy s = \"abc' /\n n = 1 /", AT_COLUMN("10", "this string has no closing \" on its line",
                                              "&toy s = \"abc' /", "         ")},
    {"&toy s = 'a\001b' /",
     AT_COLUMN("12", "control character 1 in a string", "&toy s = 'a?b' /", "           ")},
    {"&toy words = 'a'\"b\" /", AT_COLUMN("17", "expected a comma or a blank between two values",
                                          "&toy words = 'a'\"b\" /", "                ")},
    {"&toy s = 'a'n = 1 /", AT_COLUMN("13", "expected a comma or a blank between two values",
                                      "&toy s = 'a'n = 1 /", "            ")},
    /* lists, repeats, nulls */
    {"&toy n = 1, 2 /", AT_COLUMN("13", "'n' takes one value", "&toy n = 1, 2 /", "            ")},
    {"&toy n = 2*1 /", AT_COLUMN("12", "'n' takes one value", "&toy n = 2*1 /", "           ")},
    {"&toy r = 1,2,3,4,5,6 /",
     AT_COLUMN("18", "'r' holds at most 4 values", "&toy r = 1,2,3,4,5,6 /", "                 ")},
    {"&toy r = 9*1.0 /",
     AT_COLUMN("12", "'r' holds at most 4 values", "&toy r = 9*1.0 /", "           ")},
    {"&toy v = 1,,3 /",
     AT_COLUMN("12", "null values are not supported: a value is missing before this comma",
               "&toy v = 1,,3 /", "           ")},
    {"&toy v = ,1 /",
     AT_COLUMN("10", "null values are not supported: a value is missing before this comma",
               "&toy v = ,1 /", "         ")},
    {"&toy v = 1,2,, /",
     AT_COLUMN("14", "null values are not supported: a value is missing before this comma",
               "&toy v = 1,2,, /", "             ")},
    {"&toy v = 2*, 1 /",
     AT_COLUMN("10", "null values are not supported: say what to repeat behind 2*",
               "&toy v = 2*, 1 /", "         ")},
    {"&toy v = 2* n = 1 /",
     AT_COLUMN("10", "null values are not supported: say what to repeat behind 2*",
               "&toy v = 2* n = 1 /", "         ")},
    {"&toy n = /",
     AT_COLUMN("6", "'n' has no value; null values are not supported, leave the key out",
               "&toy n = /", "     ")},
    {"&toy n = x = 1 /",
     AT_COLUMN("6", "'n' has no value; null values are not supported, leave the key out",
               "&toy n = x = 1 /", "     ")},
    {"&toy v = 0*1 /", AT_COLUMN("10", "expected a repeat count such as 3*1.0, found 0",
                                 "&toy v = 0*1 /", "         ")},
    {"&toy v = 2 *1 /", AT_COLUMN("10", "expected a repeat count such as 3*1.0, found 2",
                                  "&toy v = 2 *1 /", "         ")},
    /* elements */
    {"&toy v(0) = 1 /", AT_COLUMN("8", "index 0: lists start at 1", "&toy v(0) = 1 /", "       ")},
    {"&toy v(-1:2) = 1 /",
     AT_COLUMN("8", "index -1: lists start at 1", "&toy v(-1:2) = 1 /", "       ")},
    {"&toy v(7) = 1 /", AT_COLUMN("6", "'v' holds at most 6 values", "&toy v(7) = 1 /", "     ")},
    {"&toy v() = 1 /", AT_COLUMN("7", "empty index", "&toy v() = 1 /", "      ")},
    {"&toy v(x) = 1 /",
     AT_COLUMN("8", "expected an index such as (2) or (1:3)", "&toy v(x) = 1 /", "       ")},
    {"&toy v(1:x) = 1 /",
     AT_COLUMN("10", "expected an index such as (2) or (1:3)", "&toy v(1:x) = 1 /", "         ")},
    {"&toy v(1:5:2) = 1,2,3 /",
     AT_COLUMN("11", "strides are not supported: assign the elements one by one",
               "&toy v(1:5:2) = 1,2,3 /", "          ")},
    {"&toy v(1::) = 1,2 /",
     AT_COLUMN("10", "strides are not supported: assign the elements one by one",
               "&toy v(1::) = 1,2 /", "         ")},
    {"&toy v(1,2) = 1 /",
     AT_COLUMN("9", "lists have one index, not several", "&toy v(1,2) = 1 /", "        ")},
    {"&toy v(3:2) = 1 /", AT_COLUMN("7", "this range is empty: its end comes before its start",
                                    "&toy v(3:2) = 1 /", "      ")},
    {"&toy v(2 = 1 /", AT_COLUMN("7", "this index has no closing )", "&toy v(2 = 1 /", "      ")},
    {"&toy n(1) = 1 /",
     AT_COLUMN("6", "'n' is a single value, it has no index", "&toy n(1) = 1 /", "     ")},
    {"&toy s(1:2) = 'ab' /",
     AT_COLUMN("6", "'s' is a single value, it has no index", "&toy s(1:2) = 'ab' /", "     ")},
    {"&toy v(5) = 1 /",
     AT_COLUMN("6", "'v(5)' leaves a gap: 'v(4)' has no value", "&toy v(5) = 1 /", "     ")},
    {"&toy v(1:3) = 1, 2 /", AT_COLUMN("6", "'v' has fewer values than its range has elements",
                                       "&toy v(1:3) = 1, 2 /", "     ")},
    {"&toy v(1:2) = 1, 2, 3 /", AT_COLUMN("21", "more values than the range of 'v' has elements",
                                          "&toy v(1:2) = 1, 2, 3 /", "                    ")},
    /* not ours */
    {"&toy x = (1.0, 2.0) /",
     AT_COLUMN("10", "complex numbers are not supported", "&toy x = (1.0, 2.0) /", "         ")},
    {"&toy s%a%b(2) = 1 n = 2 /",
     AT_COLUMN("7", "derived types (%) are not supported", "&toy s%a%b(2) = 1 n = 2 /", "      ")},
    /* structure */
    {"&toy n = 1", AT_COLUMN("1", "&toy has no / at its end", "&toy n = 1", "")},
    {"&toy n = 1\n\n", AT_COLUMN("1", "&toy has no / at its end", "&toy n = 1", "")},
    {"&toy n = 1 &other wide = 2 /",
     AT_COLUMN("12", "expected / before this group: &toy (x.nml:1) is not ended",
               "&toy n = 1 &other wide = 2 /", "           ")},
    {"&toy n 5 /", AT_COLUMN("8", "expected = after n, found 5", "&toy n 5 /", "       ")},
    {"&toy n /", AT_COLUMN("6", "expected = after n", "&toy n /", "     ")},
    {"&toy 'n' = 5 /", AT_COLUMN("6", "expected a key, found 'n'", "&toy 'n' = 5 /", "     ")},
    {"&toy n == 5 /", AT_COLUMN("9", "expected a value, found =", "&toy n == 5 /", "        ")},
    {"n = 5\n", "warning: x.nml:1: 'n' stands outside any group and is ignored\n" //
     AT_COLUMN("1", "no &group in this file: it is not a deck", "n = 5", "")},
    {"text &toy n = 5 /",
     AT_COLUMN("6", "put this group on a line of its own: behind text it may be passed over",
               "text &toy n = 5 /", "     ")},
    {"&other / / $TOY n = 5 $end",
     AT_COLUMN("12", "put this group on a line of its own: behind text it may be passed over",
               "&other / / $TOY n = 5 $end", "           ")},
    /* set twice */
    {"&toy n = 1\n n = 2 /",
     "x.nml:2:2: error: 'n' of &toy is set twice, first at x.nml:1\n n = 2 /\n ^\n"},
    {"&toy v(2) = 1\n v(1:2) = 2, 3 /",
     "x.nml:2:2: error: 'v(2)' of &toy is set twice, first at x.nml:1\n v(1:2) = 2, 3 /\n ^\n"},
    {"&toy v = 1, 2\n v = 3 /",
     "x.nml:2:2: error: 'v' of &toy is set twice, first at x.nml:1\n v = 3 /\n ^\n"},
    {"&toy n = 1 /\n\n&toy n = 2 x = a /",
     "x.nml:3:1: error: group &toy is given twice, first at x.nml:1\n&toy n = 2 x = a /\n^\n"
     "x.nml:3:16: error: 'x' takes a real number in px, found a\n&toy n = 2 x = a /\n              "
     " ^\n"},
    /* places: tabs are kept, columns count characters, the return of CRLF is not shown */
    {"&toy\n\tx = a\r\n/",
     "x.nml:2:6: error: 'x' takes a real number in px, found a\n\tx = a\n\t    ^\n"},
    {"&toy s = '\xc3\xa9\xc3\xa9' x = a /", "x.nml:1:19: error: 'x' takes a real number in px, "
                                            "found a\n&toy s = '\xc3\xa9\xc3\xa9' x = a /\n"
                                            "                  ^\n"},
    /* all of them at once, in order */
    {"&toy\n  n = 1.5, flag = 2\n  mde = 'fast'\n  s = 'a\n  x = 1\n  x = 2\n/\n&oter /\n&other\n",
     "x.nml:2:7: error: 'n' takes an integer from -1000 to 1000, found 1.5\n  n = 1.5, flag = 2\n  "
     "    ^\n"
     "x.nml:2:19: error: 'flag' takes .true. or .false., found 2\n  n = 1.5, flag = 2\n            "
     "      ^\n"
     "x.nml:3:3: error: unknown key 'mde' in &toy; did you mean 'mode'?\n  mde = 'fast'\n  ^\n"
     "x.nml:4:7: error: this string has no closing ' on its line\n  s = 'a\n      ^\n"
     "x.nml:6:3: error: 'x' of &toy is set twice, first at x.nml:5\n  x = 2\n  ^\n"
     "x.nml:8:1: error: unknown group &oter; did you mean &other?\n&oter /\n^\n"
     "x.nml:9:1: error: &other has no / at its end\n&other\n^\n"},
};

static void test_long_texts(void)
{
    char deck[2048], text[600];
    memset(text, 'a', sizeof text);
    snprintf(deck, sizeof deck, "&toy s = '%.511s' /", text);
    CHECK(read_text(deck, NULL, 0) == 0 && strlen(toy.s) == 511);
    snprintf(deck, sizeof deck, "&toy s = '%.512s' /", text);
    FILE *into;
    int saved = capture_begin(stderr, &into), faults = read_text(deck, NULL, 0);
    const char *errors = capture_end(stderr, into, saved);
    CHECK(faults == 1);
    CHECK(
        strstr(errors, "x.nml:1:10: error: 's' takes a string of at most 511 bytes, found 512\n") ==
        errors);
    for (int i = 0; i < 300; i++)
        memcpy(deck + 5 + 3 * i, "n=;", 3);
    memcpy(deck, "&toy ", 5);
    memcpy(deck + 905, " /", 3);
    saved = capture_begin(stderr, &into);
    faults = read_text(deck, NULL, 0);
    errors = capture_end(stderr, into, saved);
    CHECK(faults > 0 && strlen(errors) < 60000);
}

struct override_case {
    const char *overrides[3], *key, *value, *errors;
};
static const struct override_case override_cases[] = {
    {{"toy.n=3"}, "n", "3", ""},
    {{"TOY.N = 3"}, "n", "3", ""},
    {{"toy.x=1d2", "toy.flag=T"}, "x", "100.0", ""},
    {{"toy.s=two words, and / more!"}, "s", "'two words, and / more!'", ""},
    {{"toy.s='quoted'"}, "s", "'quoted'", ""},
    {{"toy.s=\"it's\""}, "s", "'it''s'", ""},
    {{"toy.s=don't"}, "s", "'don''t'", ""},
    {{"toy.s='a' or 'b'"}, "s", "'''a'' or ''b'''", ""},
    {{"toy.s="}, "s", "''", ""},
    {{"toy.mode=fast"}, "mode", "'fast'", ""},
    {{"toy.words=a/b, c d ,'e,f'"}, "words", "'a/b', 'c d', 'e,f'", ""},
    {{"toy.v=4,5"}, "v", "4, 5", ""},
    {{"toy.v=4*0"}, "v", "0, 0, 0, 0", ""},
    {{"toy.v(2)=9"}, "v", "10, 9, 30, 40", ""}, /* on top of what the deck says */
    {{"toy.v(5)=9"}, "v", "10, 20, 30, 40, 9", ""},
    {{"toy.words(1)=z"}, "words", "'z', 'b'", ""},
    {{"toy.x=abc"},
     NULL,
     NULL,
     "override 'toy.x=abc': error: 'x' takes a real number in px, found abc\n"},
    {{"toy.x="},
     NULL,
     NULL,
     "override 'toy.x=': error: 'x' has no value; null values are not supported, leave the key "
     "out\n"},
    {{"toy.n=1/"},
     NULL,
     NULL,
     "override 'toy.n=1/': error: expected nothing behind the value, found /\n"},
    {{"toy.n=1 toy.x=2"},
     NULL,
     NULL,
     "override 'toy.n=1 toy.x=2': error: expected nothing behind the value, found toy.x\n"},
    {{"toy.n=1", "toy.n=2"},
     NULL,
     NULL,
     "override 'toy.n=2': error: 'n' of &toy is set twice, first at override 'toy.n=1'\n"},
    {{"n=1"}, NULL, NULL, "override 'n=1': error: expected group.key=value; did you mean toy.n?\n"},
    {{"toy.n"}, NULL, NULL, "override 'toy.n': error: expected group.key=value\n"},
    {{"--help"}, NULL, NULL, "override '--help': error: expected group.key=value\n"},
    {{""}, NULL, NULL, "override '': error: expected group.key=value\n"},
    {{"toi.n=1"},
     NULL,
     NULL,
     "override 'toi.n=1': error: unknown group &toi; did you mean &toy?\n"},
    {{"toy.mod=fast"},
     NULL,
     NULL,
     "override 'toy.mod=fast': error: unknown key 'mod' in &toy; did you mean 'mode'?\n"},
    {{"toy.mode=fsat"},
     NULL,
     NULL,
     "override 'toy.mode=fsat': error: 'mode' takes 'slow', 'fast' or 'faster', found fsat; did "
     "you mean 'fast'?\n"},
    {{"toy.mode="},
     NULL,
     NULL,
     "override 'toy.mode=': error: 'mode' takes 'slow', 'fast' or 'faster', found nothing\n"},
    {{"toy.s='abc"}, NULL, NULL, "override 'toy.s='abc': error: this string has no closing '\n"},
    {{"toy.words=a,b,c,d"},
     NULL,
     NULL,
     "override 'toy.words=a,b,c,d': error: 'words' holds at most 3 values\n"},
    {{"toy.v(6)=1"},
     NULL,
     NULL,
     "override 'toy.v(6)=1': error: 'v(6)' leaves a gap: 'v(5)' has no value\n"},
};

static void test_overrides(void)
{
    for (size_t i = 0; i < sizeof override_cases / sizeof *override_cases; i++) {
        const struct override_case *c = &override_cases[i];
        char value[DECK_TEXT * 4] = "", text[3][64];
        char *overrides[3];
        int count = 0;
        for (; count < 3 && c->overrides[count]; count++) {
            snprintf(text[count], sizeof text[count], "%s", c->overrides[count]);
            overrides[count] = text[count];
        }
        FILE *into;
        int saved = capture_begin(stderr, &into);
        int faults = read_text("&toy n = 1, v = 10, 20, 30, 40 /", overrides, count);
        const char *errors = capture_end(stderr, into, saved);
        if (c->key)
            deck_value_text(groups, GROUPS, "toy", c->key, value, sizeof value);
        if (strcmp(errors, c->errors) != 0 || (c->key && strcmp(value, c->value) != 0))
            printf("override <%s>: value <%s>, printed <%s>\n", c->overrides[0], value, errors);
        CHECK((faults != 0) == (c->key == NULL));
        CHECK(strcmp(errors, c->errors) == 0 && (!c->key || strcmp(value, c->value) == 0));
    }
}

static void test_resolved(void)
{
    const char *deck =
        "&toy x = 1.2345678901234568e-5, s = 'it''s \"here\" / ! &', v = 3*-4, words = 3*'x'', y',"
        " flags = t f t, n = -9 / &other speed = 1e300 /";
    CHECK(read_text(deck, NULL, 0) == 0);
    char *first = deck_resolved(groups, GROUPS);
    CHECK(strcmp(first,
                 "&toy\n  n = -9\n  x = 1.2345678901234568e-05\n  flag = .false.\n"
                 "  s = 'it''s \"here\" / ! &'\n  mode = 'slow'\n  v = -4, -4, -4\n  r = 1.5\n"
                 "  words = 'x'', y', 'x'', y', 'x'', y'\n  flags = .true., .false., .true.\n/\n"
                 "&other\n  speed = 1e+300\n  wide = 0\n/\n") == 0);
    CHECK(read_text(first, NULL, 0) == 0);
    CHECK(toy.x == 1.2345678901234568e-5 && toy.v_count == 3 && strcmp(toy.words[2], "x', y") == 0);
    char *second = deck_resolved(groups, GROUPS);
    CHECK(strcmp(first, second) == 0);
    mem_free(first);
    mem_free(second);
    char small[8];
    deck_value_text(groups, GROUPS, "toy", "words", small, sizeof small);
    CHECK(strcmp(small, "'x'', y") == 0);
    deck_value_text(groups, GROUPS, "toy", "nothing", small, sizeof small);
    CHECK(strcmp(small, "") == 0);
}

static void test_differences(void)
{
    const char *all[] = {"toy", "other"}, *some[] = {"other", "toy.x"};
    CHECK(read_text("&toy n = 3, v = 1, 2 / &other wide = 4 /", NULL, 0) == 0);
    char *stored = deck_resolved(groups, GROUPS);
    CHECK(deck_differences("f.h5", stored, groups, GROUPS, all, 2, 0) == 0);
    CHECK(read_text("&toy n = 5, v = 1 / &other wide = 4 /", NULL, 0) == 0);
    FILE *into;
    int saved = capture_begin(stderr, &into);
    CHECK(deck_differences("f.h5", stored, groups, GROUPS, all, 2, 0) == 2);
    const char *lines = capture_end(stderr, into, saved);
    CHECK(strcmp(lines, "error: f.h5: &toy n: file has 3, deck has 5\n"
                        "error: f.h5: &toy v: file has 1, 2, deck has 1\n") == 0);
    saved = capture_begin(stderr, &into);
    CHECK(deck_differences("f.h5", stored, groups, GROUPS, some, 2, 0) == 0);
    CHECK(deck_differences("f.h5", stored, groups, GROUPS, all, 2, 1) == 2);
    CHECK(deck_differences("f.h5", "&toy gone = 1 /", groups, GROUPS, some, 2, 1) == 1);
    lines = capture_end(stderr, into, saved);
    CHECK(strcmp(lines, "") == 0);
    CHECK(toy.n == 5 && toy.v_count == 1); /* the present settings stay as they are */
    /* a key that the stored deck lacks has its default there */
    CHECK(deck_differences("f.h5", "&toy n = 5, v = 1 /", groups, GROUPS, some + 1, 1, 1) == 0);
    CHECK(deck_differences("f.h5", "&toy n = 5, v = 1 /", groups, GROUPS, some, 1, 1) == 1);
    mem_free(stored);
}

static void test_nearest(void)
{
    const char *names[] = {"sigma_min", "sigma_max", "pe"};
    CHECK(deck_nearest("sigma_mx", names, 3) == names[1]);
    CHECK(deck_nearest("SIGMA_MIN", names, 3) == names[0]);
    CHECK(deck_nearest("ep", names, 3) == names[2]); /* neighbours swapped */
    CHECK(deck_nearest("q", names, 3) == NULL);
    CHECK(deck_nearest("viscosity", names, 3) == NULL);
    CHECK(deck_nearest("", names, 3) == NULL);
}

static void test_help(void)
{
    FILE *into;
    int saved = capture_begin(stdout, &into);
    int failed = deck_help(groups, GROUPS, NULL);
    const char *text = capture_end(stdout, into, saved);
    CHECK(!failed && strstr(text, "  &toy        a group\n  &other      another group\n"));

    saved = capture_begin(stdout, &into);
    failed = deck_help(groups, GROUPS, "other");
    text = capture_end(stdout, into, saved);
    CHECK(!failed && strcmp(text, "&other: another group\n\n"
                                  "  key    default           values\n"
                                  "  speed  1.0               a real number of at least 0 px/s\n"
                                  "         A speed.\n"
                                  "  wide   0                 an integer\n"
                                  "         Any integer.\n") == 0);

    saved = capture_begin(stdout, &into);
    failed = deck_help(groups, GROUPS, "toy.mode");
    text = capture_end(stdout, into, saved);
    CHECK(!failed && strcmp(text, "toy.mode: A choice.\n"
                                  "    values           'slow', 'fast' or 'faster'\n"
                                  "    default          'slow'\n"
                                  "    in a deck        &toy  mode = 'slow' /\n"
                                  "    on command line  toy.mode=slow\n") == 0);

    saved = capture_begin(stderr, &into);
    failed = deck_help(groups, GROUPS, "toy.moed");
    text = capture_end(stderr, into, saved);
    CHECK(failed &&
          strcmp(text, "error: no group or key is called 'toy.moed'; did you mean 'mode'?\n") == 0);
}

/* The program's own tables: defaults stand, resolve, read back, and every key has help. */
static void test_settings(void)
{
    struct settings *s = mem_alloc(sizeof *s);
    settings_init(s);
    CHECK(s->group_count == 12 && strcmp(s->groups[0].name, "run") == 0 &&
          strcmp(s->groups[11].name, "limits") == 0);
    CHECK(s->run.stage_count == 5 && strcmp(s->run.stages[4], "evaluate") == 0);
    CHECK(s->forward.pe == 4.0 && s->unet.multiplier_count == 3 && s->unet.multipliers[2] == 2);
    CHECK(s->train.epsilon == 1e-8 && s->lbm.value_range_count == 2 &&
          s->evaluate.lpips_repeats == 2);
    char *first = deck_resolved(s->groups, s->group_count);
    CHECK(deck_read("resolved", first, strlen(first), NULL, 0, s->groups, s->group_count) == 0);
    char *second = deck_resolved(s->groups, s->group_count);
    CHECK(strcmp(first, second) == 0);
    mem_free(first);
    mem_free(second);
    char seed[] = "run.seed=9007199254740992";
    char *overrides[] = {seed};
    CHECK(deck_read("x.nml", "", 0, overrides, 1, s->groups, s->group_count) == 0);
    CHECK(s->run.seed == INT64_C(9007199254740992));
    seed[strlen(seed) - 1] = '3';
    FILE *into;
    int saved = capture_begin(stderr, &into);
    CHECK(deck_read("x.nml", "", 0, overrides, 1, s->groups, s->group_count) == 1);
    capture_end(stderr, into, saved);
    for (int g = 0; g < s->group_count; g++)
        for (int f = 0; f < s->groups[g].field_count; f++) {
            const char *help = s->groups[g].fields[f].help;
            CHECK(strlen(help) > 10 && help[strlen(help) - 1] == '.');
        }
    mem_free(s);
}

int main(void)
{
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++)
        check_reading(&readings[i]);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        check_refusal(&refusals[i]);
    test_long_texts();
    test_overrides();
    test_resolved();
    test_differences();
    test_nearest();
    test_help();
    test_settings();
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
