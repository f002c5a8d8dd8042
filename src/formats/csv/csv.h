/**
 * ECGs as CSV, in a layout that states what numbers alone cannot: sampling frequency, unit, and for stored integers gain and baseline. It is
 * the project's own layout (no outside source), made so that `convert` keeps integers exactly and a person can write a file by hand.
 *
 *     # shinden ecg csv 1                  the mark, optional: with it any column names are taken, without it see recognition
 *     # fs_hz: 500                         required; > 0, at most 1e6
 *     # unit: mV                           mV uV (or with the micro sign) nV V: voltages; adu: stored integers, see below;
 *                                          unknown: no unit is known; other: no voltage. No line: unknown
 *     # gain_adu_per_mv: 1000              of columns in adu, not 0; a column without is of unknown unit
 *     # baseline_adu: 0                    0 where it is not said; may be a fraction. mV = (adu - baseline) / gain
 *     # bits: 16                           of the stored integer, 8 12 16 24 32; kept, not used
 *     # unit_origin: declared              declared (if not said), default or assumed: how voltages came to their unit
 *     # id: 0001                           and: patient, acquired (ISO 8601), age (years), sex (M or F), device, filters;
 *     # statement: Sinus rhythm            may repeat, as
 *     # label: 426783006                   and
 *     # measurement: qrs_duration 98 ms    name, value, unit (may be absent)
 *     I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6
 *     -12,4,16,...                         one row per sample
 *
 *   '#' lines    only before the row of names. KEY: VALUE with blanks around both ignored, keys in lower case; a key that is not listed, or a
 *                line without ':', is a comment; fs_hz, unit, gain_adu_per_mv, baseline_adu, bits, unit_origin stand at most once
 *   per lead     unit, gain_adu_per_mv, baseline_adu, bits and unit_origin take one word for all leads; or as many words as there are leads,
 *                in the order of the columns; or LEAD=WORD for each lead (leads that are not named have the default). Words are separated by
 *                blanks; a writer uses the second form, because a lead's name may hold blanks
 *   names        one row of column names, as RFC 4180 (quoted where they hold the separator or quotes; a first name that begins with '#' is
 *                quoted, too). A first column named sample, time,
 *                time_s or time_ms is no lead; times in time_s and time_ms must agree with fs_hz (within a sample and a millisecond)
 *   separator    ',' ';' or tab: the one that is most frequent in the row of names outside quotes; a single column needs none
 *   cells        a number with a decimal point ("-12", "0.125", "1e-3"; integers in adu); empty or "nan" in any case: a gap. No thousands
 *                separators; a decimal comma (separator ';' or tab) needs the line "# decimal: comma"
 *   rows         all as long as the row of names; LF or CRLF; empty lines are skipped where there are two columns or more (with one column an
 *                empty line is a gap)
 *   text         UTF-8; a byte order mark is skipped; no NUL
 *
 * Writing so that integers come back: unit adu, samples as integers, gain and baseline with 17 significant digits, gaps as empty cells. For
 * leads without integer calibration: unit mV and 9 significant digits, which is exact for float.
 *
 * Recognition: the mark as the first line; or a line "# fs_hz:" or "# unit:" and at least one column that shn_lead_index knows; or, without any
 * such line, two columns or more and every one (but for a first one of sample or time) a lead that shn_lead_index knows. So a table of
 * labels is none, and a bare table of leads is one, which is then refused for its missing fs_hz with the line to add.
 */
#ifndef SHN_FORMATS_CSV_CSV_H
#define SHN_FORMATS_CSV_CSV_H

#include "formats/reader.h"

#define SHN_ECG_CSV_HEAD_MAX ((size_t)1 << 20)      /* bytes of the '#' lines and the row of names together */
#define SHN_ECG_CSV_LINE_MAX ((size_t)1 << 16)      /* bytes of one line */
#define SHN_ECG_CSV_MARK     "# shinden ecg csv 1"

extern const shn_reader shn_reader_csv;

#endif
