/* SPDX-License-Identifier: Apache-2.0
 * lmdb_check: whether an LMDB may be opened. The library believes its file: another page size, a copy
 * cut short or a damaged page make it read beyond the end, or abort. So its tree of pages is walked
 * here first, with every place compared with the file's end.
 *
 * Layout, of LMDB 0.9 (lmdb.h and mdb.c there), in the processor's own byte order:
 *   meta      pages 0 and 1; the one with the larger transaction counts. From byte 16: magic (4),
 *             version (4), address (8), size of the map (8), two records of 48 bytes (the list of free
 *             pages, the data), last page (8), transaction (8)
 *   record    pad (4; the page size in the first), flags (2), depth (2), numbers of branch, leaf and
 *             overflow pages (8 each), entries (8), root page (8)
 *   page      number (8), pad (2), flags (2), end of the node offsets (2), start of the nodes (2),
 *             then the offsets of the nodes in it (2 each)
 *   node      size or child, low (2) and high (2), flags (2; the top of a child), bytes of the key (2),
 *             key, then the value: in place, or the number (8) of the page after whose header it lies */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "images/readers.h"

enum {
    META_MAGIC = 16,
    META_VERSION = 20,
    META_PAGE_SIZE = 40,
    META_DATA_FLAGS = 92,
    META_ENTRIES = 120,
    META_ROOT = 128,
    META_LAST_PAGE = 136,
    META_TRANSACTION = 144,
    META_END = 152,

    PAGE_FLAGS = 10,
    PAGE_OFFSETS_END = 12,
    PAGE_HEADER = 16,
    PAGE_BRANCH = 1,
    PAGE_LEAF = 2,
    PAGE_KINDS = 0x6f, /* the flags that are kept in files */

    NODE_FLAGS = 4,
    NODE_KEY_BYTES = 6,
    NODE_HEADER = 8,
    NODE_ELSEWHERE = 1, /* the value has pages of its own */
    NODE_DATABASE = 2,  /* a named database's record */

    KEY_ORDERS = 0x0a, /* flags of the data that only say how keys compare */
    MAX_DEPTH = 32
};

struct tree {
    const uint8_t *file;
    uint64_t page_bytes, pages, visited, entries;
};

static uint16_t u16(const uint8_t *p)
{
    uint16_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static uint32_t u32(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static uint64_t u64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* A node of a leaf, `left` bytes before the end of its page. */
static int value_is_sound(const struct tree *t, const uint8_t *node, uint64_t left)
{
    uint64_t head = NODE_HEADER + (uint64_t)u16(node + NODE_KEY_BYTES), bytes = u32(node);
    int flags = u16(node + NODE_FLAGS);
    if (flags & ~(NODE_ELSEWHERE | NODE_DATABASE))
        return 0;
    if (!(flags & NODE_ELSEWHERE))
        return head + bytes <= left;
    if (head + sizeof(uint64_t) > left)
        return 0;
    uint64_t page = u64(node + head);
    return page >= 2 && page < t->pages && PAGE_HEADER + bytes <= (t->pages - page) * t->page_bytes;
}

/* The page and all below it. A circle ends when more pages were visited than there are. */
static int page_is_sound(struct tree *t, uint64_t number, int depth)
{
    if (number < 2 || number >= t->pages || depth > MAX_DEPTH || t->visited++ >= t->pages)
        return 0;
    const uint8_t *page = t->file + number * t->page_bytes;
    int kind = u16(page + PAGE_FLAGS) & PAGE_KINDS, end = u16(page + PAGE_OFFSETS_END);
    int nodes = (end - PAGE_HEADER) / 2;
    if ((kind != PAGE_BRANCH && kind != PAGE_LEAF) || (uint64_t)end > t->page_bytes ||
        nodes < (kind == PAGE_BRANCH ? 2 : 1))
        return 0;
    for (int i = 0; i < nodes; i++) {
        int at = u16(page + PAGE_HEADER + 2 * i);
        uint64_t left = t->page_bytes - (uint64_t)at;
        if (at < end || at % 2 || (uint64_t)at + NODE_HEADER > t->page_bytes)
            return 0;
        const uint8_t *node = page + at;
        uint64_t child = u32(node) | (uint64_t)u16(node + NODE_FLAGS) << 32;
        if (kind == PAGE_LEAF ? !value_is_sound(t, node, left)
                              : NODE_HEADER + (uint64_t)u16(node + NODE_KEY_BYTES) > left ||
                                    !page_is_sound(t, child, depth + 1))
            return 0;
        t->entries += kind == PAGE_LEAF;
    }
    return 1;
}

static int check_meta(const char *path, const uint8_t *meta, uint64_t file_bytes)
{
    uint32_t page = u32(meta + META_PAGE_SIZE), ours = (uint32_t)sysconf(_SC_PAGESIZE);
    uint64_t last = u64(meta + META_LAST_PAGE);
    if (u32(meta + META_MAGIC) != 0xBEEFC0DE || u32(meta + META_VERSION) != 1) {
        log_error(
            "%s: not an LMDB of this kind of processor (it should have BEEFC0DE and 1 at byte 16)",
            path);
        return 1;
    }
    if (page != ours) {
        log_error(
            "%s: an LMDB with pages of %u bytes; this system has %u: make it anew with mdb_dump "
            "there and mdb_load here",
            path, page, ours);
        return 1;
    }
    if (last >= file_bytes / page) {
        log_error("%s: truncated: %llu bytes, but its last page ends at %llu", path,
                  (unsigned long long)file_bytes, (unsigned long long)((last + 1) * page));
        return 1;
    }
    return 0;
}

static int check_tree(const char *path, const uint8_t *file, const uint8_t *meta)
{
    struct tree t = {.file = file,
                     .page_bytes = u32(meta + META_PAGE_SIZE),
                     .pages = u64(meta + META_LAST_PAGE) + 1};
    uint64_t entries = u64(meta + META_ENTRIES);
    int sound = !(u16(meta + META_DATA_FLAGS) & ~KEY_ORDERS) &&
                (!entries || page_is_sound(&t, u64(meta + META_ROOT), 1)) && t.entries == entries;
    if (!sound)
        log_error("%s: damaged: its tree of pages is broken after %llu of %llu entries", path,
                  (unsigned long long)t.entries, (unsigned long long)entries);
    return !sound;
}

/* Both meta pages; the second lies one page in. */
static int check_file(const char *path, const uint8_t *file, uint64_t bytes)
{
    uint64_t second = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint8_t *meta = file;
    for (int i = 0; i < 2; i++) {
        if (bytes < (uint64_t)i * second + META_END) {
            log_error("%s: not an LMDB: only %llu bytes", path, (unsigned long long)bytes);
            return 1;
        }
        if (check_meta(path, file + (uint64_t)i * second, bytes))
            return 1;
    }
    if (u64(file + META_TRANSACTION) < u64(file + second + META_TRANSACTION))
        meta = file + second;
    return check_tree(path, file, meta);
}

int lmdb_check(const char *path)
{
    static const uint8_t nothing[1];
    struct stat there;
    void *map = MAP_FAILED;
    FILE *f = fopen(path, "rb");
    size_t bytes = 0;
    if (f && !fstat(fileno(f), &there)) {
        bytes = (size_t)there.st_size;
        map = bytes ? mmap(NULL, bytes, PROT_READ, MAP_SHARED, fileno(f), 0) : (void *)&nothing;
    }
    int failed = map == MAP_FAILED;
    if (failed)
        log_error("%s: %s", path, strerror(errno));
    else
        failed = check_file(path, map, bytes);
    if (map != MAP_FAILED && bytes)
        munmap(map, bytes);
    if (f)
        fclose(f);
    return failed;
}
