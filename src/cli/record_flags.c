#include "cli/record_flags.h"

#include <strings.h>

#include "cli/cli.h"

void record_flags_defaults(record_flags *flags)
{
    *flags = (record_flags){ .assume_mv_per_unit = 0 };
    shn_format_defaults(&flags->format);
}

double record_flags_unit(const char *verb, const char *value)
{
    static const struct { const char *name; double mv; } units[] = { { "nV", 1e-6 }, { "uV", 1e-3 }, { "mV", 1 }, { "V", 1e3 } };
    double mv = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(value, units[i].name) == 0) return units[i].mv;
    return cli_number(verb, "--assume-unit", value, 1e-9, 1e9, &mv) ? mv : 0;
}

int record_flags_take(record_flags *flags, const char *verb, int option, const char *value)
{
    switch (option) {
    case FLAG_RAW_UV:    flags->format.raw_microvolts = 1; return 1;
    case FLAG_MISSING:   flags->allow_missing_leads = 1; return 1;
    case FLAG_CHECKSUMS: flags->format.verify_checksums = 0; return 1;
    case FLAG_ASSUME:
        flags->assume_mv_per_unit = record_flags_unit(verb, value);
        return flags->assume_mv_per_unit > 0 ? 1 : -1;
    default:             return 0;
    }
}
