/* SPDX-License-Identifier: Apache-2.0
 * The list of picture formats. A format is one reader file and one line here. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "images/readers.h"

int image_source_open(const char *format, const char *path, struct image_source **out)
{
    static const struct {
        const char *format;
        int (*open)(const char *path, struct image_source **out);
    } readers[] = {
        {"idx", idx_open},
    };
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (!strcmp(format, readers[i].format))
            return readers[i].open(path, out);
    log_error("%s: unknown picture format '%s'", path, format);
    return 1;
}

void image_source_close(struct image_source *s)
{
    if (s)
        s->ops->close(s);
}
