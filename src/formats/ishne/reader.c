/** The row that ISHNE offers. A part of a recording touches the header and that part only, whatever the file's length. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "formats/ishne/ishne.h"

enum { CHUNK = 4096 };

static int recognises(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= 8 && (memcmp(bytes, "ISHNE1.0", 8) == 0 || memcmp(bytes, "ANN  1.0", 8) == 0);
}

static shn_status verify(const ishne_header *h, const shn_format_options *o, shn_record *rec, shn_error *err)
{
    if (h->crc_stored == 0) shn_record_add_note(rec, SHN_REASON_CHECKSUM, "the header has no checksum");
    else if (h->crc_stored != h->crc_computed && o->verify_checksums)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_CHECKSUM, "ishne.header", "the header sums to %04X, it says %04X; the file is damaged: copy it again", (unsigned)h->crc_computed,
                        (unsigned)h->crc_stored);
    else if (h->crc_stored != h->crc_computed)
        shn_record_add_note(rec, SHN_REASON_CHECKSUM, "the header sums to %04X, it says %04X", (unsigned)h->crc_computed, (unsigned)h->crc_stored);
    return SHN_OK;
}

static void name_lead(const ishne_header *h, size_t lead, shn_record *rec)
{
    static const char *const names[] = { NULL, NULL, "X", "Y", "Z", "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6", "ES", "AS", "AI" };
    static const char *const quality[] = { NULL, NULL, "intermittent noise", "frequent noise", "intermittently disconnected", "frequently disconnected" };
    const int code = h->code[lead], q = h->quality[lead];
    char      name[32];
    if (code >= 2 && code < (int)(sizeof names / sizeof *names)) snprintf(name, sizeof name, "%s", names[code]);
    else snprintf(name, sizeof name, "%s %zu", code == 1 ? "bipolar" : "channel", lead + 1);
    shn_record_set_name(rec, lead, name);
    if (code == ISHNE_UNKNOWN) shn_record_add_note(rec, SHN_REASON_MISSING_LEAD, "channel %zu is marked as not used", lead + 1);
    if (q >= 2 && q <= 5) shn_record_add_note(rec, SHN_REASON_NOISE, "%s: %s, says the file", name, quality[q]);
}

static void scale_lead(const ishne_header *h, size_t lead, shn_record *rec)
{
    if (h->step_nv[lead] <= 0) {
        shn_record_set_unit(rec, lead, SHN_UNIT_UNKNOWN);
        shn_record_set_calibration(rec, lead, (shn_lead_cal){ .gain_adu_per_mv = 1, .bits = 16 });
        return;
    }
    shn_record_set_unit(rec, lead, SHN_UNIT_DECLARED);
    shn_record_set_calibration(rec, lead, (shn_lead_cal){ .gain_adu_per_mv = 1e6 / h->step_nv[lead], .bits = 16 });
}

/** All leads a chunk at a time: their samples stand side by side in the file. */
static void decode(const ishne_header *h, const uint8_t *bytes, size_t first, size_t n, shn_record *rec)
{
    const size_t stride = 2 * h->n_leads;
    for (size_t done = 0; done < n; done += CHUNK) {
        const size_t here = n - done < CHUNK ? n - done : CHUNK;
        for (size_t lead = 0; lead < h->n_leads; lead++) {
            const uint8_t *p = bytes + h->ecg_at + (first + done) * stride + 2 * lead;
            float         *out = shn_record_lead_mut(rec, lead) + done;
            const double   mv = h->step_nv[lead] > 0 ? h->step_nv[lead] / 1e6 : 1;
            for (size_t i = 0; i < here; i++, p += stride) out[i] = (float)(read_i16le(p) * mv);
        }
    }
}

static void set_times(const uint8_t *b, shn_record_meta *meta)
{
    shn_day day, birth;
    if (!ishne_date(b, ISHNE_RECORDED, &day)) return;
    const int hour = read_i16le(b + ISHNE_START), minute = read_i16le(b + ISHNE_START + 2), second = read_i16le(b + ISHNE_START + 4);
    int n = snprintf(meta->acquired, sizeof meta->acquired, "%04d-%02d-%02d", day.year, day.month, day.day);
    if (hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60)
        snprintf(meta->acquired + n, sizeof meta->acquired - (size_t)n, "T%02d:%02d:%02d", hour, minute, second);
    if (ishne_date(b, ISHNE_BIRTH, &birth)) meta->age_years = shn_day_age(&birth, &day);
}

static shn_status describe(const shn_input *in, const ishne_header *h, shn_record *rec, shn_error *err)
{
    static const char *const pacemakers[] = { NULL, "type unknown", "single chamber, unipolar", "dual chamber, unipolar", "single chamber, bipolar", "dual chamber, bipolar" };
    const uint8_t   *b = in->bytes;
    shn_record_meta *meta = shn_record_meta_mut(rec);
    const char      *dot = in->name ? strrchr(in->name, '.') : NULL;
    if (in->name) snprintf(meta->id, sizeof meta->id, "%.*s", (int)(dot ? dot - in->name : (long)strlen(in->name)), in->name);
    ishne_text(b + ISHNE_ID, 20, meta->patient, sizeof meta->patient);
    ishne_text(b + ISHNE_RECORDER, 40, meta->device, sizeof meta->device);
    const int sex = read_i16le(b + ISHNE_SEX), pacemaker = read_i16le(b + ISHNE_PACEMAKER);
    meta->sex = sex == 1 ? 'M' : sex == 2 ? 'F' : 0;
    set_times(b, meta);
    if (h->counted_together) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "the header counts the samples of all leads together; the file's length shows it");
    if (h->count_unknown) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "the header does not count the samples; all that the file holds were read");
    if (h->surplus > 1) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "%zu bytes follow the samples that the header counts; they were left out", h->surplus);
    if (pacemaker < 1 || pacemaker > 5) return SHN_OK;
    char text[64];
    snprintf(text, sizeof text, "Pacemaker: %s", pacemakers[pacemaker]);
    return shn_record_add_statement(rec, text, err);
}

static shn_status read_record(const shn_input *in, shn_record **out, shn_error *err)
{
    ishne_header h;
    shn_record  *rec = NULL;
    size_t       first, n;
    *out = NULL;
    shn_status st = ishne_header_parse(in->bytes, in->n_bytes, &h, err);
    if (st == SHN_OK) st = shn_input_range(in, h.n_samples, &first, &n, err);
    if (st == SHN_OK) st = shn_record_new(h.n_leads, n, h.rate_hz, &rec, err);
    if (st != SHN_OK) return st;
    st = verify(&h, in->options, rec, err);
    if (st != SHN_OK) goto cleanup;
    for (size_t lead = 0; lead < h.n_leads; lead++) {
        name_lead(&h, lead, rec);
        scale_lead(&h, lead, rec);
    }
    decode(&h, in->bytes, first, n, rec);
    st = describe(in, &h, rec, err);
    if (st != SHN_OK) goto cleanup;
    shn_record_meta *meta = shn_record_meta_mut(rec);
    snprintf(meta->format, sizeof meta->format, "ishne 1.0");
    meta->first_sample = first;
    meta->total_samples = h.n_samples;
    *out = rec;
    rec = NULL;
cleanup:
    shn_record_free(rec);
    return st;
}

const shn_reader shn_reader_ishne = { .name = "ishne", .title = "ISHNE Holter", .recognises = recognises, .read = read_record, .deidentify = ishne_deidentify };
