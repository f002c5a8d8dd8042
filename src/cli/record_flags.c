#include "cli/record_flags.h"

#include "cli/cli.h"

void record_flags_defaults(record_flags *flags)
{
    *flags = (record_flags){ .assume_mv_per_unit = 0 };
    shn_format_defaults(&flags->format);
}

int record_flags_take(record_flags *flags, const char *verb, int option, const char *value)
{
    switch (option) {
    case FLAG_RAW_UV:    flags->format.raw_microvolts = 1; return 1;
    case FLAG_MISSING:   flags->allow_missing_leads = 1; return 1;
    case FLAG_CHECKSUMS: flags->format.verify_checksums = 0; return 1;
    case FLAG_ASSUME:
        return cli_number(verb, "--assume-mv-per-unit", value, 1e-9, 1e9, &flags->assume_mv_per_unit) ? 1 : -1;
    default:             return 0;
    }
}
