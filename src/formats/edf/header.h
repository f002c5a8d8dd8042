/** The header of an EDF or BDF file as numbers and text, checked against the bytes that are there. */
#ifndef SHN_FORMATS_EDF_HEADER_H
#define SHN_FORMATS_EDF_HEADER_H

#include "formats/edf/edf.h"

typedef struct edf_signal {
    char     label[17], dimension[9], prefilter[81];
    char     name[32];                  /* the label, or the lead in it: "V1" of "ECG V1-Ref" */
    int      is_annotation, is_ecg;
    uint32_t per_record;                /* samples in a data record, >= 1 */
    size_t   offset;                    /* of its samples, in bytes from the start of the data record */
    double   gain, baseline;            /* digital steps per physical unit and digital value at 0; gain 0: no usable range */
    double   unit_mv;                   /* millivolts of the physical unit; 0: no voltage or none named */
} edf_signal;

typedef struct edf_header {
    int         width;                  /* bytes of a sample: 2 or 3 */
    int         is_plus, is_discontinuous;
    char        patient[81], recording[81], date[9], time[9];
    double      record_seconds;
    size_t      header_bytes, record_bytes, n_records;      /* n_records: whole ones that are there and announced */
    size_t      spare_bytes;            /* after the last data record */
    int         open_ended;             /* -1 data records were announced */
    size_t      n_signals, n_leads;     /* n_leads: those that are no annotations */
    edf_signal *signals;                /* [n_signals] */
} edf_header;

/** Errors  SHN_FORMAT (bad_header, truncated), SHN_RANGE (limit), SHN_NOMEM; edf_header_free in any case. */
SHN_NODISCARD shn_status edf_header_parse(const uint8_t *bytes, size_t n_bytes, edf_header *out, shn_error *err);
void edf_header_free(edf_header *h);

/** A field of text: trimmed of blanks and NUL; bytes that are not UTF-8 are taken as Latin-1. out has room for 2 * width + 1 bytes; returns its length. */
size_t edf_text(const uint8_t *field, size_t width, char *out);

#endif
