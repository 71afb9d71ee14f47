/* SPDX-License-Identifier: Apache-2.0
 * Whether the address sanitizer sees the ends of counted memory, whose blocks are rounded up. */
#include "check.h"

#include <sanitizer/asan_interface.h>

#include "base/mem.h"

int main(void)
{
    for (size_t bytes = 1; bytes <= 130; bytes++) {
        char *p = mem_alloc(bytes);
        CHECK(__asan_address_is_poisoned(p - 1) && __asan_address_is_poisoned(p + bytes));
        CHECK(!__asan_region_is_poisoned(p, bytes));
        mem_free(p);
    }
    return check_done();
}
