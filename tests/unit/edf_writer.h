/** EDF and BDF files made by hand, from the field table of the specification; shares no code with the reader or the product's writer. */
#ifndef SHN_TESTS_EDF_WRITER_H
#define SHN_TESTS_EDF_WRITER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** The fields as text, so that a test can put anything there. NULL: a usual value. */
typedef struct made_signal {
    const char *label, *transducer, *dimension, *pmin, *pmax, *dmin, *dmax, *prefilter, *reserved;
    int         n;                      /* samples in a data record */
    const int  *values;                 /* [n_records * n] */
    const char *const *lists;           /* [n_records] of an annotation signal: text with ~ for 0x14, ^ for 0x15, | for NUL */
} made_signal;

typedef struct made_edf {
    int         bdf;
    const char *patient, *recording, *date, *time, *reserved, *n_records_text, *seconds, *header_bytes, *n_signals_text;
    int         n_records, n_signals;
    made_signal signals[16];
} made_edf;

typedef struct made_file { uint8_t *bytes; size_t n; } made_file;

static inline void made_put(made_file *f, const char *text, size_t width)
{
    for (size_t i = 0, n = strlen(text); i < width; i++) f->bytes[f->n++] = (uint8_t)(i < n ? text[i] : ' ');
}

static inline const char *made_or(const char *text, const char *usual) { return text ? text : usual; }

static inline void made_samples(const made_edf *e, const made_signal *s, int record, made_file *f)
{
    const int width = e->bdf ? 3 : 2;
    if (s->lists) {
        const size_t room = (size_t)(s->n * width);
        const char  *text = s->lists[record];
        for (size_t i = 0, n = strlen(text); i < room; i++) {
            const char c = i < n ? text[i] : '|';
            f->bytes[f->n++] = (uint8_t)(c == '~' ? 0x14 : c == '^' ? 0x15 : c == '|' ? 0 : c);
        }
        return;
    }
    for (int i = 0; i < s->n; i++) {
        const uint32_t v = (uint32_t)(s->values ? s->values[record * s->n + i] : 0);
        for (int b = 0; b < width; b++) f->bytes[f->n++] = (uint8_t)(v >> 8 * b);
    }
}

/** The file's bytes; release with free(). */
static inline made_file made_bytes(const made_edf *e)
{
    size_t    per_record = 0;
    char      text[32];
    made_file f = { NULL, 0 };
    for (int i = 0; i < e->n_signals; i++) per_record += (size_t)e->signals[i].n * (e->bdf ? 3 : 2);
    f.bytes = malloc(256 + 256 * (size_t)e->n_signals + per_record * (size_t)e->n_records);
    if (!f.bytes) abort();
    if (e->bdf) made_put(&f, "\xff" "BIOSEMI", 8);
    else made_put(&f, "0", 8);
    made_put(&f, made_or(e->patient, "X X X X"), 80);
    made_put(&f, made_or(e->recording, "Startdate X X X X"), 80);
    made_put(&f, made_or(e->date, "01.01.85"), 8);
    made_put(&f, made_or(e->time, "00.00.00"), 8);
    snprintf(text, sizeof text, "%d", 256 * (e->n_signals + 1));
    made_put(&f, made_or(e->header_bytes, text), 8);
    made_put(&f, made_or(e->reserved, ""), 44);
    snprintf(text, sizeof text, "%d", e->n_records);
    made_put(&f, made_or(e->n_records_text, text), 8);
    made_put(&f, made_or(e->seconds, "1"), 8);
    snprintf(text, sizeof text, "%d", e->n_signals);
    made_put(&f, made_or(e->n_signals_text, text), 4);
#define EACH(width, expression) for (int i = 0; i < e->n_signals; i++) { const made_signal *s = &e->signals[i]; made_put(&f, (expression), width); }
    EACH(16, made_or(s->label, "ECG I"))
    EACH(80, made_or(s->transducer, ""))
    EACH(8, made_or(s->dimension, "uV"))
    EACH(8, made_or(s->pmin, "-32768"))
    EACH(8, made_or(s->pmax, "32767"))
    EACH(8, made_or(s->dmin, "-32768"))
    EACH(8, made_or(s->dmax, "32767"))
    EACH(80, made_or(s->prefilter, ""))
    EACH(8, (snprintf(text, sizeof text, "%d", s->n), text))
    EACH(32, made_or(s->reserved, ""))
#undef EACH
    for (int r = 0; r < e->n_records; r++)
        for (int i = 0; i < e->n_signals; i++) made_samples(e, &e->signals[i], r, &f);
    return f;
}

#endif
