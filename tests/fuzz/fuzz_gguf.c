/** A GGUF model over arbitrary bytes: what it accepts, it must be able to hand out, expand and name in full. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/gguf.h"
#include "text/weights_private.h"

static volatile float sum;

static void expand(const shn_weights *w)
{
    for (int role = 0; role < SHN_W_ROLES; role++)
        for (size_t layer = 0; layer < (role < SHN_W_PER_LAYER ? 1 : shn_weights_config(w)->n_layers); layer++) {
            const shn_tensor_view *t = shn_weights_tensor(w, (shn_w_role)role, layer);
            if (!t) continue;
            float *row = malloc(t->cols * sizeof *row);
            if (!row) continue;
            for (size_t r = 0; r < t->rows; r += t->rows > 1 ? t->rows - 1 : 1) {      /* the first and the last */
                shn_dequant_rows(t, r, 1, row);
                sum += row[t->cols - 1];
            }
            free(row);
        }
}

static void walk(const shn_gguf_vocab *v)
{
    volatile unsigned char last = 0;
    for (size_t i = 0; v && i < v->n_tokens; i++) {
        if (v->tokens[i].n) last = (unsigned char)v->tokens[i].bytes[v->tokens[i].n - 1];
        if (v->scores) sum += v->scores[i];
        if (v->types) sum += (float)v->types[i];
    }
    for (size_t i = 0; v && i < v->n_merges; i++)
        if (v->merges[i].n) last = (unsigned char)v->merges[i].bytes[v->merges[i].n - 1];
    for (size_t i = 0; v && i < v->n_charsmap; i++) last = v->charsmap[i];
    if (v && (v->bos_id < -1 || (v->bos_id >= 0 && (size_t)v->bos_id >= v->n_tokens))) __builtin_trap();
    (void)last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_gguf       *g = NULL;
    shn_gguf_vocab *v = NULL;
    shn_weights    *w = NULL;
    shn_lm_config   config;
    shn_source      source;
    char            hex[65];
    if ((shn_gguf_open(data, size, &g, NULL) == SHN_OK) != (g != NULL)) __builtin_trap();
    for (size_t i = 0; g && i < shn_gguf_count(g); i++) {
        const shn_gguf_tensor *t = shn_gguf_at(g, i);
        if (shn_gguf_find(g, t->name) != t || t->n_bytes == 0) __builtin_trap();
        sum += (float)t->data[0] + (float)t->data[t->n_bytes - 1];
    }
    if (g && (shn_gguf_vocab_read(g, &v, NULL) != SHN_OK && v)) __builtin_trap();
    walk(v);
    shn_gguf_vocab_free(v);
    shn_gguf_close(g);

    if (shn_source_gguf_bytes(data, size, &config, &source, NULL) != SHN_OK) return 0;
    if ((shn_weights_from(&config, &source, &w, NULL) == SHN_OK) != (w != NULL)) __builtin_trap();
    if (!w) return 0;
    expand(w);
    if (shn_weights_identity(w, hex, NULL) != SHN_OK || strlen(hex) != 64) __builtin_trap();
    shn_weights_close(w);
    return 0;
}
