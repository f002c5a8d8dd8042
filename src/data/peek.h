/**
 * What can be known of a record before its samples are read: the header of a WFDB record, without its signal files.
 */
#ifndef SHN_DATA_PEEK_H
#define SHN_DATA_PEEK_H

#include <stddef.h>

#include "shinden/record.h"

#define SHN_PEEK_LABELS_MAX 4096

typedef struct shn_peek {
    double          fs_hz;
    size_t          n_samples;
    shn_record_meta meta;
    char            labels[SHN_PEEK_LABELS_MAX];        /* joined by '\n' */
} shn_peek;

/** 1: path is (or has beside it) a WFDB header with rate and length; 0: not known, read the record itself. */
int shn_peek_header(const char *path, shn_peek *out);
/** The labels that a record carries, joined by '\n'; "Unknown" is none. What does not fit is left off. */
void shn_join_labels(const shn_record *rec, char *out, size_t size);

#endif
