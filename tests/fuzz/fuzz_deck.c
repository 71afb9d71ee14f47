/* SPDX-License-Identifier: Apache-2.0
 * Fuzzing the deck reader with the program's own tables. The bytes up to the first 0 are a deck,
 * what follows are overrides, one a line. Whatever they are, nothing may crash or leak; and
 * settings that were read without fault must resolve to a deck that reads back to the same
 * settings.
 *
 *     clang -std=c17 -g -O1 -fsanitize=fuzzer,address,undefined -D_POSIX_C_SOURCE=200809L \
 *         -Isrc tests/fuzz/fuzz_deck.c src/deck/[a-z]*.c src/[a-z]*[a-z]/[a-z]*_deck.c \
 *         src/tasks/settings.c src/base/[djlmt]*.c -lm -lpthread -o fuzz_deck
 *     ./fuzz_deck -close_fd_mask=2 -max_total_time=60 -dict=tests/fuzz/deck.dict \
 *         CORPUS tests/fuzz/deck
 *
 * With -DPECLET_FUZZ_MAIN and without the fuzzer, a program that runs every file of a folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "tasks/settings.h"

enum { MAX_OVERRIDES = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int split_lines(char *text, char *lines[MAX_OVERRIDES])
{
    int count = 0;
    while (text && *text && count < MAX_OVERRIDES) {
        lines[count++] = text;
        text = strchr(text, '\n');
        if (text)
            *text++ = 0;
    }
    return count;
}

static void check_round_trip(struct settings *s)
{
    char *first = deck_resolved(s->groups, s->group_count);
    if (deck_read("resolved", first, strlen(first), NULL, 0, s->groups, s->group_count))
        abort();
    char *second = deck_resolved(s->groups, s->group_count);
    if (strcmp(first, second) != 0)
        abort();
    mem_free(first);
    mem_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const uint8_t *zero = bytes ? memchr(data, 0, bytes) : NULL;
    size_t deck_bytes = zero ? (size_t)(zero - data) : bytes,
           rest = zero ? bytes - deck_bytes - 1 : 0;
    char *deck = mem_alloc(deck_bytes), *tail = mem_zalloc(rest + 1), *overrides[MAX_OVERRIDES];
    if (deck_bytes)
        memcpy(deck, data, deck_bytes);
    if (rest)
        memcpy(tail, zero + 1, rest);
    struct settings *s = mem_alloc(sizeof *s);
    settings_init(s);
    int count = split_lines(tail, overrides);
    if (deck_read("fuzz.nml", deck, deck_bytes, overrides, count, s->groups, s->group_count) == 0)
        check_round_trip(s);
    mem_free(s);
    mem_free(deck);
    mem_free(tail);
    if (mem_live_bytes() != 0)
        abort();
    return 0;
}

#ifdef PECLET_FUZZ_MAIN
#include "fuzz_main.h"
#endif
