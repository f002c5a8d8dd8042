/**
 * Machines write "QRS < 120 ms" and "Smith & Son" into their XML as they stand. A scan that knows just enough of XML to tell text from markup
 * finds these characters; they are escaped, so that the parser proper can stay strict.
 */
#include "formats/xml/mend.h"

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"

typedef struct scan { const char *p, *end; int in_tag; char quote; } scan;

/** 1 if p points at a reference that needs no declaration: one of the five names, or a number. */
static int is_reference(const char *p, const char *end)
{
    static const char *const names[] = { "amp;", "lt;", "gt;", "quot;", "apos;" };
    const size_t room = (size_t)(end - p) - 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (room >= strlen(names[i]) && memcmp(p + 1, names[i], strlen(names[i])) == 0) return 1;
    if (room < 3 || p[1] != '#') return 0;
    const int   hex = p[2] == 'x';
    const char *digits = p + 2 + hex, *q = digits;
    while (q < end && q - digits < 8 && (hex ? isxdigit((unsigned char)*q) : isdigit((unsigned char)*q))) q++;
    return q > digits && q < end && *q == ';';
}

/** Past the end mark of a section that begins at p, or the end of the text. */
static const char *past(const char *p, const char *end, const char *mark)
{
    const char *found = memmem(p, (size_t)(end - p), mark, strlen(mark));
    return found ? found + strlen(mark) : end;
}

static int starts(const char *p, const char *end, const char *word)
{
    return (size_t)(end - p) >= strlen(word) && memcmp(p, word, strlen(word)) == 0;
}

/** Past a DOCTYPE, with the brackets of its internal subset; brackets inside the names of its files do not count. */
static const char *past_doctype(const char *p, const char *end)
{
    int  inner = 0;
    char quote = 0;
    for (; p < end; p++) {
        if (quote) quote = *p == quote ? 0 : quote;
        else if (!inner && (*p == '"' || *p == '\'')) quote = *p;
        else if (*p == '[') inner = 1;
        else if (*p == ']') inner = 0;
        else if (*p == '>' && !inner) return p + 1;
    }
    return end;
}

/** Enters the markup at s->p, which is '<'. 0 if the '<' is stray: nothing that may follow one stands there. */
static int enter_markup(scan *s)
{
    const char *p = s->p;
    const unsigned char next = p + 1 < s->end ? (unsigned char)p[1] : 'a';    /* at the very end: leave it to the parser */
    if (starts(p, s->end, "<!--")) s->p = past(p + 4, s->end, "-->");
    else if (starts(p, s->end, "<![CDATA[")) s->p = past(p + 9, s->end, "]]>");
    else if (next == '?') s->p = past(p + 2, s->end, "?>");
    else if (starts(p, s->end, "<!DOCTYPE")) s->p = past_doctype(p, s->end);
    else if (isalpha(next) || next == '_' || next == ':' || next >= 0x80 || next == '/' || next == '!') {
        s->in_tag = 1;
        s->p = p + 1;
    } else {
        return 0;
    }
    return 1;
}

/** The next character that must be escaped, NULL at the end; the scan stands behind it. */
static const char *next_stray(scan *s)
{
    while (s->p < s->end) {
        if (!s->in_tag) {                       /* text: only '<' and '&' matter, and most of a file is samples without either */
            const char *lt = memchr(s->p, '<', (size_t)(s->end - s->p));
            const char *stop = lt ? lt : s->end;
            const char *amp = memchr(s->p, '&', (size_t)(stop - s->p));
            if (amp) {
                s->p = amp + 1;
                if (!is_reference(amp, s->end)) return amp;
                continue;
            }
            s->p = stop;
            if (!lt || enter_markup(s)) continue;
            s->p = lt + 1;
            return lt;
        }
        const char *c = s->p++;
        if (s->quote) {
            if (*c == s->quote) s->quote = 0;
            else if (*c == '<' || (*c == '&' && !is_reference(c, s->end))) return c;
        } else if (*c == '"' || *c == '\'') {
            s->quote = *c;
        } else if (*c == '>') {
            s->in_tag = 0;
        }
    }
    return NULL;
}

shn_xml_units shn_xml_units_of(const uint8_t *bytes, size_t n)
{
    if (n >= 3 && bytes[0] == 0xef && bytes[1] == 0xbb && bytes[2] == 0xbf) return (shn_xml_units){ 1, 0, 3 };
    if (n >= 2 && bytes[0] == 0xff && bytes[1] == 0xfe) return (shn_xml_units){ 2, 0, 2 };
    if (n >= 2 && bytes[0] == 0xfe && bytes[1] == 0xff) return (shn_xml_units){ 2, 1, 2 };
    if (n >= 4 && bytes[0] == '<' && !bytes[1] && !bytes[3]) return (shn_xml_units){ 2, 0, 0 };
    if (n >= 4 && !bytes[0] && bytes[1] == '<' && !bytes[2]) return (shn_xml_units){ 2, 1, 0 };
    return (shn_xml_units){ 1, 0, 0 };
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) { out[0] = (char)c; return 1; }
    if (c < 0x800) { out[0] = (char)(0xc0 | c >> 6); out[1] = (char)(0x80 | (c & 63)); return 2; }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12); out[1] = (char)(0x80 | (c >> 6 & 63)); out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18); out[1] = (char)(0x80 | (c >> 12 & 63)); out[2] = (char)(0x80 | (c >> 6 & 63)); out[3] = (char)(0x80 | (c & 63));
    return 4;
}

static shn_status from_utf16(const uint8_t *bytes, size_t n_bytes, shn_xml_units u, const char *where, char **out, size_t *n_out, shn_error *err)
{
    const size_t n = (n_bytes - u.mark) / 2;
    char        *text = shn_alloc(n + 1, 3);    /* a pair of units is one character of 4 bytes */
    size_t       used = 0;
    if (!text) return shn_fail_nomem(err, where);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = bytes + u.mark + 2 * i;
        uint32_t       c = u.low ? read_u16be(p) : read_u16le(p);
        if (c >= 0xd800 && c < 0xe000) {
            const uint32_t next = i + 1 < n ? (u.low ? read_u16be(p + 2) : read_u16le(p + 2)) : 0;
            if (c >= 0xdc00 || next < 0xdc00 || next >= 0xe000) {
                free(text);
                return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, where, "byte %zu: half a UTF-16 pair; the file is damaged or not UTF-16",
                                u.mark + 2 * i);
            }
            c = 0x10000 + ((c - 0xd800) << 10) + (next - 0xdc00);
            i++;
        }
        used += put_utf8(text + used, c);
    }
    *out = text;
    *n_out = used;
    return SHN_OK;
}

/** Copies text with its n_stray characters escaped. */
static char *escape(const char *text, size_t n, size_t n_stray, size_t *n_out)
{
    char *out = n_stray > (SIZE_MAX - n) / 4 ? NULL : shn_alloc(n + 4 * n_stray + 1, 1);
    if (!out) return NULL;
    scan        s = { .p = text, .end = text + n };
    const char *from = text, *stray;
    size_t      used = 0;
    while ((stray = next_stray(&s))) {
        const char *word = *stray == '&' ? "&amp;" : "&lt;";
        memcpy(out + used, from, (size_t)(stray - from));
        used += (size_t)(stray - from);
        memcpy(out + used, word, strlen(word));
        used += strlen(word);
        from = stray + 1;
    }
    memcpy(out + used, from, (size_t)(text + n - from));
    *n_out = used + (size_t)(text + n - from);
    return out;
}

shn_status shn_xml_mend(const uint8_t *bytes, size_t n_bytes, const char *where, const char **text, size_t *n_text, char **owned,
                        int *utf8, size_t *mended, shn_error *err)
{
    const shn_xml_units u = shn_xml_units_of(bytes, n_bytes);
    *owned = NULL;
    *utf8 = u.step == 2;
    *text = (const char *)bytes;
    *n_text = n_bytes;
    *mended = 0;
    if (u.step == 2) {
        const shn_status st = from_utf16(bytes, n_bytes, u, where, owned, n_text, err);
        if (st != SHN_OK) return st;
        *text = *owned;
    }
    scan s = { .p = *text, .end = *text + *n_text };
    while (next_stray(&s)) ++*mended;
    if (*mended) {
        char *clean = escape(*text, *n_text, *mended, n_text);
        free(*owned);
        *owned = clean;
        if (!clean) return shn_fail_nomem(err, where);
        *text = clean;
    }
    return SHN_OK;
}
