#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/file.h"
#include "shinden/wfdb.h"

static int plain(const char *name)
{
    if (!*name || strlen(name) > 200) return 0;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_' && *name != '-') return 0;
    return 1;
}

static int16_t to_adu(float mv)
{
    if (!isfinite(mv)) return INT16_MIN;         /* neither NaN nor Inf was measured: a gap */
    const double v = nearbyint((double)mv * 1000);
    return (int16_t)(v > INT16_MAX ? INT16_MAX : v < -INT16_MAX ? -INT16_MAX : v);
}

/** Frame by frame into bytes [n][n_leads]; sums and first values for the header. */
static void encode(const shn_record *rec, uint8_t *bytes, uint16_t *sum, int16_t *first)
{
    const size_t n_leads = shn_record_n_leads(rec), n = shn_record_n_samples(rec);
    for (size_t l = 0; l < n_leads; l++) {
        const float *x = shn_record_lead(rec, l);
        sum[l] = 0;
        for (size_t t = 0; t < n; t++) {
            const int16_t v = to_adu(x[t]);
            if (t == 0) first[l] = v;
            sum[l] = (uint16_t)(sum[l] + (uint16_t)v);
            write_u16le(bytes + 2 * (t * n_leads + l), (uint16_t)v);
        }
    }
}

shn_status shn_wfdb_write16(const shn_record *rec, const char *folder, const char *name, const char *const *comments,
                            size_t n_comments, shn_error *err)
{
    const size_t n_leads = shn_record_n_leads(rec), n = shn_record_n_samples(rec);
    char         path[SHN_PATH_MAX], file[256];
    uint16_t     sum[SHN_LEADS_MAX];
    int16_t      first[SHN_LEADS_MAX];
    shn_writer   w = { 0 };

    if (!plain(name))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "wfdb.write", "record name '%.60s': only letters, digits, '_' and '-'", name);
    for (size_t i = 0; i < n_comments; i++)
        if (strpbrk(comments[i], "\r\n"))
            return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "wfdb.write", "comment %zu has a line break", i);
    uint8_t *bytes = shn_alloc(n_leads * n, 2);
    if (!bytes) return shn_fail_nomem(err, "wfdb.write");
    encode(rec, bytes, sum, first);
    snprintf(file, sizeof file, "%s.dat", name);
    shn_status st = shn_path_join(path, folder, file, err);
    if (st == SHN_OK) st = shn_file_write(path, bytes, n_leads * n * 2, err);
    free(bytes);
    snprintf(file, sizeof file, "%s.hea", name);
    if (st == SHN_OK) st = shn_path_join(path, folder, file, err);
    if (st == SHN_OK) st = shn_writer_open(&w, path, err);
    if (st != SHN_OK) return st;
    fprintf(w.stream, "%s %zu %.12g %zu\n", name, n_leads, shn_record_fs_hz(rec), n);
    for (size_t l = 0; l < n_leads; l++)
        fprintf(w.stream, "%s.dat 16 1000(0)/mV 16 0 %d %d 0 %s\n", name, first[l], (int)(int16_t)sum[l], shn_record_name(rec, l));
    for (size_t i = 0; i < n_comments; i++) fprintf(w.stream, "#%s\n", comments[i]);
    return shn_writer_commit(&w, err);
}
