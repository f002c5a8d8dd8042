#include "formats/wfdb/wfdb.h"

#include <ctype.h>
#include <string.h>

#include "shinden/wfdb.h"

/** A record line: after comments, a name of letters, digits, '_', '-' (and "/segments"), a space and the number of signals. */
static int recognises(const uint8_t *bytes, size_t n_bytes)
{
    const uint8_t *p = bytes, *end = bytes + (n_bytes < 65536 ? n_bytes : 65536);
    while (p < end && (*p == '#' || *p == '\r' || *p == '\n')) {
        const uint8_t *line_end = memchr(p, '\n', (size_t)(end - p));
        if (!line_end) return 0;
        p = line_end + 1;
    }
    const uint8_t *name = p;
    while (p < end && (isalnum(*p) || *p == '_' || *p == '-' || *p == '/')) p++;
    if (p == name || p == end || (*p != ' ' && *p != '\t')) return 0;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    const uint8_t *digits = p;
    while (p < end && isdigit(*p)) p++;
    if (p == digits || p - digits > 3) return 0;
    return p == end || *p == '\n' || *p == '\r' || ((*p == ' ' || *p == '\t') && p + 1 < end && (isdigit(p[1]) || p[1] == '\n' || p[1] == '\r'));
}

static shn_status read_record(const shn_input *in, shn_record **out, shn_error *err)
{
    return shn_wfdb_read(in->bytes, in->n_bytes, in->source, in->options, out, err);
}

const shn_reader shn_reader_wfdb = { .name = "wfdb", .title = "WFDB", .recognises = recognises, .read = read_record, .deidentify = wfdb_deidentify };
