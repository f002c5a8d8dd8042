/**
 * Huffman decoding of section 2's tables. Codes are found by the next ten bits in a table of 1,024; the few longer ones of a manufacturer's
 * table are searched. A code stands for its base, for base plus bits that follow it (two's complement, first bit highest), or for another table.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "formats/scp/scp.h"

enum { LOOK_BITS = 10, LOOK = 1 << LOOK_BITS, EXTRA_MAX = 16, PREFIX_MAX = 32 };

typedef struct code { uint32_t prefix; int16_t base; uint8_t n_prefix, n_extra, is_switch, is_plain; } code;     /* prefix at the top of its 32 bits; plain: base is all */
typedef struct table { code look[LOOK]; code *longer; size_t n_longer; } table;                        /* look[].n_prefix 0: no short code */

struct scp_huffman { size_t n_tables; table *tables[SCP_TABLES_MAX]; };

void scp_huffman_free(scp_huffman *h)
{
    if (!h) return;
    for (size_t i = 0; i < h->n_tables; i++) {
        free(h->tables[i]->longer);
        free(h->tables[i]);
    }
    free(h);
}

static int overlap(const code *a, const code *b)
{
    const unsigned n = a->n_prefix < b->n_prefix ? a->n_prefix : b->n_prefix;
    return (a->prefix ^ b->prefix) >> (32 - n) == 0;
}

/** 0, or -1 where the code begins like one that is there. */
static int add_code(table *t, code c)
{
    c.is_plain = !c.n_extra && !c.is_switch;
    if (c.n_prefix > LOOK_BITS) {
        if (t->look[c.prefix >> (32 - LOOK_BITS)].n_prefix) return -1;
        for (size_t i = 0; i < t->n_longer; i++)
            if (overlap(&t->longer[i], &c)) return -1;
        t->longer[t->n_longer++] = c;
        return 0;
    }
    for (size_t i = 0; i < t->n_longer; i++)
        if (overlap(&t->longer[i], &c)) return -1;
    const size_t first = c.prefix >> (32 - LOOK_BITS), n = (size_t)1 << (LOOK_BITS - c.n_prefix);
    for (size_t i = 0; i < n; i++) {
        if (t->look[first + i].n_prefix) return -1;
        t->look[first + i] = c;
    }
    return 0;
}

static shn_status add_table(scp_huffman *h, size_t n_codes, table **out, shn_error *err)
{
    table *t = shn_alloc(1, sizeof *t);
    code  *longer = shn_alloc(n_codes, sizeof *longer);
    if (!t || !longer) {
        free(t);
        free(longer);
        return shn_fail_nomem(err, "scp.section 2");
    }
    t->longer = longer;
    h->tables[h->n_tables++] = t;
    *out = t;
    return SHN_OK;
}

/** The standard's table: k ones, a zero and a sign for +-k up to 8, a single zero for 0, ten bits before values of 8 and of 16 bits. */
static shn_status default_table(scp_huffman *h, shn_error *err)
{
    table     *t;
    shn_status st = add_table(h, 0, &t, err);
    if (st != SHN_OK) return st;
    int clash = add_code(t, (code){ .n_prefix = 1 });
    for (int k = 1; k <= 8; k++)
        for (int minus = 0; minus < 2; minus++) {
            const uint32_t bits = ((((uint32_t)1 << k) - 1) << 2) | (uint32_t)minus;
            clash |= add_code(t, (code){ .prefix = bits << (30 - k), .base = (int16_t)(minus ? -k : k), .n_prefix = (uint8_t)(k + 2) });
        }
    clash |= add_code(t, (code){ .prefix = 0x3FEu << 22, .n_prefix = 10, .n_extra = 8 });
    clash |= add_code(t, (code){ .prefix = 0x3FFu << 22, .n_prefix = 10, .n_extra = 16 });
    return clash ? shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 2", "the built-in table contradicts itself") : SHN_OK;
}

static uint32_t reversed(uint32_t v)
{
    uint32_t r = 0;
    for (int i = 0; i < 32; i++, v >>= 1) r = r << 1 | (v & 1);
    return r;
}

static shn_status parse_code(const uint8_t *p, size_t n_tables, code *c, shn_error *err)
{
    const unsigned prefix = p[0], all = p[1], mode = p[2];
    const int      base = read_i16le(p + 3);
    if (prefix < 1 || prefix > PREFIX_MAX || all < prefix || all - prefix > EXTRA_MAX || mode > 1)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 2", "a code of %u bits, %u with its value, mode %u", prefix, all, mode);
    if (mode == 0 && (all != prefix || base < 1 || (size_t)base > n_tables))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 2", "a code that switches to table %d of %zu", base, n_tables);
    const uint32_t mask = prefix == 32 ? 0xFFFFFFFFu : ~(0xFFFFFFFFu >> prefix);
    *c = (code){ .prefix = reversed(read_u32le(p + 5)) & mask, .base = (int16_t)base, .n_prefix = (uint8_t)prefix, .n_extra = (uint8_t)(all - prefix), .is_switch = mode == 0 };
    return SHN_OK;
}

static shn_status parse_table(scp_huffman *h, const scp_section *s, size_t *at, size_t n_tables, shn_error *err)
{
    table *t;
    code   c;
    if (s->n - *at < 2) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 2", "ends before table %zu of %zu", h->n_tables + 1, n_tables);
    const size_t n = read_u16le(s->body + *at);
    *at += 2;
    if (n > SCP_CODES_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "scp.section 2", "a table of %zu codes, at most %d", n, SCP_CODES_MAX);
    if (n == 0 || (s->n - *at) / 9 < n)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 2", "table %zu has %zu codes in %zu bytes", h->n_tables + 1, n, s->n - *at);
    shn_status st = add_table(h, n, &t, err);
    for (size_t i = 0; i < n && st == SHN_OK; i++, *at += 9) {
        st = parse_code(s->body + *at, n_tables, &c, err);
        if (st == SHN_OK && add_code(t, c) != 0)
            st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 2", "table %zu: code %zu begins like another", h->n_tables, i + 1);
    }
    return st;
}

shn_status scp_huffman_new(const scp_section *s, scp_huffman **out, shn_error *err)
{
    *out = NULL;
    if (!s->body) return SHN_OK;
    if (s->n < 2) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "scp.section 2", "%zu bytes; needs a number of tables", s->n);
    const size_t n = read_u16le(s->body);
    if (n != SCP_DEFAULT_TABLE && (n == 0 || n > SCP_TABLES_MAX))
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "scp.section 2", "%zu tables; 1 to %d, or %d for the standard's own", n, SCP_TABLES_MAX, SCP_DEFAULT_TABLE);
    scp_huffman *h = shn_alloc(1, sizeof *h);
    if (!h) return shn_fail_nomem(err, "scp.section 2");
    shn_status st = SHN_OK;
    size_t     at = 2;
    if (n == SCP_DEFAULT_TABLE) st = default_table(h, err);
    else for (size_t i = 0; i < n && st == SHN_OK; i++) st = parse_table(h, s, &at, n, err);
    if (st == SHN_OK) *out = h;
    else scp_huffman_free(h);
    return st;
}

static const code *find_longer(const table *t, uint64_t acc)
{
    for (size_t i = 0; i < t->n_longer; i++) {
        const code *c = &t->longer[i];
        if (((uint32_t)(acc >> 32) ^ c->prefix) >> (32 - c->n_prefix) == 0) return c;
    }
    return NULL;
}

/** The bits of a file from the top of acc on. Below the first `have` there may be more of the file's, or zeros: they are read again. */
typedef struct bits { const uint8_t *bytes; size_t n, at; uint64_t acc; unsigned have; } bits;

/** At least 56 bits, which is more than any code with its value, unless the file ends. */
static inline void refill(bits *b)
{
    if (b->n - b->at >= 8) {
        b->acc |= ((uint64_t)read_u32be(b->bytes + b->at) << 32 | read_u32be(b->bytes + b->at + 4)) >> b->have;
        b->at += (63 - b->have) / 8;
        b->have |= 56;
    } else {
        for (; b->at < b->n && b->have <= 56; b->have += 8) b->acc |= (uint64_t)b->bytes[b->at++] << (56 - b->have);
    }
}

static inline void drop(bits *b, unsigned n)
{
    b->acc <<= n;
    b->have -= n;
}

size_t scp_huffman_decode(const scp_huffman *h, const uint8_t *bytes, size_t n_bytes, int16_t *out, size_t n, size_t *used, unsigned *end_table)
{
    enum { PLAIN = 5 };                         /* so many codes of LOOK_BITS need no refill between them */
    const table *t = h->tables[0];
    bits         b = { .bytes = bytes, .n = n_bytes };
    size_t       i = 0;
    unsigned     which = 0;
    while (i < n) {
        refill(&b);
        size_t      left = n - i < PLAIN ? n - i : PLAIN;
        const code *c = &t->look[b.acc >> (64 - LOOK_BITS)];
        for (; left > 0 && c->is_plain && c->n_prefix <= b.have; left--, c = &t->look[b.acc >> (64 - LOOK_BITS)]) {
            out[i++] = c->base;
            drop(&b, c->n_prefix);
        }
        if (left == 0) continue;
        refill(&b);
        c = &t->look[b.acc >> (64 - LOOK_BITS)];
        if (!c->n_prefix && !(c = find_longer(t, b.acc))) break;
        if (c->n_prefix + c->n_extra > b.have) break;
        drop(&b, c->n_prefix);
        int value = c->base;
        if (c->n_extra) value += (int)((int64_t)b.acc >> (64 - c->n_extra));
        drop(&b, c->n_extra);
        if (c->is_switch) t = h->tables[which = (unsigned)c->base - 1];
        else out[i++] = (int16_t)(uint16_t)value;
    }
    *used = 8 * b.at - b.have;
    *end_table = which;
    return i;
}
