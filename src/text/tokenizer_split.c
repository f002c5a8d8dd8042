/**
 * The regular expressions that cut text before byte-level BPE, as hand-written scanners: the alternatives in the
 * expression's order, each with the match that a backtracking engine finds. Three expressions are known:
 *
 *   Llama-3  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 *   Qwen2    the same with \p{N}
 *   GPT-2    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * SmolLM is digits one by one, then GPT-2 on what lies between them.
 */
#include <string.h>
#include <utf8proc.h>

#include "text/tokenizer_parts.h"

int32_t shn_char_at(const char *bytes, size_t n, size_t i, size_t *length)
{
    utf8proc_int32_t c;
    const utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)bytes + i, (utf8proc_ssize_t)(n - i), &c);
    *length = used > 0 ? (size_t)used : 1;      /* callers pass UTF-8 only; a step is taken whatever comes */
    return used > 0 ? c : 0xFFFD;
}

int shn_char_is_space(int32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

int shn_char_is_letter(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

int shn_char_is_number(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

int shn_char_is_punctuation(int32_t c)
{
    const utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

/** A view of what is left; at() past the end gives length 0 and -1, which is in no class. */
typedef struct scan { const char *bytes; size_t end; } scan;

static int32_t at(scan s, size_t i, size_t *length)
{
    *length = 0;
    return i < s.end ? shn_char_at(s.bytes, s.end, i, length) : -1;
}

static int is_newline(int32_t c) { return c == '\r' || c == '\n'; }
static int is_other(int32_t c) { return c >= 0 && !shn_char_is_space(c) && !shn_char_is_letter(c) && !shn_char_is_number(c); }
static int letter(int32_t c) { return c >= 0 && shn_char_is_letter(c); }
static int number(int32_t c) { return c >= 0 && shn_char_is_number(c); }
static int space(int32_t c) { return c >= 0 && shn_char_is_space(c); }

/** End of the longest run of a class from i, of at most `most` characters. */
static size_t run(scan s, size_t i, int (*in_class)(int32_t), size_t most)
{
    size_t length;
    for (; most > 0 && in_class(at(s, i, &length)); most--) i += length;
    return i;
}

/** One letter of a contraction; without regard to case the long s is an s, as in the engine's case folding. */
static int is_letter_of(scan s, size_t i, char wanted, int any_case, size_t *length)
{
    const int32_t c = at(s, i, length);
    if (c == wanted) return 1;
    return any_case && (c == wanted - 'a' + 'A' || (wanted == 's' && c == 0x17F));
}

static size_t contraction(scan s, size_t i, int any_case)
{
    static const char *const tails[] = { "s", "t", "re", "ve", "m", "ll", "d" };
    size_t length;
    if (at(s, i, &length) != '\'') return i;
    for (size_t k = 0; k < sizeof tails / sizeof *tails; k++) {
        size_t      j = i + 1;
        const char *p = tails[k];
        while (*p && is_letter_of(s, j, *p, any_case, &length)) {
            j += length;
            p++;
        }
        if (!*p) return j;
    }
    return i;
}

/** \s+(?!\S)|\s+ : a run before text leaves its last blank to the text, unless it is the only one. */
static size_t blanks(scan s, size_t i)
{
    size_t length, last = i, end = i;
    while (space(at(s, end, &length))) {
        last = end;
        end += length;
    }
    return end == s.end || last == i ? end : last;
}

static size_t next_gpt2(scan s, size_t i)
{
    size_t length;
    size_t end = contraction(s, i, 0);
    if (end > i) return end;
    const size_t j = at(s, i, &length) == ' ' ? i + 1 : i;
    if ((end = run(s, j, letter, SIZE_MAX)) > j) return end;
    if ((end = run(s, j, number, SIZE_MAX)) > j) return end;
    if ((end = run(s, j, is_other, SIZE_MAX)) > j) return end;
    return blanks(s, i);
}

/** \s*[\r\n]+ : the blanks up to the last newline of the run, or i. */
static size_t blanks_and_newlines(scan s, size_t i)
{
    size_t  length, end = i, after_newline = i;
    int32_t c;
    while (space(c = at(s, end, &length))) {
        end += length;
        if (is_newline(c)) after_newline = end;
    }
    return after_newline;
}

static size_t next_llama3(scan s, size_t i, size_t digits)
{
    size_t length;
    size_t end = contraction(s, i, 1);
    if (end > i) return end;
    const int32_t c = at(s, i, &length);
    const size_t  j = is_newline(c) || shn_char_is_letter(c) || shn_char_is_number(c) ? i : i + length;
    if ((end = run(s, j, letter, SIZE_MAX)) > j) return end;
    if ((end = run(s, i, number, digits)) > i) return end;
    const size_t k = c == ' ' ? i + 1 : i;
    if ((end = run(s, k, is_other, SIZE_MAX)) > k) return run(s, end, is_newline, SIZE_MAX);
    if ((end = blanks_and_newlines(s, i)) > i) return end;
    return blanks(s, i);
}

static int not_number(int32_t c) { return c >= 0 && !shn_char_is_number(c); }

size_t shn_split_next(shn_split_kind kind, const char *bytes, size_t begin, size_t end)
{
    const scan s = { bytes, end };
    size_t     stop = begin;
    switch (kind) {
    case SPLIT_DIGIT:
    case SPLIT_DIGITS:
        stop = run(s, begin, number, kind == SPLIT_DIGIT ? 1 : SIZE_MAX);
        if (stop == begin) stop = run(s, begin, not_number, SIZE_MAX);
        break;
    case SPLIT_LLAMA3: stop = next_llama3(s, begin, 3); break;
    case SPLIT_QWEN2: stop = next_llama3(s, begin, 1); break;
    case SPLIT_GPT2: stop = next_gpt2(s, begin); break;
    }
    return stop;
}
