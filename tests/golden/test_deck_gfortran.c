/* SPDX-License-Identifier: Apache-2.0
 * gfortran as the judge of our decks: deck_oracle.f90 reads a deck by Fortran's own namelist input,
 * and every value it finds must be ours, bit for bit. Asked about every deck of inputs/, about
 * decks full of unusual syntax, and about resolved decks (of which it must also find every value,
 * so that lists have the same length) with random values. */
#include "check.h"

#include <ctype.h>
#include <glob.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "tasks/settings.h"

enum { SKIPPED = 77 };

struct oracle {
    char folder[64], program[128], deck[128];
};

/* Compiles the oracle into a folder of its own; non-zero where there is no gfortran. */
static int oracle_create(struct oracle *o)
{
    char command[1024];
    snprintf(o->folder, sizeof o->folder, "/tmp/peclet-deck-XXXXXX");
    if (system("gfortran --version >/dev/null 2>&1") != 0 || !mkdtemp(o->folder))
        return 1;
    snprintf(o->program, sizeof o->program, "%s/oracle", o->folder);
    snprintf(o->deck, sizeof o->deck, "%s/deck.nml", o->folder);
    snprintf(command, sizeof command, "gfortran -std=f2018 -o %s '%s/tests/golden/deck_oracle.f90'",
             o->program, PECLET_SOURCE_DIR);
    CHECK(system(command) == 0);
    return 0;
}

static void oracle_remove(const struct oracle *o)
{
    remove(o->program);
    remove(o->deck);
    rmdir(o->folder);
}

static const struct deck_group *find_group(const struct settings *s, const char *name)
{
    for (int g = 0; g < s->group_count; g++)
        if (strcmp(s->groups[g].name, name) == 0)
            return &s->groups[g];
    return NULL;
}

static const struct deck_field *find_field(const struct deck_group *group, const char *key)
{
    for (int f = 0; f < group->field_count; f++)
        if (strcmp(group->fields[f].key, key) == 0)
            return &group->fields[f];
    return NULL;
}

static int value_count(const struct deck_field *field, const void *settings)
{
    return field->max_count == 1 ? 1 : *(const int *)((const char *)settings + field->count_offset);
}

static int text_equal(const char *ours, const char *theirs)
{
    size_t n =
        strlen(ours); /* Fortran fills strings with blanks and so cannot tell those at the end */
    while (n && ours[n - 1] == ' ')
        n--;
    return strlen(theirs) == n && strncmp(ours, theirs, n) == 0;
}

static int value_equal(const struct deck_field *field, const void *settings, int i,
                       const char *theirs)
{
    const char *base = (const char *)settings + field->offset;
    switch (field->type) {
    case DECK_INT:
        return ((const int64_t *)base)[i] == strtoll(theirs, NULL, 10);
    case DECK_REAL:
        return ((const double *)base)[i] == strtod(theirs, NULL);
    case DECK_BOOL:
        return ((const int *)base)[i] == (*theirs == 'T');
    case DECK_STRING:
        return text_equal(base + (size_t)i * DECK_TEXT, theirs);
    }
    return 0;
}

/* Does the deck have this group? Good enough for decks without strings that look like one. */
static int has_group(const char *deck, const char *name)
{
    for (const char *p = deck; (p = strpbrk(p, "&$")) != NULL;) {
        size_t n = strlen(name), i = 0;
        p++;
        while (i < n && tolower((unsigned char)p[i]) == name[i])
            i++;
        if (i == n && !isalnum((unsigned char)p[i]))
            return 1;
    }
    return 0;
}

/* One line of the oracle, "group.key(i)=value" or "group.status=N". Returns 1 if it was a value. */
static int compare_line(const char *deck, const struct settings *s, char *line)
{
    char *key = strchr(line, '.'), *value = strchr(line, '=');
    CHECK(key && value && key < value);
    if (!key || !value || key >= value)
        return 0;
    *key++ = *value++ = 0;
    const struct deck_group *group = find_group(s, line);
    CHECK(group);
    if (!group)
        return 0;
    if (strcmp(key, "status") == 0) {
        if (has_group(deck, group->name) && atoi(value) != 0)
            printf("gfortran cannot read &%s of\n%s\n", group->name, deck);
        CHECK(!has_group(deck, group->name) || atoi(value) == 0);
        return 0;
    }
    char *index = strchr(key, '(');
    int i = index ? atoi(index + 1) - 1 : 0;
    if (index)
        *index = 0;
    const struct deck_field *field = find_field(group, key);
    int equal = field && i < value_count(field, group->settings) &&
                value_equal(field, group->settings, i, value);
    if (!equal)
        printf("&%s %s, value %d: gfortran reads <%s> from\n%s\n", group->name, key, i + 1, value,
               deck);
    CHECK(equal);
    return 1;
}

/* Reads the deck both ways and compares; returns the number of values that gfortran found. */
static int compare_deck(const struct oracle *o, const char *deck, const struct settings *s)
{
    char command[512], line[4096];
    int values = 0;
    CHECK(text_write(o->deck, deck) == 0);
    snprintf(command, sizeof command, "%s %s", o->program, o->deck);
    FILE *answer = popen(command, "r");
    CHECK(answer);
    if (!answer)
        return 0;
    while (fgets(line, sizeof line, answer)) {
        line[strcspn(line, "\n")] = 0;
        values += compare_line(deck, s, line);
    }
    CHECK(pclose(answer) == 0);
    return values;
}

static int all_values(const struct settings *s)
{
    int values = 0;
    for (int g = 0; g < s->group_count; g++)
        for (int f = 0; f < s->groups[g].field_count; f++)
            values += value_count(&s->groups[g].fields[f], s->groups[g].settings);
    return values;
}

/* A deck as written, which sets `wanted` values (or -1: any number), and then resolved. */
static void check_deck(const struct oracle *o, const char *deck, int wanted, struct settings *s)
{
    CHECK(deck_read("deck", deck, strlen(deck), NULL, 0, s->groups, s->group_count) == 0);
    int values = compare_deck(o, deck, s);
    if (wanted >= 0 && values != wanted)
        printf("gfortran finds %d values, not %d, in\n%s\n", values, wanted, deck);
    CHECK(wanted < 0 || values == wanted);
    char *resolved = deck_resolved(s->groups, s->group_count);
    CHECK(compare_deck(o, resolved, s) == all_values(s));
    mem_free(resolved);
}

static const struct {
    const char *deck;
    int values;
} syntax[] = {
    {"&forward pe = 1.5, levels=7 sigma_min = .25 sigma_max = 9. /\n", 4},
    {"&FORWARD PE = 1d1, Levels = +7, SIGMA_MIN=2.5E-1, sigma_max = 2q1, fo_min=1+2, fo_max=1.5-3 "
     "/\n",
     6},
    {"&velocity\n  drift = -1.5D+2 ! comment\n  slope=-.5\n  ! n_max = 3\n  n_min = 007\n/\n", 3},
    {"&run share_gpu = T stages = 'train','sample' /\n", 3},
    {"&run share_gpu = .f. /\n&unet middle_attention = .TRUE. /\n&dataset flip=f /\n", 3},
    {"&run\n  name = 'it''s', out = \"a \"\"b\"\" 'c'\"\n/\n", 2},
    {"&run name = ' a / b ! c & d = 1, ' seed = 4 /\n", 2},
    {"&run name = '' out = 'back\\slash' /\n", 2},
    {"&unet multipliers = 1, 2,\n  3,\n  4\n  blocks = 3 /\n", 5},
    {"&unet multipliers = 2*1, 3*2, 4, /\n", 6},
    {"&unet multipliers(2) = 5 /\n", 1},
    {"&unet multipliers(2:3) = 5, 6 attention_levels(1) = -1 /\n", 3},
    {"&unet multipliers(:2) = 2*7 /\n", 2},
    {"&unet multipliers(4) = 4 multipliers(5) = 5 /\n", 2},
    {"&unet multipliers(2:3)=5 6 /\n", 2},
    {"&evaluate metrics = 'fd' \"prdc\" features(2) = 'inception' /\n", 3},
    {"&lbm value_range = 2*1d-1 /\n", 2},
    {"&lbm value_range=-1,+1 order=2/\n", 3},
    {"$train steps = 5 $end\n", 1},
    {"&train steps = 5 &end\n&sample count = 3 /\n", 2},
    {"text outside\n1 2 3\n&train steps = 5 /\nmore text\n&sample count = 3 /\n", 2},
    {"&sample count = 3 /\n&train steps = 5 /\n", 2},
    {"&forward\r\n  pe = 2.0\r\n  mode = 'faithful'\r\n/\r\n", 2},
    {"&forward\n\tpe\t=\t2.0\n/\n", 1},
    {"&limits /\n", 0},
};

static void check_inputs(const struct oracle *o, struct settings *s)
{
    glob_t found;
    if (glob(PECLET_SOURCE_DIR "/inputs/*.nml", 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char *deck;
        size_t bytes;
        CHECK(text_read(found.gl_pathv[i], &deck, &bytes) == 0);
        printf("%s\n", found.gl_pathv[i]);
        check_deck(o, deck, -1, s);
        mem_free(deck);
    }
    globfree(&found);
}

static double uniform(uint64_t sample)
{
    struct rng4 r = rng_draw(1, RNG_TEST, sample, 0, 0);
    return ((double)r.v[0] + (double)r.v[1] * 0x1p-32) * 0x1p-32;
}

/* A random value of the field's type within its range. */
static void set_random(const struct deck_field *field, char *element, uint64_t sample)
{
    double low = field->min, high = field->max < 1e15 ? field->max : 1e15, u = uniform(sample);
    if (field->type == DECK_INT) {
        *(int64_t *)element = (int64_t)(low + u * (high - low));
    } else if (field->type == DECK_REAL) {
        double x = u * pow(10.0, -12.0 * uniform(sample + 1000000)); /* of many magnitudes */
        *(double *)element = low + x * (high - low);
    } else if (field->type == DECK_BOOL) {
        *(int *)element = u < 0.5;
    } else if (!field->choices) {
        static const char letters[] = "ab'\"!/&=,* .\\();%$";
        int n = (int)(u * 30);
        for (int i = 0; i < n; i++)
            element[i] =
                letters[(size_t)(uniform(sample + 2000000 + (uint64_t)i) * (sizeof letters - 1))];
        element[n] = 0;
        if (strcmp(element, "~") == 0)
            element[0] = 0;
    }
}

static void check_random(const struct oracle *o, struct settings *s, uint64_t sample)
{
    static const size_t bytes[] = {sizeof(int64_t), sizeof(double), sizeof(int), DECK_TEXT};
    for (int g = 0; g < s->group_count; g++)
        for (int f = 0; f < s->groups[g].field_count; f++) {
            const struct deck_field *field = &s->groups[g].fields[f];
            char *settings = s->groups[g].settings;
            if (field->max_count > 1 && field->type != DECK_STRING)
                *(int *)(settings + field->count_offset) =
                    1 + (int)(uniform(sample++) * field->max_count);
            for (int i = 0; i < value_count(field, settings); i++)
                set_random(field, settings + field->offset + (size_t)i * bytes[field->type],
                           sample++);
        }
    char *resolved = deck_resolved(s->groups, s->group_count);
    CHECK(compare_deck(o, resolved, s) == all_values(s));
    check_deck(o, resolved, all_values(s), s); /* and read back by us */
    mem_free(resolved);
}

int main(void)
{
    struct oracle o;
    if (oracle_create(&o)) {
        printf("skipped: needs gfortran\n");
        return SKIPPED;
    }
    struct settings *s = mem_alloc(sizeof *s);
    settings_init(s);
    check_deck(&o, "", 0, s);
    for (size_t i = 0; i < sizeof syntax / sizeof *syntax; i++)
        check_deck(&o, syntax[i].deck, syntax[i].values, s);
    check_inputs(&o, s);
    for (uint64_t i = 0; i < 20; i++) {
        settings_init(s);
        check_random(&o, s, i * 10000);
    }
    mem_free(s);
    oracle_remove(&o);
    return check_done();
}
