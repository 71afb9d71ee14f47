/* SPDX-License-Identifier: Apache-2.0
 * conv_cache: texts kept from run to run (cuDNN's plans), one file a key, in the folder that the environment names:
 * $PECLET_CACHE (empty: nothing is kept), else $XDG_CACHE_HOME/peclet, else ~/.cache/peclet. A file carries its key
 * and a checksum: one that is damaged, or another key's, is as good as none. Several processes may read and write. */
#pragma once

/* The folder, "" for none. */
void conv_cache_folder(char *folder, int bytes);
/* The text (the caller frees it with mem_free), or NULL; a warning if there was a file that is no good. */
char *conv_cache_read(const char *folder, const char *key);
/* 0, or it could not be kept and a warning says why. */
int conv_cache_write(const char *folder, const char *key, const char *text);
