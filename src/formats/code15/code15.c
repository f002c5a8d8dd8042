#include "formats/code15/code15.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/h5.h"
#include "shinden/signal.h"

/** HDF5's signature at the start. (MATLAB 7.3 has a block of its own before it.) What the file holds is known only when libhdf5 has opened it. */
static int recognises(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= 8 && memcmp(bytes, "\x89HDF\r\n\x1a\n", 8) == 0;
}

static shn_status sides(const shn_input *in, size_t shape[3], shn_error *err)
{
    if (!in->path) return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "code15", "HDF5 is read from a file, not from memory");
    const shn_status st = shn_h5_shape(in->path, "tracings", 3, shape, err);
    if (st != SHN_OK) {
        shn_error_prefix(err, "not in CODE-15's layout (tracings [N][T][12], exam_id [N])");
        return st;
    }
    if (shape[2] != SHN_LEADS)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "code15", "tracings has %zu leads, the layout has %d", shape[2], SHN_LEADS);
    if (shape[0] == 0 || shape[0] > SHN_CODE15_ROWS_MAX || shape[1] == 0 || shape[1] > SHN_CODE15_T_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "code15", "%zu exams of %zu samples; at most %zu of %zu", shape[0], shape[1], SHN_CODE15_ROWS_MAX,
                        SHN_CODE15_T_MAX);
    return SHN_OK;
}

static shn_status count(const shn_input *in, size_t *n, shn_error *err)
{
    size_t shape[3] = { 0 };
    const shn_status st = sides(in, shape, err);
    *n = st == SHN_OK ? shape[0] : 0;
    return st;
}

/** Samples [*first, *end) that are not zero padding: padding is exact zeros in all leads. 0: all of it is. */
static int recorded(const float *x, size_t T, size_t *first, size_t *end)
{
    size_t a = 0, b = T;
    static const float zero[SHN_LEADS];
    while (a < T && memcmp(x + a * SHN_LEADS, zero, sizeof zero) == 0) a++;
    while (b > a && memcmp(x + (b - 1) * SHN_LEADS, zero, sizeof zero) == 0) b--;
    *first = a;
    *end = b;
    return b > a;
}

static shn_status fill(const shn_input *in, const float *x, size_t first, size_t n, shn_record **out, shn_error *err)
{
    int64_t    id = 0;
    shn_record *rec;
    shn_status st = shn_h5_integer(in->path, "exam_id", in->row, &id, err);
    if (st == SHN_OK) st = shn_record_new(SHN_LEADS, n, SHN_CODE15_FS_HZ, &rec, err);
    if (st != SHN_OK) return st;
    for (size_t l = 0; l < SHN_LEADS; l++) {
        float *lead = shn_record_lead_mut(rec, l);
        shn_record_set_name(rec, l, shn_lead_name(l));
        shn_record_set_unit(rec, l, SHN_UNIT_DEFAULT);
        for (size_t t = 0; t < n; t++) lead[t] = x[(first + t) * SHN_LEADS + l];
    }
    shn_record_meta *meta = shn_record_meta_mut(rec);
    snprintf(meta->format, sizeof meta->format, "code15_hdf5");
    snprintf(meta->id, sizeof meta->id, "%" PRId64, id);
    *out = rec;
    return SHN_OK;
}

static shn_status read_record(const shn_input *in, shn_record **out, shn_error *err)
{
    size_t     shape[3], first = 0, end = 0;
    float     *x = NULL;
    *out = NULL;
    shn_status st = sides(in, shape, err);
    if (st != SHN_OK) return st;
    const size_t start[3] = { in->row, 0, 0 }, n[3] = { 1, shape[1], shape[2] };
    x = shn_alloc(shape[1] * shape[2], sizeof *x);
    st = x ? shn_h5_slab(in->path, "tracings", 3, start, n, SHN_H5_F32, x, err) : shn_fail_nomem(err, "code15");
    if (st == SHN_OK && !recorded(x, shape[1], &first, &end))
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "code15", "exam %zu is all zeros: the layout ends its parts with an empty row", in->row);
    if (st == SHN_OK) st = fill(in, x, first, end - first, out, err);
    if (st == SHN_OK) st = shn_input_cut(in, out, err);
    if (st != SHN_OK) {
        shn_record_free(*out);
        *out = NULL;
    }
    free(x);
    return st;
}

const shn_reader shn_reader_code15 = { .name = "code15_hdf5", .title = "HDF5 in CODE-15's layout", .recognises = recognises, .count = count, .read = read_record };
