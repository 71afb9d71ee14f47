/* SPDX-License-Identifier: Apache-2.0
 * page_plot: curves as inline SVG, coloured by the page's style sheet. Letters stay readable when a phone shrinks it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tasks/page.h"

enum { WIDTH = 480, HEIGHT = 300, LEFT = 72, RIGHT = 14, TOP = 14, BOTTOM = 48, MOST_TICKS = 16 };

/* One axis: data from low to high (their logarithms if log) to from..to on the picture. */
struct axis {
    int log;
    double low, high, from, to;
};

static int usable(const struct axis *a, double x)
{
    return isfinite(x) && (!a->log || x > 0);
}

static double at(const struct axis *a, double x)
{
    double t = a->log ? log10(x) : x;
    return a->from + (t - a->low) / (a->high - a->low) * (a->to - a->from);
}

static void include(struct axis *a, double x)
{
    double t = a->log ? log10(x) : x;
    a->low = fmin(a->low, t);
    a->high = fmax(a->high, t);
}

/* Positions in data units; returns how many. */
static int ticks(const struct axis *a, double *out)
{
    static const double few[] = {1, 2, 5}, all[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    int n = 0;
    if (a->log) {
        double span = a->high - a->low, every = fmax(1, ceil(span / 6));
        int count = span < 0.7 ? 9 : span < 2.2 ? 3 : 1;
        const double *parts = count == 9 ? all : few;
        for (double d = floor(a->low); d <= a->high + 1e-9; d += every)
            for (int i = 0; i < count && n < MOST_TICKS; i++) {
                double t = d + log10(parts[i]);
                if (t >= a->low - 1e-9 && t <= a->high + 1e-9)
                    out[n++] = pow(10, d) * parts[i];
            }
        return n;
    }
    double rough = (a->high - a->low) / 5, unit = pow(10, floor(log10(rough)));
    double step = rough <= unit       ? unit
                  : rough <= 2 * unit ? 2 * unit
                  : rough <= 5 * unit ? 5 * unit
                                      : 10 * unit;
    for (double t = ceil(a->low / step - 1e-9) * step; t <= a->high + 1e-9 * step && n < MOST_TICKS;
         t += step)
        out[n++] = fabs(t) < 1e-9 * step ? 0 : t;
    return n;
}

static void label(FILE *file, double x, double y, const char *anchor, const struct axis *a,
                  double value)
{
    int exponent = (int)lround(log10(fabs(value) > 0 ? fabs(value) : 1));
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    if (a->log && (exponent < -2 || exponent > 4) && fabs(value / pow(10, exponent) - 1) < 1e-6)
        fprintf(file, "10<tspan dy=\"-5\" style=\"font-size:11px\">%d</tspan>", exponent);
    else
        fprintf(file, "%g", value);
    fputs("</text>\n", file);
}

static void draw_axes(FILE *file, const struct axis *x, const struct axis *y,
                      const struct plot *plot)
{
    double tick[MOST_TICKS];
    int n = ticks(x, tick);
    for (int i = 0; i < n; i++) {
        double px = at(x, tick[i]);
        fprintf(file, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>", px, TOP, HEIGHT - BOTTOM);
        label(file, px, HEIGHT - BOTTOM + 18, "middle", x, tick[i]);
    }
    n = ticks(y, tick);
    for (int i = 0; i < n; i++) {
        double py = at(y, tick[i]);
        fprintf(file, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, py, WIDTH - RIGHT);
        label(file, LEFT - 6, py + 5, "end", y, tick[i]);
    }
    fprintf(file, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + WIDTH - RIGHT) / 2,
            HEIGHT - 8);
    page_escape(file, plot->x_label);
    fprintf(file,
            "</text>\n<text transform=\"translate(14 %d) rotate(-90)\" text-anchor=\"middle\">",
            (TOP + HEIGHT - BOTTOM) / 2);
    page_escape(file, plot->y_label);
    fputs("</text>\n", file);
}

static void draw_curve(FILE *file, const struct axis *x, const struct axis *y,
                       const struct curve *c, int colour)
{
    int pen = 0;
    fprintf(file, "<path class=\"curve\" style=\"stroke:var(--c%d)%s\" d=\"", colour,
            c->dashed ? ";stroke-dasharray:6 4" : "");
    for (int i = 0; i < c->n; i++) {
        int good = usable(x, c->x[i]) && usable(y, c->y[i]);
        if (good)
            fprintf(file, "%c%.1f %.1f", pen ? 'L' : 'M', at(x, c->x[i]), at(y, c->y[i]));
        pen = good;
    }
    fputs("\"/>\n", file);
}

static void draw_legend(FILE *file, const struct plot *plot)
{
    fputs("<div>", file);
    for (int c = 0; c < plot->count; c++) {
        fprintf(file, "<span class=\"k\"><i%s style=\"border-color:var(--c%d)\"></i>",
                plot->curves[c].dashed ? " class=\"d\"" : "", c);
        page_escape(file, plot->curves[c].name);
        fputs("</span>\n", file);
    }
    fputs("</div>\n", file);
}

void page_plot(struct page *p, const struct plot *plot, const char *caption)
{
    struct axis x = {plot->log_x, INFINITY, -INFINITY, LEFT, WIDTH - RIGHT};
    struct axis y = {plot->log_y, INFINITY, -INFINITY, HEIGHT - BOTTOM, TOP};
    for (int c = 0; c < plot->count; c++)
        for (int i = 0; i < plot->curves[c].n; i++)
            if (usable(&x, plot->curves[c].x[i]) && usable(&y, plot->curves[c].y[i])) {
                include(&x, plot->curves[c].x[i]);
                include(&y, plot->curves[c].y[i]);
            }
    if (!(x.high >= x.low))
        return;
    for (int i = 0; i < 2; i++) { /* one value alone, and a little air above and below */
        struct axis *a = i ? &y : &x;
        double air = a->high > a->low ? i * 0.04 * (a->high - a->low) : 0.5;
        a->low -= air;
        a->high += air;
    }
    fprintf(p->file, "<figure>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH,
            HEIGHT);
    page_escape(p->file, caption);
    fputs("\">\n", p->file);
    draw_axes(p->file, &x, &y, plot);
    for (int c = 0; c < plot->count; c++)
        draw_curve(p->file, &x, &y, &plot->curves[c], c);
    fputs("</svg>\n", p->file);
    draw_legend(p->file, plot);
    fputs("<figcaption>", p->file);
    page_escape(p->file, caption);
    fputs("</figcaption>\n</figure>\n", p->file);
}
