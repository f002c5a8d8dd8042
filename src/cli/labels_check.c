/** shinden labels check: is a registry sound, and what does it make of the labels of a table or of a folder of data sets. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/fail.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/json_text.h"
#include "cli/labels_request.h"
#include "shinden/import.h"

/* ---- one table */

static shn_status count_label(const labels_request *r, const char *source, const char *label, shn_label_survey *s, shn_error *err)
{
    const int f = shn_registry_map(r->reg, (shn_coding)r->coding, label);
    return shn_label_survey_add(s, source, label, f < 0 ? "" : shn_registry_at(r->reg, (size_t)f)->id, 1, err);
}

static shn_status count_cell(const labels_request *r, const char *source, const char *cell, shn_label_survey *s, shn_error *err)
{
    shn_status st = SHN_OK;
    while (*cell && st == SHN_OK) {
        const size_t n = strcspn(cell, r->split);
        size_t       length = n;
        const char  *start = shn_trim(cell, &length);
        char        *label = shn_strndup(start, length);
        if (!label) return shn_fail_nomem(err, "labels.check");
        if (*label) st = count_label(r, source, label, s, err);
        free(label);
        cell += n;
        cell += *cell != '\0';
    }
    return st;
}

/** --columns: each names a code, its cells say yes or no, as an import reads them. */
static shn_status count_columns(const labels_request *r, const char *source, const shn_csv *csv, shn_label_survey *s, shn_error *err)
{
    const char *rest = r->columns;
    while (*rest) {
        const size_t n = strcspn(rest, ",");
        size_t       col;
        char        *name = shn_strndup(rest, n);
        if (!name) return shn_fail_nomem(err, "labels.check");
        shn_status st = shn_csv_need(csv, name, &col, err);
        for (size_t row = 0; st == SHN_OK && row < shn_csv_rows(csv); row++) {
            int bit;
            st = shn_csv_bit(csv, row, col, &bit, err);
            if (st == SHN_OK && bit == 1) st = count_label(r, source, name, s, err);
        }
        free(name);
        if (st != SHN_OK) return st;
        rest += n + (rest[n] == ',');
    }
    return SHN_OK;
}

/** What a table's column (r->column) or columns (r->columns) say, a record for each row. */
static shn_status survey_table(const labels_request *r, const char *path, const char *source, shn_label_survey *s, shn_error *err)
{
    shn_csv   *csv;
    size_t     col;
    shn_status st = shn_csv_read(path, r->delimiter, &csv, err);
    if (st != SHN_OK) return st;
    s->n_records = shn_csv_rows(csv);
    if (r->columns) st = count_columns(r, source, csv, s, err);
    else st = shn_csv_need(csv, r->column, &col, err);
    for (size_t row = 0; !r->columns && st == SHN_OK && row < s->n_records; row++) st = count_cell(r, source, shn_csv_cell(csv, row, col), s, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    shn_csv_free(csv);
    return st;
}

static int report_counts(const labels_request *r, const shn_label_survey *s)
{
    const char *key;
    json_t     *value, *known = json_object(), *unknown = json_object();
    for (size_t i = 0; i < s->n; i++) {
        const shn_label_count *c = &s->items[i];
        json_t                *counts = *c->finding ? known : unknown;
        const char            *name = *c->finding ? c->finding : c->label;      /* several labels may stand for one finding */
        json_object_set_new(counts, name, json_integer(json_integer_value(json_object_get(counts, name)) + (json_int_t)c->n));
    }
    const int code = json_object_size(unknown) ? CLI_FAILED : CLI_DONE;
    if (r->json) return labels_print(r, json_pack("{s:I, s:o, s:o}", "n_rows", (json_int_t)s->n_records, "known", known, "unknown", unknown), code);
    printf("%zu rows, %zu findings, %zu labels without a finding\n", s->n_records, json_object_size(known), json_object_size(unknown));
    json_object_foreach(known, key, value) printf("%8lld  %s\n", (long long)json_integer_value(value), key);
    json_object_foreach(unknown, key, value) printf("%8lld  no finding for '%s'\n", (long long)json_integer_value(value), key);
    json_decref(known);
    json_decref(unknown);
    return code;
}

/** 1 if it is a list of names, none empty. */
static int names_columns(const char *list)
{
    return *list && *list != ',' && list[strlen(list) - 1] != ',' && !strstr(list, ",,");
}

static int check_table(const labels_request *r)
{
    shn_error        err = { 0 };
    shn_label_survey s = { 0 };
    if (!r->column == !r->columns || r->coding < 0) return cli_usage("labels", "check --table needs --column or --columns, and --coding");
    if (r->columns && !names_columns(r->columns)) return cli_usage("labels", "--columns '%s': name columns, ',' between them", r->columns);
    const int code = survey_table(r, r->table, r->table, &s, &err) == SHN_OK ? report_counts(r, &s) : cli_fail("labels", &err);
    shn_label_survey_free(&s);
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

/* formats shows what files there are (`refuses`: no fault there), some of which hold no ECG. */
static const struct { const char *folder, *preset; int refuses; } sets[] = {
    { "ptbxl", "ptbxl", 0 }, { "cinc2021", "cinc2021", 0 }, { "ludb", "ludb", 0 }, { "brugada_huca", "brugada", 0 }, { "code15", "code15", 0 },
    { "mitdb", "mitdb", 0 }, { "formats", "files", 1 },
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

typedef struct set_report { const char *name; int refuses; shn_label_survey labels; } set_report;
typedef struct sets_report { set_report of[sizeof sets / sizeof *sets + sizeof tables / sizeof *tables]; size_t n; } sets_report;

/** Every label explained, and every record read, of which there is one at least. */
static int set_is_sound(const set_report *set)
{
    const shn_label_survey *s = &set->labels;
    if (s->n_records == 0 || (s->n_refused && !set->refuses)) return 0;
    for (size_t i = 0; i < s->n; i++)
        if (!*s->items[i].finding && !why_none(&s->items[i])) return 0;
    return 1;
}

static json_t *set_json(const set_report *set)
{
    const shn_label_survey *s = &set->labels;
    json_t *mapped = json_array(), *unmapped = json_array();
    for (size_t i = 0; i < s->n; i++) {
        const shn_label_count *c = &s->items[i];
        const char            *why = *c->finding ? NULL : why_none(c);
        json_t *o = json_pack("{s:o, s:s, s:I}", "source", cli_json_text(c->source), "label", c->label, "n", (json_int_t)c->n);
        if (*c->finding) json_object_set_new(o, "finding", json_string(c->finding));
        else json_object_set_new(o, "why", why ? json_string(why) : json_null());
        json_array_append_new(*c->finding ? mapped : unmapped, o);
    }
    return json_pack("{s:s, s:I, s:I, s:o, s:I, s:o, s:o}", "set", set->name, "n_records", (json_int_t)s->n_records, "n_refused", (json_int_t)s->n_refused,
                     "first_refused", s->first_refused ? cli_json_text(s->first_refused) : json_null(), "n_labels", (json_int_t)s->n_labels, "mapped", mapped,
                     "unmapped", unmapped);
}

static void print_set(const set_report *set)
{
    const shn_label_survey *s = &set->labels;
    size_t n_mapped = 0;
    for (size_t i = 0; i < s->n; i++) n_mapped += *s->items[i].finding != '\0';
    printf("%-40s %6zu records %7zu labels, %3zu words with a finding, %zu without", set->name, s->n_records, s->n_labels, n_mapped, s->n - n_mapped);
    if (s->n_refused) printf("; %zu refused%s, the first %s", s->n_refused, set->refuses ? " (no fault here)" : "", s->first_refused);
    puts(s->n_records ? "" : "; no record was read");
    for (size_t i = 0; i < s->n; i++) {
        const shn_label_count *c = &s->items[i];
        const char            *why = why_none(c);
        if (!*c->finding)
            printf("    %8zu  %s: '%s' %s%s\n", c->n, c->source, c->label, why ? "stands for no finding: " : "is not known to the registry", why ? why : "");
    }
}

static shn_status survey_listed_table(const labels_request *r, size_t t, const char *path, shn_label_survey *out, shn_error *err)
{
    labels_request with = *r;
    with.delimiter = ',';
    with.coding = (int)tables[t].coding;
    with.column = tables[t].columns ? NULL : tables[t].column;
    with.columns = tables[t].columns ? tables[t].column : NULL;
    return survey_table(&with, path, tables[t].file, out, err);
}

/** What each table and set that is there says; SHN_IO where none is. The reports are the caller's to free in any case. */
static shn_status survey_sets(const labels_request *r, sets_report *out, shn_error *err)
{
    char       path[SHN_PATH_MAX];
    shn_status st = SHN_OK;
    for (size_t t = 0; st == SHN_OK && t < sizeof tables / sizeof *tables; t++) {
        st = shn_path_join(path, r->data, tables[t].file, err);
        if (st != SHN_OK || !shn_path_exists(path)) continue;
        set_report *set = &out->of[out->n++];
        set->name = tables[t].file;
        st = survey_listed_table(r, t, path, &set->labels, err);
    }
    for (size_t i = 0; st == SHN_OK && i < sizeof sets / sizeof *sets; i++) {
        st = shn_path_join(path, r->data, sets[i].folder, err);
        if (st != SHN_OK || !shn_path_is_dir(path)) continue;
        set_report *set = &out->of[out->n++];
        set->name = sets[i].folder;
        set->refuses = sets[i].refuses;
        st = shn_import_labels(&(shn_collection){ .preset = sets[i].preset, .folder = path }, r->reg, &set->labels, err);
    }
    if (st != SHN_OK || out->n) return st;
    return shn_fail(err, SHN_IO, SHN_REASON_NOT_FOUND, "labels.check", "%s: none of the data sets that 'labels check --help' names is there", r->data);
}

static int report_registry(const char *name, const labels_request *r, const shn_registry_faults *faults, const sets_report *sets_of)
{
    json_t *doc = registry_json(name, r, faults), *list = json_array();
    int     sound = shn_registry_sound(faults);
    for (size_t i = 0; i < sets_of->n; i++) sound &= set_is_sound(&sets_of->of[i]);
    if (r->json) {
        for (size_t i = 0; i < sets_of->n; i++) json_array_append_new(list, set_json(&sets_of->of[i]));
        if (r->data) json_object_set(doc, "sets", list);
        json_decref(list);
        return labels_print(r, doc, sound ? CLI_DONE : CLI_FAILED);
    }
    print_registry(doc, r, faults);
    for (size_t i = 0; i < sets_of->n; i++) print_set(&sets_of->of[i]);
    puts(sound ? "sound" : "NOT sound: see above");
    json_decref(list);
    json_decref(doc);
    return sound ? CLI_DONE : CLI_FAILED;
}

static int check_registry(const char *name, const labels_request *r)
{
    shn_registry_faults faults;
    sets_report         found = { 0 };
    shn_error           err = { 0 };
    shn_registry_check(r->reg, &faults);
    const shn_status st = r->data ? survey_sets(r, &found, &err) : SHN_OK;
    const int        code = st == SHN_OK ? report_registry(name, r, &faults, &found) : cli_fail("labels", &err);
    for (size_t i = 0; i < found.n; i++) shn_label_survey_free(&found.of[i].labels);
    return code;
}

int labels_check(const labels_request *r)
{
    shn_error     err = { 0 };
    shn_registry *reg;
    if (r->table && r->data) return cli_usage("labels", "check takes --table or --data, not both");
    if (r->table && r->n_words) return cli_usage("labels", "check --table takes no '%s'; a registry goes with --registry", r->words[0]);
    if (!r->table && (r->column || r->columns)) return cli_usage("labels", "--column and --columns go with --table");
    if (r->table) return check_table(r);
    if (r->n_words > 1 || (r->n_words && r->registry_path)) return cli_usage("labels", "check takes one registry file, or none for the built-in one");
    if (r->n_words == 0) return check_registry(r->registry_path ? r->registry_path : "built-in registry", r);
    if (shn_registry_read(r->words[0], &reg, &err) != SHN_OK) return cli_fail("labels", &err);
    labels_request with = *r;
    with.reg = reg;
    const int code = check_registry(r->words[0], &with);
    shn_registry_free(reg);
    return code;
}
