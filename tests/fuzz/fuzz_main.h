/* SPDX-License-Identifier: Apache-2.0
 * fuzz_main: the fuzz targets as plain programs, without libFuzzer: each file named is one input. It
 * is handed over in a block of exactly its size, so that the sanitizer sees a read past the end. */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *text;
        size_t bytes;
        if (text_read(argv[i], &text, &bytes))
            return EXIT_FAILURE;
        uint8_t *copy = malloc(bytes + 1);
        if (!copy)
            return EXIT_FAILURE;
        memcpy(copy, text, bytes);
        mem_free(text);
        LLVMFuzzerTestOneInput(copy, bytes);
        free(copy);
    }
    return EXIT_SUCCESS;
}
