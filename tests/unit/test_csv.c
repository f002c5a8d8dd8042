/** base/csv: RFC 4180 tables in memory, the refusals by line and column, and the way back through the writer. */
#include "harness.h"

#include <dirent.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/file.h"
#include "base/utf8.h"

static shn_status open_text(const char *text, char separator, shn_csv **csv, shn_error *err)
{
    return shn_csv_open((const uint8_t *)text, strlen(text), separator, csv, err);
}

static void test_plain_table(void **state)
{
    (void)state;
    shn_error err = { 0 };
    shn_csv  *csv;
    assert_ok(open_text("id,age,\na1,54,x\r\na2,,\n", ',', &csv, &err));
    assert_int_equal(shn_csv_rows(csv), 2);
    assert_int_equal(shn_csv_columns(csv), 3);
    assert_int_equal(shn_csv_column(csv, "age"), 1);
    assert_int_equal(shn_csv_column(csv, ""), 2);
    assert_int_equal(shn_csv_column(csv, "Age"), -1);
    assert_string_equal(shn_csv_name(csv, 0), "id");
    assert_string_equal(shn_csv_cell(csv, 0, 1), "54");
    assert_string_equal(shn_csv_cell(csv, 0, 2), "x");
    assert_string_equal(shn_csv_cell(csv, 1, 0), "a2");
    assert_string_equal(shn_csv_cell(csv, 1, 1), "");
    assert_string_equal(shn_csv_cell(csv, 1, 2), "");
    assert_int_equal(shn_csv_line(csv, 1), 3);
    shn_csv_free(csv);
}

static void test_quotes_newlines_bom_and_separators(void **state)
{
    (void)state;
    shn_error err = { 0 };
    shn_csv  *csv;
    assert_ok(open_text("\xef\xbb\xbf\"na;me\";report\r\n\n\"a \"\"b\"\"\";\"line 1\nline 2; still\"\r\n\"\";洞調律", ';', &csv, &err));
    assert_int_equal(shn_csv_rows(csv), 2);
    assert_int_equal(shn_csv_column(csv, "na;me"), 0);
    assert_string_equal(shn_csv_cell(csv, 0, 0), "a \"b\"");
    assert_string_equal(shn_csv_cell(csv, 0, 1), "line 1\nline 2; still");
    assert_string_equal(shn_csv_cell(csv, 1, 0), "");
    assert_string_equal(shn_csv_cell(csv, 1, 1), "洞調律");
    assert_int_equal(shn_csv_line(csv, 0), 3);          /* line 2 was empty */
    assert_int_equal(shn_csv_line(csv, 1), 5);          /* a line end inside quotes counts */
    shn_csv_free(csv);
    assert_ok(open_text("a\tb\n1,5\t 2 \n", '\t', &csv, &err));
    assert_string_equal(shn_csv_cell(csv, 0, 0), "1,5");
    assert_string_equal(shn_csv_cell(csv, 0, 1), " 2 ");
    shn_csv_free(csv);
    assert_ok(open_text("only,header", ',', &csv, &err));
    assert_int_equal(shn_csv_rows(csv), 0);
    shn_csv_free(csv);
}

static void test_refusals_name_line_and_column(void **state)
{
    (void)state;
    static const struct { const char *text; shn_reason reason; const char *says; } cases[] = {
        { "", SHN_REASON_BAD_HEADER, "line 1: no header" },
        { "\n\r\n", SHN_REASON_BAD_HEADER, "no header" },
        { "a,b\n1\n", SHN_REASON_BAD_VALUE, "line 2: 1 fields where the header has 2" },
        { "a,b\n1,2\n\n1,2,3\n", SHN_REASON_BAD_VALUE, "line 4: 3 fields" },
        { "a,b\n1,\"2\n3\n", SHN_REASON_TRUNCATED, "line 2, column 2: the quote that opens here" },
        { "a,b\n\"1\"x,2\n", SHN_REASON_BAD_VALUE, "line 2, column 1: text after" },
        { "a,b\n1,5\" tube\n", SHN_REASON_BAD_VALUE, "line 2, column 2: a quote inside" },
        { "a,b\r1,2\r", SHN_REASON_BAD_VALUE, "line 1, column 2: a carriage return" },
        { "a,b\n1,\x93\xb4\n", SHN_REASON_BAD_VALUE, "line 2, column 2: not UTF-8" },
        { "a,b\n1,\xed\xa0\x80\n", SHN_REASON_BAD_VALUE, "not UTF-8" },           /* a surrogate */
        { "a,b\n1,\xc0\xaf\n", SHN_REASON_BAD_VALUE, "not UTF-8" },               /* overlong */
        { "a,b\n1,\xe6\xb4", SHN_REASON_BAD_VALUE, "not UTF-8" },                 /* cut off */
        { "id,x,id\n", SHN_REASON_BAD_HEADER, "columns 1 and 3 are both named 'id'" },
        { "\xff\xfe" "a", SHN_REASON_BAD_HEADER, "UTF-16" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shn_error err = { 0 };
        shn_csv  *csv = (shn_csv *)1;
        assert_status(open_text(cases[i].text, ',', &csv, &err), SHN_FORMAT);
        assert_null(csv);
        assert_int_equal(err.reason, cases[i].reason);
        if (!strstr(err.text, cases[i].says)) fail_msg("case %zu: '%s' lacks '%s'", i, err.text, cases[i].says);
    }
    shn_error err = { 0 };
    shn_csv  *csv;
    assert_status(shn_csv_open((const uint8_t *)"a,b\n1,\0\n", 8, ',', &csv, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "line 2, column 2: a NUL byte"));
    assert_status(open_text("a b\n", ' ', &csv, &err), SHN_RANGE);
    assert_status(shn_csv_read("/no/such/table.csv", ',', &csv, &err), SHN_IO);
    assert_non_null(strstr(err.text, "/no/such/table.csv"));
}

static void test_limits(void **state)
{
    (void)state;
    shn_error err = { 0 };
    shn_csv  *csv;
    char *wide = malloc(SHN_CSV_COLUMNS_MAX + 2);
    memset(wide, ',', SHN_CSV_COLUMNS_MAX);                 /* one field more than commas */
    wide[SHN_CSV_COLUMNS_MAX] = '\0';
    assert_status(open_text(wide, ',', &csv, &err), SHN_RANGE);
    wide[SHN_CSV_COLUMNS_MAX - 1] = '\0';
    assert_ok(open_text(wide, ',', &csv, &err));
    assert_int_equal(shn_csv_columns(csv), SHN_CSV_COLUMNS_MAX);
    shn_csv_free(csv);
    free(wide);
    char *deep = malloc(SHN_CSV_FIELD_MAX + 4);
    memcpy(deep, "a\n", 2);
    memset(deep + 2, 'x', SHN_CSV_FIELD_MAX + 1);
    deep[SHN_CSV_FIELD_MAX + 3] = '\0';
    assert_status(open_text(deep, ',', &csv, &err), SHN_RANGE);
    assert_int_equal(err.reason, SHN_REASON_LIMIT);
    deep[SHN_CSV_FIELD_MAX + 2] = '\0';
    assert_ok(open_text(deep, ',', &csv, &err));
    assert_int_equal(strlen(shn_csv_cell(csv, 0, 0)), SHN_CSV_FIELD_MAX);
    shn_csv_free(csv);
    free(deep);
}

static void test_lookup_and_cell_errors(void **state)
{
    (void)state;
    shn_error err = { 0 };
    shn_csv  *csv;
    size_t    col = 99;
    assert_ok(open_text("id,age\np1,old\n", ',', &csv, &err));
    assert_ok(shn_csv_need(csv, "age", &col, &err));
    assert_int_equal(col, 1);
    assert_status(shn_csv_need(csv, "sex", &col, &err), SHN_FORMAT);
    assert_string_equal(err.text, "line 1: no column 'sex'; there are: id, age");
    assert_int_equal(shn_csv_fail(csv, 0, 1, &err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "'%s' is no number", "old"), SHN_FORMAT);
    assert_string_equal(err.text, "line 2, column 'age': 'old' is no number");
    shn_csv_free(csv);
}

static void test_mended_text(void **state)
{
    (void)state;
    static const struct { const char *text, *mended; } cases[] = {
        { "", "" }, { "AF 心房細動", "AF 心房細動" }, { "\xff", "�" }, { "a\xe9", "a�" }, { "\xe5\xbf" "b", "��b" }, { "\xed\xa0\x80", "���" }, { "\xc0\xaf", "��" },
    };
    char out[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(shn_utf8_mend(cases[i].text, strlen(cases[i].text), out, sizeof out), strlen(cases[i].mended));
        assert_string_equal(out, cases[i].mended);
    }
    assert_int_equal(shn_utf8_mend("心房", 6, out, 6), 3);              /* no room for the second: none of it */
    assert_string_equal(out, "心");
    assert_int_equal(shn_utf8_mend("\xff\xff", 2, out, 7), 6);         /* 3 n + 1 holds every text */
    assert_int_equal(shn_utf8_mend("心", 2, out, sizeof out), 6);       /* bytes beyond n are not looked at */
}

/** Yes and no as exports write them; what is neither is refused by its place. */
static void test_bits(void **state)
{
    (void)state;
    static const struct { const char *cell; int bit; } good[] = {
        { "1", 1 }, { "0", 0 }, { "", -1 }, { "-1", -1 }, { "TRUE", 1 }, { "false", 0 }, { "NaN", -1 }, { "1.0", 1 }, { "0.0", 0 }, { "-1.0", -1 }, { " 1\t", 1 }, { "  ", -1 },
    };
    static const char *const bad[] = { "2", "yes", "1x", "0.5", "t", "1 0", "true false", "0000000000000000000000001", "inf", "-" };
    shn_error err = { 0 };
    shn_csv  *csv;
    char      text[80];
    int       bit;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, "id,af\nr,%s\n", good[i].cell);
        assert_ok(open_text(text, ',', &csv, &err));
        assert_ok(shn_csv_bit(csv, 0, 1, &bit, &err));
        if (bit != good[i].bit) fail_msg("'%s' reads as %d", good[i].cell, bit);
        shn_csv_free(csv);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "id,af\nr,%s\n", bad[i]);
        assert_ok(open_text(text, ',', &csv, &err));
        assert_status(shn_csv_bit(csv, 0, 1, &bit, &err), SHN_FORMAT);
        assert_non_null(strstr(err.text, "line 2, column 'af'"));
        shn_csv_free(csv);
    }
}

static void test_round_trip_through_bytes(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        { "id", "a,b", "c\"d" }, { "x\ny", "x\r\ny", "" }, { " lead ", "\"", "心電図, 12誘導" }, { "\xef\xbb\xbf", "\"\"", ";\t" }, { "", "", "" },
    };
    shn_error err = { 0 };
    for (const char *s = ",;\t"; *s; s++) {
        char  *bytes[2];
        size_t n_bytes[2];
        for (int pass = 0; pass < 2; pass++) {
            FILE *f = open_memstream(&bytes[pass], &n_bytes[pass]);
            if (pass == 0)
                for (size_t i = 0; i < 5; i++) shn_csv_put_row(f, rows[i], 3, *s);
            else {
                shn_csv *csv;
                assert_ok(shn_csv_open((uint8_t *)bytes[0], n_bytes[0], *s, &csv, &err));
                assert_int_equal(shn_csv_rows(csv), 4);
                for (size_t i = 0; i < 5; i++) {
                    const char *cells[3];
                    for (size_t k = 0; k < 3; k++) {
                        cells[k] = i ? shn_csv_cell(csv, i - 1, k) : shn_csv_name(csv, k);
                        assert_string_equal(cells[k], rows[i][k]);
                    }
                    shn_csv_put_row(f, cells, 3, *s);
                }
                shn_csv_free(csv);
            }
            fclose(f);
        }
        assert_int_equal(n_bytes[0], n_bytes[1]);
        assert_memory_equal(bytes[0], bytes[1], n_bytes[0]);
        free(bytes[0]);
        free(bytes[1]);
    }
    char  *bytes;
    size_t n_bytes;
    FILE  *f = open_memstream(&bytes, &n_bytes);
    const char *one[] = { "" };
    shn_csv_put_row(f, one, 1, ',');
    fclose(f);
    assert_string_equal(bytes, "\"\"\n");
    free(bytes);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    shn_error err = { 0 };
    char text[4000] = "a,b,c\n";
    while (strlen(text) < 3900) strcat(text, "1,\"2\n\",3\n");
    long n = 1;
    for (;; n++) {
        shn_csv *csv = (shn_csv *)1;
        shn_alloc_fail_after(n);
        const shn_status st = open_text(text, ',', &csv, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            shn_csv_free(csv);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(csv);
        assert_true(n < 1000);
    }
    assert_true(n > 4);
}

static void test_must_fail_corpus_is_refused(void **state)
{
    (void)state;
    const char *folder = SHN_TESTS_DIR "/must_fail/csv";
    DIR *dir = opendir(folder);
    int  n = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char      path[4096];
        shn_error err = { 0 };
        shn_csv  *csv;
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        assert_status(shn_csv_read(path, ',', &csv, &err), SHN_FORMAT);
        if (!strstr(err.text, e->d_name) || !strstr(err.text, "line ")) fail_msg("'%s' lacks file or line", err.text);
        n++;
    }
    closedir(dir);
    assert_true(n >= 8);
}

static void test_real_tables_open(void **state)
{
    (void)state;
    static const struct { const char *name; size_t rows; const char *column; } tables[] = {
        { "ptbxl/labels.csv", 1510, "scp_codes" }, { "cinc2021/labels.csv", 231, "dx" }, { "ludb/labels.csv", 150, "diagnoses" },
        { "brugada_huca/metadata.csv", 279, "brugada" }, { "code15/labels.csv", 391, "chagas" },
        { "vocab/ptbxl_scp_statements.csv", 71, "description" },
    };
    const char *data = test_data();
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char      path[4200];
        shn_error err = { 0 };
        shn_csv  *csv;
        snprintf(path, sizeof path, "%s/%s", data, tables[i].name);
        assert_ok(shn_csv_read(path, ',', &csv, &err));
        assert_int_equal(shn_csv_rows(csv), tables[i].rows);
        assert_true(shn_csv_column(csv, tables[i].column) >= 0);
        shn_csv_free(csv);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_table),
        cmocka_unit_test(test_quotes_newlines_bom_and_separators),
        cmocka_unit_test(test_refusals_name_line_and_column),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_lookup_and_cell_errors),
        cmocka_unit_test(test_mended_text),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_round_trip_through_bytes),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_must_fail_corpus_is_refused),
        cmocka_unit_test(test_real_tables_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
