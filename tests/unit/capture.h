/* SPDX-License-Identifier: Apache-2.0
 * capture: what is printed to a stream, caught. */
#pragma once
#include <stdio.h>
#include <unistd.h>

/* Redirects a stream into a file, and gives back what went there. */
static inline int capture_begin(FILE *stream, FILE **into)
{
    fflush(stream);
    int saved = dup(fileno(stream));
    *into = tmpfile();
    dup2(fileno(*into), fileno(stream));
    return saved;
}

static inline const char *capture_end(FILE *stream, FILE *into, int saved)
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
