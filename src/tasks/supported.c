/* SPDX-License-Identifier: Apache-2.0
 * What the deck's tables name and this version does not do yet, and settings that contradict one another. One place, so
 * that nothing asked for is silently left out; an entry goes when its feature comes. */
#include <string.h>

#include "base/log.h"
#include "tasks/settings.h"

static int refuse(int asked, const char *group, const char *key, const char *value,
                  const char *instead)
{
    if (asked)
        log_error("&%s %s = '%s' is not in this version yet; %s", group, key, value, instead);
    return asked;
}

static int is(const char *value, const char *word)
{
    return !strcmp(value, word);
}

/* A walk that leaves levels out needs a network that sees past the level before. */
static int check_walk(const struct settings *s)
{
    long long wanted = s->sample.levels, levels = s->forward.levels;
    if (wanted > levels)
        log_error("&sample levels = %lld, but &forward has only %lld", wanted, levels);
    else if (wanted && wanted < levels && is(s->train.target, "delta"))
        log_error(
            "&sample levels = %lld leaves out levels, which &train target = 'delta' cannot: it "
            "knows the way to the level before only; use target = 'x0', or levels = 0",
            wanted);
    else
        return 0;
    return 1;
}

int settings_unsupported(const struct settings *s)
{
    int n = check_walk(s);
    n += refuse(!is(s->train.reduce, "fp32") && !is(s->run.device, "cuda"), "train", "reduce",
                s->train.reduce, "use 'fp32', or &run device = 'cuda'");
    return n;
}
