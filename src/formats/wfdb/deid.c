/**
 * De-identification of a WFDB record: the header is written anew from what is known to be harmless, its signal files go along as they are under new
 * names. So each part of them is looked at that could hold words: bytes before the samples and after them, and the metadata of FLAC.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "formats/wfdb/comments.h"
#include "formats/wfdb/decode.h"
#include "formats/wfdb/flac.h"
#include "formats/wfdb/signal.h"
#include "formats/wfdb/wfdb.h"
#include "shinden/signal.h"

typedef struct work {
    const shn_input   *in;
    const wfdb_header *h;
    shn_deid          *deid;
    shn_bytes         *out;
    size_t             n_files;
    char               file[SHN_DEID_PATIENT_MAX + 24];      /* new name of the present signal file */
} work;

static shn_status put(work *w, const char *text, shn_error *err) { return shn_bytes_add(w->out, text, strlen(text), err); }

static shn_status refuse(size_t line, const char *what, shn_error *err)
{
    return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "wfdb.deidentify", "line %zu: %s; convert the record first (shinden convert)", line, what);
}

static shn_status note(work *w, size_t line, const char *what, const char *done, shn_error *err)
{
    char place[32];
    snprintf(place, sizeof place, "line %zu", line);
    return shn_deid_note(w->deid, place, what, done, err);
}

/** A signal's description is free text: only names of leads and of the usual other signals pass. */
static int harmless_name(const char *name)
{
    static const char *const others[] = { "ECG", "EKG", "MCL", "MCL1", "MCL2", "MCL3", "MCL4", "MCL5", "MCL6", "ML5", "CM2", "CM4", "CM5", "CC5", "D3", "D4",
        "V", "X", "Y", "Z", "VX", "VY", "VZ", "ABP", "ART", "BP", "NBP", "PAP", "CVP", "ICP", "UAP", "UVP", "LAP", "RAP", "PLETH", "PPG", "RESP", "SPO2",
        "CO2", "EEG", "EMG", "EOG", "SCG", "PCG", "ACC", "GSR", "HR", "PACE", "TRIGGER", "ECG1", "ECG2", "ECG3" };
    if (!*name || shn_lead_index(name) >= 0) return 1;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcasecmp(name, others[i]) == 0) return 1;
    return 0;
}

/** So is the unit, which holds no space. */
static int harmless_unit(const char *unit)
{
    static const char *const others[] = { "mmHg", "cmH2O", "kPa", "NU", "adu", "pm", "Ohm", "bpm", "%", "degC", "g", "l/min", "nd" };
    if (wfdb_unit_mv(unit) != 0) return 1;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcasecmp(unit, others[i]) == 0) return 1;
    return 0;
}

/** A code of the Challenges: SNOMED CT's digits, or one of the nine letters of 2018. */
static int harmless_code(const char *code)
{
    static const char *const words[] = { "Normal", "AF", "I-AVB", "LBBB", "RBBB", "PAC", "PVC", "STD", "STE" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(code, words[i]) == 0) return 1;
    return strlen(code) >= 6 && strlen(code) <= 18 && code[strspn(code, "0123456789")] == '\0';
}

static int all_zero(const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (b[i]) return 0;
    return 1;
}

/** What of the signal file of signals first .. first + n - 1 is no sample, or NULL. */
static const char *foreign_part(const wfdb_header *h, size_t first, size_t n, const uint8_t *b, size_t n_bytes)
{
    const wfdb_signal *s = &h->signals[first];
    wfdb_flac_info     info;
    shn_error          why;
    uint64_t           frame = 0, skew = 0;
    if (wfdb_format_is_flac(s->format)) {
        if (wfdb_flac_inspect(b, n_bytes, s->file, &info, &why) != SHN_OK || info.has_text) return "the FLAC file holds more than samples";
        return n_bytes >= 128 && memcmp(b + n_bytes - 128, "TAG", 3) == 0 ? "the FLAC file holds more than samples" : NULL;
    }
    if (s->byte_offset > n_bytes) return "the signal file ends before its samples";
    /* a MATLAB 4 matrix called "val", as the Challenges have it: five numbers and the name */
    if (s->byte_offset && !(s->byte_offset == 24 && memcmp(b + 20, "val", 4) == 0) && !all_zero(b, (size_t)s->byte_offset))
        return "the signal file has bytes before its samples";
    for (size_t c = first; c < first + n; c++) {
        frame += h->signals[c].per_frame;
        if (h->signals[c].skew > skew) skew = h->signals[c].skew;
    }
    const uint64_t used = s->byte_offset + wfdb_format_bytes(s->format, frame * (h->n_samples + skew));
    if (h->n_samples && used < n_bytes && !all_zero(b + used, n_bytes - (size_t)used)) return "the signal file has bytes after its samples";
    return NULL;
}

/** The ending of a file name if it is a dot and one to four letters or digits, else ".dat". */
static const char *plain_ending(const char *name)
{
    const char *dot = strrchr(name, '.');
    size_t      n = 1;
    while (dot && isalnum((unsigned char)dot[n])) n++;
    return dot && n > 1 && n <= 5 && dot[n] == '\0' ? dot : ".dat";
}

/** The file that begins with signal `first`: looked through, and given its new name. */
static shn_status take_file(work *w, size_t first, size_t line, shn_error *err)
{
    const char    *old = w->h->signals[first].file, *dot = plain_ending(old);
    const uint8_t *bytes;
    size_t         n_bytes, n = 1;
    if (w->n_files++ == 0) snprintf(w->file, sizeof w->file, "%s%.5s", shn_deid_stem(w->deid), dot);
    else snprintf(w->file, sizeof w->file, "%s_%zu%.5s", shn_deid_stem(w->deid), w->n_files - 1, dot);
    while (first + n < w->h->n_signals && strcmp(w->h->signals[first + n].file, old) == 0) n++;
    shn_status st = w->in->source->open(w->in->source->context, old, &bytes, &n_bytes, err);
    if (st != SHN_OK) return st;
    const char *foreign = foreign_part(w->h, first, n, bytes, n_bytes);
    w->in->source->close(w->in->source->context, bytes, n_bytes);
    if (foreign) return refuse(line, foreign, err);
    st = shn_deid_companion(w->deid, old, w->file, err);
    return st == SHN_OK ? note(w, line, "file name", "replaced", err) : st;
}

static shn_status put_signal(work *w, size_t at, size_t line, const char *text, shn_error *err)
{
    const wfdb_signal *s = &w->h->signals[at];
    shn_status         st = SHN_OK;
    if (!harmless_name(s->name)) return refuse(line, "the signal's description is no known lead or signal", err);
    if (!harmless_unit(s->unit)) return refuse(line, "the signal's unit is not known", err);
    if (at == 0 || strcmp(s->file, s[-1].file) != 0) st = take_file(w, at, line, err);
    if (st == SHN_OK) st = put(w, w->file, err);
    if (st == SHN_OK) st = put(w, text + strspn(text, " \t") + strcspn(text + strspn(text, " \t"), " \t"), err);
    return st == SHN_OK ? put(w, "\n", err) : st;
}

/** Name, signals, rate, length as they are but for the name; the date moved, the time kept. */
static shn_status put_record_line(work *w, size_t line, char *text, shn_error *err)
{
    char  *save = NULL, *word = strtok_r(text, " \t", &save), out[160];
    int    day, month, year;
    size_t n = (size_t)snprintf(out, sizeof out, "%s", shn_deid_stem(w->deid));
    for (int i = 0; i < 3 && (word = strtok_r(NULL, " \t", &save)) != NULL; i++) {
        if (strlen(word) > 40 || word[strspn(word, "0123456789.+-eE/()")]) return refuse(line, "the record line holds more than numbers", err);
        n += (size_t)snprintf(out + n, sizeof out - n, " %s", word);
    }
    shn_status st = note(w, line, "record name", "replaced", err);
    if (*w->h->time && w->h->time[strspn(w->h->time, "0123456789:.")] == '\0') n += (size_t)snprintf(out + n, sizeof out - n, " %s", w->h->time);
    else if (*w->h->time && st == SHN_OK) st = note(w, line, "time", "removed", err);
    if (*w->h->date && st == SHN_OK) {
        const int known = wfdb_parse_date(w->h->date, &day, &month, &year) && shn_deid_date(w->deid, &year, &month, &day, NULL) == SHN_OK;
        if (known) snprintf(out + n, sizeof out - n, " %02d/%02d/%04d", day, month, year);
        st = note(w, line, "date", known ? "shifted" : "removed", err);
    }
    if (st == SHN_OK) st = put(w, out, err);
    return st == SHN_OK ? put(w, "\n", err) : st;
}

/** What is kept of the comments, in the words of the Challenges. */
static shn_status put_comments(work *w, const shn_record *known, shn_error *err)
{
    const shn_record_meta *meta = shn_record_meta_of(known);
    char       line[96], id[SHN_DEID_PATIENT_MAX];
    shn_status st = SHN_OK;
    if (*meta->patient) {
        shn_deid_id(w->deid, id, sizeof id);
        snprintf(line, sizeof line, "#Patient ID: %s\n", id);
        st = put(w, line, err);
        if (st == SHN_OK) st = shn_deid_note(w->deid, "comments", "patient id", "hashed", err);
    }
    if (meta->age_years >= 0) {                 /* false for NaN */
        const int age = shn_deid_age((int)meta->age_years);
        snprintf(line, sizeof line, "#Age: %d\n", age);
        if (st == SHN_OK) st = put(w, line, err);
        if (st == SHN_OK && age != (int)meta->age_years) st = shn_deid_note(w->deid, "comments", "age", "cut to 90", err);
    }
    if (meta->sex && st == SHN_OK) st = put(w, meta->sex == 'M' ? "#Sex: Male\n" : "#Sex: Female\n", err);
    int n_codes = 0;
    for (size_t i = 0; i < shn_record_n_labels(known) && st == SHN_OK; i++) {
        if (!harmless_code(shn_record_label(known, i))) continue;
        st = put(w, n_codes++ ? "," : "#Dx: ", err);
        if (st == SHN_OK) st = put(w, shn_record_label(known, i), err);
    }
    if (n_codes && st == SHN_OK) st = put(w, "\n", err);
    return st;
}

/** The header line by line; wfdb_header_parse has read it before, so that each line is what its place says. */
static shn_status rewrite(work *w, const shn_record *known, shn_error *err)
{
    const char *p = (const char *)w->in->bytes, *end = p + w->in->n_bytes;
    shn_status  st = SHN_OK;
    int         have_record = 0;
    size_t      n_signals = 0;
    for (size_t line = 1; p < end && st == SHN_OK; line++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t      n = stop ? (size_t)(stop - p) : (size_t)(end - p);
        char        text[4096];
        if (n >= sizeof text) return refuse(line, "the line is too long", err);
        memcpy(text, p, n);
        p += n + (stop ? 1 : 0);
        if (n && text[n - 1] == '\r') n--;
        text[n] = '\0';
        if (text[0] == '#') st = note(w, line, "comment", "removed but for age, sex and diagnosis codes", err);
        else if (text[strspn(text, " \t")] == '\0') continue;
        else if (!have_record++) st = put_record_line(w, line, text, err);
        else if (n_signals < w->h->n_signals) st = put_signal(w, n_signals++, line, text, err);
        else st = note(w, line, "line after the signals", "removed", err);
    }
    return st == SHN_OK ? put_comments(w, known, err) : st;
}

shn_status wfdb_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err)
{
    wfdb_header h = { 0 };
    shn_record *known = NULL;
    work        w = { .in = in, .h = &h, .deid = deid, .out = out };
    shn_status  st = wfdb_header_parse(in->bytes, in->n_bytes, &h, err);
    if (st == SHN_OK && h.n_segments)
        st = shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "wfdb.deidentify", "a record in segments; make it one first (shinden convert)");
    if (st == SHN_OK) st = wfdb_check_formats(&h, err);
    if (st == SHN_OK) st = shn_record_new(1, 1, 1, &known, err);        /* the comments need a record to go to */
    if (st == SHN_OK) st = wfdb_apply_comments(&h, known, err);
    if (st == SHN_OK) {
        shn_deid_patient(deid, shn_record_meta_of(known)->patient);
        st = rewrite(&w, known, err);
    }
    if (st != SHN_OK) shn_bytes_free(out);
    shn_record_free(known);
    wfdb_header_free(&h);
    return st;
}
