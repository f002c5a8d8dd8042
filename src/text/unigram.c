/**
 * Unigram: of all ways to cut a word into pieces, the one of highest summed log-probability (Viterbi). A character that no
 * piece covers is unknown, at ten below the worst piece; neighbours that are unknown are one token. Pieces that begin at
 * a place are found by narrowing a range of the sorted vocabulary byte by byte.
 *
 * Source  Kudo 2018, arXiv:1804.10959; the order of comparisons is that of the `tokenizers` package.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "text/tokenizer_parts.h"

static const double UNKNOWN_PENALTY = 10.0;
static const char   MARK[] = "\xE2\x96\x81";        /* U+2581, which stands for a blank */
enum { MARK_BYTES = 3 };
#define NONE UINT32_MAX

/* ---- prefix search */

static int compare(const void *a, const void *b, void *context)
{
    const shn_pieces *p = context;
    size_t na, nb;
    const char *x = shn_pieces_at(p, *(const uint32_t *)a, &na), *y = shn_pieces_at(p, *(const uint32_t *)b, &nb);
    const int order = memcmp(x, y, na < nb ? na : nb);
    return order ? order : (na > nb) - (na < nb);
}

shn_status shn_unigram_index(shn_tokenizer *t, shn_error *err)
{
    const shn_pieces *p = &t->pieces;
    double lowest = INFINITY;
    t->sorted = shn_alloc(p->n, sizeof *t->sorted);
    if (!t->sorted) return shn_fail_nomem(err, "tokenizer.unigram");
    for (uint32_t id = 0; id < p->n; id++) {
        if (id < t->n_scores && t->scores[id] < lowest) lowest = t->scores[id];
        if (p->kind[id] == PIECE_TEXT && p->length[id] > 0) t->sorted[t->n_sorted++] = id;
    }
    if (t->n_sorted == 0 || t->unk < 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer.unigram", t->unk < 0 ? "no unknown token (unk_id)" : "no pieces");
    t->unk_score = lowest - UNKNOWN_PENALTY;
    qsort_r(t->sorted, t->n_sorted, sizeof *t->sorted, compare, (void *)(uintptr_t)p);
    for (uint32_t i = 0, b = 0; b < 256; b++) {
        t->first_byte[b] = i;
        while (i < t->n_sorted && (uint8_t)p->blob[p->at[t->sorted[i]]] == b) i++;
        t->first_byte[b + 1] = i;
    }
    return SHN_OK;
}

/** The byte at depth of the piece at rank i, or -1 where it has ended (it sorts first). */
static int byte_at(const shn_tokenizer *t, size_t i, size_t depth)
{
    size_t n;
    const char *bytes = shn_pieces_at(&t->pieces, t->sorted[i], &n);
    return depth < n ? (uint8_t)bytes[depth] : -1;
}

/** First rank in [low, high), whose pieces share `depth` bytes, with a byte of at least `byte` at depth. */
static size_t lower_bound(const shn_tokenizer *t, size_t low, size_t high, size_t depth, int byte)
{
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (byte_at(t, middle, depth) < byte) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* ---- the best cut */

typedef struct node { double score; uint32_t id, begin; } node;     /* the best way to come here; begin NONE: no way yet */

typedef struct work {
    shn_norm word;              /* one word, blanks as marks */
    node    *nodes;
    uint32_t *cuts;
    size_t   nodes_room, cuts_room;
} work;

static void offer(node *target, double score, uint32_t id, size_t begin)
{
    if (target->begin == NONE || score > target->score) *target = (node){ score, id, (uint32_t)begin };
}

/** Offers every piece that begins at `at`; 1 if one of them is the single character. */
static int offer_pieces(const shn_tokenizer *t, const char *s, size_t n, size_t at, size_t char_bytes, node *nodes)
{
    const uint8_t first = (uint8_t)s[at];
    size_t low = t->first_byte[first], high = t->first_byte[first + 1];
    int    single = 0;
    for (size_t depth = 1; low < high; depth++) {
        if (byte_at(t, low, depth) < 0) {                   /* a piece ends here; no other can, pieces are distinct */
            const uint32_t id = t->sorted[low++];
            offer(&nodes[at + depth], t->scores[id] + nodes[at].score, id, at);
            single |= depth == char_bytes;
        }
        if (at + depth == n) break;
        const int byte = (uint8_t)s[at + depth];
        low = lower_bound(t, low, high, depth, byte);
        high = lower_bound(t, low, high, depth, byte + 1);
    }
    return single;
}

static int best_cut(const shn_tokenizer *t, const char *s, size_t n, work *w)
{
    if (shn_grow(&w->nodes, &w->nodes_room, n + 1, sizeof *w->nodes) || shn_grow(&w->cuts, &w->cuts_room, n + 1, sizeof *w->cuts)) return -1;
    for (size_t i = 0; i <= n; i++) w->nodes[i] = (node){ 0, 0, NONE };
    for (size_t at = 0, length; at < n; at += length) {
        shn_char_at(s, n, at, &length);
        if (!offer_pieces(t, s, n, at, length, w->nodes))
            offer(&w->nodes[at + length], t->unk_score + w->nodes[at].score, (uint32_t)t->unk, at);
    }
    return 0;
}

/** Encodes w->word[a, b). */
static int encode_piece(const shn_tokenizer *t, size_t a, size_t b, work *w, shn_token_list *out)
{
    const size_t n = b - a;
    size_t       n_cuts = 0;
    if (n == 0) return 0;
    if (best_cut(t, w->word.bytes + a, n, w)) return -1;
    for (size_t end = n; end > 0; end = w->nodes[end].begin) w->cuts[n_cuts++] = (uint32_t)end;
    for (size_t begin = 0; n_cuts > 0;) {
        size_t end = w->cuts[--n_cuts];
        const uint32_t id = w->nodes[end].id;
        while (id == (uint32_t)t->unk && n_cuts > 0 && w->nodes[w->cuts[n_cuts - 1]].id == id) end = w->cuts[--n_cuts];
        if (shn_token_put(out, id, w->word.origin[a + begin].from, w->word.origin[a + end - 1].to)) return -1;
        begin = end;
    }
    return 0;
}

static int is_mark(const char *bytes, size_t n, size_t i) { return n - i >= MARK_BYTES && memcmp(bytes + i, MARK, MARK_BYTES) == 0; }

/** in[a, b) with blanks as marks and one in front where the scheme wants it. */
static int make_word(const shn_tokenizer *t, const shn_norm *in, size_t a, size_t b, work *w)
{
    w->word.n = 0;
    const int wanted = t->metaspace == METASPACE_ALWAYS || (t->metaspace == METASPACE_FIRST && a == 0);
    if (wanted && in->bytes[a] != ' ' && !is_mark(in->bytes, b, a) && shn_norm_put(&w->word, MARK, MARK_BYTES, in->origin[a].from, in->origin[a].from))
        return -1;
    for (size_t i = a; i < b; i++) {
        const int blank = in->bytes[i] == ' ';
        if (shn_norm_put(&w->word, blank ? MARK : in->bytes + i, blank ? MARK_BYTES : 1, in->origin[i].from, in->origin[i].to)) return -1;
    }
    return 0;
}

static int encode_word(const shn_tokenizer *t, const shn_norm *in, size_t a, size_t b, work *w, shn_token_list *out)
{
    if (make_word(t, in, a, b, w)) return -1;
    size_t begin = 0;
    for (size_t i = 1; t->metaspace_split && i < w->word.n; i++) {
        if (!is_mark(w->word.bytes, w->word.n, i)) continue;
        if (encode_piece(t, begin, i, w, out)) return -1;
        begin = i;
    }
    return encode_piece(t, begin, w->word.n, w, out);
}

shn_status shn_unigram_encode(const shn_tokenizer *t, const shn_norm *s, shn_token_list *out, shn_error *err)
{
    work w = { 0 };
    int  failed = 0;
    for (size_t i = 0, length; !failed && i < s->n;) {
        size_t end = i;
        if (t->whitespace_split) {
            while (end < s->n && !shn_char_is_space(shn_char_at(s->bytes, s->n, end, &length))) end += length;
            if (end > i) failed = encode_word(t, s, i, end, &w, out);
            if (end < s->n) end += length;
        } else {
            end = s->n;
            failed = encode_word(t, s, i, end, &w, out);
        }
        i = end;
    }
    shn_norm_free(&w.word);
    free(w.nodes);
    free(w.cuts);
    return failed ? shn_fail_nomem(err, "tokenizer.unigram") : SHN_OK;
}
