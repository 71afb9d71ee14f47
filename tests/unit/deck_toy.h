/* SPDX-License-Identifier: Apache-2.0
 * deck_toy: two groups with a key of every kind, for the tests of the deck reader. */
#pragma once
#include "check.h"

#include <string.h>

#include "base/mem.h"
#include "deck/deck.h"
#include "unit/capture.h"

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

static inline int read_text(const char *text, char *const *overrides, int count)
{
    return deck_read("x.nml", text, strlen(text), overrides, count, groups, GROUPS);
}
