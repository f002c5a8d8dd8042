/**
 * Labels of windows from annotations: the rules of docs/mapping.md on tapes written here, and the counts that MIT-BIH's 36 records give
 * (tests/golden/mitdb_windows.txt).
 */
#include "harness.h"

#include "base/alloc.h"
#include "base/file.h"
#include "data/plan.h"

/* ---- tapes: 100 ticks per second */

typedef struct tape { uint8_t bytes[1024]; size_t n; long at; } tape;

static void word(tape *t, unsigned code, unsigned number)
{
    t->bytes[t->n++] = (uint8_t)(number & 255);
    t->bytes[t->n++] = (uint8_t)(code << 2 | number >> 8);
}

static void text(tape *t, const char *s)
{
    const size_t n = strlen(s);
    word(t, 63, (unsigned)n);
    memcpy(t->bytes + t->n, s, n);
    t->n += n + n % 2;
}

static void mark(tape *t, unsigned code, long sample, const char *aux)
{
    for (; sample - t->at > 1023; t->at += 1000) word(t, 0, 1000);      /* time passes */
    word(t, code, (unsigned)(sample - t->at));
    if (aux) text(t, aux);
    t->at = sample;
}

static void begin(tape *t)
{
    memset(t, 0, sizeof *t);
    mark(t, SHN_ANN_NOTE, 0, "## time resolution: 100");
}

static shn_annotations *end(tape *t)
{
    shn_error        err = { 0 };
    shn_annotations *set;
    word(t, 0, 0);
    assert_ok(shn_annotations_parse(t->bytes, t->n, &set, &err));
    return set;
}

/** What was told: "N3 B1? " with '?' where it is not sure. */
static void note(void *context, const char *name, size_t n, int sure)
{
    char *out = context;
    snprintf(out + strlen(out), 200 - strlen(out), "%s%zu%s ", name, n, sure ? "" : "?");
}

static void expect(int (*read)(const shn_annotations *, const shn_stretch *, shn_mark_fn *, void *), const shn_annotations *set, double from, double to,
                   int answered, const char *told)
{
    char              got[200] = "";
    const shn_stretch part = { from, to };
    const int         is = read(set, &part, note, got);
    if (is != answered || strcmp(got, told) != 0) fail_msg("%g-%g s: %d '%s', expected %d '%s'", from, to, is, got, answered, told);
}

static void test_rhythms(void **state)
{
    (void)state;
    tape t;
    begin(&t);
    mark(&t, SHN_ANN_RHYTHM, 20, "(N");
    mark(&t, SHN_ANN_RHYTHM, 950, "(AFIB");             /* half a second in the first window, and on */
    mark(&t, SHN_ANN_RHYTHM, 1500, "(VT");              /* a short run, whole in its window */
    mark(&t, SHN_ANN_RHYTHM, 1560, "(AFIB");
    mark(&t, SHN_ANN_RHYTHM, 2500, "(B");
    mark(&t, SHN_ANN_RHYTHM, 4500, "(N");
    shn_annotations *set = end(&t);
    expect(shn_marks_rhythms, set, 0, 10, 1, "N1 AFIB1? ");
    expect(shn_marks_rhythms, set, 10, 20, 1, "AFIB2 VT1 ");
    expect(shn_marks_rhythms, set, 20, 30, 1, "AFIB1 B1 N0? ");             /* bigeminy does not say what the atria do */
    expect(shn_marks_rhythms, set, 30, 40, 1, "B1 N0? ");
    expect(shn_marks_rhythms, set, 40, 50, 1, "B1 N1 ");
    expect(shn_marks_rhythms, set, 8.5, 9.5, 1, "N1 ");                     /* the end does not belong to it */
    expect(shn_marks_rhythms, set, 8.5, 9.51, 1, "N1 AFIB1? ");
    char all[200] = "";
    assert_int_equal(shn_marks_rhythms(set, NULL, note, all), 1);
    assert_string_equal(all, "N1 AFIB1 VT1 AFIB1 B1 N1 ");
    shn_annotations_free(set);

    begin(&t);
    mark(&t, SHN_ANN_NORMAL, 50, NULL);
    mark(&t, SHN_ANN_RHYTHM, 300, "(AFIB");
    set = end(&t);
    expect(shn_marks_rhythms, set, 0, 10, 0, "AFIB1 ");                     /* 3 s of it are anybody's guess */
    expect(shn_marks_rhythms, set, 0, 2, 0, "");
    expect(shn_marks_rhythms, set, 2.5, 10, 1, "AFIB1 ");
    shn_annotations_free(set);
}

static void test_beats(void **state)
{
    (void)state;
    tape t;
    begin(&t);
    mark(&t, SHN_ANN_NORMAL, 100, NULL);
    mark(&t, SHN_ANN_PVC, 200, NULL);
    mark(&t, SHN_ANN_NOISE, 250, NULL);                 /* no beat, tells nothing */
    mark(&t, SHN_ANN_PVC, 995, NULL);                   /* 0.05 s before the edge */
    mark(&t, SHN_ANN_APC, 1005, NULL);                  /* and after it */
    mark(&t, 37, 1500, NULL);                           /* x: blocked P */
    mark(&t, 38, 2500, NULL);                           /* f */
    mark(&t, 31, 3500, NULL);                           /* ! flutter wave */
    mark(&t, SHN_ANN_PVC, 4500, NULL);
    mark(&t, 13, 4600, NULL);                           /* Q */
    mark(&t, SHN_ANN_RHYTHM, 5500, "(N");
    shn_annotations *set = end(&t);
    expect(shn_marks_beats, set, 0, 10, 1, "N1 V2 ");
    expect(shn_marks_beats, set, 5, 10, 1, "V1? ");
    expect(shn_marks_beats, set, 10, 20, 1, "A1? x1 ");
    expect(shn_marks_beats, set, 20, 30, 1, "f1 F0? ");
    expect(shn_marks_beats, set, 30, 40, 1, "!1 ");
    expect(shn_marks_beats, set, 40, 50, 0, "V1 Q1 ");
    expect(shn_marks_beats, set, 50, 60, 0, "");
    char all[200] = "";
    assert_int_equal(shn_marks_beats(set, NULL, note, all), 0);
    assert_string_equal(all, "N1 V3 A1 Q1 !1 x1 f1 F0? ");
    shn_annotations_free(set);
}

/* ---- MIT-BIH */

static shn_plan *plan_of(const char *folder, double fs_hz)
{
    shn_error          err = { 0 };
    shn_import_options o;
    shn_plan          *p;
    shn_import_defaults(&o);
    o.signal.fs_hz = fs_hz;
    const shn_collection c = { .preset = "mitdb", .folder = folder };
    assert_ok(shn_plan_new(&c, 1, &o, &p, &err));
    return p;
}

/** Lines "finding positive unknown"; counts over all windows, at any rate. */
static void count_windows(const shn_plan *p, char *out, size_t size)
{
    shn_error         err = { 0 };
    shn_label_scratch s;
    const size_t      R = shn_registry_size(p->registry);
    size_t           *positive = shn_alloc(R, sizeof *positive), *unknown = shn_alloc(R, sizeof *unknown), used = 0;
    assert_non_null(positive);
    assert_non_null(unknown);
    assert_ok(shn_label_scratch_new(p, &s, &err));
    for (size_t row = 0; row < p->n_rows; row++) {
        const shn_stretch part = shn_plan_stretch(p, row);
        assert_ok(shn_plan_labels(p, 0, shn_plan_entry(p, row), &part, &s, &err));
        for (size_t r = 0; r < R; r++) {
            assert_true(s.known[r] || !s.row.positive[r]);
            positive[r] += s.row.positive[r];
            unknown[r] += !s.known[r];
        }
    }
    for (size_t k = 0; k < p->n_findings; k++)
        used += (size_t)snprintf(out + used, size - used, "%s %zu %zu\n", p->finding_ids[k], positive[p->column[k]], unknown[p->column[k]]);
    shn_label_scratch_free(&s);
    free(positive);
    free(unknown);
}

static void test_mitdb_windows(void **state)
{
    (void)state;
    shn_error err = { 0 };
    uint8_t  *golden;
    size_t    n;
    char      folder[4200], got[4096];
    snprintf(folder, sizeof folder, "%s/mitdb", test_data());
    assert_ok(shn_file_read(SHN_TESTS_DIR "/golden/mitdb_windows.txt", 1 << 16, &golden, &n, &err));
    for (int rate = 0; rate < 2; rate++) {              /* the labels of a window do not depend on the rate it is stored at */
        shn_plan *p = plan_of(folder, rate ? 100 : 0);
        assert_int_equal(p->n_entries, 36);
        assert_int_equal(p->n_rows, 36 * 181);          /* 180 whole windows and one of 5.6 s */
        assert_int_equal(p->n_samples, rate ? 1000 : 3600);
        assert_near(shn_plan_stretch(p, 179).to_s, 1800, 1e-9);
        assert_near(shn_plan_stretch(p, 180).from_s, 1800, 1e-9);
        assert_near(shn_plan_stretch(p, 180).to_s, 650000 / 360.0, 0.01);       /* where the recording ends */
        assert_near(shn_plan_stretch(p, 181).from_s, 0, 0);
        count_windows(p, got, sizeof got);
        const char *table = strstr((char *)golden, "\n\n");
        assert_non_null(table);
        assert_string_equal(got, table + 2);
        assert_int_equal(p->unknown.n, 2);              /* N and Q stand for no finding, and are counted */
        shn_plan_free(p);
    }
    free(golden);
}

/** A header's words "201" become the other record's. */
static void copy(const char *from, const char *to, const char *name)
{
    shn_error err = { 0 };
    uint8_t  *bytes;
    size_t    n;
    assert_ok(shn_file_read(from, 1 << 24, &bytes, &n, &err));
    for (char *at = strstr(from, ".hea") ? (char *)bytes : NULL; at && (at = strstr(at, "201")) != NULL; at += 3) memcpy(at, name, 3);
    assert_ok(shn_file_write(to, bytes, n, &err));
    free(bytes);
}

/** 201 and 202 are one patient: whatever the split, they are in it together. And a record without annotations says so. */
static void test_one_patient_and_a_missing_file(void **state)
{
    (void)state;
    char        from[4300], to[400];
    const char *data = test_data(), *folder = test_folder();
    for (int k = 0; k < 2; k++) {
        for (const char *const *e = (const char *const[]){ "hea", "dat", "atr", NULL }; *e; e++) {
            snprintf(from, sizeof from, "%s/mitdb/201.%s", data, *e);
            snprintf(to, sizeof to, "%s/%d.%s", folder, 201 + k, *e);
            copy(from, to, k ? "202" : "201");
        }
    }
    snprintf(from, sizeof from, "%s/mitdb/100.hea", data);
    snprintf(to, sizeof to, "%s/100.hea", folder);
    copy(from, to, "");
    shn_plan *p = plan_of(folder, 100);
    assert_int_equal(p->n_entries, 3);
    const shn_entry *e = p->collections[0]->entries;
    assert_string_equal(e[1].id, "201");
    assert_string_equal(e[2].id, "202");
    assert_string_equal(e[1].patient, "201");
    assert_string_equal(e[2].patient, "201");
    assert_string_equal(e[1].split, e[2].split);
    assert_int_equal(e[0].refused, SHN_REASON_NOT_FOUND);
    assert_non_null(strstr(e[0].detail, "100.atr"));
    assert_true(e[1].age == 68 && e[1].sex == 'M');
    shn_plan_free(p);
    shn_error            err = { 0 };
    shn_label_survey     s;
    const shn_collection c = { .preset = "mitdb", .folder = folder };
    assert_ok(shn_import_labels(&c, shn_registry_builtin(), &s, &err));
    assert_int_equal(s.n_records, 2);
    assert_int_equal(s.n_refused, 1);
    assert_true(strncmp(s.first_refused, "100.hea: not_found: ", 20) == 0 && strstr(s.first_refused, "100.atr"));
    shn_label_survey_free(&s);
}

/** The survey counts what the plan reads, and every allocation of both may fail. */
static void test_survey(void **state)
{
    (void)state;
    shn_error        err = { 0 };
    shn_label_survey s;
    char             from[4300], to[400];
    const char      *data = test_data(), *folder = test_folder();
    for (const char *const *e = (const char *const[]){ "hea", "dat", "atr", NULL }; *e; e++) {
        snprintf(from, sizeof from, "%s/mitdb/100.%s", data, *e);
        snprintf(to, sizeof to, "%s/100.%s", folder, *e);
        copy(from, to, "201");
    }
    const shn_collection c = { .preset = "mitdb", .folder = folder };
    assert_ok(shn_import_labels(&c, shn_registry_builtin(), &s, &err));
    assert_int_equal(s.n_records, 1);
    assert_int_equal(s.n_refused, 0);
    assert_null(s.first_refused);
    static const shn_label_count expected[] = {             /* tests/golden/wfdb_annotations.txt, mitdb/100 */
        { "mitdb", "A", "atrial_premature_complex", 33 }, { "mitdb", "N", "", 2239 }, { "mitdb", "N", "sinus_rhythm", 1 }, { "mitdb", "V", "ventricular_premature_complex", 1 },
    };
    assert_int_equal(s.n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(s.items[i].label, expected[i].label);
        assert_string_equal(s.items[i].finding, expected[i].finding);
        assert_int_equal(s.items[i].n, expected[i].n);
    }
    assert_int_equal(s.n_labels, 33 + 2239 + 1 + 1);
    shn_label_survey_free(&s);
    long n = 1;
    for (shn_status st = SHN_NOMEM; st != SHN_OK; n++) {
        shn_alloc_fail_after(n);
        st = shn_import_labels(&c, shn_registry_builtin(), &s, &err);
        shn_alloc_fail_after(0);
        assert_true(st == SHN_OK || st == SHN_NOMEM);
        if (st == SHN_OK) assert_int_equal(s.n, 4);         /* never a part of it */
        shn_label_survey_free(&s);
    }
    assert_true(n > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rhythms),
        cmocka_unit_test(test_beats),
        cmocka_unit_test(test_mitdb_windows),
        cmocka_unit_test(test_one_patient_and_a_missing_file),
        cmocka_unit_test(test_survey),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
