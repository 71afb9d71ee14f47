/* SPDX-License-Identifier: Apache-2.0
 * mem: counted heap memory, 64-byte aligned, so that main's last act can check that nothing is left over. */
#pragma once
#include <stddef.h>

void *mem_alloc(size_t bytes);  /* uninitialised; dies when there is no memory; bytes may be 0 */
void *mem_zalloc(size_t bytes); /* the same, all bytes zero */
char *mem_strdup(const char *text);
void mem_free(void *p); /* NULL is fine */
double mem_room(void); /* bytes that the system can still give to all its programs; INFINITY where it does not say */
size_t mem_live_bytes(void);
size_t mem_peak_bytes(void);
