/**
 * MFER (ISO 22077-1, ISO/TS 11073-92001; .mwf): Japan's standard for medical waveforms. Byte layout:
 *
 *   file     definitions one after another: tag, length, value; ended by tag 80 or the end of the file; a byte 00 between them is padding
 *   tag      one byte; 3F (channel attributes) and other tags whose low five bits are 1 are followed by a number in groups of 7 bits
 *   length   0..7F itself; 81..84 that many big-endian bytes, whatever the byte order of values; 80 indefinite, ended by 00 00
 *   value    numbers in the byte order of tag 01 (0 big, the default; 1 little)
 *
 *   01 BLE byte order      02 VER version           03 TXC character set      04 BLK samples in a block (1)   05 CHN channels (1)
 *   06 SEQ sequences       07 PNT position          08 WFM kind of waveform   09 LDN lead code, text          0A DTP data type (0)
 *   0B IVL unit, exponent, mantissa (1 ms)          0C SEN unit, exponent, mantissa (none)                    0D OFF offset (0)
 *   0E CMP compression     11 FLT filter            12 NUL value of a gap     15 INF   16 NTE comment         17 MAN maker^model^version^serial
 *   1E WAV samples         3F ATT channel attributes                          40 PRE "MFR " and 28 characters 41 EVT code, start, duration, text
 *   42 VAL code, position, "number^unit"            43 SKW skew               67 SET a group of definitions   80 END
 *   81 PNM name            82 PID id^...            83 AGE years, days, birth 84 SEX 1 male 2 female          85 TIM year .. microseconds
 *   86 MSS message         87 UID                   88 MAP; classes of a tag: 00-3F basic, 40-7F extended, 80-BF supplementary, C0-FF private
 *
 *   samples  of a frame (one WAV): SEQ times, for each of the CHN channels, BLK samples; WAV ends a frame, definitions stay in force after it
 *   scale    value = (sample + OFF) * SEN, a sample equal to NUL is a gap
 *
 * A definition outside 3F is the channels' default; one inside 3F holds for its channel. CHN drops what was said of channels before.
 * Source  medical-storage.co.jp's commented MFER rules (lengths, defaults, levels); ISO 22077-1's tables of tags, units and codes as public readers
 *         state them; the sign of OFF from two independent readers (libbiosig run on a made file, ECGDataKit), for the standard's words ("offset
 *         of the zero value") leave it open. docs/formats.md says what was tried on a real file.
 */
#ifndef SHN_FORMATS_MFER_H
#define SHN_FORMATS_MFER_H

#include <stddef.h>
#include <stdint.h>

#include "formats/day.h"
#include "formats/reader.h"

extern const shn_reader shn_reader_mfer;

#define MFER_FRAMES_MAX      65536          /* WAV definitions of one file */
#define MFER_DEPTH_MAX       8              /* groups (67) and channels (3F) inside one another */
#define MFER_REMARKS_MAX     4096           /* events and comments kept as statements */
#define MFER_TEXT_MAX        512            /* bytes of one text that are looked at */

enum {
    MFER_ZRO = 0x00, MFER_BLE = 0x01, MFER_VER = 0x02, MFER_TXC = 0x03, MFER_BLK = 0x04, MFER_CHN = 0x05, MFER_SEQ = 0x06, MFER_PNT = 0x07,
    MFER_WFM = 0x08, MFER_LDN = 0x09, MFER_DTP = 0x0a, MFER_IVL = 0x0b, MFER_SEN = 0x0c, MFER_OFF = 0x0d, MFER_CMP = 0x0e, MFER_IPD = 0x0f,
    MFER_FLT = 0x11, MFER_NUL = 0x12, MFER_INF = 0x15, MFER_NTE = 0x16, MFER_MAN = 0x17, MFER_WAV = 0x1e, MFER_ATT = 0x3f, MFER_PRE = 0x40,
    MFER_EVT = 0x41, MFER_VAL = 0x42, MFER_SKW = 0x43, MFER_CND = 0x44, MFER_RPT = 0x45, MFER_SIG = 0x46, MFER_SET = 0x67, MFER_END = 0x80,
    MFER_PNM = 0x81, MFER_PID = 0x82, MFER_AGE = 0x83, MFER_SEX = 0x84, MFER_TIM = 0x85, MFER_MSS = 0x86, MFER_UID = 0x87, MFER_MAP = 0x88
};

/** Data types (0A). 9, the AHA difference code in 8 bits, is refused. */
enum { MFER_I16, MFER_U16, MFER_I32, MFER_U8, MFER_STATUS16, MFER_I8, MFER_U32, MFER_F32, MFER_F64, MFER_AHA8, MFER_TYPES };

enum { MFER_WFM_DOMINANT_BEAT = 9, MFER_WFM_EEG = 40, MFER_WFM_EEG_LAST = 43, MFER_LDN_STATUS = 4160 };

/* ---- tlv.c ---- */

/** One definition. `value` points into the file. */
typedef struct mfer_item {
    int            tag;
    uint32_t       channel;         /* of tag 3F, from 0; else 0 */
    const uint8_t *value;
    size_t         n;
    size_t         at;              /* byte of the tag, from the beginning of the file */
    const uint8_t *next;            /* first byte after it, its end mark included */
} mfer_item;

/** Where a walk stands. */
typedef struct mfer_cursor { const uint8_t *file, *at, *end; int depth; } mfer_cursor;

/**
 * The next definition. item->tag is MFER_END at the end of the content.
 * @param wave_bytes  length of the samples that the frame in force announces, for a WAV of indefinite length; 0: unknown
 * Errors  SHN_FORMAT (truncated, bad_header);  SHN_UNSUPPORTED an indefinite length where the end cannot be told
 */
shn_status mfer_next(mfer_cursor *c, uint64_t wave_bytes, mfer_item *item, shn_error *err);

/* ---- text.c ---- */

/** A character set by the name that 03 gives, as iconv knows it; "" where the name is not known. */
const char *mfer_charset(const uint8_t *name, size_t n);
/**
 * Bytes of a text in `charset` as UTF-8, cut whole at out's size, controls and blanks at its ends dropped. "" charset: UTF-8 if it is valid as that,
 * else Shift_JIS. Returns 1 where the set had to be guessed or bytes could not be read (they become '?').
 */
int mfer_text(const uint8_t *bytes, size_t n, const char *charset, char *out, size_t size);

/* ---- define.c ---- */

/** A value that is understood only when its channel's type is: its bytes and their order. */
typedef struct mfer_raw { uint8_t n, big, bytes[8]; } mfer_raw;
typedef struct mfer_scaled { uint8_t is, unit; int8_t exponent; int64_t mantissa; } mfer_scaled;

/** What holds for a channel, or in all of them. `has` is a bit for each tag below 32. */
typedef struct mfer_attributes {
    uint32_t    has;
    uint64_t    block, sequences;
    int         type, waveform, lead;
    char        lead_text[32];
    mfer_scaled interval, resolution;
    mfer_raw    offset, null;
} mfer_attributes;

typedef struct mfer_channel {
    mfer_attributes a;              /* own where given, else the file's */
    size_t  at, size;               /* first byte in a sequence of the first frame, bytes of a sample */
    double  fs_hz;                  /* as declared */
    double  mv_per_adu;             /* of a voltage; else of the channel's own unit */
    double  offset, null;           /* in steps */
    int     has_null, joins;        /* joins: it is a lead of the record */
    shn_unit_origin unit;
} mfer_channel;

/** One WAV that goes on with the record. block 0: blocks as in the first frame; else all channels have this one. */
typedef struct mfer_frame { const uint8_t *bytes; uint64_t block; size_t n_samples, first_sample; } mfer_frame;

typedef struct mfer_remark { const uint8_t *text; size_t n; const char *charset; int tag, code; int64_t start, duration; } mfer_remark;

/** What the file says of the recording, with the order and character set in force there. n 0: nothing. */
typedef struct mfer_field { const uint8_t *bytes; size_t n; const char *charset; int big; } mfer_field;

/** Who follows the walk: each definition after it came into force, and the groups and channels around them. An error ends the walk. */
typedef struct mfer_file mfer_file;
typedef struct mfer_visitor {
    void *context;
    shn_status (*item)(void *context, const mfer_file *f, const mfer_item *item, shn_error *err);
    shn_status (*enter)(void *context, const mfer_item *group, shn_error *err);
    shn_status (*leave)(void *context, const mfer_item *group, shn_error *err);
} mfer_visitor;

/** All that a file defines. The bytes are the file's. */
struct mfer_file {
    int             big;
    const char     *charset;                    /* "" not said, or not known */
    size_t          n_channels;                 /* of the frame to come */
    mfer_attributes common, own[SHN_LEADS_MAX];
    size_t          n_own;                      /* channels up to which anything was said */
    mfer_channel   *channels;                   /* [n_layout] of the first frame that is no dominant beat; NULL before it */
    size_t          n_layout, n_leads;          /* n_leads of them join the record */
    int             layout_big;
    size_t          sequence_bytes, block;      /* of the first frame, block of its leads */
    double          fs_hz;
    mfer_frame     *frames;
    size_t          n_frames, frames_capacity, n_samples, n_gap_samples;
    int64_t         position, first_position;   /* PNT of the frame to come (-1: none) and of the first */
    size_t          n_waves, n_beats, n_others, n_unfinished, n_surplus, n_overlaps;
    mfer_remark    *remarks;
    size_t          n_remarks, remarks_capacity, n_lost;
    mfer_field      preamble, patient, maker, age, sex, time;
    size_t          n_patients;                 /* different ids */
    size_t          n_other_channels;           /* attributes of channels that the file does not have */
    char            filters[96];
    int             waveform;                   /* kind of the first frame */
    size_t          end;                        /* bytes up to and with the end mark */
    const mfer_visitor *visitor;
};

/** Reads all definitions; *f is freed by mfer_file_free in any case. visitor may be NULL. Errors as shn_record_read. */
shn_status mfer_file_parse(const uint8_t *bytes, size_t n_bytes, const mfer_visitor *visitor, mfer_file *f, shn_error *err);
void mfer_file_free(mfer_file *f);
/** An unsigned or signed number of 1 to 8 bytes. */
uint64_t mfer_uint(const uint8_t *p, size_t n, int big);
int64_t  mfer_int(const uint8_t *p, size_t n, int big);
/* ---- frame.c ---- */

/** A WAV: goes on with the record, or is counted as one that does not. Errors  SHN_FORMAT, SHN_UNSUPPORTED, SHN_RANGE, SHN_NOMEM */
shn_status mfer_frame_add(mfer_file *f, const mfer_item *item, shn_error *err);
/** Bytes that a frame under the definitions in force has; 0 where SEQ is not said or they make no sense. */
uint64_t mfer_frame_bytes(const mfer_file *f);
size_t   mfer_type_size(int type);

/* ---- decode.c ---- */

/** Samples first .. first + n - 1 of a channel in the channel's unit, gaps NaN. frame: where to look first; kept by the caller, 0 to begin with. */
void mfer_decode(const mfer_file *f, const mfer_channel *channel, size_t first, size_t n, size_t *frame, float *out);

/* ---- leads.c ---- */

/** Name of a lead code (ECG kinds of waveform), static; NULL: not in the table. */
const char *mfer_lead_name(int code);
/** Name of a unit of 0C, static; "?" for one that the table lacks. Unit 0 is the volt. */
const char *mfer_unit_name(int unit);

/* ---- meta.c ---- */

/** Date and time of 85 as ISO 8601, as far as they go; "" if none or no date. */
void mfer_time_text(const mfer_field *time, char out[32]);
/** Year, month and day of a TIM (at = 0) or of the birth in AGE (at = 3). 0: not there, or no date. */
int mfer_date(const mfer_field *field, size_t at, shn_day *out);
/** Years from 83, by its age or from its birth date to the recording; NaN unknown. */
double mfer_age_years(const mfer_field *age, const mfer_field *time);
/** The patient's id out of 82: the confirmed one, else the examination's, else a provisional one. Returns mfer_text's doubt. */
int mfer_patient_id(const mfer_file *f, char *out, size_t size);
/** Everything beside the samples into the record. */
shn_status mfer_describe(const mfer_file *f, const shn_input *in, shn_record *rec, shn_error *err);

/* ---- deidentify.c ---- */

shn_status mfer_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err);

#endif
