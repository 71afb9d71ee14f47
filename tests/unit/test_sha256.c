/* SPDX-License-Identifier: Apache-2.0
 * The published vectors (FIPS 180-4 examples), every length around a block against one hash of hashes, and a file. */
#include "check.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sha256.h"

static int is(const char *bytes, size_t count, const char *want)
{
    char hex[SHA256_HEX];
    sha256_of(bytes, count, hex);
    return strcmp(hex, want) == 0;
}

int main(void)
{
    static char million[1000000], hex[SHA256_HEX], all[201 * 64];
    log_init(0, 1, 1);
    CHECK(is("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    CHECK(is("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    CHECK(is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
             "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
    memset(million, 'a', sizeof million);
    CHECK(is(million, sizeof million,
             "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
    for (size_t n = 0; n <= 200; n++) {
        sha256_of(million, n, hex);
        memcpy(all + 64 * n, hex, 64);
    }
    /* python3 -c "import hashlib as h; print(h.sha256(''.join(h.sha256(b'a'*n).hexdigest() for n in range(201)).encode()).hexdigest())" */
    CHECK(is(all, sizeof all, "eb555248bd20c7831e511d4461b42c9b084e3a64b44d57b00051172f8afe03ff"));
    FILE *f = fopen("test_sha256.bin", "wb");
    CHECK(f && fwrite(million, 1, sizeof million, f) == sizeof million && fclose(f) == 0);
    CHECK(sha256_of_file("test_sha256.bin", hex) == 0);
    CHECK(is(million, sizeof million, hex));
    CHECK(unlink("test_sha256.bin") == 0 && sha256_of_file("test_sha256.bin", hex) != 0);
    return check_done();
}
