/** Flags that every verb which reads ECG files understands, and the list of files that its words mean. */
#ifndef SHN_CLI_RECORD_FLAGS_H
#define SHN_CLI_RECORD_FLAGS_H

#include <getopt.h>

#include "shinden/format.h"

typedef struct record_flags {
    shn_format_options format;
    double             assume_mv_per_unit;      /**< 0: a unit that the file does not state is refused */
    int                allow_missing_leads;
} record_flags;

enum { FLAG_RAW_UV = 1000, FLAG_ASSUME, FLAG_MISSING, FLAG_CHECKSUMS };

#define RECORD_LONG_OPTIONS                                          \
    { "raw-microvolts", no_argument, NULL, FLAG_RAW_UV },            \
    { "assume-unit", required_argument, NULL, FLAG_ASSUME },         \
    { "allow-missing-leads", no_argument, NULL, FLAG_MISSING },      \
    { "ignore-checksums", no_argument, NULL, FLAG_CHECKSUMS }

#define RECORD_HELP                                                                                                       \
    "  --allow-missing-leads    a lead that is neither there nor derivable is taken as a gap, and noted\n"                \
    "  --assume-unit U          where the file states no unit: nV, uV, mV, V, or the millivolts of one step\n"             \
    "  --raw-microvolts         WFDB: stored integers are microvolts, whatever the header's gain says (LUDB)\n"           \
    "  --ignore-checksums       a wrong checksum (WFDB, SCP, MUSE, ISHNE) is noted and not an error\n"

void record_flags_defaults(record_flags *flags);
/** Millivolts of "nV", "uV", "mV", "V" or of a number in (0, 1e9]; 0: neither, and the usage error was printed. */
double record_flags_unit(const char *verb, const char *value);
/** 1: the option was one of these and is taken; 0: it is not one of these; -1: its value is bad (already said). */
int record_flags_take(record_flags *flags, const char *verb, int option, const char *value);

#endif
