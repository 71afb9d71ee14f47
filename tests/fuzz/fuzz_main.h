/* SPDX-License-Identifier: Apache-2.0
 * fuzz_main: the fuzz targets as plain programs, without libFuzzer: every file of the folder named is one input. It is handed
 * over in a block of exactly its size, so that the sanitizer sees a read past the end. The target's file defines the entry. */
#pragma once
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static void fuzz_run_file(const char *path)
{
    char *text;
    size_t bytes;
    if (text_read(path, &text, &bytes))
        exit(EXIT_FAILURE);
    uint8_t *copy = malloc(bytes ? bytes : 1);
    if (!copy)
        exit(EXIT_FAILURE);
    memcpy(copy, text, bytes);
    mem_free(text);
    printf("%s: %zu bytes\n", path, bytes); /* said before, so that a crash has its name */
    fflush(stdout);
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
}

int main(int argc, char **argv)
{
    char path[1024];
    int inputs = 0;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder)); inputs += *entry->d_name != '.')
        if (*entry->d_name != '.') {
            snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
            fuzz_run_file(path);
        }
    if (folder)
        closedir(folder);
    if (!inputs)
        printf("no inputs: name a folder of them\n");
    return inputs ? EXIT_SUCCESS : EXIT_FAILURE;
}
