/* SPDX-License-Identifier: Apache-2.0 */
#include "conv_cache.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

enum { PATH = 4096, HEAD = 1024 };
/* The first line; the number changes when what is accepted as a plan does. */
static const char *const first_line = "peclet plan 1 %016" PRIx64 " %s\n";

void conv_cache_folder(char *folder, int bytes)
{
    const char *own = getenv("PECLET_CACHE"), *xdg = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    folder[0] = 0;
    if (own)
        snprintf(folder, (size_t)bytes, "%s", own);
    else if (xdg && *xdg)
        snprintf(folder, (size_t)bytes, "%s/peclet", xdg);
    else if (home && *home)
        snprintf(folder, (size_t)bytes, "%s/.cache/peclet", home);
}

/* FNV-1a, 64 bits: against files cut short, not against malice. */
static uint64_t checksum(const char *key, const char *text)
{
    uint64_t sum = 0xcbf29ce484222325u;
    for (; *key; key++)
        sum = (sum ^ (unsigned char)*key) * 0x100000001b3u;
    for (; *text; text++)
        sum = (sum ^ (unsigned char)*text) * 0x100000001b3u;
    return sum;
}

/* The key with what does not belong in a file name replaced. */
static void path_of(char path[PATH], const char *folder, const char *key)
{
    int length = snprintf(path, PATH, "%s/%s", folder, key);
    for (int i = (int)strlen(folder) + 1; i < length && i < PATH - 1; i++)
        if (!isalnum((unsigned char)path[i]) && !strchr("-.+", path[i]))
            path[i] = '_';
}

char *conv_cache_read(const char *folder, const char *key)
{
    char path[PATH], head[HEAD], *text = NULL;
    path_of(path, folder, key);
    if (!text_exists(path) || text_read(path, &text, NULL))
        return NULL;
    const char *end = strchr(text, '\n');
    if (end) {
        snprintf(head, sizeof head, first_line, checksum(key, end + 1), key);
        if (strncmp(text, head, strlen(head)) == 0) {
            memmove(text, end + 1, strlen(end + 1) + 1);
            return text;
        }
    }
    log_warn("%s is damaged or of another version: ignored", path);
    mem_free(text);
    return NULL;
}

/* It and the folder above it. That it failed shows when the file is opened. */
static void make_folder(const char *folder)
{
    char above[PATH];
    snprintf(above, sizeof above, "%s", folder);
    char *slash = strrchr(above, '/');
    if (slash)
        *slash = 0;
    mkdir(above, 0777);
    mkdir(folder, 0777);
}

int conv_cache_write(const char *folder, const char *key, const char *text)
{
    char path[PATH], temporary[PATH + 16];
    make_folder(folder);
    path_of(path, folder, key);
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    int descriptor = mkstemp(temporary);
    FILE *f = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    int failed =
        !f || fprintf(f, first_line, checksum(key, text), key) < 0 || fputs(text, f) == EOF;
    if (f && fclose(f))
        failed = 1;
    failed = failed || rename(temporary, path);
    if (failed) {
        log_warn("%s: cannot be written: %s", path, strerror(errno));
        if (descriptor >= 0)
            remove(temporary);
    }
    return failed;
}
