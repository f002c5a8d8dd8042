/**
 * WFDB annotations: marks on a recording with their time: beats, changes of rhythm, wave boundaries, notes. Reader of the MIT format, which
 * nearly all PhysioNet sets use, whatever the extension (.atr, .qrs, LUDB's .i ... .v6).
 *
 * Layout  16-bit little-endian words: the top 6 bits a code A, the low 10 bits a number I. A 1..49: an annotation of that code, I samples after the
 *         one before; A 0: no annotation, I samples pass; A = I = 0: the end. After an annotation, about it: NUM 60 and CHN 62 (number and
 *         channel, both stay for those that follow), SUB 61 (subtype), AUX 63 (I bytes of text, padded to even). Before one: SKIP 59 and two
 *         words, high word first, of a signed 32-bit number of samples. Notes at sample 0 that begin with "## " speak about the file:
 *         "time resolution: N" ticks per second, and definitions of codes.
 * Source  WFDB Applications Guide, annot(5) and ecgcodes.h; checked against wfdb-python (tests/oracle/wfdb_annotations.py).
 */
#ifndef SHINDEN_ANNOTATION_H
#define SHINDEN_ANNOTATION_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_ANNOTATION_FILE_MAX ((size_t)64 << 20)      /**< bytes of an annotation file */
#define SHN_ANNOTATION_CODES 50                         /**< codes are 1..49 */

/** The codes that programs ask for by name; shn_annotation_symbol knows all. */
enum {
    SHN_ANN_NORMAL = 1, SHN_ANN_LBBB = 2, SHN_ANN_RBBB = 3, SHN_ANN_PVC = 5, SHN_ANN_FUSION = 6, SHN_ANN_APC = 8, SHN_ANN_PACED = 12,
    SHN_ANN_UNCLASSIFIED = 13, SHN_ANN_NOISE = 14, SHN_ANN_NOTE = 22, SHN_ANN_P_WAVE = 24, SHN_ANN_T_WAVE = 27, SHN_ANN_RHYTHM = 28, SHN_ANN_U_WAVE = 29,
    SHN_ANN_LEARNING = 30, SHN_ANN_FLUTTER_WAVE = 31, SHN_ANN_VF_ON = 32, SHN_ANN_VF_OFF = 33, SHN_ANN_BLOCKED_P = 37, SHN_ANN_PACED_FUSION = 38,
    SHN_ANN_ONSET = 39, SHN_ANN_OFFSET = 40
};

typedef struct shn_annotation {
    int64_t     sample;         /**< of the record, from 0 */
    uint8_t     code;           /**< 1..49 */
    uint8_t     channel;        /**< signal that it is about; often 0 for all */
    int8_t      subtype, num;
    const char *aux;            /**< text to its first NUL, as the file has it (no stated encoding); "" if none. Borrowed from the set */
} shn_annotation;

typedef struct shn_annotations shn_annotations;

/**
 * Parses a file of annotations. Times are the file's own ticks. They come sorted by time; those of one time stay in file order.
 * @param[out] out  owned by the caller, shn_annotations_free()
 * Errors  SHN_FORMAT  truncated: no end mark, or a text that ends beyond the file; bad_value: codes and times out of range
 *         SHN_UNSUPPORTED  an AHA format file;   SHN_RANGE  larger than SHN_ANNOTATION_FILE_MAX;   SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_annotations_parse(const uint8_t *bytes, size_t n_bytes, shn_annotations **out, shn_error *err);
/**
 * The annotations of a record: the file beside it with that extension. Times are samples of the record as shn_record_read gives it: the file's
 * time resolution, where it states one, and the record's samples per frame are taken into account.
 * @param record     as for shn_record_read: the header, the name without extension, or a .dat/.mat beside the header
 * @param extension  "atr", "qrs", "v1": letters, digits, '_' and '-'
 * Errors  also SHN_IO; those of the header
 */
SHN_NODISCARD shn_status shn_annotations_read(const char *record, const char *extension, shn_annotations **out, shn_error *err);
void shn_annotations_free(shn_annotations *set);                        /**< accepts NULL */
size_t shn_annotations_count(const shn_annotations *set);
/** Borrowed, valid until the set is freed. i < count. */
const shn_annotation *shn_annotations_at(const shn_annotations *set, size_t i);
/** Ticks per second: what the file states, after shn_annotations_read the record's samples per second; 0: not known. */
double shn_annotations_rate_hz(const shn_annotations *set);

/** "N", "V", "+", "(" ... and "normal beat" ...; of codes that the file itself defines, its own words (set may be NULL). "" where undefined. */
const char *shn_annotation_symbol(const shn_annotations *set, unsigned code);
const char *shn_annotation_text(const shn_annotations *set, unsigned code);
/** 1 if the code marks a beat (a QRS complex), as WFDB's isqrs has it. */
int shn_annotation_is_beat(unsigned code);

/** Annotations with first <= sample < last: indices *begin .. *end - 1. */
void shn_annotations_range(const shn_annotations *set, int64_t first, int64_t last, size_t *begin, size_t *end);
/** Beats in [first, last): their number; counts [SHN_ANNOTATION_CODES] by code, overwritten, or NULL. */
size_t shn_annotations_beats(const shn_annotations *set, int64_t first, int64_t last, uint32_t *counts);

/** A rhythm that holds over samples first .. last - 1: "AFIB", "N", "B" (the aux text after its parenthesis; borrowed). */
typedef struct shn_rhythm { int64_t first, last; const char *name; } shn_rhythm;
/**
 * The rhythms inside [first, last), cut to it, in order. A rhythm holds from its change ('+' with a text that begins with "(") to the next;
 * before the first change it is not known and no span is given.
 * @param out, n_max  up to n_max spans are written; NULL with 0 to count
 * @return how many there are
 */
size_t shn_annotations_rhythms(const shn_annotations *set, int64_t first, int64_t last, shn_rhythm *out, size_t n_max);

/** A wave with its boundaries in samples; -1 where not marked. code: SHN_ANN_P_WAVE, SHN_ANN_T_WAVE, SHN_ANN_U_WAVE or a beat's. */
typedef struct shn_wave { uint8_t code; int64_t onset, peak, offset; } shn_wave;
/** The waves of one channel's marks "(" peak ")" in order (LUDB). Parameters and result as shn_annotations_rhythms. */
size_t shn_annotations_waves(const shn_annotations *set, shn_wave *out, size_t n_max);

#ifdef __cplusplus
}
#endif
#endif
