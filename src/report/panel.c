#include "report/panel.h"

#include <math.h>
#include <stdio.h>

#define ENTRY_MM 12.5       /* height of one finding */
#define HEAD_MM  15.0       /* title and legend */
#define BAR_MM   58.0
#define BAR_HIGH 2.6

static const shn_colour ink = { 0.10, 0.11, 0.13 }, grey = { 0.42, 0.44, 0.48 }, pale = { 0.90, 0.91, 0.93 },
                        yes = { 0.07, 0.36, 0.62 }, no = { 0.66, 0.70, 0.75 }, tick = { 0.80, 0.25, 0.10 };

static void fill(cairo_t *cr, shn_colour c, double x, double y, double w, double h)
{
    cairo_set_source_rgb(cr, c.r, c.g, c.b);
    cairo_rectangle(cr, x, y, w, h);
    cairo_fill(cr);
}

static void draw_tick(cairo_t *cr, double x, double y)
{
    fill(cr, tick, x - 0.25, y - 0.6, 0.5, BAR_HIGH + 1.2);
}

static void draw_head(shn_page *page, shn_text *text, double x, double y)
{
    const shn_text_style title = { .size_mm = 4.2, .bold = 1, .colour = ink };
    const shn_text_style small = { .size_mm = 2.5, .colour = grey };
    shn_text_draw(text, x, y + 3.6, &title, "所見  Findings");
    double at = x;
    fill(page->cr, yes, at, y + 6.6, 4, 2);
    at += 5 + shn_text_draw(text, at + 5, y + 8.5, &small, "陽性 positive") + 4;
    fill(page->cr, no, at, y + 6.6, 4, 2);
    at += 5 + shn_text_draw(text, at + 5, y + 8.5, &small, "陰性 negative") + 4;
    fill(page->cr, tick, at, y + 6.1, 0.5, 3);
    shn_text_draw(text, at + 1.6, y + 8.5, &small, "閾値 threshold");
}

static double inside(double p) { return fmax(0, fmin(1, p)); }

static void draw_entry(shn_page *page, shn_text *text, double x, double y, double width, const shn_plot_finding *f)
{
    const shn_text_style ja = { .size_mm = 3.5, .bold = f->positive, .colour = f->positive ? yes : ink,
                                .width_max_mm = width };
    const shn_text_style en = { .size_mm = 2.7, .colour = grey, .width_max_mm = width };
    const shn_text_style number = { .size_mm = 3.0, .bold = f->positive, .colour = f->positive ? yes : ink,
                                    .align = SHN_ALIGN_RIGHT };
    char word[32];
    shn_text_draw(text, x, y + 3.1, &ja, f->name_ja ? f->name_ja : "");
    shn_text_draw(text, x, y + 6.5, &en, f->name_en ? f->name_en : "");
    const double bar_y = y + 7.9;
    fill(page->cr, pale, x, bar_y, BAR_MM, BAR_HIGH);
    if (isfinite(f->probability)) {
        fill(page->cr, f->positive ? yes : no, x, bar_y, BAR_MM * inside(f->probability), BAR_HIGH);
        snprintf(word, sizeof word, "%.1f %%", 100 * f->probability);
    } else {
        snprintf(word, sizeof word, "–");
    }
    if (isfinite(f->threshold)) draw_tick(page->cr, x + BAR_MM * inside(f->threshold), bar_y);
    shn_text_draw(text, x + BAR_MM + 15, bar_y + 2.3, &number, word);
    if (f->positive) {
        const shn_text_style mark = { .size_mm = 3.0, .bold = 1, .colour = yes, .align = SHN_ALIGN_RIGHT };
        shn_text_draw(text, x + width, bar_y + 2.3, &mark, "陽性 +");
    }
}

void shn_panel_draw(shn_page *page, shn_text *text, const shn_paper *paper, const shn_plot_options *options)
{
    if (options->n_findings == 0) return;
    const double x = paper->panel_x;
    double y = paper->y;
    draw_head(page, text, x, y);
    y += HEAD_MM;
    const size_t room = (size_t)fmax(1, floor((paper->height - HEAD_MM - 4) / ENTRY_MM));
    const size_t n = options->n_findings < room ? options->n_findings : room;
    for (size_t i = 0; i < n; i++, y += ENTRY_MM)
        draw_entry(page, text, x, y, paper->panel_width, &options->findings[i]);
    if (n < options->n_findings) {
        const shn_text_style small = { .size_mm = 2.7, .colour = grey };
        char more[64];
        snprintf(more, sizeof more, "他 %zu 件  and %zu more", options->n_findings - n, options->n_findings - n);
        shn_text_draw(text, x, y + 2.6, &small, more);
    }
}
