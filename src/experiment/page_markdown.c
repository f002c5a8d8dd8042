/** results.md: what was asked, on which data, what came out, what it cannot decide. */
#include "experiment/pages.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "experiment/page_words.h"

/** "0.873 (0.004) [0.841, 0.901]": mean over seeds, standard deviation over seeds, interval over patients and seeds. */
static void cell(FILE *f, const json_t *v)
{
    const double value = xp_page_number(v, "value"), sd = xp_page_number(v, "sd_seeds");
    if (isnan(value)) {
        fputs("-", f);
        return;
    }
    fprintf(f, "%.3f", value);
    if (!isnan(sd)) fprintf(f, " (%.3f)", sd);
    fprintf(f, " [%.3f, %.3f]", xp_page_number(v, "low"), xp_page_number(v, "high"));
}

/** '|' would end a cell. */
static void words(FILE *f, const char *s)
{
    for (; *s; s++) {
        if (*s == '|') fputc('\\', f);
        fputc(*s == '\n' ? ' ' : *s, f);
    }
}

static void write_head(FILE *f, const json_t *doc)
{
    size_t  i;
    json_t *seed, *run = json_object_get(doc, "run");
    fputs("# ", f);
    words(f, xp_page_word(doc, "title"));
    fputs("\n\nResearch software, not a medical device.", f);
    if (*xp_page_word(doc, "about")) {
        fputc(' ', f);
        words(f, xp_page_word(doc, "about"));
    }
    if (run)
        fprintf(f, "\n\n    shinden experiment %s --data DATA -o FOLDER --results THIS_FILE\n\nwrites this page; a second time it differs in times only. Config SHA-256 %.16s. %s, %s, %d cores; "
                   "trainings together %.1f core hours.", xp_page_word(run, "config"), xp_page_word(doc, "config_sha256"), xp_page_word(run, "program"), xp_page_word(run, "cpu"),
                (int)xp_page_number(run, "cores"), xp_page_number(run, "training_seconds") / 3600);
    fputs(" Seeds", f);
    json_array_foreach(json_object_get(doc, "seeds"), i, seed) fprintf(f, " %d", (int)json_integer_value(seed));
    fprintf(f, ".\n\nCells: mean over seeds (standard deviation over seeds) [95 %% interval, %d resamples of patients and seeds].\n", (int)xp_page_number(doc, "n_bootstrap"));
}

static void write_limits(FILE *f, const json_t *doc)
{
    size_t  i;
    json_t *one, *list = xp_page_limits(doc);
    fputs("\n## What this data cannot decide\n\n", f);
    json_array_foreach(list, i, one) {
        fputs("- ", f);
        words(f, json_string_value(one));
        fputc('\n', f);
    }
    json_decref(list);
}

static void write_data(FILE *f, const json_t *doc)
{
    size_t  i;
    json_t *c, *split;
    fputs("\n## Data\n\n| cohort | Hz | findings | sources | splits: records, patients |\n| --- | --- | --- | --- | --- |\n", f);
    json_array_foreach(json_object_get(doc, "cohorts"), i, c) {
        const char *name, *before = "";
        json_t     *count;
        fputs("| ", f);
        words(f, xp_page_word(c, "name"));
        fprintf(f, " | %g | %d | ", xp_page_number(c, "fs_hz"), (int)xp_page_number(c, "n_findings"));
        json_object_foreach(json_object_get(c, "sources"), name, count) {
            fprintf(f, "%s%s %d", before, name, (int)json_integer_value(count));
            before = ", ";
        }
        fputs(" | ", f);
        before = "";
        json_object_foreach(json_object_get(c, "splits"), name, split) {
            fprintf(f, "%s%s %d", before, name, (int)xp_page_number(split, "n_records"));
            if (!isnan(xp_page_number(split, "n_patients"))) fprintf(f, " (%d)", (int)xp_page_number(split, "n_patients"));
            before = ", ";
        }
        const json_t *folds = json_object_get(c, "cross_validation");
        if (folds) fprintf(f, "; cross-validation in %s, %d folds by patient", xp_page_word(folds, "pool"), (int)xp_page_number(folds, "n_folds"));
        fputs(" |\n", f);
    }
}

static void write_claims(FILE *f, const json_t *doc)
{
    size_t  i;
    json_t *c;
    if (json_array_size(json_object_get(doc, "claims")) == 0) return;
    fputs("\n## Claims\n\nMetric and rows of each were named in the config before anything ran; Holm's correction over all of them.\n\n| claim | verdict | size | seeds | records |\n"
          "| --- | --- | --- | --- | --- |\n", f);
    json_array_foreach(json_object_get(doc, "claims"), i, c) {
        fputs("| ", f);
        words(f, xp_page_word(c, "claim"));
        fprintf(f, " | **%s**%s", xp_page_word(c, "verdict"), *xp_page_word(c, "caveat") ? "; " : "");
        words(f, xp_page_word(c, "caveat"));
        fputs(" | ", f);
        words(f, xp_page_word(c, "size"));
        fprintf(f, " | %d | %d |\n", (int)xp_page_number(c, "n_seeds"), (int)xp_page_number(c, "n_records"));
    }
}

/** The heads of the metrics' columns and the line below a table's heads, of which `before` stand to the left of them. */
static void metric_heads(FILE *f, const json_t *metrics, size_t before)
{
    size_t  m;
    json_t *metric;
    json_array_foreach((json_t *)metrics, m, metric) fprintf(f, " %s |", json_string_value(metric));
    fputs("\n|", f);
    for (m = 0; m < before + json_array_size(metrics); m++) fputs(" --- |", f);
    fputc('\n', f);
}

/** The metrics' cells of a row, which they end. */
static void metric_cells(FILE *f, const json_t *metrics, const json_t *row)
{
    size_t  m;
    json_t *metric;
    json_array_foreach((json_t *)metrics, m, metric) {
        fputc(' ', f);
        cell(f, json_object_get(json_object_get(row, "metrics"), json_string_value(metric)));
        fputs(" |", f);
    }
    fputc('\n', f);
}

static void write_table(FILE *f, const json_t *t)
{
    size_t  i;
    json_t *row;
    fputs("\n## ", f);
    words(f, xp_page_word(t, "title"));
    fprintf(f, "\n\nCohort %s, split %s", xp_page_word(t, "cohort"), xp_page_word(t, "split"));
    if (*xp_page_word(t, "home")) fprintf(f, ", thresholds and calibration from cohort %s", xp_page_word(t, "home"));
    fputs(".\n\n| system | read-out | seeds | findings |", f);
    metric_heads(f, json_object_get(t, "metrics"), 4);
    json_array_foreach(json_object_get(t, "rows"), i, row) {
        const int control = strcmp(xp_page_word(row, "kind"), "control") == 0;
        fputs(control ? "| control: " : "| ", f);
        words(f, xp_page_word(row, "system"));
        fprintf(f, " | %s | %d | %d |", xp_page_word(row, "readout"), (int)xp_page_number(row, "n_seeds"), (int)xp_page_number(row, "n_findings"));
        metric_cells(f, json_object_get(t, "metrics"), row);
    }
}

static void write_drift(FILE *f, const json_t *d)
{
    size_t  i;
    json_t *m;
    fprintf(f, "\n## Drift from %s to %s (%s)\n\n%s %s (%d records, %g Hz) against %s %s (%d records, %g Hz). Median [quartiles] (records that have it); effect: difference of means over the pooled standard "
               "deviation.\n\n| | %s | %s | effect |\n| --- | --- | --- | --- |\n", xp_page_word(d, "home"), xp_page_word(d, "away"), xp_page_word(d, "evaluation"), xp_page_word(d, "home"), xp_page_word(d, "home_split"),
            (int)xp_page_number(d, "n_home"), xp_page_number(d, "home_fs_hz"), xp_page_word(d, "away"), xp_page_word(d, "away_split"), (int)xp_page_number(d, "n_away"),
            xp_page_number(d, "away_fs_hz"), xp_page_word(d, "home"), xp_page_word(d, "away"));
    json_array_foreach(json_object_get(d, "measures"), i, m) {
        char home[96], away[96];
        xp_page_side(m, "home", home);
        xp_page_side(m, "away", away);
        fprintf(f, "| %s %s | %s | %s", xp_page_word(m, "name"), xp_page_word(m, "unit"), home, away);
        if (isnan(xp_page_number(m, "effect"))) fputs(" | - |\n", f);
        else fprintf(f, " | %+.2f |\n", xp_page_number(m, "effect"));
    }
    fprintf(f, "\nEmbeddings of %s: the means lie %.2f root-mean-square distances apart; the projection on their difference tells the hospitals apart with AUROC %.2f (0.5: not at all). "
               "Findings that are known on a side only where they are present are left out of the list.\n\n| finding | %s, training | %s | positives of known |\n| --- | --- | --- | --- |\n", xp_page_word(d, "row"), xp_page_number(d, "embedding_distance"),
            xp_page_number(d, "embedding_auroc"), xp_page_word(d, "home"), xp_page_word(d, "away"));
    json_array_foreach(json_object_get(d, "prevalence"), i, m) {
        if (!xp_page_comparable(m)) continue;
        fprintf(f, "| %s | %.3f | %.3f | %d of %d |\n", xp_page_word(m, "name_en"), xp_page_number(m, "home"), xp_page_number(m, "away"), (int)xp_page_number(m, "n_pos"),
                (int)xp_page_number(m, "n_known"));
    }
}

static void write_subgroups(FILE *f, const json_t *s)
{
    size_t  i;
    json_t *group;
    fprintf(f, "\n## By age, sex and source: `%s` on `%s`\n\nMeans over %d seeds, intervals by patient. No threshold is fitted to a group; groups of fewer than 50 patients are marked.\n\n| by | group | records | patients |",
            xp_page_word(s, "row"), xp_page_word(s, "evaluation"), (int)xp_page_number(s, "n_seeds"));
    metric_heads(f, json_object_get(s, "metrics"), 4);
    json_array_foreach(json_object_get(s, "groups"), i, group) {
        fprintf(f, "| %s | ", xp_page_word(group, "by"));
        words(f, xp_page_word(group, "group"));
        fprintf(f, " | %d | %d%s |", (int)xp_page_number(group, "n_records"), (int)xp_page_number(group, "n_patients"), json_is_true(json_object_get(group, "small")) ? ", small" : "");
        metric_cells(f, json_object_get(s, "metrics"), group);
    }
}

static void write_supersets(FILE *f, const json_t *rows)
{
    size_t  i, p;
    json_t *row, *one;
    if (json_array_size(rows) == 0) return;
    fputs("\n## Supersets that nobody trained on\n\nA superset (\"bundle branch block\") scored by its own text and by the best of the findings below it; mean AUROC over supersets, means over seeds, intervals by patient.\n\n"
          "| system | seeds | supersets | by own text | by the best finding below | difference |\n| --- | --- | --- | --- | --- | --- |\n", f);
    json_array_foreach(rows, i, row) {
        static const char *const values[] = { "auroc_macro_own_text", "auroc_macro_best_child", "own_text_minus_best_child" };
        fputs("| ", f);
        words(f, xp_page_word(row, "row"));
        fprintf(f, " | %d | %d |", (int)xp_page_number(row, "n_seeds"), (int)xp_page_number(row, "n_supersets"));
        for (int v = 0; v < 3; v++) {
            fputc(' ', f);
            cell(f, json_object_get(row, values[v]));
            fputs(" |", f);
        }
        fputc('\n', f);
    }
    json_array_foreach(rows, i, row)
        if (json_is_null(json_object_get(row, "auroc_macro_own_text"))) {
            fprintf(f, "\n`%s` has no own text: ", xp_page_word(row, "row"));
            words(f, xp_page_word(row, "own_text"));
            fputc('\n', f);
        }
    row = json_array_get(rows, 0);
    fprintf(f, "\nEach superset, `%s`:\n\n| superset | positives of known | by own text | by the best finding below | own text among the first 5 |\n| --- | --- | --- | --- | --- |\n", xp_page_word(row, "row"));
    json_array_foreach(json_object_get(row, "per_superset"), p, one) {
        fprintf(f, "| %s | %d of %d | ", xp_page_word(one, "name_en"), (int)xp_page_number(one, "n_pos"), (int)xp_page_number(one, "n_known"));
        cell(f, json_object_get(one, "auroc_own_text"));
        fputs(" | ", f);
        cell(f, json_object_get(one, "auroc_best_child"));
        if (isnan(xp_page_number(one, "top5"))) fputs(" | - |\n", f);
        else fprintf(f, " | %.2f |\n", xp_page_number(one, "top5"));
    }
}

/** Every system with the settings that the config gives it, and what it cost. */
static void write_runs(FILE *f, const json_t *doc)
{
    size_t  i;
    json_t *s, *t;
    fputs("\n## Runs\n\n", f);
    json_array_foreach(json_object_get(doc, "texts"), i, t) {
        fprintf(f, "- text `%s`: ", xp_page_word(t, "name"));
        words(f, xp_page_word(t, "what"));
        if (*xp_page_word(t, "proxy")) {
            fputs(" (proxy: ", f);
            words(f, xp_page_word(t, "proxy"));
            fputc(')', f);
        }
        fputc('\n', f);
    }
    fputs("\n| system | cohort | text | epochs | trainings | seconds each | settings beside the loss's defaults |\n| --- | --- | --- | --- | --- | --- | --- |\n", f);
    json_array_foreach(json_object_get(doc, "systems"), i, s) {
        const char  *key, *before = "";
        json_t      *value;
        const double n = xp_page_number(s, "n_seeds") * xp_page_number(s, "n_parts");
        fputs("| ", f);
        words(f, xp_page_word(s, "name"));
        fprintf(f, " | %s | %s | %d | %.0f | %.0f | ", xp_page_word(s, "cohort"), *xp_page_word(s, "text") ? xp_page_word(s, "text") : "-", (int)xp_page_number(s, "epochs"), n,
                xp_page_number(s, "training_seconds") / n);
        json_object_foreach(json_object_get(s, "settings"), key, value) {
            if (strcmp(key, "text") == 0 || strcmp(key, "cohort") == 0 || strcmp(key, "seeds") == 0) continue;
            fprintf(f, "%s%s ", before, key);
            words(f, json_string_value(value));
            before = ", ";
        }
        fputs(" |\n", f);
    }
}

shn_status xp_markdown(const json_t *doc, char **out, shn_error *err)
{
    size_t  n, i;
    json_t *one;
    FILE   *f = open_memstream(out, &n);
    if (!f) return shn_fail_nomem(err, "experiment.pages");
    write_head(f, doc);
    write_limits(f, doc);
    write_data(f, doc);
    write_claims(f, doc);
    json_array_foreach(json_object_get(doc, "tables"), i, one) write_table(f, one);
    write_supersets(f, json_object_get(doc, "supersets"));
    json_array_foreach(json_object_get(doc, "subgroups"), i, one) write_subgroups(f, one);
    json_array_foreach(json_object_get(doc, "drifts"), i, one) write_drift(f, one);
    write_runs(f, doc);
    return xp_page_finish(f, out, err);
}
