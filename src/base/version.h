/* SPDX-License-Identifier: Apache-2.0
 * version: what this binary was made from. */
#pragma once

const char *version_number(void); /* "0.1.0" */
const char *version_commit(void); /* "1a2b3c4d5e6f" with "-dirty" where files had changed; "unknown" outside git */
const char *version_build(void);  /* compiler, type of build, flags, switches */
