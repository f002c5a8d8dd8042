#include "base/utf8.h"

#include <string.h>

size_t shn_utf8_length(const uint8_t *p, size_t n)
{
    if (p[0] < 0x80) return 1;
    const size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < len) return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0;
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0;
    return len;
}

size_t shn_utf8_mend(const char *text, size_t n, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < n;) {
        const size_t length = shn_utf8_length((const uint8_t *)text + i, n - i), step = length ? length : 3;
        if (used + step >= size) break;
        memcpy(out + used, length ? text + i : "\xef\xbf\xbd", step);
        used += step;
        i += length ? length : 1;
    }
    out[used] = '\0';
    return used;
}
