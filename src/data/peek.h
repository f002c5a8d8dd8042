/**
 * What can be known of a record before its samples are read: enough of a WFDB header to lay a cohort out. The whole
 * truth comes later from the format's own reader; here a header that is not understood is simply "not known".
 */
#ifndef SHN_DATA_PEEK_H
#define SHN_DATA_PEEK_H

#include <stddef.h>

#define SHN_PEEK_LABELS_MAX 4096

typedef struct shn_peek {
    double fs_hz;
    size_t n_samples;
    float  age;                                 /* NaN unknown */
    char   sex;                                 /* 'M', 'F' or 0 */
    char   labels[SHN_PEEK_LABELS_MAX];         /* of "#Dx:", joined by '\n' */
} shn_peek;

/** 1: path is (or has beside it) a WFDB header with rate and length; 0: not known. */
int shn_peek_header(const char *path, shn_peek *out);
/** The same from the header's text, terminated. */
int shn_peek_text(const char *text, shn_peek *out);

#endif
