/* SPDX-License-Identifier: Apache-2.0
 * What the deck's tables name and this version does not do yet. One place, so that nothing asked for is silently left
 * out; an entry goes when its feature comes. */
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

int settings_unsupported(const struct settings *s)
{
    int n = 0;
    n += refuse(!is(s->train.target, "delta"), "train", "target", s->train.target, "use 'delta'");
    n += refuse(!is(s->train.reduce, "fp32"), "train", "reduce", s->train.reduce, "use 'fp32'");
    n += refuse(!is(s->sample.sampler, "chain"), "sample", "sampler", s->sample.sampler,
                "use 'chain'");
    return n;
}
