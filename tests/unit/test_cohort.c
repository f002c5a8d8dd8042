/** Cohort files: what is written is read, and what is damaged is refused by name. */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/h5.h"
#include "data/cohort_fields.h"
#include "data/cohort_writer.h"
#include "shinden/cohort.h"

enum { N = 7, T = 33, K = 3 };

static const char *const findings[K] = { "atrial_fibrillation", "low_ef", "sinus_rhythm" };
static const char *const sources[2] = { "north", "south" };

/** Sample t of lead l in record i, mV: whole microvolts, so that packing is exact. */
static float value(size_t i, size_t l, size_t t) { return (float)((int)(i * 100 + l * 10 + t) - 300) / 1000.0f; }

static shn_cohort_spec spec_for(const char *path)
{
    return (shn_cohort_spec){ .path = path, .n_rows = N, .n_samples = T, .fs_hz = 100, .finding_ids = findings, .n_findings = K,
                              .source_names = sources, .n_sources = 2 };
}

static shn_status write_row(shn_cohort_writer *w, size_t i, shn_error *err)
{
    static float mv[SHN_LEADS][T];
    char         id[32], patient[32];
    const uint8_t labels[K] = { i % 2, i % 3 == 0, 1 }, known[K] = { 1, i != 4, 1 };
    shn_cohort_row row = { .n_samples = T - i, .labels = labels, .known = known, .id = id, .patient = patient, .source = i % 2, .window = (uint32_t)i,
                           .split = i < 4 ? "train" : "val", .path = "a/b", .report = "洞調律", .age = i == 2 ? NAN : 50 + (float)i,
                           .sex = i % 2 ? 'F' : 'M', .acquired = "1984-11-09", .refused = i == 3 ? SHN_REASON_TOO_SHORT : SHN_REASON_NONE };
    snprintf(id, sizeof id, "r%zu", i);
    snprintf(patient, sizeof patient, "%s", i < 2 ? "p1" : i < 5 ? "p2" : "");
    for (size_t l = 0; l < SHN_LEADS; l++) {
        for (size_t t = 0; t < T; t++) mv[l][t] = value(i, l, t);
        row.lead_mv[l] = i == 5 && l == 7 ? NULL : mv[l];
    }
    mv[2][1] = NAN;
    return shn_cohort_writer_row(w, i, &row, err);
}

static void write_cohort(const char *path)
{
    shn_error err;
    shn_cohort_writer *w;
    shn_cohort_spec spec = spec_for(path);
    const shn_h5_attribute extra[] = { { .name = "command", .text = "a test" }, { .name = "simulated", .number = 1 } };
    spec.attributes = extra;
    spec.n_attributes = 2;
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    for (size_t i = N; i-- > 0;) assert_ok(write_row(w, i, &err));      /* any order */
    assert_int_equal(access(path, F_OK), -1);                           /* no name before the end */
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
}

static const char *path_in(const char *folder, const char *name)
{
    static char path[4][512];
    static int  turn;
    char       *p = path[turn++ % 4];
    char        joined[512];
    snprintf(joined, sizeof joined, "%s/%s", folder, name);
    return strcpy(p, joined);
}

static void test_round_trip(void **state)
{
    (void)state;
    shn_error   err;
    shn_cohort *c;
    const char *path = path_in(test_folder(), "c.h5");
    write_cohort(path);
    assert_ok(shn_cohort_open(path, &c, &err));
    assert_int_equal(shn_cohort_size(c), N - 1);                        /* row 3 was refused */
    assert_int_equal(shn_cohort_n_samples(c), T);
    assert_int_equal(shn_cohort_n_findings(c), K);
    assert_near(shn_cohort_fs_hz(c), 100, 0);
    assert_near(shn_cohort_uv_per_unit(c), 1, 0);
    assert_string_equal(shn_cohort_finding_id(c, 1), "low_ef");
    assert_string_equal(shn_cohort_attribute(c, "command"), "a test");
    assert_string_equal(shn_cohort_attribute(c, "simulated"), "1");
    assert_string_equal(shn_cohort_attribute(c, "nothing"), "");
    for (size_t r = 0; r < N - 1; r++) {
        const size_t i = r < 3 ? r : r + 1;
        char         id[32];
        snprintf(id, sizeof id, "r%zu", i);
        assert_string_equal(shn_cohort_id(c, r), id);
        assert_string_equal(shn_cohort_source(c, r), sources[i % 2]);
        assert_string_equal(shn_cohort_report(c, r), "洞調律");
        assert_int_equal(shn_cohort_sex(c, r), i % 2 ? 'F' : 'M');
        assert_int_equal(isnan(shn_cohort_age(c, r)) != 0, i == 2);
        assert_int_equal(shn_cohort_n_valid(c, r), T - i);
        assert_int_equal(shn_cohort_labels(c, r)[0], i % 2);
        assert_int_equal(shn_cohort_known(c, r)[1], i != 4);
        for (size_t l = 0; l < SHN_LEADS; l++) {
            const int missing = i == 5 && l == 7;
            assert_int_equal(shn_cohort_lead_present(c, r)[l], !missing);
            for (size_t t = 0; t < T; t++) {
                const int gap = missing || t >= T - i || (l == 2 && t == 1);
                assert_int_equal(shn_cohort_signal(c, r)[l * T + t], gap ? SHN_GAP_I16 : lrintf(value(i, l, t) * 1000));
            }
        }
    }
    shn_cohort_close(c);
}

/** What a user's table says of its finding is kept; a built-in id keeps its meaning whatever a table called it. */
static void test_findings_are_described(void **state)
{
    (void)state;
    static const char *const ids[2] = { "sinus_rhythm", "heart_of_gold" };
    static const shn_finding said[2] = {
        { .id = "sinus_rhythm", .name_en = "sr", .name_ja = "ＳＲ", .criterion_en = "", .criterion_ja = "", .scp = "", .snomed = "", .cinc = "" },
        { .id = "heart_of_gold", .name_en = "golden rhythm", .name_ja = "黄金調律", .criterion_en = "it shines", .criterion_ja = "", .scp = "GOLD",
          .snomed = "", .cinc = "HOG", .flags = SHN_FINDING_URGENT },
    };
    const shn_finding *const findings_of[2] = { &said[0], &said[1] };
    shn_error   err;
    shn_cohort *c;
    shn_cohort_writer *w;
    const char *path = path_in(test_folder(), "c.h5");
    shn_cohort_spec spec = spec_for(path);
    spec.finding_ids = ids;
    spec.findings = findings_of;
    spec.n_findings = 2;
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    assert_ok(write_row(w, 0, &err));
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
    assert_ok(shn_cohort_open(path, &c, &err));
    const shn_finding *own = shn_cohort_finding(c, 1);
    assert_string_equal(own->id, "heart_of_gold");
    assert_string_equal(own->name_en, "golden rhythm");
    assert_string_equal(own->name_ja, "黄金調律");
    assert_string_equal(own->criterion_en, "it shines");
    assert_string_equal(own->criterion_ja, "");
    assert_string_equal(own->scp, "GOLD");
    assert_string_equal(own->cinc, "HOG");
    assert_int_equal(own->flags, SHN_FINDING_URGENT);
    assert_string_equal(shn_cohort_finding(c, 0)->name_en, "sinus rhythm");
    assert_string_equal(shn_cohort_finding(c, 0)->name_ja, "洞調律");
    shn_cohort_close(c);
}

/** What a user's finding is called is read by training, so a new name is another cohort; of a built-in one it is not. */
static void test_digest_sees_what_findings_are_called(void **state)
{
    (void)state;
    static const char *const ids[2] = { "sinus_rhythm", "heart_of_gold" };
    static const struct { const char *built_in, *own; uint32_t flags; } said[] = { { "sr", "golden", 0 }, { "sinus", "golden", 0 }, { "sr", "silver", 0 }, { "sr", "golden", SHN_FINDING_URGENT } };
    const uint32_t row = 0;
    char           hex[4][65];
    shn_error      err;
    for (size_t i = 0; i < 4; i++) {
        const shn_finding about[2] = {
            { .id = ids[0], .name_en = said[i].built_in, .name_ja = "", .criterion_en = "", .criterion_ja = "", .scp = "", .snomed = "", .cinc = "" },
            { .id = ids[1], .name_en = said[i].own, .name_ja = "", .criterion_en = "", .criterion_ja = "", .scp = "", .snomed = "", .cinc = "", .flags = said[i].flags },
        };
        const shn_finding *const of[2] = { &about[0], &about[1] };
        shn_cohort *c;
        shn_cohort_writer *w;
        const char *path = path_in(test_folder(), "c.h5");
        shn_cohort_spec spec = spec_for(path);
        spec.finding_ids = ids;
        spec.findings = of;
        spec.n_findings = 2;
        assert_ok(shn_cohort_writer_new(&spec, &w, &err));
        assert_ok(write_row(w, 0, &err));
        assert_ok(shn_cohort_writer_finish(w, &err));
        shn_cohort_writer_free(w);
        assert_ok(shn_cohort_open(path, &c, &err));
        assert_ok(shn_cohort_digest(c, &row, 1, hex[i], &err));
        shn_cohort_close(c);
    }
    assert_string_equal(hex[0], hex[1]);
    assert_string_not_equal(hex[0], hex[2]);
    assert_string_not_equal(hex[0], hex[3]);
}

/** A cohort from before findings were described: the same file without those data sets. */
static void write_older(const char *path, const char *newer)
{
    static const char *const leads[SHN_LEADS] = { "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6" };
    const shn_h5_attribute attributes[] = { { .name = "schema_version", .number = SHN_COHORT_SCHEMA }, { .name = "fs", .number = 100 },
                                            { .name = "uv_per_unit", .number = 1 }, { .name = "leads", .texts = leads, .n_texts = SHN_LEADS } };
    shn_error    err;
    shn_h5_field from[SHN_FIELD_COUNT], to[SHN_FIELD_COUNT];
    shn_h5_texts texts;
    uint8_t     *bytes;
    size_t       n, n_old = 0;
    shn_cohort_fields_init(from);
    assert_ok(shn_h5_layout(newer, from, SHN_FIELD_COUNT, &texts, &err));
    shn_h5_texts_free(&texts);
    for (int i = 0; i < SHN_FIELD_COUNT; i++)
        if (shn_cohort_field_extent((shn_field_tag)i) != SHN_EXTENT_ABOUT_K) to[n_old++] = from[i];
    assert_int_equal(n_old, SHN_FIELD_COUNT - 8);
    assert_ok(shn_h5_create(path, to, n_old, attributes, 4, &err));
    assert_ok(shn_file_read(newer, 1 << 20, &bytes, &n, &err));
    const int fd = open(path, O_WRONLY);
    for (size_t i = 0, old = 0; i < SHN_FIELD_COUNT; i++)
        if (shn_cohort_field_extent((shn_field_tag)i) != SHN_EXTENT_ABOUT_K) {
            const size_t size = shn_h5_field_bytes(&from[i]);
            assert_int_equal(pwrite(fd, bytes + from[i].offset, size, (off_t)to[old++].offset), size);
        }
    close(fd);
    free(bytes);
}

static void test_older_cohorts_are_read(void **state)
{
    (void)state;
    shn_error   err;
    shn_cohort *c;
    shn_cohort_writer *w;
    const char *folder = test_folder(), *own[1] = { "heart_of_gold" };
    const char *newer = path_in(folder, "new.h5"), *older = path_in(folder, "old.h5");
    shn_cohort_spec spec = spec_for(newer);
    spec.finding_ids = own;
    spec.n_findings = 1;
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    assert_ok(write_row(w, 0, &err));
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
    write_older(older, newer);
    assert_ok(shn_cohort_open(older, &c, &err));
    assert_string_equal(shn_cohort_id(c, 0), "r0");
    assert_string_equal(shn_cohort_finding(c, 0)->name_en, "heart_of_gold");
    assert_string_equal(shn_cohort_finding(c, 0)->name_ja, "heart_of_gold");
    assert_string_equal(shn_cohort_finding(c, 0)->criterion_en, "");
    assert_int_equal(shn_cohort_finding(c, 0)->flags, 0);
    shn_cohort_close(c);
}

static void test_splits_and_patients(void **state)
{
    (void)state;
    shn_error   err;
    shn_cohort *c;
    uint32_t   *rows, patient[N];
    size_t      n, n_patients;
    const char *path = path_in(test_folder(), "c.h5");
    write_cohort(path);
    assert_ok(shn_cohort_open(path, &c, &err));
    assert_ok(shn_cohort_split_rows(c, "val", &rows, &n, &err));
    assert_int_equal(n, 3);
    assert_int_equal(rows[0], 3);
    free(rows);
    assert_status(shn_cohort_split_rows(c, "test", &rows, &n, &err), SHN_RANGE);
    assert_int_equal(err.reason, SHN_REASON_NO_SPLIT);
    assert_non_null(strstr(err.text, "train (3), val (3)"));
    assert_null(rows);
    assert_ok(shn_cohort_split_rows(c, "all", &rows, &n, &err));
    assert_int_equal(n, N - 1);
    assert_ok(shn_cohort_patients(c, rows, n, patient, &n_patients, &err));
    /* r0 p1 north, r1 p1 south, r2 p2 north, r4 p2 north, r5 and r6 unknown: a patient belongs to its source */
    const uint32_t expected[] = { 0, 1, 2, 2, 3, 4 };
    assert_int_equal(n_patients, 5);
    assert_memory_equal(patient, expected, sizeof expected);
    free(rows);
    shn_cohort_close(c);
}

/** Rows of the file: r0 r1 of p1 (two sources: two patients), r2 p2 north, r4 p2 north, r5, r6 without a patient; r0..r2 train, the rest val. */
static void test_cross_validation_deals_patients(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_cohort *c;
    const char *path = path_in(test_folder(), "c.h5");
    int         held_once[N] = { 0 };
    write_cohort(path);
    for (unsigned fold = 0; fold < 3; fold++) {
        assert_ok(shn_cohort_open(path, &c, &err));
        assert_ok(shn_cohort_cross_validate(c, "train+val", 3, fold, 1, &err));
        assert_string_equal(shn_cohort_split(c, 2), shn_cohort_split(c, 3));        /* one patient, one side */
        assert_true(shn_cohort_has_split(c, "train") && shn_cohort_has_split(c, "val"));
        for (size_t r = 0; r < N - 1; r++) held_once[r] += strcmp(shn_cohort_split(c, r), "val") == 0;
        shn_cohort_close(c);
    }
    for (size_t r = 0; r < N - 1; r++) assert_int_equal(held_once[r], 1);
    assert_ok(shn_cohort_open(path, &c, &err));
    assert_ok(shn_cohort_cross_validate(c, "train", 2, 0, 1, &err));
    assert_string_equal(shn_cohort_split(c, 3), "");                                /* outside the pool: nowhere */
    assert_int_equal(shn_cohort_has_split(c, "val"), 1);
    shn_cohort_close(c);
    assert_ok(shn_cohort_open(path, &c, &err));
    assert_status(shn_cohort_cross_validate(c, "test", 2, 0, 1, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "train (3)"));
    assert_status(shn_cohort_cross_validate(c, "train", 4, 0, 1, &err), SHN_RANGE);
    assert_status(shn_cohort_cross_validate(c, "train", 2, 2, 1, &err), SHN_RANGE);
    assert_string_equal(shn_cohort_split(c, 0), "train");                           /* refused: as it was */
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_cohort_cross_validate(c, "train", 2, 0, 1, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_string_equal(shn_cohort_split(c, 3), "val");
    }
    shn_cohort_close(c);
}

static void test_digest_sees_what_training_reads(void **state)
{
    (void)state;
    shn_error   err;
    shn_cohort *c;
    char        a[65], b[65];
    const uint32_t rows[] = { 0, 1, 2 }, fewer[] = { 0, 1 };
    const char *path = path_in(test_folder(), "c.h5");
    write_cohort(path);
    assert_ok(shn_cohort_open(path, &c, &err));
    assert_ok(shn_cohort_digest(c, rows, 3, a, &err));
    assert_ok(shn_cohort_digest(c, fewer, 2, b, &err));
    assert_string_not_equal(a, b);
    const long offset = (const char *)shn_cohort_signal(c, 2) - (const char *)shn_cohort_signal(c, 0);
    shn_cohort_close(c);

    shn_h5_field f[SHN_FIELD_COUNT];
    shn_h5_texts texts;
    shn_cohort_fields_init(f);
    assert_ok(shn_h5_layout(path, f, SHN_FIELD_COUNT, &texts, &err));
    shn_h5_texts_free(&texts);
    const int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, (off_t)f[SHN_FIELD_SIGNALS].offset + offset), 1);
    close(fd);
    assert_ok(shn_cohort_open(path, &c, &err));
    assert_ok(shn_cohort_digest(c, rows, 3, b, &err));
    assert_string_not_equal(a, b);
    shn_cohort_close(c);
}

static void test_two_writes_give_the_same_bytes(void **state)
{
    (void)state;
    shn_error err;
    uint8_t  *a, *b;
    size_t    na, nb;
    const char *folder = test_folder();
    write_cohort(path_in(folder, "a.h5"));
    write_cohort(path_in(folder, "b.h5"));
    assert_ok(shn_file_read(path_in(folder, "a.h5"), 1 << 20, &a, &na, &err));
    assert_ok(shn_file_read(path_in(folder, "b.h5"), 1 << 20, &b, &nb, &err));
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
    free(a);
    free(b);
}

static void test_resume_goes_on(void **state)
{
    (void)state;
    shn_error   err;
    shn_cohort *c;
    shn_cohort_writer *w;
    const char *path = path_in(test_folder(), "c.h5");
    shn_cohort_spec spec = spec_for(path);
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    assert_ok(write_row(w, 1, &err));
    shn_cohort_writer_keep(w);
    shn_cohort_writer_free(w);
    spec.resume = 1;
    spec.n_samples = T + 1;
    assert_status(shn_cohort_writer_new(&spec, &w, &err), SHN_MISMATCH);
    spec.n_samples = T;
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    assert_ok(write_row(w, 0, &err));
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
    assert_ok(shn_cohort_open(path, &c, &err));
    assert_int_equal(shn_cohort_size(c), 2);                            /* the others stayed pending */
    assert_int_equal(shn_cohort_signal(c, 1)[5], lrintf(value(1, 0, 5) * 1000));
    shn_cohort_close(c);
}

static void test_bad_arguments_are_refused(void **state)
{
    (void)state;
    shn_error err;
    shn_cohort_writer *w;
    const char *path = path_in(test_folder(), "c.h5");
    const char *twice[] = { "a", "a" };
    shn_cohort_spec spec = spec_for(path);
    spec.n_rows = 0;
    assert_status(shn_cohort_writer_new(&spec, &w, &err), SHN_RANGE);
    spec = spec_for(path);
    spec.finding_ids = twice;
    spec.n_findings = 2;
    assert_status(shn_cohort_writer_new(&spec, &w, &err), SHN_RANGE);
    spec = spec_for(path);
    spec.fs_hz = NAN;
    assert_status(shn_cohort_writer_new(&spec, &w, &err), SHN_RANGE);
    spec = spec_for(path_in("/nonexistent-folder", "c.h5"));
    assert_status(shn_cohort_writer_new(&spec, &w, &err), SHN_IO);
    assert_int_equal(err.reason, SHN_REASON_NOT_FOUND);
    assert_null(w);
    spec = spec_for(path);
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    shn_cohort_row row = { .n_samples = T + 1, .age = NAN };
    assert_status(shn_cohort_writer_row(w, 0, &row, &err), SHN_RANGE);
    row.n_samples = T;
    assert_status(shn_cohort_writer_row(w, N, &row, &err), SHN_RANGE);
    row.source = 2;
    assert_status(shn_cohort_writer_row(w, 0, &row, &err), SHN_RANGE);
    shn_cohort_writer_free(w);
    char part[600];
    snprintf(part, sizeof part, "%s.part", path);
    assert_int_equal(access(part, F_OK), -1);                           /* an unfinished file is taken away */
}

/** Every truncation of a cohort is refused, and none crashes. */
static void test_truncated_files_are_refused(void **state)
{
    (void)state;
    shn_error err;
    uint8_t  *bytes;
    size_t    n;
    const char *folder = test_folder();
    const char *whole = path_in(folder, "c.h5"), *cut = path_in(folder, "cut.h5");
    write_cohort(whole);
    assert_ok(shn_file_read(whole, 1 << 20, &bytes, &n, &err));
    for (size_t len = 0; len < n; len += n / 97 + 1) {
        shn_cohort *c;
        assert_ok(shn_file_write(cut, bytes, len, &err));
        assert_status(shn_cohort_open(cut, &c, &err), SHN_FORMAT);
        assert_null(c);
        assert_non_null(strstr(err.text, "cut.h5"));
    }
    free(bytes);
}

/** Writes one value over the first of a field; returns what opening then says. */
static shn_status open_with(const char *path, shn_field_tag tag, size_t row, const void *bytes, size_t n, shn_error *err)
{
    shn_h5_field f[SHN_FIELD_COUNT];
    shn_h5_texts texts;
    shn_cohort  *c = NULL;
    unlink(path);
    write_cohort(path);
    shn_cohort_fields_init(f);
    if (shn_h5_layout(path, f, SHN_FIELD_COUNT, &texts, err) != SHN_OK) return SHN_NOMEM;
    shn_h5_texts_free(&texts);
    const int fd = open(path, O_WRONLY);
    const ssize_t done = pwrite(fd, bytes, n, (off_t)(f[tag].offset + row * shn_h5_element_bytes(&f[tag])));
    close(fd);
    if (done != (ssize_t)n) return SHN_NOMEM;
    const shn_status st = shn_cohort_open(path, &c, err);
    if (c) {
        assert_non_null(shn_cohort_id(c, 0));
        if (tag == SHN_FIELD_ID) assert_string_equal(shn_cohort_id(c, 0), "");
    }
    shn_cohort_close(c);
    return st;
}

static void test_hostile_values_are_refused(void **state)
{
    (void)state;
    shn_error      err;
    const char    *path = path_in(test_folder(), "c.h5");
    const int32_t  far = 1000000, negative = -1;
    const uint32_t long_row = T + 1, none = 0;
    char           no_end[64];
    uint8_t        pending[N] = { 0 };
    memset(no_end, 'x', sizeof no_end);
    assert_status(open_with(path, SHN_FIELD_SOURCE, 0, &far, 4, &err), SHN_FORMAT);
    assert_status(open_with(path, SHN_FIELD_SOURCE, 0, &negative, 4, &err), SHN_FORMAT);
    assert_status(open_with(path, SHN_FIELD_N_VALID, 0, &long_row, 4, &err), SHN_FORMAT);
    assert_status(open_with(path, SHN_FIELD_N_VALID, 0, &none, 4, &err), SHN_FORMAT);
    assert_status(open_with(path, SHN_FIELD_STATUS, 0, pending, N, &err), SHN_FORMAT);
    assert_status(open_with(path, SHN_FIELD_ID, 0, no_end, sizeof no_end, &err), SHN_OK);       /* reads as empty */
}

static void test_files_that_are_no_cohort(void **state)
{
    (void)state;
    shn_error   err;
    shn_cohort *c;
    const char *folder = test_folder();
    assert_status(shn_cohort_open(path_in(folder, "none.h5"), &c, &err), SHN_IO);
    assert_int_equal(err.reason, SHN_REASON_NOT_FOUND);
    assert_status(shn_cohort_open(folder, &c, &err), SHN_IO);
    assert_ok(shn_file_write(path_in(folder, "text.h5"), "signals", 7, &err));
    assert_status(shn_cohort_open(path_in(folder, "text.h5"), &c, &err), SHN_FORMAT);
    /* an HDF5 file that has one of the fields, and one where it has another type */
    shn_h5_field f = { .name = "signals", .type = SHN_H5_I16, .rank = 3, .shape = { 2, 12, 5 } };
    assert_ok(shn_h5_create(path_in(folder, "part.h5"), &f, 1, NULL, 0, &err));
    assert_status(shn_cohort_open(path_in(folder, "part.h5"), &c, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "no data set 'n_clipped'"));
    f.type = SHN_H5_F32;
    assert_ok(shn_h5_create(path_in(folder, "type.h5"), &f, 1, NULL, 0, &err));
    assert_status(shn_cohort_open(path_in(folder, "type.h5"), &c, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "'signals' has another type"));
}

static void test_pack(void **state)
{
    (void)state;
    const float plain[] = { 0, 1, -1, 0.0004f, 0.0006f, NAN, 32.767f, -32.767f };
    int16_t     out[8];
    uint32_t    clipped;
    float       offset;
    shn_cohort_pack_lead(plain, 8, 1, out, &clipped, &offset);
    const int16_t expected[] = { 0, 1000, -1000, 0, 1, SHN_GAP_I16, 32767, -32767 };
    assert_memory_equal(out, expected, sizeof expected);
    assert_int_equal(clipped, 0);
    assert_near(offset, 0, 0);

    const float shifted[] = { 40.0f, 40.5f, 39.5f, 40.0f, NAN };        /* an offset of 40 mV, a signal of 1 mV */
    shn_cohort_pack_lead(shifted, 5, 1, out, &clipped, &offset);
    assert_int_equal(clipped, 0);
    assert_near(offset, 40000, 0);
    assert_int_equal(out[1], 500);
    assert_int_equal(out[4], SHN_GAP_I16);

    const float wide[] = { -50, 0, 50, INFINITY };                      /* no offset helps: saturates, counted */
    shn_cohort_pack_lead(wide, 4, 1, out, &clipped, &offset);
    assert_int_equal(clipped, 3);
    assert_int_equal(out[0], -32767);
    assert_int_equal(out[3], 32767);
    shn_cohort_pack_lead(wide, 4, 5, out, &clipped, &offset);           /* a coarser scale holds it */
    assert_int_equal(out[2], 10000);
}

/** The n-th allocation fails: no leak (sanitizers), no file left, and the status says so. */
static void test_failing_allocations(void **state)
{
    (void)state;
    shn_error   err;
    shn_cohort *c;
    const char *folder = test_folder();
    const char *path = path_in(folder, "c.h5"), *second = path_in(folder, "d.h5");
    write_cohort(path);
    for (long n = 1; n < 200; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_cohort_open(path, &c, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_true(n > 5);
            shn_cohort_close(c);
            break;
        }
        assert_null(c);
    }
    for (long n = 1; n < 50; n++) {
        shn_cohort_writer *w;
        shn_cohort_spec spec = spec_for(second);
        shn_alloc_fail_after(n);
        const shn_status st = shn_cohort_writer_new(&spec, &w, &err);
        shn_alloc_fail_after(0);
        shn_cohort_writer_free(w);
        if (st == SHN_OK) break;
        assert_null(w);
    }
    assert_int_equal(access(second, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_findings_are_described),
        cmocka_unit_test(test_older_cohorts_are_read),
        cmocka_unit_test(test_splits_and_patients),
        cmocka_unit_test(test_cross_validation_deals_patients),
        cmocka_unit_test(test_digest_sees_what_training_reads),
        cmocka_unit_test(test_digest_sees_what_findings_are_called),
        cmocka_unit_test(test_two_writes_give_the_same_bytes),
        cmocka_unit_test(test_resume_goes_on),
        cmocka_unit_test(test_bad_arguments_are_refused),
        cmocka_unit_test(test_truncated_files_are_refused),
        cmocka_unit_test(test_hostile_values_are_refused),
        cmocka_unit_test(test_files_that_are_no_cohort),
        cmocka_unit_test(test_pack),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
