/** ECGs as NumPy arrays: headers of every version, byte and storage order from a writer of this test, side-cars that say too little or too much. */
#include "reader_input.h"

#include "formats/npy/npy.h"

static const shn_reader *const reader = &shn_reader_npy;

/** An array as NEP 1 has it: version, dict as given, then n bytes of data. Returns the length. */
static size_t write_array(uint8_t *out, int version, const char *dict, const void *data, size_t n)
{
    const size_t prefix = version == 1 ? 10 : 12, length = strlen(dict) + 1;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (uint8_t)version;
    out[7] = 0;
    for (size_t i = 0; i < prefix - 8; i++) out[8 + i] = (uint8_t)(length >> 8 * i);
    memcpy(out + prefix, dict, length - 1);
    out[prefix + length - 1] = '\n';
    if (n) memcpy(out + prefix + length, data, n);
    return prefix + length + n;
}

typedef struct array_file { uint8_t bytes[8192]; size_t n; test_companion companions[2]; test_file f; } array_file;

static void make(array_file *a, int version, const char *dict, const void *data, size_t n, const char *sidecar)
{
    a->n = write_array(a->bytes, version, dict, data, n);
    a->companions[0] = (test_companion){ "a.npy.json", sidecar, sidecar ? strlen(sidecar) : 0 };
    a->companions[1] = (test_companion){ NULL, NULL, 0 };
    test_input(&a->f, "a.npy", a->bytes, a->n, sidecar ? a->companions : NULL);
}

#define SIDE "{\"fs_hz\": 500, \"unit\": \"mV\", \"leads\": [\"I\", \"aVR\"], \"order\": \"leads_samples\"}"
#define DICT(type, fortran, shape) "{'descr': '" type "', 'fortran_order': " fortran ", 'shape': " shape ", }          "

static void test_types_and_orders(void **state)
{
    (void)state;
    static const struct { const char *type; int bytes, big; char kind; } types[] = { { "<f4", 4, 0, 'f' }, { ">f4", 4, 1, 'f' }, { "<f8", 8, 0, 'f' }, { ">f8", 8, 1, 'f' },
                                                                                    { "<i2", 2, 0, 'i' }, { ">i2", 2, 1, 'i' }, { "<i4", 4, 0, 'i' }, { ">i4", 4, 1, 'i' } };
    static array_file a;
    for (size_t k = 0; k < sizeof types / sizeof *types; k++)
        for (int form = 0; form < 4; form++) {          /* bit 0: Fortran order, bit 1: samples first */
            shn_error   err = { 0 };
            shn_record *rec;
            uint8_t     data[6 * 8];
            char        dict[160], side[160];
            for (int i = 0; i < 6; i++) {               /* number i of the storage */
                const int leads_fastest = form == 1 || form == 2;
                const int lead = leads_fastest ? i % 2 : i / 3, t = leads_fastest ? i / 2 : i % 3;
                const double v = (lead ? -100 : 100) + 7 * t;
                uint8_t one[8];
                if (types[k].kind == 'i') { const int32_t w = (int32_t)v; memcpy(one, &w, 4); }
                else if (types[k].bytes == 4) { const float w = (float)v; memcpy(one, &w, 4); }
                else memcpy(one, &v, 8);
                for (int j = 0; j < types[k].bytes; j++) data[i * types[k].bytes + j] = one[types[k].big ? types[k].bytes - 1 - j : j];
            }
            snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", types[k].type, form & 1 ? "True" : "False", form & 2 ? "(3, 2)" : "(2, 3)");
            snprintf(side, sizeof side, "{\"fs_hz\": 250, \"unit\": \"uV\", \"leads\": [\"I\", \"V1\"]%s}", form & 2 ? "" : ", \"order\": \"leads_samples\"");
            make(&a, k % 3 + 1, dict, data, 6 * (size_t)types[k].bytes, side);
            assert_ok(reader->read(&a.f.in, &rec, &err));
            assert_int_equal(shn_record_n_samples(rec), 3);
            assert_near(shn_record_fs_hz(rec), 250, 0);
            for (int lead = 0; lead < 2; lead++)
                for (int t = 0; t < 3; t++) assert_near(shn_record_lead(rec, (size_t)lead)[t], ((lead ? -100 : 100) + 7 * t) * 1e-3, 1e-8);
            shn_record_free(rec);
        }
}

static void test_sidecar(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_record       *rec;
    static array_file a;
    static const int16_t data[6] = { 10, 20, -32768, 7, 8, 9 };
    make(&a, 1, DICT("<i2", "False", "(2, 3)"), data, sizeof data,
         "{\"fs_hz\": 500, \"unit\": \"adu\", \"gain_adu_per_mv\": [1000, 200.5], \"baseline_adu\": 4, \"leads\": [\"II\", \"V6\"], \"gap\": -32768,"
         " \"id\": \"r1\", \"patient\": \"p1\", \"acquired\": \"2020-01-02\", \"age\": 61, \"sex\": \"F\", \"device\": \"D\"}");
    assert_ok(reader->read(&a.f.in, &rec, &err));
    assert_true(shn_record_lead(rec, 0)[0] == (float)(6 / 1000.0) && isnan(shn_record_lead(rec, 0)[2]) && shn_record_lead(rec, 1)[0] == (float)(3 / 200.5));
    const shn_lead_cal cal = shn_record_calibration(rec, 1);
    assert_true(cal.gain_adu_per_mv == 200.5 && cal.baseline_adu == 4 && cal.bits == 16);
    const shn_record_meta *m = shn_record_meta_of(rec);
    assert_string_equal(m->id, "r1");
    assert_string_equal(m->patient, "p1");
    assert_string_equal(m->acquired, "2020-01-02");
    assert_string_equal(m->device, "D");
    assert_string_equal(m->format, "npy int16");
    assert_int_equal(m->sex, 'F');
    assert_near(m->age_years, 61, 0);
    shn_record_free(rec);
    static const struct { const char *side; shn_unit_origin unit; double first; } units[] = {
        { "{\"fs_hz\": 500, \"leads\": [\"II\", \"V6\"]}", SHN_UNIT_UNKNOWN, 10 },
        { "{\"fs_hz\": 500, \"unit\": \"adu\", \"leads\": [\"II\", \"V6\"]}", SHN_UNIT_UNKNOWN, 10 },
        { "{\"fs_hz\": 500, \"unit\": \"V\", \"leads\": [\"II\", \"V6\"]}", SHN_UNIT_DECLARED, 10000 },
        { "{\"fs_hz\": 500, \"unit\": \"nV\", \"leads\": [\"II\", \"V6\"]}", SHN_UNIT_DECLARED, 1e-5 },
        { "{\"fs_hz\": 500, \"unit\": \"adu\", \"gain_adu_per_mv\": 4, \"leads\": [\"II\", \"V6\"]}", SHN_UNIT_DECLARED, 2.5 },
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        make(&a, 1, DICT("<i2", "False", "(2, 3)"), data, sizeof data, units[i].side);
        assert_ok(reader->read(&a.f.in, &rec, &err));
        assert_int_equal(shn_record_unit(rec, 0), units[i].unit);
        assert_near(shn_record_lead(rec, 0)[0], units[i].first, 1e-6 * units[i].first);
        assert_int_equal(shn_record_has_note(rec, SHN_REASON_NO_UNIT), units[i].unit == SHN_UNIT_UNKNOWN);
        shn_record_free(rec);
    }
}

static void test_records(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_record       *rec;
    size_t            n;
    static array_file a;
    float             data[2 * 3 * 2];
    for (int i = 0; i < 12; i++) data[i] = (float)i;
    make(&a, 1, DICT("<f4", "False", "(2, 3, 2)"), data, sizeof data, "{\"fs_hz\": 500, \"unit\": \"mV\", \"leads\": [\"I\", \"II\"], \"patient\": \"one for all?\"}");
    assert_ok(reader->count(&a.f.in, &n, &err));
    assert_int_equal(n, 2);
    a.f.in.row = 1;
    assert_ok(reader->read(&a.f.in, &rec, &err));
    assert_true(shn_record_lead(rec, 0)[0] == 6 && shn_record_lead(rec, 1)[0] == 7 && shn_record_lead(rec, 0)[2] == 10);
    assert_string_equal(shn_record_meta_of(rec)->patient, "");      /* whose of the two it is, the side-car cannot say */
    shn_record_free(rec);
    a.f.in.row = 2;
    assert_status(reader->read(&a.f.in, &rec, &err), SHN_RANGE);
    for (size_t first = 0; first < 3; first++) {
        a.f.in.row = 0;
        a.f.options.first_sample = first;
        a.f.options.max_samples = 1;
        assert_ok(reader->read(&a.f.in, &rec, &err));
        assert_true(shn_record_n_samples(rec) == 1 && shn_record_lead(rec, 1)[0] == (float)(2 * first + 1));
        assert_true(shn_record_meta_of(rec)->first_sample == first && shn_record_meta_of(rec)->total_samples == 3);
        shn_record_free(rec);
    }
    a.f.options.first_sample = 3;
    assert_status(reader->read(&a.f.in, &rec, &err), SHN_RANGE);
    a.f.options.first_sample = 0;
    test_allocations(reader, &a.f.in);
}

static void refuse(array_file *a, shn_status status, shn_reason reason, const char *words)
{
    shn_error   err = { 0 };
    shn_record *rec;
    assert_status(reader->read(&a->f.in, &rec, &err), status);
    assert_null(rec);
    if (err.reason != reason || !strstr(err.text, words)) fail_msg("%s: %s; expected '%s'", shn_reason_name(err.reason), err.text, words);
}

static void test_refusals(void **state)
{
    (void)state;
    static array_file a;
    static const float data[6] = { 0 };
    static const struct { const char *dict; size_t n; shn_status status; shn_reason reason; const char *words; } headers[] = {
        { DICT("<f4", "False", "(2, 3)"), 23, SHN_FORMAT, SHN_REASON_TRUNCATED, "needs 24 bytes of numbers, 23 are there" },
        { DICT("<f2", "False", "(2, 3)"), 24, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "'<f2'" },
        { DICT("|O", "False", "(2, 3)"), 24, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "'|O'" },
        { "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3)}", 24, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "structured" },
        { DICT("<f4", "False", "(6,)"), 24, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "1 axes" },
        { DICT("<f4", "False", "()"), 24, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "0 axes" },
        { DICT("<f4", "False", "(2, 3, 1, 1)"), 24, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "4 axes" },
        { DICT("<f4", "False", "(2, 0)"), 24, SHN_FORMAT, SHN_REASON_NO_ECG, "without numbers" },
        { DICT("<f4", "False", "(9223372036854775807, 9223372036854775807)"), 24, SHN_RANGE, SHN_REASON_LIMIT, "larger than memory" },
        { DICT("<f4", "False", "(99999999999999999999999, 1)"), 24, SHN_FORMAT, SHN_REASON_BAD_HEADER, "no dict" },
        { DICT("<f4", "Perhaps", "(2, 3)"), 24, SHN_FORMAT, SHN_REASON_BAD_HEADER, "no dict" },
        { "{'descr': '<f4', 'shape': (2, 3)}", 24, SHN_FORMAT, SHN_REASON_BAD_HEADER, "no dict" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': 1}", 24, SHN_FORMAT, SHN_REASON_BAD_HEADER, "no dict" },
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        make(&a, 1, headers[i].dict, data, headers[i].n, SIDE);
        refuse(&a, headers[i].status, headers[i].reason, headers[i].words);
    }
    static const struct { const char *side, *words; } sides[] = {
        { NULL, "put a.npy.json beside it" },
        { "{", "line 1" },
        { "[]", "no object" },
        { "{\"unit\": \"mV\", \"leads\": [\"I\", \"II\"]}", "\"fs_hz\"" },
        { "{\"fs_hz\": -1, \"leads\": [\"I\", \"II\"]}", "\"fs_hz\"" },
        { "{\"fs_hz\": 500}", "\"leads\"" },
        { "{\"fs_hz\": 500, \"leads\": [\"I\", \"II\", \"III\", \"V1\"]}", "4 leads are named, the array's axes are 2 and 3" },
        { "{\"fs_hz\": 500, \"leads\": [\"I\", \"II\"], \"order\": \"samples_leads\"}", "in that order" },
        { "{\"fs_hz\": 500, \"leads\": [\"I\", \"II\"], \"order\": \"TL\"}", "\"order\"" },
        { "{\"fs_hz\": 500, \"leads\": [\"I\", 2]}", "\"leads\"" },
        { "{\"fs_hz\": 500, \"leads\": [\"I\", \"II\"], \"unit\": \"MV\"}", "\"unit\"" },
        { "{\"fs_hz\": 500, \"leads\": [\"I\", \"II\"], \"unit\": \"adu\", \"gain_adu_per_mv\": 0}", "\"gain_adu_per_mv\"" },
        { "{\"fs_hz\": 500, \"leads\": [\"I\", \"II\"], \"unit\": \"adu\", \"gain_adu_per_mv\": [1]}", "as many as there are leads" },
        { "{\"fs_hz\": 500, \"fs_hz\": 250, \"leads\": [\"I\", \"II\"]}", "duplicate" },
    };
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        make(&a, 1, DICT("<f4", "False", "(2, 3)"), data, 24, sides[i].side);
        refuse(&a, SHN_FORMAT, SHN_REASON_BAD_HEADER, sides[i].words);
    }
    make(&a, 1, DICT("<f4", "False", "(2, 2)"), data, 16, "{\"fs_hz\": 500, \"leads\": [\"I\", \"II\"]}");
    refuse(&a, SHN_FORMAT, SHN_REASON_BAD_HEADER, "say which is which");
    make(&a, 1, DICT("<f4", "False", "(2, 3)"), data, 24, SIDE);
    a.bytes[6] = 9;
    refuse(&a, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "version 9.0");
    a.bytes[6] = 1;
    a.f.in.n_bytes = 9;
    refuse(&a, SHN_FORMAT, SHN_REASON_TRUNCATED, "at least 10");
    a.f.in.n_bytes = 40;
    refuse(&a, SHN_FORMAT, SHN_REASON_TRUNCATED, "a header of");
    assert_int_equal(reader->recognises(a.bytes, 40), 1);
    assert_int_equal(reader->recognises(a.bytes, 5), 0);
}

/** Bytes behind the array, NaN and Inf, and numbers that no float holds. */
static void test_oddities(void **state)
{
    (void)state;
    shn_error         err = { 0 };
    shn_record       *rec;
    static array_file a;
    static const double data[7] = { 1, NAN, INFINITY, 1e300, -1e300, 0.1, 9 };
    make(&a, 2, DICT("<f8", "False", "(2, 3)"), data, sizeof data, SIDE);
    assert_ok(reader->read(&a.f.in, &rec, &err));
    const float *x = shn_record_lead(rec, 0), *y = shn_record_lead(rec, 1);
    assert_true(x[0] == 1 && isnan(x[1]) && isinf(x[2]) && isinf(y[0]) && y[1] < -1e38f && y[2] == 0.1f);
    assert_int_equal(shn_record_has_note(rec, SHN_REASON_BAD_HEADER), 1);
    shn_record_free(rec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_and_orders), cmocka_unit_test(test_sidecar), cmocka_unit_test(test_records), cmocka_unit_test(test_refusals), cmocka_unit_test(test_oddities),
    };
    return cmocka_run_group_tests_name("ecg_npy", tests, NULL, NULL);
}
