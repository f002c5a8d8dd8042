/** Annotations of EDF+: the lists in a data record's annotation signals, one at a time; and what they say of when the data records begin. */
#ifndef SHN_FORMATS_EDF_TAL_H
#define SHN_FORMATS_EDF_TAL_H

#include "formats/edf/header.h"

/** One list: its texts are text[0 .. n_text - 1], each ended by 0x14; the first of a data record has an empty text. */
typedef struct edf_tal {
    double         onset, duration;     /* seconds; duration NaN: none */
    const uint8_t *text;
    size_t         n_text;
} edf_tal;

/** The list at *at of an annotation signal's n bytes, and *at past it. 1; 0 at the end; -1 what is there is no list (and *at is at the end). */
int edf_tal_next(const uint8_t *bytes, size_t n, size_t *at, edf_tal *out);
/** The next text of a list, not ended by NUL; 0 after the last. *at starts at 0. */
int edf_tal_text(const edf_tal *tal, size_t *at, const uint8_t **text, size_t *n);

/** When data records begin, in samples of the record that is made of the file. */
typedef struct edf_timeline {
    uint32_t  per_record;               /* samples of a data record */
    size_t    n_records, total;         /* total: samples with the gaps, without padding at the end */
    double    onset, fs_hz;             /* seconds of the first data record's own time; annotations count from there */
    uint64_t *start;                    /* [n_records] of EDF+D; NULL: data record i begins at i * per_record */
    size_t    n_gaps;                   /* between data records */
    double    off_grid_s;               /* most that a data record's time is away from a sample's */
    int       bad_lists;                /* what stands in an annotation signal is no list, somewhere */
} edf_timeline;

/** Errors  SHN_FORMAT (bad_header: a data record of EDF+D without time or before the end of the one before), SHN_RANGE (limit), SHN_NOMEM */
SHN_NODISCARD shn_status edf_timeline_make(const edf_header *h, const uint8_t *bytes, uint32_t per_record, edf_timeline *out, shn_error *err);
void edf_timeline_free(edf_timeline *t);
static inline uint64_t edf_record_start(const edf_timeline *t, size_t i) { return t->start ? t->start[i] : (uint64_t)i * t->per_record; }
/** The first data record that ends after the sample; n_records if none. */
size_t edf_record_after(const edf_timeline *t, uint64_t sample);

#endif
