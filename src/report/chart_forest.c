/** Values with intervals, one row each: names at the left in both languages, the axis above and below. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/chart.h"
#include "report/chart_parts.h"

enum { SERIES_MAX = 16 };
static const double names_px = 400, note_px = 70, head_px = 66, row_gap_px = 8, series_px = 9, least_px = 24;
static const char ink[] = "#1a1a1a", soft[] = "#5b6068", faint[] = "#9aa0a8", grid[] = "#e4e6ea";

static double row_height(const shn_forest *f) { return fmax(least_px, row_gap_px + series_px * (double)f->n_series); }

static double legend(shn_html *svg, const shn_forest *f, double x, double y, double right)
{
    int colours[SERIES_MAX];
    for (size_t s = 0; s < f->n_series && s < SERIES_MAX; s++) colours[s] = (int)s;
    return shn_chart_legend(svg, f->names, colours, NULL, f->n_series < SERIES_MAX ? f->n_series : SERIES_MAX, x, y, right);
}

double shn_forest_height(const shn_forest *f) { return head_px + legend(NULL, f, 12, 0, 700) + row_height(f) * (double)f->n_rows + 44; }

static double at(const shn_forest *f, double left, double width, double v)
{
    return left + width * fmax(0, fmin(1, (v - f->x_low) / (f->x_high - f->x_low)));
}

static void draw_axis(shn_html *svg, const shn_forest *f, double left, double top, double width, double bottom)
{
    const double step = shn_chart_step(f->x_high - f->x_low, 6);
    for (double v = ceil(f->x_low / step - 1e-9) * step; v <= f->x_high + 1e-9 * step; v += step) {
        const double x = at(f, left, width, v);
        char         text[32];
        snprintf(text, sizeof text, "%.3g", fabs(v) < 1e-12 ? 0 : v);
        shn_html_printf(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>", x, top, x, bottom, grid);
        shn_chart_text(svg, x, top - 5, SHN_CHART_SMALL_PX, SHN_ANCHOR_MIDDLE, soft, 0, 0, text);
        shn_chart_text(svg, x, bottom + 15, SHN_CHART_SMALL_PX, SHN_ANCHOR_MIDDLE, soft, 0, 0, text);
    }
    if (f->mark > f->x_low && f->mark < f->x_high)
        shn_html_printf(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-dasharray=\"4 4\"/>\n", at(f, left, width, f->mark), top,
                        at(f, left, width, f->mark), bottom, faint);
    shn_chart_text(svg, left + width / 2, bottom + 33, SHN_CHART_TEXT_PX, SHN_ANCHOR_MIDDLE, ink, 0, 0, f->x_label);
}

static void draw_row(shn_html *svg, const shn_forest *f, size_t r, double x, double y, double left, double width)
{
    const shn_forest_row *row = &f->rows[r];
    const double          high = row_height(f), middle = y + high / 2, first = middle - series_px * ((double)f->n_series - 1) / 2;
    char name[256];
    if (r % 2) shn_html_printf(svg, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#f6f7f9\"/>", x, y, left - x, high);
    snprintf(name, sizeof name, "%.44s%s", row->name_en, strlen(row->name_en) > 44 ? "…" : "");
    shn_chart_text(svg, x + 12, middle + 4, SHN_CHART_TEXT_PX, SHN_ANCHOR_START, row->grey ? faint : ink, 0, 0, name);
    if (row->name_ja && *row->name_ja && shn_chart_text_width(name, SHN_CHART_TEXT_PX) + shn_chart_text_width(row->name_ja, SHN_CHART_SMALL_PX) < names_px - 24)
        shn_chart_text(svg, x + names_px - 6, middle + 4, SHN_CHART_SMALL_PX, SHN_ANCHOR_END, faint, 0, 0, row->name_ja);
    shn_chart_text(svg, left - 10, middle + 4, SHN_CHART_SMALL_PX, SHN_ANCHOR_END, soft, 0, 0, row->note);
    for (size_t s = 0; s < f->n_series; s++) {
        const size_t i = s * f->n_rows + r;
        const double at_y = first + series_px * (double)s;
        if (!isfinite(f->value[i])) continue;
        if (isfinite(f->low[i]) && isfinite(f->high[i]))
            shn_html_printf(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"1.6\"%s/>", at(f, left, width, f->low[i]), at_y,
                            at(f, left, width, f->high[i]), at_y, shn_chart_colour((int)s), row->grey ? " stroke-opacity=\"0.45\"" : "");
        shn_html_printf(svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\" fill=\"%s\"%s/>\n", at(f, left, width, f->value[i]), at_y, shn_chart_colour((int)s),
                        row->grey ? " fill-opacity=\"0.45\"" : "");
    }
}

void shn_forest_draw(shn_html *svg, const shn_forest *f, double x, double y, double width)
{
    const double left = x + names_px + note_px, wide = width - names_px - note_px - 24;
    shn_chart_text(svg, x + 12, y + 18, SHN_CHART_TITLE_PX, SHN_ANCHOR_START, ink, 1, 0, f->title);
    if (f->note) shn_chart_text(svg, x + 12, y + 35, SHN_CHART_SMALL_PX, SHN_ANCHOR_START, soft, 0, 0, f->note);
    const double top = y + head_px + legend(svg, f, x + 12, y + 40, x + 700), bottom = top + row_height(f) * (double)f->n_rows;
    for (size_t r = 0; r < f->n_rows; r++)
        if (r % 2) shn_html_printf(svg, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#f6f7f9\"/>", left, top + row_height(f) * (double)r, wide, row_height(f));
    draw_axis(svg, f, left, top, wide, bottom);
    for (size_t r = 0; r < f->n_rows; r++) draw_row(svg, f, r, x, top + row_height(f) * (double)r, left, wide);
}
