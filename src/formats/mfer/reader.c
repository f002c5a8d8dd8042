/** The row that MFER offers: recognising a file, and a record or a part of one from its definitions. */
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "formats/mfer/mfer.h"

enum { CHUNK = 4096, LOOKED_AT_MAX = 64 };

/** 0: such a definition does not exist; 1: it may; 2: it is one of those without which a file makes no sense. */
static int plausible(const mfer_item *item, const uint8_t *value, size_t there, uint64_t n)
{
    switch (item->tag) {
    case MFER_BLE: return n == 1 && (there == 0 || value[0] <= 1) ? 2 : 0;
    case MFER_DTP: return n <= 1 && (n == 0 || there == 0 || value[0] <= MFER_AHA8) ? 2 : 0;
    case MFER_BLK: case MFER_CHN: case MFER_SEQ: return n <= 4 ? 2 : 0;
    case MFER_IVL: case MFER_SEN: return n == 0 || (n >= 3 && n <= 6 && (there == 0 || value[0] < 32)) ? 2 : 0;
    case MFER_PNT: return n <= 4;
    case MFER_VER: return n == 3;
    case MFER_OFF: case MFER_NUL: return n <= 8;
    case MFER_SEX: return n == 1;
    case MFER_AGE: return n <= 7;
    case MFER_TIM: return n <= 11;
    case MFER_ATT: return n >= 2 ? 2 : 0;
    case MFER_WAV: return n >= 2 ? 2 : 0;
    case MFER_PRE: case MFER_TXC: case MFER_WFM: case MFER_LDN: case MFER_CMP: case MFER_IPD: case MFER_FLT: case MFER_INF: case MFER_NTE: case MFER_MAN:
    case MFER_EVT: case MFER_VAL: case MFER_SKW: case MFER_CND: case MFER_RPT: case MFER_SIG: case MFER_SET: case MFER_PNM: case MFER_PID: case MFER_MSS:
    case MFER_UID: case MFER_MAP: return n <= 4096;
    default: return 0;
    }
}

/**
 * The preamble "MFR ", or a chain of definitions that all exist and have possible lengths: three of the necessary kinds, or two and the samples.
 * A file of zeros, a text or another format's header does not get so far.
 */
static int recognises(const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes >= 6 && bytes[0] == MFER_PRE && memcmp(bytes + 2, "MFR ", 4) == 0) return 1;
    size_t at = 0;
    int    needed = 0;
    for (int seen = 0; seen < LOOKED_AT_MAX && at + 2 <= n_bytes; seen++) {
        mfer_item item = { .tag = bytes[at++] };
        if (item.tag == MFER_ATT)
            while (at < n_bytes && bytes[at++] & 0x80) {}
        if (at >= n_bytes) return needed >= 3;
        uint64_t n = bytes[at++];
        if (n == 0x80) return needed >= 2 && (item.tag == MFER_ATT || item.tag == MFER_SET || item.tag == MFER_WAV);
        if (n > 0x80) {
            size_t size = n & 0x7f;
            if (size > 4) return 0;
            for (n = 0; size && at < n_bytes; size--) n = n << 8 | bytes[at++];
        }
        const int kind = plausible(&item, bytes + at, n_bytes - at < n ? 0 : (size_t)n, n);
        if (kind == 0) return 0;
        needed += kind == 2;
        if (item.tag == MFER_WAV) return needed >= 3;
        if (n > n_bytes - at) return needed >= 3;
        at += (size_t)n;
    }
    return needed >= 3;
}

static void name_lead(shn_record *rec, size_t lead, const mfer_channel *ch, size_t number)
{
    char        name[32];
    const char *known = ch->a.waveform >= MFER_WFM_EEG && ch->a.waveform <= MFER_WFM_EEG_LAST ? NULL : mfer_lead_name(ch->a.lead);
    if (known) snprintf(name, sizeof name, "%s", known);
    else if (*ch->a.lead_text) snprintf(name, sizeof name, "%s", ch->a.lead_text);
    else if (ch->a.lead) snprintf(name, sizeof name, "code %d", ch->a.lead);
    else snprintf(name, sizeof name, "channel %zu", number);
    shn_record_set_name(rec, lead, name);
}

static void set_lead(shn_record *rec, size_t lead, const mfer_channel *ch, size_t number)
{
    name_lead(rec, lead, ch, number);
    shn_record_set_unit(rec, lead, ch->unit);
    if (ch->a.type != MFER_F32 && ch->a.type != MFER_F64)
        shn_record_set_calibration(rec, lead, (shn_lead_cal){ .gain_adu_per_mv = 1 / ch->mv_per_adu, .baseline_adu = -ch->offset, .bits = (int)(8 * ch->size) });
}

/** All leads a chunk at a time: the file's bytes are interleaved, and pass through the cache once. */
static void decode(const mfer_file *f, shn_record *rec, size_t first, size_t n)
{
    size_t frame = 0;
    for (size_t done = 0; done < n; done += CHUNK) {
        const size_t here = n - done < CHUNK ? n - done : CHUNK;
        size_t lead = 0;
        for (size_t i = 0; i < f->n_layout; i++)
            if (f->channels[i].joins) mfer_decode(f, &f->channels[i], first + done, here, &frame, shn_record_lead_mut(rec, lead++) + done);
    }
}

static shn_status read_record(const shn_input *in, shn_record **out, shn_error *err)
{
    mfer_file   f;
    shn_record *rec = NULL;
    size_t      first, n, lead = 0;
    *out = NULL;
    shn_status st = mfer_file_parse(in->bytes, in->n_bytes, NULL, &f, err);
    if (st == SHN_OK) st = shn_input_range(in, f.n_samples, &first, &n, err);
    if (st == SHN_OK) st = shn_record_new(f.n_leads, n, f.fs_hz, &rec, err);
    if (st != SHN_OK) goto cleanup;
    for (size_t i = 0; i < f.n_layout; i++)
        if (f.channels[i].joins) set_lead(rec, lead++, &f.channels[i], i + 1);
    decode(&f, rec, first, n);
    st = mfer_describe(&f, in, rec, err);
    if (st != SHN_OK) goto cleanup;
    shn_record_meta *meta = shn_record_meta_mut(rec);
    snprintf(meta->format, sizeof meta->format, "mfer");
    meta->first_sample = first;
    meta->total_samples = f.n_samples;
    *out = rec;
    rec = NULL;
cleanup:
    shn_record_free(rec);
    mfer_file_free(&f);
    return st;
}

const shn_reader shn_reader_mfer = { .name = "mfer", .title = "MFER", .recognises = recognises, .read = read_record, .deidentify = mfer_deidentify };
