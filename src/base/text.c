/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

int text_read(const char *path, char **out, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        log_error("%s: %s", path, strerror(errno));
        return 1;
    }
    size_t room = 4096, used = 0, got;
    char *text = mem_alloc(room + 1);
    while ((got = fread(text + used, 1, room - used, f)) > 0) {
        used += got;
        if (used == room) {
            char *larger = mem_alloc(2 * room + 1);
            memcpy(larger, text, used);
            mem_free(text);
            text = larger;
            room *= 2;
        }
    }
    int failed = ferror(f);
    fclose(f);
    if (failed) {
        log_error("%s: cannot be read: %s", path, strerror(errno));
        mem_free(text);
        return 1;
    }
    text[used] = 0;
    *out = text;
    if (bytes)
        *bytes = used;
    return 0;
}

int text_write(const char *path, const char *text)
{
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE *f = fopen(temporary, "wb");
    int failed = !f || fputs(text, f) == EOF || fflush(f) || fsync(fileno(f));
    if (f && fclose(f))
        failed = 1;
    if (failed)
        log_error("%s: cannot be written: %s", path, strerror(errno));
    if (failed || text_rename(temporary, path)) {
        remove(temporary);
        return 1;
    }
    return 0;
}

int text_rename(const char *from, const char *to)
{
    const char *slash = strrchr(to, '/');
    char folder[4096] = ".";
    if (slash)
        snprintf(folder, sizeof folder, "%.*s", slash == to ? 1 : (int)(slash - to), to);
    int descriptor = rename(from, to) ? -1 : open(folder, O_RDONLY);
    int failed = descriptor < 0 ||
                 (fsync(descriptor) && errno != EINVAL); /* EINVAL: no such thing on this disk */
    if (failed)
        log_error("%s: cannot give %s this name: %s", to, from, strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    return failed;
}

int text_make_folders(const char *path)
{
    char part[4096];
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char keep = *p;
        *p = 0;
        struct stat there;
        if (mkdir(part, 0777) &&
            (errno != EEXIST || stat(part, &there) || !S_ISDIR(there.st_mode))) {
            log_error("%s: cannot make this folder: %s", part, strerror(errno));
            return 1;
        }
        *p = keep;
        if (!keep)
            return 0;
    }
}

int text_exists(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0;
}
