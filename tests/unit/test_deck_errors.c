/* SPDX-License-Identifier: Apache-2.0
 * What the deck reader refuses, with the exact message, the source line and the caret. */
#include "unit/deck_toy.h"

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

int main(void)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        check_refusal(&refusals[i]);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
