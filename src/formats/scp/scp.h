/**
 * SCP-ECG (EN 1064, ISO 11073-91064, AAMI EC71), versions 1.0 to 2.x as they are found in files, and 3.0 where it keeps their layout.
 * All integers little-endian; positions and samples of the file count from 1.
 *
 *   record     u16 CRC of all that follows, u32 length of the record, sections
 *   section    u16 CRC of the rest of the section, u16 number, u32 length with this header, u8 section version, u8 protocol version (13 is 1.3),
 *              6 reserved bytes ("SCPECG" in section 0 since 1.3), body. CRC: CCITT, x^16 + x^12 + x^5 + 1, start 0xFFFF, first bit highest
 *   0          pointers {u16 number, u32 length, u32 position from 1}, 10 bytes each; length 0: not there
 *   1          tags {u8 tag, u16 length, value}, ended by tag 255
 *   2          u16 tables, 19999: the standard's own; each u16 codes, codes {u8 prefix bits, u8 all bits, u8 mode (1 value, 0 switch), i16 base,
 *              u32 prefix with its first bit lowest}; not there: samples are i16
 *   3          u8 leads, u8 flags (bit 0 reference beat subtracted, bit 2 all leads at once), leads {u32 first, u32 last sample, u8 lead code}
 *   4          u16 ms of the reference beat, u16 its fiducial sample, u16 beats; beats {u16 type, u32 first, u32 fiducial, u32 last sample of the
 *              subtraction}; then, with bimodal compression, protected areas {u32 first, u32 last}, one for each beat
 *   5, 6       u16 nV per unit, u16 us per sample, u8 0 values, 1 first, 2 second differences, u8 bimodal (6 only), u16 bytes of each lead, leads
 *   7          u8 beats, u8 spikes, u16 RR, u16 PP (ms), beats {5 u16 ms, 3 i16 degrees}, spikes {u16, i16}, spikes {u8, u8, u16, u16},
 *              u16 complexes, u8 type of each, u16 ventricular rate, u16 atrial rate, u16 QTc, u8 formula, u16 length of tagged fields
 *   8          u8 confirmed, date and time (7 bytes), u8 statements, {u8 number, u16 length, text}
 *   10         u16 leads, u16 manufacturer's, {u16 lead code, u16 bytes, i16 values}
 *   11         as 8, statements {u8 number, u16 length, u8 type (1 codes, 2 text, 3 logic), fields}
 *
 * Sources  the layout is common knowledge of the readers named in docs/formats.md and was checked on the files of ../shared/data/formats/scp;
 *          value 29999 is "not computed", 29998 "rejected", 999 an axis that is not valid. What only fixtures show (custom tables, bimodal data)
 *          is marked where it is done.
 */
#ifndef SHN_FORMATS_SCP_H
#define SHN_FORMATS_SCP_H

#include "formats/reader.h"

enum {
    SCP_SECTIONS = 12,              /* 0 .. 11: what is understood */
    SCP_POINTERS_MAX = 256,
    SCP_HEADER = 16,                /* bytes before a section's body */
    SCP_TABLES_MAX = 32,            /* Huffman tables of a file */
    SCP_CODES_MAX = 1024,           /* codes of a table */
    SCP_DEFAULT_TABLE = 19999,
    SCP_DECIMATION_MAX = 16,        /* of bimodal compression; the standard has 4 */
    SCP_GAPS_MAX = 32,              /* samples of the record, gaps included, for each one that the file can hold */
    SCP_NOT_COMPUTED = 29998        /* this value and those above are no measurements */
};

typedef struct scp_section { const uint8_t *body; size_t n; int version, protocol; } scp_section;   /* body NULL: not there */

typedef struct scp_file {
    scp_section s[SCP_SECTIONS];
    size_t      n_record;           /* bytes, of those the file has */
    size_t      n_pointers;
    int         protocol;           /* of section 0; else of the recording device; 10 is 1.0 */
    int         has_scpecg;         /* section 0 carries the mark */
    int         has_later;          /* a section beyond 11 with content */
    unsigned    bad_crc;            /* bit k: section k; bit SCP_SECTIONS: the record */
} scp_file;

/** CRC-CCITT of n bytes as the format uses it. */
uint16_t scp_crc(const uint8_t *bytes, size_t n);

/**
 * Finds the sections and checks lengths and checksums; a wrong checksum is an error with verify, else a bit of bad_crc.
 * Errors  SHN_FORMAT  truncated, bad_header, checksum;   SHN_UNSUPPORTED  Healforce's dialect
 */
SHN_NODISCARD shn_status scp_open(const uint8_t *bytes, size_t n_bytes, int verify, scp_file *f, shn_error *err);

/* ---- section 2 ---- */

typedef struct scp_huffman scp_huffman;
/** @param s  section 2; without a body *out is NULL: samples are plain. Errors  SHN_FORMAT, SHN_RANGE (limit), SHN_NOMEM */
SHN_NODISCARD shn_status scp_huffman_new(const scp_section *s, scp_huffman **out, shn_error *err);
void scp_huffman_free(scp_huffman *h);
/**
 * Decodes up to n values; fewer where the bits end or are no code. Starts with the first table.
 * @param[out] used       how many bits were taken
 * @param[out] end_table  the table in use at the end, from 0
 */
size_t scp_huffman_decode(const scp_huffman *h, const uint8_t *bytes, size_t n_bytes, int16_t *out, size_t n, size_t *used, unsigned *end_table);

/* ---- section 1 ---- */

/** The next tag at *at; 0 at the end (tag 255, or no more bytes), -1 where a tag's length leaves the section. */
int scp_tag_next(const scp_section *s, size_t *at, int *tag, const uint8_t **value, size_t *n);
/** Value of the first such tag; NULL if absent. */
const uint8_t *scp_tag(const scp_section *s, int tag, size_t *n);
/** Text up to its NUL in the file's character set (tag 14), as UTF-8 without spaces around it; cut at size. */
void scp_text(const scp_file *f, const uint8_t *bytes, size_t n, char *out, size_t size);
/** Patient, date, device, filters. */
void scp_read_demographics(const scp_file *f, shn_record *rec);

/* ---- sections 3 to 6 ---- */

/** The canonical name of a lead code ("V1"; codes without a common name "SCP lead 73"). */
void scp_lead_name(unsigned code, char out[32]);
/** Errors  SHN_FORMAT, SHN_UNSUPPORTED, SHN_RANGE, SHN_NOMEM */
SHN_NODISCARD shn_status scp_read_rhythm(const scp_file *f, shn_record **out, shn_error *err);

/* ---- sections 7, 8, 10, 11 ---- */

/** Bytes of section 7 whose meaning is known; what follows is the manufacturer's. 0: the counts leave the section. */
size_t scp_global_known(const scp_file *f);
enum { SCP_LEAD_VALUES = 31 };          /* values of a lead in section 10 with a known meaning */
SHN_NODISCARD shn_status scp_read_measurements(const scp_file *f, shn_record *rec, shn_error *err);
SHN_NODISCARD shn_status scp_read_statements(const scp_file *f, shn_record *rec, shn_error *err);
/** The next statement {number, length, text} of section 8 or 11 at *at (9 for the first); 0 at the end or where it leaves the section. */
int scp_statement_next(const scp_section *s, size_t *at, unsigned *number, const uint8_t **text, size_t *n);

SHN_NODISCARD shn_status scp_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err);

extern const shn_reader shn_reader_scp;

#endif
