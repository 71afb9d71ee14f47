#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""draw.py FILE COUNT SIDE [FIRST]: an IDX file (gzip) of RGB pictures of discs on shaded grounds; needs no packages."""
import gzip
import random
import struct
import sys


def picture(side, seed):
    r = random.Random(seed)
    left, right = [[r.randrange(256) for _ in range(3)] for _ in range(2)]
    rows = []
    shade = bytearray()
    for x in range(side):
        t = x / (side - 1)
        shade += bytes(int(a + t * (b - a)) for a, b in zip(left, right))
    discs = [(r.random() * side, r.random() * side, r.uniform(0.08, 0.3) * side, bytes(r.randrange(256) for _ in range(3))) for _ in range(6)]
    for y in range(side):
        row = bytearray(shade)
        for cx, cy, radius, colour in discs:
            half = radius * radius - (y - cy) ** 2
            if half > 0:
                a, b = max(0, int(cx - half ** 0.5)), min(side, int(cx + half ** 0.5))
                if b > a:
                    row[3 * a:3 * b] = colour * (b - a)
        rows.append(bytes(row))
    return b"".join(rows)


def main():
    path, count, side = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    first = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    with gzip.open(path, "wb", compresslevel=1) as f:
        f.write(struct.pack(">4B4I", 0, 0, 8, 4, count, side, side, 3))
        for i in range(count):
            f.write(picture(side, first + i))


main()
