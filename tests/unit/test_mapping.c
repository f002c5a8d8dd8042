/** Mapping files: presets parse, and every mistake is pointed at with line and column. */
#include "harness.h"

#include "base/alloc.h"
#include "base/csv.h"
#include "data/mapping.h"
#include "data/template.h"
#include "shinden/import.h"

static shn_status parse(const char *text, shn_map **map, shn_error *err) { return shn_map_parse((const uint8_t *)text, strlen(text), map, err); }

static void test_presets_parse(void **state)
{
    (void)state;
    shn_error err;
    shn_map  *map;
    size_t    n = 0;
    for (const char *const *p = shn_import_presets(); *p; p++, n++) {
        assert_ok(shn_map_preset(*p, &map, &err));
        shn_map_free(map);
    }
    assert_true(n >= 7);
    assert_status(shn_map_preset("ptb", &map, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "ptbxl cinc2021 ludb brugada code15"));
}

static void test_annotations_are_read(void **state)
{
    (void)state;
    shn_error err;
    shn_map  *m;
    assert_ok(parse("source: a\npatient: \"{name}\"\npatient_words: {202: 201}\nwindows: all\nallow_missing_leads: true\n"
                    "labels:\n  - {rhythms: atr, coding: mitdb_rhythm}\n  - {beats: atr, coding: [mitdb_beat, code15], words: {Q: fusion_beats}}\n", &m, &err));
    assert_string_equal(m->annotations, "atr");
    assert_int_equal(m->labels[0].marks, SHN_MARKS_RHYTHMS);
    assert_int_equal(m->labels[0].codings[0], SHN_CODE_MITDB_RHYTHM);
    assert_int_equal(m->labels[1].marks, SHN_MARKS_BEATS);
    assert_int_equal(m->labels[1].codings[1], SHN_CODE_CODE15);
    assert_true(m->windows_all && m->allow_missing_leads);
    assert_string_equal(m->patient_words.items[0].to, "201");
    shn_map_free(m);
    assert_ok(parse("source: a\nwindows: central\nlabels: [{header: true, coding: scp}]\n", &m, &err));
    assert_true(!m->windows_all && !m->allow_missing_leads && !m->annotations);
    shn_map_free(m);
}

static void test_everything_is_read(void **state)
{
    (void)state;
    shn_error err;
    shn_map  *m;
    assert_ok(parse("version: 1\nsource: \"{hospital}\"\nsource_words: {A: north}\ntables:\n  - {file: a.csv, split: train}\n  - {file: b.csv}\n"
                    "separator: tab\npath: {100: lr, 500.0: hr}\npath_cut: /data/\nid: rec\npatient: pid\nage: age\nsex: sex\nsex_words: {0: M}\n"
                    "report: text\nacquired: date\nfold: fold\nfolds: {1-8: train, 9: val}\nlabels:\n"
                    "  - {column: codes, list: \"; \", coding: [scp, cinc], words: {AF: atrial_fibrillation}, empty: negative}\n"
                    "  - {columns_after: diagnose, coding: scp}\n  - {columns: [x, y], coding: id}\n  - {header: true, coding: snomed}\n"
                    "rules: {low_ef: \"lvef <= 40.5\", chagas: chagas == True unless chagas == maybe}\n"
                    "known: {north: [AFIB, SR]}\nleave_out: {ptb-xl: [ptbxl, other]}\nraw_microvolts: true\nverify_checksums: false\n", &m, &err));
    assert_int_equal(m->n_tables, 2);
    assert_string_equal(m->tables[0].split, "train");
    assert_null(m->tables[1].split);
    assert_int_equal(m->separator, '\t');
    assert_near(m->paths[1].fs_hz, 500, 0);
    assert_string_equal(m->paths[1].path, "hr");
    assert_int_equal(m->folds[0].high, 8);
    assert_int_equal(m->folds[1].low, 9);
    assert_int_equal(m->labels[0].n_codings, 2);
    assert_int_equal(m->labels[0].codings[1], SHN_CODE_CINC);
    assert_int_equal(m->labels[0].empty_is_negative, 1);
    assert_string_equal(m->labels[0].words.items[0].to, "atrial_fibrillation");
    assert_int_equal(m->labels[2].columns.n, 2);
    assert_int_equal(m->labels[3].header, 1);
    assert_int_equal(m->rules[0].when.compare, SHN_LE);
    assert_near(m->rules[0].when.number, 40.5, 0);
    assert_string_equal(m->rules[0].when.column, "lvef");
    assert_int_equal(m->rules[1].when.is_number, 0);
    assert_string_equal(m->rules[1].unless.word, "maybe");
    assert_int_equal(m->known, SHN_KNOWN_LISTED);
    assert_string_equal(m->known_lists[0].codes.items[1], "SR");
    assert_string_equal(m->leave_out[0].beside.items[1], "other");
    assert_int_equal(m->raw_microvolts, 1);
    assert_int_equal(m->verify_checksums, 0);
    shn_map_free(m);
}

/** text, and what the error must say */
static void test_mistakes_are_pointed_at(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "source: [a", "did not find expected ',' or ']'" },
        { "source: a\nsource: b\n", "line 2, column 1: key 'source' stands twice" },
        { "source: a\ntabel: x.csv\n", "line 2, column 8: no key 'tabel' here; there are: version source" },
        { "- a\n", "line 1, column 1: 'mapping file' must be a dictionary" },
        { "", "empty" },
        { "a: 1\n---\nb: 2\n", "more than one document" },
        { "source: a\ntable: t\nlabels: [{column: c, coding: scp}]\n", "'path' is missing" },
        { "table: t\npath: p\nlabels: [{column: c, coding: scp}]\n", "'source' is missing" },
        { "source: a\ntable: t\npath: p\n", "neither 'labels' nor 'rules'" },
        { "source: a\ntable: t\npath: p\nlabels:\n  - {column: c}\n", "line 5, column 5: a label group needs 'coding'" },
        { "source: a\ntable: t\npath: p\nlabels: [{column: c, header: true, coding: scp}]\n", "exactly one of" },
        { "source: a\ntable: t\npath: p\nlabels: [{column: c, coding: icd}]\n", "coding 'icd' is not one of: id scp snomed cinc ludb" },
        { "source: a\ntable: t\npath: p\nrules: {low_ef: lvef less 40}\n", "line 4, column 17: a rule reads COLUMN < NUMBER" },
        { "source: a\ntable: t\npath: p\nrules: {low_ef: \"lvef < forty\"}\n", "a rule reads" },
        { "source: a\ntable: t\npath: p\nrules: {low_ef: \"< 40\"}\n", "a rule reads" },
        { "source: a\ntable: t\npath: p\nfold: f\nlabels: [{column: c, coding: scp}]\n", "'fold' (a column) and 'folds'" },
        { "source: a\ntable: t\npath: p\nfold: f\nfolds: {8-1: train}\nlabels: [{column: c, coding: scp}]\n", "fold '8-1'" },
        { "source: a\ntable: t\npath: {fast: p}\nlabels: [{column: c, coding: scp}]\n", "sampling frequencies" },
        { "source: a\ntable: t\npath: p\nseparator: x\nlabels: [{column: c, coding: scp}]\n", "'separator' must be" },
        { "source: a\nlabels: [{column: c, coding: scp}]\n", "label columns need a 'table'" },
        { "source: a\ntable: t\npath: p\nraw_microvolts: yes\nlabels: [{column: c, coding: scp}]\n", "true or false" },
        { "source: a\ntable: t\npath: p\nsex: s\nsex_words: {0: X}\nlabels: [{column: c, coding: scp}]\n", "'sex_words' gives M or F" },
        { "source: a\ntable: t\npath: p\nknown: everything\nlabels: [{column: c, coding: scp}]\n", "'known' is table, coding" },
        { "source: a\nlabels:\n  - {rhythms: atr, coding: mitdb_rhythm}\n  - {beats: qrs, coding: mitdb_beat}\n",
          "line 4, column 13: 'beats: qrs': annotations are read from one file, which is 'atr' already" },
        { "source: a\nlabels: [{rhythms: atr, beats: atr, coding: mitdb_beat}]\n", "exactly one of rhythms and beats" },
        { "source: a\nlabels: [{rhythms: atr, column: c, coding: mitdb_rhythm}]\n", "exactly one of: column columns columns_after header rhythms beats" },
        { "source: a\nwindows: some\nlabels: [{header: true, coding: scp}]\n", "line 2, column 10: 'windows' must be all or central, not 'some'" },
        { "source: a\nallow_missing_leads: perhaps\nlabels: [{header: true, coding: scp}]\n", "true or false" },
        { "version: 2\nsource: a\ntable: t\npath: p\nlabels: [{column: c, coding: scp}]\n", "version 1 of mapping files" },
        { "source: \"a\\0b\"\n", "NUL" },
        { "? [a]\n: b\n", "a key must be a word" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shn_error err;
        shn_map  *map;
        const shn_status st = parse(cases[i][0], &map, &err);
        if (st != SHN_FORMAT || map || !strstr(err.text, cases[i][1])) fail_msg("case %zu: '%s', wanted '%s'", i, st == SHN_OK ? "accepted" : err.text, cases[i][1]);
    }
}

static void test_aliases_do_not_explode(void **state)
{
    (void)state;
    shn_error err;
    shn_map  *map;
    /* nine levels of nine aliases: 3.9e8 words if they were copied */
    char text[2048] = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 10; i++) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    assert_status(parse(text, &map, &err), SHN_FORMAT);
    assert_status(parse("source: &s [*s]\n", &map, &err), SHN_FORMAT);      /* a circle */
}

static void test_templates(void **state)
{
    (void)state;
    shn_error    err;
    shn_csv     *csv;
    shn_compiled t;
    shn_pool     pool = { 0 };
    const char  *text = "rec,dir,none\n 12 ,a b,\n";
    assert_ok(shn_csv_open((const uint8_t *)text, strlen(text), ',', &csv, &err));
    const shn_template_row row = { .table = csv, .row = 0, .path = "x/y.z/rec.hea", .folder = "f" };
    assert_ok(shn_template_compile("rec", csv, 0, &t, &err));
    assert_string_equal(shn_template_value(&t, &row, &pool), "12");
    assert_ok(shn_template_compile("{dir}/{rec}_{name}", csv, 0, &t, &err));
    assert_string_equal(shn_template_value(&t, &row, &pool), "a b/12_rec");
    assert_ok(shn_template_compile("{stem}", csv, 0, &t, &err));
    assert_string_equal(shn_template_value(&t, &row, &pool), "x/y.z/rec");
    assert_ok(shn_template_compile("{dir}/{none}", csv, 0, &t, &err));
    assert_string_equal(shn_template_value(&t, &row, &pool), "");           /* a part is missing */
    assert_ok(shn_template_compile("literal", csv, 1, &t, &err));
    assert_string_equal(shn_template_value(&t, &row, &pool), "literal");
    assert_status(shn_template_compile("nothing", csv, 0, &t, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "nothing"));
    assert_status(shn_template_compile("{rec", csv, 0, &t, &err), SHN_FORMAT);
    assert_status(shn_template_compile("rec}", csv, 0, &t, &err), SHN_FORMAT);
    assert_status(shn_template_compile("{rec}", NULL, 0, &t, &err), SHN_FORMAT);
    shn_csv_free(csv);
    shn_pool_free(&pool);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    const char *text = shn_preset_text("challenge");
    for (long n = 1;; n++) {
        shn_error err;
        shn_map  *map;
        shn_alloc_fail_after(n);
        const shn_status st = parse(text, &map, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_true(n > 100);
            shn_map_free(map);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets_parse),          cmocka_unit_test(test_annotations_are_read), cmocka_unit_test(test_everything_is_read),
        cmocka_unit_test(test_mistakes_are_pointed_at), cmocka_unit_test(test_aliases_do_not_explode),
        cmocka_unit_test(test_templates),              cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
