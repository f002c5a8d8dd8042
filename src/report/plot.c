/**
 * An ECG on paper. The sheet is planned first (paper.c), then drawn from the back: white, grid, calibration, traces,
 * words. Line widths are those of a good thermal print.
 */
#include "shinden/plot.h"

#include <cairo-pdf.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "report/panel.h"
#include "report/paper.h"
#include "report/surface.h"
#include "report/text.h"

#define TRACE_MM      0.28
#define FINE_MM       0.10
#define COARSE_MM     0.20
#define FAR_MM        100.0         /* no trace is drawn further; cairo's coordinates have an end */
#define CAL_PULSE_MM  5.0           /* 0.2 s at 25 mm/s, as machines print it */

static const shn_colour white = { 1, 1, 1 }, paper_tint = { 1.0, 0.985, 0.975 }, fine = { 0.975, 0.855, 0.835 },
                        coarse = { 0.93, 0.66, 0.63 }, trace = { 0.06, 0.06, 0.10 }, ink = { 0.10, 0.11, 0.13 },
                        grey = { 0.42, 0.44, 0.48 }, amber = { 0.62, 0.36, 0.02 }, red = { 0.80, 0.08, 0.08 };

shn_layout shn_layout_from_name(const char *name)
{
    static const char *const names[SHN_LAYOUT_COUNT] = { "3x4", "6x2", "12x1" };
    for (int l = 0; l < SHN_LAYOUT_COUNT; l++)
        if (strcmp(names[l], name) == 0) return (shn_layout)l;
    return SHN_LAYOUT_COUNT;
}

void shn_plot_defaults(shn_plot_options *options)
{
    *options = (shn_plot_options){ .layout = SHN_LAYOUT_3X4, .mm_per_s = 25, .mm_per_mv = 10, .dpi = 203.2, .seconds = 10 };
}

static int outside(double x, double low, double high) { return !(x >= low && x <= high); }

static shn_status check_options(const shn_record *rec, const shn_plot_options *o, shn_error *err)
{
    const struct { const char *name; double value, low, high; } limits[] = {
        { "mm_per_s", o->mm_per_s, 5, 200 }, { "mm_per_mv", o->mm_per_mv, 1, 100 }, { "dpi", o->dpi, 36, 1200 },
        { "seconds", o->seconds, 1, 120 },
        { "start_s", o->start_s, 0, ((double)shn_record_n_samples(rec) - 1) / shn_record_fs_hz(rec) },
    };
    if ((int)o->layout < 0 || o->layout >= SHN_LAYOUT_COUNT)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "plot", "no layout %d; there are 3x4, 6x2, 12x1", (int)o->layout);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (outside(limits[i].value, limits[i].low, limits[i].high))
            return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "plot", "%s %g: needs %g to %g", limits[i].name,
                            limits[i].value, limits[i].low, limits[i].high);
    return SHN_OK;
}

static void set_colour(cairo_t *cr, shn_colour c) { cairo_set_source_rgb(cr, c.r, c.g, c.b); }

/** Lines every step mm over the paper; a raster page gets whole pixels, at least one wide. */
static void draw_lines(shn_page *page, const shn_paper *p, double step, double width_mm, shn_colour colour)
{
    cairo_t *cr = page->cr;
    const double pixel = page->kind == SHN_PAGE_PNG ? 25.4 / page->dpi : 0;
    set_colour(cr, colour);
    cairo_set_line_width(cr, pixel > 0 ? pixel * fmax(1, round(width_mm / pixel)) : width_mm);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_SQUARE);
    for (int i = 0; i * step <= p->width + 1e-6; i++) {
        const double x = shn_page_snap(page, p->x + i * step);
        cairo_move_to(cr, x, p->y);
        cairo_line_to(cr, x, p->y + p->height);
    }
    for (int i = 0; i * step <= p->height + 1e-6; i++) {
        const double y = shn_page_snap(page, p->y + i * step);
        cairo_move_to(cr, p->x, y);
        cairo_line_to(cr, p->x + p->width, y);
    }
    cairo_stroke(cr);
}

static void draw_paper(shn_page *page, const shn_paper *p)
{
    cairo_t *cr = page->cr;
    set_colour(cr, white);
    cairo_paint(cr);
    set_colour(cr, paper_tint);
    cairo_rectangle(cr, p->x, p->y, p->width, p->height);
    cairo_fill(cr);
    draw_lines(page, p, 1, FINE_MM, fine);
    draw_lines(page, p, 5, COARSE_MM, coarse);
}

static void set_pen(cairo_t *cr)
{
    set_colour(cr, trace);
    cairo_set_line_width(cr, TRACE_MM);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
}

/** 1 mV, left of every row. */
static void draw_calibration(shn_page *page, const shn_paper *p, const shn_plot_options *o)
{
    cairo_t *cr = page->cr;
    set_pen(cr);
    for (size_t r = 0; r < p->n_rows; r++) {
        const double x = p->x + 5, y = p->baseline[r];
        cairo_move_to(cr, x - 2, y);
        cairo_line_to(cr, x, y);
        cairo_line_to(cr, x, y - o->mm_per_mv);
        cairo_line_to(cr, x + CAL_PULSE_MM, y - o->mm_per_mv);
        cairo_line_to(cr, x + CAL_PULSE_MM, y);
        cairo_line_to(cr, x + CAL_PULSE_MM + 2, y);
    }
    cairo_stroke(cr);
}

/** Adds the samples to the path; a gap ends the line, and a sample between two gaps becomes a dot. */
static void trace_path(cairo_t *cr, const shn_strip *s, const float *x, size_t first, size_t last, double fs,
                       const shn_plot_options *o, double baseline)
{
    int drawing = 0;
    for (size_t i = first; i < last; i++) {
        if (!isfinite(x[i])) {
            drawing = 0;
            continue;
        }
        const double up = fmax(-FAR_MM, fmin(FAR_MM, (x[i] - s->zero_mv) * o->mm_per_mv));
        const double at_x = s->x_mm + ((double)i / fs - s->start_s) * o->mm_per_s, at_y = baseline - up;
        if (drawing) {
            cairo_line_to(cr, at_x, at_y);
            continue;
        }
        cairo_move_to(cr, at_x, at_y);
        if (i + 1 == last || !isfinite(x[i + 1])) cairo_line_to(cr, at_x, at_y);
        drawing = 1;
    }
}

static void draw_trace(shn_page *page, const shn_paper *p, const shn_strip *s, const shn_record *rec,
                       const shn_plot_options *o)
{
    cairo_t *cr = page->cr;
    const int lead = shn_record_find(rec, shn_lead_name(s->lead));
    const double baseline = p->baseline[s->row], fs = shn_record_fs_hz(rec);
    size_t first, last;
    if (lead < 0) return;
    shn_strip_samples(s, fs, shn_record_n_samples(rec), &first, &last);
    cairo_save(cr);
    if (s->is_cut[0] || s->is_cut[1]) {
        cairo_rectangle(cr, s->x_mm - 1, baseline - s->cut_mm[0], s->width_mm + 2, s->cut_mm[0] + s->cut_mm[1]);
        cairo_clip(cr);
    }
    set_pen(cr);
    trace_path(cr, s, shn_record_lead(rec, (size_t)lead), first, last, fs, o, baseline);
    cairo_stroke(cr);
    cairo_restore(cr);
}

/** A triangle at the edge where a trace is cut. */
static void draw_cut(cairo_t *cr, double x, double y, double direction)
{
    set_colour(cr, red);
    cairo_move_to(cr, x - 1.2, y);
    cairo_line_to(cr, x + 1.2, y);
    cairo_line_to(cr, x, y - 2 * direction);
    cairo_close_path(cr);
    cairo_fill(cr);
}

/** Marks every stretch of a strip that lies beyond the cut, in its middle; stretches closer than 3 mm share a mark. */
static void draw_cuts(shn_page *page, const shn_paper *p, const shn_strip *s, const shn_record *rec, const shn_plot_options *o)
{
    const int lead = shn_record_find(rec, shn_lead_name(s->lead));
    if (lead < 0 || !(s->is_cut[0] || s->is_cut[1])) return;
    const double fs = shn_record_fs_hz(rec);
    const float *x = shn_record_lead(rec, (size_t)lead);
    size_t first, last;
    shn_strip_samples(s, fs, shn_record_n_samples(rec), &first, &last);
    double marked[2] = { -1e9, -1e9 };
    for (size_t i = first; i < last; i++) {
        const double up = isfinite(x[i]) ? (x[i] - s->zero_mv) * o->mm_per_mv : 0;
        const int below = up < 0;
        if (fabs(up) <= s->cut_mm[below]) continue;
        const double at = s->x_mm + ((double)i / fs - s->start_s) * o->mm_per_s;
        if (at - marked[below] < 3) continue;
        marked[below] = at;
        draw_cut(page->cr, at, p->baseline[s->row] + (below ? s->cut_mm[1] : -s->cut_mm[0]), below ? -1 : 1);
    }
}

/** Short strokes where one column ends and the next begins. */
static void draw_separator(shn_page *page, const shn_paper *p, const shn_strip *s)
{
    if (s->x_mm <= p->x + SHN_CAL_MM + 1e-6) return;
    cairo_t *cr = page->cr;
    set_pen(cr);
    cairo_set_line_width(cr, 0.2);
    for (int side = -1; side <= 1; side += 2) {
        cairo_move_to(cr, s->x_mm, p->baseline[s->row] + side * 3.0);
        cairo_line_to(cr, s->x_mm, p->baseline[s->row] + side * 5.5);
    }
    cairo_stroke(cr);
}

static void draw_strip(shn_page *page, shn_text *text, const shn_paper *p, const shn_strip *s, const shn_record *rec,
                       const shn_plot_options *o)
{
    const shn_text_style name = { .size_mm = SHN_LABEL_MM, .bold = 1, .colour = ink };
    const shn_text_style gone = { .size_mm = 2.8, .colour = red };
    draw_trace(page, p, s, rec, o);
    draw_cuts(page, p, s, rec, o);
    draw_separator(page, p, s);
    const double x = s->x_mm + 1.2, y = p->baseline[s->row] - s->label_mm;
    const double width = shn_text_draw(text, x, y, &name, shn_lead_name(s->lead));
    if (!s->present) shn_text_draw(text, x + width + 2, y, &gone, "欠損 missing");
}

static void draw_header(shn_text *text, const shn_paper *p, const shn_record *rec, const shn_plot_options *o)
{
    const double right = p->page_width - p->x;
    double room = right - p->x;
    if (o->simulated) {
        const shn_text_style banner = { .size_mm = 4.2, .bold = 1, .colour = red, .align = SHN_ALIGN_RIGHT };
        room -= 6 + shn_text_draw(text, right, 12, &banner, "SIMULATED 模擬心電図（実記録ではない）");
    }
    const shn_text_style title = { .size_mm = 4.6, .bold = 1, .colour = ink, .width_max_mm = fmax(room, 10) };
    const shn_text_style small = { .size_mm = 2.9, .colour = grey, .width_max_mm = right - p->x };
    shn_text_draw(text, p->x, 12, &title, o->title ? o->title : "12誘導心電図  12-lead ECG");
    char line[256];
    const double fs = shn_record_fs_hz(rec), length = (double)shn_record_n_samples(rec) / fs;
    snprintf(line, sizeof line, "%g Hz    %.4g–%.4g s / %.4g s", fs, o->start_s, fmin(o->start_s + o->seconds, length), length);
    shn_text_draw(text, p->x, 17, &small, line);
}

/** The record's notes on one line, as many as fit. */
static void draw_notes(shn_text *text, const shn_paper *p, const shn_record *rec)
{
    const shn_text_style style = { .size_mm = 2.9, .colour = amber, .width_max_mm = p->page_width - 2 * p->x };
    char   line[2048];
    size_t used = 0;
    for (size_t i = 0; i < shn_record_n_notes(rec) && used + sizeof(shn_note) < sizeof line; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%s", i ? ";  " : "注記 Notes: ",
                                 shn_record_note(rec, i)->text);
    if (used) shn_text_draw(text, p->x, 22, &style, line);
}

static void draw_footer(shn_text *text, const shn_paper *p, const shn_plot_options *o)
{
    const shn_text_style scale = { .size_mm = 3.1, .colour = ink };
    const shn_text_style use = { .size_mm = 3.1, .bold = 1, .colour = ink, .align = SHN_ALIGN_RIGHT };
    const double y = p->y + p->height + 5.5;
    char line[160];
    snprintf(line, sizeof line, "%g mm/s    %g mm/mV    %s%s", o->mm_per_s, o->mm_per_mv, o->filter ? "filter " : "",
             o->filter ? o->filter : "");
    shn_text_draw(text, p->x, y, &scale, line);
    shn_text_draw(text, p->x + p->width, y, &use,
                  "Research use only. Not a medical device.   研究用であり、医療機器ではありません。");
}

static shn_status draw(const shn_record *rec, const shn_plot_options *o, shn_page_kind kind, uint8_t **bytes, size_t *n_bytes,
                       shn_error *err)
{
    shn_paper paper;
    shn_page  page = { .width_mm = 0 };
    shn_text *text = NULL;

    *bytes = NULL;
    *n_bytes = 0;
    shn_status st = check_options(rec, o, err);
    if (st != SHN_OK) return st;
    st = shn_paper_plan(rec, o, &paper, err);
    if (st != SHN_OK) goto cleanup;
    st = shn_page_open(&page, kind, paper.page_width, paper.page_height, o->dpi, err);
    if (st != SHN_OK) goto cleanup;
    st = shn_text_open(&page, &text, err);
    if (st != SHN_OK) goto cleanup;
    draw_paper(&page, &paper);
    draw_calibration(&page, &paper, o);
    for (size_t s = 0; s < paper.n_strips; s++) draw_strip(&page, text, &paper, &paper.strip[s], rec, o);
    draw_header(text, &paper, rec, o);
    draw_notes(text, &paper, rec);
    draw_footer(text, &paper, o);
    shn_panel_draw(&page, text, &paper, o);
    st = shn_page_finish(&page, bytes, n_bytes, err);
cleanup:
    shn_text_free(text);
    shn_page_free(&page);
    return st;
}

shn_status shn_plot(const shn_record *canonical, const shn_plot_options *options, const char *path, shn_error *err)
{
    uint8_t *bytes = NULL;
    size_t   n_bytes;
    const shn_page_kind kind = shn_page_kind_of(path);
    if (kind == SHN_PAGE_KINDS)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "plot", "%s: a plot ends in .png, .svg or .pdf", path);
    shn_status st = draw(canonical, options, kind, &bytes, &n_bytes, err);
    if (st == SHN_OK) st = shn_file_write(path, bytes, n_bytes, err);
    free(bytes);
    return st;
}

shn_status shn_plot_svg(const shn_record *canonical, const shn_plot_options *options, char **svg, size_t *n_bytes, shn_error *err)
{
    uint8_t *bytes = NULL;
    size_t   n = 0;
    const shn_status st = draw(canonical, options, SHN_PAGE_SVG, &bytes, &n, err);
    *svg = (char *)bytes;
    if (n_bytes) *n_bytes = n;
    return st;
}
