/** report.html: one self-contained page, tables with their intervals as bars, figures in place, example cases. */
#include "experiment/pages.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment/page_words.h"
#include "report/bars.h"
#include "report/html.h"

static const char style[] =
    "<style>body{font:15px/1.5 system-ui,'Noto Sans CJK JP',sans-serif;max-width:88rem;margin:2rem auto;padding:0 1.2rem;color:#1a1a1a}h1{font-size:1.7rem}h2{margin-top:2.6rem;"
    "border-bottom:1px solid #d5d8dd;padding-bottom:.3rem;font-size:1.25rem}h3{font-size:1.05rem}table{border-collapse:collapse;margin:1rem 0}th,td{padding:.3rem .7rem;text-align:left;"
    "border-bottom:1px solid #e2e4e8;vertical-align:top}th{font-weight:600;background:#f6f7f9}td.n{font-variant-numeric:tabular-nums;white-space:nowrap}tr.control td{color:#666;"
    "background:#fafafa}.note{color:#5b6068;font-size:.88em}.supported{color:#17683a;font-weight:600}.not{color:#a02020;font-weight:600}.undecided{color:#666;font-weight:600}"
    ".scroll{overflow-x:auto}figure{margin:1.4rem 0}figcaption{color:#5b6068;font-size:.9em;margin-bottom:.3rem}figure svg,figure img{max-width:100%;height:auto;border:1px solid #e2e4e8}"
    "svg.bar{display:block}svg .axis{stroke:#bbb}svg .interval{stroke:#2b6cb0;stroke-width:2}svg .value{fill:#1a4e80}nav a{margin-right:1rem}</style>";

static void heading(shn_html *page, const char *id, const char *en, const char *ja)
{
    shn_html_printf(page, "<h2 id=\"%s\">", id);
    shn_html_text(page, en);
    if (ja) {
        shn_html_raw(page, " <span class=\"note\" lang=\"ja\">");
        shn_html_text(page, ja);
        shn_html_raw(page, "</span>");
    }
    shn_html_raw(page, "</h2>\n");
}

/** A table cell with text from outside. */
static void td(shn_html *page, const char *text)
{
    shn_html_raw(page, "<td>");
    shn_html_text(page, text);
    shn_html_raw(page, "</td>");
}

static void th(shn_html *page, const char *text)
{
    shn_html_raw(page, "<th>");
    shn_html_text(page, text);
    shn_html_raw(page, "</th>");
}

/* ---- head, data ---- */

static void write_head(shn_html *page, const json_t *doc)
{
    size_t        i;
    json_t       *one, *limits = xp_page_limits(doc);
    const json_t *run = json_object_get(doc, "run");
    shn_html_raw(page, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>");
    shn_html_text(page, xp_page_word(doc, "title"));
    shn_html_raw(page, "</title>");
    shn_html_raw(page, style);
    shn_html_raw(page, "</head><body><h1>");
    shn_html_text(page, xp_page_word(doc, "title"));
    shn_html_raw(page, "</h1><p><strong>Research software, not a medical device.</strong> <span lang=\"ja\">研究用であり、医療機器ではありません。</span> ");
    shn_html_text(page, xp_page_word(doc, "about"));
    shn_html_printf(page, "</p><p class=\"note\">Cells: mean over seeds (standard deviation over seeds), 95 %% interval from %d resamples of patients and seeds. ",
                    (int)xp_page_number(doc, "n_bootstrap"));
    if (run) {
        shn_html_text(page, xp_page_word(run, "program"));
        shn_html_raw(page, ", ");
        shn_html_text(page, xp_page_word(run, "cpu"));
        shn_html_printf(page, ", %d cores.", (int)xp_page_number(run, "cores"));
    }
    shn_html_raw(page, "</p>\n");
    heading(page, "limits", "What this data cannot decide", "このデータでは決められないこと");
    shn_html_raw(page, "<ul>");
    json_array_foreach(limits, i, one) {
        shn_html_raw(page, "<li>");
        shn_html_text(page, json_string_value(one));
        shn_html_raw(page, "</li>");
    }
    shn_html_raw(page, "</ul>\n");
    json_decref(limits);
}

static void write_data(shn_html *page, const json_t *doc)
{
    size_t  i;
    json_t *c;
    heading(page, "data", "Data", "データ");
    shn_html_raw(page, "<table><tr><th>cohort</th><th>Hz</th><th>findings</th><th>split</th><th>records</th><th>patients</th><th>findings with a positive</th><th>with ten</th></tr>");
    json_array_foreach(json_object_get(doc, "cohorts"), i, c) {
        const char *name;
        json_t     *split;
        json_object_foreach(json_object_get(c, "splits"), name, split) {
            static const char *const keys[] = { "n_records", "n_patients", "n_findings", "n_findings_10" };
            shn_html_raw(page, "<tr>");
            td(page, xp_page_word(c, "name"));
            shn_html_printf(page, "<td>%g</td><td>%d</td>", xp_page_number(c, "fs_hz"), (int)xp_page_number(c, "n_findings"));
            td(page, name);
            for (int k = 0; k < 4; k++) {
                const double v = xp_page_number(split, keys[k]);
                if (isnan(v)) shn_html_raw(page, "<td>–</td>");
                else shn_html_printf(page, "<td class=\"n\">%.0f</td>", v);
            }
            shn_html_raw(page, "</tr>");
        }
    }
    shn_html_raw(page, "</table>\n");
}

/* ---- claims ---- */

static void write_claims(shn_html *page, const json_t *claims)
{
    size_t  i;
    json_t *c;
    if (json_array_size(claims) == 0) return;
    heading(page, "claims", "Claims", "主張の検証");
    shn_html_raw(page, "<p class=\"note\">Metric and rows of each were named in the config before anything ran. Paired differences, intervals over patients and seeds, Holm's correction over the claims of "
                       "this page.</p><table><tr><th>claim</th><th>verdict</th><th>size</th><th>seeds</th><th>records</th></tr>");
    json_array_foreach((json_t *)claims, i, c) {
        const char *verdict = xp_page_word(c, "verdict");
        shn_html_raw(page, "<tr>");
        td(page, xp_page_word(c, "claim"));
        shn_html_printf(page, "<td class=\"%s\">", strncmp(verdict, "not", 3) == 0 ? "not" : strncmp(verdict, "supp", 4) == 0 ? "supported" : "undecided");
        shn_html_text(page, verdict);
        if (*xp_page_word(c, "caveat")) {
            shn_html_raw(page, "<br><span class=\"note\">");
            shn_html_text(page, xp_page_word(c, "caveat"));
            shn_html_raw(page, "</span>");
        }
        shn_html_raw(page, "</td>");
        td(page, xp_page_word(c, "size"));
        shn_html_printf(page, "<td>%d</td><td>%d</td></tr>", (int)xp_page_number(c, "n_seeds"), (int)xp_page_number(c, "n_records"));
    }
    shn_html_raw(page, "</table>\n");
}

/* ---- tables ---- */

static void cell(shn_html *page, const json_t *v, double low, double high)
{
    const double value = xp_page_number(v, "value"), sd = xp_page_number(v, "sd_seeds");
    shn_html_raw(page, "<td class=\"n\">");
    if (isnan(value)) shn_html_raw(page, "–");
    else {
        shn_html_printf(page, "%.3f", value);
        if (!isnan(sd)) shn_html_printf(page, " <span class=\"note\">(%.3f)</span>", sd);
        shn_html_printf(page, "<br><span class=\"note\">%.3f to %.3f</span>", xp_page_number(v, "low"), xp_page_number(v, "high"));
        shn_bar_draw(page, (shn_interval){ value, xp_page_number(v, "low"), xp_page_number(v, "high") }, low, high, NAN);
    }
    shn_html_raw(page, "</td>");
}

/** The range of a metric's intervals over the rows: bars of a column share it. */
static void range_of(const json_t *rows, const char *metric, double *low, double *high)
{
    size_t  i;
    json_t *row;
    *low = INFINITY;
    *high = -INFINITY;
    json_array_foreach((json_t *)rows, i, row) {
        const json_t *v = json_object_get(json_object_get(row, "metrics"), metric);
        if (xp_page_number(v, "low") < *low) *low = xp_page_number(v, "low");
        if (xp_page_number(v, "high") > *high) *high = xp_page_number(v, "high");
    }
    if (!(*high > *low)) {
        *low = 0;
        *high = 1;
    }
}

/** The metrics' cells of one of the rows. */
static void metric_cells(shn_html *page, const json_t *metrics, const json_t *rows, const json_t *row)
{
    size_t  m;
    json_t *metric;
    json_array_foreach((json_t *)metrics, m, metric) {
        double low, high;
        range_of(rows, json_string_value(metric), &low, &high);
        cell(page, json_object_get(json_object_get(row, "metrics"), json_string_value(metric)), low, high);
    }
}

static void write_figures(shn_html *page, const xp_figures *figures, const char *table)
{
    for (size_t i = 0; figures && i < figures->n; i++) {
        const xp_figure *f = &figures->list[i];
        if (table ? !f->table || strcmp(f->table, table) != 0 : f->table != NULL) continue;
        shn_html_raw(page, "<figure><figcaption>");
        shn_html_text(page, f->caption);
        shn_html_raw(page, "</figcaption>\n");
        shn_html_raw(page, f->svg);
        shn_html_raw(page, "</figure>\n");
    }
}

static void share_cell(shn_html *page, double v)
{
    if (isnan(v)) shn_html_raw(page, "<td>–</td>");
    else shn_html_printf(page, "<td class=\"n\">%.3f</td>", v);
}

/** Every finding of every drawn row, folded away: what the first paper calls accuracy per label is top-1 and top-5 here. */
static void write_findings(shn_html *page, const json_t *t)
{
    size_t  i, k;
    json_t *row, *one;
    json_array_foreach(json_object_get(t, "rows"), i, row) {
        if (json_array_size(json_object_get(row, "per_finding")) == 0) continue;
        shn_html_raw(page, "<details><summary>Each finding: ");
        shn_html_text(page, xp_page_word(row, "row"));
        shn_html_raw(page, "</summary><table><tr><th>finding</th><th lang=\"ja\">所見</th><th>positives</th><th>known</th><th>in training</th><th>AUROC</th><th>95 % interval</th><th>AUPRC</th>"
                           "<th>top-1</th><th>top-5</th></tr>");
        json_array_foreach(json_object_get(row, "per_finding"), k, one) {
            if (!(xp_page_number(one, "n_pos") > 0)) continue;
            shn_html_raw(page, "<tr>");
            td(page, xp_page_word(one, "name_en"));
            td(page, xp_page_word(one, "name_ja"));
            shn_html_printf(page, "<td>%.0f</td><td>%.0f</td><td>%.0f</td>", xp_page_number(one, "n_pos"), xp_page_number(one, "n_known"), xp_page_number(one, "n_pos_train"));
            share_cell(page, xp_page_number(one, "auroc"));
            if (isnan(xp_page_number(one, "auroc_low"))) shn_html_raw(page, "<td>–</td>");
            else shn_html_printf(page, "<td class=\"n\">%.3f to %.3f</td>", xp_page_number(one, "auroc_low"), xp_page_number(one, "auroc_high"));
            share_cell(page, xp_page_number(one, "auprc"));
            share_cell(page, xp_page_number(one, "top1"));
            share_cell(page, xp_page_number(one, "top5"));
            shn_html_raw(page, "</tr>");
        }
        shn_html_raw(page, "</table></details>\n");
    }
}

static void write_table(shn_html *page, const json_t *t, const xp_figures *figures)
{
    size_t  i, m;
    json_t *row, *metric;
    const json_t *rows = json_object_get(t, "rows");
    shn_html_raw(page, "<h2>");
    shn_html_text(page, xp_page_word(t, "title"));
    shn_html_raw(page, "</h2><p class=\"note\">Cohort ");
    shn_html_text(page, xp_page_word(t, "cohort"));
    shn_html_raw(page, ", split ");
    shn_html_text(page, xp_page_word(t, "split"));
    if (*xp_page_word(t, "home")) {
        shn_html_raw(page, ", thresholds and calibration from cohort ");
        shn_html_text(page, xp_page_word(t, "home"));
    }
    shn_html_raw(page, ".</p><div class=\"scroll\"><table><tr><th>system</th><th>read-out</th><th>seeds</th><th>findings</th>");
    json_array_foreach(json_object_get(t, "metrics"), m, metric) th(page, json_string_value(metric));
    shn_html_raw(page, "</tr>");
    json_array_foreach((json_t *)rows, i, row) {
        shn_html_raw(page, strcmp(xp_page_word(row, "kind"), "control") == 0 ? "<tr class=\"control\">" : "<tr>");
        td(page, xp_page_word(row, "system"));
        td(page, xp_page_word(row, "readout"));
        shn_html_printf(page, "<td>%d</td><td>%d</td>", (int)xp_page_number(row, "n_seeds"), (int)xp_page_number(row, "n_findings"));
        metric_cells(page, json_object_get(t, "metrics"), rows, row);
        shn_html_raw(page, "</tr>");
    }
    shn_html_raw(page, "</table></div>\n");
    write_figures(page, figures, xp_page_word(t, "name"));
    write_findings(page, t);
}

/* ---- subgroups, supersets ---- */

static void write_subgroups(shn_html *page, const json_t *s)
{
    size_t        i, m;
    json_t       *group, *metric;
    const json_t *groups = json_object_get(s, "groups"), *metrics = json_object_get(s, "metrics");
    heading(page, "subgroups", "By age, sex and source", "年齢・性別・施設ごと");
    shn_html_raw(page, "<p class=\"note\">");
    shn_html_text(page, xp_page_word(s, "row"));
    shn_html_raw(page, " on ");
    shn_html_text(page, xp_page_word(s, "evaluation"));
    shn_html_printf(page, "; means over %d seeds, intervals by patient. No threshold is fitted to a group.</p><div class=\"scroll\"><table><tr><th>by</th><th>group</th><th>records</th><th>patients</th>",
                    (int)xp_page_number(s, "n_seeds"));
    json_array_foreach(metrics, m, metric) th(page, json_string_value(metric));
    shn_html_raw(page, "</tr>\n");
    json_array_foreach(groups, i, group) {
        shn_html_raw(page, "<tr>");
        td(page, xp_page_word(group, "by"));
        td(page, xp_page_word(group, "group"));
        shn_html_printf(page, "<td class=\"n\">%d</td><td class=\"n\">%d%s</td>", (int)xp_page_number(group, "n_records"), (int)xp_page_number(group, "n_patients"),
                        json_is_true(json_object_get(group, "small")) ? " <span class=\"note\">small</span>" : "");
        metric_cells(page, metrics, groups, group);
        shn_html_raw(page, "</tr>");
    }
    shn_html_raw(page, "</table></div>\n");
}

static void write_supersets(shn_html *page, const json_t *rows)
{
    size_t  i, p;
    json_t *row, *one;
    if (json_array_size(rows) == 0) return;
    heading(page, "supersets", "Supersets that nobody trained on", "学習していない上位所見");
    json_array_foreach(rows, i, row) {
        shn_html_raw(page, "<h3>");
        shn_html_text(page, xp_page_word(row, "row"));
        shn_html_raw(page, "</h3><p class=\"note\">");
        if (json_is_null(json_object_get(row, "auroc_macro_own_text"))) {
            shn_html_raw(page, "Own text: ");
            shn_html_text(page, xp_page_word(row, "own_text"));
            shn_html_raw(page, ". ");
        }
        shn_html_printf(page, "AUROC by the superset's own text and by the best of the findings below it; means over %d seeds, intervals by patient.</p><table><tr><th>superset</th>"
                              "<th>positives of known</th><th>own text</th><th>best finding below</th></tr>\n<tr><td><strong>mean of %d</strong></td><td></td>", (int)xp_page_number(row, "n_seeds"),
                        (int)xp_page_number(row, "n_supersets"));
        cell(page, json_object_get(row, "auroc_macro_own_text"), 0, 1);
        cell(page, json_object_get(row, "auroc_macro_best_child"), 0, 1);
        shn_html_raw(page, "</tr>");
        json_array_foreach(json_object_get(row, "per_superset"), p, one) {
            shn_html_raw(page, "<tr><td>");
            shn_html_text(page, xp_page_word(one, "name_en"));
            shn_html_raw(page, "<br><span class=\"note\" lang=\"ja\">");
            shn_html_text(page, xp_page_word(one, "name_ja"));
            shn_html_printf(page, "</span></td><td class=\"n\">%d of %d</td>", (int)xp_page_number(one, "n_pos"), (int)xp_page_number(one, "n_known"));
            cell(page, json_object_get(one, "auroc_own_text"), 0, 1);
            cell(page, json_object_get(one, "auroc_best_child"), 0, 1);
            shn_html_raw(page, "</tr>");
        }
        shn_html_raw(page, "</table>\n");
    }
}

/* ---- drift ---- */

static void write_drift(shn_html *page, const json_t *d)
{
    size_t  i;
    json_t *m;
    shn_html_raw(page, "<h3>");
    shn_html_text(page, xp_page_word(d, "home"));
    shn_html_raw(page, " to ");
    shn_html_text(page, xp_page_word(d, "away"));
    shn_html_raw(page, " (");
    shn_html_text(page, xp_page_word(d, "evaluation"));
    shn_html_printf(page, ")</h3><p class=\"note\">%d against %d records, %g and %g Hz. Median [quartiles]; effect: difference of means over the pooled standard deviation. Embeddings lie %.2f "
                          "root-mean-square distances apart and tell the hospitals apart with AUROC %.2f.</p><table><tr><th></th><th>home</th><th>away</th><th>effect</th></tr>",
                    (int)xp_page_number(d, "n_home"), (int)xp_page_number(d, "n_away"), xp_page_number(d, "home_fs_hz"), xp_page_number(d, "away_fs_hz"),
                    xp_page_number(d, "embedding_distance"), xp_page_number(d, "embedding_auroc"));
    json_array_foreach(json_object_get(d, "measures"), i, m) {
        char home[96], away[96];
        xp_page_side(m, "home", home);
        xp_page_side(m, "away", away);
        shn_html_printf(page, "<tr><td>%s %s</td><td class=\"n\">%s</td><td class=\"n\">%s</td>", xp_page_word(m, "name"), xp_page_word(m, "unit"), home, away);
        if (isnan(xp_page_number(m, "effect"))) shn_html_raw(page, "<td>–</td></tr>");
        else shn_html_printf(page, "<td class=\"n\">%+.2f</td></tr>", xp_page_number(m, "effect"));
    }
    shn_html_raw(page, "</table><details><summary>How often shared findings occur</summary><table><tr><th>finding</th><th>home, training</th><th>away</th><th>compared</th></tr>");
    json_array_foreach(json_object_get(d, "prevalence"), i, m) {
        if (!xp_page_comparable(m)) continue;       /* known on a side only where it is present */
        shn_html_raw(page, "<tr>");
        td(page, xp_page_word(m, "name_en"));
        shn_html_printf(page, "<td class=\"n\">%.3f</td>", xp_page_number(m, "home"));
        shn_html_printf(page, "<td class=\"n\">%.3f <span class=\"note\">%d of %d</span></td>", xp_page_number(m, "away"), (int)xp_page_number(m, "n_pos"), (int)xp_page_number(m, "n_known"));
        td(page, xp_page_word(m, "compared"));
        shn_html_raw(page, "</tr>");
    }
    shn_html_raw(page, "</table></details>\n");
}

/* ---- cases, runs ---- */

/** Each drawing is a picture of its own (data: address): its names cannot meet another's, and nothing in it can run. */
static void write_cases(shn_html *page, const xp_cases *cases)
{
    if (!cases || cases->n == 0) return;
    heading(page, "cases", "Example cases", "症例");
    shn_html_raw(page, "<p class=\"note\">Chosen by rule: first hits (the first of all specific findings is true), first misses (no true specific finding among the first five), worst urgent misses (an urgent "
                       "finding not called, least probable first).</p>");
    for (size_t i = 0; i < cases->n; i++) {
        shn_html_raw(page, "<figure><figcaption>");
        shn_html_text(page, cases->list[i].caption);
        shn_html_raw(page, "<br>In the data <span lang=\"ja\">（元データの所見）</span>: <strong>");
        shn_html_text(page, cases->list[i].truth);
        shn_html_raw(page, "</strong></figcaption>\n<img alt=\"12-lead ECG on paper with the five nearest texts\" src=\"data:image/svg+xml;base64,");
        shn_html_base64(page, cases->list[i].svg, cases->list[i].n_svg);
        shn_html_raw(page, "\"></figure>\n");
    }
}

static void write_runs(shn_html *page, const json_t *doc)
{
    size_t  i;
    json_t *s;
    heading(page, "runs", "Runs", "学習");
    shn_html_raw(page, "<table><tr><th>system</th><th>cohort</th><th>text</th><th>epochs</th><th>trainings</th><th>settings beside the loss's defaults</th></tr>");
    json_array_foreach(json_object_get(doc, "systems"), i, s) {
        const char *key, *before = "";
        json_t     *value;
        shn_html_raw(page, "<tr>");
        td(page, xp_page_word(s, "name"));
        td(page, xp_page_word(s, "cohort"));
        td(page, xp_page_word(s, "text"));
        shn_html_printf(page, "<td>%d</td><td>%.0f</td><td>", (int)xp_page_number(s, "epochs"), xp_page_number(s, "n_seeds") * xp_page_number(s, "n_parts"));
        json_object_foreach(json_object_get(s, "settings"), key, value) {
            if (strcmp(key, "text") == 0 || strcmp(key, "cohort") == 0 || strcmp(key, "seeds") == 0) continue;
            shn_html_text(page, before);
            shn_html_text(page, key);
            shn_html_raw(page, " ");
            shn_html_text(page, json_string_value(value));
            before = ", ";
        }
        shn_html_raw(page, "</td></tr>");
    }
    shn_html_raw(page, "</table>\n");
}

shn_status xp_html(const json_t *doc, const xp_figures *figures, const xp_cases *cases, char **out, shn_error *err)
{
    shn_html page = { 0 };
    size_t   i;
    json_t  *one;
    write_head(&page, doc);
    write_data(&page, doc);
    write_claims(&page, json_object_get(doc, "claims"));
    json_array_foreach(json_object_get(doc, "tables"), i, one) write_table(&page, one, figures);
    write_supersets(&page, json_object_get(doc, "supersets"));
    json_array_foreach(json_object_get(doc, "subgroups"), i, one) write_subgroups(&page, one);
    if (json_array_size(json_object_get(doc, "drifts"))) heading(&page, "drift", "Drift between hospitals", "施設間の違い");
    json_array_foreach(json_object_get(doc, "drifts"), i, one) write_drift(&page, one);
    write_cases(&page, cases);
    write_runs(&page, doc);
    write_figures(&page, figures, NULL);
    shn_html_raw(&page, "</body></html>\n");
    return shn_html_finish(&page, out, err);
}
