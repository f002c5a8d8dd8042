/** Tables and claims as CSV and LaTeX. */
#include "experiment/pages.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/fail.h"
#include "experiment/page_words.h"

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
            snprintf(text[0], 32, "%d", (int)xp_page_number(row, "n_seeds"));
            snprintf(text[1], 32, "%d", (int)xp_page_number(row, "n_records"));
            for (int k = 0; k < 4; k++) {
                const double x = xp_page_number(v, keys[k]);
                full(x, text[2 + k]);
            }
            const char *fields[] = { xp_page_word(row, "system"), xp_page_word(row, "readout"), text[0], text[1], json_string_value(metric), text[2], text[3], text[4], text[5] };
            shn_csv_put_row(f, fields, 9, ',');
        }
    return xp_page_finish(f, out, err);
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
        const double  values[] = { xp_page_number(d, "value"), xp_page_number(d, "low"), xp_page_number(d, "high"), xp_page_number(c, "p"), xp_page_number(c, "p_holm"), xp_page_number(c, "n_seeds") };
        char          text[6][32];
        for (int k = 0; k < 6; k++) full(values[k], text[k]);
        const char *fields[] = { xp_page_word(c, "name"), xp_page_word(c, "claim"), xp_page_word(c, "verdict"), xp_page_word(c, "higher"), xp_page_word(c, "lower"), xp_page_word(c, "metric"), xp_page_word(c, "evaluation"),
                                 text[0], text[1], text[2], text[3], text[4], text[5], xp_page_word(c, "caveat") };
        shn_csv_put_row(f, fields, 14, ',');
    }
    return xp_page_finish(f, out, err);
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
    fputs("% needs \\usepackage{booktabs}\n\\begin{tabular}{llr", f);
    for (m = 0; m < json_array_size(json_object_get(t, "metrics")); m++) fputc('r', f);
    fputs("}\n\\toprule\nsystem & read-out & seeds", f);
    json_array_foreach(json_object_get(t, "metrics"), m, metric) {
        fputs(" & ", f);
        latex_text(f, json_string_value(metric));
    }
    fputs(" \\\\\n\\midrule\n", f);
    json_array_foreach(json_object_get(t, "rows"), i, row) {
        latex_text(f, xp_page_word(row, "system"));
        fputs(" & ", f);
        latex_text(f, xp_page_word(row, "readout"));
        fprintf(f, " & %d", (int)xp_page_number(row, "n_seeds"));
        json_array_foreach(json_object_get(t, "metrics"), m, metric) {
            const json_t *v = json_object_get(json_object_get(row, "metrics"), json_string_value(metric));
            if (isnan(xp_page_number(v, "value"))) fputs(" & --", f);
            else fprintf(f, " & %.3f [%.3f, %.3f]", xp_page_number(v, "value"), xp_page_number(v, "low"), xp_page_number(v, "high"));
        }
        fputs(" \\\\\n", f);
    }
    fputs("\\bottomrule\n\\end{tabular}\n", f);
    return xp_page_finish(f, out, err);
}

shn_status xp_findings_csv(const json_t *t, char **out, shn_error *err)
{
    static const char *const columns[] = { "row", "id", "name_en", "name_ja", "n_pos", "n_known", "n_pos_train", "auroc", "auroc_low", "auroc_high", "auprc", "top1", "top5" };
    enum { COLUMNS = 13, WORDS = 3, NUMBERS = 9 };
    size_t  n, i, k;
    json_t *row, *one;
    FILE   *f = open_memstream(out, &n);
    if (!f) return shn_fail_nomem(err, "experiment.pages");
    shn_csv_put_row(f, columns, COLUMNS, ',');
    json_array_foreach(json_object_get(t, "rows"), i, row)
        json_array_foreach(json_object_get(row, "per_finding"), k, one) {
            char        text[NUMBERS][32];
            const char *fields[COLUMNS] = { xp_page_word(row, "row") };
            for (int c = 0; c < WORDS; c++) fields[1 + c] = xp_page_word(one, columns[1 + c]);
            for (int c = 0; c < NUMBERS; c++) {
                full(xp_page_number(one, columns[1 + WORDS + c]), text[c]);
                fields[1 + WORDS + c] = text[c];
            }
            shn_csv_put_row(f, fields, COLUMNS, ',');
        }
    return xp_page_finish(f, out, err);
}
