#include "data/peek.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "data/template.h"
#include "shinden/record.h"

#define HEADER_MAX ((size_t)1 << 18)

/** "name[/segments] leads fs[/counter[(base)]] samples ..." */
static int record_line(const char *line, size_t n, shn_peek *out)
{
    char          copy[512], *end;
    unsigned long leads;
    if (n >= sizeof copy) return 0;
    memcpy(copy, line, n);
    copy[n] = '\0';
    char *p = copy + strcspn(copy, " \t");
    leads = strtoul(p, &end, 10);
    if (end == p || leads == 0) return 0;
    p = end;
    out->fs_hz = strtod(p, &end);
    if (end == p || !(out->fs_hz > 0) || !isfinite(out->fs_hz)) return 0;
    p = end + strcspn(end, " \t");              /* the counter frequency does not matter here */
    const unsigned long long samples = strtoull(p, &end, 10);
    if (end == p || samples == 0 || samples > SHN_SAMPLES_MAX || strchr(p, '-') == p) return 0;
    out->n_samples = (size_t)samples;
    return 1;
}

static void add_labels(shn_peek *out, const char *text, size_t n)
{
    for (size_t used = strlen(out->labels); n > 0;) {
        const char *comma = memchr(text, ',', n);
        size_t      len = comma ? (size_t)(comma - text) : n;
        const size_t step = len + (comma != NULL);
        const char *word = shn_trim(text, &len);
        if (len && used + len + 2 < sizeof out->labels && !(len == 7 && strncasecmp(word, "unknown", 7) == 0)) {
            if (used) out->labels[used++] = '\n';
            memcpy(out->labels + used, word, len);
            used += len;
            out->labels[used] = '\0';
        }
        text += step;
        n -= step;
    }
}

/** "#Dx: 1,2", "# Age: 60", "#Sex: Male" */
static void comment_line(const char *line, size_t n, shn_peek *out)
{
    while (n && (*line == '#' || *line == ' ')) {
        line++;
        n--;
    }
    const char *colon = memchr(line, ':', n);
    if (!colon) return;
    size_t key = (size_t)(colon - line), len = n - key - 1;
    line = shn_trim(line, &key);
    const char *value = shn_trim(colon + 1, &len);
    if (key == 2 && strncasecmp(line, "dx", 2) == 0) add_labels(out, value, len);
    else if (key == 3 && strncasecmp(line, "age", 3) == 0) {
        char        word[24], *end;
        snprintf(word, sizeof word, "%.*s", (int)len, value);
        const double age = strtod(word, &end);
        if (end != word && *end == '\0' && age >= 0 && age <= 130) out->age = (float)age;
    } else if (key == 3 && strncasecmp(line, "sex", 3) == 0 && len > 0) {
        const char letter = (char)toupper((unsigned char)*value);
        if (letter == 'M' || letter == 'F') out->sex = letter;
    }
}

int shn_peek_text(const char *text, shn_peek *out)
{
    int known = 0, seen = 0;
    memset(out, 0, sizeof *out);
    out->age = NAN;
    while (*text) {
        size_t       n = strcspn(text, "\n");
        const size_t step = n + (text[n] == '\n');
        if (n && text[n - 1] == '\r') n--;
        if (n && *text == '#') comment_line(text, n, out);
        else if (n && !seen) {
            seen = 1;
            known = record_line(text, n, out);
        }
        text += step;
    }
    return known;
}

int shn_peek_header(const char *path, shn_peek *out)
{
    char     name[SHN_PATH_MAX];
    uint8_t *bytes;
    size_t   n;
    const size_t len = strlen(path);
    if (len + 5 > sizeof name) return 0;
    const char *dot = strrchr(shn_path_base(path), '.');
    const int   header = dot && strcmp(dot, ".hea") == 0;
    const size_t stem = dot && (strcmp(dot, ".dat") == 0 || strcmp(dot, ".mat") == 0) ? (size_t)(dot - path) : len;
    snprintf(name, sizeof name, "%.*s%s", (int)stem, path, header ? "" : ".hea");
    if (shn_file_read(name, HEADER_MAX, &bytes, &n, NULL) != SHN_OK) return 0;
    const int known = strlen((const char *)bytes) == n && shn_peek_text((const char *)bytes, out);
    free(bytes);
    return known;
}
