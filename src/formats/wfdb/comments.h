/** What people write into WFDB headers beside the signals: who, when, what was found. */
#ifndef SHN_FORMATS_WFDB_COMMENTS_H
#define SHN_FORMATS_WFDB_COMMENTS_H

#include "formats/wfdb/header.h"

/**
 * Fills meta (id, patient, acquired, age, sex, device, filters), labels and statements of rec from the header's record line and comments.
 *
 * Known forms  "Age: 63", "<age>: 63  <sex>: F", "age 71"; MIT-BIH's "69 M 1085 1629 x1"; "Dx: 59118001,164884008" (labels); "Patient ID:", "mrn";
 *              "diagnosis ...", "<diagnoses>:" with the list on that line or on the lines after it (LUDB; statements and labels); PTB's reasons and
 *              infarctions (statements); MIT-BIH's remarks after the line of drugs (one statement); "ECG date:" where the record line has none.
 * Errors SHN_NOMEM
 */
SHN_NODISCARD shn_status wfdb_apply_comments(const wfdb_header *h, shn_record *rec, shn_error *err);
/** Day, month, year of "09/11/1984" or "12-May-2020"; 0 if it is neither. */
int wfdb_parse_date(const char *s, int *day, int *month, int *year);

#endif
