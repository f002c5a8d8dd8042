/** The record and its sections: lengths, pointers, checksums. */
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "formats/scp/scp.h"

typedef struct crc_tables { uint16_t t[8][256]; } crc_tables;

/** t[k][b]: what byte b does to the remainder when k more bytes follow it; eight bytes then cost eight look-ups that do not wait for one another. */
static void crc_tables_fill(crc_tables *c)
{
    for (unsigned b = 0; b < 256; b++) {
        unsigned v = b << 8;
        for (int i = 0; i < 8; i++) v = v & 0x8000 ? v << 1 ^ 0x1021 : v << 1;
        c->t[0][b] = (uint16_t)v;
    }
    for (int k = 1; k < 8; k++)
        for (unsigned b = 0; b < 256; b++) c->t[k][b] = (uint16_t)(c->t[k - 1][b] << 8 ^ c->t[0][c->t[k - 1][b] >> 8]);
}

static uint16_t crc_of(const crc_tables *c, const uint8_t *p, size_t n)
{
    unsigned v = 0xFFFF;
    for (; n >= 8; n -= 8, p += 8) {
        v ^= read_u16be(p);
        v = c->t[7][v >> 8] ^ c->t[6][v & 255] ^ c->t[5][p[2]] ^ c->t[4][p[3]] ^ c->t[3][p[4]] ^ c->t[2][p[5]] ^ c->t[1][p[6]] ^ c->t[0][p[7]];
    }
    for (; n; n--, p++) v = (v << 8 & 0xFFFF) ^ c->t[0][v >> 8 ^ *p];
    return (uint16_t)v;
}

uint16_t scp_crc(const uint8_t *bytes, size_t n)
{
    crc_tables c;
    crc_tables_fill(&c);
    return crc_of(&c, bytes, n);
}

static shn_status check_crc(const crc_tables *c, const uint8_t *bytes, size_t n, int verify, unsigned bit, scp_file *f, shn_error *err)
{
    const unsigned said = read_u16le(bytes), is = crc_of(c, bytes + 2, n - 2);
    if (said == is) return SHN_OK;
    f->bad_crc |= 1u << bit;
    if (!verify) return SHN_OK;
    if (bit == SCP_SECTIONS)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_CHECKSUM, "scp.record", "checksum 0x%04x, the bytes give 0x%04x: damaged; get the file again", said, is);
    return shn_fail(err, SHN_FORMAT, SHN_REASON_CHECKSUM, "scp.section", "section %u: checksum 0x%04x, the bytes give 0x%04x: damaged; get the file again", bit, said, is);
}

/**
 * Healforce's files look like SCP-ECG at first sight, but count positions from 0, swap the halves of the record's length, store dates big-endian,
 * interleave the leads in 10 bits and name no gain: there is no unit to be had from them.
 */
static int is_healforce(const uint8_t *b, size_t n_bytes)
{
    const uint32_t swapped = (uint32_t)read_u16le(b + 2) << 16 | read_u16le(b + 4);
    return read_u32le(b + 28) == 6 && swapped <= n_bytes && swapped >= 6u + SCP_HEADER;
}

static shn_status add_section(const crc_tables *c, const uint8_t *bytes, unsigned number, size_t n, size_t position, int verify, scp_file *f, shn_error *err)
{
    if (n < SCP_HEADER || position < 7 || position - 1 > f->n_record || n > f->n_record - (position - 1))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "section %u: %zu bytes from byte %zu of a record of %zu", number, n, position, f->n_record);
    const uint8_t *s = bytes + position - 1;
    if (read_u16le(s + 2) != number)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "section %u: at byte %zu is section %u", number, position, read_u16le(s + 2));
    if (read_u32le(s + 4) != n)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "section %u: %zu bytes, its own header says %u", number, n, read_u32le(s + 4));
    if (number >= SCP_SECTIONS) {
        f->has_later = 1;
        return SHN_OK;
    }
    if (f->s[number].body) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "section %u: named twice", number);
    f->s[number] = (scp_section){ s + SCP_HEADER, n - SCP_HEADER, s[8], s[9] };
    return check_crc(c, s, n, verify, number, f, err);
}

/** Version 1.0 left the protocol version of section 0 empty; the recording device's tag has it too. */
static int protocol_of(const scp_file *f)
{
    size_t         n;
    const uint8_t *device = scp_tag(&f->s[1], 14, &n);
    const int      own = f->s[0].protocol;
    return own ? own : device && n > 14 ? device[14] : 0;
}

shn_status scp_open(const uint8_t *bytes, size_t n_bytes, int verify, scp_file *f, shn_error *err)
{
    crc_tables c;
    memset(f, 0, sizeof *f);
    if (n_bytes < 6 + SCP_HEADER + 10)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "scp.record", "%zu bytes; the table of sections alone needs more", n_bytes);
    if (is_healforce(bytes, n_bytes))
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "scp.record",
                        "positions count from 0 and the record's length has its halves swapped: Healforce's dialect, which names no gain and is not SCP-ECG; "
                        "export the recording in another format");
    f->n_record = read_u32le(bytes + 2);
    const size_t n_first = read_u32le(bytes + 10);
    if (f->n_record > n_bytes)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "scp.record", "%zu bytes of %zu; get the file again", n_bytes, f->n_record);
    if (f->n_record < 6 + SCP_HEADER + 10 || n_first < SCP_HEADER + 10 || n_first > f->n_record - 6)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.record", "a record of %zu bytes whose section 0 has %zu", f->n_record, n_first);
    crc_tables_fill(&c);
    shn_status st = check_crc(&c, bytes, f->n_record, verify, SCP_SECTIONS, f, err);
    f->n_pointers = (n_first - SCP_HEADER) / 10;
    f->has_scpecg = memcmp(bytes + 6 + 10, "SCPECG", 6) == 0;
    if (st == SHN_OK && f->n_pointers > SCP_POINTERS_MAX)
        st = shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "scp.section 0", "%zu sections, at most %d", f->n_pointers, SCP_POINTERS_MAX);
    for (size_t i = 0; i < f->n_pointers && st == SHN_OK; i++) {
        const uint8_t *p = bytes + 6 + SCP_HEADER + 10 * i;
        const uint32_t n = read_u32le(p + 2);
        if (n) st = add_section(&c, bytes, read_u16le(p), n, read_u32le(p + 6), verify, f, err);
    }
    if (st == SHN_OK && !f->s[0].body) st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 0", "does not name itself");
    if (st == SHN_OK) f->protocol = protocol_of(f);
    return st;
}
