/**
 * The plan of a sheet. Rows stand on 5 mm lines, as far apart as their traces need and at least a minimum; what is left of
 * the layout's usual height is shared out; a record of large amplitude makes a taller sheet, up to a limit, from where on
 * traces are cut closer to their baseline.
 */
#include "report/paper.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

#define GRID_MM       5.0
#define MARGIN_MM     13.5              /* 297 mm (A4 across) less 270 mm of paper, halved */
#define HEADER_MM     25.0
#define FOOTER_MM     14.0
#define PANEL_MM      86.0
#define CUT_MOST_MM   40.0
#define CUT_LEAST_MM  15.0
#define CUT_MARK_MM   2.0               /* height of the mark where a trace is cut (plot.c) */
#define SPIKE_S       0.012             /* what lasts no longer in all is not a complex: R peaks are wider near their top */
#define LABEL_UP_MM   4.5               /* label's usual baseline above the trace's */
#define LABEL_WIDE_MM 11.0              /* stretch of trace that a label must clear */

typedef struct layout_form { size_t rows, columns; int rhythm; double pitch_min, height, height_max; } layout_form;

static const layout_form forms[SHN_LAYOUT_COUNT] = {
    [SHN_LAYOUT_3X4]  = { 3, 4, 1, 30, 160, 360 },
    [SHN_LAYOUT_6X2]  = { 6, 2, 0, 20, 160, 450 },
    [SHN_LAYOUT_12X1] = { 12, 1, 0, 15, 240, 600 },
};

/** How far a strip reaches from its baseline, in mm, label included. */
typedef struct reach { double up, down; } reach;

void shn_strip_samples(const shn_strip *strip, double fs_hz, size_t n, size_t *first, size_t *last)
{
    const double end = floor((strip->start_s + strip->seconds) * fs_hz + 1e-6) + 1;
    const double begin = ceil(strip->start_s * fs_hz - 1e-6);
    *last = end < (double)n ? (size_t)end : n;
    *first = begin < (double)*last ? (size_t)begin : *last;
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/** Median of the finite samples of x[first..last); 0 if there are none. */
static double median_of(const float *x, size_t first, size_t last, float *scratch)
{
    size_t n = 0;
    for (size_t i = first; i < last; i++)
        if (isfinite(x[i])) scratch[n++] = x[i];
    if (n == 0) return 0;
    qsort(scratch, n, sizeof *scratch, by_value);
    return n % 2 ? scratch[n / 2] : 0.5 * ((double)scratch[n / 2 - 1] + scratch[n / 2]);
}

/** Columns share the time that there is, so that a short record still shows all its leads; none is too narrow for its name. */
static void place_strips(const shn_record *rec, const layout_form *form, const shn_plot_options *o, shn_paper *p)
{
    const double there_s = (double)shn_record_n_samples(rec) / shn_record_fs_hz(rec) - o->start_s;
    const double least_s = fmin(o->seconds, (double)form->columns * LABEL_WIDE_MM / o->mm_per_s);
    const double column_s = fmin(o->seconds, fmax(there_s, least_s)) / (double)form->columns;
    for (size_t lead = 0; lead < SHN_LEADS; lead++) {
        const size_t column = lead / form->rows, row = lead % form->rows;
        p->strip[p->n_strips++] = (shn_strip){
            .lead = lead, .row = (int)row, .start_s = o->start_s + (double)column * column_s, .seconds = column_s,
            .x_mm = p->x + SHN_CAL_MM + (double)column * column_s * o->mm_per_s, .width_mm = column_s * o->mm_per_s,
        };
    }
    p->n_rows = form->rows;
    if (!form->rhythm) return;
    p->strip[p->n_strips++] = (shn_strip){
        .lead = 1, .row = (int)p->n_rows, .start_s = o->start_s, .seconds = o->seconds,
        .x_mm = p->x + SHN_CAL_MM, .width_mm = o->seconds * o->mm_per_s,
    };
    p->n_rows++;
}

static void centre_strips(const shn_record *rec, const shn_plot_options *o, shn_paper *p, float *scratch)
{
    const size_t n = shn_record_n_samples(rec);
    const shn_strip whole = { .start_s = o->start_s, .seconds = o->seconds };
    size_t first, last;
    shn_strip_samples(&whole, shn_record_fs_hz(rec), n, &first, &last);
    for (size_t s = 0; s < p->n_strips; s++) {
        const int lead = shn_record_find(rec, shn_lead_name(p->strip[s].lead));
        if (lead < 0) continue;
        const float *x = shn_record_lead(rec, (size_t)lead);
        for (size_t i = 0; i < n && !p->strip[s].present; i++) p->strip[s].present = isfinite(x[i]) != 0;
        p->strip[s].zero_mv = median_of(x, first, last, scratch);
    }
}

/** What a strip of a record shows, in mm above its baseline, sorted; n may be 0. */
static size_t strip_heights(const shn_record *rec, const shn_plot_options *o, const shn_strip *s, float *mm)
{
    const int lead = shn_record_find(rec, shn_lead_name(s->lead));
    size_t first, last, n = 0;
    if (lead < 0) return 0;
    const float *x = shn_record_lead(rec, (size_t)lead);
    shn_strip_samples(s, shn_record_fs_hz(rec), shn_record_n_samples(rec), &first, &last);
    for (size_t i = first; i < last; i++)
        if (isfinite(x[i])) mm[n++] = (float)((x[i] - s->zero_mv) * o->mm_per_mv);
    qsort(mm, n, sizeof *mm, by_value);
    return n;
}

/**
 * How far a strip is drawn: what it reaches for SPIKE_S in all, and half as much again, so that complexes are whole but a
 * pacing spike or a knock on the electrode does not push the rows apart; within [CUT_LEAST_MM, limit].
 */
static void cut_strip(const shn_record *rec, const shn_plot_options *o, double limit_mm, shn_strip *s, float *scratch)
{
    const size_t n = strip_heights(rec, o, s, scratch);
    const size_t few = (size_t)fmax(1, ceil(SPIKE_S * shn_record_fs_hz(rec)) - 1);
    for (int side = 0; side < 2; side++) {
        const double most = n == 0 ? 0 : side == 0 ? scratch[n - 1] : -scratch[0];
        const double usual = n <= few ? most : side == 0 ? scratch[n - 1 - few] : -scratch[few];
        s->cut_mm[side] = fmin(limit_mm, fmax(CUT_LEAST_MM, 1.5 * usual));
        s->is_cut[side] = most > s->cut_mm[side];
    }
}

/** Extent of one strip; sets where its label goes. */
static reach strip_reach(const shn_record *rec, const shn_plot_options *o, shn_strip *s)
{
    const int lead = shn_record_find(rec, shn_lead_name(s->lead));
    reach r = { 0, 0 };
    double label_clear = 0;
    if (lead >= 0) {
        const double fs = shn_record_fs_hz(rec);
        const float *x = shn_record_lead(rec, (size_t)lead);
        size_t first, last;
        shn_strip_samples(s, fs, shn_record_n_samples(rec), &first, &last);
        for (size_t i = first; i < last; i++) {
            if (!isfinite(x[i])) continue;
            const double up = fmax(-s->cut_mm[1], fmin(s->cut_mm[0], (x[i] - s->zero_mv) * o->mm_per_mv));
            r.up = fmax(r.up, up);
            r.down = fmax(r.down, -up);
            if (((double)i / fs - s->start_s) * o->mm_per_s < LABEL_WIDE_MM) label_clear = fmax(label_clear, up);
        }
    }
    for (int side = 0; side < 2; side++)
        if (s->is_cut[side]) *(side ? &r.down : &r.up) += CUT_MARK_MM;
    s->label_mm = fmax(LABEL_UP_MM, label_clear + 1.5 + (label_clear >= s->cut_mm[0] ? CUT_MARK_MM : 0));
    r.up = fmax(r.up, s->label_mm + 0.8 * SHN_LABEL_MM);
    return r;
}

static double up_to_grid(double mm) { return GRID_MM * ceil(mm / GRID_MM - 1e-9); }

/** Baselines from the top of the paper; returns the height needed. */
static double stack_rows(const reach *row, size_t n, double pitch_min, double *baseline)
{
    double y = up_to_grid(fmax(row[0].up + 2, pitch_min / 2));
    baseline[0] = y;
    for (size_t r = 1; r < n; r++) {
        y += up_to_grid(fmax(pitch_min, row[r - 1].down + row[r].up + 1));
        baseline[r] = y;
    }
    return y + up_to_grid(fmax(row[n - 1].down + 2, pitch_min / 2));
}

/** Gives the spare height out in steps of the grid: to the gap that is narrowest, the edges counting as half gaps. */
static void share_spare(double *baseline, size_t n, double *height, double wanted)
{
    while (*height + GRID_MM <= wanted + 1e-9) {
        size_t where = 0;                       /* rows `where`.. move down; n means the bottom edge */
        double narrowest = 2 * baseline[0] + 0.1;
        for (size_t r = 1; r <= n; r++) {
            const double gap = r < n ? baseline[r] - baseline[r - 1] : 2 * (*height - baseline[n - 1]);
            if (gap < narrowest) {
                narrowest = gap;
                where = r;
            }
        }
        for (size_t r = where; r < n; r++) baseline[r] += GRID_MM;
        *height += GRID_MM;
    }
}

static void plan_rows(const shn_record *rec, const shn_plot_options *o, const layout_form *form, shn_paper *p, float *scratch)
{
    for (double limit = CUT_MOST_MM; ; limit -= GRID_MM) {
        reach row[SHN_ROWS_MAX];
        for (size_t r = 0; r < SHN_ROWS_MAX; r++) row[r] = (reach){ o->mm_per_mv + 1, 1 };     /* the calibration pulse */
        for (size_t s = 0; s < p->n_strips; s++) {
            cut_strip(rec, o, limit, &p->strip[s], scratch);
            const reach one = strip_reach(rec, o, &p->strip[s]);
            reach *r = &row[p->strip[s].row];
            r->up = fmax(r->up, one.up);
            r->down = fmax(r->down, one.down);
        }
        p->height = stack_rows(row, p->n_rows, form->pitch_min, p->baseline);
        if (p->height <= form->height_max || limit <= CUT_LEAST_MM) break;
    }
    share_spare(p->baseline, p->n_rows, &p->height, form->height);
    for (size_t r = 0; r < p->n_rows; r++) p->baseline[r] += p->y;
}

shn_status shn_paper_plan(const shn_record *rec, const shn_plot_options *options, shn_paper *out, shn_error *err)
{
    const layout_form *form = &forms[options->layout];
    shn_paper *p = out;
    memset(p, 0, sizeof *p);
    p->x = MARGIN_MM;
    p->y = HEADER_MM;
    p->width = up_to_grid(SHN_CAL_MM + options->seconds * options->mm_per_s + GRID_MM);
    float *scratch = shn_alloc(shn_record_n_samples(rec), sizeof *scratch);
    if (!scratch) return shn_fail_nomem(err, "plot.plan");
    place_strips(rec, form, options, p);
    centre_strips(rec, options, p, scratch);
    plan_rows(rec, options, form, p, scratch);
    free(scratch);
    p->page_width = p->width + 2 * MARGIN_MM;
    if (options->n_findings) {
        p->panel_x = p->x + p->width + 7;
        p->panel_width = PANEL_MM;
        p->page_width = p->panel_x + PANEL_MM + MARGIN_MM;
    }
    p->page_height = fmax(p->y + p->height + FOOTER_MM, options->layout == SHN_LAYOUT_12X1 ? 0 : 210);
    return SHN_OK;
}
