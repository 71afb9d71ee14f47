/* SPDX-License-Identifier: Apache-2.0
 * What the deck reader accepts, with the values Fortran gives (Fortran 2018, 13.11, and the categories
 * that the test files of f90nml cover); long texts; overrides from the command line. */
#include "unit/deck_toy.h"

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

int main(void)
{
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++)
        check_reading(&readings[i]);
    test_long_texts();
    test_overrides();
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
