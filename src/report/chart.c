#include "report/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/chart_parts.h"

enum { LEGEND_MAX = 32, TICKS_WANTED = 5, LOG_TICKS_MAX = 16 };
static const char ink[] = "#1a1a1a", soft[] = "#5b6068", grid[] = "#e4e6ea", frame[] = "#9aa0a8";

void shn_svg_begin(shn_html *svg, double width, double height, const char *title)
{
    shn_html_printf(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
                         "font-family=\"Helvetica, Arial, IPAPGothic, IPAGothic, 'Noto Sans CJK JP', sans-serif\">\n<title>", width, height, width, height);
    shn_html_text(svg, title);
    shn_html_printf(svg, "</title>\n<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n", width, height);
}

void shn_svg_end(shn_html *svg, double width, double height)
{
    shn_chart_text(svg, width - 10, height - 8, 10, SHN_ANCHOR_END, soft, 0, 0, "Research use only. Not a medical device.  研究用であり、医療機器ではありません。");
    shn_html_raw(svg, "</svg>\n");
}

/* ---- where things lie ---- */

/** The plotting area in pixels and the ranges that it shows. */
typedef struct area { double x, y, width, height, x_low, x_high, y_low, y_high; int x_log; } area;

static double at_x(const area *a, double x)
{
    const double share = a->x_log ? (log(x) - log(a->x_low)) / (log(a->x_high) - log(a->x_low)) : (x - a->x_low) / (a->x_high - a->x_low);
    return a->x + a->width * fmax(-0.05, fmin(1.05, share));
}

static double at_y(const area *a, double y)
{
    return a->y + a->height * (1 - fmax(0, fmin(1, (y - a->y_low) / (a->y_high - a->y_low))));
}

static void stretch(double v, double *low, double *high)
{
    if (!isfinite(v)) return;
    *low = fmin(*low, v);
    *high = fmax(*high, v);
}

/** Ranges that were not given come from the data, with a little room; nothing to show gives 0 to 1. */
static void settle_ranges(const shn_chart *c, area *a)
{
    double xl = INFINITY, xh = -INFINITY, yl = INFINITY, yh = -INFINITY;
    for (size_t s = 0; s < c->n_series; s++)
        for (size_t i = 0; i < c->series[s].n; i++) {
            const shn_series *one = &c->series[s];
            if (isnan(one->y[i])) continue;
            stretch(one->x[i], &xl, &xh);
            stretch(one->y[i], &yl, &yh);
            if (one->low) stretch(one->low[i], &yl, &yh);
            if (one->high) stretch(one->high[i], &yl, &yh);
        }
    if (!(xh >= xl)) xl = yl = 0, xh = yh = 1;
    const double room = c->x_log ? 0 : (xh - xl) * 0.02, space = yh > yl ? (yh - yl) * 0.06 : fmax(fabs(yh) * 0.1, 0.1);
    a->x_log = c->x_log;
    a->x_low = isnan(c->x_low) ? (c->x_log ? xl / 1.15 : xl - room) : c->x_low;
    a->x_high = isnan(c->x_high) ? (c->x_log ? xh * 1.15 : xh + room) : c->x_high;
    a->y_low = isnan(c->y_low) ? yl - space : c->y_low;
    a->y_high = isnan(c->y_high) ? yh + space : c->y_high;
    if (!(a->x_high > a->x_low)) a->x_high = a->x_low + (c->x_log ? a->x_low : 1);
    if (!(a->y_high > a->y_low)) a->y_high = a->y_low + 1;
}

/* ---- axes ---- */

static void tick_x(shn_html *svg, const area *a, double v)
{
    char         text[32];
    const double x = at_x(a, v);
    snprintf(text, sizeof text, "%.6g", fabs(v) < 1e-12 ? 0 : v);
    shn_html_printf(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>", x, a->y, x, a->y + a->height, grid);
    shn_chart_text(svg, x, a->y + a->height + 16, SHN_CHART_SMALL_PX, SHN_ANCHOR_MIDDLE, soft, 0, 0, text);
}

static void tick_y(shn_html *svg, const area *a, double v)
{
    char         text[32];
    const double y = at_y(a, v);
    snprintf(text, sizeof text, "%.6g", fabs(v) < 1e-12 ? 0 : v);
    shn_html_printf(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>", a->x, y, a->x + a->width, y, grid);
    shn_chart_text(svg, a->x - 6, y + 4, SHN_CHART_SMALL_PX, SHN_ANCHOR_END, soft, 0, 0, text);
}

static void draw_axes(shn_html *svg, const shn_chart *c, const area *a)
{
    const double sx = shn_chart_step(a->x_high - a->x_low, TICKS_WANTED), sy = shn_chart_step(a->y_high - a->y_low, TICKS_WANTED);
    if (a->x_log) {
        for (size_t i = 0; c->n_series && i < c->series[0].n && i < LOG_TICKS_MAX; i++) tick_x(svg, a, c->series[0].x[i]);
    } else
        for (double v = ceil(a->x_low / sx - 1e-9) * sx; v <= a->x_high + 1e-9 * sx; v += sx) tick_x(svg, a, v);
    for (double v = ceil(a->y_low / sy - 1e-9) * sy; v <= a->y_high + 1e-9 * sy; v += sy) tick_y(svg, a, v);
    shn_html_printf(svg, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"none\" stroke=\"%s\"/>\n", a->x, a->y, a->width, a->height, frame);
    shn_chart_text(svg, a->x + a->width / 2, a->y + a->height + 34, SHN_CHART_TEXT_PX, SHN_ANCHOR_MIDDLE, ink, 0, 0, c->x_label);
    shn_chart_text(svg, a->x - 40, a->y + a->height / 2, SHN_CHART_TEXT_PX, SHN_ANCHOR_MIDDLE, ink, 0, 1, c->y_label);
    if (c->diagonal)
        shn_html_printf(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-dasharray=\"4 4\"/>\n", a->x, a->y + a->height, a->x + a->width, a->y, frame);
}

/* ---- series ---- */

static void draw_band(shn_html *svg, const area *a, const shn_series *s)
{
    size_t first = 0;
    while (first < s->n) {
        size_t n = 0;
        while (first + n < s->n && isfinite(s->low[first + n]) && isfinite(s->high[first + n])) n++;
        if (n > 1) {
            shn_html_raw(svg, "<path d=\"");
            for (size_t i = 0; i < n; i++) shn_html_printf(svg, "%c%.1f %.1f", i ? 'L' : 'M', at_x(a, s->x[first + i]), at_y(a, s->high[first + i]));
            for (size_t i = n; i-- > 0;) shn_html_printf(svg, "L%.1f %.1f", at_x(a, s->x[first + i]), at_y(a, s->low[first + i]));
            shn_html_printf(svg, "Z\" fill=\"%s\" fill-opacity=\"0.13\" stroke=\"none\"/>\n", shn_chart_colour(s->colour));
        }
        first += n + 1;
    }
}

static void draw_line(shn_html *svg, const area *a, const shn_series *s)
{
    int    drawing = 0, any = 0;
    double before = 0;
    shn_html_raw(svg, "<path d=\"");
    for (size_t i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i])) {
            drawing = 0;
            continue;
        }
        const double x = at_x(a, s->x[i]), y = at_y(a, s->y[i]);
        if (drawing && s->mark == SHN_MARK_STEP) shn_html_printf(svg, "L%.1f %.1f", x, before);
        shn_html_printf(svg, "%c%.1f %.1f", drawing ? 'L' : 'M', x, y);
        before = y;
        drawing = any = 1;
    }
    if (!any) shn_html_raw(svg, "M0 0");
    shn_html_printf(svg, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" stroke-linejoin=\"round\"%s/>\n", shn_chart_colour(s->colour), s->mark == SHN_MARK_POINTS ? "1.2" : "2",
                    s->dashed ? " stroke-dasharray=\"5 4\"" : "");
}

static void draw_points(shn_html *svg, const area *a, const shn_series *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i])) continue;
        const double x = at_x(a, s->x[i]);
        if (s->low && s->high && isfinite(s->low[i]) && isfinite(s->high[i]))
            shn_html_printf(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"1.4\"/>", x, at_y(a, s->low[i]), x, at_y(a, s->high[i]),
                            shn_chart_colour(s->colour));
        shn_html_printf(svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.4\" fill=\"%s\"/>\n", x, at_y(a, s->y[i]), shn_chart_colour(s->colour));
    }
}

static double draw_legend(shn_html *svg, const shn_chart *c, double x, double y, double right)
{
    const char *names[LEGEND_MAX];
    int         colours[LEGEND_MAX], dashed[LEGEND_MAX];
    size_t      n = 0;
    for (size_t s = 0; s < c->n_series && n < LEGEND_MAX; s++) {
        names[n] = c->series[s].name;
        colours[n] = c->series[s].colour;
        dashed[n++] = c->series[s].dashed;
    }
    return shn_chart_legend(svg, names, colours, dashed, n, x, y, right);
}

void shn_chart_draw(shn_html *svg, const shn_chart *c, double x, double y, double width, double height)
{
    area   a = { .x = x + 62, .width = width - 78 };
    double top = y + 24;
    settle_ranges(c, &a);
    shn_chart_text(svg, x + 12, y + 18, SHN_CHART_TITLE_PX, SHN_ANCHOR_START, ink, 1, 0, c->title);
    if (c->note) {
        shn_chart_text(svg, x + 12, top + 11, SHN_CHART_SMALL_PX, SHN_ANCHOR_START, soft, 0, 0, c->note);
        top += 17;
    }
    top += draw_legend(svg, c, x + 12, top, x + width - 8);
    a.y = top + 6;
    a.height = fmax(40, y + height - 44 - a.y);
    draw_axes(svg, c, &a);
    for (size_t s = 0; s < c->n_series; s++)
        if (c->series[s].low && c->series[s].high && c->series[s].mark != SHN_MARK_POINTS) draw_band(svg, &a, &c->series[s]);
    for (size_t s = 0; s < c->n_series; s++) {
        draw_line(svg, &a, &c->series[s]);
        if (c->series[s].mark == SHN_MARK_POINTS) draw_points(svg, &a, &c->series[s]);
    }
}
