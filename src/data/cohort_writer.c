/* Rows are written with pwrite at offsets that HDF5 gave once, when it laid the file out: no lock, no HDF5 call per row,
 * and the HDF5 structure is complete before the first row, so a kill cannot tear it. */
#include "data/cohort_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "data/cohort_fields.h"

#define ACQUIRED_BYTES 32
#define REASON_BYTES   32
#define SIZE_LIMIT     ((size_t)1 << 31)

struct shn_cohort_writer {
    shn_h5_field field[SHN_FIELD_COUNT];
    char         path[SHN_PATH_MAX], part[SHN_PATH_MAX + 16];
    size_t       n_rows, n_samples, n_findings, n_sources;
    float        uv_per_unit;
    int          fd;                            /* -1: not open */
    int          keep;
};

static shn_status fail_write(const shn_cohort_writer *w, int code, shn_error *err)
{
    if (code == EFBIG)
        return shn_fail(err, SHN_IO, SHN_REASON_DISK_FULL, "cohort.write",
                        "%s: the file may not grow so large (file size limit); raise it and run the same command again", w->part);
    return shn_fail_errno(err, code, "cohort.write", w->part);
}

static shn_status put(const shn_cohort_writer *w, const void *bytes, size_t n, uint64_t offset, shn_error *err)
{
    const char *p = bytes;
    while (n) {
        const ssize_t done = pwrite(w->fd, p, n, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return fail_write(w, done < 0 ? errno : EIO, err);
        p += done;
        offset += (size_t)done;
        n -= (size_t)done;
    }
    return SHN_OK;
}

/** Writes the share of one row (or name) of a field. */
static shn_status put_row(const shn_cohort_writer *w, shn_field_tag tag, size_t row, const void *bytes, size_t n, shn_error *err)
{
    const shn_h5_field *f = &w->field[tag];
    size_t stride = shn_h5_element_bytes(f);
    for (size_t i = 1; i < f->rank; i++) stride *= f->shape[i];
    return put(w, bytes, n, f->offset + (uint64_t)row * stride, err);
}

/** Bytes of s that fit into width with a terminator, not cutting a UTF-8 character. */
static size_t text_fit(const char *s, size_t width)
{
    size_t len = strlen(s);
    if (len < width) return len;
    len = width - 1;
    while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80) len--;
    return len;
}

static shn_status put_text(const shn_cohort_writer *w, shn_field_tag tag, size_t row, const char *s, shn_error *err)
{
    char         text[SHN_COHORT_TEXT_MAX];
    const size_t width = w->field[tag].text_bytes;
    if (!s || !*s) return SHN_OK;               /* the space is zero already */
    const size_t len = text_fit(s, width < sizeof text ? width : sizeof text);
    memcpy(text, s, len);
    text[len] = '\0';
    return put_row(w, tag, row, text, len + 1, err);
}

static size_t longest(const char *const *names, size_t n)
{
    size_t width = 1;
    for (size_t i = 0; i < n; i++)
        if (strlen(names[i]) + 1 > width) width = strlen(names[i]) + 1;
    return width;
}

static int names_are_good(const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!names[i] || !*names[i] || strlen(names[i]) >= SHN_COHORT_TEXT_MAX) return 0;
        for (size_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0) return 0;
    }
    return 1;
}

static size_t text_width(size_t asked, size_t standard)
{
    const size_t width = asked ? asked : standard;
    return width < SHN_COHORT_TEXT_MAX ? width : SHN_COHORT_TEXT_MAX;
}

static const struct { shn_field_tag tag; size_t offset; } finding_strings[] = {
#define X(tag, field) { SHN_FIELD_##tag, offsetof(shn_finding, field) },
    SHN_COHORT_FINDING_STRINGS(X)
#undef X
};
enum { N_FINDING_STRINGS = sizeof finding_strings / sizeof *finding_strings };

static const char *finding_string(const shn_finding *f, size_t i)
{
    const char *s;
    memcpy(&s, (const char *)f + finding_strings[i].offset, sizeof s);
    return s;
}

static void shape_fields(shn_cohort_writer *w, const shn_cohort_spec *spec, const char *const *sources)
{
    shn_cohort_fields_init(w->field);
    for (int i = 0; i < SHN_FIELD_COUNT; i++) {
        shn_h5_field *f = &w->field[i];
        f->shape[0] = spec->n_rows;
        switch (shn_cohort_field_extent((shn_field_tag)i)) {
        case SHN_EXTENT_SIGNAL: f->shape[1] = SHN_LEADS; f->shape[2] = spec->n_samples; break;
        case SHN_EXTENT_LEAD: f->shape[1] = SHN_LEADS; break;
        case SHN_EXTENT_FINDING: f->shape[1] = spec->n_findings; break;
        case SHN_EXTENT_NAMES_K:
        case SHN_EXTENT_ABOUT_K: f->shape[0] = spec->n_findings; break;
        case SHN_EXTENT_NAMES_S: f->shape[0] = w->n_sources; break;
        case SHN_EXTENT_ROW: break;
        }
    }
    w->field[SHN_FIELD_ID].text_bytes = text_width(spec->id_bytes, 64);
    w->field[SHN_FIELD_PATIENT].text_bytes = text_width(spec->patient_bytes, 64);
    w->field[SHN_FIELD_SPLIT].text_bytes = text_width(spec->split_bytes, 16);
    w->field[SHN_FIELD_PATH].text_bytes = text_width(spec->path_bytes, 256);
    w->field[SHN_FIELD_REPORT].text_bytes = text_width(spec->report_bytes, 1024);
    w->field[SHN_FIELD_SEX].text_bytes = 2;
    w->field[SHN_FIELD_ACQUIRED].text_bytes = ACQUIRED_BYTES;
    w->field[SHN_FIELD_REASON].text_bytes = REASON_BYTES;
    w->field[SHN_FIELD_FINDING_ID].text_bytes = longest(spec->finding_ids, spec->n_findings);
    w->field[SHN_FIELD_SOURCE_NAME].text_bytes = longest(sources, w->n_sources);
    for (size_t i = 0; i < N_FINDING_STRINGS; i++) {
        size_t *width = &w->field[finding_strings[i].tag].text_bytes;
        *width = 1;
        for (size_t k = 0; spec->findings && k < spec->n_findings; k++) {
            const size_t n = strlen(finding_string(spec->findings[k], i)) + 1;
            if (n > *width) *width = text_width(n, 0);
        }
    }
}

static shn_status put_findings(const shn_cohort_writer *w, const shn_cohort_spec *spec, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t k = 0; st == SHN_OK && k < w->n_findings; k++) {
        const uint8_t flags = (uint8_t)(spec->findings ? spec->findings[k]->flags : 0);
        st = put_text(w, SHN_FIELD_FINDING_ID, k, spec->finding_ids[k], err);
        for (size_t i = 0; st == SHN_OK && spec->findings && i < N_FINDING_STRINGS; i++)
            st = put_text(w, finding_strings[i].tag, k, finding_string(spec->findings[k], i), err);
        if (st == SHN_OK) st = put_row(w, SHN_FIELD_FLAGS, k, &flags, sizeof flags, err);
    }
    return st;
}

/** Blocks for the signals of every run of rows that will have some. */
static shn_status reserve(const shn_cohort_writer *w, const uint8_t *no_signal, shn_error *err)
{
    const uint64_t start = w->field[SHN_FIELD_SIGNALS].offset, row_bytes = (uint64_t)SHN_LEADS * w->n_samples * sizeof(int16_t);
    for (size_t first = 0, end; first < w->n_rows; first = end) {
        const int absent = no_signal && no_signal[first];
        for (end = first + 1; end < w->n_rows && (no_signal && no_signal[end]) == absent;) end++;
        if (!absent && fallocate(w->fd, 0, (off_t)(start + first * row_bytes), (off_t)((end - first) * row_bytes)) != 0 &&
            errno != EOPNOTSUPP && errno != ENOSYS)
            return fail_write(w, errno, err);
    }
    return SHN_OK;
}

/** Lays the file out anew and reserves its blocks, so that a full disk shows before hours of work. */
static shn_status make_file(shn_cohort_writer *w, const shn_cohort_spec *spec, shn_error *err)
{
    const char *leads[SHN_LEADS] = { "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6" };
    const shn_h5_attribute own[] = {
        { .name = "schema_version", .number = SHN_COHORT_SCHEMA },
        { .name = "fs", .number = spec->fs_hz },
        { .name = "uv_per_unit", .number = (double)w->uv_per_unit },
        { .name = "uv_per_unit", .number = (double)w->uv_per_unit, .field = "signals" },
        { .name = "leads", .texts = leads, .n_texts = SHN_LEADS },
    };
    const size_t n_own = sizeof own / sizeof *own;
    shn_h5_attribute *all = shn_alloc(n_own + spec->n_attributes, sizeof *all);
    if (!all) return shn_fail_nomem(err, "cohort.write");
    memcpy(all, own, sizeof own);
    if (spec->n_attributes) memcpy(all + n_own, spec->attributes, spec->n_attributes * sizeof *all);
    shn_status st = shn_h5_create(w->part, w->field, SHN_FIELD_COUNT, all, n_own + spec->n_attributes, err);
    free(all);
    if (st != SHN_OK) return st;
    w->fd = open(w->part, O_RDWR | O_CLOEXEC);
    if (w->fd < 0) return shn_fail_errno(err, errno, "cohort.write", w->part);
    return reserve(w, spec->no_signal, err);
}

static shn_status reopen_file(shn_cohort_writer *w, shn_error *err)
{
    shn_h5_field there[SHN_FIELD_COUNT];
    shn_h5_texts texts;
    shn_cohort_fields_init(there);
    shn_status st = shn_h5_layout(w->part, there, SHN_FIELD_COUNT, &texts, err);
    if (st != SHN_OK) return st;
    shn_h5_texts_free(&texts);
    for (int i = 0; i < SHN_FIELD_COUNT; i++) {
        if (memcmp(there[i].shape, w->field[i].shape, sizeof there[i].shape) != 0 || there[i].text_bytes != w->field[i].text_bytes)
            return shn_fail(err, SHN_MISMATCH, SHN_REASON_BAD_VALUE, "cohort.resume",
                            "%s: '%s' has another size than this run wants; remove the file to start anew", w->part, there[i].name);
        w->field[i].offset = there[i].offset;
    }
    w->fd = open(w->part, O_RDWR | O_CLOEXEC);
    return w->fd < 0 ? shn_fail_errno(err, errno, "cohort.resume", w->part) : SHN_OK;
}

static shn_status check_spec(const shn_cohort_spec *s, const char *const *sources, size_t n_sources, shn_error *err)
{
    const char *wrong = NULL;
    if (s->n_rows == 0 || s->n_rows >= SIZE_LIMIT) wrong = "number of rows";
    else if (s->n_samples == 0 || s->n_samples >= SIZE_LIMIT) wrong = "number of samples";
    else if (!(s->fs_hz > 0) || !(s->fs_hz <= 1e6)) wrong = "sampling frequency";
    else if (!(s->uv_per_unit >= 0) || !isfinite(s->uv_per_unit)) wrong = "uV per unit";
    else if (s->n_findings == 0 || !names_are_good(s->finding_ids, s->n_findings)) wrong = "list of findings (empty, or a name empty or double)";
    else if (n_sources == 0 || !names_are_good(sources, n_sources)) wrong = "list of sources (empty, or a name empty or double)";
    return wrong ? shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "cohort.write", "%s: %s is out of range", s->path, wrong) : SHN_OK;
}

shn_status shn_cohort_writer_new(const shn_cohort_spec *spec, shn_cohort_writer **out, shn_error *err)
{
    static const char *const unnamed[] = { "unnamed" };
    const char *const *sources = spec->source_names ? spec->source_names : unnamed;
    const size_t       n_sources = spec->source_names ? spec->n_sources : 1;
    *out = NULL;
    shn_status st = check_spec(spec, sources, n_sources, err);
    if (st != SHN_OK) return st;
    shn_cohort_writer *w = shn_alloc(1, sizeof *w);
    if (!w) return shn_fail_nomem(err, "cohort.write");
    w->fd = -1;
    w->n_rows = spec->n_rows;
    w->n_samples = spec->n_samples;
    w->n_findings = spec->n_findings;
    w->n_sources = n_sources;
    w->uv_per_unit = spec->uv_per_unit > 0 ? spec->uv_per_unit : 1;
    w->keep = spec->resume;                     /* what a killed run left is never thrown away by a failing resume */
    st = shn_path_join(w->path, "", spec->path, err);
    if (st != SHN_OK) goto cleanup;
    snprintf(w->part, sizeof w->part, "%s.part", w->path);
    shape_fields(w, spec, sources);
    st = spec->resume ? reopen_file(w, err) : make_file(w, spec, err);
    if (st == SHN_OK) st = put_findings(w, spec, err);
    for (size_t s = 0; st == SHN_OK && s < w->n_sources; s++) st = put_text(w, SHN_FIELD_SOURCE_NAME, s, sources[s], err);
    if (st != SHN_OK) goto cleanup;
    *out = w;
    w = NULL;
cleanup:
    shn_cohort_writer_free(w);
    return st;
}

static shn_status put_signals(shn_cohort_writer *w, size_t row, const shn_cohort_row *data, shn_error *err)
{
    uint32_t clipped[SHN_LEADS] = { 0 };
    float    offset[SHN_LEADS] = { 0 };
    uint8_t  present[SHN_LEADS] = { 0 };
    const size_t T = w->n_samples;
    int16_t *packed = shn_alloc(SHN_LEADS * T, sizeof *packed);
    if (!packed) return shn_fail_nomem(err, "cohort.write");
    for (size_t lead = 0; lead < SHN_LEADS; lead++) {
        int16_t     *to = packed + lead * T;
        const size_t n = data->lead_mv[lead] ? data->n_samples : 0;
        if (n) shn_cohort_pack_lead(data->lead_mv[lead], n, w->uv_per_unit, to, &clipped[lead], &offset[lead]);
        for (size_t t = n; t < T; t++) to[t] = SHN_GAP_I16;
        present[lead] = n > 0;
    }
    const uint32_t n_valid = (uint32_t)data->n_samples;
    shn_status st = put_row(w, SHN_FIELD_SIGNALS, row, packed, SHN_LEADS * T * sizeof *packed, err);
    if (st == SHN_OK) st = put_row(w, SHN_FIELD_N_CLIPPED, row, clipped, sizeof clipped, err);
    if (st == SHN_OK) st = put_row(w, SHN_FIELD_OFFSET, row, offset, sizeof offset, err);
    if (st == SHN_OK) st = put_row(w, SHN_FIELD_PRESENT, row, present, sizeof present, err);
    if (st == SHN_OK) st = put_row(w, SHN_FIELD_N_VALID, row, &n_valid, sizeof n_valid, err);
    free(packed);
    return st;
}

static shn_status put_texts(shn_cohort_writer *w, size_t row, const shn_cohort_row *data, shn_error *err)
{
    const char sex[2] = { data->sex, '\0' };
    const struct { shn_field_tag tag; const char *text; } texts[] = {
        { SHN_FIELD_ID, data->id },         { SHN_FIELD_PATIENT, data->patient },   { SHN_FIELD_SPLIT, data->split },
        { SHN_FIELD_PATH, data->path },     { SHN_FIELD_REPORT, data->report },     { SHN_FIELD_ACQUIRED, data->acquired },
        { SHN_FIELD_SEX, sex },             { SHN_FIELD_REASON, shn_reason_name(data->refused) },
    };
    shn_status st = SHN_OK;
    for (size_t i = 0; st == SHN_OK && i < sizeof texts / sizeof *texts; i++) st = put_text(w, texts[i].tag, row, texts[i].text, err);
    return st;
}

shn_status shn_cohort_writer_row(shn_cohort_writer *w, size_t row, const shn_cohort_row *data, shn_error *err)
{
    const int kept = data->refused == SHN_REASON_NONE;
    if (row >= w->n_rows || data->source >= w->n_sources || data->n_samples > w->n_samples || (kept && data->n_samples == 0))
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "cohort.write", "%s: row %zu, source %zu or %zu samples out of range",
                        w->part, row, data->source, data->n_samples);
    const int32_t source = (int32_t)data->source;
    const uint8_t status = kept ? SHN_ROW_KEPT : SHN_ROW_REFUSED;
    shn_status st = kept ? put_signals(w, row, data, err) : SHN_OK;
    if (st == SHN_OK && data->labels) st = put_row(w, SHN_FIELD_LABELS, row, data->labels, w->n_findings, err);
    if (st == SHN_OK && data->known) st = put_row(w, SHN_FIELD_KNOWN, row, data->known, w->n_findings, err);
    if (st == SHN_OK) st = put_row(w, SHN_FIELD_SOURCE, row, &source, sizeof source, err);
    if (st == SHN_OK) st = put_row(w, SHN_FIELD_AGE, row, &data->age, sizeof data->age, err);
    if (st == SHN_OK) st = put_row(w, SHN_FIELD_WINDOW, row, &data->window, sizeof data->window, err);
    if (st == SHN_OK) st = put_texts(w, row, data, err);
    if (st == SHN_OK) st = put_row(w, SHN_FIELD_STATUS, row, &status, sizeof status, err);  /* last: the row is whole */
    return st;
}

shn_status shn_cohort_writer_sync(shn_cohort_writer *w, shn_error *err)
{
    return fdatasync(w->fd) == 0 ? SHN_OK : fail_write(w, errno, err);
}

/** A rename is durable once the folder that holds the name is synced; file systems that refuse have renamed all the same. */
static void sync_folder_of(const char *path)
{
    char folder[SHN_PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(shn_path_base(path) - path), path);
    const int fd = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

shn_status shn_cohort_writer_finish(shn_cohort_writer *w, shn_error *err)
{
    if (fsync(w->fd) != 0) return fail_write(w, errno, err);
    const int failed = close(w->fd) != 0;
    w->fd = -1;
    if (failed) return fail_write(w, errno, err);
    if (rename(w->part, w->path) != 0) return shn_fail_errno(err, errno, "cohort.write", w->path);
    sync_folder_of(w->path);
    w->part[0] = '\0';
    return SHN_OK;
}

void shn_cohort_writer_keep(shn_cohort_writer *w) { w->keep = 1; }

void shn_cohort_writer_free(shn_cohort_writer *w)
{
    if (!w) return;
    if (w->fd >= 0) close(w->fd);
    if (!w->keep && w->part[0]) unlink(w->part);
    free(w);
}
