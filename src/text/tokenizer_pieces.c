/** Open addressing with linear probing; a file made to collide is refused instead of being waited for. */
#include "text/tokenizer_pieces.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/tokenizer.h"

/* At half load, probes beyond some dozens do not occur by chance (a million random keys: about 50). */
enum { PROBES_MAX = 2048 };

void shn_pieces_free(shn_pieces *p)
{
    free(p->blob);
    free(p->at);
    free(p->length);
    free(p->kind);
    free(p->slots);
    *p = (shn_pieces){ 0 };
}

const char *shn_pieces_at(const shn_pieces *p, size_t id, size_t *n)
{
    *n = p->length[id];
    return p->blob + p->at[id];
}

shn_status shn_pieces_put(shn_pieces *p, uint64_t id, const char *bytes, size_t n, int kind, shn_error *err)
{
    if (id >= SHN_TOKEN_VOCAB_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "tokenizer", "id %" PRIu64 ", needs to be below %zu", id, SHN_TOKEN_VOCAB_MAX);
    if (n > SHN_TOKEN_PIECE_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "tokenizer", "piece %" PRIu64 " has %zu bytes, at most %zu", id, n, SHN_TOKEN_PIECE_MAX);
    if (id < p->n && p->kind[id] != PIECE_ABSENT) {
        if (p->length[id] == n && memcmp(p->blob + p->at[id], bytes, n) == 0) {
            p->kind[id] = (uint8_t)kind;
            return SHN_OK;
        }
        return shn_fail(err, SHN_FORMAT, SHN_REASON_DUPLICATE_ID, "tokenizer", "id %" PRIu64 " is both '%.*s' and '%.*s'", id, (int)p->length[id],
                        p->blob + p->at[id], (int)n, bytes);
    }
    if (shn_grow(&p->blob, &p->blob_room, p->n_blob + n + 1, 1) || shn_grow(&p->at, &p->at_room, id + 1, sizeof *p->at) ||
        shn_grow(&p->length, &p->length_room, id + 1, sizeof *p->length) || shn_grow(&p->kind, &p->kind_room, id + 1, 1))
        return shn_fail_nomem(err, "tokenizer");
    if (n) memcpy(p->blob + p->n_blob, bytes, n);
    p->at[id] = p->n_blob;
    p->length[id] = (uint16_t)n;
    p->kind[id] = (uint8_t)kind;
    p->n_blob += n;
    if (id + 1 > p->n) p->n = id + 1;
    return SHN_OK;
}

/** FNV-1a, mixed at the end so that the low bits depend on all. */
static uint64_t hash_of(const char *bytes, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)bytes[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static int same(const shn_pieces *p, size_t id, const char *bytes, size_t n)
{
    return p->length[id] == n && memcmp(p->blob + p->at[id], bytes, n) == 0;
}

static shn_status index_one(shn_pieces *p, size_t id, shn_error *err)
{
    size_t      n;
    const char *bytes = shn_pieces_at(p, id, &n);
    size_t      slot = hash_of(bytes, n) & (p->n_slots - 1);
    for (int probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & (p->n_slots - 1)) {
        if (!p->slots[slot]) {
            p->slots[slot] = (uint32_t)id + 1;
            return SHN_OK;
        }
        const size_t other = p->slots[slot] - 1;
        if (p->kind[other] == p->kind[id] && same(p, other, bytes, n))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_DUPLICATE_ID, "tokenizer", "piece '%.*s' has two ids, %zu and %zu", (int)n, bytes, other, id);
    }
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer", "the vocabulary's pieces collide on purpose; not a real vocabulary");
}

shn_status shn_pieces_index(shn_pieces *p, shn_error *err)
{
    free(p->slots);
    for (p->n_slots = 16; p->n_slots < 2 * p->n; p->n_slots *= 2) {}
    p->length_max = 0;
    p->slots = shn_alloc(p->n_slots, sizeof *p->slots);
    if (!p->slots) return shn_fail_nomem(err, "tokenizer");
    for (size_t id = 0; id < p->n; id++) {
        if (p->kind[id] == PIECE_ABSENT) continue;
        if (p->kind[id] == PIECE_TEXT && p->length[id] > p->length_max) p->length_max = p->length[id];
        const shn_status st = index_one(p, id, err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

int64_t shn_pieces_find(const shn_pieces *p, const char *bytes, size_t n, int kind)
{
    size_t slot = hash_of(bytes, n) & (p->n_slots - 1);
    for (; p->slots[slot]; slot = (slot + 1) & (p->n_slots - 1)) {
        const size_t id = p->slots[slot] - 1;
        if (p->kind[id] == kind && same(p, id, bytes, n)) return (int64_t)id;
    }
    return -1;
}
