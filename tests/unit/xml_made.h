/** What writers of XML fixtures share: text that grows, base64 and a bitwise CRC-32, none of it the library's code. */
#ifndef SHN_TESTS_XML_MADE_H
#define SHN_TESTS_XML_MADE_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct made_text { char *text; size_t n; FILE *file; } made_text;

static inline void made_open(made_text *m) { m->file = open_memstream(&m->text, &m->n); }
static inline void made_close(made_text *m) { fclose(m->file); }
static inline void made_free(made_text *m) { free(m->text); }
static inline void made(made_text *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void made(made_text *m, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(m->file, fmt, args);
    va_end(args);
}

static inline void made_base64(made_text *m, const uint8_t *bytes, size_t n, size_t width)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0, column = 0; i < n; i += 3) {
        const unsigned a = bytes[i], b = i + 1 < n ? bytes[i + 1] : 0, c = i + 2 < n ? bytes[i + 2] : 0;
        fputc(alphabet[a >> 2], m->file);
        fputc(alphabet[(a & 3) << 4 | b >> 4], m->file);
        fputc(i + 1 < n ? alphabet[(b & 15) << 2 | c >> 6] : '=', m->file);
        fputc(i + 2 < n ? alphabet[c & 63] : '=', m->file);
        if (width && (column += 4) >= width) {
            fputc('\n', m->file);
            column = 0;
        }
    }
}

static inline uint32_t made_crc32(const uint8_t *bytes, size_t n)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            const uint32_t in = (crc ^ (uint32_t)(bytes[i] >> bit)) & 1;
            crc = (crc >> 1) ^ (in ? 0xedb88320u : 0);
        }
    return ~crc;
}

#endif
