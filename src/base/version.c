/* SPDX-License-Identifier: Apache-2.0
 * The macros come from commit.h, which tools/commit.cmake writes before every build. */
#include "base/version.h"

#include "commit.h"

const char *version_number(void)
{
    return PECLET_VERSION;
}

const char *version_commit(void)
{
    return PECLET_COMMIT;
}

const char *version_build(void)
{
    return PECLET_BUILD;
}
