#include "formats/day.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int shn_day_valid(const shn_day *d)
{
    static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (d->year < 1800 || d->year > 9999 || d->month < 1 || d->month > 12 || d->day < 1) return 0;
    const int leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);
    return d->day <= days[d->month - 1] + (d->month == 2 && leap);
}

double shn_day_age(const shn_day *birth, const shn_day *at)
{
    if (!shn_day_valid(birth) || !shn_day_valid(at)) return NAN;
    const int years = at->year - birth->year - (at->month < birth->month || (at->month == birth->month && at->day < birth->day));
    return years < 0 || years > 150 ? NAN : years;
}

double shn_day_age_text(const char *birth, const char *at)
{
    shn_day born, day;
    if (strspn(birth, "0123456789") < 8 || sscanf(birth, "%4d%2d%2d", &born.year, &born.month, &born.day) != 3 ||
        sscanf(at, "%4d-%2d-%2d", &day.year, &day.month, &day.day) != 3)
        return NAN;
    return shn_day_age(&born, &day);
}
