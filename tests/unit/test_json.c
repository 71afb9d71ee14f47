/* SPDX-License-Identifier: Apache-2.0
 * The writer's text is compared with text written by hand (and so with RFC 8259), the reader is fed
 * foreign text: other spacing, escapes, members to skip, and damage of every kind. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

static void write_sample(FILE *f, int pretty)
{
    struct json j;
    json_begin(&j, f, pretty);
    json_object(&j, NULL);
    json_string(&j, "name", "a \"b\" \\ \n\t\x01 \xc3\xa9");
    json_int(&j, "big", INT64_MIN);
    json_array(&j, "list");
    json_real(&j, NULL, 0.5);
    json_real(&j, NULL, NAN);
    json_bool(&j, NULL, 1);
    json_close(&j);
    json_object(&j, "empty");
    json_close(&j);
    json_object(&j, "in");
    json_real(&j, "third", 1.0 / 3.0);
    json_bool(&j, "no", 0);
    json_close(&j);
    json_close(&j);
}

static void check_text(int pretty, const char *want)
{
    char got[1024] = "";
    FILE *f = tmpfile();
    write_sample(f, pretty);
    rewind(f);
    size_t n = fread(got, 1, sizeof got - 1, f);
    fclose(f);
    CHECK(n == strlen(want) && strcmp(got, want) == 0);
    if (strcmp(got, want))
        printf("got:\n%swanted:\n%s", got, want);
}

static void check_round_trip(double value)
{
    char text[128] = "";
    struct json j;
    FILE *f = tmpfile();
    json_begin(&j, f, 0);
    json_object(&j, NULL);
    json_real(&j, "x", value);
    json_close(&j);
    rewind(f);
    CHECK(fread(text, 1, sizeof text - 1, f) > 0);
    fclose(f);
    double back = 0;
    CHECK(json_find_real(text, "x", &back) == 0 && back == value);
}

static void check_reader(void)
{
    const char *text =
        " {\"skip\" :[1,{\"a\":\"}]\\\"\"},null] ,\n\t\"a\":{\"b\":{\"c\":-1.25e2}, \"t\":true},"
        "\"s\":\"x\\u00e9\\ud83d\\ude00\\n\\/\", \"n\":null, \"\\u0061b\": 7}";
    double x = 9;
    char s[32] = "kept";
    CHECK(json_find_real(text, "a.b.c", &x) == 0 && x == -125.0);
    CHECK(json_find_real(text, "ab", &x) == 0 && x == 7.0);
    CHECK(json_find_string(text, "s", s, sizeof s) == 0);
    CHECK(strcmp(s, "x\xc3\xa9\xf0\x9f\x98\x80\n/") == 0);
    CHECK(json_find_string(text, "s", s, 9) == 1);  /* nine bytes and the end do not fit */
    CHECK(json_find_string(text, "s", s, 10) == 0); /* but in ten they do */
    x = 9;
    CHECK(json_find_real(text, "n", &x) && json_find_real(text, "s", &x) &&
          json_find_real(text, "a", &x));
    CHECK(json_find_real(text, "a.t", &x) && json_find_real(text, "b", &x) &&
          json_find_real(text, "a.b", &x));
    CHECK(json_find_real(text, "a.b.c.d", &x) && json_find_real(text, "", &x) && x == 9);
    CHECK(json_find_string(text, "a.b.c", s, sizeof s) == 1);
}

static void check_damage(void)
{
    static const char *const bad[] = {
        "",
        "{",
        "[1]",
        "{\"x\"",
        "{\"x\":",
        "{\"x\":-}",
        "{\"x\":nan}",
        "{x:1}",
        "{\"x\":1x}",
        "{\"y\":[1,2",
        "{\"y\":\"x",
        "{\"y\":\"\\",
        "{\"y\" \"x\":1}",
        "{\"y\":,\"x\":1}",
    };
    double x;
    char s[8];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(json_find_real(bad[i], "x", &x) != 0);
    CHECK(json_find_string("{\"x\":\"\\u12\"}", "x", s, sizeof s) != 0);
    CHECK(json_find_string("{\"x\":\"\\ud800\\u0041\"}", "x", s, sizeof s) != 0);
    CHECK(json_find_string("{\"x\":\"\\q\"}", "x", s, sizeof s) != 0);
    CHECK(json_find_string("{\"x\":\"abc", "x", s, sizeof s) != 0);
    CHECK(json_find_string("{\"x\":\"\"}", "x", s, 0) != 0);
}

static void check_lists(void)
{
    const char *text =
        " {\"a\": [1, [2, 3], {\"b\": [\"x\", \"y\"]}, null], \"c d\": {}, \"e\": 4}";
    char s[16];
    double x = 0;
    CHECK(json_find_real(text, "a.0", &x) == 0 && x == 1);
    CHECK(json_find_real(text, "a.1.1", &x) == 0 && x == 3);
    CHECK(json_find_string(text, "a.2.b.1", s, sizeof s) == 0 && !strcmp(s, "y"));
    CHECK(json_find_real(text, "a.3", &x) != 0 && json_find_real(text, "a.4", &x) != 0);
    CHECK(json_find_real(text, "a.1.2", &x) != 0 && json_find_real(text, "a.b", &x) != 0);
    CHECK(json_find_real("{\"a\": [1, 2", "a.2", &x) != 0 && json_find_real("[5]", "0", &x) == 0 &&
          x == 5);
    CHECK(json_find_key(text, "", 0, s, sizeof s) == 0 && !strcmp(s, "a"));
    CHECK(json_find_key(text, "", 1, s, sizeof s) == 0 && !strcmp(s, "c d"));
    CHECK(json_find_key(text, "", 2, s, sizeof s) == 0 && !strcmp(s, "e"));
    CHECK(json_find_key(text, "", 3, s, sizeof s) != 0 &&
          json_find_key(text, "c d", 0, s, sizeof s) != 0);
    CHECK(json_find_key(text, "a.2", 0, s, sizeof s) == 0 && !strcmp(s, "b"));
    CHECK(json_find_key("{\"a\" 1}", "", 1, s, sizeof s) != 0);
}

int main(void)
{
    check_text(
        0, "{\"name\": \"a \\\"b\\\" \\\\ \\n\\t\\u0001 \xc3\xa9\", \"big\": -9223372036854775808, "
           "\"list\": [0.5, null, true], \"empty\": {}, \"in\": {\"third\": 0.3333333333333333, "
           "\"no\": false}}\n");
    check_text(1, "{\n  \"name\": \"a \\\"b\\\" \\\\ \\n\\t\\u0001 \xc3\xa9\",\n  \"big\": "
                  "-9223372036854775808,\n"
                  "  \"list\": [0.5, null, true],\n  \"empty\": {},\n  \"in\": {\n"
                  "    \"third\": 0.3333333333333333,\n    \"no\": false\n  }\n}\n");
    check_round_trip(0.1);
    check_round_trip(1.0 / 3.0);
    check_round_trip(-2.2250738585072014e-308);
    check_round_trip(4.9406564584124654e-324);
    check_round_trip(1.7976931348623157e308);
    check_round_trip(123456789012345678.0);
    check_reader();
    check_damage();
    check_lists();
    return check_done();
}
