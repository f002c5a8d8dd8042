/**
 * Byte-level BPE: a word begins as single bytes; of all neighbouring pairs that may merge, the one of lowest rank and
 * then furthest left merges, until none may. A heap of candidate pairs keeps a word of n bytes at n log n, since Japanese
 * text without blanks makes words as long as sentences.
 *
 * Source  Sennrich et al. 2016, arXiv:1508.07909; GPT-2's byte alphabet.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "text/tokenizer_parts.h"

enum { PROBES_MAX = 4096 };
#define NONE UINT32_MAX

/* ---- the byte alphabet: printable Latin-1 bytes stand for themselves, the others for U+0100 onwards, in order */

static int is_own_letter(int byte) { return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE; }

int32_t shn_byte_letter(uint8_t byte)
{
    int32_t c = 0x100;
    if (is_own_letter(byte)) return byte;
    for (int b = 0; b < byte; b++) c += !is_own_letter(b);
    return c;
}

int64_t shn_byte_decode(const char *piece, size_t n, char *out)
{
    static const uint8_t shifted[] = { 0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12,   13,   14,   15,   16,
                                       17,   18,   19,   20,   21,   22,   23,   24,   25,   26,   27,   28,   29,   30,   31,   32,   0x7F,
                                       0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90,
                                       0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xAD };
    int64_t m = 0;
    for (size_t i = 0, length; i < n; i += length) {
        const int32_t c = shn_char_at(piece, n, i, &length);
        if (c >= 0 && c < 0x100 && is_own_letter(c)) out[m++] = (char)c;
        else if (c >= 0x100 && c < 0x100 + (int32_t)sizeof shifted) out[m++] = (char)shifted[c - 0x100];
        else return -1;
    }
    return m;
}

/* ---- merges by pair */

shn_status shn_bpe_begin_merges(shn_tokenizer *t, size_t n, shn_error *err)
{
    if (n > SHN_TOKEN_MERGES_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "tokenizer.merges", "%zu merges, at most %zu", n, SHN_TOKEN_MERGES_MAX);
    t->merges = shn_alloc(n, sizeof *t->merges);
    return t->merges ? shn_pieces_index(&t->pieces, err) : shn_fail_nomem(err, "tokenizer.merges");
}

/** Every side and what they become must be pieces: a merge that leads nowhere belongs to another vocabulary. */
shn_status shn_bpe_add_merge(shn_tokenizer *t, const char *left, size_t n_left, const char *right, size_t n_right, shn_error *err)
{
    char          bytes[2 * SHN_TOKEN_PIECE_MAX];
    const int64_t n = n_left <= SHN_TOKEN_PIECE_MAX ? shn_byte_decode(left, n_left, bytes) : -1;
    const int64_t m = n >= 0 && n_right <= SHN_TOKEN_PIECE_MAX ? shn_byte_decode(right, n_right, bytes + n) : -1;
    int64_t       ids[3] = { -1, -1, -1 };
    if (m >= 0) {
        ids[0] = shn_pieces_find(&t->pieces, bytes, (size_t)n, PIECE_TEXT);
        ids[1] = shn_pieces_find(&t->pieces, bytes + n, (size_t)m, PIECE_TEXT);
        ids[2] = shn_pieces_find(&t->pieces, bytes, (size_t)(n + m), PIECE_TEXT);
    }
    if (ids[0] < 0 || ids[1] < 0 || ids[2] < 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer.merges", "merge %zu: '%.*s' + '%.*s' is not in the vocabulary", t->n_merges,
                        (int)(n_left < 60 ? n_left : 60), left, (int)(n_right < 60 ? n_right : 60), right);
    t->merges[t->n_merges++] = (shn_merge){ (uint32_t)ids[0], (uint32_t)ids[1], (uint32_t)ids[2] };
    return SHN_OK;
}

static uint64_t pair_hash(uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

/** The rank of a pair, or NONE. */
static uint32_t rank_of(const shn_tokenizer *t, uint32_t left, uint32_t right)
{
    size_t slot = pair_hash(left, right) & (t->n_merge_slots - 1);
    for (; t->merge_slots[slot]; slot = (slot + 1) & (t->n_merge_slots - 1)) {
        const shn_merge *m = &t->merges[t->merge_slots[slot] - 1];
        if (m->left == left && m->right == right) return t->merge_slots[slot] - 1;
    }
    return NONE;
}

static shn_status index_merge(shn_tokenizer *t, size_t rank, shn_error *err)
{
    const shn_merge *m = &t->merges[rank];
    size_t slot = pair_hash(m->left, m->right) & (t->n_merge_slots - 1);
    for (int probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & (t->n_merge_slots - 1)) {
        if (!t->merge_slots[slot]) {
            t->merge_slots[slot] = (uint32_t)rank + 1;
            return SHN_OK;
        }
        const shn_merge *other = &t->merges[t->merge_slots[slot] - 1];
        if (other->left == m->left && other->right == m->right)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_DUPLICATE_ID, "tokenizer.merges", "merge %zu stands before as merge %u", rank,
                            t->merge_slots[slot] - 1);
    }
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer.merges", "the merges collide on purpose; not a real vocabulary");
}

shn_status shn_bpe_index(shn_tokenizer *t, shn_error *err)
{
    for (t->n_merge_slots = 16; t->n_merge_slots < 2 * t->n_merges; t->n_merge_slots *= 2) {}
    t->merge_slots = shn_alloc(t->n_merge_slots, sizeof *t->merge_slots);
    if (!t->merge_slots) return shn_fail_nomem(err, "tokenizer.merges");
    for (size_t rank = 0; rank < t->n_merges; rank++) {
        const shn_status st = index_merge(t, rank, err);
        if (st != SHN_OK) return st;
    }
    for (int b = 0; b < 256; b++) {
        const char byte = (char)b;
        t->byte_id[b] = shn_pieces_find(&t->pieces, &byte, 1, PIECE_TEXT);
    }
    return SHN_OK;
}

/* ---- one word */

typedef struct symbol { uint32_t id, begin, end, previous, next; } symbol;     /* a gone one has end == begin */
typedef struct candidate { uint32_t rank, left; } candidate;

/** Buffers kept over the words of a text. */
typedef struct work {
    symbol    *symbols;
    candidate *heap;
    size_t     symbols_room, heap_room, n_heap;
} work;

static int is_before(candidate a, candidate b) { return a.rank != b.rank ? a.rank < b.rank : a.left < b.left; }

static int heap_push(work *w, candidate c)
{
    if (shn_grow(&w->heap, &w->heap_room, w->n_heap + 1, sizeof *w->heap)) return -1;
    size_t i = w->n_heap++;
    for (; i > 0 && is_before(c, w->heap[(i - 1) / 2]); i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = c;
    return 0;
}

static candidate heap_pop(work *w)
{
    const candidate top = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->n_heap; i = child) {
        if (child + 1 < w->n_heap && is_before(w->heap[child + 1], w->heap[child])) child++;
        if (!is_before(w->heap[child], last)) break;
        w->heap[i] = w->heap[child];
    }
    if (w->n_heap) w->heap[i] = last;
    return top;
}

static int push_pair(const shn_tokenizer *t, work *w, uint32_t left)
{
    const uint32_t right = w->symbols[left].next;
    if (right == NONE) return 0;
    const uint32_t rank = rank_of(t, w->symbols[left].id, w->symbols[right].id);
    return rank == NONE ? 0 : heap_push(w, (candidate){ rank, left });
}

static int merge_all(const shn_tokenizer *t, work *w)
{
    while (w->n_heap) {
        const candidate c = heap_pop(w);
        symbol *left = &w->symbols[c.left];
        if (left->begin == left->end || left->next == NONE) continue;
        symbol *right = &w->symbols[left->next];
        const shn_merge *m = &t->merges[c.rank];
        if (left->id != m->left || right->id != m->right) continue;    /* one of the two has merged since */
        left->id = m->into;
        left->end = right->end;
        left->next = right->next;
        right->end = right->begin;
        if (left->next != NONE) w->symbols[left->next].previous = c.left;
        if (left->previous != NONE && push_pair(t, w, left->previous)) return -1;
        if (push_pair(t, w, c.left)) return -1;
    }
    return 0;
}

static shn_status start_word(const shn_tokenizer *t, const shn_norm *s, size_t begin, size_t end, work *w, shn_error *err)
{
    const size_t n = end - begin;
    if (shn_grow(&w->symbols, &w->symbols_room, n, sizeof *w->symbols)) return shn_fail_nomem(err, "tokenizer.bpe");
    for (size_t i = 0; i < n; i++) {
        const uint8_t byte = (uint8_t)s->bytes[begin + i];
        const int64_t id = t->byte_id[byte] >= 0 ? t->byte_id[byte] : t->unk;
        if (id < 0)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer.bpe",
                            "the vocabulary has no token for byte 0x%02x and no unknown token; this text cannot be encoded with it", byte);
        w->symbols[i] = (symbol){ (uint32_t)id, (uint32_t)(begin + i), (uint32_t)(begin + i + 1), i ? (uint32_t)i - 1 : NONE,
                                  i + 1 < n ? (uint32_t)i + 1 : NONE };
    }
    w->n_heap = 0;
    for (size_t i = 0; i + 1 < n; i++)
        if (push_pair(t, w, (uint32_t)i)) return shn_fail_nomem(err, "tokenizer.bpe");
    return SHN_OK;
}

static shn_status encode_word(const shn_tokenizer *t, const shn_norm *s, size_t begin, size_t end, work *w, shn_token_list *out, shn_error *err)
{
    if (t->ignore_merges) {
        const int64_t whole = shn_pieces_find(&t->pieces, s->bytes + begin, end - begin, PIECE_TEXT);
        if (whole >= 0)
            return shn_token_put(out, (uint32_t)whole, s->origin[begin].from, s->origin[end - 1].to) ? shn_fail_nomem(err, "tokenizer.bpe") : SHN_OK;
    }
    const shn_status st = start_word(t, s, begin, end, w, err);
    if (st != SHN_OK) return st;
    if (merge_all(t, w)) return shn_fail_nomem(err, "tokenizer.bpe");
    for (uint32_t i = 0; i != NONE; i = w->symbols[i].next) {
        const symbol *y = &w->symbols[i];
        if (shn_token_put(out, y->id, s->origin[y->begin].from, s->origin[y->end - 1].to)) return shn_fail_nomem(err, "tokenizer.bpe");
    }
    return SHN_OK;
}

/** Cuts [begin, end) by the steps from `step` on, each seeing only what the one before cut. */
static shn_status encode_split(const shn_tokenizer *t, const shn_norm *s, size_t step, size_t begin, size_t end, work *w, shn_token_list *out,
                               shn_error *err)
{
    shn_status st = SHN_OK;
    if (step == t->n_split) return encode_word(t, s, begin, end, w, out, err);
    while (st == SHN_OK && begin < end) {
        const size_t stop = shn_split_next(t->split[step], s->bytes, begin, end);
        st = encode_split(t, s, step + 1, begin, stop, w, out, err);
        begin = stop;
    }
    return st;
}

shn_status shn_bpe_encode(const shn_tokenizer *t, const shn_norm *s, shn_token_list *out, shn_error *err)
{
    work w = { 0 };
    const shn_status st = s->n ? encode_split(t, s, 0, 0, s->n, &w, out, err) : SHN_OK;
    free(w.symbols);
    free(w.heap);
    return st;
}
