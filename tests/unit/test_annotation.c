/**
 * WFDB annotations: files written here word by word from annot(5), windows asked of them, damaged ones, and MIT-BIH's and LUDB's against
 * wfdb-python (golden/wfdb_annotations.txt).
 */
#include "harness.h"

#include <dirent.h>

#include "base/alloc.h"
#include "base/file.h"
#include "shinden/annotation.h"

/* ---- a writer that shares nothing with the reader ---- */

typedef struct tape { uint8_t bytes[2048]; size_t n; } tape;

static void word(tape *t, unsigned code, unsigned number)
{
    t->bytes[t->n++] = (uint8_t)(number & 255);
    t->bytes[t->n++] = (uint8_t)(code << 2 | number >> 8);
}

static void leap(tape *t, long by)
{
    const unsigned long v = (unsigned long)by & 0xffffffffu;
    word(t, 59, 0);
    t->bytes[t->n++] = v >> 16 & 255;
    t->bytes[t->n++] = v >> 24 & 255;
    t->bytes[t->n++] = v & 255;
    t->bytes[t->n++] = v >> 8 & 255;
}

static void text(tape *t, const char *s, size_t n)
{
    word(t, 63, (unsigned)n);
    memcpy(t->bytes + t->n, s, n);
    t->n += n;
    if (n % 2) t->bytes[t->n++] = 0;
}

static void note(tape *t, const char *s)
{
    word(t, 22, 0);
    text(t, s, strlen(s));
}

static shn_annotations *parsed(const tape *t)
{
    shn_error        err = { 0 };
    shn_annotations *set;
    assert_ok(shn_annotations_parse(t->bytes, t->n, &set, &err));
    return set;
}

/** 18 rhythm (N, 100 N, 350 V of channel 1, 700000 V far away with a subtype, 700010 rhythm (AFIB, 700500 paced. */
static void make_tape(tape *t)
{
    t->n = 0;
    word(t, 28, 18);
    text(t, "(N\0", 3);
    word(t, 1, 82);
    word(t, 5, 250);
    word(t, 62, 1);
    word(t, 60, 255);
    leap(t, 699650);
    word(t, 5, 0);
    word(t, 61, 254);
    word(t, 28, 10);
    text(t, "(AFIB", 5);
    word(t, 62, 0);
    word(t, 12, 490);
    word(t, 0, 0);
}

static void test_fields(void **state)
{
    (void)state;
    tape t;
    make_tape(&t);
    shn_annotations *set = parsed(&t);
    static const struct { int64_t sample; int code, channel, subtype, num; const char *aux; } expected[] = {
        { 18, 28, 0, 0, 0, "(N" },      { 100, 1, 0, 0, 0, "" },         { 350, 5, 1, 0, -1, "" },
        { 700000, 5, 1, -2, -1, "" },   { 700010, 28, 0, 0, -1, "(AFIB" }, { 700500, 12, 0, 0, -1, "" },
    };
    assert_int_equal(shn_annotations_count(set), 6);
    for (size_t i = 0; i < 6; i++) {
        const shn_annotation *a = shn_annotations_at(set, i);
        assert_int_equal(a->sample, expected[i].sample);
        assert_int_equal(a->code, expected[i].code);
        assert_int_equal(a->channel, expected[i].channel);
        assert_int_equal(a->subtype, expected[i].subtype);
        assert_int_equal(a->num, expected[i].num);
        assert_string_equal(a->aux, expected[i].aux);
    }
    assert_true(shn_annotations_rate_hz(set) == 0);
    assert_string_equal(shn_annotation_symbol(set, 12), "/");
    assert_string_equal(shn_annotation_text(NULL, 5), "premature ventricular contraction");
    assert_string_equal(shn_annotation_symbol(set, 15), "");
    assert_string_equal(shn_annotation_symbol(set, 1000), "");
    static const struct { unsigned code; const char *symbol; } named[] = {         /* the names of annotation.h are what WFDB calls these codes */
        { SHN_ANN_NORMAL, "N" }, { SHN_ANN_LBBB, "L" }, { SHN_ANN_RBBB, "R" }, { SHN_ANN_PVC, "V" }, { SHN_ANN_FUSION, "F" }, { SHN_ANN_APC, "A" },
        { SHN_ANN_PACED, "/" }, { SHN_ANN_UNCLASSIFIED, "Q" }, { SHN_ANN_NOISE, "~" }, { SHN_ANN_NOTE, "\"" }, { SHN_ANN_P_WAVE, "p" }, { SHN_ANN_T_WAVE, "t" },
        { SHN_ANN_RHYTHM, "+" }, { SHN_ANN_U_WAVE, "u" }, { SHN_ANN_LEARNING, "?" }, { SHN_ANN_FLUTTER_WAVE, "!" }, { SHN_ANN_VF_ON, "[" }, { SHN_ANN_VF_OFF, "]" },
        { SHN_ANN_BLOCKED_P, "x" }, { SHN_ANN_PACED_FUSION, "f" }, { SHN_ANN_ONSET, "(" }, { SHN_ANN_OFFSET, ")" },
    };
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) assert_string_equal(shn_annotation_symbol(set, named[i].code), named[i].symbol);
    shn_annotations_free(set);
    t.bytes[t.n - 4] = 0xe0;                    /* nothing is memorised: a time and a text follow the bytes */
    set = parsed(&t);
    assert_int_equal(shn_annotations_at(set, 5)->sample, 700010 + 0x1e0);
    shn_annotations_free(set);
}

static void test_windows(void **state)
{
    (void)state;
    tape       t;
    uint32_t   counts[SHN_ANNOTATION_CODES];
    shn_rhythm r[3];
    size_t     begin, end;
    make_tape(&t);
    shn_annotations *set = parsed(&t);
    shn_annotations_range(set, 100, 350, &begin, &end);         /* the last sample is outside */
    assert_true(begin == 1 && end == 2);
    shn_annotations_range(set, 900, 100, &begin, &end);
    assert_int_equal(begin, end);
    assert_int_equal(shn_annotations_beats(set, 0, 1000000, counts), 4);
    assert_true(counts[SHN_ANN_PVC] == 2 && counts[SHN_ANN_NORMAL] == 1 && counts[SHN_ANN_PACED] == 1 && counts[SHN_ANN_RHYTHM] == 0);
    assert_int_equal(shn_annotations_beats(set, 101, 350, NULL), 0);
    assert_int_equal(shn_annotations_rhythms(set, 0, 18, r, 3), 0);             /* not known before the first change */
    assert_int_equal(shn_annotations_rhythms(set, 0, 800000, r, 3), 2);
    assert_true(r[0].first == 18 && r[0].last == 700010 && r[1].last == 800000);
    assert_string_equal(r[0].name, "N");
    assert_string_equal(r[1].name, "AFIB");
    assert_int_equal(shn_annotations_rhythms(set, 1000, 2000, r, 3), 1);        /* it holds on */
    assert_true(r[0].first == 1000 && r[0].last == 2000);
    assert_string_equal(r[0].name, "N");
    assert_int_equal(shn_annotations_rhythms(set, 700010, 700020, r, 3), 1);    /* the new one from its own sample on */
    assert_string_equal(r[0].name, "AFIB");
    assert_int_equal(shn_annotations_rhythms(set, 0, 800000, r, 1), 2);         /* counted beyond the room */
    assert_int_equal(shn_annotations_rhythms(set, 5, 5, NULL, 0), 0);
    shn_annotations_free(set);
}

static void test_waves(void **state)
{
    (void)state;
    tape     t = { .n = 0 };
    shn_wave w[4];
    static const struct { int code, delta; } marks[] = { { 39, 10 }, { 24, 5 }, { 40, 6 }, { 39, 20 }, { 1, 4 }, { 27, 30 }, { 40, 9 }, { 1, 50 } };
    for (size_t i = 0; i < 8; i++) word(&t, (unsigned)marks[i].code, (unsigned)marks[i].delta);
    word(&t, 0, 0);
    shn_annotations *set = parsed(&t);
    assert_int_equal(shn_annotations_waves(set, w, 4), 4);
    assert_true(w[0].code == SHN_ANN_P_WAVE && w[0].onset == 10 && w[0].peak == 15 && w[0].offset == 21);
    assert_true(w[1].code == SHN_ANN_NORMAL && w[1].onset == 41 && w[1].peak == 45 && w[1].offset == -1);
    assert_true(w[2].code == SHN_ANN_T_WAVE && w[2].onset == -1 && w[2].peak == 75 && w[2].offset == 84);
    assert_true(w[3].code == SHN_ANN_NORMAL && w[3].onset == -1 && w[3].peak == 134 && w[3].offset == -1);
    shn_annotations_free(set);
}

static void test_notes_about_the_file(void **state)
{
    (void)state;
    tape t = { .n = 0 };
    note(&t, "## time resolution: 1000");
    note(&t, "## annotation type definitions");
    note(&t, "42 XX a beat of ours");
    note(&t, "## end of definitions");
    word(&t, 42, 7);
    note(&t, "an ordinary note");
    word(&t, 0, 900);                           /* no annotation: time passes */
    word(&t, 1, 100);
    leap(&t, -500);                             /* and goes back: sorted */
    word(&t, 5, 0);
    word(&t, 0, 0);
    shn_annotations *set = parsed(&t);
    assert_int_equal(shn_annotations_count(set), 4);
    assert_true(shn_annotations_rate_hz(set) == 1000);
    assert_string_equal(shn_annotation_symbol(set, 42), "XX");
    assert_string_equal(shn_annotation_text(set, 42), "a beat of ours");
    assert_string_equal(shn_annotation_symbol(NULL, 42), "");
    assert_string_equal(shn_annotations_at(set, 1)->aux, "an ordinary note");
    assert_true(shn_annotations_at(set, 2)->code == 5 && shn_annotations_at(set, 2)->sample == 507 && shn_annotations_at(set, 3)->sample == 1007);
    shn_annotations_free(set);
}

static void test_damage(void **state)
{
    (void)state;
    tape             t;
    shn_error        err = { 0 };
    shn_annotations *set;
    make_tape(&t);
    for (size_t n = 0; n < t.n; n++) {          /* cut anywhere */
        assert_status(shn_annotations_parse(t.bytes, n, &set, &err), SHN_FORMAT);
        assert_int_equal(err.reason, SHN_REASON_TRUNCATED);
        assert_null(set);
    }
    t.n = 0;
    word(&t, 60, 3);                            /* a field of no annotation */
    word(&t, 0, 0);
    assert_status(shn_annotations_parse(t.bytes, t.n, &set, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_BAD_VALUE);
    t.n = 0;
    word(&t, 50, 3);
    word(&t, 0, 0);
    assert_status(shn_annotations_parse(t.bytes, t.n, &set, &err), SHN_FORMAT);
    uint8_t aha[32] = { 0, 'N', 100, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'V', 200, 0, 0, 0, 2, 0 };
    assert_status(shn_annotations_parse(aha, 32, &set, &err), SHN_UNSUPPORTED);
    assert_non_null(strstr(err.text, "AHA"));
    for (long n = 1;; n++) {
        make_tape(&t);
        t.n -= 2;
        leap(&t, -100000);
        word(&t, 1, 1);
        word(&t, 0, 0);
        shn_alloc_fail_after(n);
        const shn_status st = shn_annotations_parse(t.bytes, t.n, &set, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_true(n >= 5);                /* set, texts, list, and the room to sort in */
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(set);
    }
    assert_true(shn_annotations_at(set, 3)->sample == 600501);
    shn_annotations_free(set);
}

static void test_must_fail_corpus(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    int         n_files = 0;
    const char *folder = SHN_TESTS_DIR "/must_fail/wfdb_annotation";
    DIR        *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        shn_annotations *set;
        uint8_t         *bytes;
        size_t           n;
        char             path[SHN_PATH_MAX];
        if (e->d_name[0] == '.') continue;
        assert_ok(shn_path_join(path, folder, e->d_name, &err));
        assert_ok(shn_file_read(path, 1 << 16, &bytes, &n, &err));
        if (shn_annotations_parse(bytes, n, &set, &err) == SHN_OK) fail_msg("%s was accepted", e->d_name);
        free(bytes);
        n_files++;
    }
    closedir(dir);
    assert_true(n_files >= 5);
}

/** Times of a record: its samples per frame and the file's own resolution count. */
static void test_times_of_a_record(void **state)
{
    (void)state;
    shn_error        err = { 0 };
    shn_annotations *set;
    tape             t = { .n = 0 };
    char             path[SHN_PATH_MAX], record[SHN_PATH_MAX];
    const char      *folder = test_folder();
    static const char header[] = "r 2 100 10\nr.dat 16x5\nr.dat 16\n", whole[] = "w/2 2 100 20\nr 10\nr 10\n";
    snprintf(record, sizeof record, "%s/r", folder);
    snprintf(path, sizeof path, "%s/r.hea", folder);
    assert_ok(shn_file_write(path, header, strlen(header), &err));
    snprintf(path, sizeof path, "%s/w.hea", folder);
    assert_ok(shn_file_write(path, whole, strlen(whole), &err));
    word(&t, 1, 3);
    word(&t, 1, 4);
    word(&t, 0, 0);
    snprintf(path, sizeof path, "%s/r.qrs", folder);
    assert_ok(shn_file_write(path, t.bytes, t.n, &err));
    snprintf(path, sizeof path, "%s/w.qrs", folder);
    assert_ok(shn_file_write(path, t.bytes, t.n, &err));
    assert_ok(shn_annotations_read(record, "qrs", &set, &err));
    assert_int_equal(shn_annotations_at(set, 1)->sample, 35);           /* frame 7, five samples each */
    assert_true(shn_annotations_rate_hz(set) == 500);
    shn_annotations_free(set);
    snprintf(path, sizeof path, "%s/w.hea", folder);
    assert_ok(shn_annotations_read(path, "qrs", &set, &err));
    assert_int_equal(shn_annotations_at(set, 1)->sample, 35);
    shn_annotations_free(set);
    t.n = 0;
    note(&t, "## time resolution: 1000");
    word(&t, 1, 31);
    word(&t, 0, 0);
    snprintf(path, sizeof path, "%s/r.fine", folder);
    assert_ok(shn_file_write(path, t.bytes, t.n, &err));
    snprintf(path, sizeof path, "%s/r.dat", folder);
    assert_ok(shn_annotations_read(path, "fine", &set, &err));
    assert_int_equal(shn_annotations_at(set, 0)->sample, 16);           /* 31 ms at 500 Hz, rounded up from the half */
    shn_annotations_free(set);
    assert_status(shn_annotations_read(record, "absent", &set, &err), SHN_IO);
    assert_status(shn_annotations_read(record, "../r", &set, &err), SHN_RANGE);
    assert_null(set);
}

/* ---- wfdb-python ---- */

static uint64_t digest(const shn_annotations *set, uint64_t h, uint32_t *counts)
{
    for (size_t i = 0; i < shn_annotations_count(set); i++) {
        const shn_annotation *a = shn_annotations_at(set, i);
        char line[512];
        snprintf(line, sizeof line, "%lld %s %d %d %d %s\n", (long long)a->sample, shn_annotation_symbol(set, a->code), a->subtype, a->channel, a->num, a->aux);
        for (const char *p = line; *p; p++) h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
        counts[a->code]++;
    }
    return h;
}

static void check_rhythms(const shn_annotations *set, char *rest)
{
    shn_rhythm   spans[1024];
    char        *save = NULL;
    const size_t n = shn_annotations_rhythms(set, 0, 650000, spans, 1024);
    size_t       i = 0;
    for (char *word_ = strtok_r(rest, " \n", &save); word_; word_ = strtok_r(NULL, " \n", &save), i++) {
        char *colon = strchr(word_, ':');
        assert_true(i < n);
        assert_int_equal(spans[i].first, atoll(word_));
        assert_string_equal(spans[i].name, colon + 2);
    }
    assert_int_equal(i, n);
}

static void compare(const char *data, char *line)
{
    static const char *const leads[] = { "i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6" };
    shn_error          err = { 0 };
    shn_annotations   *set;
    char               record[SHN_PATH_MAX], name[128], list[512], *rest;
    unsigned long      total;
    unsigned long long expected;
    int                used = 0;
    uint32_t           counts[SHN_ANNOTATION_CODES] = { 0 };
    uint64_t           h = UINT64_C(0xcbf29ce484222325);
    assert_int_equal(sscanf(line, "%127s %lu %llx %511s%n", name, &total, &expected, list, &used), 4);
    rest = line + used;
    assert_ok(shn_path_join(record, data, name, &err));
    const int is_mitdb = strncmp(name, "mitdb", 5) == 0;
    for (size_t l = 0; l < (is_mitdb ? 1 : 12); l++) {
        assert_ok(shn_annotations_read(record, is_mitdb ? "atr" : leads[l], &set, &err));
        h = digest(set, h, counts);
        if (is_mitdb) check_rhythms(set, rest);
        shn_annotations_free(set);
    }
    char *save = NULL;
    for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
        const char *equals = strrchr(w, '=');
        for (unsigned c = 0; c < SHN_ANNOTATION_CODES; c++)
            if (strlen(shn_annotation_symbol(NULL, c)) == (size_t)(equals - w) && *w == *shn_annotation_symbol(NULL, c)) {
                if (counts[c] != (uint32_t)atoi(equals + 1)) fail_msg("%s: %u of '%.*s', wfdb-python has %s", name, counts[c], (int)(equals - w), w, equals + 1);
                total -= counts[c];
            }
    }
    assert_int_equal(total, 0);
    if (h != expected) fail_msg("%s: annotations differ from wfdb-python's", name);
}

static void test_real_annotations(void **state)
{
    (void)state;
    char        line[65536];
    size_t      n = 0;
    const char *data = test_data();
    FILE       *golden = fopen(SHN_TESTS_DIR "/golden/wfdb_annotations.txt", "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden))
        if (line[0] != '#') {
            compare(data, line);
            n++;
        }
    fclose(golden);
    assert_int_equal(n, 186);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),           cmocka_unit_test(test_windows),      cmocka_unit_test(test_waves), cmocka_unit_test(test_notes_about_the_file),
        cmocka_unit_test(test_damage),           cmocka_unit_test(test_must_fail_corpus), cmocka_unit_test(test_times_of_a_record),
        cmocka_unit_test(test_real_annotations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
