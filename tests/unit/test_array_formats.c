/** MATLAB files and HDF5 in CODE-15's layout: hand-made files, real ones against scipy and h5py, and the WFDB copies of the same exams. */
#include "harness.h"

#include <hdf5.h>
#include <math.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/h5.h"
#include "shinden/check.h"
#include "shinden/format.h"
#include "shinden/signal.h"

/* ---- CODE-15 ---- */

enum { ROWS = 3, T = 40 };

static float code15_value(size_t row, size_t t, size_t lead) { return row == 2 || t < 5 || t >= 35 ? 0 : (float)(100 * row + t) * 0.01f + (float)lead; }

/** Two exams padded with zeros and an empty row. scale and change one value: so that the output must follow. */
static const char *write_code15(char path[SHN_PATH_MAX], size_t n_leads, float scale)
{
    shn_error    err = { 0 };
    shn_h5_field fields[2] = { { .name = "tracings", .type = SHN_H5_F32, .rank = 3, .shape = { ROWS, T, n_leads } },
                               { .name = "exam_id", .type = SHN_H5_I32, .rank = 1, .shape = { ROWS } } };
    assert_ok(shn_path_join(path, test_folder(), "exams.hdf5", &err));
    assert_ok(shn_h5_create(path, fields, 2, NULL, 0, &err));
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t t = 0; t < T; t++)
            for (size_t l = 0; l < n_leads; l++) {
                const float v = scale * code15_value(r, t, l);
                fseek(f, (long)(fields[0].offset + 4 * ((r * T + t) * n_leads + l)), SEEK_SET);
                assert_int_equal(fwrite(&v, 4, 1, f), 1);
            }
    for (int32_t r = 0; r < ROWS; r++) {
        const int32_t id = 700 + r;
        fseek(f, (long)fields[1].offset + 4 * r, SEEK_SET);
        assert_int_equal(fwrite(&id, 4, 1, f), 1);
    }
    fclose(f);
    return path;
}

static shn_record *read_row(const char *path, int row, const shn_format_options *o)
{
    shn_error   err = { 0 };
    shn_record *rec;
    char        name[SHN_PATH_MAX + 16];
    snprintf(name, sizeof name, "%s#%d", path, row);
    assert_ok(shn_record_read(name, o, &rec, &err));
    return rec;
}

static void test_code15(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    char        path[SHN_PATH_MAX], name[SHN_PATH_MAX + 16];
    shn_record *rec, *bare;
    shn_found   found;
    for (int i = 0; i < 2; i++) {
        const float scale = i ? 3 : 1;
        write_code15(path, SHN_LEADS, scale);
        assert_string_equal(shn_format_of(path), "code15_hdf5");
        rec = read_row(path, 1, NULL);
        assert_int_equal(shn_record_n_samples(rec), 30);        /* the padding is gone */
        assert_near(shn_record_fs_hz(rec), 400, 0);
        assert_string_equal(shn_record_meta_of(rec)->id, "701");
        assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_DEFAULT);
        for (size_t l = 0; l < SHN_LEADS; l++)
            for (size_t t = 0; t < 30; t++) assert_near(shn_record_lead(rec, l)[t], scale * code15_value(1, t + 5, l), 1e-4);
        shn_record_free(rec);
    }
    shn_format_options o;
    shn_format_defaults(&o);
    o.first_sample = 10;
    o.max_samples = 4;
    rec = read_row(path, 0, &o);
    assert_int_equal(shn_record_n_samples(rec), 4);
    assert_int_equal(shn_record_meta_of(rec)->total_samples, 30);
    assert_near(shn_record_lead(rec, 2)[0], 3 * code15_value(0, 15, 2), 1e-4);
    shn_record_free(rec);
    snprintf(name, sizeof name, "%s#2", path);
    assert_status(shn_record_read(name, NULL, &bare, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_NO_ECG);
    snprintf(name, sizeof name, "%s#3", path);
    assert_status(shn_record_read(name, NULL, &bare, &err), SHN_RANGE);
    assert_status(shn_record_read(path, NULL, &bare, &err), SHN_RANGE);     /* which one? */
    assert_non_null(strstr(err.text, "#0 to #2"));
    assert_ok(shn_records_find(path, &found, &err));
    assert_int_equal(found.n, 3);
    shn_found_free(&found);
    write_code15(path, 8, 1);
    assert_status(shn_record_read(path, NULL, &bare, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "8 leads"));
}

static void test_other_hdf5(void **state)
{
    (void)state;
    shn_error    err = { 0 };
    char         path[SHN_PATH_MAX];
    shn_record  *rec;
    shn_h5_field field = { .name = "signals", .type = SHN_H5_I16, .rank = 1, .shape = { 4 } };
    assert_ok(shn_path_join(path, test_folder(), "other.h5", &err));
    assert_ok(shn_h5_create(path, &field, 1, NULL, 0, &err));
    assert_status(shn_record_read(path, NULL, &rec, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "tracings"));
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size / 2), 0);
    assert_status(shn_record_read(path, NULL, &rec, &err), SHN_FORMAT);
}

/* ---- MATLAB ---- */

typedef struct mat { uint8_t bytes[1 << 17]; size_t n; } mat;

static void put32(mat *m, uint32_t v)
{
    write_u32le(m->bytes + m->n, v);
    m->n += 4;
}
static void put_bytes(mat *m, const void *bytes, size_t n)
{
    memcpy(m->bytes + m->n, bytes, n);
    m->n += n;
}
static void pad(mat *m) { while (m->n % 8) m->bytes[m->n++] = 0; }

static void v5_begin(mat *m)
{
    memset(m, 0, sizeof *m);
    memset(m->bytes, ' ', 124);
    memcpy(m->bytes, "MATLAB 5.0 MAT-file, made by a test", 35);
    memcpy(m->bytes + 124, "\0\1IM", 4);
    m->n = 128;
}

/** Tag of a miMATRIX with its flags, sides and name; the place of its length is returned. */
static size_t v5_array(mat *m, unsigned class, uint32_t rows, uint32_t columns, const char *name)
{
    put32(m, 14);
    const size_t length_at = m->n;
    put32(m, 0);
    put32(m, 6);
    put32(m, 8);
    put32(m, class);
    put32(m, 0);
    put32(m, 5);
    put32(m, 8);
    put32(m, rows);
    put32(m, columns);
    put32(m, 1);
    put32(m, (uint32_t)strlen(name));
    put_bytes(m, name, strlen(name));
    pad(m);
    return length_at;
}
static void v5_end(mat *m, size_t length_at)
{
    pad(m);
    write_u32le(m->bytes + length_at, (uint32_t)(m->n - length_at - 4));
}

/** A matrix of doubles, value(r, c) = scale * (r + 0.01 c). */
static void v5_doubles(mat *m, uint32_t rows, uint32_t columns, const char *name, double scale)
{
    const size_t at = v5_array(m, 6, rows, columns, name);
    put32(m, 9);
    put32(m, rows * columns * 8);
    for (uint32_t c = 0; c < columns; c++)
        for (uint32_t r = 0; r < rows; r++) {
            const double v = scale * (r + 0.01 * c);
            put_bytes(m, &v, 8);
        }
    v5_end(m, at);
}

static void v5_cpsc(mat *m, uint32_t rows, uint32_t columns, double scale)
{
    static const char names[3][8] = { "sex", "age", "data" };
    v5_begin(m);
    const size_t at = v5_array(m, 2, 1, 1, "ECG");
    put32(m, 5 | 4 << 16);
    put32(m, 8);
    put32(m, 1);
    put32(m, 24);
    put_bytes(m, names, 24);
    const size_t sex = v5_array(m, 4, 1, 6, "");
    put32(m, 4);
    put32(m, 12);
    put_bytes(m, "F\0e\0m\0a\0l\0e\0", 12);
    v5_end(m, sex);
    v5_doubles(m, 1, 1, "", 0);
    const double age = 63;
    memcpy(m->bytes + m->n - 8, &age, 8);
    v5_doubles(m, rows, columns, "", scale);
    v5_end(m, at);
}

static shn_status read_mat(const mat *m, shn_record **rec, shn_error *why)
{
    char      path[SHN_PATH_MAX];
    shn_error err = { 0 };
    assert_ok(shn_path_join(path, test_folder(), "x.mat", &err));
    assert_ok(shn_file_write(path, m->bytes, m->n, &err));
    return shn_record_read(path, NULL, rec, why);
}

static void test_cpsc(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    static mat  m;
    for (int i = 0; i < 2; i++) {
        v5_cpsc(&m, 12, 50, i ? 2 : 1);
        assert_ok(read_mat(&m, &rec, &err));
        assert_int_equal(shn_record_n_samples(rec), 50);
        assert_near(shn_record_fs_hz(rec), 500, 0);
        assert_int_equal(shn_record_meta_of(rec)->sex, 'F');
        assert_near(shn_record_meta_of(rec)->age_years, 63, 0);
        assert_int_equal(shn_record_unit(rec, 3), SHN_UNIT_DEFAULT);
        assert_near(shn_record_lead(rec, 7)[20], (i ? 2 : 1) * 7.2, 1e-5);
        shn_record_free(rec);
    }
    v5_cpsc(&m, 8, 50, 1);
    assert_int_equal(read_mat(&m, &rec, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "8 rows"));
    v5_cpsc(&m, 12, 50, 1);
    m.n -= 1000;                                /* cut off */
    assert_int_equal(read_mat(&m, &rec, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_TRUNCATED);
    assert_null(rec);
}

static void test_feats_and_val(void **state)
{
    (void)state;
    shn_error          err = { 0 };
    shn_record        *rec, *out;
    shn_signal_options o;
    static mat         m;
    v5_begin(&m);
    v5_doubles(&m, 12, 1000, "feats", 1);
    assert_int_equal(read_mat(&m, &rec, &err), SHN_FORMAT);    /* no rate */
    assert_non_null(strstr(err.text, "curr_sample_rate"));
    v5_begin(&m);
    v5_doubles(&m, 12, 1000, "feats", 1);
    const double rate = 400;
    v5_doubles(&m, 1, 1, "curr_sample_rate", 1);
    memcpy(m.bytes + m.n - 8, &rate, 8);
    assert_ok(read_mat(&m, &rec, &err));
    assert_near(shn_record_fs_hz(rec), 400, 0);
    assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_UNKNOWN);
    shn_signal_defaults(&o);
    o.min_seconds = 0;
    assert_int_equal(shn_record_canonical(rec, &o, &out, &err), SHN_FORMAT);       /* nothing is guessed */
    assert_int_equal(err.reason, SHN_REASON_NO_UNIT);
    shn_record_free(rec);
    /* v4: type, rows, columns, imaginary, name length, name, int16 values */
    memset(&m, 0, sizeof m);
    put32(&m, 30);
    put32(&m, 12);
    put32(&m, 10);
    put32(&m, 0);
    put32(&m, 4);
    put_bytes(&m, "val", 4);
    m.n += 240;
    assert_int_equal(read_mat(&m, &rec, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_COMPANION);
    assert_non_null(strstr(err.text, ".hea"));
    m.n -= 2;
    assert_int_equal(read_mat(&m, &rec, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_TRUNCATED);
    v5_begin(&m);
    v5_doubles(&m, 2, 2, "something", 1);
    assert_int_equal(read_mat(&m, &rec, &err), SHN_UNSUPPORTED);
}

/* v7.3 is HDF5 behind a block of 512 bytes of which the first 128 are v5's words; a variable says its class in an attribute, and its sides are turned round. */

static void v73_class(hid_t object, const char *class)
{
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, strlen(class));
    const hid_t attribute = H5Acreate2(object, "MATLAB_class", type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, type, class) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
}

/** The names of a struct's fields, each as a list of single characters, as MATLAB writes them. */
static void v73_fields(hid_t group, const char *const *names, hsize_t n)
{
    hvl_t       lists[4];
    const hid_t one = H5Tcopy(H5T_C_S1), list = H5Tvlen_create(one), space = H5Screate_simple(1, &n, NULL);
    for (hsize_t i = 0; i < n; i++) lists[i] = (hvl_t){ strlen(names[i]), (void *)(uintptr_t)names[i] };
    const hid_t attribute = H5Acreate2(group, "MATLAB_fields", list, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, list, lists) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(list);
    H5Tclose(one);
}

static void v73_array(hid_t place, const char *name, hid_t type, const char *class, hsize_t rows, hsize_t columns, const void *x)
{
    const hsize_t sides[2] = { columns, rows };
    const hid_t   space = H5Screate_simple(2, sides, NULL), set = H5Dcreate2(place, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) >= 0);
    v73_class(set, class);
    if (strcmp(class, "char") == 0) {
        const int   two = 2;
        const hid_t one = H5Screate(H5S_SCALAR), decode = H5Acreate2(set, "MATLAB_int_decode", H5T_NATIVE_INT, one, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(H5Awrite(decode, H5T_NATIVE_INT, &two) >= 0);
        H5Aclose(decode);
        H5Sclose(one);
    }
    H5Dclose(set);
    H5Sclose(space);
}

enum { V73_T = 50 };

/** The struct of CPSC 2018 (feats 0), or feats [12][50] with its rate; value(r, c) = scale * (r + 0.01 c). */
static const char *write_v73(char path[SHN_PATH_MAX], int feats, double scale)
{
    static double x[V73_T][SHN_LEADS];
    shn_error     err = { 0 };
    const double  age = 63, rate = 400;
    for (int c = 0; c < V73_T; c++)
        for (int r = 0; r < SHN_LEADS; r++) x[c][r] = scale * (r + 0.01 * c);
    assert_ok(shn_path_join(path, test_folder(), "v73.mat", &err));
    const hid_t with_block = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_userblock(with_block, 512);
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, with_block, H5P_DEFAULT);
    assert_true(file >= 0);
    if (feats) {
        v73_array(file, "feats", H5T_NATIVE_DOUBLE, "double", SHN_LEADS, V73_T, x);
        v73_array(file, "curr_sample_rate", H5T_NATIVE_DOUBLE, "double", 1, 1, &rate);
    } else {
        static const uint16_t sex[6] = { 'F', 'e', 'm', 'a', 'l', 'e' };
        const hid_t           ecg = H5Gcreate2(file, "ECG", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        v73_class(ecg, "struct");
        v73_fields(ecg, (const char *const[]){ "sex", "age", "data" }, 3);
        v73_array(ecg, "sex", H5T_NATIVE_UINT16, "char", 1, 6, sex);
        v73_array(ecg, "age", H5T_NATIVE_DOUBLE, "double", 1, 1, &age);
        v73_array(ecg, "data", H5T_NATIVE_DOUBLE, "double", SHN_LEADS, V73_T, x);
        H5Gclose(ecg);
    }
    H5Fclose(file);
    H5Pclose(with_block);
    char  words[128];
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    memset(words, ' ', 116);
    memcpy(words, "MATLAB 7.3 MAT-file, made by a test", 35);
    memcpy(words + 116, "\0\0\0\0\0\0\0\0\0\2IM", 12);
    assert_int_equal(fwrite(words, 1, 128, f), 128);
    fclose(f);
    return path;
}

static void test_v73(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    char        path[SHN_PATH_MAX];
    struct stat info;
    for (int i = 0; i < 4; i++) {
        const int    feats = i / 2;
        const double scale = i % 2 ? 2 : 1;
        write_v73(path, feats, scale);
        assert_string_equal(shn_format_of(path), "matlab");
        assert_ok(shn_record_read(path, NULL, &rec, &err));
        assert_int_equal(shn_record_n_samples(rec), V73_T);
        assert_near(shn_record_fs_hz(rec), feats ? 400 : 500, 0);
        assert_int_equal(shn_record_unit(rec, 3), feats ? SHN_UNIT_UNKNOWN : SHN_UNIT_DEFAULT);
        for (size_t l = 0; l < SHN_LEADS; l++)
            for (size_t t = 0; t < V73_T; t++) assert_near(shn_record_lead(rec, l)[t], scale * ((double)l + 0.01 * (double)t), 1e-5);
        if (!feats) {
            assert_int_equal(shn_record_meta_of(rec)->sex, 'F');
            assert_near(shn_record_meta_of(rec)->age_years, 63, 0);
        }
        shn_record_free(rec);
    }
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size / 2), 0);
    assert_status(shn_record_read(path, NULL, &rec, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_TRUNCATED);
    assert_null(rec);
    assert_int_equal(truncate(path, 300), 0);
    assert_status(shn_record_read(path, NULL, &rec, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "superblock"));
}

static void test_no_memory(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    char        path[SHN_PATH_MAX], name[SHN_PATH_MAX + 16];
    shn_record *rec = NULL;
    write_code15(path, SHN_LEADS, 1);
    snprintf(name, sizeof name, "%s#0", path);
    for (int n = 1; n < 40; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_record_read(name, NULL, &rec, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            shn_record_free(rec);
            assert_true(n > 2);
            return;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(rec);
    }
    fail();
}

/* ---- real files ---- */

static void test_golden(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    char        line[512], last[256] = "", path[SHN_PATH_MAX];
    shn_record *rec = NULL;
    size_t      n_leads = 0;
    const char *data = test_data();
    FILE       *f = fopen(SHN_TESTS_DIR "/golden/array_formats.txt", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char   file[256], lead[16];
        size_t n;
        double sum, square, first, end, got = 0, got2 = 0;
        if (*line == '#') continue;
        assert_int_equal(sscanf(line, "%255s %15s %zu %lf %lf %lf %lf", file, lead, &n, &sum, &square, &first, &end), 7);
        if (strcmp(file, last) != 0) {
            shn_record_free(rec);
            assert_ok(shn_path_join(path, data, file, &err));
            assert_ok(shn_record_read(path, NULL, &rec, &err));
            strcpy(last, file);
        }
        const int at = shn_record_find(rec, lead);
        assert_true(at >= 0);
        assert_int_equal(shn_record_n_samples(rec), n);
        const float *x = shn_record_lead(rec, (size_t)at);
        for (size_t t = 0; t < n; t++) {
            got += x[t];
            got2 += (double)x[t] * x[t];
        }
        assert_near(got, sum, 1e-4 + 1e-6 * fabs(sum));
        assert_near(got2, square, 1e-6 * square + 1e-9);
        assert_near(x[0], first, 1e-6);
        assert_near(x[n - 1], end, 1e-6);
        n_leads++;
    }
    shn_record_free(rec);
    fclose(f);
    assert_true(n_leads >= 12 * 36);
}

/** Exams that stand in code15/records as WFDB agree sample by sample, to the step of the WFDB copy (1 uV). */
static void test_twins(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    char        path[SHN_PATH_MAX], twin[2 * SHN_PATH_MAX];
    int         n_twins = 0;
    const char *data = test_data();
    assert_ok(shn_path_join(path, data, "formats/hdf5/exams_part_sample.hdf5", &err));
    for (int row = 0; row < 16; row++) {
        shn_record *a = read_row(path, row, NULL), *b;
        snprintf(twin, sizeof twin, "%s/code15/records/%s.hea", data, shn_record_meta_of(a)->id);
        if (shn_path_exists(twin)) {
            assert_ok(shn_record_read(twin, NULL, &b, &err));
            assert_int_equal(shn_record_n_samples(a), shn_record_n_samples(b));
            for (size_t l = 0; l < SHN_LEADS; l++) {
                const int at = shn_record_find(b, shn_lead_name(l));
                for (size_t t = 0; t < shn_record_n_samples(a); t++)
                    assert_near(shn_record_lead(a, l)[t], shn_record_lead(b, (size_t)at)[t], 5.1e-4);
            }
            shn_record_free(b);
            n_twins++;
        }
        shn_record_free(a);
    }
    assert_true(n_twins >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code15), cmocka_unit_test(test_other_hdf5), cmocka_unit_test(test_cpsc),   cmocka_unit_test(test_feats_and_val),
        cmocka_unit_test(test_v73),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_golden),  cmocka_unit_test(test_twins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
