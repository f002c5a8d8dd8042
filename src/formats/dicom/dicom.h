/**
 * DICOM waveforms (PS3.3 A.34, C.10.9): 12-lead, General and Ambulatory ECG, and what else keeps its samples in a Waveform Sequence. Byte layout:
 *
 *   file      128 bytes of preamble, "DICM", file meta elements (group 0002, always explicit VR little endian), data set.
 *             Also without preamble, and without meta elements ("header-less"): then the first element shows how the data set is coded
 *   element   explicit VR: group u16, element u16, VR 2 letters, length u16; OB OD OF OL OV OW SQ SV UC UN UR UT UV: 2 zero bytes, length u32
 *             implicit VR: group u16, element u16, length u32
 *   sequence  items (FFFE,E000) length u32; length FFFFFFFF: up to (FFFE,E00D) for an item, (FFFE,E0DD) for a sequence
 *             an UN element of undefined length is a sequence in implicit VR little endian (PS3.5 6.2.2)
 *   syntax    (0002,0010): 1.2.840.10008.1.2 implicit little endian, .1.2.1 explicit little, .1.2.2 explicit big, .1.2.1.99 deflated (refused)
 *
 *   (5400,0100) Waveform Sequence; an item is a multiplex group:
 *      (003A,0004) ORIGINAL or DERIVED   (003A,0005) channels US   (003A,0010) samples UL   (003A,001A) sampling frequency DS, Hz
 *      (003A,0020) label                 (0018,1068) time offset DS, ms
 *      (5400,1004) bits allocated US     (5400,1006) SB UB SS US SL UL (MB, AB: companded voice)   (5400,100A) padding value
 *      (5400,1010) samples, interleaved [samples][channels], in the byte order of the data set
 *      (003A,0200) Channel Definition Sequence, one item per channel:
 *         (003A,0208) source code   (003A,0203) label   (003A,0205) status   (003A,021A) bits stored US   (003A,0214, 0215) skew
 *         (003A,0210) sensitivity DS, (003A,0211) its unit (UCUM), (003A,0212) correction factor, (003A,0213) baseline in that unit
 *         (003A,0220, 0221, 0222) low, high and notch filter, Hz
 *   value = sample * sensitivity * correction + baseline      a sample equal to the padding value is a gap
 *
 *   (0040,B020) Waveform Annotation Sequence: texts, and concept code + number + unit (measurements)
 *
 * Source  DICOM PS3.3 (C.10.9 waveform module, C.10.10 annotation), PS3.5 (encoding, 6.1.2 character sets), PS3.6 (tags), PS3.10 (files),
 *         PS3.16 CID 3001 (leads: SCPECG 5.6.3-9-N and MDC 2:N share the numbers N of SCP-ECG's table of leads), PS3.15 E.1 (de-identification).
 */
#ifndef SHN_FORMATS_DICOM_DICOM_H
#define SHN_FORMATS_DICOM_DICOM_H

#include <stddef.h>
#include <stdint.h>

#include "formats/reader.h"

extern const shn_reader shn_reader_dicom;

#define DCM_DEPTH_MAX    16                     /* sequences inside sequences */
#define DCM_GROUPS_MAX   64                     /* multiplex groups that are looked at */
#define DCM_UNDEFINED    0xffffffffu
#define DCM_TEXT_MAX     1024                   /* bytes of one text that are looked at */
#define DCM_MEASURES_MAX 64                     /* measurements that are kept */
#define DCM_STATEMENTS_MAX 256

#define DCM_TAG(group, element) ((uint32_t)(group) << 16 | (uint32_t)(element))

enum {
    DCM_ITEM = (int)0xfffee000, DCM_ITEM_END = (int)0xfffee00d, DCM_SEQUENCE_END = (int)0xfffee0dd,
    DCM_TRANSFER_SYNTAX = 0x00020010, DCM_CHARSET = 0x00080005, DCM_SOP_CLASS = 0x00080016, DCM_SOP_INSTANCE = 0x00080018,
    DCM_STUDY_DATE = 0x00080020, DCM_ACQUISITION_DATE = 0x00080022, DCM_CONTENT_DATE = 0x00080023, DCM_ACQUISITION_DATETIME = 0x0008002a,
    DCM_STUDY_TIME = 0x00080030, DCM_ACQUISITION_TIME = 0x00080032, DCM_CONTENT_TIME = 0x00080033, DCM_MANUFACTURER = 0x00080070,
    DCM_MODEL = 0x00081090, DCM_CODE_VALUE = 0x00080100, DCM_CODE_SCHEME = 0x00080102, DCM_CODE_MEANING = 0x00080104,
    DCM_PATIENT_ID = 0x00100020, DCM_BIRTH_DATE = 0x00100030, DCM_SEX = 0x00100040, DCM_AGE = 0x00101010,
    DCM_DEIDENTIFIED = 0x00120062, DCM_DEID_METHOD = 0x00120063, DCM_TIME_OFFSET = 0x00181068,
    DCM_ORIGINALITY = 0x003a0004, DCM_N_CHANNELS = 0x003a0005, DCM_N_SAMPLES = 0x003a0010, DCM_FREQUENCY = 0x003a001a, DCM_GROUP_LABEL = 0x003a0020,
    DCM_CHANNELS = 0x003a0200, DCM_CHANNEL_LABEL = 0x003a0203, DCM_CHANNEL_STATUS = 0x003a0205, DCM_CHANNEL_SOURCE = 0x003a0208,
    DCM_SENSITIVITY = 0x003a0210, DCM_SENSITIVITY_UNITS = 0x003a0211, DCM_CORRECTION = 0x003a0212, DCM_BASELINE = 0x003a0213,
    DCM_TIME_SKEW = 0x003a0214, DCM_SAMPLE_SKEW = 0x003a0215, DCM_BITS_STORED = 0x003a021a, DCM_FILTER_LOW = 0x003a0220, DCM_FILTER_HIGH = 0x003a0221,
    DCM_FILTER_NOTCH = 0x003a0222, DCM_MEASURE_UNITS = 0x004008ea, DCM_CONCEPT_NAME = 0x0040a043, DCM_ANNOTATED_CHANNELS = 0x0040a0b0,
    DCM_CONCEPT_CODE = 0x0040a168, DCM_NUMERIC_VALUE = 0x0040a30a, DCM_ANNOTATIONS = 0x0040b020, DCM_TEXT = 0x00700006, DCM_WAVEFORMS = 0x54000100,
    DCM_BITS_ALLOCATED = 0x54001004, DCM_INTERPRETATION = 0x54001006, DCM_PADDING = 0x5400100a, DCM_DATA = 0x54001010
};

/* ---- parse.c: elements, without a copy and without a tree ---- */

/** A data set or an item of a sequence: elements one after another. `origin` is its first byte's place in the file, for messages. */
typedef struct dcm_set {
    const uint8_t *bytes;
    size_t         n, origin;
    int            implicit, big, depth;
} dcm_set;

typedef struct dcm_element {
    uint32_t       tag;
    char           vr[3];                       /* "" in implicit VR */
    const uint8_t *value;                       /* without the delimiter of an undefined length */
    size_t         n, at;                       /* at: place of the element in its set */
    int            undefined;                   /* the length was: it is a sequence */
} dcm_element;

/** A file taken apart: meta elements (n 0: none) and data set. */
typedef struct dcm_file {
    dcm_set meta, data;
    char    syntax[65];                         /* "" where none is named */
    int     preamble, contradicts;              /* contradicts: the data set is not coded as the syntax says; the data set is followed */
} dcm_file;

/** 1 if bytes begin as a DICOM file or as a bare data set. */
int dcm_recognises(const uint8_t *bytes, size_t n_bytes);
/** Errors  SHN_UNSUPPORTED deflated or an unknown syntax; SHN_FORMAT (truncated, bad_header) */
SHN_NODISCARD shn_status dcm_open(const uint8_t *bytes, size_t n_bytes, dcm_file *out, shn_error *err);
/** The element at *at (below set->n), and *at moved behind it. Errors  SHN_FORMAT (truncated, bad_header) with tag and byte */
SHN_NODISCARD shn_status dcm_next(const dcm_set *set, size_t *at, dcm_element *out, shn_error *err);
/** The next item of a sequence, from *at 0; item->bytes is NULL at the end. An element that is no sequence has no items. */
SHN_NODISCARD shn_status dcm_item(const dcm_set *set, const dcm_element *sequence, size_t *at, dcm_set *item, shn_error *err);
/** The element with this tag; out->value is NULL and n 0 if there is none. */
SHN_NODISCARD shn_status dcm_find(const dcm_set *set, uint32_t tag, dcm_element *out, shn_error *err);
/** The first item of the sequence with this tag; item->bytes is NULL if there is none. */
SHN_NODISCARD shn_status dcm_first_item(const dcm_set *set, uint32_t tag, dcm_set *item, shn_error *err);
/** Value as text without padding (NUL, spaces around), cut at size; not yet decoded. Returns its length. */
size_t dcm_ascii(const dcm_element *e, char *out, size_t size);
/** DS or IS; NaN where there is no number. Of several values the first. */
double dcm_decimal(const dcm_element *e);
/** US or UL (also SS, SL and text); NaN where there is none. */
double dcm_whole(const dcm_set *set, const dcm_element *e);

/* ---- text.c ---- */

/** The value of Specific Character Set, upper case; "" for none. */
typedef struct dcm_charset { char terms[4][20]; size_t n; } dcm_charset;
void dcm_charset_of(const dcm_element *e, dcm_charset *out);
/** Text of a set as UTF-8 without padding, cut at a whole character; what cannot be decoded becomes U+FFFD. */
void dcm_decode(const dcm_charset *charset, const uint8_t *text, size_t n, char *out, size_t size);

/* ---- channels.c ---- */

/** How one channel is to be read. */
typedef struct dcm_channel {
    char   name[32];
    int    lead;                                /* canonical index, or -1 */
    double scale, offset;                       /* value in mV (or in its own unit) = sample * scale + offset */
    shn_unit_origin unit;
    int    bits_stored;
    double low, high, notch;                    /* Hz, NaN unknown */
    char   remark[136];                         /* what is doubtful about it, "" nothing */
    shn_reason reason;
} dcm_channel;
SHN_NODISCARD shn_status dcm_channel_read(const dcm_set *item, const dcm_charset *charset, size_t index, int bits_allocated, dcm_channel *out, shn_error *err);

/* ---- samples.c ---- */

/** A multiplex group, its bytes proven to be there. */
typedef struct dcm_group {
    dcm_set        item;
    size_t         index, n_channels, n_samples;
    double         fs_hz, offset_ms;
    int            bits, is_signed, derived, averaged, n_leads;      /* n_leads: channels with a known lead name */
    char           label[64];
    const uint8_t *samples;
    int            swapped;                     /* 8 bits in words of a big-endian file */
    int            has_padding, zero_padding;   /* zero_padding: one of 0 is named, which is not followed */
    uint32_t       padding;
} dcm_group;
/** Errors  SHN_FORMAT (truncated, bad_header), SHN_UNSUPPORTED (companded), SHN_RANGE (limit) */
SHN_NODISCARD shn_status dcm_group_read(const dcm_set *item, size_t index, dcm_group *out, shn_error *err);
/** Samples first .. first + n - 1 of one channel. Errors  SHN_FORMAT  a sample needs more bits than are stored */
SHN_NODISCARD shn_status dcm_group_decode(const dcm_group *g, size_t channel, const dcm_channel *how, size_t first, size_t n, float *out, size_t *n_gaps, shn_error *err);

/* ---- annotate.c, deidentify.c ---- */

SHN_NODISCARD shn_status dcm_annotate(const dcm_set *data, const dcm_charset *charset, size_t group, shn_record *rec, shn_error *err);
SHN_NODISCARD shn_status dcm_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err);

#endif
