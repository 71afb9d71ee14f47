/* SPDX-License-Identifier: Apache-2.0
 * page: see page.h. The style sheet is here, so that a page needs no other file. */
#include "tasks/page.h"

#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static const char *const style[] = {
    ":root{color-scheme:light "
    "dark;--bg:#fff;--fg:#1b1f24;--soft:#5c6670;--line:#d9dee3;--card:#f6f8fa;",
    "--c0:#1f6fb4;--c1:#d1495b;--c2:#2e8b57;--c3:#b8860b;--c4:#7b5ea7;--c5:#5c6670}",
    "@media(prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e6e9ec;--soft:#9aa5b0;--line:#"
    "343b43;",
    "--card:#1c2127;--c0:#6cb2ee;--c1:#f0808f;--c2:#6fcf97;--c3:#e0b84c;--c4:#b79ce6;--c5:#9aa5b0}"
    "}",
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);",
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}",
    "main{max-width:54rem;margin:0 auto;padding:1rem 1rem 4rem}",
    "h1{font-size:1.7rem;margin:.6rem 0 0}h2{font-size:1.2rem;margin:2.4rem 0 "
    ".2rem;padding-top:.8rem;",
    "border-top:1px solid var(--line)}p{margin:.5rem 0}.what,figcaption,.sub{color:var(--soft)}",
    "figcaption{font-size:.9rem;margin-top:.3rem}figure{margin:1rem 0}",
    "img{display:block;width:100%;height:auto;border-radius:4px}",
    "@media(min-width:40rem){img{image-rendering:pixelated}}",
    "svg{display:block;width:100%;max-width:36rem;height:auto}svg "
    "text{fill:var(--soft);font-size:14px}",
    ".grid{stroke:var(--line);stroke-width:1}.curve{fill:none;stroke-width:2;stroke-linejoin:"
    "round}",
    ".k{display:inline-block;margin-right:1rem;white-space:nowrap}.k "
    "i{display:inline-block;width:1.4em;",
    "height:0;border-top:3px solid;vertical-align:middle;margin-right:.4em}.k "
    "i.d{border-top-style:dashed}",
    ".wide{overflow-x:auto;margin:1rem "
    "0}table{border-collapse:collapse;font-size:.93rem;font-variant-numeric:"
    "tabular-nums}",
    "th,td{padding:.3rem .7rem;text-align:right;border-bottom:1px solid "
    "var(--line);white-space:nowrap}",
    "th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:600}",
    ".kv td{text-align:left;white-space:normal;overflow-wrap:anywhere}.kv "
    "td:first-child{color:var(--soft)}",
    "@media(max-width:30rem){table{font-size:.82rem}th,td{padding:.3rem "
    ".25rem}th{font-size:.74rem;white-space:normal}}",
    "tr.s td{font-weight:600}details{margin:1rem 0}summary{cursor:pointer}",
    "pre{background:var(--card);border:1px solid "
    "var(--line);border-radius:6px;padding:.8rem;overflow-x:auto;",
    "font-size:.82rem;line-height:1.4}",
};

void page_escape(FILE *file, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&')
            fputs("&amp;", file);
        else if (c == '<')
            fputs("&lt;", file);
        else if (c == '>')
            fputs("&gt;", file);
        else if (c == '"')
            fputs("&quot;", file);
        else if (c >= 32 || c == '\n' || c == '\t')
            fputc(c, file);
    }
}

static void element(FILE *file, const char *tag, const char *attributes, const char *text)
{
    fprintf(file, "<%s%s>", tag, attributes);
    page_escape(file, text);
    fprintf(file, "</%s>\n", tag);
}

void page_begin(struct page *p, FILE *file, const char *title, const char *subtitle)
{
    *p = (struct page){.file = file};
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
          file);
    element(file, "title", "", title);
    fputs("<style>\n", file);
    for (size_t i = 0; i < sizeof style / sizeof *style; i++)
        fprintf(file, "%s\n", style[i]);
    fputs("</style>\n</head>\n<body>\n<main>\n", file);
    element(file, "h1", "", title);
    element(file, "p", " class=\"sub\"", subtitle);
}

void page_end(struct page *p)
{
    fprintf(p->file, "%s</main>\n</body>\n</html>\n", p->open ? "</section>\n" : "");
    p->open = 0;
}

void page_section(struct page *p, const char *title, const char *what)
{
    fprintf(p->file, "%s<section>\n", p->open ? "</section>\n" : "");
    p->open = 1;
    element(p->file, "h2", "", title);
    element(p->file, "p", " class=\"what\"", what);
}

void page_text(struct page *p, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    element(p->file, "p", "", text);
}

static void base64(FILE *file, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i;
        unsigned word = (unsigned)bytes[i] << 16;
        word |= left > 1 ? (unsigned)bytes[i + 1] << 8 : 0;
        word |= left > 2 ? bytes[i + 2] : 0;
        char four[4] = {digits[word >> 18], digits[word >> 12 & 63], digits[word >> 6 & 63],
                        digits[word & 63]};
        if (left < 3)
            four[3] = '=';
        if (left < 2)
            four[2] = '=';
        fwrite(four, 1, 4, file);
    }
}

void page_png(struct page *p, const uint8_t *png, size_t bytes, const char *caption)
{
    fputs("<figure><img alt=\"", p->file);
    page_escape(p->file, caption);
    fputs("\" src=\"data:image/png;base64,", p->file);
    base64(p->file, png, bytes);
    fputs("\">\n", p->file);
    element(p->file, "figcaption", "", caption);
    fputs("</figure>\n", p->file);
}

void page_png_file(struct page *p, const char *path, const char *caption)
{
    char *bytes = NULL;
    size_t count = 0;
    if (text_exists(path) && !text_read(path, &bytes, &count))
        page_png(p, (const uint8_t *)bytes, count, caption);
    mem_free(bytes);
}

void page_table_begin(struct page *p, int columns, const char *const *heads)
{
    if (!heads) {
        fputs("<div class=\"wide\"><table class=\"kv\">\n<tbody>\n", p->file);
        return;
    }
    fputs("<div class=\"wide\"><table>\n<thead><tr>", p->file);
    for (int i = 0; i < columns; i++)
        element(p->file, "th", "", heads[i]);
    fputs("</tr></thead>\n<tbody>\n", p->file);
}

void page_row(struct page *p, int columns, const char *const *cells, int strong)
{
    fputs(strong ? "<tr class=\"s\">" : "<tr>", p->file);
    for (int i = 0; i < columns; i++)
        element(p->file, "td", "", cells[i]);
    fputs("</tr>\n", p->file);
}

void page_table_end(struct page *p)
{
    fputs("</tbody></table></div>\n", p->file);
}

void page_fold(struct page *p, const char *summary, const char *text)
{
    fputs("<details>", p->file);
    element(p->file, "summary", "", summary);
    element(p->file, "pre", "", text);
    fputs("</details>\n", p->file);
}
