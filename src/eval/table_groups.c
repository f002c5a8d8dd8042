/** The groups of an eval document for people: findings left out of training, supersets, subgroups of patients. */
#include "eval/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/fail.h"
#include "shinden/eval.h"

enum { NAME_COLUMNS = 44, GROUP_COLUMNS = 20 };

/** "0.812 [0.700, 0.900]" of {value, low, high}. */
static void put_interval(FILE *f, json_t *v)
{
    table_put(f, json_object_get(v, "value"), " %6.3f");
    if (json_is_number(json_object_get(v, "low")))
        fprintf(f, " [%5.3f, %5.3f]", json_number_value(json_object_get(v, "low")), json_number_value(json_object_get(v, "high")));
    else fprintf(f, " %14s", "");
}

static void put_zero_shot(FILE *f, json_t *z)
{
    static const char *const keys[] = { "auroc_macro", "auprc_macro", "top1", "top5", "top10" };
    fprintf(f, "\n%d findings that training knew nothing of (zero-shot), among all candidates; %d records have one\n",
            (int)json_integer_value(json_object_get(z, "n_findings")), (int)json_integer_value(json_object_get(z, "n_records")));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        fprintf(f, "%-22s", keys[i]);
        put_interval(f, json_object_get(z, keys[i]));
        fputc('\n', f);
    }
}

static void put_supersets(FILE *f, json_t *s)
{
    size_t  i;
    json_t *p;
    fprintf(f, "\nsupersets nobody trained on, read-out %s; own text: %s\n", table_text(s, "readout"), table_text(s, "own_text"));
    table_put_name(f, "superset", NAME_COLUMNS);
    fputs("  pos  known  by own text [95 % interval]  by best child [95 %]  top1   top5\n", f);
    json_array_foreach(json_object_get(s, "per_superset"), i, p) {
        char name[256];
        snprintf(name, sizeof name, "%s  %s", table_text(p, "name_ja"), table_text(p, "name_en"));
        table_put_name(f, name, NAME_COLUMNS);
        fprintf(f, " %4d %6d ", (int)json_integer_value(json_object_get(p, "n_pos")), (int)json_integer_value(json_object_get(p, "n_known")));
        put_interval(f, json_object_get(p, "auroc_own_text"));
        fputs("     ", f);
        put_interval(f, json_object_get(p, "auroc_best_child"));
        table_put(f, json_object_get(p, "top1"), " %6.3f");
        table_put(f, json_object_get(p, "top5"), " %6.3f");
        fputc('\n', f);
    }
    table_put_name(f, "mean", NAME_COLUMNS + 13);
    put_interval(f, json_object_get(s, "auroc_macro_own_text"));
    fputs("     ", f);
    put_interval(f, json_object_get(s, "auroc_macro_best_child"));
    if (json_is_object(json_object_get(s, "own_text_minus_best_child"))) {
        fputs("  difference", f);
        put_interval(f, json_object_get(s, "own_text_minus_best_child"));
    }
    fputc('\n', f);
}

static void put_subgroups(FILE *f, json_t *list)
{
    static const char *const keys[] = { "auroc_macro", "f1_micro_tuned", "jaccard_sample", "top1_specific", "ece" };
    size_t  i;
    json_t *g;
    fputs("\nsubgroups; every metric is in --json and --subgroups-csv\n", f);
    table_put_name(f, "by, group", GROUP_COLUMNS);
    fputs(" records patients", f);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) fprintf(f, " %-21s", keys[k]);
    fputc('\n', f);
    json_array_foreach(list, i, g) {
        char name[128];
        snprintf(name, sizeof name, "%s %s%s", table_text(g, "by"), table_text(g, "group"), json_is_true(json_object_get(g, "small")) ? " *" : "");
        table_put_name(f, name, GROUP_COLUMNS);
        fprintf(f, " %7d %8d", (int)json_integer_value(json_object_get(g, "n_records")), (int)json_integer_value(json_object_get(g, "n_patients")));
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) put_interval(f, json_object_get(json_object_get(g, "metrics"), keys[k]));
        fputc('\n', f);
    }
    fputs("* small: fewer than 50 patients; such a row says little\n", f);
}

void table_put_groups(FILE *f, json_t *doc)
{
    json_t *zero_shot = json_object_get(doc, "zero_shot"), *supersets = json_object_get(doc, "supersets"), *subgroups = json_object_get(doc, "subgroups");
    if (zero_shot) put_zero_shot(f, zero_shot);
    if (supersets) put_supersets(f, supersets);
    if (subgroups) put_subgroups(f, subgroups);
}

static void put_csv_number(FILE *f, json_t *v)
{
    fputc(',', f);
    if (json_is_number(v)) fprintf(f, "%.9g", json_number_value(v));
}

shn_status shn_eval_subgroups_csv(const char *json, char **csv, shn_error *err)
{
    json_t     *doc, *g, *v;
    size_t      size, i;
    const char *metric;
    *csv = NULL;
    shn_status st = table_parse(json, &doc, err);
    if (st != SHN_OK) return st;
    json_t *list = json_object_get(doc, "subgroups");
    FILE   *f = json_is_array(list) ? open_memstream(csv, &size) : NULL;
    if (!f) {
        st = json_is_array(list) ? shn_fail_nomem(err, "eval.table")
                                 : shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "eval.table", "the document has no subgroups; evaluate with --subgroups");
        json_decref(doc);
        return st;
    }
    fputs("by,group,n_records,n_patients,small,metric,value,low,high,n_undefined\n", f);
    json_array_foreach(list, i, g)
        json_object_foreach(json_object_get(g, "metrics"), metric, v) {
            fprintf(f, "%s,", table_text(g, "by"));
            shn_csv_put_field(f, table_text(g, "group"), ',');
            fprintf(f, ",%d,%d,%d,%s", (int)json_integer_value(json_object_get(g, "n_records")), (int)json_integer_value(json_object_get(g, "n_patients")),
                    json_is_true(json_object_get(g, "small")), metric);
            put_csv_number(f, json_object_get(v, "value"));
            put_csv_number(f, json_object_get(v, "low"));
            put_csv_number(f, json_object_get(v, "high"));
            put_csv_number(f, json_object_get(v, "n_undefined"));
            fputc('\n', f);
        }
    json_decref(doc);
    if (fclose(f) == 0) return SHN_OK;
    free(*csv);
    *csv = NULL;
    return shn_fail_nomem(err, "eval.table");
}
