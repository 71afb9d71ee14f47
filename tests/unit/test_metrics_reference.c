/* SPDX-License-Identifier: Apache-2.0
 * Frechet distance and precision, recall, density, coverage of three sets of 512 network features,
 * against what mseitzer/pytorch-fid and clovaai/generative-evaluation-prdc gave for them. */
#include "check.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "metrics/metrics.h"

enum { D = 512, MOST = 750 };

/* Reads an .npy file of version 1 that holds little-endian float32 [rows, D]. */
static int64_t read_npy(const char *name, float *out)
{
    char path[512];
    uint8_t head[10];
    FILE *f = fopen(check_data(name, path, sizeof path), "rb");
    CHECK(fread(head, 1, 10, f) == 10 && memcmp(head, "\x93NUMPY\x01", 7) == 0);
    fseek(f, 10 + head[8] + 256 * head[9], SEEK_SET);
    size_t values = fread(out, sizeof(float), (size_t)MOST * D, f);
    CHECK(values % D == 0);
    fclose(f);
    return (int64_t)(values / D);
}

static double wanted(const char *values, const char *group, const char *pair, const char *key)
{
    char path[256];
    double value = NAN;
    snprintf(path, sizeof path, "%s.%s%s%s", group, pair, *key ? "." : "", key);
    CHECK(json_find_real(values, path, &value) == 0);
    return value;
}

static void check_pair(struct comm *comm, const char *values, const char *pair, const float *real,
                       int64_t n_real, const float *fake, int64_t n_fake)
{
    char pair_prdc[64];
    struct moments a, b;
    double fd = NAN, want = wanted(values, "frechet_distance_pytorch_fid", pair, "");
    moments_of(comm, real, n_real, D, &a);
    moments_of(comm, fake, n_fake, D, &b);
    CHECK(frechet_distance(&a, &b, &fd) == 0);
    printf("%s: Frechet distance off by %.2g relative\n", pair, fabs(fd - want) / want);
    CHECK_NEAR(fd, want, 1e-11 * want); /* measured 4e-13 relative */
    CHECK(frechet_distance(&b, &a, &fd) == 0);
    CHECK_NEAR(fd, want, 1e-11 * want); /* measured 4e-13 relative */
    moments_free(&a);
    moments_free(&b);

    struct prdc p = {0};
    CHECK(prdc_compute(comm, real, n_real, fake, n_fake, D, 5, &p) == 0);
    snprintf(pair_prdc, sizeof pair_prdc, "%s (real,fake)", pair);
    CHECK_NEAR(p.precision, wanted(values, "prdc_nearest_k5", pair_prdc, "precision"), 1e-12);
    CHECK_NEAR(p.recall, wanted(values, "prdc_nearest_k5", pair_prdc, "recall"), 1e-12);
    CHECK_NEAR(p.density, wanted(values, "prdc_nearest_k5", pair_prdc, "density"), 1e-12);
    CHECK_NEAR(p.coverage, wanted(values, "prdc_nearest_k5", pair_prdc, "coverage"), 1e-12);
}

int main(void)
{
    char path[512], *values = NULL;
    float *set[3];
    int64_t n[3];
    static const char *const names[3] = {"reference-values/sq512_A.npy",
                                         "reference-values/sq512_B.npy",
                                         "reference-values/sq512_C.npy"};
    if (text_read(check_data("reference-values/values.json", path, sizeof path), &values, NULL))
        return EXIT_FAILURE;
    for (int i = 0; i < 3; i++) {
        set[i] = mem_alloc(sizeof(float) * MOST * D);
        n[i] = read_npy(names[i], set[i]);
    }
    CHECK(n[0] == 750 && n[1] == 750 && n[2] == 600);
    struct comm *comm = comm_self_create();
    check_pair(comm, values, "A,B", set[0], n[0], set[1], n[1]);
    check_pair(comm, values, "A,C", set[0], n[0], set[2], n[2]);
    comm->ops->destroy(comm);
    for (int i = 0; i < 3; i++)
        mem_free(set[i]);
    mem_free(values);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
