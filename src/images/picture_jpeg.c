/* SPDX-License-Identifier: Apache-2.0
 * JPEG through libjpeg(-turbo): grey stays grey, YCbCr and RGB become RGB, CMYK and YCCK (written
 * inverted, as Adobe does) become RGB the simple way, R = K C / 255, as in Pillow. What libjpeg would
 * paint over (data that end early or make no sense) is a fault here. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "base/mem.h"
#include "images/readers.h"

enum {
    MAX_SCANS = 500
}; /* a progressive picture has some ten; thousands are an attack on our time */

struct decoder {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    char *fault;
    uint8_t *row; /* CMYK, owned */
};

static void give_up(j_common_ptr c)
{
    struct decoder *d = c->client_data;
    char text[JMSG_LENGTH_MAX];
    c->err->format_message(c, text);
    picture_fault(d->fault, "damaged JPEG: %s", text);
    longjmp(d->failed, 1);
}

static void warn(j_common_ptr c, int level)
{
    int code = c->err->msg_code;
    if (level < 0 &&
        (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE))
        give_up(c);
}

static void count_scans(j_common_ptr c)
{
    struct decoder *d = c->client_data;
    if (d->c.input_scan_number > MAX_SCANS) {
        picture_fault(d->fault, "JPEG of more than %d scans", MAX_SCANS);
        longjmp(d->failed, 1);
    }
}

/* Adobe's inverted CMYK to RGB with Pillow's rounding. */
static void convert_cmyk(const uint8_t *cmyk, int inverted, int width, uint8_t *rgb)
{
    for (int x = 0; x < width; x++, cmyk += 4, rgb += 3) {
        int white = inverted ? cmyk[3] : 255 - cmyk[3];
        for (int i = 0; i < 3; i++) {
            int ink = inverted ? 255 - cmyk[i] : cmyk[i], t = ink * white + 128;
            int v = white - (((t >> 8) + t) >> 8);
            rgb[i] = (uint8_t)(v < 0 ? 0 : v);
        }
    }
}

static int decode(struct decoder *d, const uint8_t *bytes, size_t count, struct picture *out)
{
    struct jpeg_decompress_struct *c = &d->c;
    jpeg_mem_src(c, bytes, (unsigned long)count);
    jpeg_read_header(c, TRUE);
    int grey = c->jpeg_color_space == JCS_GRAYSCALE;
    int cmyk = c->jpeg_color_space == JCS_CMYK || c->jpeg_color_space == JCS_YCCK;
    c->out_color_space = grey ? JCS_GRAYSCALE : cmyk ? JCS_CMYK : JCS_RGB;
    if (picture_reserve(out, c->image_width, c->image_height, grey ? 1 : 3, d->fault))
        return IMAGE_DAMAGED;
    if (cmyk)
        d->row = mem_alloc((size_t)out->width * 4);
    jpeg_start_decompress(c);
    while (c->output_scanline < c->output_height) {
        uint8_t *to =
            out->pixels + (size_t)c->output_scanline * (size_t)out->width * (size_t)out->channels;
        JSAMPROW row = cmyk ? d->row : to;
        jpeg_read_scanlines(c, &row, 1);
        if (cmyk)
            convert_cmyk(d->row, c->saw_Adobe_marker, out->width, to);
    }
    jpeg_finish_decompress(c);
    return 0;
}

int picture_decode_jpeg(const uint8_t *bytes, size_t count, struct picture *out,
                        char fault[IMAGE_FAULT])
{
    struct decoder d;
    memset(&d, 0, sizeof d);
    d.fault = fault;
    d.c.err = jpeg_std_error(&d.errors);
    d.c.client_data = &d;
    d.errors.error_exit = give_up;
    d.errors.emit_message = warn;
    int failed = IMAGE_DAMAGED;
    if (!setjmp(d.failed)) {
        jpeg_create_decompress(&d.c);
        d.progress.progress_monitor = count_scans;
        d.c.progress = &d.progress;
        failed = decode(&d, bytes, count, out);
    } else {
        failed = IMAGE_DAMAGED;
    }
    jpeg_destroy_decompress(&d.c);
    mem_free(d.row);
    return failed;
}
