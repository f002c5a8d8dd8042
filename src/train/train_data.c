#include "train/train_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"
#include "data/permute.h"
#include "shinden/embed.h"
#include "shinden/signal.h"

enum { SCALE_RECORDS = 512, NAMED_PATIENTS = 3, PURPOSE_CODED = 0x636f646564 /* "coded" */ };

/** Marks the findings that training must not know; each has to be one of the cohort. */
static shn_status mark_left_out(shn_train_data *d, const char *list, shn_error *err)
{
    d->left_out = shn_alloc(d->K, 1);
    if (!d->left_out) return shn_fail_nomem(err, "train.data");
    for (const char *p = list; *p;) {
        const size_t n = strcspn(p, ",");
        size_t k = 0;
        while (k < d->K && (strncmp(shn_cohort_finding_id(d->cohort, k), p, n) != 0 || shn_cohort_finding_id(d->cohort, k)[n])) k++;
        if (k == d->K)
            return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "train.data", "leave_out: '%.*s' is no finding of %s", (int)(n < 80 ? n : 80), p,
                            shn_cohort_path(d->cohort));
        d->left_out[k] = 1;
        p += n + (p[n] == ',');
    }
    return SHN_OK;
}

/** Keeps the rows of which something is known or, with sentences, a report is there; copies their labels. */
static shn_status take_rows(shn_train_data *d, const uint32_t *rows, size_t n, int sentences, shn_error *err)
{
    const size_t K = d->K;
    d->rows = shn_alloc(n, sizeof *d->rows);
    d->label = shn_alloc(n, K);
    d->known = shn_alloc(n, K);
    d->n_pos = shn_alloc(K, sizeof *d->n_pos);
    d->n_known = shn_alloc(K, sizeof *d->n_known);
    if (!d->rows || !d->label || !d->known || !d->n_pos || !d->n_known) return shn_fail_nomem(err, "train.data");
    for (size_t i = 0; i < n; i++) {
        const uint8_t *label = shn_cohort_labels(d->cohort, rows[i]), *known = shn_cohort_known(d->cohort, rows[i]);
        uint8_t *to = d->label + d->n * K, *to_known = d->known + d->n * K;
        size_t n_known = 0;
        for (size_t k = 0; k < K; k++) {
            to_known[k] = known[k] != 0 && !d->left_out[k];
            to[k] = to_known[k] && label[k];
            n_known += to_known[k];
        }
        if (n_known || (sentences && *shn_cohort_report(d->cohort, rows[i]))) d->rows[d->n++] = rows[i];
    }
    d->n_left_out = n - d->n;
    return SHN_OK;
}

static int is_coded(const shn_train_data *d, size_t i) { return memchr(d->known + i * d->K, 1, d->K) != NULL; }

/**
 * Few codes: of the records of which something is known only `coded` keep it, taken patient by patient in an order drawn by the seed (a
 * patient whose records are more than are still wanted is passed over).
 */
static shn_status keep_coded(shn_train_data *d, size_t coded, uint64_t seed, shn_error *err)
{
    size_t    n_patients = 0, kept = 0, there = 0;
    uint32_t *patient = shn_alloc(d->n, sizeof *patient);
    shn_status st = patient ? shn_cohort_patients(d->cohort, d->rows, d->n, patient, &n_patients, err) : shn_fail_nomem(err, "train.data");
    uint32_t *order = shn_alloc(n_patients, sizeof *order), *size = shn_alloc(n_patients, sizeof *size);
    if (st == SHN_OK && (!order || !size)) st = shn_fail_nomem(err, "train.data");
    for (size_t i = 0; st == SHN_OK && i < d->n; i++) {
        size[patient[i]] += (uint32_t)is_coded(d, i);
        there += (size_t)is_coded(d, i);
    }
    if (st == SHN_OK && there < coded)
        st = shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "train.data", "coded: %zu records of %s have known findings, fewer than %zu", there,
                      shn_cohort_path(d->cohort), coded);
    if (st == SHN_OK) {
        shn_rng rng = shn_rng_stream(seed, PURPOSE_CODED, 0, 0);
        for (size_t p = 0; p < n_patients; p++) order[p] = (uint32_t)p;
        shn_rng_shuffle(&rng, order, n_patients);
        for (size_t p = 0; p < n_patients; p++) {
            const int keep = size[order[p]] <= coded - kept;
            kept += keep ? size[order[p]] : 0;
            size[order[p]] = (uint32_t)keep;            /* from here on: whether the patient keeps their labels */
        }
        for (size_t i = 0; i < d->n; i++) {
            if (size[patient[i]]) continue;
            memset(d->known + i * d->K, 0, d->K);
            memset(d->label + i * d->K, 0, d->K);
        }
    }
    free(size);
    free(order);
    free(patient);
    return st;
}

/** Takes out records that have neither a label nor, with sentences, a report: those that lost their labels just now. */
static void drop_useless(shn_train_data *d, int sentences)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (!is_coded(d, i) && !(sentences && *shn_cohort_report(d->cohort, d->rows[i]))) continue;
        d->rows[n] = d->rows[i];
        memmove(d->known + n * d->K, d->known + i * d->K, d->K);
        memmove(d->label + n * d->K, d->label + i * d->K, d->K);
        d->n_coded += (size_t)is_coded(d, n);
        n++;
    }
    d->n_left_out += d->n - n;
    d->n = n;
}

static void count_findings(shn_train_data *d)
{
    for (size_t i = 0; i < d->n * d->K; i++) {
        d->n_pos[i % d->K] += d->label[i];
        d->n_known[i % d->K] += d->known[i];
    }
}

/** Voltages' sd over evenly spread records: one constant, so a millivolt stays a millivolt for all records. */
static void measure_scale(shn_train_data *d)
{
    double sum = 0, square = 0, count = 0;
    const size_t step = d->n > SCALE_RECORDS ? d->n / SCALE_RECORDS : 1;
    for (size_t i = 0; i < d->n; i += step) {
        const shn_packed row = shn_cohort_packed(d->cohort, d->rows[i]);
        for (size_t lead = 0; lead < SHN_LEADS; lead++)
            for (size_t t = 0; t < row.n_valid; t++) {
                const int16_t s = row.signal[lead * row.n_samples + t];
                if (s == SHN_GAP_I16) continue;
                const double mv = ((double)s * row.uv_per_unit + row.offset_uv[lead]) * 1e-3;
                sum += mv;
                square += mv * mv;
                count++;
            }
    }
    const double mean = count ? sum / count : 0, var = count ? square / count - mean * mean : 0;
    d->scale_per_mv = var > 1e-12 ? (float)(1 / sqrt(var)) : 1;
}

static void see_leads(shn_train_data *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const uint8_t *present = shn_cohort_lead_present(d->cohort, d->rows[i]);
        for (size_t lead = 0; lead < SHN_LEADS; lead++)
            if (present[lead]) d->lead_present |= (uint32_t)1 << lead;
    }
}

/** Import checks this too; a cohort may come from elsewhere, and a leak here would make every later number worthless. */
static shn_status check_overlap(const shn_cohort *c, const char *split, shn_error *err)
{
    uint32_t *rows = NULL;
    size_t    n = 0, n_patients = 0, n_shared = 0;
    char      names[200] = "";
    if (strcmp(split, "all") == 0) return SHN_OK;
    shn_status st = shn_cohort_split_rows(c, "all", &rows, &n, err);
    if (st != SHN_OK) return st;
    uint32_t *patient = shn_alloc(n, sizeof *patient);
    uint8_t  *trained = NULL;
    st = patient ? shn_cohort_patients(c, rows, n, patient, &n_patients, err) : shn_fail_nomem(err, "train.data");
    if (st == SHN_OK && !(trained = shn_alloc(n_patients, 1))) st = shn_fail_nomem(err, "train.data");
    for (size_t i = 0; st == SHN_OK && i < n; i++)
        if (strcmp(shn_cohort_split(c, rows[i]), split) == 0) trained[patient[i]] = 1;
    for (size_t i = 0; st == SHN_OK && i < n; i++) {
        const char *other = shn_cohort_split(c, rows[i]);
        if (!trained[patient[i]] || !*other || strcmp(other, split) == 0) continue;
        const size_t used = strlen(names);
        if (trained[patient[i]] == 1 && n_shared++ < NAMED_PATIENTS)
            snprintf(names + used, sizeof names - used, "%s%.40s (%.16s)", used ? ", " : "", shn_cohort_patient(c, rows[i]), other);
        trained[patient[i]] = 2;                /* counted */
    }
    if (st == SHN_OK && n_shared)
        st = shn_fail(err, SHN_MISMATCH, SHN_REASON_PATIENT_OVERLAP, "train.data", "%s: %zu patients are in split '%s' and in another: %s; "
                      "split by patient", shn_cohort_path(c), n_shared, split, names);
    free(trained);
    free(patient);
    free(rows);
    return st;
}

static shn_status permute(shn_train_data *d, uint64_t seed, shn_error *err)
{
    size_t    n_patients = 0;
    uint32_t *patient = shn_alloc(d->n, sizeof *patient);
    shn_status st = patient ? shn_cohort_patients(d->cohort, d->rows, d->n, patient, &n_patients, err) : shn_fail_nomem(err, "train.data");
    if (st == SHN_OK) st = shn_permute_labels(d->label, d->known, patient, d->n, n_patients, d->K, seed, err);
    free(patient);
    return st;
}

shn_status shn_train_data_load(const shn_cohort *c, const shn_train_config *config, shn_train_data *d, shn_error *err)
{
    uint32_t *rows = NULL;
    size_t    n = 0;
    const int sentences = config->sentences > 0;
    memset(d, 0, sizeof *d);
    d->cohort = c;
    d->K = shn_cohort_n_findings(c);
    if (d->K == 0 || d->K > SHN_FINDINGS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "train.data", "%s: %zu findings, needs 1 to %d", shn_cohort_path(c), d->K, SHN_FINDINGS_MAX);
    shn_status st = shn_cohort_split_rows(c, config->split, &rows, &n, err);
    if (st == SHN_OK) st = check_overlap(c, config->split, err);
    if (st == SHN_OK) st = mark_left_out(d, config->leave_out, err);
    if (st == SHN_OK) st = take_rows(d, rows, n, sentences, err);
    free(rows);
    if (st == SHN_OK && config->permute_labels) st = permute(d, config->permute_labels, err);
    if (st == SHN_OK && config->coded) st = keep_coded(d, config->coded, config->seed, err);
    if (st == SHN_OK) drop_useless(d, sentences);
    if (st == SHN_OK && d->n < 2)
        st = shn_fail(err, SHN_RANGE, SHN_REASON_NO_LABEL, "train.data", "%s: %zu records of split '%s' have known findings, training needs two "
                      "at least", shn_cohort_path(c), d->n, config->split);
    if (st == SHN_OK && sentences) st = shn_reports_new(c, d->rows, d->n, &d->reports, err);
    if (st == SHN_OK && sentences && d->reports.n == 0)
        st = shn_fail(err, SHN_RANGE, SHN_REASON_NO_LABEL, "train.data", "%s: no record of split '%s' has a report, so there are no sentences; leave "
                      "--sentences away", shn_cohort_path(c), config->split);
    if (st == SHN_OK) st = shn_cohort_digest(c, d->rows, d->n, d->digest, err);
    if (st == SHN_OK) st = shn_sets_new(d->label, d->known, d->n, d->K, &d->sets, err);
    if (st != SHN_OK) {
        shn_train_data_free(d);
        return st;
    }
    count_findings(d);
    measure_scale(d);
    see_leads(d);
    return SHN_OK;
}

shn_status shn_train_unlabelled_load(const shn_cohort *c, const char *split, shn_train_unlabelled *out, shn_error *err)
{
    shn_train_data d = { .cohort = c };
    memset(out, 0, sizeof *out);
    shn_status st = shn_cohort_split_rows(c, split, &d.rows, &d.n, err);
    if (st == SHN_OK) st = check_overlap(c, split, err);
    if (st != SHN_OK) {
        free(d.rows);
        return st;
    }
    measure_scale(&d);
    see_leads(&d);
    *out = (shn_train_unlabelled){ d.n, d.rows, d.scale_per_mv, d.lead_present };
    return SHN_OK;
}

void shn_train_data_free(shn_train_data *d)
{
    free(d->rows);
    free(d->label);
    free(d->left_out);
    free(d->known);
    free(d->n_pos);
    free(d->n_known);
    shn_sets_free(&d->sets);
    shn_reports_free(&d->reports);
    memset(d, 0, sizeof *d);
}
