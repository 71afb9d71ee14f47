/* SPDX-License-Identifier: Apache-2.0
 * Fuzzing the safetensors header: the first two bytes say how many bytes of data follow, the rest
 * is the header. Whatever it is, nothing may crash or leak; and what is accepted has disjoint
 * tensors inside the data.
 *
 *     clang -std=c17 -g -O1 -fsanitize=fuzzer,address,undefined -D_POSIX_C_SOURCE=200809L \
 *         -Isrc tests/fuzz/fuzz_safetensors.c src/files/safetensors*.c src/base/[djlmt]*.c \
 *         -lm -lpthread -o fuzz_safetensors
 *     ./fuzz_safetensors -close_fd_mask=2 -max_total_time=60 CORPUS tests/fuzz/safetensors
 *
 * With -DPECLET_FUZZ_MAIN and without the fuzzer, a program that runs every file of a folder. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "files/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 2)
        return 0;
    int64_t data_bytes = data[0] * 256 + data[1], sum = 0;
    char *header = mem_alloc(bytes - 2); /* so that reading past the end shows */
    struct safetensors *f = NULL;
    memcpy(header, data + 2, bytes - 2);
    if (safetensors_parse("fuzz", header, bytes - 2, data_bytes, &f) == 0) {
        for (int i = 0; i < f->count; i++) {
            const struct safetensors_tensor *t = &f->tensors[i];
            if (t->first < 0 || t->end > data_bytes || safetensors_find(f, t->name) != t)
                abort();
            sum += t->end - t->first;
        }
        if (sum != data_bytes)
            abort();
        safetensors_close(f);
    }
    mem_free(header);
    if (mem_live_bytes() != 0)
        abort();
    return 0;
}

#ifdef PECLET_FUZZ_MAIN
#include "fuzz_main.h"
#endif
