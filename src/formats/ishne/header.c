/** The fixed header: what is where, and how many samples are there. */
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "formats/ishne/ishne.h"

uint16_t ishne_crc(const uint8_t *bytes, size_t n)
{
    uint16_t crc = 0xffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint16_t)(bytes[i] << 8);
        for (int bit = 0; bit < 8; bit++) crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

int ishne_date(const uint8_t *bytes, size_t at, shn_day *out)
{
    *out = (shn_day){ read_i16le(bytes + at + 4), read_i16le(bytes + at + 2), read_i16le(bytes + at) };
    return shn_day_valid(out);
}

void ishne_text(const uint8_t *bytes, size_t n, char *out, size_t size)
{
    size_t from = 0, length = 0;
    while (length < n && bytes[length]) length++;
    while (length && bytes[length - 1] <= ' ') length--;
    while (from < length && bytes[from] <= ' ') from++;
    size_t k = 0;
    for (size_t i = from; i < length && k + 2 < size; i++) {
        const uint8_t c = bytes[i];
        if (c >= 0x80) {                        /* U+0080 to U+00FF */
            out[k++] = (char)(0xc0 | c >> 6);
            out[k++] = (char)(0x80 | (c & 0x3f));
        } else out[k++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
    }
    out[k] = '\0';
}

/** The blocks lie inside the file, the variable one between header and ECG. */
static shn_status find_blocks(const uint8_t *b, size_t n_bytes, ishne_header *h, shn_error *err)
{
    const int32_t variable = read_i32le(b + ISHNE_VARIABLE_BYTES), variable_at = read_i32le(b + ISHNE_VARIABLE_AT), ecg_at = read_i32le(b + ISHNE_ECG_AT);
    if (ecg_at < ISHNE_HEADER)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "ishne.header", "byte 22: the ECG is said to begin at byte %d, inside the header", ecg_at);
    if (variable < 0 || (uint32_t)variable > ISHNE_VARIABLE_MAX)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "ishne.header", "byte 10: a variable block of %d bytes, at most %u", variable, ISHNE_VARIABLE_MAX);
    if (variable > 0 && (variable_at < ISHNE_HEADER || (int64_t)variable_at + variable > ecg_at))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "ishne.header", "byte 18: a variable block of %d bytes at %d does not fit before the ECG at %d", variable, variable_at, ecg_at);
    if ((int64_t)ecg_at - ISHNE_HEADER > ISHNE_VARIABLE_MAX)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "ishne.header", "byte 22: the ECG begins at byte %d, more than %u after the header", ecg_at, ISHNE_VARIABLE_MAX);
    if ((size_t)ecg_at > n_bytes)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "ishne.header", "the file ends at byte %zu, before the ECG at %d; it is cut off: copy it again", n_bytes, ecg_at);
    h->ecg_at = (size_t)ecg_at;
    h->crc_stored = read_u16le(b + ISHNE_CRC);
    h->crc_computed = ishne_crc(b + ISHNE_VARIABLE_BYTES, h->ecg_at - ISHNE_VARIABLE_BYTES);
    return SHN_OK;
}

/**
 * The count is of one lead; where it is exactly what the file holds of all leads together, it is of all. A file that holds less than
 * that is cut off, and nothing of it is taken for the whole.
 */
static shn_status count_samples(const uint8_t *b, size_t n_bytes, ishne_header *h, shn_error *err)
{
    const int32_t said = read_i32le(b + ISHNE_SAMPLES);
    const size_t  steps = (n_bytes - h->ecg_at) / 2, held = steps / h->n_leads;
    if (held == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "ishne.ecg", "the header says %d samples of %zu leads, the file holds none; it is cut off: copy it again", said, h->n_leads);
    if (said <= 0) {
        h->count_unknown = 1;
        h->n_samples = held;
    } else if ((size_t)said <= held) h->n_samples = (size_t)said;
    else if ((size_t)said == steps && steps % h->n_leads == 0) {
        h->counted_together = 1;
        h->n_samples = held;
    } else
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "ishne.ecg", "the header says %d samples of %zu leads, the file holds %zu; it is cut off: copy it again", said, h->n_leads, held);
    h->surplus = n_bytes - h->ecg_at - h->n_samples * h->n_leads * 2;
    return SHN_OK;
}

shn_status ishne_header_parse(const uint8_t *b, size_t n_bytes, ishne_header *h, shn_error *err)
{
    *h = (ishne_header){ 0 };
    if (n_bytes >= 8 && memcmp(b, "ANN  1.0", 8) == 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "ishne", "an ISHNE file of annotations holds no samples; name the recording (.ecg) itself");
    if (n_bytes < ISHNE_HEADER)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "ishne.header", "%zu bytes, the header alone has %d; the file is cut off: copy it again", n_bytes, ISHNE_HEADER);
    const int leads = read_i16le(b + ISHNE_LEADS);
    h->rate_hz = read_i16le(b + ISHNE_RATE);
    if (leads < 1 || leads > ISHNE_LEADS_MAX)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "ishne.header", "byte 156: %d leads, needs 1 to %d", leads, ISHNE_LEADS_MAX);
    if (h->rate_hz <= 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "ishne.header", "byte 272: a sampling rate of %d Hz", h->rate_hz);
    h->n_leads = (size_t)leads;
    for (size_t i = 0; i < h->n_leads; i++) {
        h->code[i] = read_i16le(b + ISHNE_CODES + 2 * i);
        h->quality[i] = read_i16le(b + ISHNE_QUALITY + 2 * i);
        h->step_nv[i] = read_i16le(b + ISHNE_STEP_NV + 2 * i);
    }
    const shn_status st = find_blocks(b, n_bytes, h, err);
    return st == SHN_OK ? count_samples(b, n_bytes, h, err) : st;
}
