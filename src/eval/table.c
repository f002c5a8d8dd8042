/** The eval document for people: a terminal's table and a CSV. Both read the JSON, so they cannot say anything else. */
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/fail.h"
#include "eval/table.h"
#include "shinden/eval.h"

enum { NAME_COLUMNS = 44, SMALL_PATIENTS = 500 };

shn_status table_parse(const char *json, json_t **out, shn_error *err)
{
    json_error_t why;
    *out = json_loads(json, 0, &why);
    if (*out && json_is_object(json_object_get(*out, "metrics")) && json_is_array(json_object_get(*out, "per_label"))) return SHN_OK;
    shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "eval.table", "not an eval document: %s", *out ? "no metrics or per_label" : why.text);
    json_decref(*out);
    *out = NULL;
    return SHN_FORMAT;
}

void table_put(FILE *f, json_t *v, const char *format)
{
    if (json_is_number(v)) fprintf(f, format, json_number_value(v));
    else fputs("     -", f);
}

void table_put_name(FILE *f, const char *s, int columns)
{
    int used = 0;
    while (*s) {
        utf8proc_int32_t code;
        const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &code);
        if (n <= 0) break;
        const int width = utf8proc_charwidth(code);
        if (used + width > columns) break;
        fwrite(s, 1, (size_t)n, f);
        used += width;
        s += n;
    }
    fprintf(f, "%*s", columns - used, "");
}

const char *table_text(json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void put_overall(FILE *f, json_t *doc)
{
    const char *key;
    json_t     *v, *controls = json_object_get(doc, "controls");
    json_t     *frequency = json_object_get(controls, "label_frequency"), *random = json_object_get(controls, "random_encoder_probe");
    json_t     *simple = json_object_get(controls, "simple_features_probe");
    fprintf(f, "%-22s %7s  %-17s", "metric", "value", "95 % interval");
    if (frequency) fprintf(f, "  %s  %s  %s", "label frequency", "random encoder", "simple features");
    fputc('\n', f);
    json_object_foreach(json_object_get(doc, "metrics"), key, v) {
        fprintf(f, "%-22s ", key);
        table_put(f, json_object_get(v, "value"), " %6.3f");
        fputs("  ", f);
        if (json_is_number(json_object_get(v, "low")))
            fprintf(f, "[%6.3f, %6.3f]", json_number_value(json_object_get(v, "low")), json_number_value(json_object_get(v, "high")));
        else fprintf(f, "%-16s", "");
        if (frequency) {
            table_put(f, json_object_get(json_object_get(frequency, key), "value"), "  %14.3f");
            table_put(f, json_object_get(json_object_get(random, key), "value"), "  %14.3f");
            table_put(f, json_object_get(json_object_get(simple, key), "value"), "  %15.3f");
        }
        fputc('\n', f);
    }
}

static void put_findings(FILE *f, json_t *doc)
{
    size_t  i;
    json_t *l;
    fputc('\n', f);
    table_put_name(f, "finding", NAME_COLUMNS);
    fputs("  pos  known  auroc  [95 % interval]   auprc   sens   spec    ppv   top1   top5\n", f);
    json_array_foreach(json_object_get(doc, "per_label"), i, l) {
        char name[256];
        if (json_integer_value(json_object_get(l, "n_pos")) == 0) continue;         /* nothing to say; the JSON has them */
        snprintf(name, sizeof name, "%s  %s", table_text(l, "name_ja"), table_text(l, "name_en"));
        table_put_name(f, name, NAME_COLUMNS);
        fprintf(f, " %4d %6d", (int)json_integer_value(json_object_get(l, "n_pos")), (int)json_integer_value(json_object_get(l, "n_known")));
        table_put(f, json_object_get(l, "auroc"), " %6.3f");
        if (json_is_number(json_object_get(l, "auroc_low")))
            fprintf(f, "  [%5.3f, %5.3f]", json_number_value(json_object_get(l, "auroc_low")), json_number_value(json_object_get(l, "auroc_high")));
        else fprintf(f, "  %14s", "");
        static const char *const keys[] = { "auprc", "sensitivity", "specificity", "ppv", "top1", "top5" };
        for (int c = 0; c < 6; c++) table_put(f, json_object_get(l, keys[c]), " %6.3f");
        fputc('\n', f);
    }
}

shn_status shn_eval_text(const char *json, char **text, shn_error *err)
{
    json_t *doc;
    size_t  size;
    *text = NULL;
    shn_status st = table_parse(json, &doc, err);
    if (st != SHN_OK) return st;
    FILE *f = open_memstream(text, &size);
    if (!f) {
        json_decref(doc);
        return shn_fail_nomem(err, "eval.table");
    }
    const int n_patients = (int)json_integer_value(json_object_get(doc, "n_patients"));
    fprintf(f, "Research use only. Not a medical device.\n%s on split '%s': %d records, %d patients; read-out %s\nfitted on: %s\n", table_text(doc, "loss"),
            table_text(doc, "split"), (int)json_integer_value(json_object_get(doc, "n_records")), n_patients, table_text(doc, "readout"), table_text(doc, "fitted_on"));
    if (json_is_true(json_object_get(doc, "simulated"))) fputs("SIMULATED records: this shows that the program works, not how well it reads ECGs\n", f);
    if (n_patients < SMALL_PATIENTS)
        fprintf(f, "small data: %d patients; many findings have a handful of positives, and differences inside the intervals mean nothing\n", n_patients);
    const int n_in_train = (int)json_integer_value(json_object_get(doc, "n_records_in_train"));
    if (n_in_train > 0)
        fprintf(f, "%d of these records are in split 'train': of a model trained on them this says nothing about new patients\n", n_in_train);
    const int model_only = (int)json_integer_value(json_object_get(doc, "n_findings_model_only"));
    const int cohort_only = (int)json_integer_value(json_object_get(doc, "n_findings_cohort_only"));
    if (model_only > 0 || cohort_only > 0)
        fprintf(f, "findings that only the model has: %d, that only the cohort has: %d; they take no part\n", model_only, cohort_only);
    const int n_missing = (int)json_integer_value(json_object_get(doc, "n_records_missing_leads"));
    if (n_missing > 0) fprintf(f, "%d of these records lack leads that the model was trained with; they were taken as zeros\n", n_missing);
    if (*table_text(doc, "findings_asked")) fprintf(f, "asked about %s: the other findings are neither candidates nor truth\n", table_text(doc, "findings_asked"));
    fputc('\n', f);
    put_overall(f, doc);
    put_findings(f, doc);
    table_put_groups(f, doc);
    const size_t n_missed = json_array_size(json_object_get(doc, "missed_urgent"));
    fprintf(f, "\n%zu urgent findings were not called at their thresholds (missed_urgent in --json lists them by record)\n", n_missed);
    json_decref(doc);
    if (fclose(f) == 0) return SHN_OK;
    free(*text);
    *text = NULL;
    return shn_fail_nomem(err, "eval.table");
}

/** One field, codes separated by ';'. 0 when out of memory. */
static int put_codes(FILE *f, json_t *codes)
{
    size_t  i, size;
    json_t *code;
    char   *joined = NULL;
    FILE   *to = open_memstream(&joined, &size);
    if (!to) return 0;
    json_array_foreach(codes, i, code)
        if (json_is_string(code)) fprintf(to, "%s%s", i ? ";" : "", json_string_value(code));
    const int ok = fclose(to) == 0;
    if (ok) shn_csv_put_field(f, joined, ',');
    free(joined);
    return ok;
}

shn_status shn_eval_csv(const char *json, char **csv, shn_error *err)
{
    static const char *const keys[] = { "n_pos", "n_known", "n_pos_train", "auroc", "auroc_low", "auroc_high", "auprc", "threshold", "sensitivity",
                                        "specificity", "ppv", "npv", "top1", "top5" };
    enum { KEYS = sizeof keys / sizeof *keys };
    json_t *doc, *l;
    size_t  size, i;
    int     ok = 1;
    *csv = NULL;
    shn_status st = table_parse(json, &doc, err);
    if (st != SHN_OK) return st;
    FILE *f = open_memstream(csv, &size);
    if (!f) {
        json_decref(doc);
        return shn_fail_nomem(err, "eval.table");
    }
    fputs("id,name_en,name_ja,codes", f);
    for (int k = 0; k < KEYS; k++) fprintf(f, ",%s", keys[k]);
    fputc('\n', f);
    json_array_foreach(json_object_get(doc, "per_label"), i, l) {
        shn_csv_put_field(f, table_text(l, "id"), ',');
        fputc(',', f);
        shn_csv_put_field(f, table_text(l, "name_en"), ',');
        fputc(',', f);
        shn_csv_put_field(f, table_text(l, "name_ja"), ',');
        fputc(',', f);
        ok &= put_codes(f, json_object_get(l, "codes"));
        for (int k = 0; k < KEYS; k++) {
            json_t *v = json_object_get(l, keys[k]);
            fputc(',', f);
            if (json_is_integer(v)) fprintf(f, "%d", (int)json_integer_value(v));
            else if (json_is_real(v)) fprintf(f, "%.9g", json_real_value(v));
        }
        fputc('\n', f);
    }
    json_decref(doc);
    if (fclose(f) == 0 && ok) return SHN_OK;
    free(*csv);
    *csv = NULL;
    return shn_fail_nomem(err, "eval.table");
}
