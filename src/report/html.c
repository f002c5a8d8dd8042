#include "report/html.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <utf8proc.h>

#include "base/alloc.h"
#include "base/fail.h"

static int room(shn_html *page, size_t more)
{
    if (page->failed || more > SHN_HTML_MAX - page->n || shn_grow(&page->text, &page->capacity, page->n + more + 1, 1) != 0)
        page->failed = 1;
    return !page->failed;
}

static void append(shn_html *page, const char *bytes, size_t n)
{
    if (!room(page, n)) return;
    memcpy(page->text + page->n, bytes, n);
    page->n += n;
    page->text[page->n] = '\0';
}

void shn_html_raw(shn_html *page, const char *markup) { append(page, markup, strlen(markup)); }

void shn_html_printf(shn_html *page, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0 || !room(page, (size_t)n)) {
        page->failed = 1;
        return;
    }
    va_start(args, fmt);
    vsnprintf(page->text + page->n, (size_t)n + 1, fmt, args);
    va_end(args);
    page->n += (size_t)n;
}

/** The entity of a byte that must not stand as it is; NULL if it may. */
static const char *entity(unsigned char c)
{
    switch (c) {
    case '&':  return "&amp;";
    case '<':  return "&lt;";
    case '>':  return "&gt;";
    case '"':  return "&quot;";
    case '\'': return "&#39;";
    default:   return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? "\xef\xbf\xbd" : NULL;
    }
}

void shn_html_text(shn_html *page, const char *outside)
{
    if (!outside) return;
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)outside;
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(outside);
    while (left > 0) {
        utf8proc_int32_t code;
        const utf8proc_ssize_t n = utf8proc_iterate(p, left, &code);
        const char *instead = n == 1 ? entity(*p) : NULL;
        if (n <= 0 || code == 0xfffe || code == 0xffff) instead = "\xef\xbf\xbd";
        if (instead) shn_html_raw(page, instead);
        else append(page, (const char *)p, (size_t)n);
        p += n > 0 ? n : 1;
        left -= n > 0 ? n : 1;
    }
}

void shn_html_base64(shn_html *page, const void *bytes, size_t n)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = bytes;
    if (n > SHN_HTML_MAX || !room(page, (n + 2) / 3 * 4)) {
        page->failed = 1;
        return;
    }
    char *out = page->text + page->n;
    for (size_t i = 0; i < n; i += 3, out += 4) {
        const size_t have = n - i < 3 ? n - i : 3;
        const uint32_t v = (uint32_t)p[i] << 16 | (have > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (have > 2 ? p[i + 2] : 0);
        for (size_t c = 0; c < 4; c++) out[c] = c <= have ? letters[v >> (18 - 6 * c) & 63] : '=';
    }
    *out = '\0';
    page->n += (n + 2) / 3 * 4;
}

shn_status shn_html_finish(shn_html *page, char **out, shn_error *err)
{
    *out = NULL;
    if (!page->failed && !page->text) shn_html_raw(page, "");
    if (page->failed) {
        free(page->text);
        memset(page, 0, sizeof *page);
        return shn_fail_nomem(err, "report.html");
    }
    *out = page->text;
    memset(page, 0, sizeof *page);
    return SHN_OK;
}
