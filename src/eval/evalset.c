#include "eval/evalset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"

/** Column of the cohort for each finding of the model, -1 where it has none. */
static shn_status match_findings(const shn_model *m, const shn_cohort *c, int *column, evalset *out, shn_error *err)
{
    const size_t Kc = shn_cohort_n_findings(c);
    for (size_t k = 0; k < m->K; k++) column[k] = -1;
    for (size_t j = 0; j < Kc; j++) {
        const int k = shn_model_find(m, shn_cohort_finding_id(c, j));
        if (k < 0) out->n_cohort_only++;
        else {
            column[k] = (int)j;
            out->n_shared++;
        }
    }
    if (out->n_shared == 0)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "eval",
                        "%s and the model have no finding in common (%zu and %zu findings); compare 'shinden model show' with the cohort's finding_id",
                        shn_cohort_path(c), Kc, m->K);
    return SHN_OK;
}

shn_status evalset_open_labels(const shn_model *m, const shn_cohort *c, const char *split, evalset *out, shn_error *err)
{
    int *column = shn_alloc(m->K, sizeof *column);
    memset(out, 0, sizeof *out);
    if (!column) return shn_fail_nomem(err, "eval");
    out->model = m;
    out->cohort = c;
    out->K = m->K;
    shn_status st = match_findings(m, c, column, out, err);
    if (st == SHN_OK) st = shn_cohort_split_rows(c, split, &out->rows, &out->n, err);
    if (st == SHN_OK) {
        out->label = shn_alloc(out->n * m->K, 1);
        out->known = shn_alloc(out->n * m->K, 1);
        out->patient = shn_alloc(out->n, sizeof *out->patient);
        if (!out->label || !out->known || !out->patient) st = shn_fail_nomem(err, "eval");
    }
    if (st == SHN_OK) st = shn_cohort_patients(c, out->rows, out->n, out->patient, &out->n_patients, err);
    for (size_t i = 0; st == SHN_OK && i < out->n; i++) {
        const uint8_t *label = shn_cohort_labels(c, out->rows[i]), *known = shn_cohort_known(c, out->rows[i]);
        for (size_t k = 0; k < m->K; k++) {
            if (column[k] < 0 || !known[column[k]]) continue;
            out->known[i * m->K + k] = 1;
            out->label[i * m->K + k] = label[column[k]];        /* what is not known stays 0 and is never looked at */
        }
    }
    free(column);
    if (st != SHN_OK) evalset_close(out);
    return st;
}

shn_status evalset_open(const shn_model *m, shn_engine *eng, const shn_cohort *c, const char *split, const shn_watcher *watcher,
                        evalset *out, shn_error *err)
{
    shn_status st = evalset_open_labels(m, c, split, out, err);
    if (st != SHN_OK) return st;
    out->z = shn_alloc(out->n * m->input.n_windows * m->E, sizeof *out->z);
    st = out->z ? shn_embed_cohort(m, eng, c, out->rows, out->n, out->z, watcher, err) : shn_fail_nomem(err, "eval");
    if (st != SHN_OK) evalset_close(out);
    return st;
}

void evalset_close(evalset *s)
{
    free(s->rows);
    free(s->label);
    free(s->known);
    free(s->patient);
    free(s->z);
    memset(s, 0, sizeof *s);
}

int evalset_record_hash(const shn_cohort *c, size_t row, char hex[17])
{
    uint8_t     digest[32];
    char        full[65];
    shn_sha256 *h = shn_sha256_new();
    hex[0] = '\0';
    if (!h) return 0;
    shn_sha256_add(h, shn_cohort_source(c, row), strlen(shn_cohort_source(c, row)));
    shn_sha256_add(h, "/", 1);
    shn_sha256_add(h, shn_cohort_id(c, row), strlen(shn_cohort_id(c, row)));
    shn_sha256_end(h, digest);
    shn_sha256_hex(digest, full);
    memcpy(hex, full, 16);
    hex[16] = '\0';
    return 1;
}
