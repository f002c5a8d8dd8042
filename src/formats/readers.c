/** The formats that this build reads, in order of detection: the surer the mark, the earlier the row. */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "formats/aecg/aecg.h"
#include "formats/cardiosoft/cardiosoft.h"
#include "formats/code15/code15.h"
#include "formats/csv/csv.h"
#include "formats/dicom/dicom.h"
#include "formats/edf/edf.h"
#include "formats/ishne/ishne.h"
#include "formats/matlab/matlab.h"
#include "formats/mfer/mfer.h"
#include "formats/muse/muse.h"
#include "formats/npy/npy.h"
#include "formats/reader.h"
#include "formats/scp/scp.h"
#include "formats/sierra/sierra.h"
#include "formats/wfdb/wfdb.h"

const shn_reader *const shn_readers[] = {
    &shn_reader_edf,
    &shn_reader_ishne,
    &shn_reader_code15,
    &shn_reader_matlab,
    &shn_reader_dicom,
    &shn_reader_scp,
    &shn_reader_muse,
    &shn_reader_sierra,
    &shn_reader_aecg,
    &shn_reader_cardiosoft,
    &shn_reader_mfer,
    &shn_reader_wfdb,
    &shn_reader_npy,
    &shn_reader_csv,
    NULL
};

const shn_reader *shn_reader_for(const uint8_t *bytes, size_t n_bytes)
{
    for (size_t i = 0; shn_readers[i]; i++)
        if (shn_readers[i]->recognises(bytes, n_bytes)) return shn_readers[i];
    return NULL;
}

shn_status shn_input_range(const shn_input *in, size_t total, size_t *first, size_t *n, shn_error *err)
{
    *first = in->options->first_sample;
    *n = 0;
    if (*first >= total)
        return shn_fail(err, SHN_RANGE, SHN_REASON_TRUNCATED, "format.range", "sample %zu was asked for, the record has %zu", *first, total);
    *n = total - *first;
    if (in->options->max_samples && *n > in->options->max_samples) *n = in->options->max_samples;
    return SHN_OK;
}

shn_status shn_input_cut(const shn_input *in, shn_record **rec, shn_error *err)
{
    shn_record  *whole = *rec, *part = NULL;
    const size_t total = shn_record_n_samples(whole);
    size_t       first, n;
    shn_status   st = shn_input_range(in, total, &first, &n, err);
    if (st == SHN_OK && n < total) {
        st = shn_record_part(whole, first, n, &part, err);
        if (st == SHN_OK) {
            shn_record_free(whole);
            *rec = part;
        }
    }
    if (st != SHN_OK) return st;
    shn_record_meta *meta = shn_record_meta_mut(*rec);
    meta->first_sample = first;
    meta->total_samples = total;
    return SHN_OK;
}
