/** labels: the built-in registry's promises, the mapping of every real label, and what a user's table is refused for. */
#include "harness.h"

#include <dirent.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/file.h"
#include "labels/registry.h"

static const shn_registry *reg;

static int setup(void **state)
{
    (void)state;
    reg = shn_registry_builtin();
    return 0;
}

static shn_status parse(const char *text, shn_registry **out, shn_error *err)
{
    return shn_registry_parse((const uint8_t *)text, strlen(text), NULL, "user", out, err);
}

static void test_every_finding_is_whole(void **state)
{
    (void)state;
    assert_true(shn_registry_size(reg) >= 224);             /* ids are frozen: it may only grow */
    for (size_t i = 0; i < shn_registry_size(reg); i++) {
        const shn_finding *f = shn_registry_at(reg, i);
        assert_int_equal(shn_registry_find(reg, f->id), i); /* the first with this id is this one: unique */
        assert_true(*f->name_en && *f->name_ja && *f->ja_source);
        int japanese = 0;
        for (const char *p = f->name_ja; *p; p++) japanese |= (unsigned char)*p >= 0xe3;    /* kana and kanji: U+3000 on */
        if (!japanese) fail_msg("%s: '%s' is not Japanese", f->id, f->name_ja);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(shn_registry_at(reg, k)->name_en, f->name_en);
            assert_string_not_equal(shn_registry_at(reg, k)->name_ja, f->name_ja);
        }
    }
}

/** Cohorts and models name findings by id: every id that a release had is still there. */
static void test_ids_are_frozen(void **state)
{
    (void)state;
    shn_error err = { 0 };
    uint8_t  *bytes;
    size_t    size, n = 0;
    char     *save = NULL;
    assert_ok(shn_file_read(SHN_TESTS_DIR "/golden/finding_ids.txt", 1 << 20, &bytes, &size, &err));
    for (char *line = strtok_r((char *)bytes, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (*line == '#') continue;
        if (shn_registry_find(reg, line) < 0) fail_msg("'%s' is gone", line);
        n++;
    }
    assert_int_equal(n, shn_registry_size(reg));            /* a new one is entered there with its release */
    free(bytes);
}

/** The text form name+criterion needs both, and two findings with one criterion could not be told apart by it. */
static void test_every_finding_has_a_criterion_in_both_languages(void **state)
{
    (void)state;
    for (size_t i = 0; i < shn_registry_size(reg); i++) {
        const shn_finding *f = shn_registry_at(reg, i);
        int japanese = 0;
        if (!*f->criterion_en || !*f->criterion_ja) fail_msg("%s has no criterion in %s", f->id, *f->criterion_en ? "Japanese" : "English");
        for (const char *p = f->criterion_en; *p; p++)
            if (*p < 0x20 || *p > 0x7e) fail_msg("%s: English criterion, byte 0x%02x", f->id, (unsigned)(unsigned char)*p);
        for (const char *p = f->criterion_ja; *p; p++) {
            if ((unsigned char)*p < 0x20) fail_msg("%s: Japanese criterion of more than one line", f->id);
            japanese |= (unsigned char)*p >= 0xe3;
        }
        if (!japanese) fail_msg("%s: '%s' is not Japanese", f->id, f->criterion_ja);
        if (strlen(f->criterion_en) > 160 || strlen(f->criterion_ja) > 240) fail_msg("%s: a criterion is one short line", f->id);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(shn_registry_at(reg, k)->criterion_en, f->criterion_en);
            assert_string_not_equal(shn_registry_at(reg, k)->criterion_ja, f->criterion_ja);
        }
    }
}

static void test_texts_of_a_finding(void **state)
{
    (void)state;
    char         text[SHN_FINDING_TEXT_MAX], other[SHN_FINDING_TEXT_MAX];
    const size_t af = (size_t)shn_registry_find(reg, "atrial_fibrillation"), fresh = (size_t)shn_registry_find(reg, "acute_myocardial_infarction");
    assert_true(shn_registry_text(reg, af, SHN_TEXT_CODE, 1, text));
    assert_string_equal(text, "AFIB");
    assert_true(shn_registry_text(reg, af, SHN_TEXT_NAME, 1, text));
    assert_string_equal(text, "心房細動");
    assert_true(shn_registry_text(reg, af, SHN_TEXT_NAME_CRITERION, 0, text));
    assert_string_equal(text, "atrial fibrillation: no P waves, irregular f waves, irregularly irregular RR");
    assert_true(shn_registry_text(reg, (size_t)shn_registry_find(reg, "bradycardia"), SHN_TEXT_CODE, 0, text));
    assert_string_equal(text, "Brady");
    assert_true(shn_registry_text(reg, fresh, SHN_TEXT_CODE, 0, text));         /* the Challenge's AMI is PTB-XL's anterior infarction */
    assert_string_equal(text, "57054005");
    assert_true(shn_registry_text(reg, (size_t)shn_registry_find(reg, "chagas"), SHN_TEXT_CODE, 0, text));
    for (int form = SHN_TEXT_CODE; form <= SHN_TEXT_NAME_CRITERION; form++) {
        assert_int_equal(shn_text_form_from_name(shn_text_form_name((shn_text_form)form)), form);
        for (size_t i = 0; i < shn_registry_size(reg); i++)             /* two findings of one text could not be told apart */
            for (size_t k = 0; k < i; k++) {
                shn_registry_text(reg, i, (shn_text_form)form, 1, text);
                shn_registry_text(reg, k, (shn_text_form)form, 1, other);
                assert_string_not_equal(text, other);
            }
    }
    assert_int_equal(shn_text_form_from_name("random"), -1);
}

static void test_parents_exist_and_make_no_circle(void **state)
{
    (void)state;
    for (size_t i = 0; i < shn_registry_size(reg); i++)
        for (size_t k = 0; shn_registry_parent(reg, i, k) >= 0; k++) {
            const size_t parent = (size_t)shn_registry_parent(reg, i, k);
            assert_true(shn_registry_is_a(reg, i, parent));
            assert_false(shn_registry_is_a(reg, parent, i));
        }
    const size_t wenckebach = (size_t)shn_registry_find(reg, "second_degree_av_block_mobitz_1");
    assert_true(shn_registry_is_a(reg, wenckebach, (size_t)shn_registry_find(reg, "av_block")));
    assert_false(shn_registry_is_a(reg, wenckebach, (size_t)shn_registry_find(reg, "third_degree_av_block")));
    const int rbbb = shn_registry_find(reg, "right_bundle_branch_block");
    assert_int_equal(shn_registry_parent(reg, (size_t)shn_registry_find(reg, "complete_right_bundle_branch_block"), 0), rbbb);
    assert_int_equal(shn_registry_parent(reg, (size_t)shn_registry_find(reg, "incomplete_right_bundle_branch_block"), 0), rbbb);
}

/* The 71 statements of PTB-XL 1.0.3, in the order of scp_statements.csv. */
static const char *const scp[] = {
    "NDT", "NST_", "DIG", "LNGQT", "NORM", "IMI", "ASMI", "LVH", "LAFB", "ISC_", "IRBBB", "1AVB", "IVCD", "ISCAL", "CRBBB", "CLBBB",
    "ILMI", "LAO/LAE", "AMI", "ALMI", "ISCIN", "INJAS", "LMI", "ISCIL", "LPFB", "ISCAS", "INJAL", "ISCLA", "RVH", "ANEUR", "RAO/RAE", "EL",
    "WPW", "ILBBB", "IPLMI", "ISCAN", "IPMI", "SEHYP", "INJIN", "INJLA", "PMI", "3AVB", "INJIL", "2AVB", "ABQRS", "PVC", "STD_", "VCLVH",
    "QWAVE", "LOWT", "NT_", "PAC", "LPR", "INVT", "LVOLT", "HVOLT", "TAB_", "STE_", "PRC(S)", "SR", "AFIB", "STACH", "SARRH", "SBRAD", "PACE",
    "SVARR", "BIGU", "AFLT", "SVTAC", "PSVT", "TRIGU",
};

static void test_each_scp_statement_is_a_finding_of_its_own(void **state)
{
    (void)state;
    size_t n = 0;
    assert_int_equal(sizeof scp / sizeof *scp, 71);
    for (size_t i = 0; i < 71; i++) {
        const int f = shn_registry_map(reg, SHN_CODE_SCP, scp[i]);
        if (f < 0) fail_msg("%s has no finding", scp[i]);
        assert_string_equal(shn_registry_at(reg, (size_t)f)->scp, scp[i]);
    }
    for (size_t i = 0; i < shn_registry_size(reg); i++) n += *shn_registry_at(reg, i)->scp != '\0';
    assert_int_equal(n, 71);
}

/** A named parent leaves its children open. PTB-XL chooses among all 71, so none of them may lie below another. */
static void test_no_scp_statement_lies_below_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < shn_registry_size(reg); i++)
        for (size_t k = 0; k < shn_registry_size(reg); k++)
            if (i != k && *shn_registry_at(reg, i)->scp && *shn_registry_at(reg, k)->scp && shn_registry_is_a(reg, i, k))
                fail_msg("%s lies below %s", shn_registry_at(reg, i)->scp, shn_registry_at(reg, k)->scp);
    const size_t any = (size_t)shn_registry_find(reg, "t_wave_abnormality_any");
    assert_true(shn_registry_is_a(reg, (size_t)shn_registry_map(reg, SHN_CODE_SCP, "INVT"), any));
    assert_true(shn_registry_is_a(reg, (size_t)shn_registry_map(reg, SHN_CODE_SCP, "TAB_"), any));
}

static void test_codes_are_well_formed_and_mean_one_finding(void **state)
{
    (void)state;
    for (int coding = SHN_CODE_SCP; coding < SHN_CODE_COUNT; coding++)
        for (size_t i = 0; i < shn_registry_size(reg); i++) {
            size_t      n;
            const char *rest = shn_registry_codes(reg, (shn_coding)coding, i);
            for (const char *code; (code = shn_list_next(&rest, &n)) != NULL;) {
                char copy[200];
                snprintf(copy, sizeof copy, "%.*s", (int)n, code);
                if (!shn_code_valid((shn_coding)coding, code, n)) fail_msg("%s is no %s code", copy, shn_coding_name((shn_coding)coding));
                assert_int_equal(shn_registry_map(reg, (shn_coding)coding, copy), i);
            }
        }
}

static void test_snomed_check_digit(void **state)
{
    (void)state;
    /* short and long format identifiers, then one wrong digit, two swapped, a lost one, a leading zero, wrong lengths, a letter */
    static const char *const good[] = { "100005", "100014", "1290023401004", "9940000001029", "426783006", "67741000119109" };
    static const char *const bad[] = { "426783007", "427683006", "26783006", "042678300", "10000", "4267830060000000000", "42678300x", "" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) if (!shn_snomed_valid(good[i], strlen(good[i]))) fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) if (shn_snomed_valid(bad[i], strlen(bad[i]))) fail_msg("%s", bad[i]);
}

static void test_minnesota_codes(void **state)
{
    (void)state;
    static const char *const good[] = { "1-1", "1-1-1", "2-5", "3-4", "6-8", "7-10", "7-9-3", "8-3-1", "9-8-1" };
    static const char *const bad[] = { "", "7", "7-", "-1", "0-1", "10-1", "7-0", "7-01", "7-11", "1-4", "8-1-9", "8-1-0", "8-1-1-1", "8--1", "8-1-", "8-+1",
                                       " 7-1", "7-1 ", "7.1", "x-1", "7-1-11111111" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) if (!shn_minnesota_valid(good[i], strlen(good[i]))) fail_msg("'%s'", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) if (shn_minnesota_valid(bad[i], strlen(bad[i]))) fail_msg("'%s'", bad[i]);
}

static void test_codings_have_names(void **state)
{
    (void)state;
    char joined[200] = "";
    for (int c = 0; c < SHN_CODE_COUNT; c++) {
        assert_int_equal(shn_coding_from_name(shn_coding_name((shn_coding)c)), c);
        snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s", c ? " " : "", shn_coding_name((shn_coding)c));
    }
    assert_string_equal(shn_coding_names(), joined);
    assert_null(shn_coding_name(SHN_CODE_COUNT));
    assert_int_equal(shn_coding_from_name("icd"), -1);
}

/** Every superset that results are asked for by name is there, above what it should be above. */
static void test_supersets(void **state)
{
    (void)state;
    static const char *const below[][2] = {
        { "first_degree_av_block", "conduction_disturbance" }, { "complete_left_bundle_branch_block", "conduction_disturbance" },
        { "incomplete_right_bundle_branch_block", "bundle_branch_block" }, { "left_anterior_fascicular_block", "conduction_disturbance" },
        { "intraventricular_conduction_disturbance", "conduction_disturbance" }, { "wolff_parkinson_white", "conduction_disturbance" },
        { "atrial_fibrillation", "supraventricular_arrhythmia_any" }, { "paroxysmal_supraventricular_tachycardia", "supraventricular_arrhythmia_any" },
        { "ischemia_lateral", "myocardial_ischemia" }, { "inferolateral_infarction", "infarction_region_inferior" },
        { "inferolateral_infarction", "infarction_region_lateral" }, { "anteroseptal_infarction", "infarction_region_anterior" },
        { "posterior_infarction", "infarction_region_posterior" }, { "infarction_region_inferior", "myocardial_infarction" },
    };
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        const int child = shn_registry_find(reg, below[i][0]), parent = shn_registry_find(reg, below[i][1]);
        if (child < 0 || parent < 0 || !shn_registry_is_a(reg, (size_t)child, (size_t)parent)) fail_msg("%s is not below %s", below[i][0], below[i][1]);
    }
}

static void expect_map(shn_coding coding, const char *label, const char *id)
{
    const int f = shn_registry_map(reg, coding, label);
    if (f < 0 ? id != NULL : !id || strcmp(shn_registry_at(reg, (size_t)f)->id, id) != 0)
        fail_msg("%s '%s' maps to %s, expected %s", shn_coding_name(coding), label, f < 0 ? "nothing" : shn_registry_at(reg, (size_t)f)->id, id ? id : "nothing");
}

static void test_mapping_says_the_same_thing(void **state)
{
    (void)state;
    expect_map(SHN_CODE_SCP, " AFIB ", "atrial_fibrillation");
    expect_map(SHN_CODE_SNOMED, "164889003", "atrial_fibrillation");
    expect_map(SHN_CODE_SNOMED, "426783006", "sinus_rhythm");
    expect_map(SHN_CODE_SNOMED, "713427006", "complete_right_bundle_branch_block");
    expect_map(SHN_CODE_SNOMED, "59118001", "right_bundle_branch_block");        /* without "complete": the parent */
    expect_map(SHN_CODE_SNOMED, "17338001", "ventricular_premature_complex");
    expect_map(SHN_CODE_SNOMED, "63593006", "supraventricular_premature_complex");
    expect_map(SHN_CODE_SNOMED, "164861001", "myocardial_ischemia");
    expect_map(SHN_CODE_SCP, "ISC_", "nonspecific_ischemia");
    expect_map(SHN_CODE_SCP, "AMI", "anterior_infarction");                      /* the same letters, two meanings */
    expect_map(SHN_CODE_CINC, "AMI", "acute_myocardial_infarction");
    expect_map(SHN_CODE_CINC, "I-AVB", "first_degree_av_block");
    expect_map(SHN_CODE_CINC, "Normal", "sinus_rhythm");
    expect_map(SHN_CODE_LUDB, "STEMI: anterior wall", "st_elevation_infarction_anterior");
    expect_map(SHN_CODE_LUDB, "Stemi: ANTERIOR wall. ", "st_elevation_infarction_anterior");
    expect_map(SHN_CODE_ID, "low_ef", "low_ef");
    expect_map(SHN_CODE_ID, "chagas", "chagas");
    expect_map(SHN_CODE_CODE15, "1dAVb", "first_degree_av_block");
    expect_map(SHN_CODE_CODE15, "RBBB", "right_bundle_branch_block");
    expect_map(SHN_CODE_CODE15, "LBBB", "left_bundle_branch_block");
    expect_map(SHN_CODE_CODE15, "SB", "sinus_bradycardia");
    expect_map(SHN_CODE_CODE15, "ST", "sinus_tachycardia");
    expect_map(SHN_CODE_CODE15, "AF", "atrial_fibrillation");
    expect_map(SHN_CODE_MITDB_RHYTHM, "(AFIB", "atrial_fibrillation");           /* with WFDB's parenthesis and without */
    expect_map(SHN_CODE_MITDB_RHYTHM, "SVTA", "supraventricular_tachycardia_any");
    expect_map(SHN_CODE_MITDB_RHYTHM, "T", "ventricular_trigeminy");
    expect_map(SHN_CODE_MITDB_BEAT, "V", "ventricular_premature_complex");
    expect_map(SHN_CODE_MITDB_BEAT, "a", "atrial_premature_complex");
    expect_map(SHN_CODE_MITDB_BEAT, "/", "pacing_rhythm");
    expect_map(SHN_CODE_MITDB_BEAT, "N", NULL);                                  /* a normal beat is no finding; the rhythm N is one */
    expect_map(SHN_CODE_MITDB_RHYTHM, "N", "sinus_rhythm");
    expect_map(SHN_CODE_MINNESOTA, "8-3-3", "atrial_fibrillation");
    expect_map(SHN_CODE_MINNESOTA, "6-4-1", "wolff_parkinson_white");
    expect_map(SHN_CODE_MINNESOTA, "7-8", NULL);                                 /* a combination of two findings */
    expect_map(SHN_CODE_SCP, "afib", NULL);
    expect_map(SHN_CODE_SCP, "", NULL);
    expect_map(SHN_CODE_SCP, " ", NULL);
    expect_map(SHN_CODE_CINC, "no such", NULL);
}

static void test_flags(void **state)
{
    (void)state;
    static const char *const urgent[] = { "ventricular_tachycardia", "ventricular_fibrillation", "third_degree_av_block", "acute_myocardial_infarction",
                                          "st_elevation_infarction_inferior", "st_elevation_anterior" };
    static const char *const not_urgent[] = { "sinus_rhythm", "old_myocardial_infarction", "first_degree_av_block", "left_axis_deviation" };
    size_t ubiquitous = 0;
    for (size_t i = 0; i < shn_registry_size(reg); i++) ubiquitous += (shn_registry_at(reg, i)->flags & SHN_FINDING_UBIQUITOUS) != 0;
    assert_int_equal(ubiquitous, 2);
    assert_true(shn_registry_at(reg, (size_t)shn_registry_find(reg, "normal_ecg"))->flags & SHN_FINDING_UBIQUITOUS);
    assert_true(shn_registry_at(reg, (size_t)shn_registry_find(reg, "sinus_rhythm"))->flags & SHN_FINDING_UBIQUITOUS);
    for (size_t i = 0; i < sizeof urgent / sizeof *urgent; i++)
        assert_true(shn_registry_at(reg, (size_t)shn_registry_find(reg, urgent[i]))->flags & SHN_FINDING_URGENT);
    for (size_t i = 0; i < sizeof not_urgent / sizeof *not_urgent; i++)
        assert_false(shn_registry_at(reg, (size_t)shn_registry_find(reg, not_urgent[i]))->flags & SHN_FINDING_URGENT);
    assert_true(shn_registry_at(reg, (size_t)shn_registry_find(reg, "low_ef"))->flags & SHN_FINDING_CLINICAL);
}

static void test_findings_that_the_simulator_names_exist(void **state)
{
    (void)state;
    static const char *const ids[] = {
        "sinus_rhythm", "sinus_bradycardia", "sinus_tachycardia", "sinus_arrhythmia", "first_degree_av_block", "second_degree_av_block",
        "second_degree_av_block_mobitz_1", "second_degree_av_block_mobitz_2", "third_degree_av_block", "short_pr_interval", "ventricular_preexcitation",
        "wolff_parkinson_white", "left_axis_deviation", "right_axis_deviation", "complete_left_bundle_branch_block",
        "complete_right_bundle_branch_block", "incomplete_right_bundle_branch_block", "lvh_voltage", "low_qrs_voltage", "high_qrs_voltage",
        "st_elevation_inferior", "st_elevation_anterior", "st_elevation_lateral", "st_depression_inferior", "st_depression_anterior",
        "st_depression_lateral", "t_wave_inversion", "low_t_wave", "tall_t_wave", "q_wave_inferior", "q_wave_anterior", "q_wave_lateral",
        "atrial_fibrillation", "atrial_flutter", "supraventricular_tachycardia", "atrial_premature_complex", "ventricular_premature_complex",
        "ventricular_bigeminy", "ventricular_trigeminy", "left_atrial_enlargement", "right_atrial_enlargement", "long_qt_interval",
        "short_qt_interval", "ventricular_pacing", "ventricular_tachycardia", "normal_ecg",
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) if (shn_registry_find(reg, ids[i]) < 0) fail_msg("no finding '%s'", ids[i]);
}

static void test_search(void **state)
{
    (void)state;
    size_t found[8];
    assert_true(shn_registry_search(reg, "心房細動", found, 8) >= 3);
    assert_string_equal(shn_registry_at(reg, found[1])->id, "atrial_fibrillation");
    assert_int_equal(shn_registry_search(reg, "ＡＴＲＩＡＬ ＦＩＢ", found, 1), 3);       /* full width; only one is stored */
    assert_int_equal(shn_registry_search(reg, "164889003", found, 8), 1);
    assert_int_equal(shn_registry_search(reg, "7-1-1", found, 8), 1);                         /* these systems' codes as a whole */
    assert_string_equal(shn_registry_at(reg, found[0])->id, "complete_left_bundle_branch_block");
    assert_int_equal(shn_registry_search(reg, "1DAVB", found, 8), 1);
    assert_int_equal(shn_registry_search(reg, "PREX", found, 8), 1);
    assert_int_equal(shn_registry_search(reg, "no such thing", found, 8), 0);
    assert_int_equal(shn_registry_search(reg, "\xff", found, 8), 0);
}

static void test_lists(void **state)
{
    (void)state;
    size_t      n;
    const char *rest = " ;a; b c ;;\t;d ";
    assert_memory_equal(shn_list_next(&rest, &n), "a", 1);
    assert_int_equal(n, 1);
    assert_memory_equal(shn_list_next(&rest, &n), "b c", 3);
    assert_int_equal(n, 3);
    assert_memory_equal(shn_list_next(&rest, &n), "d", 1);
    assert_int_equal(n, 1);
    assert_null(shn_list_next(&rest, &n));
    assert_null(shn_list_next(&rest, &n));
}

static void test_a_users_table_is_read_or_refused_with_its_place(void **state)
{
    (void)state;
    static const struct { const char *text; shn_status status; const char *says; } cases[] = {
        { "id,name_en\na,A\n", SHN_FORMAT, "line 1: no column 'name_ja'" },
        { "id,name_en,name_ja,synonym\na,A,あ,\n", SHN_FORMAT, "line 1, column 4: no such registry column 'synonym'" },
        { "id,name_en,name_ja\nA b,A,あ\n", SHN_FORMAT, "line 2, column 'id': 'A b' is no id" },
        { "id,name_en,name_ja\na,A,\n", SHN_FORMAT, "line 2, column 'name_ja': 'a' has no name" },
        { "id,name_en,name_ja\na,A,あ\na,B,い\n", SHN_FORMAT, "line 3, column 'id': 'a' is already that of 'a', line 2" },
        { "id,name_en,name_ja,snomed\na,A,あ,426783006\nb,B,い,164889003;426783006\n", SHN_FORMAT, "line 3, column 'snomed': '426783006' is already that of 'a'" },
        { "id,name_en,name_ja,snomed\na,A,あ,426783007\n", SHN_FORMAT, "line 2, column 'snomed': '426783007' is no SNOMED" },
        { "id,name_en,name_ja,scp\na,A,あ,SR;AFIB\n", SHN_FORMAT, "line 2, column 'scp'" },
        { "id,name_en,name_ja,parents\na,A,あ,b\n", SHN_FORMAT, "line 2, column 'parents': 'b' is no finding" },
        { "id,name_en,name_ja,parents\na,A,あ,a\n", SHN_FORMAT, "closes a circle" },
        { "id,name_en,name_ja,parents\nx,X,え,\na,A,あ,c;x\nb,B,い,a\nc,C,う,b\n", SHN_FORMAT, "line 3, column 'parents': 'c;x' closes a circle" },
        { "id,name_en,name_ja,minnesota\na,A,あ,7-1-1;7-11\n", SHN_FORMAT, "line 2, column 'minnesota': '7-11' is no Minnesota code" },
        { "id,name_en,name_ja,mitdb_beat\na,A,あ,V\nb,B,い,F;V\n", SHN_FORMAT, "line 3, column 'mitdb_beat': 'V' is already that of 'a'" },
        { "id,name_en,name_ja,flags\na,A,あ,urgent;rare\n", SHN_FORMAT, "line 2, column 'flags': 'rare' is no flag" },
        { "id,name_en,name_ja,ja_source\na,A,あ,me\n", SHN_FORMAT, "line 2, column 'ja_source'" },
        { "id,name_en,name_ja,ludb\na,A,あ,foo.\nb,B,い,Foo\n", SHN_FORMAT, "line 3, column 'ludb': 'Foo' is already that of 'a'" },
        { "id,name_en,name_ja,mitdb_rhythm\na,A,あ,(XX\nb,B,い,XX\n", SHN_FORMAT, "line 3, column 'mitdb_rhythm': 'XX' is already that of 'a'" },
        { "id,name_en,name_ja\n", SHN_RANGE, "no rows below the header" },
        { "id,name_en,name_ja\na,\"A\n", SHN_FORMAT, "line 2, column 2: the quote" },
        { "id,name_en,name_ja,parents\na,A,あ,\nb,B,い,a;a;a;a;a;a;a;a;a\n", SHN_RANGE, "more than 8 parents" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shn_error     err = { 0 };
        shn_registry *mine = (shn_registry *)1;
        assert_status(parse(cases[i].text, &mine, &err), cases[i].status);
        assert_null(mine);
        if (!strstr(err.text, cases[i].says)) fail_msg("case %zu: '%s' lacks '%s'", i, err.text, cases[i].says);
    }
}

static void test_a_users_table_from_a_file(void **state)
{
    (void)state;
    shn_error     err = { 0 };
    shn_registry *mine;
    char          path[300];
    const char   *text = "note,name_ja,id,name_en,snomed,flags,parents\nours,心拍,beat,\"beat, any\",426783006,urgent; clinical,wide\n,幅広,wide,wide,,,\n";
    snprintf(path, sizeof path, "%s/findings.csv", test_folder());
    assert_ok(shn_file_write(path, text, strlen(text), &err));
    assert_ok(shn_registry_read(path, &mine, &err));
    assert_int_equal(shn_registry_size(mine), 2);
    const shn_finding *f = shn_registry_at(mine, (size_t)shn_registry_map(mine, SHN_CODE_SNOMED, "426783006"));
    assert_string_equal(f->name_en, "beat, any");
    assert_int_equal(f->flags, SHN_FINDING_URGENT | SHN_FINDING_CLINICAL);
    assert_string_equal(f->criterion_en, "");
    assert_true(shn_registry_is_a(mine, 0, 1));
    assert_memory_equal(shn_registry_version(mine), "user.", 5);
    shn_registry_free(mine);
    assert_status(shn_registry_read("/no/such.csv", &mine, &err), SHN_IO);
    assert_ok(shn_file_write(path, "id\n", 3, &err));
    assert_status(shn_registry_read(path, &mine, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, path));
    unlink(path);
}

static shn_status add(const char *text, shn_registry **out, shn_error *err)
{
    return shn_registry_parse((const uint8_t *)text, strlen(text), reg, "2+user", out, err);
}

static void test_rows_are_added_to_the_built_in_ones(void **state)
{
    (void)state;
    shn_error     err = { 0 };
    shn_registry *more = NULL;
    char          path[300];
    const size_t  n = shn_registry_size(reg);
    const char   *text = "id,name_en,name_ja,code15,parents\nours_wide,W,わ,,conduction_disturbance\nours,O,お,ours,ours_wide;av_block\n";
    snprintf(path, sizeof path, "+%s/more.csv", test_folder());
    assert_ok(shn_file_write(path + 1, text, strlen(text), &err));
    assert_ok(shn_registry_read(path, &more, &err));
    assert_int_equal(shn_registry_size(more), n + 2);
    assert_int_equal(shn_registry_find(more, "atrial_fibrillation"), shn_registry_find(reg, "atrial_fibrillation"));
    assert_int_equal(shn_registry_map(more, SHN_CODE_SCP, "AFIB"), shn_registry_map(reg, SHN_CODE_SCP, "AFIB"));
    assert_int_equal(shn_registry_map(more, SHN_CODE_CODE15, "ours"), n + 1);
    assert_true(shn_registry_is_a(more, n + 1, (size_t)shn_registry_find(more, "conduction_disturbance")));
    assert_true(shn_registry_is_a(more, n + 1, n));
    for (size_t i = 0; i < n; i++) assert_int_equal(shn_registry_parent(more, i, 0), shn_registry_parent(reg, i, 0));
    assert_memory_equal(shn_registry_version(more), SHN_REGISTRY_RELEASE "+user.", 7);
    shn_registry_faults faults;
    shn_registry_check(more, &faults);
    assert_true(shn_registry_sound(&faults));
    shn_registry_free(more);
    unlink(path + 1);
    static const struct { const char *text, *says; } cases[] = {
        { "id,name_en,name_ja\natrial_fibrillation,A,あ\n", "line 2, column 'id': 'atrial_fibrillation' is already that of 'atrial_fibrillation' in the built-in registry" },
        { "id,name_en,name_ja,scp\nx,A,あ,\ny,B,い,AFIB\n", "line 3, column 'scp': 'AFIB' is already that of 'atrial_fibrillation' in the built-in" },
        { "id,name_en,name_ja,parents\nx,A,あ,nothing\n", "line 2, column 'parents': 'nothing' is no finding" },
        { "id,name_en,name_ja,parents\nx,A,あ,\ny,B,い,z\nz,C,う,y;av_block\n", "line 3, column 'parents': 'z' closes a circle" },
        { "id,name_en,name_ja\nx,A,あ\nx,B,い\n", "line 3, column 'id': 'x' is already that of 'x', line 2" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_status(add(cases[i].text, &more, &err), SHN_FORMAT);
        if (!strstr(err.text, cases[i].says)) fail_msg("case %zu: '%s' lacks '%s'", i, err.text, cases[i].says);
    }
    for (long k = 1;; k++) {
        shn_alloc_fail_after(k);
        const shn_status st = add(text, &more, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_true(k > 6);
            shn_registry_free(more);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(more);
    }
}

/** Small registries with one fault each, made by hand: a reader would have refused them. */
static void test_check_finds_each_fault(void **state)
{
    (void)state;
    shn_registry_faults out;
    shn_registry_check(reg, &out);
    assert_true(shn_registry_sound(&out));
    assert_string_equal(out.first, "");
    assert_int_equal(out.n_codes[SHN_CODE_SCP], 71);
    assert_int_equal(out.n_codes[SHN_CODE_ID], out.n_findings);
    assert_true(out.n_codes[SHN_CODE_MINNESOTA] > 60 && out.n_parents > 150 && out.n_ja_unchecked > 50);

    shn_finding    f[2];
    shn_parent_row parents[2];
    const shn_registry made = { .findings = f, .parents = (const shn_parent_row *)parents, .n = 2, .version = "made" };
    for (int fault = -1; fault < 12; fault++) {
        for (size_t i = 0; i < 2; i++) {
            f[i] = (shn_finding){ .id = i ? "b" : "a", .name_en = i ? "B" : "A", .name_ja = i ? "い" : "あ" };
            const char **const texts[] = { &f[i].synonyms_en, &f[i].synonyms_ja, &f[i].scp, &f[i].snomed, &f[i].cinc, &f[i].parents, &f[i].criterion_en,
                                           &f[i].criterion_ja, &f[i].ludb, &f[i].minnesota, &f[i].code15, &f[i].mitdb_rhythm, &f[i].mitdb_beat, &f[i].ja_source };
            for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) *texts[k] = "";
            for (size_t k = 0; k < SHN_FINDING_PARENTS_MAX; k++) parents[i][k] = -1;
        }
        switch (fault) {
        case 0: f[1].name_ja = ""; break;
        case 1: f[1].name_en = "A"; break;
        case 2: f[1].snomed = "426783007"; break;
        case 3: f[1].minnesota = "7-11"; break;
        case 4: f[1].id = "a"; break;
        case 5: f[0].cinc = "X"; f[1].cinc = "Y;X"; break;
        case 6: f[1].parents = "nothing"; break;
        case 7: f[0].parents = "b"; f[1].parents = "a"; parents[0][0] = 1; parents[1][0] = 0; break;
        case 8: f[0].ludb = "Rhythm: Sinus rhythm"; f[1].ludb = "x; rhythm: sinus Rhythm ."; break;       /* each as a label is compared */
        case 9: f[1].ludb = "x;X."; break;
        case 10: f[0].cinc = " X ;Z"; f[1].cinc = "Y; X"; break;
        case 11: f[0].mitdb_rhythm = "(AFIB"; f[1].mitdb_rhythm = "AFIB"; break;
        default: f[0].cinc = "X"; f[1].cinc = "x;X."; break;                                              /* others' case and full stops count */
        }
        shn_registry_check(&made, &out);
        const size_t expected[] = { fault == 0, fault == 1, fault == 2 || fault == 3, fault == 4 || fault == 5 || fault >= 8, fault == 6, fault == 7 ? 2 : 0 };
        const size_t counted[] = { out.name_missing, out.name_twice, out.code_malformed, out.code_twice, out.parent_missing, out.in_circle };
        for (size_t k = 0; k < 6; k++)
            if (expected[k] != counted[k]) fail_msg("fault %d: count %zu is %zu", fault, k, counted[k]);
        assert_int_equal(shn_registry_sound(&out), fault < 0);
        assert_true((*out.first != '\0') == (fault >= 0));
    }
}

static void test_must_fail_corpus_is_refused(void **state)
{
    (void)state;
    const char *folder = SHN_TESTS_DIR "/must_fail/findings";
    DIR *dir = opendir(folder);
    int  n = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char          path[4096];
        shn_error     err = { 0 };
        shn_registry *mine;
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        assert_status(shn_registry_read(path, &mine, &err), SHN_FORMAT);
        if (!strstr(err.text, e->d_name) || !strstr(err.text, "line ")) fail_msg("'%s' lacks file or line", err.text);
        n++;
    }
    closedir(dir);
    assert_true(n >= 9);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    shn_error err = { 0 };
    for (long n = 1;; n++) {
        shn_registry *mine = (shn_registry *)1;
        shn_alloc_fail_after(n);
        const shn_status st = parse("id,name_en,name_ja,parents\na,A,あ,\nb,B,い,a\n", &mine, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_true(n > 7);
            shn_registry_free(mine);
            return;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(mine);
    }
}

/** The compiled-in table is the file beside the sources: what the version says can be checked by anyone. */
static void test_built_in_equals_its_file(void **state)
{
    (void)state;
    shn_error     err = { 0 };
    shn_registry *file;
    assert_ok(shn_registry_read(SHN_TESTS_DIR "/../src/labels/findings.csv", &file, &err));
    assert_int_equal(shn_registry_size(file), shn_registry_size(reg));
    assert_string_equal(strchr(shn_registry_version(file), '.'), strchr(shn_registry_version(reg), '.'));
    for (size_t i = 0; i < shn_registry_size(reg); i++) {
        const shn_finding *a = shn_registry_at(reg, i), *b = shn_registry_at(file, i);
#define X(field) assert_string_equal(a->field, b->field);
        SHN_REGISTRY_COLUMNS(X)
#undef X
        assert_int_equal(a->flags, b->flags);
        for (size_t k = 0; k < SHN_FINDING_PARENTS_MAX; k++) assert_int_equal(shn_registry_parent(reg, i, k), shn_registry_parent(file, i, k));
    }
    shn_registry_free(file);
}

/* ---- real label tables: every value maps, or is listed here with its count */

typedef struct unmapped { const char *label; unsigned count; } unmapped;
static const unmapped known_unmapped[] = { { NULL, 0 } };      /* none today */

static size_t count_table(const char *name, const char *column, const char *separator, shn_coding coding)
{
    char      path[4200];
    shn_error err = { 0 };
    shn_csv  *csv;
    size_t    col, n = 0;
    snprintf(path, sizeof path, "%s/%s", test_data(), name);
    assert_ok(shn_csv_read(path, ',', &csv, &err));
    assert_ok(shn_csv_need(csv, column, &col, &err));
    for (size_t row = 0; row < shn_csv_rows(csv); row++) {
        char *save = NULL, *cell = strdup(shn_csv_cell(csv, row, col));
        for (char *label = strtok_r(cell, separator, &save); label; label = strtok_r(NULL, separator, &save)) {
            const unmapped *u = known_unmapped;
            n++;
            if (shn_registry_map(reg, coding, label) >= 0) continue;
            while (u->label && strcmp(u->label, label) != 0) u++;
            if (!u->label) fail_msg("%s line %zu: '%s' has no finding", name, shn_csv_line(csv, row), label);
        }
        free(cell);
    }
    shn_csv_free(csv);
    return n;
}

static void test_every_real_label_maps(void **state)
{
    (void)state;
    assert_true(count_table("ptbxl/labels.csv", "scp_codes", ";", SHN_CODE_SCP) > 3500);
    assert_int_equal(count_table("ptbxl/scp_statements.csv", "", "\n", SHN_CODE_SCP), 71);
    assert_true(count_table("cinc2021/labels.csv", "dx", ";", SHN_CODE_SNOMED) > 300);
    assert_true(count_table("cinc2021/labels.csv", "dx_abbr", ";", SHN_CODE_CINC) > 300);
    assert_true(count_table("ludb/labels.csv", "diagnoses", "|", SHN_CODE_LUDB) > 600);
    assert_int_equal(count_table("vocab/cinc2021_dx_mapping_scored.csv", "SNOMEDCTCode", "\n", SHN_CODE_SNOMED), 30);
    assert_true(count_table("vocab/cinc2021_dx_mapping_unscored.csv", "SNOMEDCTCode", "\n", SHN_CODE_SNOMED) > 100);
    assert_int_equal(count_table("vocab/cinc2021_dx_mapping_scored.csv", "Abbreviation", "\n", SHN_CODE_CINC), 30);
    assert_true(count_table("vocab/cinc2021_dx_mapping_unscored.csv", "Abbreviation", "\n", SHN_CODE_CINC) > 100);
}

/** Full-width ASCII (the receipt master writes it so) as plain ASCII; a name holds at most 120 bytes. */
static void narrow(const char *wide, char out[128])
{
    size_t n = 0;
    while (*wide && n < 124) {
        const unsigned char *p = (const unsigned char *)wide;
        if (p[0] == 0xef && p[1] == 0xbc && p[2] >= 0x81) out[n++] = (char)(p[2] - 0x80 + 0x20), wide += 3;
        else out[n++] = *wide++;
    }
    out[n] = '\0';
}

/** `ja_source` is true: names that claim a table are in it, names made here are not. */
static void test_japanese_names_come_from_where_they_say(void **state)
{
    (void)state;
    shn_error err = { 0 };
    char      path[4200];
    shn_csv  *terms, *names;
    snprintf(path, sizeof path, "%s/vocab/ecg_terms_en_ja.csv", test_data());
    assert_ok(shn_csv_read(path, ',', &terms, &err));
    snprintf(path, sizeof path, "%s/vocab/jp_disease_names_ecg.csv", test_data());
    assert_ok(shn_csv_read(path, ',', &names, &err));
    const size_t ja = (size_t)shn_csv_column(terms, "japanese"), other = (size_t)shn_csv_column(terms, "japanese_other");
    for (size_t i = 0; i < shn_registry_size(reg); i++) {
        const shn_finding *f = shn_registry_at(reg, i);
        int in_terms = 0, in_names = 0;
        for (size_t row = 0; row < shn_csv_rows(terms); row++)
            in_terms |= strcmp(shn_csv_cell(terms, row, ja), f->name_ja) == 0 || strcmp(shn_csv_cell(terms, row, other), f->name_ja) == 0;
        for (size_t row = 0; row < shn_csv_rows(names); row++) {
            char name[128];
            narrow(shn_csv_cell(names, row, 1), name);
            in_names |= strcmp(name, f->name_ja) == 0;
        }
        const char *expected = in_terms ? "vocabulary" : in_names ? "disease_names" : "unchecked";
        if (strcmp(f->ja_source, expected) != 0) fail_msg("%s (%s): says %s, is %s", f->id, f->name_ja, f->ja_source, expected);
    }
    shn_csv_free(terms);
    shn_csv_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_finding_is_whole),
        cmocka_unit_test(test_ids_are_frozen),
        cmocka_unit_test(test_every_finding_has_a_criterion_in_both_languages),
        cmocka_unit_test(test_texts_of_a_finding),
        cmocka_unit_test(test_parents_exist_and_make_no_circle),
        cmocka_unit_test(test_each_scp_statement_is_a_finding_of_its_own),
        cmocka_unit_test(test_no_scp_statement_lies_below_another),
        cmocka_unit_test(test_codes_are_well_formed_and_mean_one_finding),
        cmocka_unit_test(test_snomed_check_digit),
        cmocka_unit_test(test_minnesota_codes),
        cmocka_unit_test(test_codings_have_names),
        cmocka_unit_test(test_supersets),
        cmocka_unit_test(test_mapping_says_the_same_thing),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_findings_that_the_simulator_names_exist),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_a_users_table_is_read_or_refused_with_its_place),
        cmocka_unit_test(test_a_users_table_from_a_file),
        cmocka_unit_test(test_rows_are_added_to_the_built_in_ones),
        cmocka_unit_test(test_check_finds_each_fault),
        cmocka_unit_test(test_must_fail_corpus_is_refused),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_built_in_equals_its_file),
        cmocka_unit_test(test_every_real_label_maps),
        cmocka_unit_test(test_japanese_names_come_from_where_they_say),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
