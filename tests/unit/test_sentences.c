/** Sentences of reports: the rule of shinden/sentences.h, case by case, on wordings as PTB-XL's reports have them. */
#include "harness.h"

#include "base/alloc.h"
#include "shinden/sentences.h"

/** The sentences, '|' between them. */
static void check(const char *report, const char *expected)
{
    shn_error     err = { 0 };
    shn_sentences s;
    char          joined[4096] = "";
    assert_ok(shn_sentences_split(report, &s, &err));
    for (size_t i = 0; i < s.n; i++) {
        if (i) strcat(joined, "|");
        strcat(joined, s.text[i]);
    }
    if (strcmp(joined, expected) != 0) fail_msg("'%s'\n gives    %s\n expected %s", report, joined, expected);
    shn_sentences_free(&s);
}

static void test_full_stops(void **state)
{
    (void)state;
    check("sinus rhythm. left axis deviation. normal ecg.", "sinus rhythm|left axis deviation|normal ecg");
    check("t wave flattening in i. st depression in ii, v5,6.", "t wave flattening in i|st depression in ii, v5,6");
    check("heart    disease. sinus rhythm.", "heart disease|sinus rhythm");          /* a wrapped line, since full stops are written */
    check("left bundle branch block, this is most commonly due to    ischaemic heart disease.",
          "left bundle branch block, this is most commonly due to ischaemic heart disease");
    check("compared with tracing of 4:7:92, rate 4.46 now. edit: NORM 80", "compared with tracing of 4:7:92, rate 4.46 now");
    check("lahb m\xC3\x96glich chron. inferiorer infarkt. schlechte r-progression",
          "lahb möglich chron. inferiorer infarkt|schlechte r-progression");
    check("Sinus Rhythm. SINUS RHYTHM.", "sinus rhythm");                            /* once */
    check("洞調律。正常心電図。", "洞調律|正常心電図");
    check("one. two; three! four? five", "one|two|three|four|five");
    check("first line\nsecond line\r\nthird", "first line|second line|third");
}

static void test_statement_lists(void **state)
{
    (void)state;
    check("sinusrhythmus normales ekg", "sinusrhythmus|normales ekg");
    check("sinusrhythmus linkstyp unspezifisches abnormales t", "sinusrhythmus|linkstyp|unspezifisches abnormales t");
    check("sinusrhythmus ueberdrehter linkstyp linksanteriorer hemiblock", "sinusrhythmus|ueberdrehter linkstyp|linksanteriorer hemiblock");
    check("sinusrhythmus lagetyp normal qrs(t) abnorm    inferiorer infarkt     wahrscheinlich alt 4.46                unbest\xC3\x84tigter bericht",
          "sinusrhythmus|lagetyp normal|qrs(t) abnorm|inferiorer infarkt|wahrscheinlich alt 4.46|unbestätigter bericht");
    check("ventrikul\xC3\x84re extrasystole(n), bigeminus sinusrhythmus", "ventrikuläre extrasystole(n), bigeminus|sinusrhythmus");
    check("sinusrytm v\xC3\x84nster el-axel eljest normalt ekg", "sinusrytm|vänster el-axel|eljest normalt ekg");
    check("tachykardes vorhofflimmern linkstyp", "tachykardes vorhofflimmern|linkstyp");
    check("keinlinkstyp linkstypen", "keinlinkstyp linkstypen");                     /* whole words only */
    check("sinusrhythmus qrs(t) abnormal Edit: RAO, (RVH 100)", "sinusrhythmus|qrs(t) abnormal");
    check("credit: paid twice", "credit: paid twice");
}

static void test_what_is_left_out(void **state)
{
    (void)state;
    check("", "");
    check("   ", "");
    check(". . .", "");
    check("4.46", "");
    check("pr", "");
    check("- sinus rhythm -", "sinus rhythm");
    char long_report[3000];
    memset(long_report, 'a', sizeof long_report);
    for (size_t i = 10; i < sizeof long_report; i += 11) long_report[i] = ' ';
    long_report[sizeof long_report - 1] = '\0';
    shn_error     err = { 0 };
    shn_sentences s;
    assert_ok(shn_sentences_split(long_report, &s, &err));
    assert_int_equal(s.n, 1);
    assert_int_equal(strlen(s.text[0]), SHN_SENTENCE_MAX - 1 - (SHN_SENTENCE_MAX - 1 - 10) % 11);
    assert_int_equal(s.text[0][strlen(s.text[0]) - 1], 'a');
    shn_sentences_free(&s);
}

/** A language that writes no blanks: a long sentence is cut between two characters, also where a blank stands near its begin only. */
static void test_long_without_blanks(void **state)
{
    (void)state;
    enum { LETTERS = 400 };                             /* of three bytes each */
    static const char *const begins[] = { "", "x", "xy", "1) " };
    for (size_t b = 0; b < 4; b++) {
        char          report[8 + 3 * LETTERS] = "";
        shn_error     err = { 0 };
        shn_sentences s;
        const size_t  n_begin = strlen(begins[b]);
        strcpy(report, begins[b]);
        for (int i = 0; i < LETTERS; i++) strcat(report, "\xE8\xAA\xBF");      /* U+8ABF */
        assert_ok(shn_sentences_split(report, &s, &err));
        assert_int_equal(s.n, 1);
        assert_int_equal(strlen(s.text[0]), n_begin + (SHN_SENTENCE_MAX - 1 - n_begin) / 3 * 3);
        assert_memory_equal(s.text[0], report, strlen(s.text[0]));
        shn_sentences_free(&s);
    }
}

static void test_failures(void **state)
{
    (void)state;
    shn_error     err = { 0 };
    shn_sentences s;
    assert_status(shn_sentences_split("sinus \xff", &s, &err), SHN_FORMAT);
    char *huge = malloc(SHN_REPORT_MAX + 2);
    memset(huge, 'x', SHN_REPORT_MAX + 1);
    huge[SHN_REPORT_MAX + 1] = '\0';
    assert_status(shn_sentences_split(huge, &s, &err), SHN_RANGE);
    free(huge);
    for (long n = 1;; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_sentences_split("sinusrhythmus linkstyp. normal ecg.", &s, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_int_equal(s.n, 3);
            shn_sentences_free(&s);
            assert_true(n > 4);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(s.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_stops),
        cmocka_unit_test(test_statement_lists),
        cmocka_unit_test(test_what_is_left_out),
        cmocka_unit_test(test_long_without_blanks),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
