/** shinden labels check: is a registry sound, and what does it make of the labels of a table or of a folder of data sets. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/fail.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/labels_request.h"
#include "shinden/import.h"

/* ---- one table */

/** Adds one to counts[label]; labels come from a file, so jansson judges them as UTF-8 (the CSV reader has). */
static void count_label(json_t *counts, const char *label)
{
    const json_int_t before = json_integer_value(json_object_get(counts, label));
    json_object_set_new(counts, label, json_integer(before + 1));
}

/** 0 when out of memory. */
static int count_cell(const labels_request *r, const char *cell, json_t *known, json_t *unknown)
{
    while (*cell) {
        const size_t n = strcspn(cell, r->split);
        char *label = shn_strndup(cell, n);
        if (!label) return 0;
        const char *start = label + strspn(label, " \t\r\n");
        const int   f = shn_registry_map(r->reg, (shn_coding)r->coding, start);
        if (f >= 0) count_label(known, shn_registry_at(r->reg, (size_t)f)->id);
        else if (*start) count_label(unknown, start);
        free(label);
        cell += n;
        cell += *cell != '\0';
    }
    return 1;
}

static int report_counts(const labels_request *r, size_t n_rows, json_t *known, json_t *unknown)
{
    const char *key;
    json_t     *value;
    const int   code = json_object_size(unknown) ? CLI_FAILED : CLI_DONE;
    if (r->json)
        return labels_print(r, json_pack("{s:I, s:O, s:O}", "n_rows", (json_int_t)n_rows, "known", known, "unknown", unknown), code);
    printf("%zu rows, %zu findings, %zu labels without a finding\n", n_rows, json_object_size(known), json_object_size(unknown));
    json_object_foreach(known, key, value) printf("%8lld  %s\n", (long long)json_integer_value(value), key);
    json_object_foreach(unknown, key, value) printf("%8lld  no finding for '%s'\n", (long long)json_integer_value(value), key);
    return code;
}

/** --columns: each names a code, its cells say yes or no, as an import reads them. */
static shn_status count_columns(const labels_request *r, const shn_csv *csv, json_t *known, json_t *unknown, shn_error *err)
{
    const char *rest = r->columns;
    while (*rest) {
        const size_t n = strcspn(rest, ",");
        size_t       col;
        char        *name = shn_strndup(rest, n);
        if (!name) return shn_fail_nomem(err, "labels.check");
        const int  f = shn_registry_map(r->reg, (shn_coding)r->coding, name);
        shn_status st = shn_csv_need(csv, name, &col, err);
        for (size_t row = 0; st == SHN_OK && row < shn_csv_rows(csv); row++) {
            int bit;
            st = shn_csv_bit(csv, row, col, &bit, err);
            if (st == SHN_OK && bit == 1) count_label(f >= 0 ? known : unknown, f >= 0 ? shn_registry_at(r->reg, (size_t)f)->id : name);
        }
        free(name);
        if (st != SHN_OK) return st;
        rest += n + (rest[n] == ',');
    }
    return SHN_OK;
}

static shn_status count_column(const labels_request *r, const shn_csv *csv, json_t *known, json_t *unknown, shn_error *err)
{
    size_t     col;
    shn_status st = shn_csv_need(csv, r->column, &col, err);
    for (size_t row = 0; st == SHN_OK && row < shn_csv_rows(csv); row++)
        if (!count_cell(r, shn_csv_cell(csv, row, col), known, unknown)) st = shn_fail_nomem(err, "labels.check");
    return st;
}

/** 1 if it is a list of names, none empty. */
static int names_columns(const char *list)
{
    return *list && *list != ',' && list[strlen(list) - 1] != ',' && !strstr(list, ",,");
}

static int check_table(const labels_request *r)
{
    shn_error err = { 0 };
    shn_csv  *csv;
    if (!r->column == !r->columns || r->coding < 0) return cli_usage("labels", "check --table needs --column or --columns, and --coding");
    if (r->columns && !names_columns(r->columns)) return cli_usage("labels", "--columns '%s': name columns, ',' between them", r->columns);
    if (shn_csv_read(r->table, r->delimiter, &csv, &err) != SHN_OK) return cli_fail("labels", &err);
    json_t    *known = json_object(), *unknown = json_object();
    shn_status st = known && unknown ? SHN_OK : shn_fail_nomem(&err, "labels.check");
    if (st == SHN_OK) st = r->column ? count_column(r, csv, known, unknown, &err) : count_columns(r, csv, known, unknown, &err);
    if (st != SHN_OK) shn_error_prefix(&err, "%s", r->table);
    const int code = st == SHN_OK ? report_counts(r, shn_csv_rows(csv), known, unknown) : cli_fail("labels", &err);
    json_decref(known);
    json_decref(unknown);
    shn_csv_free(csv);
    return code;
}

/* ---- the registry itself */

static json_t *registry_json(const char *name, const labels_request *r, const shn_registry_faults *f)
{
    json_t *codes = json_object();
    size_t  both = 0;
    for (int c = 0; c < SHN_CODE_COUNT; c++) json_object_set_new(codes, shn_coding_name((shn_coding)c), json_integer((json_int_t)f->n_codes[c]));
    for (size_t i = 0; i < shn_registry_size(r->reg); i++) both += shn_registry_find(shn_registry_builtin(), shn_registry_at(r->reg, i)->id) >= 0;
    return json_pack("{s:s, s:I, s:I, s:o, s:I, s:I, s:b, s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:s}", "registry", name, "n_findings", (json_int_t)f->n_findings,
                     "n_ids_of_built_in", (json_int_t)both, "n_codes", codes, "n_parents", (json_int_t)f->n_parents, "n_ja_unchecked",
                     (json_int_t)f->n_ja_unchecked, "sound", shn_registry_sound(f), "faults", "name_missing", (json_int_t)f->name_missing, "name_twice",
                     (json_int_t)f->name_twice, "code_malformed", (json_int_t)f->code_malformed, "code_twice", (json_int_t)f->code_twice, "parent_missing",
                     (json_int_t)f->parent_missing, "in_circle", (json_int_t)f->in_circle, "first_fault", f->first);
}

static void print_registry(json_t *o, const labels_request *r, const shn_registry_faults *f)
{
    const char *name = json_string_value(json_object_get(o, "registry"));
    printf("%s: %zu findings, version %s; %lld of their ids are also in the built-in registry\n", name, f->n_findings, shn_registry_version(r->reg),
           (long long)json_integer_value(json_object_get(o, "n_ids_of_built_in")));
    printf("  names missing in a language: %zu, standing twice: %zu\n", f->name_missing, f->name_twice);
    fputs("  codes:", stdout);
    for (int c = 0; c < SHN_CODE_COUNT; c++) printf(" %s %zu", shn_coding_name((shn_coding)c), f->n_codes[c]);
    printf("; malformed: %zu, standing twice: %zu\n  parents: %zu; missing: %zu, findings in a circle: %zu\n", f->code_malformed, f->code_twice, f->n_parents,
           f->parent_missing, f->in_circle);
    printf("  Japanese names that nobody has checked: %zu (labels list --unchecked)\n", f->n_ja_unchecked);
    if (*f->first) printf("  first fault: %s\n", f->first);
}

/* ---- a folder of data sets */

static const struct { const char *folder, *preset; } sets[] = {
    { "ptbxl", "ptbxl" }, { "cinc2021", "cinc2021" }, { "ludb", "ludb" }, { "brugada_huca", "brugada" }, { "code15", "code15" }, { "mitdb", "mitdb" },
    { "formats", "files" },
};
/* Tables of labels and of codes without a preset: one column of them, or a column for each (columns 1). */
static const struct { const char *file, *column; int columns; shn_coding coding; } tables[] = {
    { "formats/mat/code15_labels.csv", "1dAVb,RBBB,LBBB,SB,ST,AF,normal_ecg", 1, SHN_CODE_CODE15 },
    { "formats/mat/cpsc2018_labels.csv", "labels", 0, SHN_CODE_CINC },
    { "vocab/ptbxl_scp_statements.csv", "", 0, SHN_CODE_SCP },
    { "vocab/cinc2021_dx_mapping_scored.csv", "SNOMEDCTCode", 0, SHN_CODE_SNOMED },
    { "vocab/cinc2021_dx_mapping_unscored.csv", "SNOMEDCTCode", 0, SHN_CODE_SNOMED },
};
/* Labels that stand for no finding and are not meant to. */
static const struct { const char *source, *label, *why; } no_finding[] = {
    { "mitdb", "N", "a normal beat" }, { "mitdb", "Q", "a beat that the source could not classify" }, { "mitdb", "?", "a beat of a detector's learning phase" },
};

static const char *why_none(const shn_label_count *c)
{
    for (size_t i = 0; i < sizeof no_finding / sizeof *no_finding; i++)
        if (strcmp(no_finding[i].source, c->source) == 0 && strcmp(no_finding[i].label, c->label) == 0) return no_finding[i].why;
    return NULL;
}

static json_t *set_json(const char *name, const shn_label_survey *s, size_t *n_unexplained)
{
    json_t *mapped = json_array(), *unmapped = json_array();
    for (size_t i = 0; i < s->n; i++) {
        const shn_label_count *c = &s->items[i];
        const char            *why = *c->finding ? NULL : why_none(c);
        json_t *o = json_pack("{s:s, s:s, s:I}", "source", c->source, "label", c->label, "n", (json_int_t)c->n);
        if (*c->finding) json_object_set_new(o, "finding", json_string(c->finding));
        else json_object_set_new(o, "why", why ? json_string(why) : json_null());
        *n_unexplained += !*c->finding && !why;
        json_array_append_new(*c->finding ? mapped : unmapped, o);
    }
    return json_pack("{s:s, s:I, s:I, s:o, s:o}", "set", name, "n_records", (json_int_t)s->n_records, "n_labels", (json_int_t)s->n_labels, "mapped", mapped,
                     "unmapped", unmapped);
}

static void print_set(json_t *set)
{
    size_t  i;
    json_t *c;
    const int by_finding = json_is_null(json_object_get(json_array_get(json_object_get(set, "mapped"), 0), "label"));
    printf("%-40s %6lld records %7lld labels, %3zu %s, %zu without\n", json_string_value(json_object_get(set, "set")),
           (long long)json_integer_value(json_object_get(set, "n_records")), (long long)json_integer_value(json_object_get(set, "n_labels")),
           json_array_size(json_object_get(set, "mapped")), by_finding ? "findings" : "words with a finding", json_array_size(json_object_get(set, "unmapped")));
    json_array_foreach(json_object_get(set, "unmapped"), i, c) {
        const char *why = json_string_value(json_object_get(c, "why"));
        printf("    %8lld  %s: '%s' %s%s\n", (long long)json_integer_value(json_object_get(c, "n")), json_string_value(json_object_get(c, "source")),
               json_string_value(json_object_get(c, "label")), why ? "stands for no finding: " : "is not known to the registry", why ? why : "");
    }
}

static shn_status survey_table(const labels_request *r, const char *path, size_t t, json_t *list, size_t *n_unexplained, shn_error *err)
{
    labels_request with = *r;
    shn_csv       *csv;
    shn_status     st = shn_csv_read(path, ',', &csv, err);
    if (st != SHN_OK) return st;
    with.coding = (int)tables[t].coding;
    with.column = tables[t].columns ? NULL : tables[t].column;
    with.columns = tables[t].columns ? tables[t].column : NULL;
    json_t *known = json_object(), *unknown = json_object(), *mapped = json_array(), *unmapped = json_array(), *n;
    st = known && unknown ? tables[t].columns ? count_columns(&with, csv, known, unknown, err) : count_column(&with, csv, known, unknown, err)
                          : shn_fail_nomem(err, "labels.check");
    if (st == SHN_OK) {
        json_int_t  n_labels = 0;
        const char *label;
        json_object_foreach(known, label, n) {
            n_labels += json_integer_value(n);
            json_array_append_new(mapped, json_pack("{s:s, s:n, s:O, s:s}", "source", tables[t].file, "label", "n", n, "finding", label));
        }
        json_object_foreach(unknown, label, n) {
            n_labels += json_integer_value(n);
            json_array_append_new(unmapped, json_pack("{s:s, s:s, s:O, s:n}", "source", tables[t].file, "label", label, "n", n, "why"));
        }
        *n_unexplained += json_object_size(unknown);
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:O, s:O}", "set", tables[t].file, "n_records", (json_int_t)shn_csv_rows(csv), "n_labels", n_labels, "mapped",
                                              mapped, "unmapped", unmapped));
    } else shn_error_prefix(err, "%s", path);
    json_decref(known);
    json_decref(unknown);
    json_decref(mapped);
    json_decref(unmapped);
    shn_csv_free(csv);
    return st;
}

/** Appends what each set that is there says; SHN_IO where none is. */
static shn_status survey_sets(const labels_request *r, json_t *list, size_t *n_unexplained, shn_error *err)
{
    char folder[SHN_PATH_MAX];
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        shn_status st = shn_path_join(folder, r->data, tables[t].file, err);
        if (st == SHN_OK && shn_path_exists(folder)) st = survey_table(r, folder, t, list, n_unexplained, err);
        if (st != SHN_OK) return st;
    }
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        shn_label_survey s;
        shn_status       st = shn_path_join(folder, r->data, sets[i].folder, err);
        if (st != SHN_OK) return st;
        if (!shn_path_is_dir(folder)) continue;
        const shn_collection c = { .preset = sets[i].preset, .folder = folder };
        st = shn_import_labels(&c, r->reg, &s, err);
        if (st != SHN_OK) return st;
        json_array_append_new(list, set_json(sets[i].folder, &s, n_unexplained));
        shn_label_survey_free(&s);
    }
    return json_array_size(list) ? SHN_OK : shn_fail(err, SHN_IO, SHN_REASON_NOT_FOUND, "labels.check", "%s: none of the data sets that 'labels check --help' names is there", r->data);
}

static int check_registry(const char *name, const labels_request *r)
{
    shn_registry_faults faults;
    shn_error           err = { 0 };
    size_t              n_unexplained = 0, i;
    json_t             *list = json_array(), *set;
    shn_registry_check(r->reg, &faults);
    json_t *doc = registry_json(name, r, &faults);
    if (r->data && survey_sets(r, list, &n_unexplained, &err) != SHN_OK) {
        json_decref(list);
        json_decref(doc);
        return cli_fail("labels", &err);
    }
    if (r->data) json_object_set(doc, "sets", list);
    const int code = shn_registry_sound(&faults) && n_unexplained == 0 ? CLI_DONE : CLI_FAILED;
    if (!r->json) {
        print_registry(doc, r, &faults);
        json_array_foreach(list, i, set) print_set(set);
        puts(code == CLI_DONE ? "sound" : "NOT sound: see above");
    }
    json_decref(list);
    if (r->json) return labels_print(r, doc, code);
    json_decref(doc);
    return code;
}

int labels_check(const labels_request *r)
{
    shn_error     err = { 0 };
    shn_registry *reg;
    if (r->table) return check_table(r);
    if (r->n_words > 1) return cli_usage("labels", "check takes one registry file, or none for the built-in one");
    if (r->n_words == 0) return check_registry(r->registry_path ? r->registry_path : "built-in registry", r);
    if (shn_registry_read(r->words[0], &reg, &err) != SHN_OK) return cli_fail("labels", &err);
    labels_request with = *r;
    with.reg = reg;
    const int code = check_registry(r->words[0], &with);
    shn_registry_free(reg);
    return code;
}
