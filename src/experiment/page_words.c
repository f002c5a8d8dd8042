#include "experiment/page_words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

enum { FEW_POSITIVES = 10, CLAIMS_MAX = 1024 };

const char *xp_page_word(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

double xp_page_value(const json_t *v) { return json_is_number(v) ? json_number_value(v) : NAN; }

double xp_page_number(const json_t *o, const char *key) { return xp_page_value(json_object_get(o, key)); }

shn_status xp_page_finish(FILE *f, char **text, shn_error *err)
{
    const int failed = ferror(f);
    if (fclose(f) == 0 && !failed) return SHN_OK;
    free(*text);
    *text = NULL;
    return shn_fail_nomem(err, "experiment.pages");
}

void xp_page_side(const json_t *measure, const char *side, char out[96])
{
    const json_t *s = json_object_get(measure, side);
    const int     n = (int)xp_page_number(s, "n"), is_share = strcmp(xp_page_word(measure, "name"), "female") == 0;
    if (isnan(xp_page_number(s, "median"))) snprintf(out, 96, "not recorded");
    else if (is_share) snprintf(out, 96, "share %.2f (%d)", xp_page_number(s, "mean"), n);
    else snprintf(out, 96, "%.3g [%.3g, %.3g] (%d)", xp_page_number(s, "median"), xp_page_number(s, "low"), xp_page_number(s, "high"), n);
}

int xp_page_comparable(const json_t *p) { return xp_page_number(p, "home") < 1 && xp_page_number(p, "n_pos") < xp_page_number(p, "n_known"); }

/** "val: 177 records of 166 patients; of 60 findings 50 have fewer than ten positives." Once for each evaluation. */
static void say_size(const json_t *table, json_t *list, json_t *seen)
{
    size_t        k, n = 0, few = 0;
    json_t       *one;
    const json_t *row = json_array_get(json_object_get(table, "rows"), 0);
    if (json_object_get(seen, xp_page_word(table, "evaluation"))) return;
    json_object_set_new(seen, xp_page_word(table, "evaluation"), json_true());
    json_array_foreach(json_object_get(row, "per_finding"), k, one) {
        const double positive = xp_page_number(one, "n_pos");
        n += positive > 0;
        few += positive > 0 && positive < FEW_POSITIVES;
    }
    json_t *size = json_sprintf("%s (cohort %s, %s): %.0f records of %.0f patients", xp_page_word(table, "evaluation"), xp_page_word(table, "cohort"), xp_page_word(table, "split"),
                                xp_page_number(row, "n_records"), xp_page_number(row, "n_patients"));
    json_t *rare = n ? json_sprintf("; of the %zu findings with a positive among them %zu have fewer than %d", n, few, FEW_POSITIVES) : json_string("");
    json_array_append_new(list, json_sprintf("%s%s.", json_string_value(size), json_string_value(rare)));
    json_decref(size);
    json_decref(rare);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/** The claims' intervals say how far this data reaches. */
static void say_reach(const json_t *claims, json_t *list)
{
    double  half[CLAIMS_MAX];
    size_t  i, n = 0, open = 0;
    json_t *c;
    json_array_foreach((json_t *)claims, i, c) {
        const json_t *d = json_object_get(c, "difference");
        const double  width = xp_page_number(d, "high") - xp_page_number(d, "low");
        open += strncmp(xp_page_word(c, "verdict"), "undecided", 9) == 0;
        if (!isnan(width) && n < CLAIMS_MAX) half[n++] = width / 2;
    }
    if (n == 0) return;
    qsort(half, n, sizeof *half, by_value);
    json_array_append_new(list, json_sprintf("The intervals of the %zu claims reach %.3f to either side (median; %.3f to %.3f): a smaller difference cannot be told from none here. %zu of %zu claims are "
                                             "undecided; that is no evidence against them.", n, half[n / 2], half[0], half[n - 1], open, json_array_size(claims)));
}

json_t *xp_page_limits(const json_t *doc)
{
    size_t  i;
    json_t *one, *list = json_array(), *seen = json_object();
    if (!list || !seen) {
        json_decref(list);
        json_decref(seen);
        return NULL;
    }
    json_array_foreach(json_object_get(doc, "cohorts"), i, one)
        if (json_is_true(json_object_get(one, "simulated")))
            json_array_append_new(list, json_sprintf("Cohort %s is SIMULATED: its numbers say that the program works, nothing about ECGs.", xp_page_word(one, "name")));
    json_array_foreach(json_object_get(doc, "tables"), i, one) say_size(one, list, seen);
    say_reach(json_object_get(doc, "claims"), list);
    json_array_append_new(list, json_string("AUROC and average precision of a finding with a handful of positives move by tenths with one record; means over findings hide that. Micro-F1, Jaccard and "
                                            "top-k are carried by normal ECG and sinus rhythm: compare with the control rows."));
    json_decref(seen);
    return list;
}
