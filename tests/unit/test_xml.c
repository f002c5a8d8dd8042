/** The XML tree: text, attributes, paths; what is mended and what is refused; rewriting. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "formats/xml/xml.h"

static shn_error err;

static shn_xml *parse(const char *text)
{
    shn_xml *doc;
    assert_ok(shn_xml_parse((const uint8_t *)text, strlen(text), "test", &doc, NULL, &err));
    return doc;
}

static void expect_refusal(const void *bytes, size_t n, shn_status status, shn_reason reason, const char *words)
{
    shn_xml *doc = (shn_xml *)1;
    assert_status(shn_xml_parse(bytes, n, "test", &doc, NULL, &err), status);
    assert_null(doc);
    if (err.reason != reason || !strstr(err.text, words))
        fail_msg("reason %s, text '%s'; expected %s with '%s'", shn_reason_name(err.reason), err.text, shn_reason_name(reason), words);
}
static void refused(const char *text, shn_status status, shn_reason reason, const char *words) { expect_refusal(text, strlen(text), status, reason, words); }

static void tree(void **state)
{
    (void)state;
    shn_xml *doc = parse("<?xml version='1.0'?><!-- c --><n:a xmlns:n='urn:x' k=' v '><b>one</b><c/><b x='1'>t<i>w</i>o</b><u:b>three</u:b></n:a>");
    const shn_xml_node *root = shn_xml_root(doc), *b = shn_xml_child(root, "b");
    assert_string_equal(shn_xml_name(root), "a");
    assert_string_equal(shn_xml_attribute(root, "k"), " v ");
    assert_null(shn_xml_attribute(root, "nothing"));
    assert_string_equal(shn_xml_text(doc, b), "one");
    b = shn_xml_next(b, "b");
    assert_string_equal(shn_xml_text(doc, b), "two");
    assert_ptr_equal(shn_xml_text(doc, b), shn_xml_text(doc, b));
    assert_string_equal(shn_xml_attribute(b, "x"), "1");
    b = shn_xml_next(b, "b");
    assert_string_equal(shn_xml_text(doc, b), "three");     /* a prefix that nobody declared */
    assert_null(shn_xml_next(b, "b"));
    assert_string_equal(shn_xml_text(doc, shn_xml_find(root, "b/i")), "");      /* first children only */
    assert_string_equal(shn_xml_text(doc, root), "onetwothree");
    assert_string_equal(shn_xml_text(doc, NULL), "");
    size_t n = 0;
    for (const shn_xml_node *at = NULL; (at = shn_xml_descend(root, at, NULL)); n++);
    assert_int_equal(n, 5);
    assert_string_equal(shn_xml_text(doc, shn_xml_descend(root, NULL, "i")), "w");
    assert_null(shn_xml_descend(b, NULL, NULL));
    shn_xml_free(doc);
    shn_xml_free(NULL);
}

static void stray_characters(void **state)
{
    (void)state;
    static const char text[] = "<r a='x & y < z'><s>Smith & Son &amp; Co</s><t>QRS < 120 &lt; 200, a<5 &#65;&nbsp;</t><![CDATA[a & b <c]]><!-- & < --></r>";
    shn_xml *doc;
    size_t   mended;
    assert_ok(shn_xml_parse((const uint8_t *)text, sizeof text - 1, "test", &doc, &mended, &err));
    assert_int_equal(mended, 6);
    assert_string_equal(shn_xml_attribute(shn_xml_root(doc), "a"), "x & y < z");
    assert_string_equal(shn_xml_text(doc, shn_xml_child(shn_xml_root(doc), "s")), "Smith & Son & Co");
    assert_string_equal(shn_xml_text(doc, shn_xml_child(shn_xml_root(doc), "t")), "QRS < 120 < 200, a<5 A&nbsp;");
    assert_non_null(strstr(shn_xml_text(doc, shn_xml_root(doc)), "a & b <c"));
    shn_xml_free(doc);
    /* a bracket in the name of the DTD hides nothing */
    static const char named[] = "<!DOCTYPE a SYSTEM \"x[>.dtd\"><a>b & c</a>";
    assert_ok(shn_xml_parse((const uint8_t *)named, sizeof named - 1, "test", &doc, &mended, &err));
    assert_int_equal(mended, 1);
    shn_xml_free(doc);
    assert_ok(shn_xml_parse((const uint8_t *)"<a>&amp;</a>", 12, "test", &doc, &mended, &err));
    assert_int_equal(mended, 0);
    shn_xml_free(doc);
}

static void encodings(void **state)
{
    (void)state;
    shn_xml *doc = parse("<?xml version='1.0' encoding='ISO-8859-1'?><a>M\xfcller & S\xf6hne</a>");
    assert_string_equal(shn_xml_text(doc, shn_xml_root(doc)), "M\xc3\xbcller & S\xc3\xb6hne");
    shn_xml_free(doc);
    doc = parse("<?xml version='1.0' encoding='Shift_JIS'?><a>\x90\x53\x93\x64</a>");
    assert_string_equal(shn_xml_text(doc, shn_xml_root(doc)), "\xe5\xbf\x83\xe9\x9b\xbb");
    shn_xml_free(doc);
    doc = parse("\xef\xbb\xbf<a>\xe5\xbf\x83</a>");
    assert_string_equal(shn_xml_text(doc, shn_xml_root(doc)), "\xe5\xbf\x83");
    shn_xml_free(doc);
    /* UTF-16 of both orders, with and without mark, with a pair outside the basic plane and a stray '&' */
    static const uint16_t units[] = { 0xfeff, '<', '?', 'x', 'm', 'l', ' ', 'v', 'e', 'r', 's', 'i', 'o', 'n', '=', '"', '1', '.', '0', '"', ' ',
        'e', 'n', 'c', 'o', 'd', 'i', 'n', 'g', '=', '"', 'U', 'T', 'F', '-', '1', '6', '"', '?', '>', '<', 'a', '>', 0x5fc3, '&', 0xd83d, 0xde00, '<', '/', 'a', '>' };
    enum { N = sizeof units / sizeof *units };
    for (int variant = 0; variant < 4; variant++) {
        uint8_t      bytes[2 * N];
        const size_t skip_mark = variant & 2 ? 1 : 0;
        for (size_t i = skip_mark; i < N; i++) {
            bytes[2 * (i - skip_mark) + (variant & 1)] = (uint8_t)units[i];
            bytes[2 * (i - skip_mark) + !(variant & 1)] = (uint8_t)(units[i] >> 8);
        }
        size_t       mended;
        const size_t n = 2 * (N - skip_mark);
        assert_true(shn_xml_root_is(bytes, n, "a"));
        assert_ok(shn_xml_parse(bytes, n, "test", &doc, &mended, &err));
        assert_int_equal(mended, 1);
        assert_string_equal(shn_xml_text(doc, shn_xml_root(doc)), "\xe5\xbf\x83&\xf0\x9f\x98\x80");
        shn_xml_free(doc);
        bytes[n - 10] = bytes[n - 9] = 0x20;                    /* half of the pair is gone */
        expect_refusal(bytes, n, SHN_FORMAT, SHN_REASON_BAD_HEADER, "UTF-16");
    }
}

static void refusals(void **state)
{
    (void)state;
    refused("", SHN_FORMAT, SHN_REASON_TRUNCATED, "empty");
    refused("<a><b>x</b>\n<c>y", SHN_FORMAT, SHN_REASON_TRUNCATED, "line 2");
    refused("<a><b>x</b><c>y</c", SHN_FORMAT, SHN_REASON_TRUNCATED, "ends early");
    refused("<a><b>x</b>", SHN_FORMAT, SHN_REASON_TRUNCATED, "ends early");
    refused("<a><!-- x", SHN_FORMAT, SHN_REASON_TRUNCATED, "ends early");
    refused("<a>\n<b>x</c></a>", SHN_FORMAT, SHN_REASON_BAD_HEADER, "line 2");
    refused("<a k=v>x</a>", SHN_FORMAT, SHN_REASON_BAD_HEADER, "line 1");
    refused("<a>\xff\xfe</a>", SHN_FORMAT, SHN_REASON_BAD_HEADER, "line 1");
    refused("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", SHN_FORMAT, SHN_REASON_BAD_HEADER, "declarations");
    refused("<!DOCTYPE a [<!ENTITY % e SYSTEM 'file:///etc/passwd'> %e;]><a/>", SHN_FORMAT, SHN_REASON_BAD_HEADER, "declarations");
    refused("<!DOCTYPE a [<!ATTLIST a k CDATA 'v'>]><a/>", SHN_FORMAT, SHN_REASON_BAD_HEADER, "declarations");
    refused("<!DOCTYPE a [<!ELEMENT a ANY>]><a/>", SHN_FORMAT, SHN_REASON_BAD_HEADER, "declarations");
    refused("<!DOCTYPE a [<!NOTATION n SYSTEM 'x'>]><a/>", SHN_FORMAT, SHN_REASON_BAD_HEADER, "declarations");
    /* without declarations the DOCTYPE is only a name; its file is not fetched */
    shn_xml *doc = parse("<!DOCTYPE RestingECG SYSTEM \"restecg.dtd\"><RestingECG>&e;</RestingECG>");
    assert_string_equal(shn_xml_text(doc, shn_xml_root(doc)), "&e;");
    shn_xml_free(doc);

    static char deep[2 * 4 * (SHN_XML_DEPTH_MAX + 2)];
    for (int over = 0; over < 2; over++) {
        char *p = deep;
        for (int i = 0; i < SHN_XML_DEPTH_MAX + over; i++) p = stpcpy(p, "<a>");
        for (int i = 0; i < SHN_XML_DEPTH_MAX + over; i++) p = stpcpy(p, "</a>");
        if (over) refused(deep, SHN_RANGE, SHN_REASON_LIMIT, "deeper");
        else shn_xml_free(parse(deep));
    }
    expect_refusal("<a/>", SHN_XML_BYTES_MAX + 1, SHN_RANGE, SHN_REASON_LIMIT, "bytes of XML");
}

static void too_many_nodes(void **state)
{
    (void)state;
    const size_t n = SHN_XML_NODES_MAX + 8;
    char        *text = malloc(4 * n + 8), *p = text;
    p = stpcpy(p, "<a>");
    for (size_t i = 0; i < n; i++) p = stpcpy(p, "<b/>");
    stpcpy(p, "</a>");
    refused(text, SHN_RANGE, SHN_REASON_LIMIT, "more elements");
    free(text);
}

static void root_names(void **state)
{
    (void)state;
    static const struct { const char *text, *name; int is; } cases[] = {
        { "<RestingECG>", "RestingECG", 1 }, { "<RestingECGx>", "RestingECG", 0 }, { "<RestingEC>", "RestingECG", 0 }, { "<a/>", "a", 1 },
        { "\xef\xbb\xbf \n<?xml version='1.0'?>\n<!-- <b> --><!DOCTYPE a [ <!ENTITY x '>'> ]><?p <c>?><x:a y='1'>", "a", 1 },
        { "<!DOCTYPE a SYSTEM \"x[>.dtd\"><a>", "a", 1 }, { "<!DOCTYPE a SYSTEM 'x\">.dtd'><a>", "a", 1 }, { "<!DOCTYPE a SYSTEM 'x><a>", "a", 0 },
        { "text <a>", "a", 0 }, { "<!-- <a>", "a", 0 }, { "<", "a", 0 }, { "", "a", 0 }, { "<?xml", "a", 0 }, { "<a", "a", 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (shn_xml_root_is((const uint8_t *)cases[i].text, strlen(cases[i].text), cases[i].name) != cases[i].is) fail_msg("case %zu: %s", i, cases[i].text);
    assert_false(shn_xml_root_is(NULL, 0, "a"));
}

static void values(void **state)
{
    (void)state;
    assert_near(shn_xml_number(" 4.88 "), 4.88, 0);
    assert_near(shn_xml_number("-1,5e-3\n"), -1.5e-3, 0);
    static const char *const bad[] = { "", " ", "x", "1 2", "1,2,3", "0x10", "nan", "inf", "1e999", "4.88uV" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!isnan(shn_xml_number(bad[i]))) fail_msg("'%s' is a number", bad[i]);
    assert_true(isnan(shn_xml_number(NULL)));

    shn_xml *doc = parse("<a> \xc3\xa4\xc3\xb6 x </a>");
    char     out[8];
    assert_int_equal(shn_xml_copy(doc, shn_xml_root(doc), out, sizeof out), 1);
    assert_string_equal(out, "\xc3\xa4\xc3\xb6 x");
    assert_int_equal(shn_xml_copy(doc, shn_xml_root(doc), out, 4), 1);
    assert_string_equal(out, "\xc3\xa4");
    assert_int_equal(shn_xml_copy(doc, NULL, out, sizeof out), 0);
    assert_string_equal(out, "");
    shn_xml_free(doc);
}

static void base64(void **state)
{
    (void)state;
    static const struct { const char *text, *bytes; } good[] = { { "", "" }, { "Zg==", "f" }, { "Zm8=", "fo" }, { "Zm9v", "foo" }, { "Zm9vYg", "foob" },
        { " Zm9v\r\n\tYmFy ", "foobar" }, { "Z\nm9vY mE=", "fooba" }, { "Zm9vYmFyZm9vYmFy\nZm9vYmFy", "foobarfoobarfoobar" } };
    uint8_t *bytes;
    size_t   n;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_ok(shn_base64_decode(good[i].text, strlen(good[i].text), "test", &bytes, &n, &err));
        assert_int_equal(n, strlen(good[i].bytes));
        assert_memory_equal(bytes, good[i].bytes, n);
        free(bytes);
    }
    uint8_t all[256];
    assert_ok(shn_base64_decode("+/+/", 4, "test", &bytes, &n, &err));
    all[0] = 0xfb, all[1] = 0xff, all[2] = 0xbf;
    assert_memory_equal(bytes, all, 3);
    free(bytes);
    static const char *const bad[] = { "Zm9v*mFy", "Zm9vY", "Zm9v=", "Zg=", "Zg==Zg==", "Z\xc3\xa4==", "Zm9vYg===" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (shn_base64_decode(bad[i], strlen(bad[i]), "test", &bytes, &n, &err) == SHN_OK) fail_msg("'%s' was decoded", bad[i]);
        assert_null(bytes);
    }
    assert_status(shn_base64_decode("Zm9v*mFy", 8, "test", &bytes, &n, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "character 4"));
}

static void rewriting(void **state)
{
    (void)state;
    shn_xml *doc = parse("<!-- top --><?p x?><a k='v'><b>one<i>two</i></b><!-- in --><c>three</c><d/></a><!-- end -->");
    const shn_xml_node *root = shn_xml_root(doc), *b = shn_xml_child(root, "b"), *c = shn_xml_child(root, "c");
    const char *whole = shn_xml_text(doc, root), *old = shn_xml_text(doc, c);
    assert_string_equal(whole, "onetwothree");
    assert_ok(shn_xml_set_text(doc, b, "<&\">", &err));
    assert_ok(shn_xml_set_attribute(doc, root, "k", "a<'\"&", &err));
    assert_ok(shn_xml_set_attribute(doc, root, "new", "1", &err));
    assert_string_equal(shn_xml_text(doc, root), "<&\">three");
    shn_xml_remove(doc, c);
    assert_string_equal(old, "three");                          /* borrowed text outlives its node */
    assert_string_equal(whole, "onetwothree");
    assert_string_equal(shn_xml_text(doc, root), "<&\">");
    shn_xml_remove_comments(doc);
    shn_bytes out = { 0 };
    assert_ok(shn_xml_write(doc, &out, &err));
    shn_xml_free(doc);
    assert_ok(shn_bytes_add(&out, "", 1, &err));
    assert_null(strstr((char *)out.bytes, "top"));
    assert_null(strstr((char *)out.bytes, " in "));
    assert_null(strstr((char *)out.bytes, "end"));
    assert_null(strstr((char *)out.bytes, "three"));
    assert_null(strstr((char *)out.bytes, "<?p"));
    doc = parse((char *)out.bytes);
    assert_string_equal(shn_xml_text(doc, shn_xml_child(shn_xml_root(doc), "b")), "<&\">");
    assert_string_equal(shn_xml_attribute(shn_xml_root(doc), "k"), "a<'\"&");
    assert_string_equal(shn_xml_attribute(shn_xml_root(doc), "new"), "1");
    assert_non_null(shn_xml_child(shn_xml_root(doc), "d"));
    shn_xml_free(doc);
    shn_bytes_free(&out);
}

static void out_of_memory(void **state)
{
    (void)state;
    static const char text[] = "<a>x & y<b>z</b></a>";
    for (long n = 1;; n++) {
        shn_xml    *doc;
        shn_alloc_fail_after(n);
        shn_status  st = shn_xml_parse((const uint8_t *)text, sizeof text - 1, "test", &doc, NULL, &err);
        const char *words = st == SHN_OK ? shn_xml_text(doc, shn_xml_root(doc)) : NULL;
        shn_alloc_fail_after(0);
        shn_xml_free(doc);
        if (st == SHN_OK && words) {
            assert_true(n > 3);
            break;
        }
        if (st != SHN_OK) assert_int_equal(st, SHN_NOMEM);
        assert_true(n < 50);
    }
    uint8_t *bytes;
    size_t   k;
    shn_alloc_fail_after(1);
    assert_int_equal(shn_base64_decode("Zm9v", 4, "test", &bytes, &k, &err), SHN_NOMEM);
    shn_alloc_fail_after(0);
    assert_null(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree), cmocka_unit_test(stray_characters), cmocka_unit_test(encodings), cmocka_unit_test(refusals),
        cmocka_unit_test(too_many_nodes), cmocka_unit_test(root_names), cmocka_unit_test(values), cmocka_unit_test(base64),
        cmocka_unit_test(rewriting), cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
