/* SPDX-License-Identifier: Apache-2.0
 * text: whole small files in, whole small files out (atomically), folders. All return 0 or print the reason. */
#pragma once
#include <stddef.h>

int text_read(const char *path, char **out, size_t *bytes); /* NUL-terminated; caller frees with mem_free */
int text_write(const char *path, const char *text);         /* temporary name, fsync, text_rename */
int text_rename(const char *from, const char *to);          /* survives a power cut: the folder is synced too */
int text_make_folders(const char *path);                    /* like mkdir -p */
int text_exists(const char *path);                          /* 1 or 0 */
