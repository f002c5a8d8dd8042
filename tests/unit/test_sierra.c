/** Philips Sierra XML: a writer of its own (LZW, differences, base64), real files against sierraecg and a conversion, and what is refused. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "shinden/deidentify.h"
#include "shinden/format.h"
#include "shinden/signal.h"

enum { N = 1100, TAIL = 100, LEADS = 12 };

/* ---- a writer that shares nothing with the reader ---- */

typedef struct text { char bytes[1 << 18]; size_t n; } text;

static void say(text *t, const char *fmt, ...)
{
    va_list a;
    va_start(a, fmt);
    t->n += (size_t)vsnprintf(t->bytes + t->n, sizeof t->bytes - t->n, fmt, a);
    va_end(a);
}

/** LZW as the format has it: codes of ten bits, words up to 1,022, 1,023 ends. Words are looked up the slow way. */
static size_t lzw(const uint8_t *in, size_t n, uint8_t *out)
{
    static struct { int before; uint8_t last; } word[1024];
    int    n_words = 256, current = -1;
    size_t bits = 0;
    memset(out, 0, n * 2 + 16);
    for (size_t i = 0; i <= n; i++) {
        int next = -1;
        if (i < n) {
            if (current < 0) next = in[i];
            for (int w = 256; current >= 0 && w < n_words; w++)
                if (word[w].before == current && word[w].last == in[i]) next = w;
            if (next >= 0) {
                current = next;
                continue;
            }
        }
        for (int b = 9; b >= 0; b--, bits++)
            if (current >> b & 1) out[bits / 8] |= (uint8_t)(0x80 >> bits % 8);
        if (i == n) break;
        if (n_words < 1023) {
            word[n_words].before = current;
            word[n_words++].last = in[i];
        }
        current = in[i];
    }
    for (int b = 0; b < 10; b++, bits++) out[bits / 8] |= (uint8_t)(0x80 >> bits % 8);
    return bits / 8 + 2;                        /* recorders leave a few spare bits, too */
}

/** One lead: stored differences such that the reader's sum gives x back. */
static size_t chunk(const int *x, size_t n, uint8_t *out)
{
    static uint8_t raw[2 * N], packed[8 * N];
    int16_t stored[N], start = 0;
    stored[0] = (int16_t)x[0];
    stored[1] = (int16_t)x[1];
    for (size_t i = 2; i < n; i++) {            /* x[i] = 2 x[i-1] - x[i-2] - correction */
        const int correction = 2 * x[i - 1] - x[i - 2] - x[i];
        if (i == 2) start = (int16_t)correction;
        else stored[i - 1] = (int16_t)(correction + 64);
    }
    stored[n - 1] = 64;
    for (size_t i = 0; i < n; i++) {
        raw[i] = (uint8_t)((uint16_t)stored[i] >> 8);
        raw[n + i] = (uint8_t)stored[i];
    }
    const size_t size = lzw(raw, 2 * n, packed);
    for (int b = 0; b < 4; b++) out[b] = (uint8_t)(size >> 8 * b);
    out[4] = out[5] = 0;
    out[6] = (uint8_t)start;
    out[7] = (uint8_t)((uint16_t)start >> 8);
    memcpy(out + 8, packed, size);
    return 8 + size;
}

static void base64(text *t, const uint8_t *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        say(t, "%c%c%c%c", digits[v >> 18], digits[v >> 12 & 63], i + 1 < n ? digits[v >> 6 & 63] : '=', i + 2 < n ? digits[v & 63] : '=');
        if (i % 57 == 54) say(t, "\n");
    }
}

typedef struct spec { const char *version, *type, *encoding, *compression; double resolution, fs; int tail, with_resolution, cut, bump; } spec;
static const spec plain = { "1.04", "PhilipsECG", "Base64", "XLI", 5, 500, 0, 1, 0, 0 };

/** Sample of a stored lead; limb leads obey the laws up to halves cut toward zero, the tail is a pulse of 1 mV. */
static int wave(const spec *s, size_t lead, size_t t)
{
    const int pulse = (int)lround(1000 / s->resolution), high = t >= N - 80 && t < N - 30;
    if (s->tail && t >= N - TAIL) return high ? pulse : 0;         /* in every lead, against all laws: the recorder's, not the heart's */
    const int i = (int)lround(90 * sin(0.05 * (double)t)), ii = (int)lround(150 * cos(0.03 * (double)t)) + (lead == 1 && t == 7 ? s->bump : 0), iii = ii - i;
    switch (lead) {
    case 0: return i;
    case 1: return ii;
    case 2: return iii;
    case 3: return -((i + ii) / 2);
    case 4: return (i - iii) / 2;
    case 5: return (ii + iii) / 2;
    default: return (int)lround((60 + 10.0 * (double)lead) * sin(0.04 * (double)t + (double)lead));
    }
}

static void write_sierra(const spec *s, text *t)
{
    static uint8_t packed[LEADS * 9 * N];
    size_t         n = 0;
    t->n = 0;
    for (size_t l = 0; l < LEADS; l++) {
        int x[N];
        for (size_t k = 0; k < N; k++) {        /* limb leads: what is left after prediction; nothing where the laws hold */
            const int i = wave(s, 0, k), ii = wave(s, 1, k), iii = wave(s, 2, k);
            const int rest[4] = { ii - i - iii, -((i + ii) / 2) - wave(s, 3, k), (i - iii) / 2 - wave(s, 4, k), (ii + iii) / 2 - wave(s, 5, k) };
            x[k] = l >= 2 && l < 6 ? rest[l - 2] : wave(s, l, k);
        }
        n += chunk(x, N, packed + n);
    }
    say(t, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<restingecgdata xmlns=\"http://www3.medical.philips.com\">\n<documentinfo><documentname>doc1.xml</documentname>"
           "<documenttype>%s</documenttype><documentversion>%s</documentversion><comments>Tanaka called</comments></documentinfo>\n", s->type, s->version);
    say(t, "<userdefines><userdefine><label>Ordering</label><value>Dr Suzuki</value></userdefine></userdefines>\n<!-- seen by Sato -->\n"
           "<dataacquisition date=\"2010-01-19\" time=\"15:19:22\"><machine machineid=\"SN7788\" detaildescription=\"A.01\">PageWriter</machine>"
           "<acquirer><operator id=\"VWJ\"/><institutionname>Toyokawa</institutionname></acquirer><signalcharacteristics><samplingrate>%g</samplingrate>", s->fs);
    if (s->with_resolution) say(t, "<resolution>%g</resolution>", s->resolution);
    say(t, "<hipass>0.05</hipass><lowpass>150</lowpass><acquisitiontype>10-WIRE</acquisitiontype></signalcharacteristics></dataacquisition>\n<patient><generalpatientdata><patientid>PID-4711</patientid>"
           "<name><lastname>Yamada</lastname><firstname>Taro</firstname></name><age><dateofbirth>1950-06-02</dateofbirth></age><sex>Male</sex></generalpatientdata></patient>\n"
           "<internalmeasurements date=\"2010-01-19\"><crossleadmeasurements><meanventrate>84</meanventrate><meanqrsdur>96</meanqrsdur><pfrontaxis>Indeterminate</pfrontaxis>"
           "</crossleadmeasurements></internalmeasurements>\n<interpretations><interpretation date=\"2010-01-19\"><mdsignatureline>Confirmed by Kato</mdsignatureline>"
           "<severity>- ABNORMAL ECG -</severity><statement><leftstatement>SINUS RHYTHM</leftstatement><rightstatement>V-rate 60-99</rightstatement></statement>"
           "</interpretation></interpretations>\n<waveforms><parsedwaveforms dataencoding=\"%s\" compression=\"%s\" durationperchannel=\"%g\">", s->encoding, s->compression,
        N * 1000 / s->fs);
    base64(t, packed, n - (size_t)s->cut);
    say(t, "</parsedwaveforms></waveforms></restingecgdata>\n");
}

static shn_status read_spec(const spec *s, const char *replace, const char *by, shn_record **rec, shn_error *why)
{
    static text t;
    shn_error   err = { 0 };
    char        path[SHN_PATH_MAX];
    write_sierra(s, &t);
    char *at = replace ? strstr(t.bytes, replace) : NULL;
    if (at) {
        memmove(at + strlen(by), at + strlen(replace), strlen(at + strlen(replace)) + 1);
        memcpy(at, by, strlen(by));
        t.n = strlen(t.bytes);
    }
    assert_true(!replace || at);
    assert_ok(shn_path_join(path, test_folder(), "x.xml", &err));
    assert_ok(shn_file_write(path, t.bytes, t.n, &err));
    return shn_record_read(path, NULL, rec, why);
}

/* ---- made files ---- */

static void test_made(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    for (int i = 0; i < 3; i++) {               /* another gain, another sample: the output follows */
        spec s = plain;
        if (i == 1) s.resolution = 2.5;
        if (i == 2) s.bump = 40;
        assert_ok(read_spec(&s, NULL, "", &rec, &err));
        assert_int_equal(shn_record_n_leads(rec), 12);
        assert_int_equal(shn_record_n_samples(rec), N);
        for (size_t l = 0; l < LEADS; l++)
            for (size_t t = 0; t < N; t++) {
                double want = wave(&s, l, t);
                if (fabs(shn_record_lead(rec, l)[t] - want * s.resolution / 1000) > 1e-6) fail_msg("lead %zu sample %zu", l, t);
            }
        assert_near(shn_record_calibration(rec, 0).gain_adu_per_mv, 1000 / s.resolution, 1e-9);
        assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_DECLARED);
        shn_record_free(rec);
    }
}

static void test_meta(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    assert_ok(read_spec(&plain, NULL, "", &rec, &err));
    const shn_record_meta *m = shn_record_meta_of(rec);
    assert_string_equal(m->id, "doc1");
    assert_string_equal(m->patient, "PID-4711");
    assert_string_equal(m->acquired, "2010-01-19T15:19:22");
    assert_near(m->age_years, 59, 0);
    assert_int_equal(m->sex, 'M');
    assert_string_equal(m->device, "PageWriter, A.01");
    assert_string_equal(m->format, "sierra_xml 1.04");
    assert_int_equal(shn_record_n_measurements(rec), 2);        /* "Indeterminate" is none */
    assert_string_equal(shn_record_measurement(rec, 1)->name, "qrs_duration");
    assert_near(shn_record_measurement(rec, 1)->value, 96, 0);
    assert_int_equal(shn_record_n_statements(rec), 2);
    assert_string_equal(shn_record_statement(rec, 0), "SINUS RHYTHM: V-rate 60-99");
    shn_record_free(rec);
}

static void test_calibration_tail(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    shn_record *rec;
    spec        s = plain;
    s.tail = 1;
    assert_ok(read_spec(&s, NULL, "", &rec, &err));
    assert_int_equal(shn_record_n_samples(rec), N - TAIL);
    assert_true(shn_record_has_note(rec, SHN_REASON_NONE));
    assert_true(shn_record_lead(rec, 7)[N - TAIL - 1] != 0);
    shn_record_free(rec);
}

static void test_refused(void **state)
{
    (void)state;
    shn_error   err;
    shn_record *rec;
    const struct { const char *piece, *by; shn_status st; shn_reason reason; } cases[] = {
        { "<documentversion>1.04<", "<documentversion>1.05<", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED },
        { "PhilipsECG", "MortaraECG", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED },
        { "\"Base64\"", "\"Hex\"", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED },
        { "\"XLI\"", "\"LZMA\"", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED },
        { "<samplingrate>500<", "<samplingrate>x<", SHN_FORMAT, SHN_REASON_BAD_HEADER },
        { "durationperchannel=\"2200\"", "durationperchannel=\"2400\"", SHN_FORMAT, SHN_REASON_TRUNCATED },
        { "durationperchannel=\"2200\"", "durationperchannel=\"99999999999\"", SHN_RANGE, SHN_REASON_LIMIT },
        { "parsedwaveforms", "otherwaveforms", SHN_FORMAT, SHN_REASON_NONE },           /* the closing tag no longer fits */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err = (shn_error){ 0 };
        const shn_status st = read_spec(&plain, cases[i].piece, cases[i].by, &rec, &err);
        if (st != cases[i].st || (cases[i].reason && err.reason != cases[i].reason)) fail_msg("%s -> %s: %s (%s)", cases[i].piece, cases[i].by, err.text, shn_reason_name(err.reason));
        assert_null(rec);
    }
    assert_ok(read_spec(&plain, "<resolution>5</resolution>", "", &rec, &err));     /* no unit is not guessed */
    assert_int_equal(shn_record_unit(rec, 0), SHN_UNIT_UNKNOWN);
    shn_record_free(rec);
    spec s = plain;
    s.cut = 300;
    assert_status(read_spec(&s, NULL, "", &rec, &err), SHN_FORMAT);
    assert_int_equal(err.reason, SHN_REASON_TRUNCATED);
}

static void test_no_memory(void **state)
{
    (void)state;
    static text t;
    shn_error   err = { 0 };
    shn_record *rec = NULL;
    char        path[SHN_PATH_MAX];
    write_sierra(&plain, &t);
    assert_ok(shn_path_join(path, test_folder(), "x.xml", &err));
    assert_ok(shn_file_write(path, t.bytes, t.n, &err));
    for (int n = 1; n < 400; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_record_read(path, NULL, &rec, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            shn_record_free(rec);
            assert_true(n > 20);
            return;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(rec);
    }
    fail();
}

static void test_deidentify(void **state)
{
    (void)state;
    static text t;
    static const char *const gone[] = { "Tanaka", "Suzuki", "Sato", "SN7788", "VWJ", "Toyokawa", "PID-4711", "Yamada", "Taro", "1950-06-02", "2010-01-19", "Kato", "doc1" };
    shn_error   err = { 0 };
    shn_deid   *d;
    uint8_t    *bytes;
    size_t      n;
    char        path[SHN_PATH_MAX], out[SHN_DEID_PATH_MAX], folder[SHN_PATH_MAX];
    write_sierra(&plain, &t);
    snprintf(folder, sizeof folder, "%s", test_folder());
    assert_ok(shn_path_join(path, folder, "x.xml", &err));
    assert_ok(shn_file_write(path, t.bytes, t.n, &err));
    assert_ok(shn_deid_new("0123456789abcdef", 16, &d, &err));
    assert_ok(shn_deid_file(d, path, folder, out, &err));       /* which reads it back and compares the samples */
    assert_true(shn_deid_n_changes(d) >= 12);
    assert_ok(shn_file_read(out, 1 << 20, &bytes, &n, &err));
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        if (strstr((const char *)bytes, gone[i])) fail_msg("'%s' is still there", gone[i]);
    assert_non_null(strstr((const char *)bytes, shn_deid_patient_of(d)));
    assert_non_null(strstr((const char *)bytes, "SINUS RHYTHM"));
    free(bytes);
    shn_deid_free(d);
}

/* ---- real files ---- */

/**
 * Sums as sierraecg and the conversion give them. Augmented leads: sierraecg rounds negative halves down where this reader cuts them toward zero, a step at most
 * a sample. The conversion was smoothed by its converter: close, not equal.
 */
static void test_golden(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    char        line[512], path[SHN_PATH_MAX + 320], last[256] = "";
    shn_record *rec = NULL;
    size_t      n_lines = 0, n_exact = 0;
    const char *data = test_data();
    FILE       *f = fopen(SHN_TESTS_DIR "/golden/sierra_records.txt", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char      file[256], who[32], lead[16];
        size_t    n;
        long long sum, square, first, end, got = 0, got2 = 0;
        if (*line == '#') continue;
        assert_int_equal(sscanf(line, "%255s %31s %15s %zu %lld %lld %lld %lld", file, who, lead, &n, &sum, &square, &first, &end), 8);
        if (strcmp(file, last) != 0) {
            shn_record_free(rec);
            snprintf(path, sizeof path, "%s/formats/philips_sierra_xml/%s", data, file);
            assert_ok(shn_record_read(path, NULL, &rec, &err));
            strcpy(last, file);
        }
        const float *x = shn_record_lead(rec, (size_t)shn_record_find(rec, lead));
        if (shn_record_n_samples(rec) != n) fail_msg("%s: %zu samples, %zu by %s", file, shn_record_n_samples(rec), n, who);
        for (size_t t = 0; t < n; t++) {
            const long v = lround(x[t] * 200.0);
            got += v;
            got2 += v * v;
        }
        const int smoothed = strcmp(who, "converted") == 0, halves = lead[0] == 'a';
        if (smoothed || halves) {
            if (llabs(got - sum) > (long long)n || fabs((double)got2 - (double)square) > 0.03 * (double)square + (double)n)
                fail_msg("%s lead %s: sum %lld and %lld, by %s %lld and %lld", file, lead, got, got2, who, sum, square);
        } else if (got != sum || got2 != square || lround(x[0] * 200.0) != first || lround(x[n - 1] * 200.0) != end)
            fail_msg("%s lead %s: sum %lld and %lld, by %s %lld and %lld", file, lead, got, got2, who, sum, square);
        n_exact += !smoothed && !halves;
        n_lines++;
    }
    shn_record_free(rec);
    fclose(f);
    assert_true(n_lines >= 7 * 12 && n_exact >= 6 * 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made),      cmocka_unit_test(test_meta),       cmocka_unit_test(test_calibration_tail), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_deidentify), cmocka_unit_test(test_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
