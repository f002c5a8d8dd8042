/** The page is parsed by a strict tag counter and searched: what must be there, and what must never be. */
#include "harness.h"

#include <ctype.h>

#include "base/alloc.h"
#include "report/html.h"
#include "shinden/report.h"

static const char *const metric_keys[] = {
    "auroc_macro", "auroc_macro_10", "auprc_macro", "f1_micro_05", "f1_micro_tuned", "f1_micro_per_label", "f1_macro_tuned",
    "f1_sample_tuned", "jaccard_sample", "jaccard_micro", "top1", "top5", "top1_specific", "top5_specific", "ece_raw", "ece",
};
#define N_KEYS (sizeof metric_keys / sizeof *metric_keys)

/** An eval document; without one of its metrics, or with another word put in place of a piece of it. */
static char *document(const char *without, const char *piece, const char *instead)
{
    char  *text = calloc(1, 1 << 16), *at = text;
    at += sprintf(at, "{\"schema_version\": 1, \"research_use_only\": true, \"readout\": \"class\", \"fitted_on\": \"val, cross-fitted\", "
                      "\"n_records\": 187, \"n_patients\": 180, \"controls\": {\"label_frequency\": {\"auroc_macro\": 0.5, \"top1\": 0.4567}, "
                      "\"random_encoder\": {\"auroc_macro\": {\"value\": 0.6789, \"low\": 0.6, \"high\": 0.7}}}, \"metrics\": {");
    int first = 1;
    for (size_t i = 0; i < N_KEYS; i++) {
        if (without && strcmp(without, metric_keys[i]) == 0) continue;
        at += sprintf(at, "%s\"%s\": {\"value\": 0.%zu11, \"low\": 0.1, \"high\": 0.95}", first ? "" : ", ", metric_keys[i], 1 + i % 8);
        first = 0;
    }
    at += sprintf(at, "}, \"per_label\": ["
                      "{\"id\": \"rare\", \"codes\": [\"X1\"], \"name_en\": \"rare thing\", \"name_ja\": \"稀な所見\", \"n_pos\": 3, \"n_known\": 187, \"auroc\": null, "
                      "\"auprc\": null, \"threshold\": 0.5, \"sensitivity\": null, \"specificity\": 1, \"ppv\": null, \"npv\": 0.9, \"top1\": 0, \"top5\": 0}, "
                      "{\"id\": \"af\", \"codes\": [\"AFIB\", \"AF\"], \"name_en\": \"atrial fibrillation\", \"name_ja\": \"心房細動\", \"n_pos\": 21, \"n_known\": 187, "
                      "\"auroc\": 0.9375, \"auprc\": 0.8, \"threshold\": 0.25, \"sensitivity\": 0.9, \"specificity\": 0.91, \"ppv\": 0.5, \"npv\": 0.99, "
                      "\"top1\": 0.5, \"top5\": 1}]}");
    if (!piece) return text;
    char *found = strstr(text, piece), *other = calloc(1, 1 << 17);
    assert_non_null(found);
    sprintf(other, "%.*s%s%s", (int)(found - text), text, instead, found + strlen(piece));
    free(text);
    return other;
}

/** Fails unless every tag is closed in order, attributes are quoted, and & begins an entity. */
static void check_well_formed(const char *html)
{
    char   open[64][32];
    size_t depth = 0;
    const char *p = html;
    assert_int_equal(strncmp(p, "<!DOCTYPE html>", 15), 0);
    for (p += 15; *p; ) {
        if (*p == '&') {
            const char *end = strchr(p, ';');
            assert_true(end && end - p <= 7);
            p = end;
        }
        assert_true(*p != '>');
        if (*p != '<') {
            p++;
            continue;
        }
        const int closing = p[1] == '/';
        const char *name = p + 1 + closing;
        size_t n = 0;
        while (isalnum((unsigned char)name[n])) n++;
        assert_true(n > 0 && n < 31);
        const char *q = name + n;
        while (*q != '>' && *q != '/') {                 /* attributes: name="..." */
            assert_true(*q == ' ');
            q += strcspn(q, "=");
            assert_true(q[0] == '=' && q[1] == '"');
            q = strchr(q + 2, '"');
            assert_non_null(q);
            q++;
        }
        const int empty = *q == '/';
        q += empty;
        assert_true(*q == '>');
        if (closing) {
            assert_true(depth > 0 && strlen(open[depth - 1]) == n && strncmp(open[depth - 1], name, n) == 0);
            depth--;
        } else if (!empty) {
            assert_true(depth < 64);
            sprintf(open[depth++], "%.*s", (int)n, name);
        }
        p = q + 1;
    }
    assert_int_equal(depth, 0);
}

static void page_holds_what_it_must(void **state)
{
    (void)state;
    shn_error err = { .status = SHN_OK };
    char *a = document(NULL, NULL, NULL), *b = document(NULL, "\"readout\": \"class\"", "\"readout\": \"logit\""), *html;
    const shn_report_result  results[2] = { { "siglip-jaccard", a }, { "bce", b } };
    const shn_report_example example = { "record of the day", "<svg>abc</svg>", 14, "AF; LVH" };
    const shn_report_input   input = { .title = "A title", .data = "PTB-XL, CC BY 4.0", .results = results, .n_results = 2,
                                       .examples = &example, .n_examples = 1 };
    assert_ok(shn_report_html(&input, &html, &err));
    check_well_formed(html);
    static const char *const must[] = {
        "Research use only. Not a medical device", "医療機器ではありません", "A title", "PTB-XL, CC BY 4.0", "siglip-jaccard", ">bce<", "Small data",
        "187 records of 180 patients", "1 of 2 findings have fewer than 10", "心房細動", "atrial fibrillation", "AFIB, AF", "0.938", "0.457", "0.679",
        "0.600–0.700", "val, cross-fitted", "Control: label frequency", "record of the day", "AF; LVH", "data:image/svg+xml;base64,PHN2Zz5hYmM8L3N2Zz4=\"",
        "マクロ平均AUROC", "<tr class=\"few\"><th>rare thing",
    };
    for (size_t i = 0; i < sizeof must / sizeof *must; i++)
        if (!strstr(html, must[i])) fail_msg("the page lacks '%s'", must[i]);
    assert_null(strstr(html, "SIMULATED"));
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "http:"));
    assert_null(strstr(html, "https:"));
    assert_null(strstr(html, "nan"));
    assert_true(strstr(html, ">atrial fibrillation") < strstr(html, ">rare thing"));     /* most positives first */
    /* equal controls of two results are one column */
    const char *column = strstr(html, "Control: label frequency");
    assert_null(strstr(column + 1, "Control: label frequency"));
    free(html);
    free(a);
    free(b);
}

/** AUROC 0.9375 on an axis from 0.5 to 1 over 106 units from 2: 2 + 106 * 0.875 = 94.75. The interval of a metric likewise. */
static void bars_stand_where_the_numbers_say(void **state)
{
    (void)state;
    shn_error err = { .status = SHN_OK };
    char *a = document(NULL, NULL, NULL), *html;
    const shn_report_result result = { "x", a };
    const shn_report_input  input = { .title = "t", .data = "d", .results = &result, .n_results = 1 };
    assert_ok(shn_report_html(&input, &html, &err));
    assert_non_null(strstr(html, "cx=\"94.75\""));
    assert_non_null(strstr(html, "<line class=\"interval\" x1=\"12.60\" y1=\"7\" x2=\"102.70\" y2=\"7\"/>"));       /* 0.1 to 0.95 on 0..1 */
    free(html);
    free(a);
}

static void simulated_is_said_loudly(void **state)
{
    (void)state;
    shn_error err = { .status = SHN_OK };
    char *html;
    const shn_report_input input = { .title = "t", .data = "d", .simulated = 1 };
    assert_ok(shn_report_html(&input, &html, &err));
    check_well_formed(html);
    assert_non_null(strstr(html, "SIMULATED"));
    assert_non_null(strstr(html, "模擬データ"));
    free(html);
}

/** Markup in every place that takes text from outside stays text. */
static void everything_is_escaped(void **state)
{
    (void)state;
    static const char evil[] = "</title></td><script>alert('1')</script>\" onload=\"x & y";
    shn_error err = { .status = SHN_OK };
    char     *html, word[512];
    snprintf(word, sizeof word, "\"%s\"", "</title></td><script>alert('1')</script>\\\" onload=\\\"x & y");
    static const char *const pieces[] = { "\"class\"", "\"val, cross-fitted\"", "\"atrial fibrillation\"", "\"心房細動\"", "\"AFIB\"",
                                          "\"label_frequency\"", "\"af\"" };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        char *a = document(NULL, pieces[i], word);
        const shn_report_result  result = { evil, a };
        const shn_report_example example = { evil, evil, sizeof evil - 1, evil };
        const shn_report_input   input = { .title = evil, .data = evil, .results = &result, .n_results = 1, .examples = &example, .n_examples = 1 };
        assert_ok(shn_report_html(&input, &html, &err));
        check_well_formed(html);
        assert_null(strstr(html, "<script"));
        assert_null(strstr(html, "onload=\"x"));
        assert_non_null(strstr(html, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; onload=&quot;x &amp; y"));
        free(html);
        free(a);
    }
}

static void bytes_are_made_valid(void **state)
{
    (void)state;
    shn_error err = { .status = SHN_OK };
    shn_html  page = { .text = NULL };
    char     *text;
    shn_html_text(&page, "a\xff" "b\x01" "c\xe5\xbf\x83\xe5\xbf");      /* a stray byte, a control byte, a cut character */
    assert_ok(shn_html_finish(&page, &text, &err));
    assert_string_equal(text, "a\xef\xbf\xbd" "b\xef\xbf\xbd" "c\xe5\xbf\x83\xef\xbf\xbd\xef\xbf\xbd");
    free(text);
    static const char *const plain[] = { "", "f", "fo", "foo", "foob", "fooba", "foobar" };
    static const char *const coded[] = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };    /* RFC 4648, 10 */
    for (size_t i = 0; i < 7; i++) {
        shn_html_base64(&page, plain[i], strlen(plain[i]));
        assert_ok(shn_html_finish(&page, &text, &err));
        assert_string_equal(text, coded[i]);
        free(text);
    }
}

static void refused(const char *json, const char *key)
{
    shn_error err = { .status = SHN_OK };
    char     *html = (char *)1;
    const shn_report_result result = { "run 7", json };
    const shn_report_input  input = { .title = "t", .data = "d", .results = &result, .n_results = 1 };
    assert_status(shn_report_html(&input, &html, &err), SHN_FORMAT);
    assert_null(html);
    if (!strstr(err.text, key) || !strstr(err.text, "run 7")) fail_msg("'%s' does not name '%s'", err.text, key);
}

/** Each key of the contract in turn: missing, and of another kind. */
static void missing_keys_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KEYS; i++) {
        char *a = document(metric_keys[i], NULL, NULL), key[64];
        snprintf(key, sizeof key, "metrics.%s'", metric_keys[i]);
        refused(a, key);
        free(a);
    }
    static const struct { const char *piece, *instead, *key; } changes[] = {
        { "\"schema_version\": 1", "\"x\": 1", "schema_version" },     { "\"schema_version\": 1", "\"schema_version\": 2", "schema_version 2" },
        { "\"schema_version\": 1", "\"schema_version\": \"1\"", "schema_version" }, { "\"metrics\": {", "\"metrics_\": {", "'metrics'" },
        { "\"per_label\": [", "\"labels\": [", "per_label" },          { "\"controls\": {", "\"control\": {", "controls" },
        { "\"readout\"", "\"r\"", "readout" },                         { "\"fitted_on\"", "\"f\"", "fitted_on" },
        { "\"n_records\": 187", "\"n_records\": \"many\"", "n_records" }, { "\"n_patients\"", "\"n\"", "n_patients" },
        { "\"name_ja\": \"心房細動\", ", "", "per_label[1].name_ja" }, { "\"auroc\": 0.9375, ", "", "per_label[1].auroc" },
        { "\"n_pos\": 3, ", "", "per_label[0].n_pos" },                { "\"value\": 0.111, ", "", "metrics.auroc_macro'" },
        { "{\"schema_version\"", "[{\"schema_version\"", "not JSON" },  { "\"readout\": \"class\"", "\"readout\": \"class\", \"readout\": \"class\"", "not JSON" },
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *a = document(NULL, changes[i].piece, changes[i].instead);
        refused(a, changes[i].key);
        free(a);
    }
    refused("", "line");
    refused("[]", "run 7");
    refused("{\"schema_version\": 1}", "metrics");
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    shn_error err = { .status = SHN_OK };
    char *a = document(NULL, NULL, NULL);
    const shn_report_result  results[2] = { { "a", a }, { "b", a } };
    const shn_report_example example = { "c", "<svg/>", 6, NULL };
    const shn_report_input   input = { .title = "t", .data = "d", .results = results, .n_results = 2, .examples = &example, .n_examples = 1 };
    long n = 1;
    for (;; n++) {
        char *html = (char *)1;
        shn_alloc_fail_after(n);
        const shn_status st = shn_report_html(&input, &html, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            free(html);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
        assert_null(html);
        assert_true(n < 200);
    }
    assert_true(n > 4);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_holds_what_it_must),
        cmocka_unit_test(bars_stand_where_the_numbers_say),
        cmocka_unit_test(simulated_is_said_loudly),
        cmocka_unit_test(everything_is_escaped),
        cmocka_unit_test(bytes_are_made_valid),
        cmocka_unit_test(missing_keys_are_named),
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
