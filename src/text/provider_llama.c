#include "text/provider_llama.h"

#include "base/fail.h"
#include "shinden/encode.h"

static const char where[] = "text.llama";

#if SHN_HAVE_LLAMA              /* 0 or 1 from the build */

#include <llama.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct shn_llama {
    struct llama_model   *model;
    struct llama_context *context;
    struct llama_batch    batch;        /* room for n_tokens */
    size_t                n_tokens, width;
    int                   causal;
};

const char *shn_encode_llama(void)
{
    static char name[64];
    if (!*name) snprintf(name, sizeof name, "libllama %.50s", llama_version());     /* the same bytes whoever comes first */
    return name;
}

/* libllama tells what went wrong on its log only; the first complaint of a call, by its own thread, becomes the text of the error. */
static _Thread_local char complaint[120];

static void listen(enum ggml_log_level level, const char *text, void *context)
{
    (void)context;
    if (level == GGML_LOG_LEVEL_ERROR && !*complaint) snprintf(complaint, sizeof complaint, "%.*s", (int)strcspn(text, "\r\n"), text);
}

static void start_library(void)
{
    llama_log_set(listen, NULL);
    ggml_backend_load_all();            /* where CPU kernels are plug-ins, as in Debian, no model loads without them */
    llama_backend_init();
}

static const char *said(void) { return *complaint ? complaint : "no reason given"; }

static shn_status open_model(shn_llama *l, const char *path, const shn_lm_config *config, shn_error *err)
{
    l->model = llama_model_load_from_file(path, llama_model_default_params());
    if (!l->model) return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "libllama refuses %s (%s); use the provider own", path, said());
    const int width = llama_model_n_embd(l->model), layers = llama_model_n_layer(l->model), vocab = llama_vocab_n_tokens(llama_model_get_vocab(l->model));
    if ((size_t)width != config->width || (size_t)layers != config->n_layers || (size_t)vocab != config->vocab)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, where,
                        "libllama sees width %d, %d layers, %d ids in %s; %zu, %zu and %zu are there: use the provider own", width, layers, vocab, path,
                        config->width, config->n_layers, config->vocab);
    return SHN_OK;
}

/** Keys and values stay float32 and attention is the plain one, so that the weights' own type is all that separates the two providers. */
static shn_status open_context(shn_llama *l, unsigned n_threads, size_t n_tokens, shn_error *err)
{
    struct llama_context_params p = llama_context_default_params();
    p.n_ctx = p.n_batch = p.n_ubatch = (uint32_t)(n_tokens > SHN_LLAMA_TEXTS ? n_tokens : SHN_LLAMA_TEXTS);   /* it asserts one output a text */
    p.n_seq_max = SHN_LLAMA_TEXTS;
    p.n_threads = p.n_threads_batch = (int32_t)(n_threads ? n_threads : shn_cores());
    p.embeddings = true;
    p.pooling_type = LLAMA_POOLING_TYPE_NONE;
    p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    p.type_k = p.type_v = GGML_TYPE_F32;
    p.kv_unified = true;                /* texts of different lengths share one buffer, each sees its own */
    p.no_perf = true;
    l->context = llama_init_from_model(l->model, p);
    return l->context ? SHN_OK : shn_fail(err, SHN_NOMEM, SHN_REASON_NO_MEMORY, where, "libllama makes no context for %zu tokens (%s)", n_tokens, said());
}

shn_status shn_llama_new(const char *path, const shn_lm_config *config, unsigned n_threads, size_t n_tokens, shn_llama **out, shn_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    *out = NULL;
    shn_llama *l = shn_alloc(1, sizeof *l);
    if (!l) return shn_fail_nomem(err, where);
    pthread_once(&once, start_library);
    *complaint = 0;
    l->n_tokens = n_tokens;
    l->width = config->width;
    l->causal = config->family == SHN_LM_LLAMA || config->family == SHN_LM_QWEN3;
    shn_status st = open_model(l, path, config, err);
    if (st == SHN_OK) st = open_context(l, n_threads, n_tokens, err);
    if (st == SHN_OK) {
        l->batch = llama_batch_init((int32_t)n_tokens, 0, 1);
        if (!l->batch.token || !l->batch.pos || !l->batch.n_seq_id || !l->batch.seq_id || !l->batch.logits) st = shn_fail_nomem(err, where);
    }
    if (st != SHN_OK) {
        shn_llama_free(l);
        return st;
    }
    *out = l;
    return SHN_OK;
}

void shn_llama_free(shn_llama *l)
{
    if (!l) return;
    if (l->batch.token) llama_batch_free(l->batch);
    if (l->context) llama_free(l->context);
    if (l->model) llama_model_free(l->model);
    free(l);
}

static void fill(struct llama_batch *to, const shn_lm_batch *from)
{
    to->n_tokens = (int32_t)from->n_tokens;
    for (size_t t = 0; t < from->n_texts; t++)
        for (size_t i = from->start[t]; i < from->start[t + 1]; i++) {
            to->token[i] = from->ids[i];
            to->pos[i] = (llama_pos)(i - from->start[t]);
            to->n_seq_id[i] = 1;
            to->seq_id[i][0] = (llama_seq_id)t;
            to->logits[i] = 1;          /* "logits" asks for the state as well */
        }
}

shn_status shn_llama_states(shn_llama *l, const shn_lm_batch *batch, float *x, shn_error *err)
{
    if (batch->n_tokens > l->n_tokens || batch->n_texts > SHN_LLAMA_TEXTS)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "%zu tokens of %zu texts in one call", batch->n_tokens, batch->n_texts);
    *complaint = 0;
    fill(&l->batch, batch);
    llama_memory_t memory = llama_get_memory(l->context);
    if (memory) llama_memory_clear(memory, true);                       /* encoders have none */
    const int    code = l->causal ? llama_decode(l->context, l->batch) : llama_encode(l->context, l->batch);
    const float *states = code == 0 ? llama_get_embeddings(l->context) : NULL;
    if (!states) return shn_fail(err, SHN_DEVICE, SHN_REASON_NONE, where, "libllama's call ended with %d (%s)", code, said());
    for (size_t i = 0; i < batch->n_tokens; i++) memcpy(x + batch->row[i] * l->width, states + i * l->width, l->width * sizeof *x);
    return SHN_OK;
}

#else

struct shn_llama { char none; };

const char *shn_encode_llama(void) { return NULL; }

shn_status shn_llama_new(const char *path, const shn_lm_config *config, unsigned n_threads, size_t n_tokens, shn_llama **out, shn_error *err)
{
    (void)path, (void)config, (void)n_threads, (void)n_tokens;
    *out = NULL;
    return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "this build has no libllama");
}

void shn_llama_free(shn_llama *l) { (void)l; }

shn_status shn_llama_states(shn_llama *l, const shn_lm_batch *batch, float *x, shn_error *err)
{
    (void)l, (void)batch, (void)x;
    return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "this build has no libllama");
}

#endif
