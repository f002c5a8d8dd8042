/**
 * Rules of de-identification and the copying of one file. The formats know where their identifiers are; what becomes of an id or a date is
 * decided here, the same for all, so that a patient's files of different formats stay one patient.
 */
#include "formats/deidentify.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/hash.h"
#include "formats/day.h"
#include "formats/open.h"

enum { SHIFT_DAYS_MAX = 365, AGE_MAX = 90 };

typedef struct change { char *place, *what, *done; } change;
typedef struct companion { char old_name[256], new_name[256]; } companion;

struct shn_deid {
    uint8_t    key[SHN_DEID_KEY_MAX];
    size_t     n_key;
    char       id[SHN_DEID_PATIENT_MAX];        /* of the present file's patient */
    int        shift_days;                      /* negative */
    char       stem[SHN_DEID_PATIENT_MAX];
    change    *changes;
    size_t     n_changes, changes_capacity;
    companion *companions;
    size_t     n_companions, companions_capacity;
};

shn_status shn_bytes_add(shn_bytes *b, const void *bytes, size_t n, shn_error *err)
{
    size_t need;
    if (__builtin_add_overflow(b->n, n, &need)) return shn_fail_nomem(err, "deidentify");
    if (need > b->capacity && shn_grow(&b->bytes, &b->capacity, need, 1) != 0) return shn_fail_nomem(err, "deidentify");
    if (n) memcpy(b->bytes + b->n, bytes, n);
    b->n = need;
    return SHN_OK;
}

void shn_bytes_free(shn_bytes *b)
{
    free(b->bytes);
    *b = (shn_bytes){ 0 };
}

shn_status shn_deid_new(const void *key, size_t n_key, shn_deid **out, shn_error *err)
{
    *out = NULL;
    if (n_key < SHN_DEID_KEY_MIN || n_key > SHN_DEID_KEY_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "deidentify.key", "a key of %zu bytes; needs %d to %d", n_key, SHN_DEID_KEY_MIN, SHN_DEID_KEY_MAX);
    shn_deid *d = shn_alloc(1, sizeof *d);
    if (!d) return shn_fail_nomem(err, "deidentify");
    memcpy(d->key, key, n_key);
    d->n_key = n_key;
    *out = d;
    return SHN_OK;
}

static void forget_file(shn_deid *d)
{
    for (size_t i = 0; i < d->n_changes; i++) {
        free(d->changes[i].place);
        free(d->changes[i].what);
        free(d->changes[i].done);
    }
    d->n_changes = d->n_companions = 0;
    *d->id = *d->stem = '\0';
    d->shift_days = 0;
}

void shn_deid_free(shn_deid *d)
{
    if (!d) return;
    forget_file(d);
    free(d->changes);
    free(d->companions);
    explicit_bzero(d->key, sizeof d->key);
    free(d);
}

/** HMAC of purpose and text: one key serves several purposes without one answer giving away another. */
static void keyed(const shn_deid *d, const char *purpose, const char *text, uint8_t digest[32])
{
    char message[SHN_PATH_MAX + 64];
    const int n = snprintf(message, sizeof message, "%s:%s", purpose, text);
    shn_hmac_sha256(d->key, d->n_key, message, n < (int)sizeof message ? (size_t)n : sizeof message - 1, digest);
}

static void hashed_name(char out[SHN_DEID_PATIENT_MAX], char letter, const uint8_t digest[32])
{
    char hex[65];
    shn_sha256_hex(digest, hex);
    snprintf(out, SHN_DEID_PATIENT_MAX, "%c%.16s", letter, hex);
}

void shn_deid_patient(shn_deid *d, const char *patient)
{
    uint8_t digest[32];
    char    trimmed[256];
    size_t  n = 0;
    while (patient && isspace((unsigned char)*patient)) patient++;
    if (patient) n = strnlen(patient, sizeof trimmed - 1);
    while (n && isspace((unsigned char)patient[n - 1])) n--;
    if (n) {
        memcpy(trimmed, patient, n);
        trimmed[n] = '\0';
    }
    if (n) keyed(d, "patient", trimmed, digest);
    else keyed(d, "file", d->stem, digest);
    hashed_name(d->id, 'P', digest);
    keyed(d, "days", d->id, digest);
    d->shift_days = -1 - (int)((digest[0] | (unsigned)digest[1] << 8 | (unsigned)digest[2] << 16) % SHIFT_DAYS_MAX);
}

void        shn_deid_id(const shn_deid *d, char *out, size_t width) { snprintf(out, width, "%s", d->id); }
const char *shn_deid_stem(const shn_deid *d) { return d->stem; }
const char *shn_deid_patient_of(const shn_deid *d) { return d->id; }

/** Days since 1970-01-01 of a Gregorian date, and back (proleptic, by 400-year eras that begin on 1 March). */
static long days_of(int y, int m, int day)
{
    y -= m <= 2;
    const long era = (y >= 0 ? y : y - 399) / 400;
    const int  yoe = (int)(y - era * 400), doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_of(long days, int *y, int *m, int *day)
{
    days += 719468;
    const long era = (days >= 0 ? days : days - 146096) / 146097;
    const int  doe = (int)(days - era * 146097), yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const int  doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    *day = doy - (153 * mp + 2) / 5 + 1;
    *m = mp < 10 ? mp + 3 : mp - 9;
    *y = (int)(yoe + era * 400) + (*m <= 2);
}

shn_status shn_deid_date(const shn_deid *d, int *year, int *month, int *day, shn_error *err)
{
    const shn_day given = { *year, *month, *day };
    if (shn_day_valid(&given)) {
        date_of(days_of(given.year, given.month, given.day) + d->shift_days, year, month, day);
        return SHN_OK;
    }
    return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "deidentify.date", "%d-%d-%d is no date", *year, *month, *day);
}

/** The number of `n` digits at p, -1 if others are among them. */
static int digits(const char *p, int n)
{
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (!isdigit((unsigned char)p[i])) return -1;
        v = v * 10 + p[i] - '0';
    }
    return v;
}

static void put_digits(char *p, int n, int v)
{
    for (int i = n - 1; i >= 0; i--, v /= 10) p[i] = (char)('0' + v % 10);
}

shn_status shn_deid_date_text(const shn_deid *d, char *text, int day_first, shn_error *err)
{
    static const struct { int length, year, month, day; } forms[3] = { { 8, 0, 4, 6 }, { 10, 0, 5, 8 }, { 10, 6, 3, 0 } };
    const size_t length = strlen(text);
    for (int f = day_first ? 2 : 0; f < (day_first ? 3 : 2); f++) {
        if (length < (size_t)forms[f].length) continue;
        int y = digits(text + forms[f].year, 4), m = digits(text + forms[f].month, 2), day = digits(text + forms[f].day, 2);
        if (y < 0 || m < 0 || day < 0) continue;
        const shn_status st = shn_deid_date(d, &y, &m, &day, err);
        if (st != SHN_OK) return st;
        put_digits(text + forms[f].year, 4, y);
        put_digits(text + forms[f].month, 2, m);
        put_digits(text + forms[f].day, 2, day);
        return SHN_OK;
    }
    return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "deidentify.date", "a text that begins with no date");       /* the text may be anything: not shown */
}

int shn_deid_age(int years) { return years > AGE_MAX - 1 ? AGE_MAX : years; }

shn_status shn_deid_note(shn_deid *d, const char *place, const char *what, const char *done, shn_error *err)
{
    if (shn_grow(&d->changes, &d->changes_capacity, d->n_changes + 1, sizeof *d->changes) != 0) return shn_fail_nomem(err, "deidentify");
    change c = { shn_strdup(place), shn_strdup(what), shn_strdup(done) };
    if (!c.place || !c.what || !c.done) {
        free(c.place);
        free(c.what);
        free(c.done);
        return shn_fail_nomem(err, "deidentify");
    }
    d->changes[d->n_changes++] = c;
    return SHN_OK;
}

size_t          shn_deid_n_changes(const shn_deid *d) { return d->n_changes; }
shn_deid_change shn_deid_change_at(const shn_deid *d, size_t i)
{
    const change *c = &d->changes[i];
    return (shn_deid_change){ c->place, c->what, c->done };
}

shn_status shn_deid_companion(shn_deid *d, const char *old_name, const char *new_name, shn_error *err)
{
    if (strchr(old_name, '/') || strchr(new_name, '/') || strlen(old_name) > 255 || strlen(new_name) > 255)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "deidentify", "companion '%.80s' is not a plain file name", old_name);
    if (shn_grow(&d->companions, &d->companions_capacity, d->n_companions + 1, sizeof *d->companions) != 0) return shn_fail_nomem(err, "deidentify");
    companion *c = &d->companions[d->n_companions++];
    strcpy(c->old_name, old_name);
    strcpy(c->new_name, new_name);
    return SHN_OK;
}

static shn_status write_new(const char *folder, const char *name, const void *bytes, size_t n, char path[SHN_PATH_MAX], shn_error *err)
{
    shn_status st = shn_path_join(path, folder, name, err);
    if (st == SHN_OK && shn_path_exists(path))
        st = shn_fail(err, SHN_IO, SHN_REASON_DUPLICATE_ID, "deidentify", "%s: is there already; the same file twice, or name an empty folder", path);
    return st == SHN_OK ? shn_file_write(path, bytes, n, err) : st;
}

/** Companions first: a header whose signal files are missing would be half a record. */
static shn_status write_all(shn_deid *d, const shn_opened *o, const shn_bytes *out, const char *folder, char out_path[SHN_PATH_MAX], shn_error *err)
{
    char        name[SHN_DEID_PATIENT_MAX + 32], path[SHN_PATH_MAX];
    const char *dot = strrchr(o->input.name, '.');
    shn_status  st = shn_dir_make(folder, err);
    for (size_t i = 0; i < d->n_companions && st == SHN_OK; i++) {
        const uint8_t *bytes;
        size_t         n;
        st = o->source.open(o->source.context, d->companions[i].old_name, &bytes, &n, err);
        if (st != SHN_OK) break;
        st = write_new(folder, d->companions[i].new_name, bytes, n, path, err);
        o->source.close(o->source.context, bytes, n);
    }
    snprintf(name, sizeof name, "%s%.16s", d->stem, dot ? dot : "");
    for (char *p = name; *p; p++) *p = (char)(isalnum((unsigned char)*p) || *p == '.' ? *p : '_');      /* an ending, too, may be anything */
    return st == SHN_OK ? write_new(folder, name, out->bytes, out->n, out_path, err) : st;
}

/** Lends companions by their new names: so the rewritten header can be read before anything is written. */
typedef struct renamed { const shn_deid *deid; const shn_source *source; } renamed;

static shn_status open_renamed(void *context, const char *name, const uint8_t **bytes, size_t *n, shn_error *err)
{
    const renamed *r = context;
    for (size_t i = 0; i < r->deid->n_companions; i++)
        if (strcmp(r->deid->companions[i].new_name, name) == 0)
            return r->source->open(r->source->context, r->deid->companions[i].old_name, bytes, n, err);
    return shn_fail(err, SHN_FORMAT, SHN_REASON_NOT_FOUND, "deidentify", "no companion %.80s", name);
}

static void close_renamed(void *context, const uint8_t *bytes, size_t n)
{
    const renamed *r = context;
    r->source->close(r->source->context, bytes, n);
}

static int same_samples(const shn_record *a, const shn_record *b)
{
    if (shn_record_n_leads(a) != shn_record_n_leads(b) || shn_record_n_samples(a) != shn_record_n_samples(b) || shn_record_fs_hz(a) != shn_record_fs_hz(b) ||
        shn_record_meta_of(a)->total_samples != shn_record_meta_of(b)->total_samples)
        return 0;
    for (size_t i = 0; i < shn_record_n_leads(a); i++)
        if (strcmp(shn_record_name(a, i), shn_record_name(b, i)) != 0 ||
            memcmp(shn_record_lead(a, i), shn_record_lead(b, i), shn_record_n_samples(a) * sizeof(float)) != 0)
            return 0;
    return 1;
}

/** What the rewritten file says of the patient. */
static shn_status check_patient(const shn_record *before, const shn_record *after, const shn_bytes *out, shn_error *err)
{
    const char  *old = shn_record_meta_of(before)->patient;
    const size_t n = strlen(old);
    if (n && strcmp(old, shn_record_meta_of(after)->patient) == 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "deidentify", "the rewritten file still names the patient; it is not written");
    if (n >= 4 && memmem(out->bytes, out->n, old, n))
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "deidentify",
                        "the patient's id also stands where the format has no place for it; the file is not written");
    return SHN_OK;
}

/**
 * Reads what would be written, part by part: still this format, the same samples, another patient, and the old id nowhere in the bytes. Otherwise
 * nothing is vouched for.
 */
static shn_status vouch(const shn_deid *d, const shn_opened *o, const shn_bytes *out, shn_error *err)
{
    renamed            r = { d, &o->source };
    const shn_source   source = { &r, open_renamed, close_renamed };
    shn_format_options options = o->options;
    shn_input          old = o->input, new = o->input;
    shn_status         st = SHN_OK;
    size_t             total = 1;
    old.options = new.options = &options;
    new.bytes = out->bytes;
    new.n_bytes = out->n;
    new.path = NULL;
    if (d->n_companions) new.source = &source;
    if (shn_reader_for(out->bytes, out->n) != o->reader)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "deidentify", "the rewritten file would no longer be recognised as %s; it is not written", o->reader->title);
    options.first_sample = 0;
    options.max_samples = SHN_RECORD_WHOLE_MAX;
    while (st == SHN_OK && options.first_sample < total) {
        shn_record *before = NULL, *after = NULL;
        st = o->reader->read(&old, &before, err);
        if (st == SHN_OK) st = o->reader->read(&new, &after, err);
        if (st == SHN_OK && !same_samples(before, after))
            st = shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "deidentify", "the rewritten file does not give the same samples; it is not written");
        if (st == SHN_OK && options.first_sample == 0) st = check_patient(before, after, out, err);
        if (st == SHN_OK) {
            total = shn_record_meta_of(before)->total_samples ? shn_record_meta_of(before)->total_samples : shn_record_n_samples(before);
            options.first_sample += shn_record_n_samples(before);
        }
        shn_record_free(before);
        shn_record_free(after);
    }
    return st;
}

shn_status shn_deid_file(shn_deid *d, const char *path, const char *folder, char out_path[SHN_DEID_PATH_MAX], shn_error *err)
{
    shn_opened o;
    shn_bytes  out = { 0 };
    uint8_t    digest[32];
    *out_path = '\0';
    forget_file(d);
    shn_status st = shn_opened_open(&o, path, NULL, err);
    if (st != SHN_OK) goto cleanup;
    if (!o.reader->deidentify) {
        st = shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "deidentify",
                      "%s: %s is not rewritten; convert it first (shinden convert), which leaves identifiers behind", path, o.reader->title);
        goto cleanup;
    }
    shn_sha256_of(o.map.bytes, o.map.n_bytes, digest);          /* the name comes from the content: the same file twice is found out */
    char hex[65];
    shn_sha256_hex(digest, hex);
    keyed(d, "name", hex, digest);
    hashed_name(d->stem, 'R', digest);
    shn_deid_patient(d, NULL);
    st = o.reader->deidentify(&o.input, d, &out, err);
    if (st == SHN_OK) st = vouch(d, &o, &out, err);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    else st = write_all(d, &o, &out, folder, out_path, err);
cleanup:
    shn_opened_close(&o);
    shn_bytes_free(&out);
    return st;
}
