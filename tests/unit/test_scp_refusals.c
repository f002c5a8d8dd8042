/** SCP-ECG: each refusal, other formats, and memory that ends. */
#include "harness.h"

#include <math.h>

#include "scp_made.h"

/* ---- refusals ---- */

static void refused(const char *why, shn_status status, shn_reason reason, const char *where, const char *words)
{
    shn_error   err;
    shn_record *rec;
    char        name[64];
    snprintf(name, sizeof name, "%s.scp", why);
    keep(&file, name);
    const shn_status st = read_bytes(&file, &rec, &err);
    if (st != status || err.reason != reason || strcmp(err.where, where) != 0 || !strstr(err.text, words))
        fail_msg("%s: %s %s [%s] %s", why, shn_status_text(st), shn_reason_name(err.reason), err.where, err.text);
}

static void test_refused_record(void **state)
{
    (void)state;
    fresh();
    file.n -= 3;
    refused("truncated", SHN_FORMAT, SHN_REASON_TRUNCATED, "scp.record", "get the file again");
    file.n = 31;
    assert_int_equal(shn_reader_scp.recognises(file.b, file.n), 1);
    refused("only_a_beginning", SHN_FORMAT, SHN_REASON_TRUNCATED, "scp.record", "31 bytes");
    fresh();
    sw_section(&file, 6)[20] ^= 1;
    refused("record_checksum", SHN_FORMAT, SHN_REASON_CHECKSUM, "scp.record", "damaged");
    sw_set16(file.b, sw_crc(file.b + 2, file.n - 2));
    refused("section_checksum", SHN_FORMAT, SHN_REASON_CHECKSUM, "scp.section", "section 6");
    const shn_format_options lenient = { 0 };
    shn_record *rec;
    shn_error   err;
    assert_ok(read_options(file.b, file.n, lenient, &rec, &err));            /* unless the user asks for what is there */
    assert_true(shn_record_has_note(rec, SHN_REASON_CHECKSUM));
    shn_record_free(rec);
    fresh();
    sw_set32(file.b + 22 + 60 + 6, (uint32_t)file.n - 5);
    sw_seal(&file);
    refused("pointer_outside", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "section 6");
    fresh();
    sw_set32(file.b + 22 + 60 + 2, 0xFFFFFFFF);
    sw_seal(&file);
    refused("length_outside", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "section 6");
    fresh();
    sw_section(&file, 6)[-14] = 5;
    sw_seal(&file);
    refused("another_section", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "is section 5");
    fresh();
    sw_section(&file, 6)[-12] ^= 2;
    sw_seal(&file);
    refused("length_differs", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "its own header says");
    fresh();
    memcpy(file.b + 22 + 70, file.b + 22 + 60, 10);
    sw_seal(&file);
    refused("named_twice", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "named twice");
    fresh();
    sw_set32(file.b + 10, 0x7FFFFFFF);
    sw_set16(file.b, sw_crc(file.b + 2, file.n - 2));
    refused("huge_section_0", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.record", "section 0");
    fresh();
    sw_set32(file.b + 28, 6);
    sw_set16(file.b + 2, 0);
    sw_set16(file.b + 4, (unsigned)file.n);
    refused("healforce", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.record", "Healforce");
    fresh();
    sw_u8(&file, 9);                                                        /* behind the record: read, noted */
    rec = read_ok(&file);
    assert_true(shn_record_has_note(rec, SHN_REASON_BAD_VALUE));
    shn_record_free(rec);
}

static void test_refused_signal(void **state)
{
    (void)state;
    sw_spec *s = fresh();
    s->drop[3] = 1;
    sw_make(s, &file);
    refused("no_leads", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 3", "no lead definition");
    s->drop[3] = 0;
    s->drop[6] = 1;
    sw_make(s, &file);
    refused("no_rhythm", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 6", "missing");
    fresh();
    sw_section(&file, 3)[0] = 255;
    sw_seal(&file);
    refused("255_leads", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 3", "255 leads");
    fresh();
    sw_set32(sw_section(&file, 3) + 6, 0);
    sw_seal(&file);
    refused("ends_before_it_begins", SHN_FORMAT, SHN_REASON_BAD_VALUE, "scp.section 3", "lead 1");
    fresh();
    sw_set32(sw_section(&file, 3) + 2 + 9, 100000000);
    sw_set32(sw_section(&file, 3) + 2 + 13, 100000059);
    sw_seal(&file);
    refused("leads_far_apart", SHN_RANGE, SHN_REASON_LIMIT, "scp.section 3", "far apart");
    fresh();
    sw_section(&file, 6)[4] = 3;
    sw_seal(&file);
    refused("third_difference", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.section 6", "difference encoding 3");
    fresh();
    sw_set16(sw_section(&file, 6) + 2, 0);
    sw_seal(&file);
    refused("no_interval", SHN_FORMAT, SHN_REASON_BAD_VALUE, "scp.section 6", "interval of 0");
    fresh();
    sw_set16(sw_section(&file, 6) + 6, 60000);
    sw_seal(&file);
    refused("leads_longer_than_section", SHN_FORMAT, SHN_REASON_TRUNCATED, "scp.section 6", "bytes");
    fresh();
    sw_set16(sw_section(&file, 6) + 6, 0);
    sw_set16(sw_section(&file, 6) + 8, 0);
    sw_seal(&file);
    refused("no_samples", SHN_FORMAT, SHN_REASON_TRUNCATED, "scp.section 6", "no samples");
}

static void test_refused_lossy(void **state)
{
    (void)state;
    sw_spec *s = plain(2, 480);
    with_beats(s);
    s->ratio = 4;
    s->drop[4] = 1;
    sw_make(s, &file);
    refused("no_beats", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 4", "missing");
    s->drop[4] = 0;
    s->drop[5] = 1;
    sw_make(s, &file);
    refused("no_reference_beat", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 5", "missing");
    s->drop[5] = 0;
    sw_make(s, &file);
    sw_set16(sw_section(&file, 4) + 4, 60000);
    sw_seal(&file);
    refused("60000_beats", SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 4", "60000 beats");
    s->beats[2].protect_from = 40;
    sw_make(s, &file);
    refused("areas_overlap", SHN_FORMAT, SHN_REASON_BAD_VALUE, "scp.section 4", "protected area 3");
    s->beats[2].protect_from = 253;
    sw_make(s, &file);
    sw_set16(sw_section(&file, 6) + 2, 7999);
    sw_seal(&file);
    refused("no_whole_ratio", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.section 6", "whole multiples");
    sw_set16(sw_section(&file, 6) + 2, 8000);
    sw_section(&file, 6)[5] = 0;
    sw_seal(&file);
    refused("two_rates_not_bimodal", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.section 6", "without bimodal");
    s->protocol = 30;
    sw_make(s, &file);
    refused("bimodal_in_version_3", SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.section 3", "version 3.0");
    s->protocol = 20;
    sw_make(s, &file);
    sw_set16(sw_section(&file, 5), 0);
    sw_seal(&file);
    refused("beat_without_unit", SHN_FORMAT, SHN_REASON_NO_UNIT, "scp.section 5", "cannot be added");
}

static void bad_table(const char *why, int at, unsigned value, shn_status status, shn_reason reason, const char *words)
{
    sw_spec *s = plain(1, 60);
    with_tables(s);
    sw_make(s, &file);
    sw_section(&file, 2)[at] = (uint8_t)value;
    sw_seal(&file);
    refused(why, status, reason, "scp.section 2", words);
}

static void test_refused_tables(void **state)
{
    (void)state;
    bad_table("99_tables", 0, 99, SHN_RANGE, SHN_REASON_LIMIT, "99 tables");
    bad_table("no_table", 0, 0, SHN_RANGE, SHN_REASON_LIMIT, "0 tables");
    bad_table("third_table_missing", 0, 3, SHN_FORMAT, SHN_REASON_BAD_HEADER, "table 3");
    bad_table("too_many_codes", 3, 0xFF, SHN_RANGE, SHN_REASON_LIMIT, "codes");
    bad_table("codes_leave_section", 3, 2, SHN_FORMAT, SHN_REASON_BAD_HEADER, "codes in");
    bad_table("prefix_of_0_bits", 4, 0, SHN_FORMAT, SHN_REASON_BAD_HEADER, "a code of 0 bits");
    bad_table("shorter_than_prefix", 5, 0, SHN_FORMAT, SHN_REASON_BAD_HEADER, "0 with its value");
    bad_table("mode_2", 6, 2, SHN_FORMAT, SHN_REASON_BAD_HEADER, "mode 2");
    bad_table("ambiguous", 4 + 9 + 5, 0, SHN_FORMAT, SHN_REASON_BAD_HEADER, "begins like another");
    bad_table("switch_to_table_7", 4 + 3 * 9 + 3, 7, SHN_FORMAT, SHN_REASON_BAD_HEADER, "switches to table 7");
    sw_spec *s = plain(1, 60);                  /* bits that are no code: what stands before them, and a note */
    with_tables(s);
    sw_make(s, &file);
    memset(sw_section(&file, 6) + 8 + 4, 0xB7, 8);
    sw_seal(&file);
    shn_record *rec = read_ok(&file);
    assert_true(shn_record_n_samples(rec) < 60);
    assert_true(shn_record_has_note(rec, SHN_REASON_TRUNCATED));
    shn_record_free(rec);
}

/** Files of other formats are not taken for this one. */
static void test_recognises(void **state)
{
    (void)state;
    static const char *const others[] = { "wfdb/100_3chan.hea", "edf/0000050.edf", "hl7_aecg/example_aecg.xml", "dicom/ecgtoolkit_example.dcm", "mfer/sample.mwf",
                                          "scp/wfdb_test.dat" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char        path[SHN_PATH_MAX];
        shn_mapping map;
        shn_error   err;
        real_path(path, "", others[i]);
        assert_ok(shn_file_map(path, &map, &err));
        assert_int_equal(shn_reader_scp.recognises(map.bytes, map.n_bytes), 0);
        shn_file_unmap(&map);
    }
    assert_int_equal(shn_reader_scp.recognises(NULL, 0), 0);
    sw_spec *s = plain(1, 60);
    s->no_mark = 1;                             /* version 1.0 */
    sw_make(s, &file);
    assert_int_equal(shn_reader_scp.recognises(file.b, file.n), 1);
}

static void test_allocation_fails(void **state)
{
    (void)state;
    sw_spec *s = with_findings();
    with_beats(s);
    s->n_samples = 480;
    s->ratio = 4;
    with_tables(s);
    sw_make(s, &file);
    for (long n = 1;; n++) {
        shn_error   err;
        shn_record *rec;
        shn_alloc_fail_after(n);
        const shn_status st = read_bytes(&file, &rec, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            assert_true(n > 8);
            shn_record_free(rec);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_record),
        cmocka_unit_test(test_refused_signal),
        cmocka_unit_test(test_refused_lossy),
        cmocka_unit_test(test_refused_tables),
        cmocka_unit_test(test_recognises),
        cmocka_unit_test(test_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
