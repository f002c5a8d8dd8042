/**
 * tokenizer.json: what each section may say, and the refusal of all that it may not. The pipeline is read into the steps of
 * tokenizer_parts.h; a component that is not known is refused by its name, never skipped, since skipping one gives ids
 * that look right.
 */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "text/tokenizer_parts.h"

typedef struct reader { shn_tokenizer *t; shn_error *err; } reader;

static shn_status bad(const reader *r, const char *where, const char *what)
{
    return shn_fail(r->err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "tokenizer.json", "%s: %s", where, what);
}

static shn_status unknown(const reader *r, const char *where, const char *what)
{
    return shn_fail(r->err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "tokenizer.json",
                    "%s: '%.200s' is not supported; docs/text.md lists what is", where, what);
}

/** "type" of a component, or "" */
static const char *type_of(const json_t *component)
{
    const char *type = json_string_value(json_object_get(component, "type"));
    return type ? type : "";
}

static int is_true(const json_t *component, const char *key, int otherwise)
{
    const json_t *value = json_object_get(component, key);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

/** Runs fn on a component, or on each of the list under `key` where it is a Sequence; null is nothing. Sequences do not nest. */
typedef shn_status component_fn(const reader *r, const json_t *component);
static shn_status each(const reader *r, const json_t *component, const char *where, const char *key, component_fn *fn)
{
    if (!component || json_is_null(component)) return SHN_OK;
    if (!json_is_object(component)) return bad(r, where, "is no object");
    if (strcmp(type_of(component), "Sequence") != 0) return fn(r, component);
    const json_t *list = json_object_get(component, key);
    if (!json_is_array(list)) return bad(r, where, "a Sequence without its list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const shn_status st = fn(r, json_array_get(list, i));
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

/* ---- normalizer */

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/** Standard base64, padded. *out is the caller's. */
static shn_status base64(const reader *r, const char *text, size_t n, uint8_t **out, size_t *n_out)
{
    size_t padding = 0;
    while (padding < 2 && padding < n && text[n - 1 - padding] == '=') padding++;
    if (n % 4 != 0) return bad(r, "normalizer.precompiled_charsmap", "is not base64 (its length is no multiple of 4)");
    uint8_t *bytes = shn_alloc(n / 4, 3);
    if (!bytes) return shn_fail_nomem(r->err, "tokenizer.json");
    for (size_t i = 0; i < n; i += 4) {
        uint32_t group = 0;
        for (size_t k = 0; k < 4; k++) {
            const int v = i + k >= n - padding ? 0 : base64_value(text[i + k]);
            if (v < 0) {
                free(bytes);
                return bad(r, "normalizer.precompiled_charsmap", "is not base64");
            }
            group = group << 6 | (uint32_t)v;
        }
        for (size_t k = 0; k < 3; k++) bytes[i / 4 * 3 + k] = (uint8_t)(group >> (16 - 8 * k));
    }
    *out = bytes;
    *n_out = n / 4 * 3 - padding;
    return SHN_OK;
}

static shn_status read_charsmap(const reader *r, const json_t *component)
{
    const json_t *map = json_object_get(component, "precompiled_charsmap");
    uint8_t *bytes = NULL;
    size_t   n = 0;
    if (!json_is_string(map)) return bad(r, "normalizer.precompiled_charsmap", "is no string");
    if (r->t->charsmap.units) return unknown(r, "normalizer", "a second Precompiled");
    shn_status st = base64(r, json_string_value(map), json_string_length(map), &bytes, &n);
    if (st == SHN_OK) st = shn_charsmap_parse(bytes, n, &r->t->charsmap, r->err);
    free(bytes);
    return st;
}

static shn_status read_replace(const reader *r, const json_t *component, shn_norm_step *step)
{
    const json_t *pattern = json_object_get(component, "pattern");
    const char   *regex = json_string_value(json_object_get(pattern, "Regex"));
    const char   *literal = json_string_value(json_object_get(pattern, "String"));
    const char   *content = json_string_value(json_object_get(component, "content"));
    if ((!regex && !literal) || !content) return bad(r, "normalizer.Replace", "needs a pattern and a content");
    if (regex && strcmp(regex, " {2,}") != 0) return unknown(r, "normalizer.Replace", regex);
    if (regex) literal = " ";
    if (!*literal || strlen(literal) >= NORM_PATTERN_MAX || strlen(content) >= NORM_PATTERN_MAX)
        return unknown(r, "normalizer.Replace", "an empty or a very long pattern");
    step->runs = regex != NULL;
    strcpy(step->pattern, literal);
    strcpy(step->content, content);
    return SHN_OK;
}

static void read_bert(const json_t *component, shn_norm_step *step)
{
    step->clean = (uint8_t)is_true(component, "clean_text", 1);
    step->split_cjk = (uint8_t)is_true(component, "handle_chinese_chars", 1);
    step->lowercase = (uint8_t)is_true(component, "lowercase", 1);
    step->strip_accents = (uint8_t)is_true(component, "strip_accents", step->lowercase);
}

static shn_status read_normalizer(const reader *r, const json_t *component)
{
    static const struct { const char *type; shn_norm_kind kind; } kinds[] = {
        { "Precompiled", NORM_CHARSMAP }, { "NFC", NORM_NFC },     { "NFKC", NORM_NFKC },          { "BertNormalizer", NORM_BERT },
        { "Replace", NORM_REPLACE },      { "Strip", NORM_STRIP }, { "Lowercase", NORM_LOWERCASE },
    };
    shn_norm_step step = { 0 };
    shn_status    st = SHN_OK;
    size_t        k = 0;
    while (k < sizeof kinds / sizeof *kinds && strcmp(kinds[k].type, type_of(component)) != 0) k++;
    if (k == sizeof kinds / sizeof *kinds) return unknown(r, "normalizer", type_of(component));
    if (r->t->n_norm == NORM_STEPS_MAX) return unknown(r, "normalizer", "a Sequence of more than 8");
    step.kind = kinds[k].kind;
    if (step.kind == NORM_CHARSMAP) st = read_charsmap(r, component);
    if (step.kind == NORM_REPLACE) st = read_replace(r, component, &step);
    if (step.kind == NORM_BERT) read_bert(component, &step);
    if (step.kind == NORM_STRIP) {
        step.left = (uint8_t)is_true(component, "strip_left", 1);
        step.right = (uint8_t)is_true(component, "strip_right", 1);
    }
    if (st == SHN_OK) r->t->norm[r->t->n_norm++] = step;
    return st;
}

/* ---- pre_tokenizer */

static shn_status add_split(const reader *r, shn_split_kind kind)
{
    if (r->t->n_split == SPLIT_STEPS_MAX) return unknown(r, "pre_tokenizer", "a Sequence of more than 4");
    r->t->split[r->t->n_split++] = kind;
    return SHN_OK;
}

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
#define AFTER_DIGITS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static shn_status read_split(const reader *r, const json_t *component)
{
    static const struct { const char *regex; shn_split_kind kind; } known[] = {
        { CONTRACTIONS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" AFTER_DIGITS, SPLIT_LLAMA3 },
        { CONTRACTIONS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" AFTER_DIGITS, SPLIT_QWEN2 },
        { "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", SPLIT_GPT2 },
    };
    const char *regex = json_string_value(json_object_get(json_object_get(component, "pattern"), "Regex"));
    const char *behavior = json_string_value(json_object_get(component, "behavior"));
    const int   invert = is_true(component, "invert", 0);
    if (!regex || !behavior) return bad(r, "pre_tokenizer.Split", "needs a pattern.Regex and a behavior");
    /* the expressions match every character, so keeping the matches and isolating them are the same */
    if (strcmp(behavior, invert ? "Removed" : "Isolated") != 0) return unknown(r, "pre_tokenizer.Split, behavior", behavior);
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (strcmp(known[k].regex, regex) == 0) return add_split(r, known[k].kind);
    return unknown(r, "pre_tokenizer.Split, pattern", regex);
}

static shn_status read_bpe_pre(const reader *r, const json_t *component)
{
    const char *type = type_of(component);
    if (strcmp(type, "Split") == 0) return read_split(r, component);
    if (strcmp(type, "Digits") == 0) return add_split(r, is_true(component, "individual_digits", 0) ? SPLIT_DIGIT : SPLIT_DIGITS);
    if (strcmp(type, "ByteLevel") != 0) return unknown(r, "pre_tokenizer", type);
    if (is_true(component, "add_prefix_space", 1)) return unknown(r, "pre_tokenizer.ByteLevel", "add_prefix_space");
    return is_true(component, "use_regex", 1) ? add_split(r, SPLIT_GPT2) : SHN_OK;
}

static shn_status read_metaspace(const reader *r, const json_t *component)
{
    const char *replacement = json_string_value(json_object_get(component, "replacement"));
    const char *scheme = json_string_value(json_object_get(component, "prepend_scheme"));
    if (!replacement || strcmp(replacement, "\xE2\x96\x81") != 0) return unknown(r, "pre_tokenizer.Metaspace, replacement", replacement ? replacement : "none");
    if (!scheme) scheme = is_true(component, "add_prefix_space", 1) ? "always" : "never";     /* how older files say it */
    if (strcmp(scheme, "always") == 0) r->t->metaspace = METASPACE_ALWAYS;
    else if (strcmp(scheme, "first") == 0) r->t->metaspace = METASPACE_FIRST;
    else if (strcmp(scheme, "never") == 0) r->t->metaspace = METASPACE_NEVER;
    else return unknown(r, "pre_tokenizer.Metaspace, prepend_scheme", scheme);
    r->t->metaspace_split = is_true(component, "split", 1);
    return SHN_OK;
}

static shn_status read_unigram_pre(const reader *r, const json_t *component)
{
    const char *type = type_of(component);
    if (strcmp(type, "Metaspace") == 0) return read_metaspace(r, component);
    if (strcmp(type, "WhitespaceSplit") != 0) return unknown(r, "pre_tokenizer", type);
    r->t->whitespace_split = 1;
    return SHN_OK;
}

static shn_status read_wordpiece_pre(const reader *r, const json_t *component)
{
    return strcmp(type_of(component), "BertPreTokenizer") == 0 ? SHN_OK : unknown(r, "pre_tokenizer", type_of(component));
}

/** 1 if the component, or one of its Sequence, is of this type. `last`: it must be the only or the last one. */
static int has_type(const json_t *component, const char *type, int last)
{
    const json_t *list = json_object_get(component, "pretokenizers");
    if (!json_is_array(list)) return strcmp(type_of(component), type) == 0;
    const size_t n = json_array_size(list);
    for (size_t i = last && n ? n - 1 : 0; i < n; i++)
        if (strcmp(type_of(json_array_get(list, i)), type) == 0) return 1;
    return 0;
}

static shn_status read_pre_tokenizer(const reader *r, const json_t *component)
{
    static const struct { const char *needed; component_fn *fn; } by_model[] = {
        [MODEL_BPE] = { "ByteLevel", read_bpe_pre }, [MODEL_UNIGRAM] = { "Metaspace", read_unigram_pre }, [MODEL_WORDPIECE] = { "BertPreTokenizer", read_wordpiece_pre },
    };
    const char *needed = by_model[r->t->model].needed;
    if (!has_type(component, needed, 1))
        return shn_fail(r->err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "tokenizer.json", "pre_tokenizer: '%.60s', this model needs %s as the last step",
                        json_is_object(component) ? type_of(component) : "none", needed);
    const shn_status st = each(r, component, "pre_tokenizer", "pretokenizers", by_model[r->t->model].fn);
    if (st == SHN_OK && r->t->model == MODEL_BPE && r->t->n_split == 0) return unknown(r, "pre_tokenizer", "byte-level BPE without a split pattern");
    return st;
}

/* ---- post_processor */

static shn_status add_affix(const reader *r, uint32_t *list, size_t *n, const json_t *id)
{
    const json_int_t value = json_integer_value(id);
    if (!json_is_integer(id) || value < 0 || value >= (json_int_t)SHN_TOKEN_VOCAB_MAX) return bad(r, "post_processor", "a special token's id is no id");
    if (*n == SHN_TOKEN_AFFIX_MAX) return unknown(r, "post_processor", "more than 8 special tokens on one side");
    list[(*n)++] = (uint32_t)value;
    return SHN_OK;
}

static shn_status read_template(const reader *r, const json_t *component)
{
    const json_t *single = json_object_get(component, "single");
    const json_t *tokens = json_object_get(component, "special_tokens");
    int seen_text = 0;
    if (!json_is_array(single)) return bad(r, "post_processor.single", "is no list");
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *item = json_array_get(single, i);
        const char   *name = json_string_value(json_object_get(json_object_get(item, "SpecialToken"), "id"));
        if (json_object_get(item, "Sequence")) {
            if (seen_text++) return bad(r, "post_processor.single", "holds the text twice");
            continue;
        }
        const json_t *ids = name ? json_object_get(json_object_get(tokens, name), "ids") : NULL;
        if (!json_is_array(ids)) return bad(r, "post_processor.special_tokens", name ? name : "an item is neither Sequence nor SpecialToken");
        for (size_t k = 0; k < json_array_size(ids); k++) {
            const json_t    *id = json_array_get(ids, k);
            const shn_status st = seen_text ? add_affix(r, r->t->suffix, &r->t->n_suffix, id) : add_affix(r, r->t->prefix, &r->t->n_prefix, id);
            if (st != SHN_OK) return st;
        }
    }
    return seen_text ? SHN_OK : bad(r, "post_processor.single", "lacks the text");
}

static shn_status read_post(const reader *r, const json_t *component)
{
    const char *type = type_of(component);
    if (strcmp(type, "ByteLevel") == 0) return SHN_OK;          /* trims offsets only */
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(r, component);
    if (strcmp(type, "BertProcessing") != 0 && strcmp(type, "RobertaProcessing") != 0) return unknown(r, "post_processor", type);
    const shn_status st = add_affix(r, r->t->prefix, &r->t->n_prefix, json_array_get(json_object_get(component, "cls"), 1));
    return st != SHN_OK ? st : add_affix(r, r->t->suffix, &r->t->n_suffix, json_array_get(json_object_get(component, "sep"), 1));
}

/* ---- model */

static shn_status put_bpe_piece(const reader *r, uint64_t id, const char *piece, size_t n)
{
    char buffer[SHN_TOKEN_PIECE_MAX * 2];
    if (n > sizeof buffer) return shn_fail(r->err, SHN_RANGE, SHN_REASON_LIMIT, "tokenizer.json", "model.vocab: piece %llu has %zu bytes", (unsigned long long)id, n);
    const int64_t m = shn_byte_decode(piece, n, buffer);
    /* what is not in the byte alphabet can only be an added token that stands in the vocabulary too */
    return m < 0 ? shn_pieces_put(&r->t->pieces, id, piece, n, PIECE_SPECIAL, r->err) : shn_pieces_put(&r->t->pieces, id, buffer, (size_t)m, PIECE_TEXT, r->err);
}

static shn_status read_vocab_object(const reader *r, json_t *vocab)
{
    const char *piece;
    json_t     *id;
    if (!json_is_object(vocab)) return bad(r, "model.vocab", "is no object");
    json_object_foreach(vocab, piece, id) {
        if (!json_is_integer(id) || json_integer_value(id) < 0) return bad(r, "model.vocab, the id is no number of", piece);
        const uint64_t   number = (uint64_t)json_integer_value(id);
        const shn_status st = r->t->model == MODEL_BPE ? put_bpe_piece(r, number, piece, strlen(piece))
                                                       : shn_pieces_put(&r->t->pieces, number, piece, strlen(piece), PIECE_TEXT, r->err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

/** The two sides of a merge, as "a b" or ["a", "b"]. */
static int merge_sides(const json_t *merge, const char *side[2], size_t n[2])
{
    for (size_t k = 0; k < 2 && json_is_array(merge); k++) {
        const json_t *item = json_array_get(merge, k);
        side[k] = json_string_value(item);
        n[k] = json_string_length(item);
        if (!side[k] || json_array_size(merge) != 2) return -1;
    }
    if (json_is_array(merge)) return 0;
    const char *text = json_string_value(merge), *blank = text ? strchr(text, ' ') : NULL;
    if (!blank || strchr(blank + 1, ' ')) return -1;
    side[0] = text;
    n[0] = (size_t)(blank - text);
    side[1] = blank + 1;
    n[1] = strlen(blank + 1);
    return 0;
}

static shn_status read_merges(const reader *r, const json_t *merges)
{
    shn_tokenizer *t = r->t;
    if (!json_is_array(merges)) return bad(r, "model.merges", "is no list");
    if (json_array_size(merges) > SHN_TOKEN_MERGES_MAX)
        return shn_fail(r->err, SHN_RANGE, SHN_REASON_LIMIT, "tokenizer.json", "model.merges: %zu, at most %zu", json_array_size(merges), SHN_TOKEN_MERGES_MAX);
    for (size_t i = 0; i < json_array_size(merges); i++) {
        const char *side[2];
        size_t      n[2];
        if (merge_sides(json_array_get(merges, i), side, n))
            return shn_fail(r->err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer.json", "model.merges: item %zu is not two pieces", i);
        const shn_status st = shn_bpe_add_merge(t, side[0], n[0], side[1], n[1], r->err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

static shn_status read_bpe(const reader *r, const json_t *model)
{
    static const char *const none[] = { "dropout", "continuing_subword_prefix", "end_of_word_suffix" };
    for (size_t k = 0; k < sizeof none / sizeof *none; k++) {
        const json_t *value = json_object_get(model, none[k]);
        if (value && !json_is_null(value) && !(json_is_string(value) && json_string_length(value) == 0) && !(json_is_number(value) && json_number_value(value) == 0))
            return unknown(r, "model", none[k]);
    }
    if (is_true(model, "byte_fallback", 0)) return unknown(r, "model", "byte_fallback");
    if (is_true(model, "fuse_unk", 0) && json_is_string(json_object_get(model, "unk_token"))) return unknown(r, "model", "fuse_unk");
    r->t->ignore_merges = is_true(model, "ignore_merges", 0);
    shn_status st = read_vocab_object(r, json_object_get(model, "vocab"));
    if (st == SHN_OK) st = shn_bpe_begin_merges(r->t, json_array_size(json_object_get(model, "merges")), r->err);
    return st == SHN_OK ? read_merges(r, json_object_get(model, "merges")) : st;
}

static shn_status read_unigram(const reader *r, const json_t *model)
{
    const json_t *vocab = json_object_get(model, "vocab"), *unk = json_object_get(model, "unk_id");
    const size_t  n = json_array_size(vocab);
    if (!json_is_array(vocab)) return bad(r, "model.vocab", "is no list");
    if (is_true(model, "byte_fallback", 0)) return unknown(r, "model", "byte_fallback");
    if (n > SHN_TOKEN_VOCAB_MAX) return shn_fail(r->err, SHN_RANGE, SHN_REASON_LIMIT, "tokenizer.json", "model.vocab: %zu pieces, at most %zu", n, SHN_TOKEN_VOCAB_MAX);
    r->t->scores = shn_alloc(n, sizeof *r->t->scores);
    if (!r->t->scores) return shn_fail_nomem(r->err, "tokenizer.json");
    r->t->n_scores = n;
    for (size_t id = 0; id < n; id++) {
        const json_t *item = json_array_get(vocab, id), *piece = json_array_get(item, 0), *score = json_array_get(item, 1);
        r->t->scores[id] = json_number_value(score);
        if (!json_is_string(piece) || !json_is_number(score) || !isfinite(r->t->scores[id]))
            return shn_fail(r->err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer.json", "model.vocab: item %zu is not [piece, score]", id);
        const shn_status st = shn_pieces_put(&r->t->pieces, id, json_string_value(piece), json_string_length(piece), PIECE_TEXT, r->err);
        if (st != SHN_OK) return st;
    }
    r->t->unk = json_is_integer(unk) && json_integer_value(unk) >= 0 && json_integer_value(unk) < (json_int_t)n ? json_integer_value(unk) : -1;
    return SHN_OK;
}

static shn_status read_wordpiece(const reader *r, const json_t *model)
{
    const char       *mark = json_string_value(json_object_get(model, "continuing_subword_prefix"));
    const json_t     *most = json_object_get(model, "max_input_chars_per_word");
    const json_int_t  chars = json_is_integer(most) ? json_integer_value(most) : 100;
    if (!mark) mark = "##";
    if (strlen(mark) >= sizeof r->t->continuing) return unknown(r, "model.continuing_subword_prefix", mark);
    if (chars < 1 || chars > 1000)
        return shn_fail(r->err, SHN_RANGE, SHN_REASON_LIMIT, "tokenizer.json", "model.max_input_chars_per_word is %lld, needs 1 to 1000", (long long)chars);
    strcpy(r->t->continuing, mark);
    r->t->n_continuing = strlen(mark);
    r->t->word_chars_max = (size_t)chars;
    return read_vocab_object(r, json_object_get(model, "vocab"));
}

/** Older files leave the model's type out; then its fields tell. */
static shn_status read_model(const reader *r, const json_t *model)
{
    const char *type = type_of(model);
    if (!json_is_object(model)) return bad(r, "model", "is missing");
    if (!*type && json_object_get(model, "merges")) type = "BPE";
    if (!*type && json_object_get(model, "max_input_chars_per_word")) type = "WordPiece";
    if (!*type && json_object_get(model, "unk_id")) type = "Unigram";
    if (strcmp(type, "BPE") == 0) {
        r->t->model = MODEL_BPE;
        return read_bpe(r, model);
    }
    if (strcmp(type, "Unigram") == 0) {
        r->t->model = MODEL_UNIGRAM;
        return read_unigram(r, model);
    }
    if (strcmp(type, "WordPiece") != 0) return unknown(r, "model", type);
    r->t->model = MODEL_WORDPIECE;
    return read_wordpiece(r, model);
}

/** The unknown token by name; it may be one of the vocabulary or an added one. */
static shn_status read_unk_token(const reader *r, const json_t *model)
{
    const json_t *name = json_object_get(model, "unk_token");
    if (r->t->model == MODEL_UNIGRAM || !json_is_string(name)) return SHN_OK;
    for (size_t id = 0; id < r->t->pieces.n; id++) {
        size_t      n;
        const char *piece = shn_pieces_at(&r->t->pieces, id, &n);
        if (r->t->pieces.kind[id] != PIECE_ABSENT && n == json_string_length(name) && memcmp(piece, json_string_value(name), n) == 0)
            r->t->unk = (int64_t)id;
    }
    return r->t->unk >= 0 ? SHN_OK : bad(r, "model.unk_token is in no vocabulary", json_string_value(name));
}

static shn_status read_added(const reader *r, const json_t *list)
{
    if (!list || json_is_null(list)) return SHN_OK;
    if (!json_is_array(list)) return bad(r, "added_tokens", "is no list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i), *id = json_object_get(item, "id"), *content = json_object_get(item, "content");
        if (!json_is_integer(id) || json_integer_value(id) < 0 || !json_is_string(content))
            return shn_fail(r->err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "tokenizer.json", "added_tokens: item %zu needs id and content", i);
        const shn_status st = shn_pieces_put(&r->t->pieces, (uint64_t)json_integer_value(id), json_string_value(content), json_string_length(content),
                                             PIECE_SPECIAL, r->err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

/* ---- the file */

static shn_status read_all(const reader *r, const json_t *root)
{
    const json_t *model = json_object_get(root, "model");
    shn_status    st = json_is_object(root) ? read_model(r, model) : bad(r, "the file", "is no JSON object");
    if (st == SHN_OK) st = read_added(r, json_object_get(root, "added_tokens"));
    if (st == SHN_OK) st = read_unk_token(r, model);
    if (st == SHN_OK) st = each(r, json_object_get(root, "normalizer"), "normalizer", "normalizers", read_normalizer);
    if (st == SHN_OK) st = read_pre_tokenizer(r, json_object_get(root, "pre_tokenizer"));
    if (st == SHN_OK) st = each(r, json_object_get(root, "post_processor"), "post_processor", "processors", read_post);
    return st == SHN_OK ? shn_tokenizer_finish(r->t, r->err) : st;
}

shn_status shn_tokenizer_json(const uint8_t *bytes, size_t n_bytes, shn_tokenizer **out, shn_error *err)
{
    json_error_t why;
    uint8_t      digest[32];

    *out = NULL;
    if (n_bytes > SHN_TOKENIZER_JSON_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "tokenizer.json", "%zu bytes, at most %zu", n_bytes, SHN_TOKENIZER_JSON_MAX);
    json_t *root = json_loadb((const char *)bytes, n_bytes, JSON_REJECT_DUPLICATES, &why);
    if (!root)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "tokenizer.json", "line %d, column %d: %s", why.line, why.column, why.text);
    shn_tokenizer *t = shn_alloc(1, sizeof *t);
    shn_status     st = t ? SHN_OK : shn_fail_nomem(err, "tokenizer.json");
    if (st == SHN_OK) {
        t->unk = t->model_bos = -1;
        shn_sha256_of(bytes, n_bytes, digest);
        shn_sha256_hex(digest, t->hash);
        st = read_all(&(reader){ t, err }, root);
    }
    json_decref(root);
    if (st != SHN_OK) {
        shn_tokenizer_free(t);
        return st;
    }
    *out = t;
    return SHN_OK;
}
