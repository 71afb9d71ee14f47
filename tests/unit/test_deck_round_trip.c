/* SPDX-License-Identifier: Apache-2.0
 * What the deck module writes: the resolved deck, which reads back to the same values; differences between decks; near
 * names; help. And the program's own tables. */
#include "tasks/settings.h"
#include "unit/deck_toy.h"

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
    test_resolved();
    test_differences();
    test_nearest();
    test_help();
    test_settings();
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
