#include <string.h>

#include "base/fail.h"
#include "formats/aecg/aecg.h"

static const char *const WHERE = "aecg";

static int recognises(const uint8_t *bytes, size_t n_bytes) { return shn_xml_root_is(bytes, n_bytes, "AnnotatedECG"); }

/** Most files hold one series, and the quoted word shows it without a parse; a file in UTF-16 shows none, and is parsed. */
static int surely_one(const uint8_t *bytes, size_t n_bytes)
{
    const uint8_t *end = bytes + n_bytes, *p = bytes;
    size_t         n = 0;
    while (n < 2 && (p = memmem(p, (size_t)(end - p), "RHYTHM", 6)) != NULL) {
        p += 6;
        n += p < end && (*p == '"' || *p == '\'');
    }
    return n == 1;
}

static shn_status count(const shn_input *in, size_t *n, shn_error *err)
{
    shn_xml            *doc;
    const shn_xml_node *series;
    *n = 1;
    if (surely_one(in->bytes, in->n_bytes)) return SHN_OK;
    shn_status st = shn_xml_parse(in->bytes, in->n_bytes, WHERE, &doc, NULL, err);
    if (st != SHN_OK) return st;
    st = aecg_series(doc, 0, &series, n, err);
    shn_xml_free(doc);
    return st;
}

static shn_status read_aecg(const shn_input *in, shn_record **out, shn_error *err)
{
    shn_xml            *doc = NULL;
    const shn_xml_node *series;
    shn_record         *rec = NULL;
    size_t              mended, n;
    *out = NULL;
    shn_status st = shn_xml_parse(in->bytes, in->n_bytes, WHERE, &doc, &mended, err);
    if (st == SHN_OK) st = aecg_series(doc, in->row, &series, &n, err);
    if (st == SHN_OK) st = aecg_samples(doc, series, &rec, err);
    if (st == SHN_OK && mended) shn_record_add_note(rec, SHN_REASON_BAD_VALUE, "%zu stray '&' or '<' in the text, taken as characters", mended);
    if (st == SHN_OK) st = aecg_meta(doc, series, rec, err);
    shn_xml_free(doc);
    if (st == SHN_OK) st = shn_input_cut(in, &rec, err);
    if (st == SHN_OK) *out = rec;
    else shn_record_free(rec);
    return st;
}

const shn_reader shn_reader_aecg = {
    .name = "aecg", .title = "HL7 aECG", .recognises = recognises, .count = count, .read = read_aecg, .deidentify = aecg_deidentify,
};
