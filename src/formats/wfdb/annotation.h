/** Inside of a set of annotations, shared by parser, file reader and queries. */
#ifndef SHN_FORMATS_WFDB_ANNOTATION_H
#define SHN_FORMATS_WFDB_ANNOTATION_H

#include "shinden/annotation.h"

/** Words that a file gives to a code of its own. */
typedef struct annotation_words { char symbol[16], text[80]; } annotation_words;

struct shn_annotations {
    shn_annotation   *items;            /* [n] by time */
    size_t            n, capacity;
    char             *texts;            /* all aux strings, each with its NUL */
    size_t            n_texts;
    double            rate_hz;
    annotation_words  own[SHN_ANNOTATION_CODES];
};

#endif
