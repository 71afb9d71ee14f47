/* SPDX-License-Identifier: Apache-2.0
 * The pictures of a colour font that holds bitmaps (CBDT, such as Noto Color Emoji: 136x128), through
 * FreeType, in the order of glyph numbers: each laid on white and centred on a square as high as the
 * bitmaps. FreeType's bitmaps are BGRA multiplied by alpha, so white below is added as 255 - A. */
#include <stdio.h>
#include <string.h>

#include <ft2build.h>
#include FT_FREETYPE_H

#include "base/log.h"
#include "base/mem.h"
#include "images/readers.h"

struct font_state {
    struct face {
        FT_Library library;
        FT_Face face;
    } * faces;        /* [threads], owned: a face is for one thread */
    unsigned *glyphs; /* [count] with a picture, owned */
    int side;
};

static int open_face(const char *path, struct face *f)
{
    if (FT_Init_FreeType(&f->library)) {
        log_error("%s: FreeType cannot be started", path);
        return 1;
    }
    FT_Error code = FT_New_Face(f->library, path, 0, &f->face);
    if (code) {
        f->face = NULL;
        log_error("%s: not a font that FreeType opens (its error %d)", path, code);
        return 1;
    }
    if (!FT_HAS_COLOR(f->face) || f->face->num_fixed_sizes < 1 || FT_Select_Size(f->face, 0)) {
        log_error("%s: a font without coloured bitmaps", path);
        return 1;
    }
    return 0;
}

/* Which glyphs have bitmaps: their measures are read, not the bitmaps. */
static int list_glyphs(struct image_source *s)
{
    struct font_state *f = s->state;
    FT_Face face = f->faces[0].face;
    f->glyphs = mem_alloc((size_t)face->num_glyphs * sizeof *f->glyphs);
    for (FT_Long i = 0; i < face->num_glyphs; i++) {
        if (FT_Load_Glyph(face, (FT_UInt)i, FT_LOAD_COLOR | FT_LOAD_BITMAP_METRICS_ONLY) ||
            face->glyph->format != FT_GLYPH_FORMAT_BITMAP || face->glyph->bitmap.rows == 0)
            continue;
        f->glyphs[s->count++] = (unsigned)i;
        if (f->side < (int)face->glyph->bitmap.rows)
            f->side = (int)face->glyph->bitmap.rows;
    }
    if (s->count == 0) {
        log_error("%s: a font without coloured bitmaps", s->path);
        return 1;
    }
    return 0;
}

static void draw(const FT_Bitmap *b, int side, uint8_t *pixels)
{
    int left = ((int)b->width - side) / 2, top = ((int)b->rows - side) / 2;
    memset(pixels, 255, (size_t)side * (size_t)side * 3);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            int from_x = x + left, from_y = y + top;
            if (from_x < 0 || from_x >= (int)b->width || from_y < 0 || from_y >= (int)b->rows)
                continue;
            const uint8_t *bgra = b->buffer + (ptrdiff_t)from_y * b->pitch + 4 * from_x;
            uint8_t *rgb = pixels + 3 * ((size_t)y * (size_t)side + (size_t)x);
            for (int c = 0; c < 3; c++) {
                int v = bgra[2 - c] + 255 - bgra[3];
                rgb[c] = (uint8_t)(v > 255 ? 255 : v);
            }
        }
}

static int font_load(struct image_source *s, int thread, int64_t index, struct picture *out,
                     char fault[IMAGE_FAULT])
{
    struct font_state *f = s->state;
    FT_Face face = f->faces[thread].face;
    FT_Error code = FT_Load_Glyph(face, f->glyphs[index], FT_LOAD_COLOR);
    if (code)
        return picture_fault(fault, "damaged bitmap (FreeType's error %d)", code);
    const FT_Bitmap *b = &face->glyph->bitmap;
    if (face->glyph->format != FT_GLYPH_FORMAT_BITMAP || b->pixel_mode != FT_PIXEL_MODE_BGRA)
        return picture_fault(fault, "not a coloured bitmap");
    if (picture_reserve(out, f->side, f->side, 3, fault))
        return IMAGE_DAMAGED;
    draw(b, f->side, out->pixels);
    return 0;
}

static void font_name(struct image_source *s, int64_t index, char out[IMAGE_FAULT])
{
    const struct font_state *f = s->state;
    snprintf(out, IMAGE_FAULT, "glyph %u", f->glyphs[index]);
}

static void font_close(struct image_source *s)
{
    struct font_state *f = s->state;
    for (int t = 0; t < s->threads; t++) {
        if (f->faces[t].face)
            FT_Done_Face(f->faces[t].face);
        if (f->faces[t].library)
            FT_Done_FreeType(f->faces[t].library);
    }
    mem_free(f->faces);
    mem_free(f->glyphs);
    mem_free(f);
}

int font_open(struct image_source *s)
{
    static const struct image_source_ops ops = {font_load, font_name, font_close};
    struct font_state *f = mem_zalloc(sizeof *f);
    f->faces = mem_zalloc((size_t)s->threads * sizeof *f->faces);
    s->ops = &ops; /* from here on image_source_close tidies up */
    s->state = f;
    if (collection_path(s->path, 0))
        return 1;
    for (int t = 0; t < s->threads; t++)
        if (open_face(s->path, &f->faces[t]))
            return 1;
    return list_glyphs(s);
}
