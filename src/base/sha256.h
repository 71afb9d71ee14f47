/* SPDX-License-Identifier: Apache-2.0
 * sha256: FIPS 180-4, to say in a result which file it came from, as `sha256sum FILE` would. */
#pragma once
#include <stddef.h>

enum { SHA256_HEX = 65 };
void sha256_of(const void *bytes, size_t count, char hex[SHA256_HEX]);
int sha256_of_file(const char *path, char hex[SHA256_HEX]); /* non-zero, with the reason, if it cannot be read */
