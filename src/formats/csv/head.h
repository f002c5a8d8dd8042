/** The lines above the samples: what they say about the columns. Private to the folder. */
#ifndef SHN_FORMATS_CSV_HEAD_H
#define SHN_FORMATS_CSV_HEAD_H

#include "formats/csv/csv.h"

typedef struct csv_text { const char *at; size_t n; } csv_text;                 /* a piece of the file */
typedef struct csv_lines { const char *at, *end; size_t number; } csv_lines;    /* number of the line last given, from 1 */

/** Next line without its end; 0 at the end of the text. */
int csv_line(csv_lines *l, csv_text *line);
/** Splits "# KEY: VALUE"; 0 for a comment. */
int csv_key(csv_text line, csv_text *key, csv_text *value);
int csv_is(csv_text text, const char *word);

typedef enum csv_unit { CSV_UNKNOWN, CSV_MILLIVOLT, CSV_MICROVOLT, CSV_NANOVOLT, CSV_VOLT, CSV_ADU, CSV_OTHER } csv_unit;
typedef enum csv_first { CSV_FIRST_LEAD, CSV_FIRST_SKIPPED, CSV_FIRST_SECONDS, CSV_FIRST_MILLISECONDS } csv_first;

typedef struct csv_lead {
    char            name[32];
    csv_unit        unit;
    double          gain, baseline;         /* gain 0: not said */
    int             bits;
    shn_unit_origin origin;                 /* of a voltage */
} csv_lead;

typedef struct csv_head {
    double      fs_hz;                      /* 0: not said */
    char        separator, decimal;
    csv_first   first;                      /* what the first column is */
    size_t      n_leads, n_columns;
    csv_lead    leads[SHN_LEADS_MAX];
    csv_text    comments;                   /* all '#' lines */
    csv_text    body;                       /* the rows */
    size_t      body_line;                  /* number of the row of names */
} csv_head;

/** 1 if this is an ECG as csv.h says. Looks at no more than SHN_ECG_CSV_HEAD_MAX bytes. */
int csv_recognises(const uint8_t *bytes, size_t n_bytes);
/** Reads all but the rows. Errors  SHN_FORMAT (bad_header, naming the line), SHN_RANGE (limit) */
shn_status csv_head_parse(const uint8_t *bytes, size_t n_bytes, csv_head *head, shn_error *err);
/** Fills id, patient, age and the like, statements, labels and measurements from the '#' lines. */
shn_status csv_head_apply(const csv_head *head, shn_record *rec, shn_error *err);

#endif
