/**
 * The file again without direct identifiers. The walk that reads it also writes it: what describes samples is copied, what names somebody is
 * replaced by the rules, what may name somebody is dropped. Lengths are written anew, indefinite ones become definite.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/mfer/mfer.h"

typedef struct rewriter {
    shn_deid        *deid;
    const mfer_file *whole;                     /* the file as a first reading knows it: age and time belong together */
    shn_bytes        level[MFER_DEPTH_MAX + 2]; /* the file, and the groups that are open */
    int              depth;
    char             names[2][MFER_TEXT_MAX];   /* patient's name and id, to look for them where they should not be */
} rewriter;

static shn_status note(const rewriter *r, const mfer_item *item, const char *what, const char *done, shn_error *err)
{
    char place[48];
    snprintf(place, sizeof place, "tag %02X at byte %zu", (unsigned)item->tag, item->at);
    return shn_deid_note(r->deid, place, what, done, err);
}

static shn_status put(shn_bytes *to, int tag, uint32_t channel, const void *value, size_t n, shn_error *err)
{
    uint8_t head[16];
    size_t  k = 0;
    if (n > UINT32_MAX) return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_LIMIT, "mfer.deidentify", "a definition of %zu bytes cannot be written", n);
    head[k++] = (uint8_t)tag;
    if ((tag & 0x1f) == 0x1f) {
        int groups = 1;
        while (channel >> (7 * groups)) groups++;
        while (groups-- > 0) head[k++] = (uint8_t)((channel >> (7 * groups) & 0x7f) | (groups ? 0x80 : 0));
    }
    if (n < 0x80) head[k++] = (uint8_t)n;
    else {
        int bytes = 1;
        while (bytes < 4 && n >> (8 * bytes)) bytes++;
        head[k++] = (uint8_t)(0x80 | bytes);
        while (bytes-- > 0) head[k++] = (uint8_t)(n >> (8 * bytes));
    }
    const shn_status st = shn_bytes_add(to, head, k, err);
    return st == SHN_OK ? shn_bytes_add(to, value, n, err) : st;
}

static shn_status put_item(rewriter *r, const mfer_item *item, const void *value, size_t n, shn_error *err)
{
    return put(&r->level[r->depth], item->tag, item->channel, value, n, err);
}

static shn_status copy(rewriter *r, const mfer_item *item, shn_error *err) { return put_item(r, item, item->value, item->n, err); }

/** The first n bytes stay, what follows is dropped and listed. */
static shn_status cut(rewriter *r, const mfer_item *item, size_t n, const char *what, shn_error *err)
{
    if (item->n <= n) return copy(r, item, err);
    const shn_status st = put_item(r, item, item->value, n, err);
    return st == SHN_OK ? note(r, item, what, "removed", err) : st;
}

static shn_status drop(rewriter *r, const mfer_item *item, const char *what, shn_error *err)
{
    return item->n ? note(r, item, what, "removed", err) : SHN_OK;
}

static void put_number(uint8_t *p, size_t n, unsigned v, int big)
{
    for (size_t i = 0; i < n; i++) p[big ? n - 1 - i : i] = (uint8_t)(v >> (8 * i));
}

static shn_status put_date(const rewriter *r, uint8_t *p, int big, shn_day day, shn_error *err)
{
    const shn_status st = shn_deid_date(r->deid, &day.year, &day.month, &day.day, err);
    if (st != SHN_OK) return st;
    put_number(p, 2, (unsigned)day.year, big);
    p[2] = (uint8_t)day.month;
    p[3] = (uint8_t)day.day;
    return SHN_OK;
}

static shn_status time_of(rewriter *r, const mfer_file *f, const mfer_item *item, shn_error *err)
{
    const mfer_field t = { item->value, item->n, f->charset, f->big };
    uint8_t copy_of[11];
    shn_day day;
    if (!mfer_date(&t, 0, &day)) return drop(r, item, "time of measurement, which is no date", err);
    const size_t n = item->n < sizeof copy_of ? item->n : sizeof copy_of;
    memcpy(copy_of, item->value, n);
    shn_status st = put_date(r, copy_of, f->big, day, err);
    if (st == SHN_OK) st = put_item(r, item, copy_of, n, err);
    return st == SHN_OK ? note(r, item, "date of measurement", "shifted", err) : st;
}

/** Years, days and birth. Who is over 89 becomes 90 and loses the birth date; where the age cannot be told, the birth date goes too. */
static shn_status age_of(rewriter *r, const mfer_file *f, const mfer_item *item, shn_error *err)
{
    const mfer_field a = { item->value, item->n, f->charset, f->big };
    const double     years = mfer_age_years(&a, &r->whole->time);
    const int        old = years > 89;
    uint8_t          value[7] = { 0 };
    const size_t     n = item->n < sizeof value ? item->n : sizeof value;
    shn_day          birth;
    shn_status       st = SHN_OK;
    memcpy(value, item->value, n);
    if (n >= 1 && (old || value[0] > 89)) value[0] = (uint8_t)shn_deid_age(90);
    if (old) value[1] = value[2] = 0;
    if (n > 3 && (old || isnan(years) || !mfer_date(&a, 3, &birth))) {
        memset(value + 3, 0, sizeof value - 3);
        st = note(r, item, "date of birth", "removed", err);
    } else if (n > 3) {
        st = put_date(r, value + 3, f->big, birth, err);
        if (st == SHN_OK) st = note(r, item, "date of birth", "shifted", err);
    }
    if (st == SHN_OK && old) st = note(r, item, "age", "cut to 90", err);
    return st == SHN_OK ? put_item(r, item, value, n, err) : st;
}

static int is_plain(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < ' ' || p[i] > '~') return 0;
    return 1;
}

/** Maker, model and version stay where they are plain ASCII; the serial number goes. */
static shn_status maker_of(rewriter *r, const mfer_item *item, shn_error *err)
{
    size_t n = 0;
    if (!is_plain(item->value, item->n)) return drop(r, item, "maker in a text that is not plain", err);
    for (int parts = 0; n < item->n && (item->value[n] != '^' || ++parts < 3);) n++;
    return cut(r, item, n, "serial number", err);
}

/** "HPF=0.05": letters, '=', a number, a unit; the remark after '^' goes. */
static shn_status filter_of(rewriter *r, const mfer_item *item, shn_error *err)
{
    size_t n = 0;
    while (n < item->n && item->value[n] != '^') n++;
    for (size_t i = 0, letters = 0; i < n; i++) {
        letters = isalpha(item->value[i]) ? letters + 1 : 0;
        if (letters > 3 || !(isalnum(item->value[i]) || strchr("=.-+ ", item->value[i]))) return drop(r, item, "filter with a text of its own", err);
    }
    return cut(r, item, n, "remark on a filter", err);
}

/** A number and a unit. */
static shn_status value_of(rewriter *r, const mfer_item *item, shn_error *err)
{
    int letters = 0, digits = 0;
    for (size_t i = 6; i < item->n; i++) {
        const uint8_t c = item->value[i];
        if (isdigit(c)) digits++;
        letters = isalpha(c) ? letters + 1 : 0;
        if (letters > 5 || digits > 8 || !(isalnum(c) || strchr(".+-^%/ ", c)) || c == 0) return cut(r, item, 6, "value that is no number", err);
    }
    return copy(r, item, err);
}

/** "MFR " and words that say what kind of recording it is; anything else is blanked. */
static shn_status preamble_of(rewriter *r, const mfer_item *item, shn_error *err)
{
    static const char *const words[] = { "", "mfr", "standard", "lead", "leads", "ecg", "eeg", "holter", "long", "term", "stress", "monitor" };
    char text[64], blank[32];
    const size_t n = item->n < sizeof text - 1 ? item->n : sizeof text - 1;
    int  known = is_plain(item->value, item->n) && item->n <= 32;
    memcpy(text, item->value, n);
    text[n] = '\0';
    char *rest = text;
    for (char *word = strtok_r(text, " -", &rest); word && known; word = strtok_r(NULL, " -", &rest)) {
        while (isdigit((unsigned char)*word)) word++;
        known = 0;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) known |= strcasecmp(word, words[i]) == 0;
    }
    if (known) return copy(r, item, err);
    memset(blank, ' ', sizeof blank);
    memcpy(blank, "MFR ", 4);
    const shn_status st = put_item(r, item, blank, sizeof blank, err);
    return st == SHN_OK ? note(r, item, "preamble with words of its own", "removed", err) : st;
}

/** A lead's text names a lead. One in which the patient's name or id stands cannot be vouched for. */
static shn_status lead_of(rewriter *r, const mfer_file *f, const mfer_item *item, shn_error *err)
{
    char text[MFER_TEXT_MAX];
    if (item->n <= 2) return copy(r, item, err);
    mfer_text(item->value + 2, item->n - 2, f->charset, text, sizeof text);
    for (int k = 0; k < 2; k++) {
        char names[MFER_TEXT_MAX], *rest = NULL;
        memcpy(names, r->names[k], sizeof names);
        for (const char *name = strtok_r(names, "^ ", &rest); name; name = strtok_r(NULL, "^ ", &rest))
            if (strlen(name) >= 3 && strcasestr(text, name))
                return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "mfer.deidentify", "byte %zu: the name of a lead holds the patient's name or id", item->at);
    }
    return copy(r, item, err);
}

static shn_status patient_of(rewriter *r, const mfer_item *item, shn_error *err)
{
    char id[SHN_DEID_PATIENT_MAX];
    if (item->n == 0) return SHN_OK;
    shn_deid_id(r->deid, id, sizeof id);
    const shn_status st = put_item(r, item, id, strlen(id), err);
    return st == SHN_OK ? note(r, item, "patient id", "hashed", err) : st;
}

static shn_status rewrite(void *context, const mfer_file *f, const mfer_item *item, shn_error *err)
{
    rewriter *r = context;
    switch (item->tag) {
    case MFER_BLE: case MFER_BLK: case MFER_CHN: case MFER_SEQ: case MFER_PNT: case MFER_DTP: case MFER_IVL: case MFER_SEN: case MFER_OFF: case MFER_NUL:
    case MFER_WAV: return copy(r, item, err);
    case MFER_TXC: return *f->charset ? cut(r, item, 16, "name of a character set", err) : drop(r, item, "unknown character set", err);
    case MFER_VER: return cut(r, item, 3, "version", err);
    case MFER_SEX: return cut(r, item, 1, "sex", err);
    case MFER_CMP: case MFER_IPD: case MFER_SKW: return cut(r, item, 8, "unknown bytes", err);
    case MFER_WFM: return cut(r, item, 2, "text on the kind of waveform", err);
    case MFER_LDN: return lead_of(r, f, item, err);
    case MFER_FLT: return filter_of(r, item, err);
    case MFER_MAN: return maker_of(r, item, err);
    case MFER_PRE: return preamble_of(r, item, err);
    case MFER_EVT: return cut(r, item, 10, "text of an event", err);
    case MFER_VAL: return value_of(r, item, err);
    case MFER_PID: return patient_of(r, item, err);
    case MFER_AGE: return age_of(r, f, item, err);
    case MFER_TIM: return time_of(r, f, item, err);
    case MFER_PNM: return drop(r, item, "patient name", err);
    case MFER_NTE: case MFER_MSS: case MFER_INF: return drop(r, item, "free text", err);
    case MFER_UID: return drop(r, item, "unique id", err);
    default: return drop(r, item, "private or unknown part", err);
    }
}

static shn_status enter(void *context, const mfer_item *group, shn_error *err)
{
    rewriter *r = context;
    (void)group, (void)err;
    r->depth++;                                 /* the walk keeps to MFER_DEPTH_MAX */
    return SHN_OK;
}

static shn_status leave(void *context, const mfer_item *group, shn_error *err)
{
    rewriter *r = context;
    shn_bytes *inner = &r->level[r->depth--];
    const shn_status st = put_item(r, group, inner->bytes, inner->n, err);
    shn_bytes_free(inner);
    return st;
}

/** The patient's name lies anywhere; it is only looked for in the names of leads. */
static shn_status find_names(void *context, const mfer_file *f, const mfer_item *item, shn_error *err)
{
    rewriter *r = context;
    (void)err;
    if (item->tag == MFER_PNM || item->tag == MFER_PID) mfer_text(item->value, item->n, f->charset, r->names[item->tag == MFER_PID], sizeof r->names[0]);
    return SHN_OK;
}
static shn_status pass(void *context, const mfer_item *group, shn_error *err)
{
    (void)context, (void)group, (void)err;
    return SHN_OK;
}

static shn_status finish(rewriter *r, const shn_input *in, const mfer_file *f, shn_error *err)
{
    static const uint8_t end_mark[2] = { MFER_END, 0 };
    size_t after = f->end;
    while (after < in->n_bytes && in->bytes[after] == 0) after++;
    if (after < in->n_bytes) {
        char place[48];
        snprintf(place, sizeof place, "byte %zu", after);
        const shn_status st = shn_deid_note(r->deid, place, "bytes after the end mark", "removed", err);
        if (st != SHN_OK) return st;
    }
    return shn_bytes_add(&r->level[0], end_mark, sizeof end_mark, err);
}

shn_status mfer_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err)
{
    char       patient[sizeof ((shn_record_meta *)0)->patient];
    mfer_file  whole, again = { 0 };
    rewriter  *r = NULL;
    shn_status st = SHN_NOMEM;
    *out = (shn_bytes){ 0 };
    memset(&whole, 0, sizeof whole);
    r = shn_alloc(1, sizeof *r);
    if (!r) return shn_fail_nomem(err, "mfer.deidentify");
    r->deid = deid;
    r->whole = &whole;
    const mfer_visitor looking = { r, find_names, pass, pass }, writing = { r, rewrite, enter, leave };
    st = mfer_file_parse(in->bytes, in->n_bytes, &looking, &whole, err);
    if (st == SHN_OK && whole.n_patients > 1)
        st = shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "mfer.deidentify", "%zu different patient ids in one file", whole.n_patients);
    if (st == SHN_OK) {
        mfer_patient_id(&whole, patient, sizeof patient);
        shn_deid_patient(deid, *patient ? patient : NULL);
        st = mfer_file_parse(in->bytes, in->n_bytes, &writing, &again, err);
    }
    if (st == SHN_OK) st = finish(r, in, &again, err);
    if (st == SHN_OK) {
        *out = r->level[0];
        r->level[0] = (shn_bytes){ 0 };
    }
    for (int i = 0; i < MFER_DEPTH_MAX + 2; i++) shn_bytes_free(&r->level[i]);
    mfer_file_free(&whole);
    mfer_file_free(&again);
    free(r);
    return st;
}
