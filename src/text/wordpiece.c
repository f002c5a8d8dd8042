/**
 * WordPiece: text is cut at blanks and round every punctuation mark; each word takes the longest piece that it begins
 * with, then the longest continuation ("##..."), and is unknown as a whole where that fails.
 *
 * Source  Devlin et al. 2019, arXiv:1810.04805, and the reference tokenizer's max_input_chars_per_word.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "text/tokenizer_parts.h"

static int is_break(int32_t c)
{
    const int ascii = (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
    return ascii || shn_char_is_punctuation(c);
}

/** Longest piece of s[begin, end), as a continuation or not, that ends between characters; its end, or begin. */
static size_t longest(const shn_tokenizer *t, const shn_norm *s, size_t begin, size_t end, size_t word_begin, uint32_t *id)
{
    char         buffer[SHN_TOKEN_PIECE_MAX + sizeof t->continuing];
    const size_t mark = begin > word_begin ? t->n_continuing : 0;
    memcpy(buffer, t->continuing, mark);
    if (end - begin + mark > t->pieces.length_max) end = begin + (t->pieces.length_max > mark ? t->pieces.length_max - mark : 0);
    memcpy(buffer + mark, s->bytes + begin, end - begin);
    for (; end > begin; end--) {
        if (((uint8_t)s->bytes[end] & 0xC0) == 0x80) continue;      /* inside a character; bytes are NUL-terminated past n */
        const int64_t found = shn_pieces_find(&t->pieces, buffer, mark + end - begin, PIECE_TEXT);
        if (found >= 0) {
            *id = (uint32_t)found;
            return end;
        }
    }
    return begin;
}

static int encode_word(const shn_tokenizer *t, const shn_norm *s, size_t begin, size_t end, shn_token_list *out)
{
    const size_t before = out->n;
    size_t       chars = 0, at = begin;
    uint32_t     id = 0;
    for (size_t i = begin; i < end; i++) chars += ((uint8_t)s->bytes[i] & 0xC0) != 0x80;
    while (chars <= t->word_chars_max && at < end) {
        const size_t stop = longest(t, s, at, end, begin, &id);
        if (stop == at) break;
        if (shn_token_put(out, id, s->origin[at].from, s->origin[stop - 1].to)) return -1;
        at = stop;
    }
    if (at == end) return 0;
    out->n = before;
    return shn_token_put(out, (uint32_t)t->unk, s->origin[begin].from, s->origin[end - 1].to);
}

shn_status shn_wordpiece_encode(const shn_tokenizer *t, const shn_norm *s, shn_token_list *out, shn_error *err)
{
    size_t begin = 0, length;
    for (size_t i = 0; i <= s->n; i += length) {
        const int32_t c = i < s->n ? shn_char_at(s->bytes, s->n, i, &length) : ' ';
        if (i == s->n) length = 1;
        if (!shn_char_is_space(c) && !is_break(c)) continue;
        if (i > begin && encode_word(t, s, begin, i, out)) return shn_fail_nomem(err, "tokenizer.wordpiece");
        if (is_break(c) && encode_word(t, s, i, i + length, out)) return shn_fail_nomem(err, "tokenizer.wordpiece");
        begin = i + length;
    }
    return SHN_OK;
}
