/** Who and when: the patient, recording, date and time fields of an EDF header. */
#ifndef SHN_FORMATS_EDF_IDENTITY_H
#define SHN_FORMATS_EDF_IDENTITY_H

#include "formats/day.h"
#include "formats/edf/header.h"

/* dates: shn_day, year 0: unknown */

/** The parts of the patient field; where it does not follow EDF+, id is all of it. */
typedef struct edf_patient {
    int      follows;                   /* 1: code, sex and birth date stand as EDF+ has them */
    char     id[81], name[81];          /* "" unknown */
    char     sex;                       /* 'M', 'F' or 0 */
    shn_day  birth;
    double   age_years;                 /* of "Age_63"; NaN */
} edf_patient;

typedef struct edf_recording {
    int      follows;                   /* 1: begins with "Startdate" and a date or X */
    shn_day  start;
    char     code[81], technician[81], equipment[81];
} edf_recording;

void edf_patient_parse(const edf_header *h, edf_patient *out);
void edf_recording_parse(const edf_header *h, edf_recording *out);
/** "dd-MMM-yyyy" in capitals, for the header; out has 12 bytes. */
void edf_date_text(shn_day d, char out[12]);
/** Date and time of the start; the recording field's year counts. disagree: the two fields name different days. 0: no date known. */
int edf_start(const edf_header *h, const edf_recording *r, shn_day *date, int time[3], int *disagree);
/** Fills the record's meta but format and filters. file_name stands in for an id. */
void edf_identity_apply(const edf_header *h, const char *file_name, shn_record *rec);

#endif
