/* SPDX-License-Identifier: Apache-2.0
 * safetensors: a file written and read back, half precisions, and every way in which a header can
 * lie. */
#include "check.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "files/safetensors.h"
#include "unit/capture.h"

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

/* One message: the file's name and what is wrong with it. */
static void check_refused(const char *what, const char *says)
{
    FILE *into;
    struct safetensors *f = NULL;
    int saved = capture_begin(stderr, &into), failed = safetensors_open(path, &f);
    const char *printed = capture_end(stderr, into, saved);
    size_t start = strlen("error: ") + strlen(path);
    int told = !strncmp(printed, "error: ", 7) && !strncmp(printed + 7, path, strlen(path)) &&
               !strncmp(printed + start, ": ", 2) && strstr(printed + start, says) &&
               strchr(printed, '\n') == printed + strlen(printed) - 1;
    if (!failed || !told)
        printf("%s: wanted '%s', got %d and '%s'\n", what, says, failed, printed);
    CHECK(failed && !f && told);
}

static void check_faults(void)
{
    static const struct {
        const char *header, *says;
    } bad[] = {
        /* each for a file with 16 bytes of data; the message comes after the file's name */
        {"", "byte 0 of its safetensors header: '{' expected"},
        {"{", "byte 1 of its safetensors header: '\"' expected"},
        {"[]", "byte 0 of its safetensors header: '{' expected"},
        {"{}", "16 bytes at its end belong to no tensor"},
        {"{" T("a", "F32", "[4]", "[0,16]") "", "',' expected"}, /* no end */
        {"{" T("a", "F32", "[4]", "[0,16]") "} x", "something follows the object"},
        {"{" T("a", "F32", "[5]", "[0,20]") "}",
         "tensor 'a' is said to have bytes 0 to 20, the file holds 16 (is it truncated?)"},
        {"{" T("a", "F32", "[4]", "[16,0]") "}",
         "tensor 'a' is said to have bytes 16 to 0, the file holds 16 (is it truncated?)"},
        {"{" T("a", "F32", "[3]", "[0,16]") "}",
         "tensor 'a' has 16 bytes, which do not fit its shape and type"},
        {"{" T("a", "F33", "[4]", "[0,16]") "}", "tensor 'a' has the unknown type 'F33'"},
        {"{" T("a", "F32", "[3]", "[0,12]") "}", "4 bytes at its end belong to no tensor"},
        {"{" T("a", "F32", "[3]", "[4,16]") "}", "tensor 'a' follows a gap"},
        {"{" T("a", "F32", "[3]", "[0,12]") "," T("b", "F32", "[2]", "[8,16]") "}",
         "tensor 'b' overlaps another one"},
        {"{" T("a", "F32", "[2]", "[0,8]") "," T("a", "F32", "[2]", "[8,16]") "}",
         "two tensors are called 'a'"},
        {"{" T("a", "F32", "[4]", "[0,16]") " " T("b", "F32", "[0]", "[16,16]") "}",
         "',' expected"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}",
         "a tensor needs dtype, shape and data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"shape\":[4],\"data_offsets\":[0,16]}}",
         "a tensor has exactly dtype, shape and data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16],\"x\":1}}",
         "a tensor has exactly dtype, shape and data_offsets"},
        {"{\"a\":{\"dtype\":32,\"shape\":[4],\"data_offsets\":[0,16]}}", "'\"' expected"},
        {"{" T("a", "F32", "[-4]", "[0,16]") "}", "a whole number expected"},
        {"{" T("a", "F32", "[4.0]", "[0,16]") "}", "']' expected"},
        {"{" T("a", "F32", "[1,1,1,1,1,1,1,1,4]", "[0,16]") "}", "too many numbers in a list"},
        {"{" T("a", "F32", "[4611686018427387904,4]", "[0,16]") "}", /* 0 mod 2^64 */
         "tensor 'a' has 16 bytes, which do not fit its shape and type"},
        {"{" T("a", "F32", "[99999999999999999999]", "[0,16]") "}", "a number is too large"},
        {"{" T("a", "F32", "[4]", "[0,8,16]") "}", "too many numbers in a list"},
        {"{" T("a\\ud800", "F32", "[4]", "[0,16]") "}", "a string holds what JSON does not allow"},
        {"{" T("a\\x", "F32", "[4]", "[0,16]") "}", "a string holds what JSON does not allow"},
        {"{" T("a\nb", "F32", "[4]", "[0,16]") "}", "a string holds what JSON does not allow"},
        {"{\"__metadata__\":{\"k\":1}," T("a", "F32", "[4]", "[0,16]") "}", "'\"' expected"},
        {"{\"__metadata__\":{},\"__metadata__\":{}," T("a", "F32", "[4]", "[0,16]") "}",
         "__metadata__ stands twice"},
    };
    static const char good[] = " { \"__metadata__\" : {\"k\":\"\\u00e9\\n\"} , " T(
        "a", "F32", "[ 2, 2 ]", "[ 0 , 16 ]") " } ";
    static const float data[4] = {1, 2, 3, 4};
    struct safetensors *f = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put_file(strlen(bad[i].header), bad[i].header, data, sizeof data);
        check_refused(bad[i].header, bad[i].says);
    }
    put_file(strlen(good), good, data, sizeof data);
    CHECK(safetensors_open(path, &f) == 0 &&
          strcmp(safetensors_metadata(f, "k"), "\xc3\xa9\n") == 0);
    safetensors_close(f);
    f = NULL;
    /* lengths that lie: more than the file, more than 100 MB, 2^63; a file of 3 bytes; none */
    static const struct {
        uint64_t bytes;
        const char *says;
    } lengths[] = {
        {200, "truncated: its header is said to have 200 bytes"},
        {99999999, "truncated: its header is said to have 99999999 bytes"},
        {100000001, "its header is said to have 100000001 bytes, more than 100 MB"},
        {2147483648u, "its header is said to have 2147483648 bytes, more than 100 MB"},
        {UINT64_MAX / 2 + 1, "its header is said to have 9223372036854775808 bytes, more than"},
        {UINT64_MAX, "its header is said to have 18446744073709551615 bytes, more than 100 MB"}};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        put_file(lengths[i].bytes, good, data, sizeof data);
        check_refused("a length", lengths[i].says);
    }
    put_file(strlen(good), good, data, 12);
    check_refused("a truncated file", "bytes 0 to 16, the file holds 12 (is it truncated?)");
    CHECK(truncate(path, 3) == 0);
    check_refused("3 bytes", "too short for a safetensors file");
    CHECK(unlink(path) == 0);
    check_refused("no file", "No such file or directory");
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
