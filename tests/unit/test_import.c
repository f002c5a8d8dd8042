/** Import on records that the test makes: what is kept, what is refused and why, what is known, and what a stop leaves. */
#include "harness.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/plan.h"
#include "shinden/cohort.h"
#include "shinden/import.h"
#include "shinden/wfdb.h"

static char folder[256];
static char path_buffer[8][400];

static const char *in_folder(const char *name)
{
    static int turn;
    char *p = path_buffer[turn++ % 8];
    snprintf(p, 400, "%s/%s", folder, name);
    return p;
}

/** folder becomes top/name, made. */
static void enter(const char *top, const char *name)
{
    shn_error err;
    char      path[SHN_PATH_MAX];
    assert_ok(shn_path_join(path, top, name, &err));
    assert_true(strlen(path) < sizeof folder);
    strcpy(folder, path);
    assert_ok(shn_dir_make(folder, &err));
}

static void begin(void) { snprintf(folder, sizeof folder, "%s", test_folder()); }

/** Twelve leads that obey the identities; V1's sample t is t + 1000 * offset microvolts, so windows can be told apart. */
static void make_record(const char *name, double fs, double seconds, const char *const *comments, size_t n_comments)
{
    shn_error   err;
    shn_record *rec;
    const size_t n = (size_t)(fs * seconds);
    assert_ok(shn_record_new(SHN_LEADS, n, fs, &rec, &err));
    for (size_t lead = 0; lead < SHN_LEADS; lead++) {
        shn_record_set_name(rec, lead, shn_lead_name(lead));
        shn_record_set_unit(rec, lead, SHN_UNIT_DECLARED);
    }
    for (size_t t = 0; t < n; t++) {
        const float one = 0.001f * (float)(int)(400 * sin(0.05 * (double)t)), two = 0.001f * (float)(int)(600 * sin(0.05 * (double)t + 0.3));
        const float limb[6] = { one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2 };
        for (size_t lead = 0; lead < SHN_LEADS; lead++) shn_record_lead_mut(rec, lead)[t] = lead < 6 ? limb[lead] : 0.001f * (float)t / (float)(lead - 5);
    }
    assert_ok(shn_wfdb_write16(rec, folder, name, comments, n_comments, &err));
    shn_record_free(rec);
}

static void write_text(const char *name, const char *text)
{
    shn_error err;
    assert_ok(shn_file_write(in_folder(name), text, strlen(text), &err));
}

static char *read_text(const char *name)
{
    shn_error err;
    uint8_t  *bytes;
    size_t    n;
    assert_ok(shn_file_read(in_folder(name), 1 << 24, &bytes, &n, &err));
    return (char *)bytes;
}

static shn_status import_with(const shn_import_options *options, shn_import_summary *summary, shn_error *err)
{
    static char map[400];
    snprintf(map, sizeof map, "%s/map.yaml", folder);
    const shn_collection c = { .map_path = map };
    return shn_import(&c, 1, in_folder("c.h5"), options, summary, err);
}

static shn_import_options defaults(void)
{
    shn_import_options o;
    shn_import_defaults(&o);
    o.n_threads = 2;
    return o;
}

/** Row of a kept record by id. */
static size_t row_of(const shn_cohort *c, const char *id)
{
    for (size_t i = 0; i < shn_cohort_size(c); i++)
        if (strcmp(shn_cohort_id(c, i), id) == 0) return i;
    fail_msg("no row %s", id);
    return 0;
}

/** '1' named, '0' known not to be there, '?' unknown, '-' not a finding of this cohort. */
static char label_of(const shn_cohort *c, const char *id, const char *finding)
{
    const size_t row = row_of(c, id);
    for (size_t k = 0; k < shn_cohort_n_findings(c); k++)
        if (strcmp(shn_cohort_finding_id(c, k), finding) == 0)
            return shn_cohort_labels(c, row)[k] ? '1' : shn_cohort_known(c, row)[k] ? '0' : '?';
    return '-';
}

static shn_cohort *open_cohort(void)
{
    shn_error   err;
    shn_cohort *c;
    assert_ok(shn_cohort_open(in_folder("c.h5"), &c, &err));
    return c;
}

static void test_a_table(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    o.command = "test";
    begin();
    for (int i = 1; i <= 5; i++) {
        char name[8];
        snprintf(name, sizeof name, "r%d", i);
        make_record(name, 100, i == 3 ? 4.5 : i == 4 ? 7 : 10, NULL, 0);
    }
    write_text("t.csv", "rec,pid,age,sex,text,codes,split\n"
                        "r1,11.0,300,0,\"a, b\",AFIB;PVC,train\nr2,12,61.0,1,,SR;XYZ,train\nr3,13,5,1,,SR,val\nr4,14,,x,,CRBBB,val\n"
                        "r9,15,50,1,,SR,val\nr1,16,50,1,,SR,val\nr5,17,-4,1,,,test\n,18,1,1,,SR,val\n");
    write_text("map.yaml", "source: hosp\ntable: t.csv\npath: rec\nid: rec\npatient: pid\nage: age\nsex: sex\nsex_words: {0: M, 1: F}\nreport: text\n"
                           "split: split\nlabels: [{column: codes, list: \";\", coding: scp}]\n");
    assert_ok(import_with(&o, &s, &err));
    assert_int_equal(s.n_found, 8);
    assert_int_equal(s.n_kept, 4);
    assert_int_equal(s.refused[SHN_REASON_TOO_SHORT], 1);
    assert_int_equal(s.refused[SHN_REASON_NOT_FOUND], 2);               /* no such file; no path in the table */
    assert_int_equal(s.refused[SHN_REASON_DUPLICATE_ID], 1);
    assert_int_equal(s.n_labels_unknown, 1);
    assert_string_equal(s.unknown[0].name, "XYZ");
    assert_int_equal(s.n_splits, 3);
    assert_string_equal(s.splits[1].name, "train");
    assert_int_equal(s.splits[1].n, 2);
    assert_int_equal(s.n_patients, 4);
    shn_import_summary_free(&s);

    shn_cohort *c = open_cohort();
    assert_int_equal(shn_cohort_size(c), 4);
    const size_t r1 = row_of(c, "r1"), r4 = row_of(c, "r4"), r5 = row_of(c, "r5");
    assert_string_equal(shn_cohort_patient(c, r1), "11");
    assert_near(shn_cohort_age(c, r1), 90, 0);
    assert_int_equal(shn_cohort_sex(c, r1), 'M');
    assert_string_equal(shn_cohort_report(c, r1), "a, b");
    assert_string_equal(shn_cohort_source(c, r1), "hosp");
    assert_true(isnan(shn_cohort_age(c, r4)) && isnan(shn_cohort_age(c, r5)));
    assert_int_equal(shn_cohort_sex(c, r4), 0);
    assert_int_equal(shn_cohort_n_valid(c, r4), 700);
    assert_int_equal(shn_cohort_signal(c, r4)[6 * 1000 + 699], 699);    /* V1 */
    assert_int_equal(shn_cohort_signal(c, r4)[6 * 1000 + 700], SHN_GAP_I16);
    assert_string_equal(shn_cohort_attribute(c, "command"), "test");
    /* known: the codes of the table; an empty cell says nothing; XYZ stands for nothing */
    assert_int_equal(label_of(c, "r1", "atrial_fibrillation"), '1');
    assert_int_equal(label_of(c, "r1", "sinus_rhythm"), '0');
    assert_int_equal(label_of(c, "r2", "atrial_fibrillation"), '0');
    assert_int_equal(label_of(c, "r5", "atrial_fibrillation"), '?');
    assert_int_equal(label_of(c, "r1", "atrial_flutter"), '-');
    shn_cohort_close(c);

    char *manifest = read_text("c.h5.manifest.csv");
    assert_non_null(strstr(manifest, "path,source,status,reason,detail\nr1,hosp,kept,,age 300 (over 89) stored as 90"));
    assert_non_null(strstr(manifest, "\nr3,hosp,refused,too_short,"));
    assert_non_null(strstr(manifest, "\nr9,hosp,refused,not_found,"));
    assert_non_null(strstr(manifest, "\nr1,hosp,refused,duplicate_id,"));
    assert_non_null(strstr(manifest, "hosp,kept,,\"age not understood, stored as unknown; no_label"));
    free(manifest);
    assert_int_equal(access(in_folder("c.h5.part"), F_OK), -1);
    assert_int_equal(access(in_folder("c.h5.journal"), F_OK), -1);
}

static void test_patient_in_two_splits(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    begin();
    make_record("a", 100, 10, NULL, 0);
    make_record("b", 100, 10, NULL, 0);
    write_text("t.csv", "rec,pid,codes,split\na,777,SR,train\nb,777,SR,val\n");
    write_text("map.yaml", "source: h\ntable: t.csv\npath: rec\npatient: pid\nsplit: split\nlabels: [{column: codes, coding: scp}]\n");
    assert_status(import_with(&o, &s, &err), SHN_MISMATCH);
    assert_int_equal(err.reason, SHN_REASON_PATIENT_OVERLAP);
    assert_non_null(strstr(err.text, "777 of h (train, val)"));
    assert_int_equal(access(in_folder("c.h5"), F_OK), -1);
    shn_import_summary_free(&s);
    o.allow_patient_overlap = 1;
    assert_ok(import_with(&o, &s, &err));
    shn_import_summary_free(&s);
}

static void test_parents_leave_children_open(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    begin();
    for (int i = 0; i < 4; i++) make_record((const char *[]){ "a", "b", "c", "d" }[i], 100, 10, NULL, 0);
    write_text("t.csv", "rec,codes\na,right_bundle_branch_block\nb,complete_right_bundle_branch_block\nc,right_bundle_branch_block;complete_right_bundle_branch_block\n"
                        "d,incomplete_right_bundle_branch_block\n");
    write_text("map.yaml", "source: h\ntable: t.csv\npath: rec\nlabels: [{column: codes, list: \";\", coding: id}]\n");
    assert_ok(import_with(&o, &s, &err));
    shn_import_summary_free(&s);
    shn_cohort *c = open_cohort();
    static const char *const expected[][4] = { { "a", "1", "?", "?" }, { "b", "0", "1", "0" }, { "c", "1", "1", "0" }, { "d", "0", "0", "1" } };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(label_of(c, expected[i][0], "right_bundle_branch_block"), *expected[i][1]);
        assert_int_equal(label_of(c, expected[i][0], "complete_right_bundle_branch_block"), *expected[i][2]);
        assert_int_equal(label_of(c, expected[i][0], "incomplete_right_bundle_branch_block"), *expected[i][3]);
    }
    shn_cohort_close(c);
}

static void test_rules_on_numbers(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    begin();
    for (int i = 0; i < 4; i++) make_record((const char *[]){ "a", "b", "c", "d" }[i], 100, 10, NULL, 0);
    write_text("t.csv", "rec,lvef,ch\na,39.9,True\nb,40,False\nc,,maybe\nd,nan,true\n");
    write_text("map.yaml", "source: h\ntable: t.csv\npath: rec\nrules: {low_ef: lvef < 40, chagas: ch == True unless ch == maybe}\n");
    assert_ok(import_with(&o, &s, &err));
    shn_import_summary_free(&s);
    shn_cohort *c = open_cohort();
    const char ids[] = "abcd", low_ef[] = "10??", chagas[] = "10?1";
    for (size_t i = 0; i < 4; i++) {
        const char id[2] = { ids[i], '\0' };
        assert_int_equal(label_of(c, id, "low_ef"), low_ef[i]);
        assert_int_equal(label_of(c, id, "chagas"), chagas[i]);
    }
    shn_cohort_close(c);
    write_text("t.csv", "rec,lvef,ch\na,good,True\n");
    assert_status(import_with(&o, &s, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "t.csv: line 2, column 'lvef': 'good' is not a number"));
    shn_import_summary_free(&s);
    write_text("map.yaml", "source: h\ntable: t.csv\npath: rec\nrules: {lowef: lvef < 40}\n");
    assert_status(import_with(&o, &s, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "rule 'lowef': no such finding"));
    shn_import_summary_free(&s);
}

/** The column layout of MERL's split files: metadata first, one column per label, one file per split. */
static void test_one_hot_tables(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    begin();
    for (int i = 0; i < 3; i++) make_record((const char *[]){ "00008_lr", "00010_lr", "00026_lr" }[i], 100, 10, NULL, 0);
    write_text("x_train.csv", "ecg_id,patient_id,strat_fold,filename_lr,filename_hr,super_class,AFIB,NORM,XX\n8,11275.0,9,00008_lr,00008_hr,['MI'],1,0,1\n");
    write_text("x_val.csv", "ecg_id,patient_id,strat_fold,filename_lr,filename_hr,super_class,AFIB,NORM,XX\n10,9456.0,9,00010_lr,00010_hr,\"['A', 'B']\",0,1,0\n"
                            "26,13619.0,9,00026_lr,00026_hr,['NORM'],,-1,0\n");
    write_text("map.yaml", "source: ptbxl\ntables: [{file: x_train.csv, split: train}, {file: x_val.csv, split: val}]\nid: ecg_id\npatient: patient_id\n"
                           "path: {100: filename_lr, 500: filename_hr}\nlabels: [{columns_after: super_class, coding: scp}]\n");
    assert_ok(import_with(&o, &s, &err));
    assert_int_equal(s.n_kept, 3);
    assert_int_equal(s.n_unknown, 1);
    assert_string_equal(s.unknown[0].name, "XX");
    assert_int_equal(s.unknown[0].n, 1);
    shn_import_summary_free(&s);
    shn_cohort *c = open_cohort();
    assert_string_equal(shn_cohort_split(c, row_of(c, "8")), "train");
    assert_string_equal(shn_cohort_split(c, row_of(c, "26")), "val");
    assert_int_equal(label_of(c, "8", "atrial_fibrillation"), '1');
    assert_int_equal(label_of(c, "8", "normal_ecg"), '0');
    assert_int_equal(label_of(c, "26", "atrial_fibrillation"), '?');
    assert_int_equal(label_of(c, "26", "normal_ecg"), '?');
    shn_cohort_close(c);
    write_text("x_val.csv", "ecg_id,patient_id,strat_fold,filename_lr,filename_hr,super_class,AFIB,NORM,XX\n10,1,9,00010_lr,,a,7,1,0\n");
    assert_status(import_with(&o, &s, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "x_val.csv: line 2, column 'AFIB': '7' is neither 0 nor 1"));
    shn_import_summary_free(&s);
}

static void test_original_ptbxl_layout(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    begin();
    make_record("one_lr", 100, 10, NULL, 0);
    make_record("two_lr", 100, 10, NULL, 0);
    make_record("ten_lr", 100, 10, NULL, 0);
    write_text("ptbxl_database.csv", "ecg_id,patient_id,age,sex,recording_date,report,scp_codes,strat_fold,filename_lr,filename_hr\n"
                                     "1,5.0,56.0,1,1984-11-09 09:17:34,sinus,\"{'NORM': 100.0, 'SR': 0.0}\",3,one_lr,one_hr\n"
                                     "2,6.0,57.0,0,,,{'AFIB': 0.0},9,two_lr,two_hr\n3,7.0,57.0,0,,,{},10,ten_lr,ten_hr\n");
    const shn_collection col = { .preset = "ptbxl-original", .folder = folder };
    assert_ok(shn_import(&col, 1, in_folder("c.h5"), &o, &s, &err));
    assert_int_equal(s.n_findings, 71);
    shn_import_summary_free(&s);
    shn_cohort *c = open_cohort();
    assert_string_equal(shn_cohort_split(c, row_of(c, "1")), "train");
    assert_string_equal(shn_cohort_split(c, row_of(c, "2")), "val");
    assert_string_equal(shn_cohort_split(c, row_of(c, "3")), "test");
    assert_int_equal(label_of(c, "1", "normal_ecg"), '1');
    assert_int_equal(label_of(c, "2", "atrial_fibrillation"), '1');
    assert_int_equal(label_of(c, "2", "sinus_rhythm"), '0');
    assert_int_equal(label_of(c, "3", "atrial_fibrillation"), '0');     /* an empty dictionary is an answer */
    shn_cohort_close(c);
    o.signal.fs_hz = 500;                       /* the hr files, which are not there: refused, not made up */
    assert_status(shn_import(&col, 1, in_folder("d.h5"), &o, &s, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_NOT_FOUND);
    shn_import_summary_free(&s);
}

static void test_windows_and_rates(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    begin();
    make_record("long", 100, 27, NULL, 0);
    make_record("short", 100, 6, NULL, 0);
    write_text("t.csv", "rec,codes\nlong,SR\nshort,SR\n");
    write_text("map.yaml", "source: h\ntable: t.csv\npath: rec\nlabels: [{column: codes, coding: scp}]\n");
    assert_ok(import_with(&o, &s, &err));
    shn_import_summary_free(&s);
    shn_cohort *c = open_cohort();
    assert_int_equal(shn_cohort_signal(c, 0)[6 * 1000], 850);           /* V1 counts samples: the central ten seconds */
    shn_cohort_close(c);
    o.windows_all = 1;
    assert_ok(import_with(&o, &s, &err));
    assert_int_equal(s.n_kept, 4);
    shn_import_summary_free(&s);
    c = open_cohort();
    for (size_t w = 0; w < 3; w++) {
        assert_string_equal(shn_cohort_id(c, w), "long");
        assert_int_equal(shn_cohort_signal(c, w)[6 * 1000], (int)(1000 * w));
        assert_int_equal(shn_cohort_n_valid(c, w), w == 2 ? 700 : 1000);
    }
    shn_cohort_close(c);

    o.windows_all = 0;
    make_record("fast", 500, 10, NULL, 0);
    write_text("t.csv", "rec,codes\nlong,SR\nfast,SR\n");
    assert_status(import_with(&o, &s, &err), SHN_MISMATCH);
    assert_int_equal(err.reason, SHN_REASON_FS_MISMATCH);
    assert_non_null(strstr(err.text, "long has 100 Hz, fast has 500 Hz; give one rate for all with --fs"));
    shn_import_summary_free(&s);
    o.signal.fs_hz = 100;
    assert_ok(import_with(&o, &s, &err));
    assert_int_equal(s.n_kept, 2);
    assert_int_equal(s.n_samples, 1000);
    shn_import_summary_free(&s);
    o.signal.fs_hz = 500;
    assert_ok(import_with(&o, &s, &err));
    assert_int_equal(s.refused[SHN_REASON_UPSAMPLING], 1);
    shn_import_summary_free(&s);
    o.signal.allow_upsampling = 1;
    assert_ok(import_with(&o, &s, &err));
    assert_int_equal(s.n_kept, 2);
    shn_import_summary_free(&s);
}

/** Headers carry labels, folders name sources, and the split follows from a hash that anyone can recompute. */
static void test_a_walked_folder(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    char top[256];
    begin();
    strcpy(top, folder);
    const char *const one[] = { "Age: 71", "Sex: Female", "Dx: 164889003,270492004" }, *const two[] = { "Dx: Normal" }, *const three[] = { "Dx: 59118001,999" };
    enter(top, "cpsc_2018");
    make_record("A0001", 100, 10, one, 3);
    make_record("A0002", 100, 10, two, 1);
    enter(top, "ptb-xl");
    make_record("HR00001", 100, 10, three, 1);
    strcpy(folder, top);
    const shn_collection col = { .preset = "challenge", .folder = folder };
    assert_ok(shn_import(&col, 1, in_folder("c.h5"), &o, &s, &err));
    assert_int_equal(s.n_kept, 3);
    assert_int_equal(s.n_unknown, 1);
    assert_string_equal(s.unknown[0].name, "999");
    shn_import_summary_free(&s);
    shn_cohort *c = open_cohort();
    const size_t a = row_of(c, "A0001");
    assert_string_equal(shn_cohort_source(c, a), "cpsc2018");
    assert_near(shn_cohort_age(c, a), 71, 0);
    assert_int_equal(shn_cohort_sex(c, a), 'F');
    assert_int_equal(label_of(c, "A0001", "atrial_fibrillation"), '1');
    assert_int_equal(label_of(c, "A0001", "first_degree_av_block"), '1');
    assert_int_equal(label_of(c, "A0001", "right_bundle_branch_block"), '0');
    assert_int_equal(label_of(c, "A0001", "complete_right_bundle_branch_block"), '?');     /* CPSC could not say so */
    assert_int_equal(label_of(c, "A0002", "sinus_rhythm"), '1');
    assert_int_equal(label_of(c, "HR00001", "complete_right_bundle_branch_block"), '?');   /* left open by its parent */
    shn_cohort_close(c);
    /* printf 's/p1' | sha256sum, first four bytes modulo ten: < 8 train, 8 val, 9 test */
    static const struct { const char *patient, *split; } hashed[] = { { "p1", "train" }, { "p2", "train" }, { "p3", "train" }, { "p4", "train" }, { "p5", "train" }, { "p6", "val" }, { "p7", "train" }, { "p8", "train" }, { "p9", "train" }, { "p10", "train" }, { "p11", "train" }, { "p12", "train" }, { "p13", "test" } };
    for (size_t i = 0; i < sizeof hashed / sizeof *hashed; i++) {
        const shn_entry e = { .source_name = "s", .patient = hashed[i].patient, .id = "x" }, nobody = { .source_name = "s", .patient = "", .id = hashed[i].patient };
        assert_string_equal(shn_entry_hash_split(&e), hashed[i].split);
        assert_string_equal(shn_entry_hash_split(&nobody), hashed[i].split);
    }
}

static void test_copies_of_another_set_are_left_out(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    char top[256], first[256];
    begin();
    strcpy(top, folder);
    enter(top, "one");
    strcpy(first, folder);
    make_record("one_lr", 100, 10, NULL, 0);
    write_text("labels.csv", "ecg_id,patient_id,age,sex,scp_codes,report,split,lr,hr\n1,1,50,0,SR,,train,one_lr,\n");
    enter(top, "two/ptb-xl");
    make_record("HR1", 100, 10, NULL, 0);
    enter(top, "two");
    write_text("labels.csv", "rec,source,age,sex,dx,split\nHR1,ptb-xl,50,Male,426783006,val\n");
    const shn_collection both[] = { { .preset = "ptbxl", .folder = first }, { .preset = "cinc2021", .folder = folder } };
    assert_ok(shn_import(both, 2, in_folder("c.h5"), &o, &s, &err));
    assert_int_equal(s.n_kept, 1);
    assert_int_equal(s.refused[SHN_REASON_EXCLUDED], 1);
    shn_import_summary_free(&s);
    assert_ok(shn_import(both + 1, 1, in_folder("c.h5"), &o, &s, &err));        /* alone it takes part */
    assert_int_equal(s.n_kept, 1);
    shn_import_summary_free(&s);
    static const char *const beside[] = { "ptbxl" };                            /* not beside the set that it repeats, wherever that is */
    o.beside = beside;
    o.n_beside = 1;
    assert_status(shn_import(both + 1, 1, in_folder("alone.h5"), &o, &s, &err), SHN_FORMAT);       /* nothing could be kept */
    shn_import_summary_free(&s);
}

static int stop_soon(void *context, const shn_progress *p)
{
    (void)p;
    return ++*(int *)context >= 1;
}

static void make_many(int n)
{
    char text[8192] = "rec,codes\n";
    for (int i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", i);
        make_record(name, 500, 10, NULL, 0);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s,SR\n", name);
    }
    write_text("t.csv", text);
    write_text("map.yaml", "source: h\ntable: t.csv\npath: rec\nlabels: [{column: codes, coding: scp}]\n");
}

static void assert_same_file(const char *a, const char *b)
{
    shn_error err;
    uint8_t  *x, *y;
    size_t    nx, ny;
    assert_ok(shn_file_read(a, 1 << 28, &x, &nx, &err));
    assert_ok(shn_file_read(b, 1 << 28, &y, &ny, &err));
    assert_int_equal(nx, ny);
    assert_memory_equal(x, y, nx);
    free(x);
    free(y);
}

/** The watcher stops at its first call: what was done is kept, and the same call ends with the same bytes. */
static void test_stopped_and_gone_on(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    int calls = 0;
    begin();
    make_many(60);
    o.signal.fs_hz = 100;
    assert_ok(import_with(&o, &s, &err));
    shn_import_summary_free(&s);
    assert_int_equal(rename(in_folder("c.h5"), in_folder("whole.h5")), 0);
    o.watcher = (shn_watcher){ stop_soon, &calls };
    const shn_status st = import_with(&o, &s, &err);
    shn_import_summary_free(&s);
    if (st == SHN_CANCELLED) {                  /* a very fast machine may have been through before the first call */
        assert_int_equal(access(in_folder("c.h5"), F_OK), -1);
        assert_int_equal(access(in_folder("c.h5.journal"), F_OK), 0);
        o.watcher = (shn_watcher){ NULL, NULL };
        assert_ok(import_with(&o, &s, &err));
        assert_true(s.n_resumed > 0);
        shn_import_summary_free(&s);
    }
    assert_same_file(in_folder("whole.h5"), in_folder("c.h5"));
}

/** A journal with a torn end, one of another plan, and one whose file is gone. */
static void test_damaged_journals(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    begin();
    make_many(8);
    o.signal.fs_hz = 100;
    assert_ok(import_with(&o, &s, &err));
    shn_import_summary_free(&s);
    assert_int_equal(rename(in_folder("c.h5"), in_folder("whole.h5")), 0);
    shn_cohort *c;
    assert_ok(shn_cohort_open(in_folder("whole.h5"), &c, &err));
    char head[128], torn[200];
    snprintf(head, sizeof head, "SHNJ1\n%s\n", shn_cohort_attribute(c, "plan"));
    snprintf(torn, sizeof torn, "%s\003", head);
    shn_cohort_close(c);
    for (int k = 0; k < 4; k++) {
        write_text("c.h5.journal", k == 0 ? torn : k == 1 ? "SHNJ1\n0000\n" : k == 2 ? head : "");
        if (k == 2) write_text("c.h5.part", "not a cohort");
        assert_ok(import_with(&o, &s, &err));
        assert_int_equal(s.n_kept, 8);
        shn_import_summary_free(&s);
        assert_same_file(in_folder("whole.h5"), in_folder("c.h5"));
        unlink(in_folder("c.h5"));
    }
}

/** No room: an error that says so, no file under the final name, and the same call succeeds once there is room. */
static void test_full_disk(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    struct rlimit whole, small;
    begin();
    make_many(10);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
    small = whole;
    small.rlim_cur = 300000;                    /* ten rows of 120 kB do not fit */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const shn_status st = import_with(&o, &s, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
    assert_int_equal(st, SHN_IO);
    assert_int_equal(err.reason, SHN_REASON_DISK_FULL);
    assert_non_null(strstr(err.text, "c.h5.part"));
    shn_import_summary_free(&s);
    assert_int_equal(access(in_folder("c.h5"), F_OK), -1);
    assert_ok(import_with(&o, &s, &err));
    assert_int_equal(s.n_kept, 10);
    shn_import_summary_free(&s);
}

static void test_nothing_to_keep_and_no_place(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    begin();
    write_text("t.csv", "rec,codes\nr1,SR\n");
    write_text("map.yaml", "source: h\ntable: t.csv\npath: rec\nlabels: [{column: codes, coding: scp}]\n");
    o.signal.fs_hz = 100;
    assert_status(import_with(&o, &s, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_NOT_FOUND);
    assert_non_null(strstr(err.text, "none of 1 records could be kept, most for not_found"));
    assert_int_equal(access(in_folder("c.h5"), F_OK), -1);
    assert_int_equal(access(in_folder("c.h5.part"), F_OK), -1);
    assert_int_equal(access(in_folder("c.h5.manifest.csv"), F_OK), 0);
    shn_import_summary_free(&s);
    make_record("r1", 100, 10, NULL, 0);
    const shn_collection c = { .map_path = in_folder("map.yaml") };
    char far[600];
    snprintf(far, sizeof far, "%s/no/such/folder/c.h5", folder);
    assert_status(shn_import(&c, 1, far, &o, &s, &err), SHN_IO);
    assert_int_equal(err.reason, SHN_REASON_NOT_FOUND);
    shn_import_summary_free(&s);
    const shn_collection none = { .preset = "ptbxl", .folder = folder };
    assert_status(shn_import(&none, 1, in_folder("c.h5"), &o, &s, &err), SHN_IO);       /* no labels.csv */
    assert_non_null(strstr(err.text, "labels.csv"));
    shn_import_summary_free(&s);
}

/** Memory ends at the n-th allocation: an error that says so, never a record less. */
static void test_failing_allocations(void **state)
{
    (void)state;
    shn_error err;
    shn_import_summary s;
    shn_import_options o = defaults();
    int failures = 0;
    begin();
    make_many(3);
    for (long n = 1;; n += 1 + n / 16) {
        shn_alloc_fail_after(n);
        const shn_status st = import_with(&o, &s, &err);
        shn_alloc_fail_after(0);
        const size_t kept = s.n_kept;
        shn_import_summary_free(&s);
        if (st == SHN_OK) {
            assert_int_equal(kept, 3);
            break;
        }
        failures++;
        if (st != SHN_NOMEM) fail_msg("allocation %ld: %s: %s", n, shn_status_text(st), err.text);
        assert_int_equal(access(in_folder("c.h5"), F_OK), -1);
    }
    assert_true(failures > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_table),
        cmocka_unit_test(test_patient_in_two_splits),
        cmocka_unit_test(test_parents_leave_children_open),
        cmocka_unit_test(test_rules_on_numbers),
        cmocka_unit_test(test_one_hot_tables),
        cmocka_unit_test(test_original_ptbxl_layout),
        cmocka_unit_test(test_windows_and_rates),
        cmocka_unit_test(test_a_walked_folder),
        cmocka_unit_test(test_copies_of_another_set_are_left_out),
        cmocka_unit_test(test_stopped_and_gone_on),
        cmocka_unit_test(test_damaged_journals),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_nothing_to_keep_and_no_place),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
