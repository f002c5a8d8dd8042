#include "experiment/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "experiment/page_words.h"
#include "report/chart.h"

enum { SERIES_MAX = 32, COLUMNS = 3 };
static const double wide = 430, high = 380, forest_wide = 1080, small_wide = 300, small_high = 230;

void xp_figures_free(xp_figures *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->list[i].name);
        free(f->list[i].caption);
        free(f->list[i].svg);
    }
    free(f->list);
    *f = (xp_figures){ 0 };
}

/** Takes over a finished page under "TABLE-kind". */
static shn_status keep(xp_figures *f, const char *table, const char *kind, const char *caption, shn_html *page, shn_error *err)
{
    char name[360], *svg = NULL;
    snprintf(name, sizeof name, "%s%s%s", table ? table : "", table ? "-" : "", kind);
    const shn_status st = shn_html_finish(page, &svg, err);
    if (st != SHN_OK) return st;
    if (shn_grow(&f->list, &f->capacity, f->n + 1, sizeof *f->list) != 0) {
        free(svg);
        return shn_fail_nomem(err, "experiment.figures");
    }
    f->list[f->n++] = (xp_figure){ shn_strdup(name), shn_strdup(caption), svg, table };
    return f->list[f->n - 1].name && f->list[f->n - 1].caption ? SHN_OK : shn_fail_nomem(err, "experiment.figures");
}

/* ---- points of a document as arrays ---- */

/** x, y, low, high of n points in one block. */
typedef struct points { double *block; size_t n; } points;

static shn_status read_points(const json_t *list, points *p, shn_error *err)
{
    p->n = json_array_size(list);
    p->block = shn_alloc(4 * p->n, sizeof *p->block);
    if (!p->block) return shn_fail_nomem(err, "experiment.figures");
    for (size_t i = 0; i < p->n; i++)
        for (size_t c = 0; c < 4; c++) p->block[c * p->n + i] = xp_page_value(json_array_get(json_array_get(list, i), c));
    return SHN_OK;
}

static shn_series series_of(const points *p, const char *name, shn_mark mark, int colour)
{
    return (shn_series){ .name = name, .x = p->block, .y = p->block + p->n, .low = p->block + 2 * p->n, .high = p->block + 3 * p->n, .n = p->n, .mark = mark, .colour = colour };
}

/** Rows of a table that have curves with this key, as series; at most SERIES_MAX. */
typedef struct drawn { points p[SERIES_MAX]; shn_series s[SERIES_MAX]; size_t n; } drawn;

static void drawn_free(drawn *d)
{
    for (size_t i = 0; i < d->n; i++) free(d->p[i].block);
}

static shn_status collect(const json_t *table, const char *key, shn_mark mark, drawn *d, shn_error *err)
{
    size_t     i;
    json_t    *row;
    int        colour = 0;
    shn_status st = SHN_OK;
    d->n = 0;
    json_array_foreach(json_object_get(table, "rows"), i, row) {
        const json_t *curves = json_object_get(row, "curves"), *list = json_object_get(curves, key);
        if (curves) colour++;
        if (!list || d->n == SERIES_MAX || st != SHN_OK) continue;
        st = read_points(list, &d->p[d->n], err);
        if (st == SHN_OK) d->s[d->n] = series_of(&d->p[d->n], xp_page_word(row, "row"), mark, colour - 1);
        d->n += st == SHN_OK;
    }
    return st;
}

/* ---- one figure each ---- */

/** A panel of a figure: which curve, how it is drawn. */
typedef struct panel { const char *key; shn_mark mark; shn_chart chart; } panel;

/** Panels side by side; nothing is drawn where no row has any of the curves. */
static shn_status draw_panels(const json_t *table, const char *kind, const char *caption, const panel *panels, size_t n, xp_figures *f, shn_error *err)
{
    shn_html     page = { 0 };
    size_t       n_drawn = 0;
    shn_status   st = SHN_OK;
    drawn       *d = shn_alloc(1, sizeof *d);
    const double width = wide * (double)n;
    if (!d) return shn_fail_nomem(err, "experiment.figures");
    shn_svg_begin(&page, width, high + SHN_SVG_FOOT, xp_page_word(table, "title"));
    for (size_t i = 0; i < n && st == SHN_OK; i++) {
        st = collect(table, panels[i].key, panels[i].mark, d, err);
        shn_chart chart = panels[i].chart;
        chart.series = d->s;
        chart.n_series = d->n;
        if (st == SHN_OK && d->n) shn_chart_draw(&page, &chart, wide * (double)i, 0, wide, high);
        n_drawn += d->n;
        drawn_free(d);
    }
    shn_svg_end(&page, width, high + SHN_SVG_FOOT);
    free(d);
    if (st == SHN_OK && n_drawn) return keep(f, xp_page_word(table, "name"), kind, caption, &page, err);
    free(page.text);
    return st;
}

static shn_status draw_curves(const json_t *table, xp_figures *f, shn_error *err)
{
    const panel p[] = {
        { "roc", SHN_MARK_LINE, { .title = "ROC", .note = "mean over findings; band: 95 % of resamples", .x_label = "false positive rate", .y_label = "true positive rate", .x_low = 0, .x_high = 1,
                                  .y_low = 0, .y_high = 1, .diagonal = 1 } },
        { "pr", SHN_MARK_STEP, { .title = "Precision and recall", .note = "mean over findings; band: 95 % of resamples", .x_label = "recall", .y_label = "precision", .x_low = 0, .x_high = 1,
                                 .y_low = 0, .y_high = 1 } },
    };
    return draw_panels(table, "curves", "ROC and precision-recall, mean over findings with ten positives in training (all findings where there are none)", p, 2, f, err);
}

static shn_status draw_reliability(const json_t *table, xp_figures *f, shn_error *err)
{
    const panel p[] = { { "reliability", SHN_MARK_POINTS, { .title = "Reliability", .note = "15 equal bins over all known entries; bars: 95 % of resamples", .x_label = "calibrated probability",
                                                            .y_label = "share with the finding", .x_low = 0, .x_high = 1, .y_low = 0, .y_high = 1, .diagonal = 1 } } };
    return draw_panels(table, "reliability", "Calibrated probability against what was there", p, 1, f, err);
}

static shn_status draw_candidates(const json_t *table, xp_figures *f, shn_error *err)
{
    const panel p[] = {
        { "top", SHN_MARK_STEP, { .title = "Answers looked at", .note = "a true finding among the first k of the full list", .x_label = "k", .y_label = "share of records", .x_low = NAN, .x_high = NAN,
                                  .y_low = 0, .y_high = 1 } },
        { "top_specific", SHN_MARK_STEP, { .title = "Without normal ECG and sinus rhythm", .note = "a true finding among the first k", .x_label = "k", .y_label = "share of records", .x_low = NAN,
                                           .x_high = NAN, .y_low = 0, .y_high = 1 } },
        { "list_top1", SHN_MARK_POINTS, { .title = "Length of the list", .note = "top-1 where only the commonest findings are candidates", .x_label = "number of candidates", .y_label = "top-1",
                                          .x_low = NAN, .x_high = NAN, .y_low = 0, .y_high = 1, .x_log = 1 } },
    };
    return draw_panels(table, "candidates", "Accuracy against the number of candidates", p, COLUMNS, f, err);
}

/* ---- findings ---- */

static const json_t *finding_of(const json_t *row, const char *id)
{
    size_t  i;
    json_t *one;
    json_array_foreach(json_object_get(row, "per_finding"), i, one)
        if (strcmp(xp_page_word(one, "id"), id) == 0) return one;
    return NULL;
}

/** Findings of the first drawn row that can be ranked, most positives first. */
typedef struct order { const json_t *finding; double n_pos; } order;

static int by_positives(const void *a, const void *b)
{
    const order *x = a, *y = b;
    if (x->n_pos != y->n_pos) return x->n_pos < y->n_pos ? 1 : -1;
    return strcmp(xp_page_word(x->finding, "id"), xp_page_word(y->finding, "id"));
}

static shn_status draw_forest(const json_t *table, const json_t *const *rows, const char *const *names, size_t n_rows, const order *sorted, size_t n, xp_figures *f, shn_error *err)
{
    shn_html        page = { 0 };
    shn_forest_row *line = shn_alloc(n, sizeof *line);
    char          (*note)[24] = shn_alloc(n, sizeof *note);
    double         *v = shn_alloc(3 * n * n_rows, sizeof *v);
    shn_status      st = line && note && v ? SHN_OK : shn_fail_nomem(err, "experiment.figures");
    for (size_t i = 0; i < n && st == SHN_OK; i++) {
        snprintf(note[i], sizeof note[i], "%.0f", sorted[i].n_pos);
        line[i] = (shn_forest_row){ xp_page_word(sorted[i].finding, "name_en"), xp_page_word(sorted[i].finding, "name_ja"), note[i], sorted[i].n_pos < 10 };
        for (size_t r = 0; r < n_rows; r++) {
            const json_t *one = finding_of(rows[r], xp_page_word(sorted[i].finding, "id"));
            v[r * n + i] = xp_page_number(one, "auroc");
            v[(n_rows + r) * n + i] = xp_page_number(one, "auroc_low");
            v[(2 * n_rows + r) * n + i] = xp_page_number(one, "auroc_high");
        }
    }
    if (st == SHN_OK) {
        double low = 0.5;
        for (size_t i = 0; i < n_rows * n; i++)
            if (v[n_rows * n + i] < low) low = floor(v[n_rows * n + i] * 10) / 10;
        const shn_forest forest = { .title = "AUROC of each finding", .note = "with positives among the judged records (grey: fewer than 10); 95 % intervals by patient, mean over seeds; dashed: chance",
                                    .x_label = "AUROC", .rows = line, .n_rows = n, .n_series = n_rows, .names = names, .value = v, .low = v + n_rows * n, .high = v + 2 * n_rows * n,
                                    .x_low = low, .x_high = 1, .mark = 0.5 };
        const double height = shn_forest_height(&forest) + SHN_SVG_FOOT;
        shn_svg_begin(&page, forest_wide, height, xp_page_word(table, "title"));
        shn_forest_draw(&page, &forest, 0, 0, forest_wide);
        shn_svg_end(&page, forest_wide, height);
        st = keep(f, xp_page_word(table, "name"), "findings", "AUROC of each finding with its interval", &page, err);
    }
    free(line);
    free(note);
    free(v);
    return st;
}

static shn_status draw_findings(const json_t *table, xp_figures *f, shn_error *err)
{
    const json_t *rows[SERIES_MAX];
    const char   *names[SERIES_MAX];
    size_t        i, n_rows = 0, n = 0;
    json_t       *row, *one;
    json_array_foreach(json_object_get(table, "rows"), i, row)
        if (json_object_get(row, "per_finding") && n_rows < SERIES_MAX) {
            names[n_rows] = xp_page_word(row, "row");
            rows[n_rows++] = row;
        }
    if (n_rows == 0) return SHN_OK;
    order *sorted = shn_alloc(json_array_size(json_object_get(rows[0], "per_finding")), sizeof *sorted);
    if (!sorted) return shn_fail_nomem(err, "experiment.figures");
    json_array_foreach(json_object_get(rows[0], "per_finding"), i, one)
        if (json_is_number(json_object_get(one, "auroc"))) sorted[n++] = (order){ one, xp_page_number(one, "n_pos") };
    if (n) qsort(sorted, n, sizeof *sorted, by_positives);
    const shn_status st = n ? draw_forest(table, rows, names, n_rows, sorted, n, f, err) : SHN_OK;
    free(sorted);
    return st;
}

/* ---- training ---- */

/** Small multiples: losses of different kinds have no common scale. */
static shn_status draw_learning(const json_t *doc, xp_figures *f, shn_error *err)
{
    const json_t *list = json_object_get(doc, "learning");
    const size_t  n = json_array_size(list), per_line = 4, lines = (n + per_line - 1) / per_line;
    const double  width = small_wide * (double)(n < per_line ? n : per_line), height = small_high * (double)lines + SHN_SVG_FOOT;
    shn_html      page = { 0 };
    shn_status    st = SHN_OK;
    if (n == 0) return SHN_OK;
    shn_svg_begin(&page, width, height, "Learning curves");
    for (size_t i = 0; i < n && st == SHN_OK; i++) {
        const json_t *one = json_array_get(list, i);
        points        p = { 0 };
        char          note[64];
        st = read_points(json_object_get(one, "epochs"), &p, err);
        snprintf(note, sizeof note, "mean and range of %d runs", (int)xp_page_number(one, "n_runs"));
        const shn_series s = st == SHN_OK ? series_of(&p, NULL, SHN_MARK_LINE, 0) : (shn_series){ 0 };
        const shn_chart  c = { .title = xp_page_word(one, "system"), .note = note, .x_label = "epoch", .y_label = "training loss", .x_low = NAN, .x_high = NAN, .y_low = NAN, .y_high = NAN,
                               .series = &s, .n_series = 1 };
        if (st == SHN_OK) shn_chart_draw(&page, &c, small_wide * (double)(i % per_line), small_high * (double)(i / per_line), small_wide, small_high);
        free(p.block);
    }
    shn_svg_end(&page, width, height);
    if (st == SHN_OK) return keep(f, NULL, "learning", "Training loss by epoch; each loss has a scale of its own", &page, err);
    free(page.text);
    return st;
}

/** The first metric of the first table that has the system as a row. */
static const json_t *metric_of(const json_t *doc, const char *system, const char **name)
{
    size_t  t, r;
    json_t *table, *row;
    json_array_foreach(json_object_get(doc, "tables"), t, table)
        json_array_foreach(json_object_get(table, "rows"), r, row) {
            if (strcmp(xp_page_word(row, "system"), system) != 0) continue;
            *name = json_string_value(json_array_get(json_object_get(table, "metrics"), 0));
            return json_object_get(json_object_get(row, "metrics"), *name);
        }
    return NULL;
}

static shn_status draw_sweep(const json_t *doc, const json_t *sweep, xp_figures *f, shn_error *err)
{
    const json_t *list = json_object_get(sweep, "points");
    const size_t  n = json_array_size(list);
    const char   *metric = "metric";
    char          kind[200], caption[300];
    shn_html      page = { 0 };
    double       *v = shn_alloc(7 * n, sizeof *v);      /* x; loss, low, high; metric, low, high */
    int           positive = 1;
    if (!v) return shn_fail_nomem(err, "experiment.figures");
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i), *m = metric_of(doc, xp_page_word(one, "system"), &metric);
        const double  row[7] = { xp_page_number(one, "x"), xp_page_number(one, "loss"), xp_page_number(one, "low"), xp_page_number(one, "high"),
                                 xp_page_number(m, "value"), xp_page_number(m, "low"), xp_page_number(m, "high") };
        for (size_t c = 0; c < 7; c++) v[c * n + i] = row[c];
        positive &= row[0] > 0;
    }
    const shn_series loss = { .x = v, .y = v + n, .low = v + 2 * n, .high = v + 3 * n, .n = n, .mark = SHN_MARK_POINTS };
    const shn_series score = { .x = v, .y = v + 4 * n, .low = v + 5 * n, .high = v + 6 * n, .n = n, .mark = SHN_MARK_POINTS, .colour = 1 };
    const shn_chart left = { .title = xp_page_word(sweep, "base"), .note = "training loss, last epoch: mean and range of the runs", .x_label = xp_page_word(sweep, "key"), .y_label = "loss", .x_low = NAN,
                             .x_high = NAN, .y_low = NAN, .y_high = NAN, .x_log = positive, .series = &loss, .n_series = 1 };
    const shn_chart right = { .title = metric, .note = "mean over seeds, 95 % interval over patients and seeds", .x_label = xp_page_word(sweep, "key"), .y_label = metric, .x_low = NAN, .x_high = NAN,
                              .y_low = NAN, .y_high = NAN, .x_log = positive, .series = &score, .n_series = 1 };
    shn_svg_begin(&page, 2 * wide, high + SHN_SVG_FOOT, xp_page_word(sweep, "base"));
    shn_chart_draw(&page, &left, 0, 0, wide, high);
    shn_chart_draw(&page, &right, wide, 0, wide, high);
    shn_svg_end(&page, 2 * wide, high + SHN_SVG_FOOT);
    snprintf(kind, sizeof kind, "by-%s-%s", xp_page_word(sweep, "key"), xp_page_word(sweep, "base"));
    snprintf(caption, sizeof caption, "%s: loss and result by %s", xp_page_word(sweep, "base"), xp_page_word(sweep, "key"));
    const shn_status st = keep(f, NULL, kind, caption, &page, err);
    free(v);
    return st;
}

shn_status xp_figures_draw(const json_t *doc, xp_figures *f, shn_error *err)
{
    size_t     i;
    json_t    *one;
    shn_status st = SHN_OK;
    *f = (xp_figures){ 0 };
    json_array_foreach(json_object_get(doc, "tables"), i, one) {
        if (st == SHN_OK) st = draw_findings(one, f, err);
        if (st == SHN_OK) st = draw_curves(one, f, err);
        if (st == SHN_OK) st = draw_candidates(one, f, err);
        if (st == SHN_OK) st = draw_reliability(one, f, err);
    }
    if (st == SHN_OK) st = draw_learning(doc, f, err);
    json_array_foreach(json_object_get(doc, "sweeps"), i, one)
        if (st == SHN_OK && json_array_size(json_object_get(one, "points")) > 1) st = draw_sweep(doc, one, f, err);
    if (st != SHN_OK) xp_figures_free(f);
    return st;
}
