# SPDX-License-Identifier: Apache-2.0
"""What Pillow makes of pictures, for tests/golden/test_images.c.

    python3 tools/golden/images_golden.py DATA >tests/golden/images_golden.h

DATA is the folder that PECLET_DATA names (fairface-adult-224, flowers). Needs Pillow, numpy, lmdb (Debian: python3-pil,
python3-numpy, python3-lmdb). The pictures of the font are read from its CBDT table here, without FreeType.
"""
import io
import struct
import sys
import zipfile
import zlib

import lmdb
import numpy as np
from PIL import Image

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"


def fit(image, mode, side):
    """The largest centred square (floor), then Lanczos; side 0: as it is."""
    image = image.convert(mode)
    w, h = image.size
    if side:
        s = min(w, h)
        left, top = (w - s) // 2, (h - s) // 2
        image = image.crop((left, top, left + s, top + s)).resize((side, side), Image.LANCZOS)
    return np.asarray(image, np.uint8)


def noise(seed, count):
    """Bytes of a linear congruential generator that C repeats."""
    out, x = np.empty(count, np.uint8), seed
    for i in range(count):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = x >> 24
    return out


def in_zip(path):
    archive = zipfile.ZipFile(path)
    for name in sorted(n for n in archive.namelist() if not n.endswith(".json")):
        yield Image.open(io.BytesIO(archive.read(name)))


def in_lmdb(path):
    with lmdb.open(path, readonly=True, lock=False).begin() as transaction:
        for _, value in transaction.cursor():
            yield Image.open(io.BytesIO(value))


def in_font(path):
    """PNGs of CBDT (image format 17 or 18, index format 1) in the order of glyphs, laid on white, 128 px wide."""
    data = open(path, "rb").read()
    tables = {}
    for i in range(struct.unpack(">H", data[4:6])[0]):
        tag, _, offset, length = struct.unpack(">4sLLL", data[12 + 16 * i:28 + 16 * i])
        tables[tag] = data[offset:offset + length]
    cblc, cbdt = tables[b"CBLC"], tables[b"CBDT"]
    array, _, subtables = struct.unpack(">LLL", cblc[8:20])
    for i in range(subtables):
        first, last, more = struct.unpack(">HHL", cblc[array + 8 * i:array + 8 * i + 8])
        kind, image_format, start = struct.unpack(">HHL", cblc[array + more:array + more + 8])
        assert kind == 1 and image_format in (17, 18), (kind, image_format)
        offsets = struct.unpack(f">{last - first + 2}L", cblc[array + more + 8:][:4 * (last - first + 2)])
        for a, b in zip(offsets, offsets[1:]):
            if a == b:
                continue
            metrics = 5 if image_format == 17 else 8
            length, = struct.unpack(">L", cbdt[start + a + metrics:][:4])
            picture = Image.open(io.BytesIO(cbdt[start + a + metrics + 4:][:length])).convert("RGBA")
            assert picture.size == (136, 128), picture.size
            rgba = np.asarray(picture, np.int64)
            t = rgba[..., :3] * rgba[..., 3:] + 128  # colour times alpha, rounded, on white
            rgb = ((t + (t >> 8)) >> 8) + 255 - rgba[..., 3:]
            yield Image.fromarray(np.minimum(rgb, 255)[:, 4:132].astype(np.uint8))


def png(depth, colour, rows, interlaced=0, extra=b""):
    """A PNG by hand; rows: array [h, w, channels] of the depth's integers (8 or 16)."""
    def chunk(kind, body):
        return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))

    h, w = rows.shape[:2]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    body = b""
    for x, y, dx, dy in passes if interlaced else [(0, 0, 1, 1)]:
        part = rows[y::dy, x::dx]
        for row in part if part.size else []:
            body += b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes()
    head = struct.pack(">LLBBBBB", w, h, depth, colour, 0, 0, interlaced)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(body))
            + chunk(b"IEND", b""))


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def small_pictures():
    """name, encoded bytes, the pixels that they should give [h, w, 1 or 3] or None where they should be refused."""
    w, h = 11, 7
    rgb = Image.fromarray(noise(1, w * h * 3).reshape(h, w, 3))
    smooth = Image.fromarray(noise(2, 4 * 4 * 3).reshape(4, 4, 3)).resize((w, h), Image.BICUBIC)
    alpha = Image.fromarray(noise(3, w * h).reshape(h, w))
    rgba, grey = rgb.copy(), smooth.convert("L")
    rgba.putalpha(alpha)
    grey_alpha = grey.copy()
    grey_alpha.putalpha(alpha)

    def both(name, data):
        image = Image.open(io.BytesIO(data))
        grey_like = image.mode in ("1", "L", "LA")
        pixels = np.asarray(image.convert("L" if grey_like else "RGB"), np.uint8)
        return name, data, pixels.reshape(h, w, -1)

    yield both("png_rgb", saved(rgb, "PNG"))
    yield both("png_rgba", saved(rgba, "PNG"))
    yield both("png_grey", saved(grey, "PNG"))
    yield both("png_grey_alpha", saved(grey_alpha, "PNG"))
    yield both("png_1_bit", saved(grey.convert("1"), "PNG"))
    yield both("png_palette", saved(rgb.quantize(16), "PNG"))
    yield both("png_palette_transparent", saved(rgb.quantize(9), "PNG", transparency=b"\0\x80"))
    yield both("png_interlaced", png(8, 2, np.asarray(rgb), 1))
    deep = noise(4, w * h * 6).view(np.uint16).reshape(h, w, 3)
    scaled = np.floor(deep * 255.0 / 65535.0 + 0.5).astype(np.uint8)
    yield "png_rgb_16", png(16, 2, deep), scaled
    yield "png_grey_16_interlaced", png(16, 0, deep[..., :1], 1), scaled[..., :1]
    yield both("jpeg_rgb", saved(smooth, "JPEG", quality=90))
    yield both("jpeg_444_progressive", saved(rgb, "JPEG", quality=80, subsampling=0, progressive=True))
    yield both("jpeg_grey", saved(grey, "JPEG", quality=85))
    yield both("jpeg_cmyk", saved(smooth.convert("CMYK"), "JPEG", quality=90))
    yield both("webp_lossy", saved(smooth, "WEBP", quality=80))
    yield both("webp_lossless_alpha", saved(rgba, "WEBP", lossless=True, exact=True))
    yield "webp_animated", saved(rgb, "WEBP", save_all=True, append_images=[smooth], lossless=True), None


def array(values):
    text = ", ".join(str(v) for v in values)
    lines, line = [], "   "
    for word in text.split(" "):
        if len(line) + len(word) > 118:
            lines.append(line)
            line = "   "
        line += " " + word
    return "\n".join(lines + [line])


def main():
    data = sys.argv[1]
    print("/* SPDX-License-Identifier: Apache-2.0\n * Made by tools/golden/images_golden.py with Pillow "
          + Image.__version__ + ". */\n#pragma once\n#include <stddef.h>\n#include <stdint.h>\n\n/* clang-format off */")
    print("/* Noise of width x height, cropped and scaled: CRC-32 of Pillow's result. */\nstatic const struct {\n"
          "    int width, height, channels, side;\n    uint32_t crc;\n} golden_resize[] = {")
    for w, h, c, side in [(224, 224, 3, 64), (224, 224, 1, 64), (37, 53, 3, 16), (53, 37, 1, 17), (5, 9, 3, 31),
                          (1, 1, 3, 4), (3, 1000, 1, 2), (64, 64, 3, 64), (65, 64, 3, 64), (64, 66, 1, 63),
                          (1000, 3, 3, 1), (256, 300, 3, 255), (127, 127, 1, 128)]:
        pixels = noise(w * 1000 + h, w * h * c).reshape((h, w, c) if c == 3 else (h, w))
        out = fit(Image.fromarray(pixels), "RGB" if c == 3 else "L", side)
        print(f"    {{{w}, {h}, {c}, {side}, {zlib.crc32(out.tobytes())}u}},")
    print("};\n\n/* Whole collections: number, sum of pixels, CRC-32 of all of them in order. */\nstatic const struct {\n"
          "    const char *format, *path;\n    int side, channels;\n    int64_t count, sum;\n    uint32_t crc;\n"
          "} golden_sets[] = {")
    faces, flowers = "fairface-adult-224/fairface-adult-224.zip", "flowers/flowers-64x64-nvlabs.zip"
    photographs = "flowers/flowers_train_lmdb"
    for kind, path, reader, side, channels in [
            ("zip", faces, in_zip, 64, 3), ("zip", faces, in_zip, 28, 1), ("zip", flowers, in_zip, 0, 3),
            ("zip", flowers, in_zip, 28, 1), ("lmdb", photographs, in_lmdb, 128, 3),
            ("lmdb", photographs, in_lmdb, 300, 3), ("font", FONT, in_font, 128, 3), ("font", FONT, in_font, 64, 3)]:
        count = total = crc = 0
        for image in reader(path if path == FONT else f"{data}/{path}"):
            pixels = fit(image, "RGB" if channels == 3 else "L", side)
            count, total, crc = count + 1, total + int(pixels.sum()), zlib.crc32(pixels.tobytes(), crc)
        print(f'    {{"{kind}", "{path}", {side}, {channels}, {count}, {total}, {crc}u}},', flush=True)
    print("};\n\n/* Small pictures of every kind; channels 0: to be refused. */\n")
    table = []
    for name, encoded, pixels in small_pictures():
        print(f"static const uint8_t {name}[] = {{\n{array(encoded)}\n}};")
        h, w, c = pixels.shape if pixels is not None else (0, 0, 0)
        if c:
            print(f"static const uint8_t {name}_pixels[] = {{\n{array(pixels.ravel())}\n}};")
        table.append(f'    {{"{name}", {name}, sizeof {name}, {w}, {h}, {c}, {name + "_pixels" if c else "NULL"}}},')
    print("static const struct {\n    const char *name;\n    const uint8_t *bytes;\n    size_t count;\n"
          "    int width, height, channels;\n    const uint8_t *pixels;\n} golden_pictures[] = {")
    print("\n".join(table) + "\n};\n/* clang-format on */")


main()
