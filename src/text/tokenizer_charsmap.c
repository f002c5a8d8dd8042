/**
 * SentencePiece's precompiled character map: u32le bytes of a double array (Darts), its u32le units, then the replacement
 * strings, each ended by NUL. A unit holds: bits 0-7 the label (with bit 31: no label), bit 8 "a leaf hangs here", bit 9 and bits
 * 10-30 the offset to the children; a leaf's unit holds where its replacement begins.
 *
 * Every step is checked against the array's end, so any bytes may be walked.
 *
 * Source  S. Yata, darts-clone; SentencePiece, src/normalizer.cc.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "text/tokenizer_parts.h"

void shn_charsmap_free(shn_charsmap *map)
{
    free(map->units);
    free(map->replacements);
    *map = (shn_charsmap){ 0 };
}

shn_status shn_charsmap_parse(const uint8_t *bytes, size_t n_bytes, shn_charsmap *out, shn_error *err)
{
    *out = (shn_charsmap){ 0 };
    if (n_bytes > SHN_TOKEN_CHARSMAP_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "tokenizer.charsmap", "%zu bytes, at most %zu", n_bytes, SHN_TOKEN_CHARSMAP_MAX);
    const size_t array = n_bytes < 4 ? 0 : read_u32le(bytes);
    if (array == 0 || array % 4 != 0 || array > n_bytes - 4)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "tokenizer.charsmap", "precompiled_charsmap: an array of %zu bytes in %zu", array, n_bytes);
    out->n_units = array / 4;
    out->n_replacements = n_bytes - 4 - array;
    out->units = shn_alloc(out->n_units, sizeof *out->units);
    out->replacements = shn_alloc(out->n_replacements + 1, 1);          /* one NUL more: the last string ends whatever comes */
    if (!out->units || !out->replacements) {
        shn_charsmap_free(out);
        return shn_fail_nomem(err, "tokenizer.charsmap");
    }
    for (size_t i = 0; i < out->n_units; i++) out->units[i] = read_u32le(bytes + 4 + 4 * i);
    memcpy(out->replacements, bytes + 4 + array, out->n_replacements);
    return SHN_OK;
}

static size_t offset_of(uint32_t unit) { return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6); }

/** The shortest prefix with a leaf: what `tokenizers` takes. (SentencePiece takes the longest; callers pass one character or
 *  one short cluster, where the two seldom differ.) */
const char *shn_charsmap_find(const shn_charsmap *map, const char *bytes, size_t n)
{
    size_t at = offset_of(map->units[0]);
    for (size_t i = 0; i < n && bytes[i]; i++) {
        at ^= (uint8_t)bytes[i];
        if (at >= map->n_units || (map->units[at] & 0x800000FFu) != (uint8_t)bytes[i]) return NULL;
        const int has_leaf = map->units[at] >> 8 & 1;
        at ^= offset_of(map->units[at]);
        if (!has_leaf) continue;
        if (at >= map->n_units) return NULL;
        const size_t where = map->units[at] & 0x7FFFFFFFu;
        return where <= map->n_replacements ? map->replacements + where : NULL;
    }
    return NULL;
}
