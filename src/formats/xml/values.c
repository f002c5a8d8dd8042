/** Values inside XML text: names and ids without the space around them, numbers, base64; and the root's name without a parse. */
#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/xml/mend.h"
#include "formats/xml/xml.h"

int shn_xml_copy(const shn_xml *doc, const shn_xml_node *node, char *out, size_t size)
{
    const char *text = shn_xml_text(doc, node);
    out[0] = '\0';
    if (!text || size < 2) return 0;
    while (*text && isspace((unsigned char)*text)) text++;
    size_t n = strlen(text);
    while (n && isspace((unsigned char)text[n - 1])) n--;
    if (n >= size) {
        n = size - 1;
        while (n && ((unsigned char)text[n] & 0xc0) == 0x80) n--;      /* not inside a character */
    }
    memcpy(out, text, n);
    out[n] = '\0';
    return n > 0;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t       plain;
static void make_plain(void) { plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0); }

double shn_xml_number(const char *text)
{
    char   copy[64];
    size_t n = 0;
    if (!text) return NAN;
    while (isspace((unsigned char)*text)) text++;
    while (text[n] && !isspace((unsigned char)text[n])) {
        if (n + 1 >= sizeof copy || !strchr("0123456789+-.,eE", text[n])) return NAN;
        copy[n] = text[n] == ',' ? '.' : text[n];
        n++;
    }
    copy[n] = '\0';
    for (const char *rest = text + n; *rest; rest++)
        if (!isspace((unsigned char)*rest)) return NAN;
    if (n == 0) return NAN;
    pthread_once(&once, make_plain);
    char        *end;
    const double value = plain ? strtod_l(copy, &end, plain) : strtod(copy, &end);
    return *end || !isfinite(value) ? NAN : value;
}

int shn_xml_is_one_of(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, list[i]) == 0) return 1;
    return 0;
}

/* one more than a base64 character's value; white space and '=' are above 64, foreign characters 0 */
enum { SPACE = 65, PAD = 66 };
static const uint8_t sextet[256] = {
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8,
    ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
    [' '] = SPACE, ['\t'] = SPACE, ['\r'] = SPACE, ['\n'] = SPACE, ['='] = PAD,
};

shn_status shn_base64_decode(const char *text, size_t n, const char *where, uint8_t **out, size_t *n_out, shn_error *err)
{
    const uint8_t *p = (const uint8_t *)text;
    uint8_t       *bytes = shn_alloc(n / 4 + 1, 3);
    size_t         used = 0, held = 0, pads = 0;
    uint32_t       bits = 0;
    *out = NULL;
    *n_out = 0;
    if (!bytes) return shn_fail_nomem(err, where);
    for (size_t i = 0; i < n; i++) {
        while (held == 0 && pads == 0 && n - i >= 4) {          /* whole groups: nearly all of a waveform */
            const uint32_t a = sextet[p[i]] - 1u, b = sextet[p[i + 1]] - 1u, c = sextet[p[i + 2]] - 1u, d = sextet[p[i + 3]] - 1u;
            if ((a | b | c | d) > 63) break;
            const uint32_t group = a << 18 | b << 12 | c << 6 | d;
            bytes[used] = (uint8_t)(group >> 16);
            bytes[used + 1] = (uint8_t)(group >> 8);
            bytes[used + 2] = (uint8_t)group;
            used += 3;
            i += 4;
        }
        if (i >= n) break;
        const unsigned v = sextet[p[i]];
        if (v == SPACE) continue;
        if (v == PAD) {
            pads++;
            continue;
        }
        if (v == 0 || pads) {
            free(bytes);
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, where, "character %zu is no base64 (byte 0x%02x%s); the file is damaged", i, p[i],
                            pads ? " after the padding" : "");
        }
        bits = bits << 6 | (v - 1);
        if (++held == 4) {
            bytes[used++] = (uint8_t)(bits >> 16);
            bytes[used++] = (uint8_t)(bits >> 8);
            bytes[used++] = (uint8_t)bits;
            held = 0;
            bits = 0;
        }
    }
    if (held == 1 || (pads && (held < 2 || pads != 4 - held))) {        /* padding may be left out, but not be wrong */
        free(bytes);
        return shn_fail(err, SHN_FORMAT, held == 1 ? SHN_REASON_TRUNCATED : SHN_REASON_BAD_VALUE, where,
                        "base64 ends inside a group of four (%zu characters, %zu of padding)", held, pads);
    }
    if (held >= 2) bytes[used++] = (uint8_t)(bits >> (held == 2 ? 4 : 10));
    if (held == 3) bytes[used++] = (uint8_t)(bits >> 2);
    *out = bytes;
    *n_out = used;
    return SHN_OK;
}

/** ASCII character number i of the document's beginning; 0 at the end, 0x7f for anything else. */
typedef struct peek { const uint8_t *bytes; size_t n; shn_xml_units u; } peek;
static int at(const peek *k, size_t i)
{
    if (i >= (k->n - k->u.mark) / k->u.step) return 0;
    const uint8_t *p = k->bytes + k->u.mark + i * k->u.step;
    if (k->u.step == 2 && p[1 - k->u.low]) return 0x7f;
    return p[k->u.low] && p[k->u.low] < 0x80 ? p[k->u.low] : 0x7f;
}

static int follows(const peek *k, size_t i, const char *word)
{
    for (; *word; word++, i++)
        if (at(k, i) != *word) return 0;
    return 1;
}

/** Index past the mark; where it is not found, the end. */
static size_t skip_past(const peek *k, size_t i, const char *mark)
{
    while (at(k, i) && !follows(k, i, mark)) i++;
    return at(k, i) ? i + strlen(mark) : i;
}

/** Index behind a DOCTYPE: as in mend.c, brackets and '>' inside the names of its files do not count. */
static size_t past_doctype(const peek *k, size_t i)
{
    int inner = 0, quote = 0, c;
    for (; (c = at(k, i)); i++) {
        if (quote) quote = c == quote ? 0 : quote;
        else if (!inner && (c == '"' || c == '\'')) quote = c;
        else if (c == '[' || c == ']') inner = c == '[';
        else if (c == '>' && !inner) return i + 1;
    }
    return i;
}

int shn_xml_root_is(const uint8_t *bytes, size_t n_bytes, const char *name)
{
    const peek k = { bytes, n_bytes < 65536 ? n_bytes : 65536, shn_xml_units_of(bytes, n_bytes) };
    size_t     i = 0;
    for (;;) {
        while (at(&k, i) && isspace(at(&k, i))) i++;
        if (follows(&k, i, "<?")) i = skip_past(&k, i + 2, "?>");
        else if (follows(&k, i, "<!--")) i = skip_past(&k, i + 4, "-->");
        else if (follows(&k, i, "<!")) i = past_doctype(&k, i);
        else break;
    }
    if (at(&k, i) != '<') return 0;
    size_t start = ++i, n = strlen(name);
    for (; at(&k, i) && !isspace(at(&k, i)) && at(&k, i) != '>' && at(&k, i) != '/'; i++)
        if (at(&k, i) == ':') start = i + 1;
    return i - start == n && follows(&k, start, name);
}
