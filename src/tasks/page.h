/* SPDX-License-Identifier: Apache-2.0
 * page: one self-contained HTML page: no scripts, nothing fetched, pictures inside as base64, plots as inline SVG,
 * light and dark, narrow and wide. All text is escaped here and nowhere else. Write errors stay on the file. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct page {
    FILE *file;
    int open; /* a section is open */
};
void page_begin(struct page *p, FILE *file, const char *title, const char *subtitle);
void page_end(struct page *p);

/* Ends the section before, if any. what: one sentence that says what it shows. */
void page_section(struct page *p, const char *title, const char *what);
void page_text(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3))); /* a paragraph */

/* Never wider than the page; small ones are enlarged with square pixels. */
void page_png(struct page *p, const uint8_t *png, size_t bytes, const char *caption);
/* A PNG file; nothing if it is not there. */
void page_png_file(struct page *p, const char *path, const char *caption);

/* heads NULL: pairs of a name and what it is. */
void page_table_begin(struct page *p, int columns, const char *const *heads);
void page_row(struct page *p, int columns, const char *const *cells, int strong);
void page_table_end(struct page *p);

/* Long text, folded away. */
void page_fold(struct page *p, const char *summary, const char *text);

enum { PLOT_CURVES = 6 };
struct plot {
    const char *x_label, *y_label;
    int log_x, log_y; /* values not above 0 are left out */
    int count;
    struct curve {
        const char *name;
        const double *x, *y; /* [n], borrowed; not finite: left out */
        int n, dashed;
    } curves[PLOT_CURVES];
};
void page_plot(struct page *p, const struct plot *plot, const char *caption);

/* Escaped for text and attributes. */
void page_escape(FILE *file, const char *text);
