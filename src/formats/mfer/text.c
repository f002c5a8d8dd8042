/** Texts: the character set that 03 names, through the C library's iconv, to UTF-8. */
#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "formats/mfer/mfer.h"

/* names as found in files and in the standard's table, letters and digits only; JIS X 0201 without escapes is the lower half of Shift_JIS */
static const struct { const char *name, *iconv; } sets[] = {
    { "ASCII", "ASCII" },         { "ANSIX34", "ASCII" },          { "ISO646", "ASCII" },           { "UTF8", "UTF-8" },        { "UNICODE", "UTF-8" },
    { "SHIFTJIS", "CP932" },         { "SJIS", "CP932" },        { "MS932", "CP932" },
    { "CP932", "CP932" },         { "WINDOWS31J", "CP932" },       { "JISX0201", "CP932" },         { "EUCJP", "EUC-JP" },
    { "JISX0208", "ISO-2022-JP-2" }, { "JISX0212", "ISO-2022-JP-2" }, { "RFC1468", "ISO-2022-JP-2" }, { "ISO2022", "ISO-2022-JP-2" },
    { "JIS", "ISO-2022-JP-2" },   { "ISOIR100", "ISO-8859-1" },    { "ISO88591", "ISO-8859-1" },    { "ISO88592", "ISO-8859-2" },
    { "ISO88595", "ISO-8859-5" }, { "ISO88597", "ISO-8859-7" },    { "ISO88599", "ISO-8859-9" },    { "ISO8859", "ISO-8859-1" },
};

const char *mfer_charset(const uint8_t *name, size_t n)
{
    char   folded[32];
    size_t length = 0;
    for (size_t i = 0; i < n && length < sizeof folded - 1; i++)
        if (isalnum(name[i])) folded[length++] = (char)toupper(name[i]);
    folded[length] = '\0';
    for (int exact = 1; exact >= 0; exact--)            /* "JIS X 0208-1990" names its year */
        for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
            if (exact ? strcmp(folded, sets[i].name) == 0 : strncmp(folded, sets[i].name, strlen(sets[i].name)) == 0) return sets[i].iconv;
    return "";
}

/** 1 if all bytes are well-formed UTF-8 (plain ASCII included). */
static int is_utf8(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        const size_t more = p[i] < 0x80 ? 0 : (p[i] & 0xe0) == 0xc0 && p[i] >= 0xc2 ? 1 : (p[i] & 0xf0) == 0xe0 ? 2 : (p[i] & 0xf8) == 0xf0 && p[i] <= 0xf4 ? 3 : 9;
        if (more == 9 || more > n - i - 1) return 0;
        for (size_t k = 1; k <= more; k++)
            if ((p[i + k] & 0xc0) != 0x80) return 0;
        if (more == 2 && ((p[i] == 0xe0 && p[i + 1] < 0xa0) || (p[i] == 0xed && p[i + 1] > 0x9f))) return 0;
        if (more == 3 && ((p[i] == 0xf0 && p[i + 1] < 0x90) || (p[i] == 0xf4 && p[i + 1] > 0x8f))) return 0;
        i += more + 1;
    }
    return 1;
}

/** Converts what it can; a byte that has no meaning becomes '?'. Returns 1 if there were such. */
static int convert(const char *charset, const uint8_t *bytes, size_t n, char *out, size_t size)
{
    char       *in = (char *)bytes, *to = out;             /* iconv's prototype is older than const; it does not write there */
    size_t      left = n, room = size - 1;
    int         doubted = 0;
    const iconv_t cd = iconv_open("UTF-8", charset);
    if (cd == (iconv_t)-1) {
        for (size_t i = 0; i < n && room; i++, room--) *to++ = bytes[i] < 0x80 ? (char)bytes[i] : '?';
        *to = '\0';
        return 1;
    }
    while (left && room) {
        if (iconv(cd, &in, &left, &to, &room) != (size_t)-1 || errno == E2BIG) break;
        doubted = 1;
        if (!room) break;
        *to++ = '?';
        room--;
        in++;
        left--;
        iconv(cd, NULL, NULL, NULL, NULL);
    }
    *to = '\0';
    iconv_close(cd);
    return doubted;
}

static void trim(char *text)
{
    size_t n = strlen(text), from = 0;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) text[i] = ' ';
    while (n && text[n - 1] == ' ') n--;
    while (from < n && text[from] == ' ') from++;
    memmove(text, text + from, n - from);
    text[n - from] = '\0';
}

int mfer_text(const uint8_t *bytes, size_t n, const char *charset, char *out, size_t size)
{
    int doubted = 0;
    if (n > MFER_TEXT_MAX) n = MFER_TEXT_MAX;
    for (size_t i = 0; i < n; i++)
        if (bytes[i] == 0) n = i;               /* texts of a fixed length are filled with NUL */
    if (!*charset) {
        const int plain = is_utf8(bytes, n);
        doubted = convert(plain ? "UTF-8" : "CP932", bytes, n, out, size) | !plain;
    } else if (strcmp(charset, "CP932") != 0 && strcmp(charset, "UTF-8") != 0 && memchr(bytes, 0x1b, n) == NULL && strncmp(charset, "ISO-2022", 8) == 0 && !is_utf8(bytes, n))
        doubted = convert("CP932", bytes, n, out, size) | 1;     /* called JIS, but without escapes and in eight bits: Shift_JIS */
    else doubted = convert(charset, bytes, n, out, size);
    size_t end = strlen(out);
    while (end && !is_utf8((const uint8_t *)out, end)) out[--end] = '\0';
    trim(out);
    return doubted;
}
