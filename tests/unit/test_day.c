/** formats/day: what is a day, and how old somebody was at it. */
#include "harness.h"

#include <math.h>

#include "formats/day.h"

static void test_days(void **state)
{
    (void)state;
    static const struct { shn_day day; int valid; } cases[] = {
        { { 2024, 2, 29 }, 1 }, { { 2023, 2, 29 }, 0 }, { { 2000, 2, 29 }, 1 }, { { 1900, 2, 29 }, 0 }, { { 1800, 1, 1 }, 1 }, { { 1799, 12, 31 }, 0 },
        { { 2024, 4, 31 }, 0 }, { { 2024, 12, 31 }, 1 }, { { 2024, 13, 1 }, 0 }, { { 2024, 0, 1 }, 0 }, { { 2024, 1, 0 }, 0 }, { { 9999, 12, 31 }, 1 }, { { 10000, 1, 1 }, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_int_equal(shn_day_valid(&cases[i].day), cases[i].valid);
}

static void test_ages(void **state)
{
    (void)state;
    static const struct { const char *birth, *at; double years; } cases[] = {        /* NAN: none */
        { "19611109", "2024-11-09", 63 }, { "19611109", "2024-11-08", 62 }, { "19611109", "2024-11-09T23:59:59", 63 }, { "196111091200", "2024-11-09", 63 },
        { "20240229", "2024-02-29", 0 }, { "18740101", "2024-12-31", 150 }, { "18730101", "2024-12-31", NAN }, { "20240302", "2024-03-01", NAN },
        { "19610230", "2024-11-09", NAN }, { "1961", "2024-11-09", NAN }, { "", "2024-11-09", NAN }, { "19611109", "", NAN }, { "19611109", "20241109", NAN },
        { "1961-11-09", "2024-11-09", NAN }, { "-9611109", "2024-11-09", NAN },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double years = shn_day_age_text(cases[i].birth, cases[i].at);
        if (isnan(cases[i].years) ? !isnan(years) : years != cases[i].years) fail_msg("born %s, at %s: %g", cases[i].birth, cases[i].at, years);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_days), cmocka_unit_test(test_ages) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
