#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Weights and picture collections that lie about themselves: exit 1 and one message with the file's name and the fault.
source "$(dirname "$0")/common.sh"
need_images
tiny=$source_dir/tests/cli/tiny.nml

page=$(getconf PAGESIZE)
/usr/bin/python3 - "$page" <<'P'
import struct
import sys


def tensors(name, length=None, data=16, **offsets):
    header = ",".join(f'"{key}":{{"dtype":"F32","shape":[{(b - a) // 4}],"data_offsets":[{a},{b}]}}' for key, (a, b) in offsets.items())
    header = "{" + header + "}"
    open(name + ".safetensors", "wb").write(struct.pack("<Q", len(header) if length is None else length) + header.encode() + bytes(data))


tensors("overlap", a=(0, 12), b=(8, 16))
tensors("outside", a=(0, 20))
tensors("header", length=2 << 30, a=(0, 16))
tensors("cut", data=8, a=(0, 16))
tensors("other", a=(0, 16))

# an LMDB begins with two pages that say, from byte 16: magic, version, address, size of the map, size of a page
own = int(sys.argv[1])
for page, name in ((2 * own, "pages"), (own, "short")):
    meta = struct.pack("<16xIIQQI92xQ", 0xBEEFC0DE, 1, 0, 1 << 20, page, 7)
    open(name + ".mdb", "wb").write(2 * meta.ljust(own, b"\0"))
P

expect 0 '' "$peclet" import "$tiny"
expect 0 '' "$peclet" precompute "$tiny"
weights() { # NAME 'what must be said of it'
    expect 1 "error: $1.safetensors: $2" "$peclet" train "$tiny" train.init="$1.safetensors"
}
weights overlap "tensor 'b' overlaps another one"
weights outside "tensor 'a' is said to have bytes 0 to 20, the file holds 16"
weights header 'its header is said to have 2147483648 bytes, more than 100 MB'
weights cut "tensor 'a' is said to have bytes 0 to 16, the file holds 8"
weights other "there is no tensor '"
weights none 'No such file or directory'

pictures() { # FORMAT FILE 'what must be said of it'
    expect 1 "error: $2: $3" "$peclet" import "$tiny" run.out=pictures dataset.test_path= dataset.test_limit=0 dataset.format="$1" dataset.path="$2"
    [ ! -e pictures/dataset.h5 ] || fail "$2 left a dataset"
}
pictures lmdb pages.mdb "an LMDB with pages of $((2 * page)) bytes; this system has $page: make it anew with mdb_dump there and mdb_load here"
pictures lmdb short.mdb "truncated: $((2 * page)) bytes, but its last page ends at $((8 * page))"
pictures lmdb cut.safetensors 'not an LMDB: only '
pictures zip cut.safetensors 'cannot be opened as ZIP: Not a zip archive'
pictures idx cut.safetensors 'not an IDX file of uint8 images'
pictures font cut.safetensors 'not a font that FreeType opens'
mkdir empty
pictures folder empty 'nothing in it ends in .png, .jpg, .jpeg or .webp'
finish
