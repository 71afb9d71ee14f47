/* SPDX-License-Identifier: Apache-2.0
 * safetensors: a file written and read back, half precisions, and every way in which a header can
 * lie. */
#include "check.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "files/safetensors.h"

static const char path[] = "test_safetensors.safetensors";

static void put_file(uint64_t length, const char *header, const void *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(&length, sizeof length, 1, f) == 1);
    CHECK(fwrite(header, 1, strlen(header), f) == strlen(header));
    CHECK(fwrite(data, 1, bytes, f) == bytes);
    fclose(f);
}

static void check_round_trip(void)
{
    static const float a[6] = {1, -2, 3.5f, 0, 1e-30f, 7}, b[1] = {42};
    const struct safetensors_item items[] = {
        {"layer.weight", 3, {1, 2, 3}, a}, {"a \"quoted\" name", 0, {0}, b}, {"empty", 1, {0}, b}};
    const struct safetensors_note notes[] = {{(char *)"format", (char *)"pt"},
                                             {(char *)"deck", (char *)"&run\n  name = 'x'\n/\n"}};
    struct safetensors *f = NULL;
    float got[6];
    CHECK(safetensors_write(path, items, 3, notes, 2) == 0);
    CHECK(safetensors_open(path, &f) == 0);
    if (!f)
        return;
    CHECK(f->count == 3 && f->data_at % 8 == 0);
    CHECK(safetensors_read(f, "layer.weight", 3, (int64_t[]){1, 2, 3}, got) == 0);
    CHECK(memcmp(got, a, sizeof a) == 0);
    CHECK(safetensors_read(f, "a \"quoted\" name", 0, NULL, got) == 0 && got[0] == 42);
    CHECK(safetensors_read(f, "empty", 1, (int64_t[]){0}, got) == 0);
    CHECK(safetensors_read(f, "layer.weight", 3, (int64_t[]){1, 3, 2}, got) != 0);
    CHECK(safetensors_read(f, "layer.weight", 2, (int64_t[]){1, 2}, got) != 0);
    CHECK(safetensors_read(f, "layer.bias", 1, (int64_t[]){2}, got) != 0);
    CHECK(!safetensors_find(f, "layer") && safetensors_find(f, "empty"));
    CHECK(strcmp(safetensors_metadata(f, "deck"), notes[1].value) == 0);
    CHECK(!safetensors_metadata(f, "none"));
    safetensors_close(f);
    CHECK(safetensors_write("no/such/folder/x", items, 1, NULL, 0) != 0);
}

static void check_halves(void)
{
    static const uint16_t data[4] = {0x3c00, 0xc100, 0x3f80, 0xc020}; /* 1, -2.5 | 1, -2.5 */
    static const char header[] = "{\"h\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"
                                 "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[4,8]}}";
    struct safetensors *f = NULL;
    float got[2];
    put_file(strlen(header), header, data, sizeof data);
    CHECK(safetensors_open(path, &f) == 0);
    for (int i = 0; f && i < 2; i++) {
        CHECK(safetensors_read(f, i ? "b" : "h", 1, (int64_t[]){2}, got) == 0);
        CHECK(got[0] == 1.0f && got[1] == -2.5f);
    }
    safetensors_close(f);
}

#define T(name, dtype, shape, offsets)                                                             \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void check_faults(void)
{
    static const char *const bad[] = {
        /* each for a file with 16 bytes of data */
        "",
        "{",
        "[]",
        "{}",                                     /* bytes of no tensor */
        "{" T("a", "F32", "[4]", "[0,16]") "",    /* no end */
        "{" T("a", "F32", "[4]", "[0,16]") "} x", /* something follows */
        "{" T("a", "F32", "[5]", "[0,20]") "}",   /* out of the file */
        "{" T("a", "F32", "[4]", "[16,0]") "}",   /* backwards */
        "{" T("a", "F32", "[3]", "[0,16]") "}",   /* size against shape */
        "{" T("a", "F33", "[4]", "[0,16]") "}",   /* type */
        "{" T("a", "F32", "[3]", "[0,12]") "}",   /* gap at the end */
        "{" T("a", "F32", "[3]", "[4,16]") "}",   /* gap at the start */
        "{" T("a", "F32", "[3]", "[0,12]") "," T("b", "F32", "[2]", "[8,16]") "}",  /* overlap */
        "{" T("a", "F32", "[2]", "[0,8]") "," T("a", "F32", "[2]", "[8,16]") "}",   /* twice */
        "{" T("a", "F32", "[4]", "[0,16]") " " T("b", "F32", "[0]", "[16,16]") "}", /* no comma */
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"shape\":[4],\"data_offsets\":[0,16]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16],\"x\":1}}",
        "{\"a\":{\"dtype\":32,\"shape\":[4],\"data_offsets\":[0,16]}}",
        "{" T("a", "F32", "[-4]", "[0,16]") "}",
        "{" T("a", "F32", "[4.0]", "[0,16]") "}",
        "{" T("a", "F32", "[1,1,1,1,1,1,1,1,4]", "[0,16]") "}",
        "{" T("a", "F32", "[4611686018427387904,4]", "[0,16]") "}", /* the product is 0 mod 2^64 */
        "{" T("a", "F32", "[99999999999999999999]", "[0,16]") "}",
        "{" T("a", "F32", "[4]", "[0,8,16]") "}",
        "{" T("a\\ud800", "F32", "[4]", "[0,16]") "}",
        "{" T("a\\x", "F32", "[4]", "[0,16]") "}",
        "{" T("a\nb", "F32", "[4]", "[0,16]") "}",
        "{\"__metadata__\":{\"k\":1}," T("a", "F32", "[4]", "[0,16]") "}",
        "{\"__metadata__\":{},\"__metadata__\":{}," T("a", "F32", "[4]", "[0,16]") "}",
    };
    static const char good[] = " { \"__metadata__\" : {\"k\":\"\\u00e9\\n\"} , " T(
        "a", "F32", "[ 2, 2 ]", "[ 0 , 16 ]") " } ";
    static const float data[4] = {1, 2, 3, 4};
    struct safetensors *f = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put_file(strlen(bad[i]), bad[i], data, sizeof data);
        int failed = safetensors_open(path, &f);
        if (!failed)
            printf("accepted: %s\n", bad[i]);
        CHECK(failed && !f);
    }
    put_file(strlen(good), good, data, sizeof data);
    CHECK(safetensors_open(path, &f) == 0 &&
          strcmp(safetensors_metadata(f, "k"), "\xc3\xa9\n") == 0);
    safetensors_close(f);
    f = NULL;
    /* lengths that lie: more than the file, more than 100 MB, 2^63; a file of 3 bytes; none */
    static const uint64_t lengths[] = {200,         99999999,           100000001,
                                       2147483648u, UINT64_MAX / 2 + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        put_file(lengths[i], good, data, sizeof data);
        CHECK(safetensors_open(path, &f) != 0 && !f);
    }
    put_file(strlen(good), good, data, 12); /* truncated */
    CHECK(safetensors_open(path, &f) != 0 && !f);
    CHECK(truncate(path, 3) == 0 && safetensors_open(path, &f) != 0);
    CHECK(unlink(path) == 0 && safetensors_open(path, &f) != 0);
}

int main(void)
{
    log_init(0, 1, 1);
    check_round_trip();
    check_halves();
    check_faults();
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
