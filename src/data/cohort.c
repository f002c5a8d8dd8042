/* Reading a cohort: HDF5 only says where the data sets lie; everything is then read through one mapping of the file, so that
 * a cohort larger than memory, or twenty of them, costs four bytes a record. */
#include "shinden/cohort.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/random.h"
#include "data/cohort_fields.h"
#include "shinden/signal.h"

struct shn_cohort {
    char         path[SHN_PATH_MAX];
    shn_mapping  file;
    shn_h5_field field[SHN_FIELD_COUNT];
    size_t       stride[SHN_FIELD_COUNT];       /* bytes of one row of a field */
    shn_h5_texts attributes;
    shn_finding *findings;                      /* [K] */
    double       fs_hz;
    float        uv_per_unit;
    uint32_t    *rows;                          /* [n] kept records -> rows of the file */
    size_t       n;
    uint8_t     *part;                          /* NULL, or [n] which of part_names takes the place of the record's split */
};

enum { PART_ASIDE, PART_TRAIN, PART_VAL, PURPOSE_CROSS_VALIDATION = 0x63726f73 /* "cros" */ };
static const char *const part_names[] = { "", "train", "val" };

static const void *row_of(const shn_cohort *c, shn_field_tag tag, size_t row)
{
    return c->file.bytes + c->field[tag].offset + row * c->stride[tag];
}

static const void *at(const shn_cohort *c, shn_field_tag tag, size_t record) { return row_of(c, tag, c->rows[record]); }

/** A text of the file; one without its terminator (not written by us) reads as empty rather than running on. */
static const char *text_row(const shn_cohort *c, shn_field_tag tag, size_t row)
{
    const char *s = row_of(c, tag, row);
    return memchr(s, '\0', c->field[tag].text_bytes) ? s : "";
}

static const char *text_at(const shn_cohort *c, shn_field_tag tag, size_t record) { return text_row(c, tag, c->rows[record]); }

/** Every field has the extents that N, T, K and S give it. */
static shn_status check_shapes(shn_cohort *c, shn_error *err)
{
    const shn_h5_field *signals = &c->field[SHN_FIELD_SIGNALS];
    const size_t N = signals->shape[0], K = c->field[SHN_FIELD_FINDING_ID].shape[0];
    if (signals->shape[1] != SHN_LEADS)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "cohort.open", "%s: 'signals' has %zu leads, a cohort has 12", c->path, signals->shape[1]);
    if (N >= UINT32_MAX)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_LIMIT, "cohort.open", "%s: %zu rows, at most %u", c->path, N, UINT32_MAX - 1);
    for (int i = 0; i < SHN_FIELD_COUNT; i++) {
        const shn_h5_field    *f = &c->field[i];
        const shn_field_extent extent = shn_cohort_field_extent((shn_field_tag)i);
        const int about = extent == SHN_EXTENT_ABOUT_K, per_row = extent != SHN_EXTENT_NAMES_K && extent != SHN_EXTENT_NAMES_S && !about;
        const int bad = (per_row && f->shape[0] != N) || (about && f->offset && f->shape[0] != K) || (extent == SHN_EXTENT_LEAD && f->shape[1] != SHN_LEADS) ||
                        (extent == SHN_EXTENT_FINDING && f->shape[1] != K);
        if (bad)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "cohort.open", "%s: '%s' does not have the extents of %zu rows and %zu findings",
                            c->path, f->name, N, K);
        c->stride[i] = shn_h5_element_bytes(f);
        for (size_t d = 1; d < f->rank; d++) c->stride[i] *= f->shape[d];
    }
    return SHN_OK;
}

static int number_of(const shn_cohort *c, const char *name, double *x)
{
    char *end;
    const char *text = shn_cohort_attribute(c, name);
    *x = strtod(text, &end);
    return *text && *end == '\0' && isfinite(*x) && *x > 0;
}

static shn_status check_attributes(shn_cohort *c, shn_error *err)
{
    double schema, uv;
    if (!number_of(c, "schema_version", &schema) || schema != SHN_COHORT_SCHEMA)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_UNSUPPORTED, "cohort.open", "%s: schema_version '%s', this program reads %d; import it again",
                        c->path, shn_cohort_attribute(c, "schema_version"), SHN_COHORT_SCHEMA);
    if (!number_of(c, "fs", &c->fs_hz) || !number_of(c, "uv_per_unit", &uv))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "cohort.open", "%s: attribute fs or uv_per_unit is missing or not a number above 0", c->path);
    if (strcmp(shn_cohort_attribute(c, "leads"), "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6") != 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_LEAD_ORDER, "cohort.open", "%s: attribute leads is not I,II,III,aVR,aVL,aVF,V1..V6", c->path);
    c->uv_per_unit = (float)uv;
    return SHN_OK;
}

/** Numbers the kept rows, and makes sure of every value that is later used as an index or a size. */
static shn_status index_rows(shn_cohort *c, shn_error *err)
{
    const size_t N = c->field[SHN_FIELD_SIGNALS].shape[0], S = c->field[SHN_FIELD_SOURCE_NAME].shape[0];
    size_t kept = 0;
    for (size_t row = 0; row < N; row++) kept += *(const uint8_t *)row_of(c, SHN_FIELD_STATUS, row) == SHN_ROW_KEPT;
    if (kept == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "cohort.open", "%s: none of its %zu rows was kept; see its manifest", c->path, N);
    c->rows = shn_alloc(kept, sizeof *c->rows);
    if (!c->rows) return shn_fail_nomem(err, "cohort.open");
    for (size_t row = 0; row < N; row++) {
        if (*(const uint8_t *)row_of(c, SHN_FIELD_STATUS, row) != SHN_ROW_KEPT) continue;
        int32_t  source;
        uint32_t n_valid;
        memcpy(&source, row_of(c, SHN_FIELD_SOURCE, row), sizeof source);
        memcpy(&n_valid, row_of(c, SHN_FIELD_N_VALID, row), sizeof n_valid);
        if (source < 0 || (size_t)source >= S || n_valid == 0 || n_valid > c->field[SHN_FIELD_SIGNALS].shape[2])
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "cohort.open", "%s: row %zu: source %d or n_valid %u is out of range", c->path, row,
                            (int)source, n_valid);
        c->rows[c->n++] = (uint32_t)row;
    }
    return SHN_OK;
}

/** A string of finding k that the file may lack. */
static const char *about(const shn_cohort *c, shn_field_tag tag, size_t k) { return c->field[tag].offset ? text_row(c, tag, k) : ""; }

/** The built-in registry's word counts: its ids never change their meaning, and vectors are made from its texts. */
static shn_status take_findings(shn_cohort *c, shn_error *err)
{
    const shn_registry *reg = shn_registry_builtin();
    const size_t        K = shn_cohort_n_findings(c);
    c->findings = shn_alloc(K, sizeof *c->findings);
    if (!c->findings) return shn_fail_nomem(err, "cohort.open");
    for (size_t k = 0; k < K; k++) {
        shn_finding *f = &c->findings[k];
        const char  *id = shn_cohort_finding_id(c, k);
        const int    built_in = shn_registry_find(reg, id);
        if (built_in >= 0) {
            *f = *shn_registry_at(reg, (size_t)built_in);
            continue;
        }
        *f = (shn_finding){ .id = id, .synonyms_en = "", .synonyms_ja = "", .parents = "", .ludb = "", .minnesota = "", .code15 = "", .mitdb_rhythm = "",
                            .mitdb_beat = "", .ja_source = "" };
#define X(tag, field) f->field = about(c, SHN_FIELD_##tag, k);
        SHN_COHORT_FINDING_STRINGS(X)
#undef X
        if (!*f->name_en) f->name_en = id;
        if (!*f->name_ja) f->name_ja = id;
        if (c->field[SHN_FIELD_FLAGS].offset)
            f->flags = *(const uint8_t *)row_of(c, SHN_FIELD_FLAGS, k) & (SHN_FINDING_UBIQUITOUS | SHN_FINDING_URGENT | SHN_FINDING_CLINICAL);
    }
    return SHN_OK;
}

shn_status shn_cohort_open(const char *path, shn_cohort **out, shn_error *err)
{
    *out = NULL;
    shn_cohort *c = shn_alloc(1, sizeof *c);
    if (!c) return shn_fail_nomem(err, "cohort.open");
    shn_cohort_fields_init(c->field);
    shn_status st = shn_path_join(c->path, "", path, err);
    if (st == SHN_OK) st = shn_h5_layout(path, c->field, SHN_FIELD_COUNT, &c->attributes, err);
    if (st == SHN_OK) st = check_shapes(c, err);
    if (st == SHN_OK) st = check_attributes(c, err);
    if (st == SHN_OK) st = shn_file_map(path, &c->file, err);
    for (int i = 0; st == SHN_OK && i < SHN_FIELD_COUNT; i++) {     /* the file may have changed since HDF5 looked */
        const size_t bytes = shn_h5_field_bytes(&c->field[i]);
        if (c->field[i].offset > c->file.n_bytes || bytes > c->file.n_bytes - c->field[i].offset)
            st = shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "cohort.open", "%s: '%s' does not lie inside the file", path, c->field[i].name);
    }
    if (st == SHN_OK) st = index_rows(c, err);
    if (st == SHN_OK) st = take_findings(c, err);
    if (st != SHN_OK) {
        shn_cohort_close(c);
        return st;
    }
    *out = c;
    return SHN_OK;
}

void shn_cohort_close(shn_cohort *c)
{
    if (!c) return;
    shn_file_unmap(&c->file);
    shn_h5_texts_free(&c->attributes);
    free(c->findings);
    free(c->rows);
    free(c->part);
    free(c);
}

const char *shn_cohort_path(const shn_cohort *c) { return c->path; }
size_t      shn_cohort_size(const shn_cohort *c) { return c->n; }
size_t      shn_cohort_n_samples(const shn_cohort *c) { return c->field[SHN_FIELD_SIGNALS].shape[2]; }
double      shn_cohort_fs_hz(const shn_cohort *c) { return c->fs_hz; }
float       shn_cohort_uv_per_unit(const shn_cohort *c) { return c->uv_per_unit; }
size_t      shn_cohort_n_findings(const shn_cohort *c) { return c->field[SHN_FIELD_FINDING_ID].shape[0]; }
const char *shn_cohort_finding_id(const shn_cohort *c, size_t k) { return text_row(c, SHN_FIELD_FINDING_ID, k); }
const shn_finding *shn_cohort_finding(const shn_cohort *c, size_t k) { return &c->findings[k]; }
const int16_t *shn_cohort_signal(const shn_cohort *c, size_t record) { return at(c, SHN_FIELD_SIGNALS, record); }
const float   *shn_cohort_offset_uv(const shn_cohort *c, size_t record) { return at(c, SHN_FIELD_OFFSET, record); }
size_t         shn_cohort_n_valid(const shn_cohort *c, size_t record) { return *(const uint32_t *)at(c, SHN_FIELD_N_VALID, record); }
const uint8_t *shn_cohort_lead_present(const shn_cohort *c, size_t record) { return at(c, SHN_FIELD_PRESENT, record); }
const uint8_t *shn_cohort_labels(const shn_cohort *c, size_t record) { return at(c, SHN_FIELD_LABELS, record); }
const uint8_t *shn_cohort_known(const shn_cohort *c, size_t record) { return at(c, SHN_FIELD_KNOWN, record); }
const char *shn_cohort_id(const shn_cohort *c, size_t record) { return text_at(c, SHN_FIELD_ID, record); }
const char *shn_cohort_patient(const shn_cohort *c, size_t record) { return text_at(c, SHN_FIELD_PATIENT, record); }
const char *shn_cohort_split(const shn_cohort *c, size_t record) { return c->part ? part_names[c->part[record]] : text_at(c, SHN_FIELD_SPLIT, record); }
const char *shn_cohort_record_path(const shn_cohort *c, size_t record) { return text_at(c, SHN_FIELD_PATH, record); }
const char *shn_cohort_report(const shn_cohort *c, size_t record) { return text_at(c, SHN_FIELD_REPORT, record); }
float       shn_cohort_age(const shn_cohort *c, size_t record) { return *(const float *)at(c, SHN_FIELD_AGE, record); }

const char *shn_cohort_source(const shn_cohort *c, size_t record)
{
    return text_row(c, SHN_FIELD_SOURCE_NAME, (size_t)*(const int32_t *)at(c, SHN_FIELD_SOURCE, record));
}

char shn_cohort_sex(const shn_cohort *c, size_t record)
{
    const char sex = *text_at(c, SHN_FIELD_SEX, record);
    return sex == 'M' || sex == 'F' ? sex : 0;
}

const char *shn_cohort_attribute(const shn_cohort *c, const char *name)
{
    for (size_t i = 0; i < c->attributes.n; i++)
        if (strcmp(c->attributes.names[i], name) == 0) return c->attributes.values[i];
    return "";
}

/** "train (1200), val (310)" of all kept records, for the error; at most eight splits. */
static void list_splits(const shn_cohort *c, char *text, size_t size)
{
    const char *names[8];
    size_t      counts[8] = { 0 }, n = 0;
    for (size_t i = 0; i < c->n; i++) {
        size_t s = 0;
        while (s < n && strcmp(names[s], shn_cohort_split(c, i)) != 0) s++;
        if (s == 8) continue;
        if (s == n) names[n++] = shn_cohort_split(c, i);
        counts[s]++;
    }
    *text = '\0';
    for (size_t s = 0; s < n; s++) {
        const size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s (%zu)", s ? ", " : "", *names[s] ? names[s] : "unnamed", counts[s]);
    }
}

int shn_cohort_has_split(const shn_cohort *c, const char *split)
{
    for (size_t i = 0; i < shn_cohort_size(c); i++)
        if (strcmp(shn_cohort_split(c, i), split) == 0) return 1;
    return 0;
}

shn_status shn_cohort_split_rows(const shn_cohort *c, const char *split, uint32_t **rows, size_t *n, shn_error *err)
{
    const int all = strcmp(split, "all") == 0;
    *n = 0;
    *rows = shn_alloc(c->n, sizeof **rows);
    if (!*rows) return shn_fail_nomem(err, "cohort.split");
    for (size_t i = 0; i < c->n; i++)
        if (all || strcmp(shn_cohort_split(c, i), split) == 0) (*rows)[(*n)++] = (uint32_t)i;
    if (*n) return SHN_OK;
    char there[256];
    list_splits(c, there, sizeof there);
    free(*rows);
    *rows = NULL;
    return shn_fail(err, SHN_RANGE, SHN_REASON_NO_SPLIT, "cohort.split", "%s: no record in split '%s'; there are: %s", c->path, split, there);
}

static uint64_t hash_text(uint64_t h, const char *s)
{
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;       /* FNV-1a */
    return (h ^ 0xff) * 0x100000001b3u;
}

/** Who a record belongs to: its patient within its source; without one, the record (whose windows share the id). */
static const char *owner_of(const shn_cohort *c, size_t record, int *named)
{
    const char *patient = shn_cohort_patient(c, record);
    *named = *patient != '\0';
    return *named ? patient : shn_cohort_id(c, record);
}

static int same_owner(const shn_cohort *c, size_t a, size_t b)
{
    int na, nb;
    const char *pa = owner_of(c, a, &na), *pb = owner_of(c, b, &nb);
    if (na != nb || strcmp(pa, pb) != 0 || strcmp(shn_cohort_source(c, a), shn_cohort_source(c, b)) != 0) return 0;
    return na || *pa;                           /* two records with neither patient nor id are two patients */
}

shn_status shn_cohort_patients(const shn_cohort *c, const uint32_t *rows, size_t n, uint32_t *patient, size_t *n_patients,
                               shn_error *err)
{
    size_t slots = 16;
    *n_patients = 0;
    while (slots < 2 * n) slots *= 2;
    uint32_t *table = shn_alloc(slots, sizeof *table);          /* index into rows + 1 of the owner's first record */
    if (!table) return shn_fail_nomem(err, "cohort.patients");
    for (size_t i = 0; i < n; i++) {
        int named;
        const char *owner = owner_of(c, rows[i], &named);
        uint64_t h = hash_text(hash_text(0xcbf29ce484222325u + (uint64_t)named, owner), shn_cohort_source(c, rows[i]));
        size_t slot = (size_t)(h ^ h >> 32) & (slots - 1);
        while (table[slot] && !same_owner(c, rows[table[slot] - 1], rows[i])) slot = (slot + 1) & (slots - 1);
        if (table[slot]) patient[i] = patient[table[slot] - 1];
        else {
            table[slot] = (uint32_t)i + 1;
            patient[i] = (uint32_t)(*n_patients)++;
        }
    }
    free(table);
    return SHN_OK;
}

shn_status shn_cohort_digest(const shn_cohort *c, const uint32_t *rows, size_t n, char hex[65], shn_error *err)
{
    uint8_t     digest[32];
    const size_t K = shn_cohort_n_findings(c);
    shn_sha256 *h = shn_sha256_new();
    if (!h) return shn_fail_nomem(err, "cohort.digest");
    for (size_t k = 0; k < K; k++) {
        const shn_finding *f = shn_cohort_finding(c, k);
        shn_sha256_add(h, shn_cohort_finding_id(c, k), strlen(shn_cohort_finding_id(c, k)) + 1);
        if (shn_registry_find(shn_registry_builtin(), shn_cohort_finding_id(c, k)) >= 0) continue;      /* training takes these from the program */
#define X(tag, field) shn_sha256_add(h, f->field, strlen(f->field) + 1);
        SHN_COHORT_FINDING_STRINGS(X)
#undef X
        shn_sha256_add(h, &f->flags, sizeof f->flags);
    }
    for (size_t i = 0; i < n; i++) {
        const char *id = shn_cohort_id(c, rows[i]);
        shn_sha256_add(h, id, strlen(id) + 1);
        shn_sha256_add(h, shn_cohort_labels(c, rows[i]), K);
        shn_sha256_add(h, shn_cohort_known(c, rows[i]), K);
        shn_sha256_add(h, shn_cohort_signal(c, rows[i]), c->stride[SHN_FIELD_SIGNALS]);
    }
    shn_sha256_end(h, digest);
    shn_sha256_hex(digest, hex);
    return SHN_OK;
}

/** 1 if `name` is one of the splits that pool lists with '+' between. */
static int in_pool(const char *pool, const char *name)
{
    const size_t n = strlen(name);
    for (const char *p = pool; n && *p;) {
        const size_t length = strcspn(p, "+");
        if (length == n && strncmp(p, name, n) == 0) return 1;
        p += length + (p[length] == '+');
    }
    return 0;
}

/** Deals patients 0..n-1 to folds: fold[patient]. */
static shn_status deal_patients(size_t n_patients, unsigned n_folds, uint64_t seed, uint32_t **fold, shn_error *err)
{
    uint32_t *order = shn_alloc(n_patients, sizeof *order);
    *fold = shn_alloc(n_patients, sizeof **fold);
    if (!order || !*fold) {
        free(order);
        return shn_fail_nomem(err, "cohort.cross_validate");
    }
    shn_rng r = shn_rng_stream(seed, PURPOSE_CROSS_VALIDATION, 0, 0);
    for (size_t p = 0; p < n_patients; p++) order[p] = (uint32_t)p;
    shn_rng_shuffle(&r, order, n_patients);
    for (size_t p = 0; p < n_patients; p++) (*fold)[order[p]] = (uint32_t)(p % n_folds);
    free(order);
    return SHN_OK;
}

shn_status shn_cohort_cross_validate(shn_cohort *c, const char *pool, unsigned n_folds, unsigned held, uint64_t seed, shn_error *err)
{
    uint32_t *rows = shn_alloc(c->n, sizeof *rows), *patient = shn_alloc(c->n, sizeof *patient), *fold = NULL;
    uint8_t  *part = shn_alloc(c->n, 1);
    size_t    n = 0, n_patients = 0;
    char      there[256];
    shn_status st = rows && patient && part ? SHN_OK : shn_fail_nomem(err, "cohort.cross_validate");
    if (st == SHN_OK && (n_folds < 2 || held >= n_folds))
        st = shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "cohort.cross_validate", "part %u of %u; needs two parts at least", held + 1, n_folds);
    for (size_t i = 0; st == SHN_OK && i < c->n; i++)
        if (in_pool(pool, shn_cohort_split(c, i))) rows[n++] = (uint32_t)i;
    if (st == SHN_OK && n == 0) {
        list_splits(c, there, sizeof there);
        st = shn_fail(err, SHN_RANGE, SHN_REASON_NO_SPLIT, "cohort.cross_validate", "%s: no record in '%.60s'; there are: %s", c->path, pool, there);
    }
    if (st == SHN_OK) st = shn_cohort_patients(c, rows, n, patient, &n_patients, err);
    if (st == SHN_OK && n_patients < n_folds)
        st = shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "cohort.cross_validate", "%s: %zu patients in '%.60s', cannot be %u parts", c->path, n_patients, pool, n_folds);
    if (st == SHN_OK) st = deal_patients(n_patients, n_folds, seed, &fold, err);
    for (size_t i = 0; st == SHN_OK && i < n; i++) part[rows[i]] = fold[patient[i]] == held ? PART_VAL : PART_TRAIN;
    if (st == SHN_OK) {
        free(c->part);
        c->part = part;
        part = NULL;
    }
    free(part);
    free(fold);
    free(patient);
    free(rows);
    return st;
}
