#include "train/sets.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

/** One byte per finding: 0 not known, 1 known absent, 2 known present; rows that are equal are the same set. */
static void encode(const uint8_t *label, const uint8_t *known, size_t K, uint8_t *row)
{
    for (size_t k = 0; k < K; k++) row[k] = (uint8_t)(known[k] ? 1 + (label[k] != 0) : 0);
}

static uint64_t hash(const uint8_t *row, size_t K)
{
    uint64_t h = 0xcbf29ce484222325u;                   /* FNV-1a */
    for (size_t k = 0; k < K; k++) h = (h ^ row[k]) * 0x100000001b3u;
    return h ^ h >> 29;
}

/** Finds or adds the set of a record by open addressing; table holds set numbers plus 1. */
static uint32_t place(shn_sets *s, uint8_t *rows, const uint8_t *row, uint32_t *table, size_t mask)
{
    size_t at = (size_t)hash(row, s->K) & mask;
    for (; table[at]; at = (at + 1) & mask)
        if (memcmp(rows + (table[at] - 1) * s->K, row, s->K) == 0) return table[at] - 1;
    memcpy(rows + s->n * s->K, row, s->K);
    table[at] = (uint32_t)++s->n;
    return table[at] - 1;
}

shn_status shn_sets_new(const uint8_t *label, const uint8_t *known, size_t n_records, size_t K, shn_sets *s, shn_error *err)
{
    size_t mask = 15;
    while (mask < 2 * n_records) mask = 2 * mask + 1;
    memset(s, 0, sizeof *s);
    s->K = K;
    uint32_t *table = shn_alloc(mask + 1, sizeof *table);
    uint8_t  *rows = shn_alloc(n_records, K), *row = shn_alloc(K, 1);
    s->of_record = shn_alloc(n_records, sizeof *s->of_record);
    s->count = shn_alloc(n_records, sizeof *s->count);
    if (table && rows && row && s->of_record && s->count) {
        for (size_t i = 0; i < n_records; i++) {
            encode(label + i * K, known + i * K, K, row);
            s->of_record[i] = place(s, rows, row, table, mask);
            s->count[s->of_record[i]]++;
        }
        s->label = shn_alloc(s->n, K);
        s->known = shn_alloc(s->n, K);
        for (size_t i = 0; s->label && s->known && i < s->n * K; i++) {
            s->label[i] = rows[i] == 2;
            s->known[i] = rows[i] > 0;
        }
    }
    free(row);
    free(rows);
    free(table);
    if (s->label && s->known) return SHN_OK;
    shn_sets_free(s);
    return shn_fail_nomem(err, "train.sets");
}

void shn_sets_free(shn_sets *s)
{
    free(s->count);
    free(s->label);
    free(s->known);
    free(s->of_record);
    memset(s, 0, sizeof *s);
}
