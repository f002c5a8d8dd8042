/**
 * Texts: Specific Character Set to UTF-8 (PS3.5 6.1). Without escapes one character set rules; with code extensions (ISO 2022) an escape names
 * the next one, and a text falls into pieces that iconv decodes one by one.
 */
#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "formats/dicom/dicom.h"

/** Defined terms, with and without code extensions ("ISO_IR 100", "ISO 2022 IR 100"): the number names the set. */
static const struct { const char *number, *iconv; } sets[] = {
    { "6", "ASCII" },        { "100", "ISO-8859-1" }, { "101", "ISO-8859-2" }, { "109", "ISO-8859-3" }, { "110", "ISO-8859-4" }, { "144", "ISO-8859-5" },
    { "127", "ISO-8859-6" }, { "126", "ISO-8859-7" }, { "138", "ISO-8859-8" }, { "148", "ISO-8859-9" }, { "203", "ISO-8859-15" }, { "166", "TIS-620" },
    { "13", "CP932" },       { "192", "UTF-8" },
};

/**
 * Escapes (after ESC), what they designate, and how its bytes reach iconv: G0 sets of two bytes become the same set in the upper half (EUC).
 * JIS X 0201 alone is the one-byte part of code page 932.
 */
static const struct { const char *escape, *iconv; int raise, lead; } escapes[] = {
    { "(B", "ASCII", 0, 0 },       { "(J", "ASCII", 0, 0 },       { ")I", "CP932", 0, 0 },       { "$B", "EUC-JP", 1, 0 },      { "$@", "EUC-JP", 1, 0 },
    { "$(D", "EUC-JP", 1, 0x8f },  { "$)C", "EUC-KR", 0, 0 },     { "$)A", "GB2312", 0, 0 },     { "-A", "ISO-8859-1", 0, 0 },  { "-B", "ISO-8859-2", 0, 0 },
    { "-C", "ISO-8859-3", 0, 0 },  { "-D", "ISO-8859-4", 0, 0 },  { "-L", "ISO-8859-5", 0, 0 },  { "-G", "ISO-8859-6", 0, 0 },  { "-F", "ISO-8859-7", 0, 0 },
    { "-H", "ISO-8859-8", 0, 0 },  { "-M", "ISO-8859-9", 0, 0 },  { "-b", "ISO-8859-15", 0, 0 }, { "-T", "TIS-620", 0, 0 },
};

void dcm_charset_of(const dcm_element *e, dcm_charset *out)
{
    char text[128];
    *out = (dcm_charset){ .n = 0 };
    if (!e->value) return;
    size_t from = 0;
    const size_t n = dcm_ascii(e, text, sizeof text);
    for (size_t i = 0; i <= n && out->n < 4; i++) {
        if (text[i] != '\\' && text[i]) continue;
        char  *term = out->terms[out->n++];
        size_t k = 0;
        for (size_t j = from; j < i && k < sizeof out->terms[0] - 1; j++)
            if (k || text[j] != ' ') term[k++] = (char)toupper((unsigned char)text[j]);
        while (k && term[k - 1] == ' ') k--;
        term[k] = '\0';
        from = i + 1;
    }
}

/** iconv's name of the set in which a text begins. */
static const char *first_set(const dcm_charset *c)
{
    const char *term = c->n ? c->terms[0] : "";
    if (strcmp(term, "GB18030") == 0 || strcmp(term, "GBK") == 0) return "GB18030";
    const char *number = strrchr(term, ' ');
    if (!number) return "ASCII";
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (strcmp(number + 1, sets[i].number) == 0) return sets[i].iconv;
    return "ASCII";
}

typedef struct output { char *text; size_t n, size; int full; } output;

/** Appends what fits, whole characters only; once something did not, nothing more, lest a later piece follow a gap. */
static void put(output *o, const char *utf8, size_t n)
{
    size_t fits = n;
    if (o->full) return;
    if (n >= o->size - o->n) {
        fits = o->size - o->n - 1;
        while (fits && ((unsigned char)utf8[fits] & 0xc0) == 0x80) fits--;
        o->full = 1;
    }
    memcpy(o->text + o->n, utf8, fits);
    o->n += fits;
}

/** Bytes of one set; each that has no meaning there becomes U+FFFD. */
static void convert(const char *set, const uint8_t *bytes, size_t n, output *o)
{
    const iconv_t cd = iconv_open("UTF-8", set);
    char  *in = (char *)bytes;                  /* iconv's prototype is older than const; it does not write there */
    size_t left = n;
    while (left) {
        char   piece[256], *to = piece;
        size_t room = sizeof piece;
        const size_t done = cd == (iconv_t)-1 ? (size_t)-1 : iconv(cd, &in, &left, &to, &room);
        put(o, piece, (size_t)(to - piece));
        if (done != (size_t)-1 || (cd != (iconv_t)-1 && errno == E2BIG)) continue;
        if ((unsigned char)*in < 0x80) put(o, in, 1);
        else put(o, "\xef\xbf\xbd", 3);
        in++;
        left--;
        if (cd != (iconv_t)-1) iconv(cd, NULL, NULL, NULL, NULL);
    }
    if (cd != (iconv_t)-1) iconv_close(cd);
}

/** A piece after escape `which`. */
static void convert_escaped(size_t which, const uint8_t *bytes, size_t n, output *o)
{
    uint8_t raised[DCM_TEXT_MAX * 2];
    size_t  k = 0;
    if (!escapes[which].raise) {
        convert(escapes[which].iconv, bytes, n, o);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const int pair = bytes[i] > 0x20 && bytes[i] < 0x7f && i + 1 < n && bytes[i + 1] > 0x20 && bytes[i + 1] < 0x7f;
        if (pair && escapes[which].lead) raised[k++] = (uint8_t)escapes[which].lead;
        raised[k++] = pair ? bytes[i] | 0x80 : bytes[i];
        if (pair) raised[k++] = bytes[++i] | 0x80;
    }
    convert(escapes[which].iconv, raised, k, o);
}

/** Printable ASCII is the same in every set; nearly all texts are, and opening a converter costs more than reading one. */
static int is_plain(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < ' ' || p[i] > '~') return 0;
    return 1;
}

static int is_utf8(const uint8_t *p, size_t n)
{
    const iconv_t cd = iconv_open("UTF-8", "UTF-8");
    char          scratch[DCM_TEXT_MAX * 2], *in = (char *)p, *to = scratch;
    size_t        left = n, room = sizeof scratch;
    if (cd == (iconv_t)-1) return 0;
    const int ok = iconv(cd, &in, &left, &to, &room) != (size_t)-1;
    iconv_close(cd);
    return ok;
}

/** Where the escape sequence at text (an ESC) ends, and which set it calls; unknown ones are skipped and change nothing. */
static size_t take_escape(const uint8_t *text, size_t n, long *which)
{
    for (size_t e = 0; e < sizeof escapes / sizeof *escapes; e++) {
        const size_t length = strlen(escapes[e].escape);
        if (n > length && memcmp(text + 1, escapes[e].escape, length) == 0) {
            *which = (long)e;
            return length + 1;
        }
    }
    return 1;
}

void dcm_decode(const dcm_charset *charset, const uint8_t *text, size_t n, char *out, size_t size)
{
    output      o = { out, 0, size, 0 };
    long        which = -1;
    while (n && (*text == ' ' || *text == 0)) text++, n--;
    while (n && (text[n - 1] == ' ' || text[n - 1] == 0)) n--;
    if (n > DCM_TEXT_MAX) n = DCM_TEXT_MAX;
    if (is_plain(text, n)) {
        put(&o, (const char *)text, n);
        out[o.n] = '\0';
        return;
    }
    const char *set = first_set(charset);
    if (strcmp(set, "ASCII") == 0 && is_utf8(text, n)) set = "UTF-8";           /* not named, but nothing else is well-formed UTF-8 by chance */
    for (size_t from = 0, i = 0; i <= n; i++) {
        if (i < n && text[i] != 0x1b) continue;
        if (which < 0) convert(set, text + from, i - from, &o);
        else convert_escaped((size_t)which, text + from, i - from, &o);
        if (i == n) break;
        i += take_escape(text + i, n - i, &which);
        from = i--;
    }
    for (size_t i = 0; i < o.n; i++)
        if ((unsigned char)o.text[i] < ' ') o.text[i] = ' ';
    out[o.n] = '\0';
}
