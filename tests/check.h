/* SPDX-License-Identifier: Apache-2.0
 * check: what every test program uses. A test prints one line per failed check and returns check_done(). */
#pragma once
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int check_failed, check_passed;

#define CHECK(cond)                                                                                                    \
    do {                                                                                                               \
        if (cond) {                                                                                                    \
            check_passed++;                                                                                            \
        } else {                                                                                                       \
            check_failed++;                                                                                            \
            printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #cond);                                                \
        }                                                                                                              \
    } while (0)

/* |got - want| <= tolerance, said with the numbers. */
#define CHECK_NEAR(got, want, tolerance)                                                                               \
    do {                                                                                                               \
        double got_ = (double)(got), want_ = (double)(want), tol_ = (double)(tolerance);                               \
        if (fabs(got_ - want_) <= tol_) {                                                                              \
            check_passed++;                                                                                            \
        } else {                                                                                                       \
            check_failed++;                                                                                            \
            printf("%s:%d: %s = %.9g, wanted %.9g within %.3g, off by %.3g\n", __FILE__, __LINE__, #got, got_, want_,  \
                   tol_, fabs(got_ - want_));                                                                          \
        }                                                                                                              \
    } while (0)

static inline int check_done(void)
{
    printf("%d checks passed, %d failed\n", check_passed, check_failed);
    return check_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Real data sits under $PECLET_DATA; a test that needs a missing file says so and is counted as skipped (77). */
static inline const char *check_data(const char *name, char *path, size_t bytes)
{
    const char *folder = getenv("PECLET_DATA");
    if (folder) {
        snprintf(path, bytes, "%s/%s", folder, name);
        FILE *f = fopen(path, "rb");
        if (f) {
            fclose(f);
            return path;
        }
    }
    printf("skipped: needs %s under $PECLET_DATA\n", name);
    exit(77);
}
