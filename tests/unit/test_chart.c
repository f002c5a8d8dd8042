/** Charts: where things lie on the axes, gaps, text from outside, and that what is drawn is an XML document. */
#include "harness.h"

#include <libxml/parser.h>
#include <math.h>

#include "base/alloc.h"
#include "report/chart.h"
#include "report/chart_parts.h"

/** Well-formed, or the test fails with the parser's words. */
static void check_xml(const char *svg)
{
    xmlDoc *doc = xmlReadMemory(svg, (int)strlen(svg), "svg", NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc) fail_msg("not well-formed: %s", xmlGetLastError() ? xmlGetLastError()->message : "?");
    xmlFreeDoc(doc);
}

static char *draw(const shn_chart *c)
{
    shn_error err = { 0 };
    shn_html  page = { 0 };
    char     *svg;
    shn_svg_begin(&page, 500, 400, "T<&>");
    shn_chart_draw(&page, c, 0, 0, 500, 400 - SHN_SVG_FOOT);
    shn_svg_end(&page, 500, 400);
    assert_ok(shn_html_finish(&page, &svg, &err));
    check_xml(svg);
    return svg;
}

static void test_places(void **state)
{
    (void)state;
    const double     x[3] = { 0, 0.5, 1 }, y[3] = { 0, 0.25, 1 }, low[3] = { 0, 0.1, 0.9 }, high[3] = { 0.1, 0.4, 1 };
    const shn_series s = { .name = "a<b>&\"c\"", .x = x, .y = y, .low = low, .high = high, .n = 3, .mark = SHN_MARK_LINE };
    const shn_chart  c = { .title = "ROC <i>", .x_label = "x", .y_label = "y", .x_low = 0, .x_high = 1, .y_low = 0, .y_high = 1, .diagonal = 1, .series = &s, .n_series = 1 };
    char            *svg = draw(&c);
    /* plotting area: 62 to 484 wide; top 24 + 17 of the legend + 6; bottom 378 - 44 */
    assert_non_null(strstr(svg, "<rect x=\"62.0\" y=\"47.0\" width=\"422.0\" height=\"287.0\""));
    assert_non_null(strstr(svg, "M62.0 334.0L273.0 262.2L484.0 47.0"));         /* 0 at the bottom, 1 at the top */
    assert_non_null(strstr(svg, "fill-opacity"));
    assert_non_null(strstr(svg, "a&lt;b&gt;&amp;"));
    assert_null(strstr(svg, "<i>"));
    assert_non_null(strstr(svg, ">0.2</text>"));
    assert_non_null(strstr(svg, "Not a medical device"));
    free(svg);
}

static void test_gaps_steps_and_ranges(void **state)
{
    (void)state;
    const double     x[4] = { 1, 2, 4, 8 }, y[4] = { 10, NAN, 30, 20 }, none[1] = { NAN };
    const shn_series steps = { .x = x, .y = y, .n = 4, .mark = SHN_MARK_STEP }, points = { .x = x, .y = y, .n = 4, .mark = SHN_MARK_POINTS, .colour = -1 };
    shn_chart c = { .title = "T", .x_label = "x", .y_label = "y", .x_low = NAN, .x_high = NAN, .y_low = NAN, .y_high = NAN, .x_log = 1, .series = &steps, .n_series = 1 };
    char     *svg = draw(&c);
    size_t    moves = 0;
    for (const char *p = strstr(svg, "<path d=\"M"); p && *p != '/'; p++) moves += *p == 'M';
    assert_int_equal(moves, 2);                                     /* the gap ends the line */
    assert_non_null(strstr(svg, ">8</text>"));                      /* ticks of a logarithmic axis stand at the data */
    free(svg);
    c.series = &points;
    svg = draw(&c);
    size_t dots = 0;
    for (const char *p = svg; (p = strstr(p, "<circle")) != NULL; p++) dots++;
    assert_int_equal(dots, 3);
    free(svg);
    const shn_series nothing = { .x = none, .y = none, .n = 1 };
    c = (shn_chart){ .title = "T", .x_label = "x", .y_label = "y", .x_low = NAN, .x_high = NAN, .y_low = NAN, .y_high = NAN, .series = &nothing, .n_series = 1 };
    svg = draw(&c);                                                 /* nothing to show: axes, no nan */
    assert_null(strstr(svg, "nan"));
    free(svg);
    const double     one_x[1] = { 3 }, one_y[1] = { 0 };
    const shn_series one = { .x = one_x, .y = one_y, .n = 1, .mark = SHN_MARK_POINTS };
    c.series = &one;
    svg = draw(&c);
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(svg, "inf"));
    free(svg);
}

static void test_steps_of_ticks(void **state)
{
    (void)state;
    assert_near(shn_chart_step(1, 5), 0.2, 1e-12);
    assert_near(shn_chart_step(30, 5), 10, 1e-12);
    assert_near(shn_chart_step(0.11, 5), 0.025, 1e-12);
}

static void test_forest(void **state)
{
    (void)state;
    shn_error            err = { 0 };
    shn_html             page = { 0 };
    char                *svg;
    const shn_forest_row rows[2] = { { "atrial fibrillation", "心房細動", "21", 0 }, { "rare <thing>", NULL, "1", 1 } };
    const char *const    names[2] = { "a", "b" };
    const double         value[4] = { 0.75, NAN, 0.9, 0.5 }, low[4] = { 0.7, NAN, NAN, 0.4 }, high[4] = { 0.8, NAN, NAN, 0.6 };
    const shn_forest     f = { .title = "F", .x_label = "AUROC", .rows = rows, .n_rows = 2, .n_series = 2, .names = names, .value = value, .low = low, .high = high, .x_low = 0.5,
                               .x_high = 1, .mark = 0.6 };
    const double height = shn_forest_height(&f) + SHN_SVG_FOOT;
    shn_svg_begin(&page, 900, height, "F");
    shn_forest_draw(&page, &f, 0, 0, 900);
    shn_svg_end(&page, 900, height);
    assert_ok(shn_html_finish(&page, &svg, &err));
    check_xml(svg);
    size_t dots = 0;
    for (const char *p = svg; (p = strstr(p, "<circle")) != NULL; p++) dots++;
    assert_int_equal(dots, 3);                                      /* what is undefined is not drawn */
    assert_non_null(strstr(svg, "cx=\"673.0\""));                   /* 0.75: half way from 470 to 876 */
    assert_non_null(strstr(svg, "心房細動"));
    assert_non_null(strstr(svg, "rare &lt;thing&gt;"));
    assert_null(strstr(svg, "nan"));
    free(svg);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_places), cmocka_unit_test(test_gaps_steps_and_ranges), cmocka_unit_test(test_steps_of_ticks), cmocka_unit_test(test_forest) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
