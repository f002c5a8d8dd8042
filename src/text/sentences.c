/** Report to sentences: rule and reasons in the header. */
#include "shinden/sentences.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/text.h"

static const char where[] = "text.sentences";

/**
 * What electrocardiographs' statement lists put in a row without a mark: lower case, as the reports spell it. Only rhythm, axis and conclusion, which
 * are complete by themselves; what stands between them is a sentence of its own then.
 */
static const char *const phrases[] = {
    /* German: rhythm */
    "sinusrhythmus", "sinus rhythmus", "sinusbradykardie", "sinustachykardie", "sinusarrhythmie", "sinus arrhythmie", "vorhofflimmern",
    "tachykardes vorhofflimmern", "bradykardes vorhofflimmern", "vorhofflattern", "ventrikuläre extrasystole(n)",
    "supraventrikuläre extrasystole(n)", "schrittmacher-ekg", "wandernder schrittmacher",
    /* axis */
    "lagetyp normal", "linkstyp", "ueberdrehter linkstyp", "überdrehter linkstyp", "linkstyp überdreht", "rechtstyp", "ueberdrehter rechtstyp",
    "überdrehter rechtstyp", "steiltyp", "steillage", "indifferenztyp", "horizontaltyp", "sagittaltyp",
    /* conclusion */
    "normales ekg", "sonst normales ekg", "wahrscheinlich normales ekg", "ekg normal", "pathologisches ekg", "ekg grenzbefund",
    "unbestätigter bericht",
    /* Swedish: rhythm */
    "sinusrytm", "sinusbradykardi", "sinustakykardi", "sinustachykardi", "sinusarytmi", "förmaksflimmer", "förmaksfladder",
    "förmaksflimmer/-fladder", "förmaksflimmer med hög kammarfrekvens", "ventrikulära extraslag", "supraventrikulära extraslag",
    "ventrikulär(a) extrasystoli(er)", "supraventrikulär(a) extrasystoli(er)",
    /* axis */
    "vänster el-axel", "extrem vänster el-axel", "höger el-axel", "extrem höger el-axel", "svårbestämmbar el-axel",
    /* conclusion */
    "normalt ekg", "eljest normalt ekg", "inget säkert patologiskt",
};

/** Words whose full stop ends no sentence. */
static const char *const abbreviations[] = { "chron", "evtl", "ggf", "bzw", "ca", "vs", "z.b", "v.a", "u.a", "path", "dr", "resp", "cf", "t.ex", "bl.a" };

void shn_sentences_free(shn_sentences *s)
{
    for (size_t i = 0; i < s->n; i++) free(s->text[i]);
    free(s->text);
    memset(s, 0, sizeof *s);
}

static int is_blank(char c) { return c == ' ' || c == '\t'; }
static int is_line_end(char c) { return c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

/** NFC and lower case, letter by letter; owned by the caller. */
static char *folded(const char *report, shn_error *err)
{
    char *nfc = shn_text_nfc(report, err);
    if (!nfc) return NULL;
    const size_t n = strlen(nfc);
    utf8proc_uint8_t *out = shn_alloc(n + 1, 4), *to = out;         /* a letter's other case may take more bytes: 4 hold any */
    for (const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)nfc; out && *p;) {
        utf8proc_int32_t code;
        const utf8proc_ssize_t used = utf8proc_iterate(p, -1, &code);
        to += utf8proc_encode_char(utf8proc_tolower(code), to);
        p += used > 0 ? used : 1;                                   /* always above 0: NFC gave valid text */
    }
    free(nfc);
    if (!out) shn_fail_nomem(err, where);
    return (char *)out;
}

static size_t n_letters(const char *text, size_t n)
{
    size_t letters = 0;
    for (size_t at = 0; at < n;) {
        utf8proc_int32_t code;
        const utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(n - at), &code);
        const utf8proc_category_t c = used > 0 ? utf8proc_category(code) : UTF8PROC_CATEGORY_CN;
        letters += c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LO || c == UTF8PROC_CATEGORY_LM;
        at += used > 0 ? (size_t)used : 1;
    }
    return letters;
}

/** Where a text that is too long ends: before a word of its second half, else before a character, as in a language without blanks. */
static size_t cut(const char *text)
{
    size_t at = SHN_SENTENCE_MAX - 1, character = at;
    while (at > SHN_SENTENCE_MAX / 2 && text[at] != ' ') at--;
    if (text[at] == ' ') return at;
    while (((unsigned char)text[character] & 0xC0) == 0x80) character--;
    return character;
}

/** Adds a piece: blanks once, marks at both ends dropped, unless nothing is left or it is there already. */
static shn_status add(shn_sentences *out, const char *piece, size_t n, shn_error *err)
{
    char  *text = shn_alloc(n + 1, 1);
    size_t used = 0, first = 0;
    if (!text) return shn_fail_nomem(err, where);
    for (size_t i = 0; i < n; i++)
        if (!is_blank(piece[i])) text[used++] = piece[i];
        else if (used && text[used - 1] != ' ') text[used++] = ' ';
    while (first < used && strchr(" .,;:!?-*", text[first])) first++;
    while (used > first && strchr(" .,;:!?-*", text[used - 1])) used--;
    if (used - first >= SHN_SENTENCE_MAX) used = first + cut(text + first);
    text[used] = '\0';
    memmove(text, text + first, used - first + 1);
    int there = n_letters(text, used - first) < 3;
    for (size_t i = 0; i < out->n && !there; i++) there = strcmp(out->text[i], text) == 0;
    if (!there && shn_grow(&out->text, &out->capacity, out->n + 1, sizeof *out->text) == 0) {
        out->text[out->n++] = text;
        return SHN_OK;
    }
    free(text);
    return there ? SHN_OK : shn_fail_nomem(err, where);
}

/** Bytes of the longest phrase that stands at the text's begin, before a blank or the piece's end; 0 if none does. */
static size_t phrase_at(const char *text, size_t n)
{
    size_t longest = 0;
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        const size_t m = strlen(phrases[i]);
        if (m > longest && m <= n && memcmp(text, phrases[i], m) == 0 && (m == n || is_blank(text[m]))) longest = m;
    }
    return longest;
}

/** A statement list's part: its phrases alone, and what stands between them. */
static shn_status add_parts(shn_sentences *out, const char *part, size_t n, shn_error *err)
{
    size_t     begin = 0;
    shn_status st = SHN_OK;
    for (size_t at = 0; at < n && st == SHN_OK;) {
        const size_t m = at == 0 || is_blank(part[at - 1]) ? phrase_at(part + at, n - at) : 0;
        if (m == 0) {
            at++;
            continue;
        }
        st = add(out, part + begin, at - begin, err);
        if (st == SHN_OK) st = add(out, part + at, m, err);
        begin = at += m;
    }
    return st == SHN_OK ? add(out, part + begin, n - begin, err) : st;
}

static int ends_abbreviation(const char *text, size_t stop)
{
    for (size_t i = 0; i < sizeof abbreviations / sizeof *abbreviations; i++) {
        const size_t m = strlen(abbreviations[i]);
        if (m <= stop && memcmp(text + stop - m, abbreviations[i], m) == 0 && (m == stop || is_blank(text[stop - m - 1]))) return 1;
    }
    return 0;
}

/** 1 if the mark at `at` ends a sentence. */
static int is_stop(const char *text, size_t at)
{
    const char c = text[at], next = text[at + 1];
    if (!strchr(".!?;", c)) return 0;
    return (!next || is_blank(next) || is_line_end(next)) && !(c == '.' && ends_abbreviation(text, at));
}

static const char ideographic_stop[] = "。";

static int is_ideographic_stop(const char *text) { return strncmp(text, ideographic_stop, strlen(ideographic_stop)) == 0; }

/** 1 if the report writes full stops: runs of blanks are wrapped lines then. A number's stop ("v2.") counts for none at the very end only. */
static int has_stops(const char *text)
{
    for (size_t i = 0; text[i]; i++)
        if ((text[i] == '.' && i > 0 && !is_blank(text[i - 1]) && is_stop(text, i)) || is_ideographic_stop(text + i)) return 1;
    return 0;
}

shn_status shn_sentences_split(const char *report, shn_sentences *out, shn_error *err)
{
    memset(out, 0, sizeof *out);
    if (strlen(report) > SHN_REPORT_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "a report of %zu bytes, at most %zu", strlen(report), SHN_REPORT_MAX);
    shn_error why = { 0 };
    char *text = folded(report, &why);
    if (!text) return shn_fail(err, why.status, why.reason, where, "%s", why.text);
    char *note = strstr(text, "edit:");
    if (note && (note == text || is_blank(note[-1]))) *note = '\0';
    const int  stops = has_stops(text);
    shn_status st = SHN_OK;
    size_t     begin = 0, at = 0;
    while (st == SHN_OK && text[at]) {
        size_t gap = 0, after = 1;
        while (is_blank(text[at + gap])) gap++;
        if (is_ideographic_stop(text + at)) after = strlen(ideographic_stop);
        else if (gap >= 2 && !stops) after = gap;
        else if (!is_line_end(text[at]) && !is_stop(text, at)) {
            at += gap ? gap : 1;
            continue;
        }
        st = add_parts(out, text + begin, at - begin, err);
        begin = at += after;
    }
    if (st == SHN_OK) st = add_parts(out, text + begin, at - begin, err);
    free(text);
    if (st != SHN_OK) shn_sentences_free(out);
    return st;
}
