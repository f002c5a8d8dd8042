/** tokenizer.json from anywhere: refused with a message, or a tokenizer that encodes any text within its promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shinden/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const texts[] = { "", " ", "a", "Normal ECG, 75/min: it's  ok\n\n", "心房細動（ＡＦ）", "ﾌﾞﾛｯｸ①\u0301 x\u0301", "<s> [CLS] <|endoftext|>", "\u2581\u2581a" };

static void encode(const shn_tokenizer *t, const char *text)
{
    shn_tokens tokens;
    shn_error  err;
    memset(&err, 0, sizeof err);
    const shn_status st = shn_tokenizer_encode(t, text, NULL, &tokens, &err);
    if (st != SHN_OK) {
        if (tokens.text || tokens.items || !*err.text) __builtin_trap();
        return;
    }
    if (tokens.first > tokens.last || tokens.last > tokens.n) __builtin_trap();
    for (size_t i = 0, before = 0; i < tokens.n; i++) {
        size_t n;
        const shn_token *k = &tokens.items[i];
        if (!shn_tokenizer_piece(t, k->id, &n) || k->start > k->end || k->end > tokens.n_text) __builtin_trap();
        if (i >= tokens.first && i < tokens.last && k->start < before) __builtin_trap();
        before = k->start;
    }
    shn_tokens_free(&tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_tokenizer *t = NULL;
    shn_error      err;
    memset(&err, 0, sizeof err);
    const shn_status st = shn_tokenizer_json(data, size, &t, &err);
    if ((st == SHN_OK) != (t != NULL)) __builtin_trap();           /* exactly what the header promises */
    if (st != SHN_OK && (!*err.text || err.status != st)) __builtin_trap();
    if (!t) return 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) encode(t, texts[i]);
    const size_t n = size < 2000 ? size : 2000;                     /* and the file itself as a text, where it is UTF-8 */
    char *text = calloc(n + 1, 1);
    if (text) {
        memcpy(text, data, n);
        encode(t, text);
    }
    free(text);
    shn_tokenizer_free(t);
    return 0;
}
