#include "experiment/pages.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/fail.h"
#include "report/bars.h"
#include "report/html.h"

static const char *word(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static double number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static shn_status finish(FILE *f, char **text, shn_error *err)
{
    if (!ferror(f) && fclose(f) == 0) return SHN_OK;
    free(*text);
    *text = NULL;
    return shn_fail_nomem(err, "experiment.pages");
}

/** "0.873 (0.004) [0.841, 0.901]": mean over seeds, standard deviation over seeds, interval over patients and seeds. */
static void cell(FILE *f, const json_t *v)
{
    const double value = number(v, "value"), sd = number(v, "sd_seeds");
    if (isnan(value)) {
        fputs("-", f);
        return;
    }
    fprintf(f, "%.3f", value);
    if (!isnan(sd)) fprintf(f, " (%.3f)", sd);
    fprintf(f, " [%.3f, %.3f]", number(v, "low"), number(v, "high"));
}

/* ---- Markdown ---- */

/** '|' would end a cell. */
static void md_text(FILE *f, const char *s)
{
    for (; *s; s++) {
        if (*s == '|') fputc('\\', f);
        fputc(*s == '\n' ? ' ' : *s, f);
    }
}

static void md_table(FILE *f, const json_t *t)
{
    size_t  i, m;
    json_t *row, *metric;
    fputs("\n## ", f);
    md_text(f, word(t, "title"));
    fprintf(f, "\n\nCohort %s, split %s.\n\n| system | read-out | seeds |", word(t, "cohort"), word(t, "split"));
    json_array_foreach(json_object_get(t, "metrics"), m, metric) fprintf(f, " %s |", json_string_value(metric));
    fputs("\n| --- | --- | --- |", f);
    for (m = 0; m < json_array_size(json_object_get(t, "metrics")); m++) fputs(" --- |", f);
    fputc('\n', f);
    json_array_foreach(json_object_get(t, "rows"), i, row) {
        fputs("| ", f);
        md_text(f, word(row, "system"));
        fprintf(f, " | %s | %d |", word(row, "readout"), (int)number(row, "n_seeds"));
        json_array_foreach(json_object_get(t, "metrics"), m, metric) {
            fputc(' ', f);
            cell(f, json_object_get(json_object_get(row, "metrics"), json_string_value(metric)));
            fputs(" |", f);
        }
        fputc('\n', f);
    }
}

shn_status xp_markdown(const json_t *doc, char **out, shn_error *err)
{
    size_t  n, i;
    json_t *t, *c;
    FILE   *f = open_memstream(out, &n);
    if (!f) return shn_fail_nomem(err, "experiment.pages");
    fprintf(f, "# %s\n\nResearch software, not a medical device. Cells: mean over seeds (standard deviation over seeds) [95 %% interval, %d resamples of patients and seeds].\n",
            word(doc, "title"), (int)number(doc, "n_bootstrap"));
    json_array_foreach(json_object_get(doc, "cohorts"), i, c) {
        const char *split;
        json_t     *count;
        fprintf(f, "\nCohort %s: %d records, %g Hz", word(c, "name"), (int)number(c, "n_records"), number(c, "fs_hz"));
        json_object_foreach(json_object_get(c, "splits"), split, count) fprintf(f, ", %s %d", split, (int)json_integer_value(count));
        fputs(".\n", f);
    }
    if (json_array_size(json_object_get(doc, "claims"))) {
        fputs("\n## Claims\n\n| claim | verdict | size | seeds | records |\n| --- | --- | --- | --- | --- |\n", f);
        json_array_foreach(json_object_get(doc, "claims"), i, c) {
            fputs("| ", f);
            md_text(f, word(c, "claim"));
            fprintf(f, " | **%s**%s%s | ", word(c, "verdict"), *word(c, "caveat") ? "; " : "", word(c, "caveat"));
            md_text(f, word(c, "size"));
            fprintf(f, " | %d | %d |\n", (int)number(c, "n_seeds"), (int)number(c, "n_records"));
        }
    }
    json_array_foreach(json_object_get(doc, "tables"), i, t) md_table(f, t);
    return finish(f, out, err);
}

/* ---- CSV and LaTeX ---- */

/** All digits of a number; nothing for NaN. */
static void full(double x, char out[32])
{
    if (isnan(x)) *out = '\0';
    else snprintf(out, 32, "%.17g", x);
}

shn_status xp_table_csv(const json_t *t, char **out, shn_error *err)
{
    static const char *const columns[] = { "system", "readout", "n_seeds", "n_records", "metric", "value", "sd_seeds", "low", "high" };
    size_t  n, i, m;
    json_t *row, *metric;
    FILE   *f = open_memstream(out, &n);
    if (!f) return shn_fail_nomem(err, "experiment.pages");
    shn_csv_put_row(f, columns, 9, ',');
    json_array_foreach(json_object_get(t, "rows"), i, row)
        json_array_foreach(json_object_get(t, "metrics"), m, metric) {
            static const char *const keys[] = { "value", "sd_seeds", "low", "high" };
            const json_t *v = json_object_get(json_object_get(row, "metrics"), json_string_value(metric));
            char          text[6][32];
            snprintf(text[0], 32, "%d", (int)number(row, "n_seeds"));
            snprintf(text[1], 32, "%d", (int)number(row, "n_records"));
            for (int k = 0; k < 4; k++) {
                const double x = number(v, keys[k]);
                full(x, text[2 + k]);
            }
            const char *fields[] = { word(row, "system"), word(row, "readout"), text[0], text[1], json_string_value(metric), text[2], text[3], text[4], text[5] };
            shn_csv_put_row(f, fields, 9, ',');
        }
    return finish(f, out, err);
}

shn_status xp_claims_csv(const json_t *doc, char **out, shn_error *err)
{
    static const char *const columns[] = { "name", "claim", "verdict", "higher", "lower", "metric", "evaluation", "difference", "low", "high", "p", "p_holm", "n_seeds", "caveat" };
    size_t  n, i;
    json_t *c;
    FILE   *f = open_memstream(out, &n);
    if (!f) return shn_fail_nomem(err, "experiment.pages");
    shn_csv_put_row(f, columns, 14, ',');
    json_array_foreach(json_object_get(doc, "claims"), i, c) {
        const json_t *d = json_object_get(c, "difference");
        const double  values[] = { number(d, "value"), number(d, "low"), number(d, "high"), number(c, "p"), number(c, "p_holm"), number(c, "n_seeds") };
        char          text[6][32];
        for (int k = 0; k < 6; k++) full(values[k], text[k]);
        const char *fields[] = { word(c, "name"), word(c, "claim"), word(c, "verdict"), word(c, "higher"), word(c, "lower"), word(c, "metric"), word(c, "evaluation"),
                                 text[0], text[1], text[2], text[3], text[4], text[5], word(c, "caveat") };
        shn_csv_put_row(f, fields, 14, ',');
    }
    return finish(f, out, err);
}

static void latex_text(FILE *f, const char *s)
{
    for (; *s; s++) {
        if (strchr("&%$#_{}", *s)) fprintf(f, "\\%c", *s);
        else if (*s == '~') fputs("\\textasciitilde{}", f);
        else if (*s == '^') fputs("\\textasciicircum{}", f);
        else if (*s == '\\') fputs("\\textbackslash{}", f);
        else fputc(*s, f);
    }
}

shn_status xp_table_latex(const json_t *t, char **out, shn_error *err)
{
    size_t  n, i, m;
    json_t *row, *metric;
    FILE   *f = open_memstream(out, &n);
    if (!f) return shn_fail_nomem(err, "experiment.pages");
    fputs("% needs \\usepackage{booktabs}\n\\begin{tabular}{ll", f);
    for (m = 0; m < json_array_size(json_object_get(t, "metrics")); m++) fputc('r', f);
    fputs("}\n\\toprule\nsystem & read-out", f);
    json_array_foreach(json_object_get(t, "metrics"), m, metric) {
        fputs(" & ", f);
        latex_text(f, json_string_value(metric));
    }
    fputs(" \\\\\n\\midrule\n", f);
    json_array_foreach(json_object_get(t, "rows"), i, row) {
        latex_text(f, word(row, "system"));
        fputs(" & ", f);
        latex_text(f, word(row, "readout"));
        json_array_foreach(json_object_get(t, "metrics"), m, metric) {
            const json_t *v = json_object_get(json_object_get(row, "metrics"), json_string_value(metric));
            if (isnan(number(v, "value"))) fputs(" & --", f);
            else fprintf(f, " & %.3f [%.3f, %.3f]", number(v, "value"), number(v, "low"), number(v, "high"));
        }
        fputs(" \\\\\n", f);
    }
    fputs("\\bottomrule\n\\end{tabular}\n", f);
    return finish(f, out, err);
}

/* ---- HTML ---- */

static const char style[] =
    "<style>body{font:15px/1.45 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}table{border-collapse:collapse;margin:1rem 0}"
    "th,td{padding:.3rem .7rem;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}th{font-weight:600}td.n{font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".note{color:#555}.supported{color:#17683a;font-weight:600}.not{color:#a02020;font-weight:600}.undecided{color:#666;font-weight:600}svg{display:block}svg .axis{stroke:#bbb}svg .interval{stroke:#2b6cb0;stroke-width:2}svg .value{fill:#1a4e80}</style>";

static void html_cell(shn_html *page, const json_t *v, double low, double high)
{
    const double value = number(v, "value"), sd = number(v, "sd_seeds");
    shn_html_raw(page, "<td class=\"n\">");
    if (isnan(value)) shn_html_raw(page, "–");
    else {
        shn_html_printf(page, "%.3f", value);
        if (!isnan(sd)) shn_html_printf(page, " <span class=\"note\">(%.3f)</span>", sd);
        shn_html_printf(page, "<br><span class=\"note\">%.3f to %.3f</span>", number(v, "low"), number(v, "high"));
        shn_bar_draw(page, (shn_interval){ value, number(v, "low"), number(v, "high") }, low, high, NAN);
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
        if (number(v, "low") < *low) *low = number(v, "low");
        if (number(v, "high") > *high) *high = number(v, "high");
    }
    if (!(*high > *low)) {
        *low = 0;
        *high = 1;
    }
}

static void html_table(shn_html *page, const json_t *t)
{
    size_t  i, m;
    json_t *row, *metric;
    const json_t *rows = json_object_get(t, "rows");
    shn_html_raw(page, "<h2>");
    shn_html_text(page, word(t, "title"));
    shn_html_raw(page, "</h2><p class=\"note\">Cohort ");
    shn_html_text(page, word(t, "cohort"));
    shn_html_raw(page, ", split ");
    shn_html_text(page, word(t, "split"));
    shn_html_raw(page, ".</p><table><tr><th>system</th><th>read-out</th><th>seeds</th>");
    json_array_foreach(json_object_get(t, "metrics"), m, metric) {
        shn_html_raw(page, "<th>");
        shn_html_text(page, json_string_value(metric));
        shn_html_raw(page, "</th>");
    }
    shn_html_raw(page, "</tr>");
    json_array_foreach((json_t *)rows, i, row) {
        shn_html_raw(page, "<tr><td>");
        shn_html_text(page, word(row, "system"));
        shn_html_raw(page, "</td><td>");
        shn_html_text(page, word(row, "readout"));
        shn_html_printf(page, "</td><td>%d</td>", (int)number(row, "n_seeds"));
        json_array_foreach(json_object_get(t, "metrics"), m, metric) {
            double low, high;
            range_of(rows, json_string_value(metric), &low, &high);
            html_cell(page, json_object_get(json_object_get(row, "metrics"), json_string_value(metric)), low, high);
        }
        shn_html_raw(page, "</tr>");
    }
    shn_html_raw(page, "</table>");
}

static void html_claims(shn_html *page, const json_t *claims)
{
    size_t  i;
    json_t *c;
    if (json_array_size(claims) == 0) return;
    shn_html_raw(page, "<h2>Claims</h2><p class=\"note\">Metric and rows of each were named in the config before anything ran. Paired differences, intervals over patients and "
                       "seeds, Holm's correction over the claims of this page.</p><table><tr><th>claim</th><th>verdict</th><th>size</th><th>seeds</th></tr>");
    json_array_foreach((json_t *)claims, i, c) {
        const char *verdict = word(c, "verdict");
        shn_html_raw(page, "<tr><td>");
        shn_html_text(page, word(c, "claim"));
        shn_html_printf(page, "</td><td class=\"%s\">", strncmp(verdict, "not", 3) == 0 ? "not" : strncmp(verdict, "supp", 4) == 0 ? "supported" : "undecided");
        shn_html_text(page, verdict);
        if (*word(c, "caveat")) {
            shn_html_raw(page, "<br><span class=\"note\">");
            shn_html_text(page, word(c, "caveat"));
            shn_html_raw(page, "</span>");
        }
        shn_html_raw(page, "</td><td>");
        shn_html_text(page, word(c, "size"));
        shn_html_printf(page, "</td><td>%d</td></tr>", (int)number(c, "n_seeds"));
    }
    shn_html_raw(page, "</table>");
}

shn_status xp_html(const json_t *doc, char **out, shn_error *err)
{
    shn_html page = { 0 };
    size_t   i;
    json_t  *t, *c;
    shn_html_raw(&page, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>");
    shn_html_text(&page, word(doc, "title"));
    shn_html_raw(&page, "</title>");
    shn_html_raw(&page, style);
    shn_html_raw(&page, "</head><body><h1>");
    shn_html_text(&page, word(doc, "title"));
    shn_html_printf(&page, "</h1><p>Research software, not a medical device. Cells: mean over seeds (standard deviation over seeds), 95 %% interval from %d resamples of "
                           "patients and seeds.</p>", (int)number(doc, "n_bootstrap"));
    json_array_foreach(json_object_get(doc, "cohorts"), i, c) {
        const char *split;
        json_t     *count;
        shn_html_raw(&page, "<p class=\"note\">Cohort ");
        shn_html_text(&page, word(c, "name"));
        shn_html_printf(&page, ": %d records, %g Hz", (int)number(c, "n_records"), number(c, "fs_hz"));
        json_object_foreach(json_object_get(c, "splits"), split, count) {
            shn_html_raw(&page, ", ");
            shn_html_text(&page, split);
            shn_html_printf(&page, " %d", (int)json_integer_value(count));
        }
        shn_html_raw(&page, ".</p>");
    }
    html_claims(&page, json_object_get(doc, "claims"));
    json_array_foreach(json_object_get(doc, "tables"), i, t) html_table(&page, t);
    shn_html_raw(&page, "</body></html>\n");
    return shn_html_finish(&page, out, err);
}
